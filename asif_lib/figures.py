"""The figures of the book: functions of data that return a matplotlib Figure, in one style.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; where two series meet, line
style or marker differs too, so that a figure works in black and white.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

from .pictures import open_picture

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
COLOURS = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def use_style():
    """Set the book's style for all figures of a notebook."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "font.size": 11,
            "image.cmap": "cividis",
        }
    )


def thumbnail(picture, side=96):
    """Return the picture as a (side, side, 3) uint8 array on white, its proportions kept."""
    image = open_picture(picture)
    image.thumbnail((side, side))
    canvas = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - image.height) // 2, (side - image.width) // 2
    canvas[top : top + image.height, left : left + image.width] = np.asarray(image)
    return canvas


def show_pictures(pictures, titles=None, *, columns=6, title="") -> Figure:
    """Draw pictures in a grid, each with its title (a caption, a score) below it."""
    titles = titles or [""] * len(pictures)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 2.1 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, picture, text in zip(axes.flat, pictures, titles, strict=False):
        axis.imshow(thumbnail(picture))
        axis.text(
            0.5, -0.04, _wrapped(text, 20), transform=axis.transAxes, ha="center", va="top", fontsize=8.5
        )
    if title:
        figure.suptitle(title)
    return figure


def _wrapped(text, width, lines=3):
    import textwrap

    return "\n".join(textwrap.wrap(str(text), width, max_lines=lines, placeholder=" …"))


def show(figure, alt):
    """Display `figure` once, as a picture with the alternative text `alt`, and close it."""
    import base64
    import html
    import io

    from IPython.display import HTML, display

    png = io.BytesIO()
    figure.savefig(png, format="png", facecolor="white")
    plt.close(figure)
    source = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")
    style = "max-width: 100%; height: auto"
    display(HTML(f'<img src="{source}" alt="{html.escape(alt, quote=True)}" style="{style}">'))


# -- chapters 04 and 05 ----------------------------------------------------------------------------------


def sparse_vector(query, relative, vectors, pictures, captions, *, top=6) -> Figure:
    """Show how one dense relative representation becomes sparse vectors, and which anchors are left.

    Parameters
    ----------
    query : picture
    relative : Tensor of shape (n,)
        Cosines of one picture with all anchors.
    vectors : dict of str to SparseVectors of one row
        The name of each (its k and p) and the vector; all keep the same k anchors.
    pictures : sequence
        The `top` pictures of the largest kept entries, the largest first.
    captions : sequence of str
    """
    figure = plt.figure(figsize=(8.4, 6.6))
    grid = figure.add_gridspec(3, top + 1, height_ratios=[1.25, 1.25, 1])
    dense, kept = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :])
    ordered = np.sort(np.asarray(relative))[::-1]
    k = max(vector.indices.shape[1] for vector in vectors.values())
    positions = np.arange(1, len(ordered) + 1)
    dense.fill_between(positions, ordered, color=SKY, alpha=0.5, step="mid", label="forgotten")
    dense.fill_between(positions[:k], ordered[:k], color=BLUE, step="mid", label=f"kept (k = {k})")
    dense.axhline(0, color=BLACK, linewidth=0.8)
    dense.axvline(k + 0.5, color=BLACK, linestyle="--", linewidth=1)
    dense.set(xlabel="anchors, the most similar first", ylabel="cosine", xlim=(0.5, len(ordered) + 0.5))
    dense.legend(frameon=False, ncols=2)
    for i, (name, vector) in enumerate(vectors.items()):
        values = vector.values[0].numpy()
        marker = {"marker": MARKERS[i], "markersize": 4, "color": COLOURS[i]}
        marker["linestyle"] = ["-", "--", ":", "-."][i % 4]
        kept.plot(np.arange(1, len(values) + 1), values, label=name, **marker)
    kept.set(xlabel="kept anchors, the most similar first", ylabel="entry after\nnormalisation")
    kept.set_ylim(0, None)
    kept.legend(frameon=False)
    titles = ["the picture itself"] + [f"anchor {i}: {caption}" for i, caption in enumerate(captions[:top], 1)]
    for i, (picture, text) in enumerate(zip([query, *pictures[:top]], titles, strict=True)):
        axis = figure.add_subplot(grid[2, i])
        axis.imshow(thumbnail(picture))
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set(visible=i == 0, color=VERMILION, linewidth=2)
        text = _wrapped(text, 16)
        axis.text(0.5, -0.04, text, transform=axis.transAxes, ha="center", va="top", fontsize=8)
    plt.close(figure)
    return figure


