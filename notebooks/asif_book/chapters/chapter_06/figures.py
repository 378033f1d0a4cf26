"""Figures of chapter 06, interpretability."""

import textwrap
from itertools import starmap

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import ANCHOR, FAINT, INK, LINES, MARK, PAPER, SERIES, series_style
from asif_book.figures.pictures import bar, cell, named_bars, rows_of_pictures
from asif_book.figures.style import alt, legend_above, listed, per_cent, subplots
from asif_lib.encoders.pictures import open_picture


def anchor_bars(heading, rows, *, xlabel) -> HTML:
    """Draw the anchors that decided, rows of (picture, caption, value), each with a bar."""
    anchors = [bar(value, caption, picture) for picture, caption, value in rows]
    return named_bars([(cell(None, head=heading), anchors)], xlabel=xlabel)


def scores_without(picture, heading, labels, before, after, gone, entered, *, truth=None) -> HTML:
    """Draw the scores of labels with all anchors and without some, and which anchors went and came.

    Parameters
    ----------
    picture : picture
    heading : str
    labels : sequence of c str
    before, after : sequences of c float
    gone, entered : lists of (picture, caption)
        Anchors; at most six of each are drawn.
    truth : str, optional
        The label with a check mark.
    """
    scores = [
        bar(new, label + " ✔" * (label == truth), before=old, first=new == max(after) > 0)
        for label, old, new in zip(labels, before, after, strict=True)
    ]
    names = [
        f"{name}: {len(anchors)}{', of which 6 are shown' * (len(anchors) > 6)}"
        for name, anchors in (("taken away", gone), ("entered", entered))
    ]
    moved = rows_of_pictures([starmap(cell, anchors[:6]) for anchors in (gone, entered)], columns=6, names=names)
    groups, xlabel = [(cell(picture, head=heading), scores)], "score (no unit; the winner is bold)"
    return named_bars(groups, xlabel=xlabel, more=moved)


def wrapped(text, width, lines=3):
    """Wrap each line of a text to lines of `width` characters; the rest is cut."""
    parts = str(text).split("\n")
    return "\n".join("\n".join(textwrap.wrap(part, width, max_lines=lines, placeholder=" …")) for part in parts)


def why_and_what_if(contributions, effects, captions) -> Figure:
    """Draw an anchor's contribution to a score against the fall of the score when this anchor alone is removed.

    `contributions` and `effects` are (n,), and the anchors with the largest contributions get their `captions` (n).
    """
    figure, axis = subplots(figsize=(7, 4.6))
    contributions, effects = np.asarray(contributions), np.asarray(effects)
    gives = contributions > 0
    rises = (effects < 0) & gives
    axis.scatter(contributions[~gives], effects[~gives], marker="_", color=ANCHOR, label="no contribution")
    axis.scatter(contributions[gives & ~rises], effects[gives & ~rises], color=ANCHOR, s=26, label="the score falls")
    look = {"facecolor": PAPER, "edgecolor": ANCHOR, "marker": "v", "s": 30, "zorder": 3}
    axis.scatter(contributions[rises], effects[rises], label="the score rises", **look)
    most = contributions.max()
    axis.plot([0, most], [0, most], color=INK, linestyle="--", linewidth=1, label="both are equal")
    axis.axhline(0, color=INK, linewidth=0.8)
    for i in {int(contributions.argmax()), int((contributions * rises).argmax())}:
        axis.annotate(wrapped(captions[i], 24), (contributions[i], effects[i]), (-6, -6), textcoords="offset points",
                      ha="right" if contributions[i] > most / 2 else "left", va="top", fontsize=9,
                      bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5})  # fmt: skip
    axis.set(xlabel="contribution of the anchor (no unit)", ylabel="fall of the score without it")
    axis.grid(alpha=0.3)
    legend_above(figure, axis)
    return alt(
        figure,
        f"Contributions and effects of {len(effects)} anchors; they add up to {contributions.sum():.3f} and "
        f"{effects.sum():.3f}. The score rises without {rises.sum()} of {(contributions > 0).sum()} that contribute",
    )


