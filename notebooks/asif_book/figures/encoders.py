"""Figures of chapters 00, 01 and 90."""

from collections.abc import Sequence

import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from .palette import CONTROL, INK, LINES, MARK, ON_DARK, ON_LIGHT, PAPER, PICTURE, SERIES, TEXT
from .style import alt, draw_bare, draw_picture, listed, narrow, picture_beside, subplots, with_errors, wrapped
from .templates import self_contained


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
        axis.set_yticks(range(len(side)), names, fontsize=9)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, 1.25 * longest)  # the same on both sides: bars of equal length are equal entries
        axis.set(xlabel="entry in the sparse vector (no unit)", title=title)
    words = [f"{title}: {listed(pairs.caption[a] for a, _ in side)}" for title, side in zip(titles, sides, strict=True)]
    both = dict.fromkeys(pairs.caption[a] for side in sides for a, _ in side if a in kept[0] & kept[1])
    return alt(figure, f"Bars of the largest entries. {'. '.join(words)}. Filled, kept by both: {listed(both)}")


def score_table(pictures, labels, scores, right) -> Figure:
    """Draw the scores of pictures (rows) and labels (columns); the best of a row is bold, the right one framed.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels : sequence of t str
    scores : array of shape (q, t)
    right : array of shape (q,)
        The column of each picture's own label.
    """
    scores = np.asarray(scores)
    q, t = scores.shape
    figure, axis = subplots(figsize=(0.95 * t + 1.6, 0.72 * q + 1.7))
    drawn = axis.imshow(scores, cmap="Greys", vmin=0, vmax=max(scores.max() * 1.25, 1e-9), aspect="auto")
    for i, j in np.ndindex(q, t):
        colour = ON_DARK if scores[i, j] > 0.5 * drawn.get_clim()[1] else ON_LIGHT
        style = {"color": colour, "fontweight": "bold" if j == scores[i].argmax() else "normal"}
        axis.text(j, i, f"{scores[i, j]:.2f}", ha="center", va="center", fontsize=8 if narrow() else 10.5, **style)
    for i, (picture, j) in enumerate(zip(pictures, right, strict=True)):
        axis.add_patch(Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor=MARK, lw=3))
        picture_beside(axis, picture, (-0.5, i), 80, -6)
    axis.set_xticks(range(t), [wrapped(label, 9) for label in labels], fontsize=9.5)
    axis.set_yticks(range(q), [""] * q)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("label")
    axis.set_ylabel("held-out picture", labelpad=46)
    axis.spines[:].set_visible(False)
    label = "score\n(0 = no anchor in common,\n1 = the same)"
    figure.colorbar(drawn, ax=axis, label=label, shrink=0.85, use_gridspec=False)
    answers = zip(right, scores.argmax(axis=1), scores.max(axis=1), strict=True)
    words = [f"the picture of the {labels[i]} gets {labels[j]}, {score:.2f}" for i, j, score in answers]
    return alt(figure, f"A table of scores, a row for each picture, a column for each label: {listed(words)}")


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
        draw_bare(first, picture, wrapped(heading, 26), fontsize=9.5, fontweight="bold")
        shares = table.contribution / table.contribution.sum()
        anchors = list(zip(table.picture, table.caption, shares, strict=True))[:3]
        for axis, (anchor, caption, share) in zip(others, anchors, strict=False):
            draw_bare(axis, anchor, f"{share:.0%} · {wrapped(caption, 24, 2)}", fontsize=9)
        reasons = ", ".join(f"{caption} {share:.0%}" for _, caption, share in anchors) or "no anchor at all"
        words.append(f"{heading}: {reasons}")
    if not narrow():
        figure.add_artist(Line2D([1.15 / (columns + 0.15)] * 2, [0.01, 0.99], color=INK, lw=1))
    return alt(figure, f"Decisions, each with the anchors of the largest share of the score. {listed(words)}")


def what_the_encoder_sees(rows) -> Figure:
    """Draw pictures as they are on disk, as read, and as they enter the encoder.

    A row is (picture as stored, picture as read, array, array). The arrays are of shape (h, w, 3) in [0, 1]: the
    encoder's input, and its input without padding to a square.
    """
    heads = ["file (grey: transparent)", "as read", "what the encoder sees", "if not padded"]
    figure, axes = subplots(len(rows), 4, figsize=(10, 2.7 * len(rows)), squeeze=False)
    for place, (line, (file, *others)) in enumerate(zip(axes, rows, strict=True)):
        rgba = file.convert("RGBA")
        grey = Image.new("RGBA", rgba.size, (200, 200, 200, 255))
        grey.alpha_composite(rgba)
        for axis, head, image in zip(line, heads, (grey.convert("RGB"), *others), strict=True):
            axis.imshow(image)
            axis.set_title(head if place == 0 else "", fontsize=10.5)
            height, width = np.asarray(image).shape[:2]
            axis.set_xlabel(f"width: {width} pixels", fontsize=9)
            axis.set_ylabel(f"height: {height} pixels", fontsize=9)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(True)
    return alt(
        figure,
        f"{len(rows)} pictures in four columns: the file, grey where it is transparent; the same on a white square; "
        "the small square that enters the encoder, without a narrow rim; and that square if the picture is not padded, "
        "where the ends of long things are missing.",
    )