def sweep_heatmaps(tables, *, value="mean recall") -> Figure:
    """Draw one heat map of k/n × p for each table of `evaluation.sweep`; the best cell has a frame.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Columns ``fraction``, ``p``, ``value``.
    value : str
        What the number in a cell is, for the colour bar.
    """
    figure, axes = plt.subplots(1, len(tables), figsize=(5 * len(tables), 4), squeeze=False)
    grids = {n: t.pivot(index="fraction", columns="p", values="value") for n, t in tables.items()}
    low = min(grid.to_numpy().min() for grid in grids.values())
    high = max(grid.to_numpy().max() for grid in grids.values())
    for axis, (name, grid) in zip(axes.flat, grids.items(), strict=True):
        image = axis.imshow(grid, vmin=low, vmax=high, aspect="auto", origin="lower")
        axis.set_xticks(range(grid.shape[1]), [f"{p:g}" for p in grid.columns])
        axis.set_yticks(range(grid.shape[0]), [f"{f:g}" for f in grid.index])
        axis.set(xlabel="exponent p", ylabel="entries kept, k / n", title=name)
        axis.spines[:].set_visible(False)
        for row, column in np.ndindex(grid.shape):
            number = grid.iloc[row, column]
            colour = "white" if number < (low + high) / 2 else BLACK
            axis.text(column, row, f"{100 * number:.0f}", ha="center", va="center", color=colour, fontsize=9)
        row, column = np.unravel_index(grid.to_numpy().argmax(), grid.shape)
        frame = plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=VERMILION, linewidth=3)
        axis.add_patch(frame)
    figure.colorbar(image, ax=axes, format=lambda v, _: f"{v:.0%}", label=value)
    plt.close(figure)
    return figure


def interval_dots(series, *, xlabel, chance=None, title="") -> Figure:
    """Draw measures as dots with their 95 % intervals, one row for each label.

    Parameters
    ----------
    series : dict of str to dict of str to Measure
        For each series its measures by label; a label may be missing in a series.
    xlabel : str
    chance : float, optional
        A dotted line: what guessing gives.
    """
    labels = list(dict.fromkeys(label for measures in series.values() for label in measures))
    figure, axis = plt.subplots(figsize=(7, 0.7 + (0.3 + 0.22 * len(series)) * len(labels)))
    for i, (name, measures) in enumerate(series.items()):
        offset = 0.22 * (i - (len(series) - 1) / 2)
        rows = [labels.index(label) + offset for label in measures]
        values = np.array([m.value for m in measures.values()])
        ends = np.array([[m.low, m.high] for m in measures.values()]).T
        errors = np.abs(ends - values)
        axis.errorbar(
            values, rows, xerr=errors, fmt=MARKERS[i], color=COLOURS[i], markersize=7, capsize=3, label=name
        )
    if chance is not None:
        axis.axvline(chance, color=BLACK, linestyle=":", label=f"chance, {chance:.1%}")
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.xaxis.set_major_locator(plt.MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.set(xlabel=xlabel, ylabel="", title=title)
    axis.grid(axis="x", alpha=0.3)
    if len(series) > 1 or chance is not None:
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    plt.close(figure)
    return figure


def line_chart(series, *, xlabel, ylabel, logx=None, logy=False, percent=False, marks=None) -> Figure:
    """Draw curves by name, each with a marker and a line style of its own.

    Parameters
    ----------
    series : dict of str to (x, y)
    logx : int, optional
        Base of a logarithmic x axis.
    logy : bool
    percent : bool
        y are fractions.
    marks : dict of str to float, optional
        Vertical dotted lines at these x, with their names.
    """
    figure, axis = plt.subplots(figsize=(7, 4))
    for i, (name, (x, y)) in enumerate(series.items()):
        style = {"marker": MARKERS[i], "color": COLOURS[i], "linestyle": ["-", "--", "-.", ":"][i % 4]}
        axis.plot(x, y, label=name, **style)
    if logx:
        axis.set_xscale("log", base=logx)
        axis.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}" if v >= 1 else f"{v:g}")
    if logy:
        axis.set_yscale("log")
    if percent:
        axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    for name, x in (marks or {}).items():
        axis.axvline(x, color=BLACK, linestyle=":", linewidth=1)
        axis.text(x, 1, f" {name}", transform=axis.get_xaxis_transform(), va="bottom", ha="center", fontsize=9)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(alpha=0.3)
    axis.legend(framealpha=0.9, edgecolor="none")
    plt.close(figure)
    return figure