def faithfulness(table) -> Figure:
    """Draw the curves of `faithfulness_curves`: the mean over pictures, and where the middle half of them lies.

    `table` has the columns ``picture``, ``curve``, ``order``, ``repeat``, ``fraction`` and ``score``.
    """
    grid = np.linspace(0, 1, 41)
    figure, axes = subplots(1, 2, figsize=(9, 3.7), sharey=True)
    titles = {"deletion": "deletion: taken away", "insertion": "insertion: brought back"}
    orders = {"contribution": "largest contribution first", "random": "in random order"}
    for axis, (kind, title) in zip(axes, titles.items(), strict=True):
        for i, (order, label) in enumerate(orders.items()):
            part = table[(table.curve == kind) & (table.order == order)]
            each = part.groupby(["picture", "repeat"])
            rows = np.stack([np.interp(grid, curve.fraction, curve.score) for _, curve in each])
            axis.plot(grid, rows.mean(axis=0), label=label, **series_style(i, len(grid)))
            axis.fill_between(grid, *np.quantile(rows, [0.25, 0.75], axis=0), color=SERIES[i], alpha=0.18, linewidth=0)
        axis.xaxis.set_major_formatter(per_cent)
        axis.yaxis.set_major_formatter(per_cent)
        axis.set(title=title, xlabel="contributing anchors", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("label's score, of that with all anchors")
    legend_above(figure, axes[0])
    means = table[table.fraction.between(0.2, 0.3)].groupby(["curve", "order"]).score.mean()
    words = listed(f"{kind}, order by {order}: {score:.0%}" for (kind, order), score in means.items())
    return alt(figure, f"The label's score while anchors are taken away or brought back; near a quarter: {words}")


def important_regions(views) -> Figure:
    """Draw pictures that fade where nothing hangs on a region; a line frames the quarter of the regions with most.

    `views` is a sequence of (picture, heading, drops), with drops (rows, cols) as from `occlusion`.
    """
    figure, axes = subplots(1, len(views), figsize=(3 * len(views), 2.8), squeeze=False)
    words = []
    for axis, (picture, heading, drops) in zip(axes.flat, views, strict=True):
        image = open_picture(picture)
        image.thumbnail((300, 300))
        drops = np.asarray(drops)
        down, across = (np.arange(n) * m // n for n, m in zip(image.size[::-1], drops.shape, strict=True))
        most, quarter = drops.max(), drops >= np.quantile(drops, 0.75)
        shown = 0.3 + 0.7 * np.clip(drops / most if most > 0 else 0 * drops, 0, 1)  # (rows, cols)
        shown, framed = (cells[down][:, across] for cells in (shown, quarter))  # (height, width)
        pixels = 255 - (255 - np.asarray(image)) * shown[..., None]
        below = f"largest drop {most:.2f}"
        axis.imshow(pixels.astype(np.uint8))
        axis.set(xticks=[], yticks=[], xlabel=below, title=wrapped(heading, 30))
        axis.spines[:].set_visible(False)
        around = (np.arange(-1, n + 1).clip(-0.5, n - 0.5) for n in image.size)  # a frame at the edge is closed
        axis.contour(*around, np.pad(framed, 1), [0.5], colors=MARK, linewidths=2)
        row, column = np.unravel_index(drops.argmax(), drops.shape)
        words.append(f"{heading}, {below}, in row {row + 1} and column {column + 1}")
    return alt(figure, f"Pictures whose regions fade where little hangs on them: {listed(words)}")


def familiarity_curves(series, threshold) -> Figure:
    """Draw the share of pictures below each familiarity, for several sets; at the threshold it is the alarm rate.

    `series` has the familiarities of each set by its name, (q,).
    """
    figure, axis = subplots(figsize=(7.4, 3.8))
    for i, (name, values) in enumerate(series.items()):
        axis.ecdf(np.asarray(values), color=SERIES[i], linestyle=LINES[i], linewidth=1.5, label=name)
    axis.axvline(threshold, color=FAINT, linewidth=2, label=f"alarm to the left of {threshold:.2f}")
    axis.yaxis.set_major_formatter(per_cent)
    axis.set(xlabel="cosine with the most similar anchor (no unit)", ylabel="share of less familiar pictures")
    axis.grid(alpha=0.3)
    legend_above(figure, axis)
    words = listed(f"{name} {np.mean(np.asarray(values) < threshold):.1%}" for name, values in series.items())
    return alt(figure, f"Shares of pictures below each familiarity. Below the threshold {threshold:.2f}: {words}")