def neighbour_rows(pictures, captions, queries, neighbours, cosines) -> Figure:
    """Draw one row for each query: the picture, then its nearest neighbours with their cosines.

    Parameters
    ----------
    pictures, captions : sequences of n
    queries : sequence of q int
    neighbours : array of shape (q, m)
        Positions, the nearest first.
    cosines : array of shape (q, m)
    """
    rows = list(zip(queries, np.asarray(neighbours).tolist(), np.asarray(cosines).tolist(), strict=True))
    columns = 1 + len(rows[0][1])
    figure, axes = subplots(len(rows), columns, figsize=(1.75 * columns, 2.0 * len(rows)), squeeze=False)
    for line, (query, near, values) in zip(axes, rows, strict=True):
        heads = ["picture", *(f"cosine {value:.2f}" for value in values)]
        for axis, i, head in zip(line, [query, *near], heads, strict=True):
            frame = PICTURE if axis is line[0] else None
            draw_picture(axis, pictures[i], wrapped(captions[i], 20, 2), head, frame=frame)
        line[0].title.set_fontweight("bold")
    words = [f"{captions[query]} has {' '.join(captions[i] for i in near)}" for query, near, _ in rows]
    return alt(figure, f"Pictures with their nearest neighbours: {listed(words)}")


def bars_with_intervals(measures, chance, xlabel, meanings) -> Figure:
    """Draw one bar for each measure, in per cent, with its interval and a line at chance.

    A bar of a trained encoder has the colour of its side, and the bar of a control is hollow.

    Parameters
    ----------
    measures : dict of str to Measure
    chance : float
    xlabel : str
    meanings : sequence of str
        Of each measure: ``"picture"``, ``"text"`` or ``"control"``.
    """
    figure, axis = subplots(figsize=(7.2, 0.55 * len(measures) + 1.3))
    value, errors = (100 * array for array in with_errors(measures.values()))
    places = np.arange(len(measures))
    fills = [{"picture": PICTURE, "text": TEXT, "control": PAPER}[meaning] for meaning in meanings]
    edges = [CONTROL if fill == PAPER else fill for fill in fills]
    axis.barh(places, value, height=0.6, color=fills, edgecolor=edges, linewidth=2)
    axis.errorbar(value, places, xerr=errors, fmt="none", ecolor=INK, capsize=4)
    for place, (at, above) in enumerate(zip(value, errors[1], strict=True)):
        axis.text(at + above + 1.5, place, f"{at:.0f} %", va="center", fontsize=10)
    axis.axvline(100 * chance, color=INK, linestyle="--", linewidth=1.8)
    beside = {"xytext": (5, 0), "textcoords": "offset points", "fontsize": 9.5, "va": "bottom"}
    axis.annotate(f"chance {100 * chance:.0f} %", (100 * chance, -0.45), **beside)
    axis.set_yticks(places, list(measures))
    axis.set(ylim=(len(measures) - 0.5, -0.95), xlim=(0, 100), xlabel=xlabel)
    words = listed(f"{name} {measure}" for name, measure in measures.items())
    return alt(figure, f"Bars with 95 % intervals, {xlabel}: {words}; chance {chance:.1%}")


def cosine_histograms(series, xlabel="cosine (no unit)") -> Figure:
    """Draw the distributions of several sets of cosines, given by name, as outlines of equal area."""
    figure, axis = subplots(figsize=(6.8, 3.4))
    series = {name: np.ravel(values) for name, values in series.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(series.values())), bins=41)
    for (name, values), colour, style in zip(series.items(), SERIES, LINES, strict=False):
        density, _ = np.histogram(values, edges, density=True)
        axis.stairs(density, edges, color=colour, linestyle=style, linewidth=2, label=name)
    axis.set(xlabel=xlabel, ylabel="density (area under each line: 1)")
    axis.legend(frameon=False, loc="best", fontsize=9.5)
    words = listed(f"{name}, mean {v.mean():.3f}, standard deviation {v.std():.2f}" for name, v in series.items())
    return alt(figure, f"Outlines of distributions, {xlabel}: {words}")


# Shapes lined up from the right: which entries meet when two tensors of different shape are subtracted


def lined_up(panels: Sequence[dict]) -> HTML:
    """Draw differences of two tensors: their shapes lined up from the right, and below them their entries.

    A panel has two tensors of one or two dimensions by their names, the second to be subtracted from the first. The
    repeated entries are dashed. Shapes that do not fit have a cross, and no entries.
    """
    return self_contained("shapes", panels=[_panel(*panel.items()) for panel in panels])


def _panel(first, second):
    operands = [first, second]
    ndim = max(tensor.ndim for _, tensor in operands)
    shapes = [[None] * (ndim - tensor.ndim) + list(tensor.shape) for _, tensor in operands]
    *sizes, result = zip(*(_fit(*sizes) for sizes in zip(*shapes, strict=True)), strict=True)
    rows = [(name, words) for (name, _), words in zip(operands, sizes, strict=True)]
    fits = "✗" not in result
    return {"names": [name for name, _ in operands], "rows": rows, "result": result, "fits": fits,
            "grids": _grids(*(tensor for _, tensor in operands)) if fits else []}  # fmt: skip


def _fit(first, second):
    """Say what one dimension of two operands, and of the result, shows; a missing dimension is None."""
    sizes = [1 if size is None else size for size in (first, second)]
    fits = sizes[0] == sizes[1] or 1 in sizes
    wide = max(sizes)
    words = ["none" if size is None else str(size) for size in (first, second)]
    if not fits:
        return [*(f"{word} ✗" for word in words), "✗"]
    return [*(f"{word} → {wide}" if size != wide else word for word, size in zip(words, sizes, strict=True)), str(wide)]


def _grids(first, second):
    """For both operands and their difference rows of (entry, whether it is a copy of another)."""
    shape = torch.broadcast_shapes(first.shape, second.shape, (1, 1))

    def grid(tensor):
        height, width = (1,) * (2 - tensor.ndim) + tuple(tensor.shape)
        rows = enumerate(tensor.expand(shape).tolist())
        return [[(f"{entry:g}", i >= height or j >= width) for j, entry in enumerate(row)] for i, row in rows]

    return [grid(tensor) for tensor in (first, second, first - second)]