def confusion_matrix(counts, classes) -> Figure:
    """Draw how many pictures of each class (row) were given each label (column).

    Parameters
    ----------
    counts : ndarray of shape (c, c)
    classes : list of str
    """
    side = 2.2 + 0.36 * len(classes)
    figure, axis = plt.subplots(figsize=(side, side))
    axis.imshow(counts, cmap="Greys", vmin=0)
    axis.set_xticks(range(len(classes)), classes, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="label given", ylabel="true class")
    for row, column in zip(*np.nonzero(counts), strict=True):
        number = counts[row, column]
        colour = "white" if number > counts.max() / 2 else BLACK
        weight = "bold" if row == column else "normal"
        axis.text(column, row, number, ha="center", va="center", color=colour, fontweight=weight, fontsize=9)
    axis.set_xticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color=SKY, linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    plt.close(figure)
    return figure


def scaling(tables, *, ylabel, chance=None) -> Figure:
    """Draw tables of `evaluation.scaling_curve`: a line through the means and a dot for every seed.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Columns ``size``, ``seed``, ``value``.
    chance : dict of str to float, optional
        What guessing gives, for each table.
    """
    figure, axis = plt.subplots(figsize=(7, 4.2))
    for i, (name, table) in enumerate(tables.items()):
        mean = table.groupby("size").value.mean()
        style = {"marker": MARKERS[i], "color": COLOURS[i], "linestyle": ["-", "--"][i % 2]}
        axis.plot(mean.index, mean, label=name, **style)
        axis.scatter(table["size"], table.value, s=14, color=COLOURS[i], alpha=0.5, edgecolors="none")
        if chance and name in chance:
            axis.axhline(chance[name], color=COLOURS[i], linestyle=":", label=f"{name}, chance")
    sizes = sorted(set().union(*(table["size"] for table in tables.values())))
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(s) for s in sizes])
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.set(xlabel="anchors, n (log scale)", ylabel=ylabel, ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, ncols=2, loc="upper left")
    plt.close(figure)
    return figure


def two_profiles(picture_side, text_side, shared, titles) -> Figure:
    """Draw how a picture and a label look over the anchors: the largest entries of each, as bars.

    Parameters
    ----------
    picture_side, text_side : sequence of (anchor, picture, caption, entry)
        The largest entry first.
    shared : set of int
        Anchors that both vectors keep, be they drawn or not; their bars are filled.
    titles : pair of str
    """
    count = max(len(picture_side), len(text_side))
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.62 * count + 1.4))
    for axis, rows, title in zip(axes, (picture_side, text_side), titles, strict=True):
        entries = [entry for *_, entry in rows]
        for place, (anchor, picture, _, entry) in enumerate(rows):
            style = {"color": BLUE} if anchor in shared else {"fill": False, "edgecolor": "0.45"}
            axis.barh(place, entry, height=0.62, **style)
            thumb = OffsetImage(thumbnail(picture, 64), zoom=0.5)
            box = AnnotationBbox(
                thumb, (entry, place), xybox=(4, 0), boxcoords="offset points", frameon=False,
                box_alignment=(0, 0.5), pad=0,
            )  # fmt: skip
            axis.add_artist(box)
        axis.set_yticks(range(len(rows)), [_wrapped(caption, 24, 2) for _, _, caption, _ in rows], fontsize=9)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, 1.25 * max(entries, default=1) or 1)
        axis.set(xlabel="entry in the sparse vector (no unit)", title=title)
    return _closed(figure)


