"""Figures of chapter 03, relative representations."""

import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import FAINT, SERIES
from asif_book.figures.pictures import bar, cell, named_bars, rows_of_pictures
from asif_book.figures.style import alt, image_tag, listed, span, subplots
from asif_book.figures.templates import self_contained
from asif_lib.relative import relative_representation


def picture_rows(rows) -> HTML:
    """Draw rows of pictures, each row with its name above it and each picture with its title below it.

    `rows` is a dict from a name to a list of (picture, title); the lists are of one length.
    """
    cells = [[cell(picture, text) for picture, text in row] for row in rows.values()]
    return rows_of_pictures(cells, columns=max(map(len, cells)), names=list(rows))


def before_after(before, after) -> Figure:
    """Draw entries of a representation after a change against the same entries before it.

    `before` is of shape (m,), and so are the values of the dict `after`; each change has a panel.
    """
    figure, axes = subplots(1, len(after), figsize=(3.6 * len(after), 3.3), squeeze=False)
    before, after = np.asarray(before), {title: np.asarray(values) for title, values in after.items()}
    low = min(before.min(), *(values.min() for values in after.values()))
    for number, (axis, (title, values)) in enumerate(zip(axes.flat, after.items(), strict=True)):
        axis.plot([low, 1], [low, 1], color=FAINT, linewidth=1)
        axis.plot(before, values, ".", color=SERIES[0], markersize=1.6, alpha=0.4, rasterized=True)
        axis.set_gid(f"ink-{number}")
        axis.set(xlabel="entry before (cosine)", title=title, aspect="equal")
        axis.set(xlim=(low - 0.05, 1.05), ylim=(low - 0.05, 1.05))
        axis.set_ylabel("entry after (cosine)" if axis is axes[0, 0] else "")
    words = listed(f"{title}: {span(values)}" for title, values in after.items())
    return alt(figure, f"Entries after a change against entries before it ({span(before)}). {words}")


def caption_search(pictures, results) -> HTML:
    """Draw pictures, each beside the captions that stand first for it.

    `results` has for each picture a list of (rank, caption, score, bool); True marks its own caption, which is bold
    and has a tick.
    """
    groups = [
        (cell(picture), [bar(s, f"{rank}. {text}{' ✔' * own}", first=own) for rank, text, s, own in rows])
        for picture, rows in zip(pictures, results, strict=True)
    ]
    return named_bars(groups, xlabel="score (cosine), the best first; ✔ the right one")


# Drawn: landmarks on two maps that give one star, and a matrix of cosines


def star_of_angles(point, anchors, names, degrees) -> HTML:
    """Draw n landmarks (n, 2) and a point (1, 2) on two maps, and the star of angles that both maps give.

    The star has the point's direction at the top, and a ray for each landmark at its angle to it. The rays of the
    first map are broad lines. The rays of the second map, which is turned anticlockwise, are dashed lines upon them.
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float32)
    maps = [_map(point, anchors, names), _map(point @ turn, anchors @ turn, names)]
    reach = float(torch.cat([point, anchors]).norm(dim=1).max())
    return self_contained("chapters/chapter_03/star", maps=maps, degrees=degrees, reach=reach)


def _map(point, anchors, names):
    """Describe a map: places (x, y), and for each landmark its cosine, its angle, and the end of its ray in a star."""
    x, y = (point[0] / point.norm()).tolist()
    rays = anchors / anchors.norm(dim=1, keepdim=True) @ torch.tensor([[y, x], [-x, y]])  # the point's is (0, 1)
    cosines = relative_representation(point, anchors)[0]
    numbers = zip(names, anchors.tolist(), rays.tolist(), cosines.tolist(), strict=True)
    landmarks = [
        {"name": name, "at": at, "ray": ray, "cosine": cosine, "angle": float(np.degrees(np.arccos(cosine)))}
        for name, at, ray, cosine in numbers
    ]
    return {"point": point[0].tolist(), "landmarks": landmarks}


def moving_origin(point, anchors, names, origin) -> HTML:
    """Draw a point (1, 2) and landmarks (n, 2) in a plane whose origin a script lets the reader move.

    Beside the cosines seen from (0, 0) stand those seen from the moved origin, and the distances, which none changes.
    The coordinates are between -3 and 3. Without scripts, and first, the origin stands at `origin`.
    """
    mean = anchors.mean(dim=0).mul(10).round() / 10  # where a slider can stand
    cosines = [relative_representation(point - o, anchors - o)[0].tolist() for o in (0, torch.tensor(origin))]
    rows = list(zip(*cosines, (anchors - point).norm(dim=1).tolist(), strict=True))
    return self_contained(
        "chapters/chapter_03/origin", points=torch.cat([point, anchors]).tolist(), names=["the point", *names],
        mean=mean.tolist(), origin=origin, rows=rows,
    )  # fmt: skip


def relative_matrix(new, anchors, items, i, j) -> HTML:
    """Draw cosines of some new pictures with their nearest anchors, in the same order; row i and column j are marked.

    `new` and `anchors` are banks; `items` are rows of `new`, of which four fit on a screen.
    """
    cosines = relative_representation(new.image[items], anchors.image)  # (items, n)
    columns = cosines.argmax(dim=1).tolist()
    cosines = cosines[:, columns]
    sides = [
        [{"tag": image_tag(p, c, 72), "caption": c} for p, c in bank.pairs.iloc[rows][["picture", "caption"]].values]
        for bank, rows in ((new, items), (anchors, columns))
    ]
    return self_contained(
        "chapters/chapter_03/cosines", rows=sides[0], columns=sides[1], cosines=cosines.tolist(), i=i, j=j,
        low=min(0, float(cosines.min())), q=len(new), n=len(anchors), d=new.image.shape[1], d_text=new.text.shape[1],
    )  # fmt: skip
