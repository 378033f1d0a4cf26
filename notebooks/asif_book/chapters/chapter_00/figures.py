"""Figures of chapter 00, start here."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asif_book.figures.palette import INK, PICTURE, TEXT
from asif_book.figures.style import alt, draw_bare, image_tag, listed, narrow, picture_beside, subplots, wrapped
from asif_book.figures.templates import self_contained


def two_profiles(image, text, pairs, titles) -> Figure:
    """Draw the largest entries of a picture's and of a text's sparse vector, as bars over the same anchors.

    Each side has seven bars. A bar is filled where the other side keeps the anchor too, be it drawn there or not.

    Parameters
    ----------
    image, text : SparseVectors of one row
    pairs : DataFrame
        The bank's table, with the columns ``picture`` and ``caption`` of each anchor.
    titles : (str, str)
    """
    sides = [list(zip(v.indices[0].tolist(), v.values[0].tolist(), strict=True)) for v in (image, text)]
    kept = [{anchor for anchor, entry in side if entry > 0} for side in sides]
    sides = [side[:7] for side in sides]
    count, longest = max(map(len, sides)), max(entry for side in sides for _, entry in side) or 1
    figure, axes = subplots(1, 2, figsize=(10, 0.62 * count + 1.4))
    for axis, side, title, colour in zip(axes, sides, titles, (PICTURE, TEXT), strict=True):
        for place, (anchor, entry) in enumerate(side):
            style = {"color": colour} if anchor in kept[0] & kept[1] else {"fill": False, "edgecolor": colour}
            axis.barh(place, entry, height=0.62, **style)
            picture_beside(axis, pairs.picture[anchor], (entry, place), 64, 4)
        names = [wrapped(pairs.caption[anchor], 24, 2) for anchor, _ in side]
        axis.set_yticks(range(len(side)), names, fontsize=10)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, 1.25 * longest)  # the same on both sides: bars of equal length are equal entries
        axis.set(xlabel="entry in the sparse vector (no unit)", title=title)
    words = [f"{title}: {listed(pairs.caption[a] for a, _ in side)}" for title, side in zip(titles, sides, strict=True)]
    both = dict.fromkeys(pairs.caption[a] for side in sides for a, _ in side if a in kept[0] & kept[1])
    return alt(figure, f"Bars of the largest entries. {'. '.join(words)}. Filled, kept by both: {listed(both)}")


def score_table(pictures, labels, scores, right) -> HTML:
    """Draw the scores of pictures (columns) and labels (rows); the best of a picture is bold, the right one ticked.

    A phone shows two labels for each picture: the answer and the right one, or the answer and the next best.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels : sequence of t str
    scores : array of shape (q, t)
    right : array of shape (q,)
        The column of each picture's own label.
    """
    columns = []
    for picture, row, own in zip(pictures, np.asarray(scores).tolist(), np.asarray(right).tolist(), strict=True):
        first, *others = np.argsort(row, kind="stable")[::-1].tolist()
        two = [first, *([own] if own != first else others[:1])]
        tag = image_tag(picture, f"a picture of the {labels[own]}", 72)
        columns.append({"tag": tag, "scores": row, "answer": first, "right": own, "two": two})
    largest = max(float(np.max(scores)), 1e-9)
    return self_contained("chapters/chapter_00/scores", columns=columns, labels=labels, largest=largest)


def deciding_anchors(rows) -> Figure:
    """Draw one row for each decision: the picture and label, and the three anchors with the largest share of the score.

    `rows` is a sequence of (picture, heading, table); the table as from `contributions` with the bank's pairs.
    """
    columns = 1 + max(min(3, len(table)) for *_, table in rows)
    size, widths = (2.3 * columns, 1.85 * len(rows) + 0.3), [1.15] + [1] * (columns - 1)
    figure, axes = subplots(len(rows), columns, figsize=size, squeeze=False, width_ratios=widths)
    words = []
    for (first, *others), (picture, heading, table) in zip(axes, rows, strict=True):
        for axis in others:
            axis.set_axis_off()
        draw_bare(first, picture, wrapped(heading, 26), fontsize=10, fontweight="bold")
        shares = table.contribution / table.contribution.sum()
        anchors = list(zip(table.picture, table.caption, shares, strict=True))[:3]
        for axis, (anchor, caption, share) in zip(others, anchors, strict=False):
            draw_bare(axis, anchor, wrapped(f"{share:.0%} · {caption}", 24, 2), fontsize=10)
        reasons = ", ".join(f"{caption} {share:.0%}" for _, caption, share in anchors) or "no anchor at all"
        words.append(f"{heading}: {reasons}")
    if not narrow():
        figure.add_artist(Line2D([1.15 / (columns + 0.15)] * 2, [0.01, 0.99], color=INK, lw=1))
    return alt(figure, f"Decisions, each with the anchors of the largest share of the score. {listed(words)}")