def score_table(pictures, labels, scores, right) -> Figure:
    """Draw the scores of pictures (rows) and labels (columns); the best of a row is bold, the right one framed.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels : sequence of t str
    scores : array-like of shape (q, t)
    right : sequence of q int
        The column of each picture's own label.
    """
    scores = np.asarray(scores)
    q, t = scores.shape
    figure, axis = plt.subplots(figsize=(0.95 * t + 1.6, 0.72 * q + 1.7))
    drawn = axis.imshow(scores, cmap="Blues", vmin=0, vmax=max(scores.max() * 1.25, 1e-9), aspect="auto")
    for i, j in np.ndindex(q, t):
        axis.text(
            j, i, f"{scores[i, j]:.2f}", ha="center", va="center", fontsize=10.5, color="white"
            if scores[i, j] > 0.75 * drawn.get_clim()[1] else "black",
            fontweight="bold" if j == scores[i].argmax() else "normal",
        )  # fmt: skip
    for i, j in enumerate(right):
        axis.add_patch(plt.Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor=VERMILION, lw=2))
    for i, picture in enumerate(pictures):
        thumb = OffsetImage(thumbnail(picture, 80), zoom=0.5)
        axis.add_artist(
            AnnotationBbox(
                thumb, (-0.5, i), xybox=(-6, 0), boxcoords="offset points", frameon=False,
                box_alignment=(1, 0.5), pad=0,
            )
        )  # fmt: skip
    axis.set_xticks(range(t), [_wrapped(label, 9) for label in labels], fontsize=9.5)
    axis.set_yticks(range(q), [""] * q)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("label")
    axis.set_ylabel("held-out picture", labelpad=46)
    axis.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=axis, label="score (0 = no anchor in common, 1 = the same)", shrink=0.85)
    return _closed(figure)


def deciding_anchors(rows) -> Figure:
    """Draw one row for each decision: the picture and label, and the anchors that made the score.

    Parameters
    ----------
    rows : sequence of (picture, heading, anchors)
        `anchors` is a sequence of (picture, caption, share of the score).
    """
    columns = 1 + max(len(anchors) for *_, anchors in rows)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(2.3 * columns, 1.85 * len(rows) + 0.3), squeeze=False,
        width_ratios=[1.15] + [1] * (columns - 1),
    )  # fmt: skip
    for row, (picture, heading, anchors) in zip(axes, rows, strict=True):
        for axis in row:
            axis.set_axis_off()
        row[0].imshow(thumbnail(picture))
        row[0].set_title(_wrapped(heading, 26, 3), fontsize=9.5, fontweight="bold")
        for axis, (anchor, caption, share) in zip(row[1:], anchors, strict=False):
            axis.imshow(thumbnail(anchor))
            axis.set_title(f"{share:.0%} · {_wrapped(caption, 24, 2)}", fontsize=9)
    figure.add_artist(plt.Line2D([1.15 / (columns + 0.15)] * 2, [0.01, 0.99], color="0.7", lw=1))
    return _closed(figure)


def what_the_encoder_sees(rows) -> Figure:
    """Draw pictures as they are on disk, as read, and as they enter the encoder.

    Parameters
    ----------
    rows : sequence of (picture as stored, picture as read, array, array)
        The arrays are of shape (h, w, 3) in [0, 1]: what the encoder sees, and what it would see without
        padding to a square.
    """
    heads = ["file (grey: transparent)", "as read", "what the encoder sees", "if not padded"]
    figure, axes = plt.subplots(len(rows), 4, figsize=(10, 2.7 * len(rows)), squeeze=False)
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
    return _closed(figure)


def neighbour_rows(queries, neighbours, cosines) -> Figure:
    """Draw one row for each query: the picture, then its nearest neighbours with their cosines.

    Parameters
    ----------
    queries : sequence of (picture, caption)
    neighbours : sequence, for each query, of (picture, caption), the nearest first
    cosines : array-like of shape (queries, neighbours)
    """
    cosines = np.asarray(cosines)
    columns = 1 + cosines.shape[1]
    figure, axes = plt.subplots(
        len(queries), columns, figsize=(1.75 * columns, 2.0 * len(queries)), squeeze=False
    )
    for row, query, near, values in zip(axes, queries, neighbours, cosines, strict=True):
        for axis, (picture, caption), value in zip(row, [query, *near], [None, *values], strict=True):
            axis.imshow(thumbnail(picture))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(value is None)
            axis.spines[:].set(color=BLUE, linewidth=2.5)
            head = "picture" if value is None else f"cosine {value:.2f}"
            axis.set_title(head, fontsize=9, fontweight="bold" if value is None else "normal")
            axis.set_xlabel(_wrapped(caption, 20, 2), fontsize=8.5)
    return _closed(figure)


