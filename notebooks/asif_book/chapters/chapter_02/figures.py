"""Figures of chapter 02, anchors."""

import numpy as np
from IPython.display import HTML
from matplotlib import colormaps, colors
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from asif_book.figures import style
from asif_book.figures.palette import BAR, CONTROL, INK, LINES, MARKERS, PAPER, SERIES
from asif_book.figures.pictures import cell, rows_of_pictures
from asif_book.figures.style import alt, drawn_pairs, legend_above, listed, subplots
from asif_book.figures.templates import self_contained

ENTRIES = 7
"""Entries of an embedding that `two_matrices` draws."""


def group_sizes(groups) -> Figure:
    """Draw how many pairs belong to each group, the largest on top."""
    names, counts = np.unique(np.asarray(groups, dtype=str), return_counts=True)
    order = np.argsort(counts, kind="stable")
    figure, axis = subplots(figsize=(6, 0.26 * len(names) + 0.9))
    bars = axis.barh(names[order], counts[order], color=BAR, edgecolor=INK, linewidth=0.8)
    axis.bar_label(bars, padding=3, fontsize=9)
    axis.set(xlabel="pairs", ylabel="group", ylim=(-0.7, len(names) - 0.3), xmargin=0.1)
    figure.set_figheight(max(figure.get_figheight(), 0.2 * len(names) + 0.5))  # a phone's letters need it, too
    return alt(figure, "Pairs in each group: " + listed(f"{names[i]} {counts[i]}" for i in order[::-1]))


def picture_pairs(pictures, captions, pairs, notes=None, *, columns=4) -> HTML:
    """Draw pairs (i, j) of pictures side by side, with both captions below them, left → right, and a note for each."""
    cells = []
    for (i, j), note in zip(pairs, [""] * len(pairs) if notes is None else notes, strict=True):
        two = cell(pictures[i], f"{captions[i]}\n→ {captions[j]}\n{note}".strip())
        cells.append(two | {"tags": two["tags"] + cell(pictures[j], captions[j])["tags"]})
    return rows_of_pictures([cells], columns=columns)


def similarity_density(picture, caption, bins) -> Figure:
    """Draw the density of m pairs over two similarities, (m,), and the mean of the second in bins of the first.

    `bins` has the columns ``centre`` (of the bin of the first similarity), ``mean`` (of the second), ``low``, ``high``.
    """
    figure, axis = subplots(figsize=(7, 4.6))
    picture, caption = np.asarray(picture), np.asarray(caption)  # matplotlib takes a Tensor apart, number by number
    greys = colors.ListedColormap(colormaps["Greys"](np.linspace(0.22, 1, 256)))  # one pair is grey, no pair is not
    density = axis.hexbin(
        picture, caption, gridsize=55, bins="log", mincnt=1, cmap=greys, linewidths=0, rasterized=True
    )
    edge = [withStroke(linewidth=4, foreground=PAPER)]
    look = {"color": SERIES[1], "marker": "o", "markersize": 5, "path_effects": edge}  # ink is in the cells
    errors = [bins["mean"] - bins.low, bins.high - bins["mean"]]
    axis.errorbar(bins.centre, bins["mean"], errors, **look, label="mean of the bin, 95 % interval")
    axis.axhline(0, color=SERIES[2], linestyle="--", linewidth=1, label="captions unrelated (0)")
    axis.set(xlabel="similarity of the pictures (cosine)", ylabel="similarity of the captions (cosine)")
    legend_above(figure, axis)
    axis.set_gid("cells")
    figure.colorbar(density, label="pairs of stamps in a cell (log scale)", use_gridspec=False).ax.set_gid("cells-bar")
    means = listed(f"{mean:.2f} at {x:.2f}" for x, mean in zip(bins.centre, bins["mean"], strict=True))
    return alt(figure, f"Density of {len(picture):,} pairs. Mean caption similarity by picture similarity: {means}")


