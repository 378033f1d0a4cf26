"""Figures of chapters 00 and 01."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

from .style import BLUE, COLOURS, SKY, VERMILION, closed, thumbnail, wrapped


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
    longest = max((entry for *_, entry in [*picture_side, *text_side]), default=0) or 1
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.62 * count + 1.4))
    for axis, rows, title in zip(axes, (picture_side, text_side), titles, strict=True):
        for place, (anchor, picture, _, entry) in enumerate(rows):
            style = {"color": BLUE} if anchor in shared else {"fill": False, "edgecolor": "0.45"}
            axis.barh(place, entry, height=0.62, **style)
            thumb = OffsetImage(thumbnail(picture, 64), zoom=0.5)
            box = AnnotationBbox(
                thumb, (entry, place), xybox=(4, 0), boxcoords="offset points", frameon=False,
                box_alignment=(0, 0.5), pad=0,
            )  # fmt: skip
            axis.add_artist(box)
        axis.set_yticks(range(len(rows)), [wrapped(caption, 24, 2) for _, _, caption, _ in rows], fontsize=9)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, 1.25 * longest)  # the same on both sides: bars of equal length are equal entries
        axis.set(xlabel="entry in the sparse vector (no unit)", title=title)
    return closed(figure)


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
    axis.set_xticks(range(t), [wrapped(label, 9) for label in labels], fontsize=9.5)
    axis.set_yticks(range(q), [""] * q)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("label")
    axis.set_ylabel("held-out picture", labelpad=46)
    axis.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=axis, label="score (0 = no anchor in common, 1 = the same)", shrink=0.85)
    return closed(figure)


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
        row[0].set_title(wrapped(heading, 26, 3), fontsize=9.5, fontweight="bold")
        for axis, (anchor, caption, share) in zip(row[1:], anchors, strict=False):
            axis.imshow(thumbnail(anchor))
            axis.set_title(f"{share:.0%} · {wrapped(caption, 24, 2)}", fontsize=9)
    figure.add_artist(plt.Line2D([1.15 / (columns + 0.15)] * 2, [0.01, 0.99], color="0.7", lw=1))
    return closed(figure)


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
    return closed(figure)


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
    figure, axes = plt.subplots(len(queries), columns, figsize=(1.75 * columns, 2.0 * len(queries)), squeeze=False)
    for row, query, near, values in zip(axes, queries, neighbours, cosines, strict=True):
        for axis, (picture, caption), value in zip(row, [query, *near], [None, *values], strict=True):
            axis.imshow(thumbnail(picture))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(value is None)
            axis.spines[:].set(color=BLUE, linewidth=2.5)
            head = "picture" if value is None else f"cosine {value:.2f}"
            axis.set_title(head, fontsize=9, fontweight="bold" if value is None else "normal")
            axis.set_xlabel(wrapped(caption, 20, 2), fontsize=8.5)
    return closed(figure)


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
    return closed(figure)


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
    axis.legend(frameon=False, loc="best", fontsize=9.5)
    return closed(figure)