def bars_with_intervals(names, measures, chance, xlabel) -> Figure:
    """Draw one bar for each `Measure`, in per cent, with its interval and a line at chance."""
    figure, axis = plt.subplots(figsize=(7.2, 0.55 * len(names) + 1.3))
    values = 100 * np.array([m.value for m in measures])
    errors = 100 * np.array([[m.value - m.low for m in measures], [m.high - m.value for m in measures]])
    places = np.arange(len(names))
    axis.barh(places, values, height=0.6, color=SKY, edgecolor="black", linewidth=0.8)
    axis.errorbar(values, places, xerr=errors, fmt="none", ecolor="black", capsize=4)
    for place, value, m in zip(places, values, measures, strict=True):
        axis.text(100 * m.high + 1.5, place, f"{value:.0f} %", va="center", fontsize=10)
    axis.axvline(100 * chance, color=VERMILION, linestyle="--", linewidth=1.8)
    axis.annotate(
        f"chance {100 * chance:.0f} %", (100 * chance, -0.45), xytext=(5, 0), textcoords="offset points",
        color=VERMILION, fontsize=9.5, va="bottom",
    )  # fmt: skip
    axis.set_yticks(places, names)
    axis.set(ylim=(len(names) - 0.5, -0.95), xlim=(0, 100), xlabel=xlabel)
    return _closed(figure)


def cosine_histograms(series, xlabel="cosine (no unit)") -> Figure:
    """Draw the distributions of several sets of cosines as outlines of equal area.

    Parameters
    ----------
    series : dict of str to array-like
        Name of each set, and its values.
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.4))
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(v) for v in series.values()]), bins=41)
    for (name, values), colour, style in zip(series.items(), COLOURS, ["-", "--", ":", "-."], strict=False):
        density, _ = np.histogram(np.ravel(values), edges, density=True)
        axis.stairs(density, edges, color=colour, linestyle=style, linewidth=2, label=name)
    axis.set(xlabel=xlabel, ylabel="density (area under each line: 1)")
    axis.legend(frameon=False, loc="upper right", fontsize=9.5)
    return _closed(figure)


def _closed(figure):
    """Take the figure off pyplot's list, so that a notebook displays it once, where it is asked for."""
    plt.close(figure)
    return figure


# -- chapter 02: anchors -----------------------------------------------------------------------------------


def group_sizes(groups) -> Figure:
    """Draw how many pairs belong to each group, the largest on top."""
    names, counts = np.unique(np.asarray(groups, dtype=str), return_counts=True)
    order = np.argsort(counts, kind="stable")
    figure, axis = plt.subplots(figsize=(6, 0.26 * len(names) + 0.9))
    bars = axis.barh(names[order], counts[order], color=BLUE)
    axis.bar_label(bars, padding=3, fontsize=9)
    axis.set(xlabel="pairs", ylabel="group", ylim=(-0.7, len(names) - 0.3))
    axis.margins(x=0.1)
    return _closed(figure)


def picture_pairs(pairs, titles, *, columns=4, title="") -> Figure:
    """Draw pairs of pictures side by side, each pair with its title below it, two lines to each line given."""
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 2.3 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis, (left, right), text in zip(axes.flat, pairs, titles, strict=False):
        gap = np.full((96, 8, 3), 255, np.uint8)
        axis.imshow(np.hstack([thumbnail(left), gap, thumbnail(right)]))
        axis.set_xlabel(_lines(text, 34, 2), fontsize=8.5)
    if title:
        figure.suptitle(title)
    return _closed(figure)


def similarity_density(picture, caption, centres, means, low, high) -> Figure:
    """Draw the density of pairs over two similarities, and the mean of the second in bins of the first.

    Parameters
    ----------
    picture, caption : arrays of shape (m,)
        The two similarities of m pairs of stamps.
    centres, means, low, high : arrays of shape (b,)
        For each bin of the first similarity its centre, and the mean of the second with its interval.
    """
    figure, axis = plt.subplots(figsize=(7, 4.6))
    density = axis.hexbin(picture, caption, gridsize=55, bins="log", mincnt=1, cmap="Greys", linewidths=0)
    axis.errorbar(
        centres,
        means,
        yerr=np.array([np.subtract(means, low), np.subtract(high, means)]),
        color=VERMILION,
        marker="o",
        markersize=5,
        capsize=3,
        label="mean of the bin, 95 % interval",
    )
    axis.axhline(0, color=BLUE, linestyle="--", linewidth=1, label="captions unrelated (0)")
    axis.set(xlabel="similarity of the pictures (cosine)", ylabel="similarity of the captions (cosine)")
    axis.legend(loc="upper left", fontsize=9)
    figure.colorbar(density, label="pairs of stamps in a cell (log scale)")
    return _closed(figure)