def shuffle_control(panels) -> Figure:
    """Draw shuffled data beside the real data, one panel a measure.

    `panels` has for each measure (its name is the axis label) the observed value, its interval (low, high), and the
    array of the values of the shuffles.
    """
    figure, axes = subplots(1, len(panels), figsize=(max(6, 4.4 * len(panels)), 3.2), squeeze=False)
    for axis, (name, (observed, interval, shuffled)) in zip(axes.flat, panels.items(), strict=True):
        axis.hist(shuffled, bins=9 if len(shuffled) < 1000 else 60, color=CONTROL, label="captions shuffled")
        axis.axvspan(*interval, color=SERIES[0], alpha=0.25, linewidth=0, zorder=0, label="95 % interval")
        axis.axvline(observed, color=SERIES[0], linewidth=1.5, label="real captions")
        axis.set(xlabel=name, ylabel="shuffles")
    legend_above(figure, axes.flat[0], 3)
    words = listed(
        f"{name}: {v:.3f}, shuffled {np.min(s):.3f} to {np.max(s):.3f}" for name, (v, _, s) in panels.items()
    )
    return alt(figure, f"Histograms, bars: captions shuffled; line: real captions. {words}")


def shared_neighbours(pictures, captions, row, near) -> HTML:
    """Draw the stamp of a row with its neighbours by picture (upper row) and by caption (lower row): `near`, two lists.

    Those in both rows get a frame and a star.
    """
    rows = [
        [cell(pictures[i], captions[i], "★" * (i in other), "shared" * (i in other)) for i in mine]
        for mine, other in (near, near[::-1])
    ]
    names = ["the stamp", "nearest by picture", "nearest by caption"]
    return rows_of_pictures(
        [[cell(pictures[row], captions[row], kind="query")], *rows], columns=len(near[0]), names=names
    )


def coverage_by_count(counts, choices) -> Figure:
    """Draw how well new pictures are covered by more and more anchors, for several ways to choose them.

    `choices` has for each way to choose an array (draws, len(counts), 2): for each draw and number of anchors the mean
    coverage and its 5th percentile. Drawn are the means over the draws and the middle 95 % of the draws.
    """
    figure, axis = subplots(figsize=(7, 4.2))
    for (name, values), colour, marker in zip(choices.items(), SERIES, MARKERS, strict=False):
        low, high = np.quantile(values, [0.025, 0.975], axis=0)
        mean = np.mean(values, axis=0)
        for i, what in enumerate(("mean", "5th percentile")):
            axis.fill_between(counts, low[:, i], high[:, i], color=colour, alpha=0.25, linewidth=0)
            look = {"color": colour, "marker": marker, "linestyle": LINES[i]}
            axis.plot(counts, mean[:, i], label=f"{what}, {name}", **look)
    style.log_axis(axis, counts)
    axis.set(xlabel="number of anchors", ylabel="coverage of new pictures (cosine)")
    legend_above(figure, axis)
    ends = {name: np.mean(values, axis=0)[[0, -1]] for name, values in choices.items()}
    words = listed(
        f"{n}: mean {m[0, 0]:.2f} to {m[1, 0]:.2f}, 5th {m[0, 1]:.2f} to {m[1, 1]:.2f}" for n, m in ends.items()
    )
    reach = f"from {counts[0]} to {counts[-1]} anchors"
    return alt(figure, f"Coverage of new pictures, {reach}. {words} (5th percentile)")


def two_matrices(bank, rows, order) -> HTML:
    """Draw some pairs of a bank as rows of its two matrices, then with the captions in another order.

    Parameters
    ----------
    bank : AnchorBank
    rows : sequence of int
        The drawn pairs; five fit on a screen.
    order : sequence of int
        A permutation of the positions 0 … len(rows) − 1. In the second drawing, the picture at position i stands
        beside the caption of the pair at position order[i].
    """
    rows, order = [int(row) for row in rows], [int(position) for position in order]
    image, text = bank.image[rows, :ENTRIES].double(), bank.text[rows, :ENTRIES].double()
    captions = bank.pairs.caption.iloc[rows].tolist()
    beside = "; ".join(f"{captions[i]} beside “{captions[j]}”" for i, j in enumerate(order))
    words = f"Crossing lines. The pictures now stand beside other captions: {beside}"
    return self_contained(
        "chapters/chapter_02/pairing", pictures=drawn_pairs(bank, rows, image), captions=drawn_pairs(bank, rows, text),
        order=order, words=words, n=len(bank), d_image=bank.image.shape[1], d_text=bank.text.shape[1],
        largest_image=float(image.abs().max()), largest_text=float(text.abs().max()),
    )  # fmt: skip