def shuffle_control(panels) -> Figure:
    """Draw what shuffled data gives beside what the real data gives, one panel a measure.

    Parameters
    ----------
    panels : dict of str to (float, (float, float), array)
        For each measure (its name is the axis label) the observed value, its interval, and the values of
        the shuffles.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.2), squeeze=False)
    for axis, (name, (observed, interval, shuffled)) in zip(axes.flat, panels.items(), strict=True):
        axis.hist(shuffled, bins=9, color=BLUE, label="captions shuffled")
        axis.axvspan(*interval, color=VERMILION, alpha=0.25, linewidth=0)
        axis.axvline(observed, color=VERMILION, linewidth=2, label="real captions, 95 % interval")
        axis.set(xlabel=name, ylabel="shuffles")
        axis.margins(y=0.45)
        axis.legend(loc="upper center", fontsize=8.5)
    return _closed(figure)


def overlap_by_k(k, observed, low, high, shuffled, chance) -> Figure:
    """Draw the share of common neighbours for several k, with intervals, shuffled captions and chance.

    `shuffled` has shape (shuffles, len(k)); its whole spread is drawn.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    errors = np.array([np.subtract(observed, low), np.subtract(high, observed)])
    axis.errorbar(
        k, observed, yerr=errors, color=BLUE, marker="o", capsize=3, label="real captions, 95 % interval"
    )
    shuffled = np.asarray(shuffled)
    axis.fill_between(
        k, shuffled.min(axis=0), shuffled.max(axis=0), color=SKY, alpha=0.5, label="all shuffles", linewidth=0
    )
    axis.plot(
        k, shuffled.mean(axis=0), color=VERMILION, marker="s", linestyle="--", label="mean of the shuffles"
    )
    axis.plot(k, chance, color=BLACK, linestyle=":", label="chance, k / (n − 1)")
    axis.set_xscale("log")
    axis.set_xticks(k, [str(number) for number in k])
    axis.minorticks_off()
    axis.set(xlabel="k, neighbours looked at", ylabel="share of common neighbours", ylim=(0, None))
    axis.legend(fontsize=9)
    return _closed(figure)


def shared_neighbours(picture, caption, by_picture, by_caption, shared) -> Figure:
    """Draw one stamp with its neighbours by picture (upper row) and by caption (lower row).

    Parameters
    ----------
    picture, caption : the stamp
    by_picture, by_caption : lists of (picture, caption) of the same length
    shared : pair of lists of bool
        Which neighbours of each row are in the other row too: they get a frame and a star.
    """
    columns = len(by_picture) + 1
    figure, axes = plt.subplots(2, columns, figsize=(1.45 * columns, 4.9))
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    axes[0, 0].imshow(thumbnail(picture))
    axes[0, 0].set_xlabel(_wrapped(caption, 17), fontsize=8.5)
    axes[0, 0].set_title("the stamp", fontsize=9.5)
    rows = zip(axes, (by_picture, by_caption), shared, ("picture", "caption"), strict=True)
    for row, neighbours, marks, name in rows:
        for rank, (axis, (item, text), mark) in enumerate(
            zip(row[1:], neighbours, marks, strict=True), 1
        ):
            axis.imshow(thumbnail(item))
            axis.set_xlabel(_wrapped(text, 17), fontsize=8.5)
            axis.set_title(f"{rank} by {name}" + (" ★" if mark else ""), fontsize=9.5)
            if mark:
                axis.spines[:].set(visible=True, color=VERMILION, linewidth=2.5)
    return _closed(figure)


def coverage_histogram(similarities) -> Figure:
    """Draw how similar held-out items are to their nearest anchor.

    `similarities` is a dict from the name of a modality to an array of shape (q,).
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    bins = np.linspace(min(0, *(min(s) for s in similarities.values())), 1, 21)
    styles = zip(COLOURS, ("//", ""), ("bar", "step"), ("-", "--"), strict=False)
    for (name, values), (colour, hatch, kind, line) in zip(similarities.items(), styles, strict=False):
        filled = {"alpha": 0.55, "hatch": hatch, "edgecolor": "black"} if kind == "bar" else {"linewidth": 2}
        axis.hist(values, bins=bins, color=colour, histtype=kind, label=name, **filled)
        axis.axvline(np.median(values), color=colour, linestyle=line, label=f"median, {name}")
    axis.set(xlabel="similarity to the nearest anchor (cosine)", ylabel="held-out stamps")
    axis.legend(fontsize=9)
    return _closed(figure)


# -- chapter 03: relative representations ------------------------------------------------------------------


def relative_under_changes(point, anchors, changes, names) -> Figure:
    """Draw a point and anchors in the plane, changed in several ways, and the point's cosines below.

    Parameters
    ----------
    point : array of shape (2,)
    anchors : array of shape (n, 2)
    changes : dict of str to callable
        From rows of shape (m, 2) to rows of the same shape; the first one is the reference, whose cosines
        are drawn as outlines in every panel.
    names : list of str
        One for each anchor.
    """
    point, anchors = np.atleast_2d(np.asarray(point, float)), np.asarray(anchors, float)
    figure, axes = plt.subplots(
        2, len(changes), figsize=(2.2 * len(changes), 4.5), squeeze=False, height_ratios=[1.5, 1]
    )
    changed = {title: (change(point), change(anchors)) for title, change in changes.items()}
    reach = 1.5 * max(np.abs(np.vstack(rows)).max() for rows in changed.values())
    reference = None
    for (plane, bars), (title, (z, a)) in zip(axes.T, changed.items(), strict=True):
        plane.axhline(0, color="0.8", linewidth=0.8)
        plane.axvline(0, color="0.8", linewidth=0.8)
        for row, name, colour, marker in zip(a, names, COLOURS, MARKERS, strict=False):
            plane.plot([0, row[0]], [0, row[1]], color=colour, linewidth=1)
            plane.plot(*row, color=colour, marker=marker, linestyle="none", markersize=7)
            outward = 14 * row / np.linalg.norm(row)
            plane.annotate(
                name, row, xytext=outward, textcoords="offset points", fontsize=10, ha="center", va="center"
            )
        plane.plot([0, z[0, 0]], [0, z[0, 1]], color=BLACK, linewidth=1.5, linestyle="--")
        plane.plot(*z[0], color=BLACK, marker="*", linestyle="none", markersize=12)
        plane.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
        plane.set(xlabel="coordinate 1", ylabel="coordinate 2" if plane is axes[0, 0] else "")
        cosines = (a @ z[0]) / np.linalg.norm(a, axis=1) / np.linalg.norm(z[0])
        reference = cosines if reference is None else reference
        places = np.arange(len(a))
        bars.bar(places, cosines, color=COLOURS[: len(a)], width=0.5)
        bars.bar(places, reference, facecolor="none", edgecolor=BLACK, linewidth=1.4, width=0.8)
        for place, value in zip(places, cosines, strict=True):
            above = max(value, reference[place], 0) + 0.07
            bars.text(place, above, f"{value:.2f}", ha="center", va="bottom", fontsize=9)
        bars.axhline(0, color=BLACK, linewidth=0.8)
        bars.set_xticks(places, names)
        bars.set(xlabel="anchor", ylim=(-1.1, 1.5), yticks=[-1, 0, 1])
        bars.set_ylabel("cosine with ★" if bars is axes[1, 0] else "")
    return _closed(figure)


def before_after(before, after) -> Figure:
    """Draw entries of a representation after a change against the same entries before it.

    Parameters
    ----------
    before : array of shape (m,)
    after : dict of str to array of shape (m,)
        One panel for each change.
    """
    figure, axes = plt.subplots(1, len(after), figsize=(3.3 * len(after), 3.3), squeeze=False)
    low = min(np.min(before), *(np.min(values) for values in after.values()))
    for axis, (title, values), colour in zip(axes.flat, after.items(), COLOURS, strict=False):
        axis.plot([low, 1], [low, 1], color="0.6", linewidth=1)
        axis.plot(before, values, color=colour, marker=".", markersize=3, linestyle="none", alpha=0.5)
        axis.set(xlabel="entry before (cosine)", title=title, aspect="equal")
        axis.set(xlim=(low - 0.05, 1.05), ylim=(low - 0.05, 1.05))
        axis.set_ylabel("entry after (cosine)" if axis is axes[0, 0] else "")
    return _closed(figure)


def cosines_before_after(panels) -> Figure:
    """Draw cosines of random pairs before and after centring, one panel for each encoder.

    `panels` is a dict from a name to a pair of arrays (before, after).
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.3), squeeze=False)
    for axis, (name, (before, after)) in zip(axes.flat, panels.items(), strict=True):
        bins = np.linspace(min(np.min(before), np.min(after)), 1, 60)
        axis.hist(before, bins=bins, density=True, color=ORANGE, alpha=0.6, label="as they are")
        axis.hist(
            after, bins=bins, density=True, color=BLUE, histtype="step", linewidth=1.8, label="centred"
        )
        axis.axvline(np.mean(before), color=VERMILION, linestyle="--", label="mean, as they are")
        axis.axvline(np.mean(after), color=BLUE, linestyle=":", linewidth=2, label="mean, centred")
        axis.set(xlabel="cosine of two stamps", ylabel="density", title=name)
        axis.legend(fontsize=8.5)
    return _closed(figure)


def recall_points(ks, measures, chance) -> Figure:
    """Draw recall@k with 95 % intervals for several methods, and chance.

    Parameters
    ----------
    ks : list of int
    measures : dict of str to list of Measure
        One for each k.
    chance : list of float
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    places = np.arange(len(ks))
    shifts = np.linspace(-0.15, 0.15, len(measures)) if len(measures) > 1 else [0]
    for (name, values), shift, colour, marker in zip(
        measures.items(), shifts, COLOURS, MARKERS, strict=False
    ):
        value = np.array([m.value for m in values])
        errors = np.array([[m.value - m.low for m in values], [m.high - m.value for m in values]])
        axis.errorbar(
            places + shift, value, errors, color=colour, marker=marker, capsize=4, linestyle="none", label=name
        )
    axis.plot(places, chance, color=BLACK, marker="_", markersize=28, linestyle="none", label="chance")
    axis.set_xticks(places, [f"R@{k}" for k in ks])
    axis.set(xlabel="true caption among the first k", ylabel="share of pictures", ylim=(0, 1))
    axis.set_xlim(-0.5, len(ks) - 0.5)
    axis.legend(fontsize=9, loc="upper left")
    return _closed(figure)


def caption_search(pictures, results) -> Figure:
    """Draw pictures, each beside the captions that stand first for it.

    Parameters
    ----------
    pictures : list of pictures
    results : list of lists of (rank, caption, score, bool)
        For each picture; True marks its own caption, which gets a tick and another colour.
    """
    most = max(len(rows) for rows in results)
    figure, axes = plt.subplots(
        len(pictures), 2, figsize=(7.4, (0.3 * most + 0.75) * len(pictures)), squeeze=False, width_ratios=[1, 3]
    )
    span = max(score for rows in results for _, _, score, _ in rows)
    low = min(0, *(score for rows in results for _, _, score, _ in rows))
    for (left, right), picture, rows in zip(axes, pictures, results, strict=True):
        left.imshow(thumbnail(picture))
        left.set_axis_off()
        places = np.arange(len(rows))[::-1]
        colours = [VERMILION if own else SKY for *_, own in rows]
        bars = right.barh(places, [score for _, _, score, _ in rows], color=colours)
        for bar, (*_, own) in zip(bars, rows, strict=True):
            bar.set(edgecolor=BLACK, linewidth=1.5 if own else 0)
        labels = [f"{rank}. {_lines(text, 38, 1)}" + (" ✔" if own else "") for rank, text, _, own in rows]
        right.set_yticks(places, labels, fontsize=9)
        right.set(xlim=(low, 1.05 * span), ylabel="caption")
    axes[-1, 1].set_xlabel("score (cosine)")
    return _closed(figure)


def _lines(text, width, lines=3):
    """Wrap a text, keeping the line breaks that it has."""
    return "\n".join(_wrapped(part, width, lines) for part in str(text).split("\n"))
