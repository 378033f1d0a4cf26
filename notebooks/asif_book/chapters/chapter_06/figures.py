"""Figures of chapter 06, interpretability."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from asif_book.figures import style
from asif_book.figures.palette import ANCHOR, INK, LINES, MARK, PAPER, SERIES, series_style
from asif_book.figures.style import Drawing, alt, draw_bare, listed, picture_beside, rows_down, subplots, wrapped
from asif_lib.encoders.pictures import open_picture


def anchor_bars(picture, heading, rows, *, xlabel, sides=None) -> Figure:
    """Draw a picture beside the anchors that decided: each with its picture, its caption and a bar.

    Parameters
    ----------
    picture : picture
    heading, xlabel : str
    rows : sequence of (picture, caption, value)
        From top to bottom; bars of negative values go to the left and are hatched.
    sides : (str, str), optional
        The labels that bars to the left and to the right speak for.
    """
    pictures, captions, values = zip(*rows, strict=True)
    figure, (left, axis) = subplots(1, 2, figsize=(9.6, 0.56 * len(values) + 1.3), width_ratios=[1, 2.6])
    draw_bare(left, picture, wrapped(heading, 20), side=160, fontsize=10, fontweight="bold")
    rows_down(axis, ["" if style.narrow() else wrapped(caption, 30, 2) for caption in captions], fontsize=10)
    for place, (anchor, caption, value) in enumerate(zip(pictures, captions, values, strict=True)):
        look = {"color": ANCHOR} if value >= 0 else {"color": ANCHOR, "hatch": "//", "edgecolor": PAPER}
        if style.narrow():  # the caption above the bar, and the picture before both
            left_edge = axis.get_yaxis_transform()
            axis.text(0, place - 0.1, wrapped(caption, 30, 1), transform=left_edge, va="bottom", fontsize=9)
            picture_beside(axis, anchor, (0, place), 72, -4, left_edge)
            axis.barh(place + 0.15, value, height=0.4, **look)
        else:
            picture_beside(axis, anchor, (value, place), 72, 4 if value >= 0 else -4)
            axis.barh(place, value, height=0.66, **look)
    axis.axvline(0, color=INK, linewidth=0.8)
    low, high = min(0, *values), max(0, *values)
    room = (0 if style.narrow() else 0.18) * (high - low)  # for the pictures
    axis.set(xlabel=xlabel, xlim=(low - room if low < 0 else 0, high + room if high > 0 else 0))
    if sides:
        left_side, right_side = (wrapped(side, 28) for side in sides)
        below = "\n\n" if style.narrow() else ""
        axis.set_title(f"← {left_side}{below}", loc="left", fontsize=10)
        axis.set_title(f"{right_side} →", loc="right", fontsize=10)
    speaking = f", left for {sides[0]}, right for {sides[1]}" if sides else ""
    bars = listed(f"{caption} {value:+.3f}" for caption, value in zip(captions, values, strict=True))
    return alt(figure, f"{listed([heading])} Bars, {xlabel}{speaking}: {bars}")


def strongest(contrasts, top):
    """Return the rows (picture, caption, difference) of the `top` anchors on each side of a contrast.

    A difference of 0.0005 or smaller is left out: nobody would see its bar.
    """
    one = contrasts[contrasts.difference > 0.0005].head(top)
    other = contrasts[contrasts.difference < -0.0005].tail(top)
    return pd.concat([one, other])[["picture", "caption", "difference"]]


def scores_without(picture, heading, labels, before, after, gone, entered, *, truth=None) -> Figure:
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
    few = max(len(gone), len(entered)) <= 3  # then both fit side by side
    height = 1.8 if few else 3.3
    bars = 0.34 * len(labels) + (3.4 if style.narrow() else 1.2)
    height = (6.4 if few else 11) if style.narrow() else height
    figure = Drawing((10, bars + 0.2 + height), bars + 0.2 + height)
    upper, lower = figure.subfigures(2, 1, height_ratios=[bars, height])
    if style.narrow():
        left, axis = upper.subplots(2, 1, height_ratios=[1.5, bars - 1.5])
    else:
        left, axis = upper.subplots(1, 2, width_ratios=[1, 2.6])
    draw_bare(left, picture, wrapped(heading, 20), side=160, fontsize=10, fontweight="bold")
    places = np.arange(len(labels))
    axis.barh(places, after, height=0.62, color=ANCHOR, label="without them")
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.barh(places, before, height=0.62, fill=False, edgecolor=INK, linestyle="--", label="with all anchors")
    rows_down(axis, [f"{label} ✔" if label == truth else label for label in labels], fontsize=10)
    if max(after) > 0:
        axis.get_yticklabels()[int(np.argmax(after))].set_fontweight("bold")
    axis.set(xlabel="score (no unit; the winner is bold)", xlim=(0, None))
    axis.legend(frameon=False, fontsize=10, loc="best")
    if style.narrow():  # what went stands on the left, what came on the right
        axes = lower.subplots(4 if few else 7, 2).T
    else:
        axes = lower.subplots(1, 8).reshape(2, 4) if few else lower.subplots(2, 7)
    for cell in axes.flat:
        cell.set_axis_off()
    for (first, *cells), name, anchors in zip(axes, ("taken away", "entered"), (gone, entered), strict=True):
        more = f"\n({len(anchors) - 6} more)" if len(anchors) > 6 else ""
        first.text(0.5, 0.5, f"{name}:\n{len(anchors)}{more}", ha="center", va="center")
        for cell, (anchor, caption) in zip(cells, anchors[:6], strict=False):
            draw_bare(cell, anchor)
            cell.text(0.5, -0.04, wrapped(caption, 14), transform=cell.transAxes, ha="center", va="top", fontsize=10)
    scores = listed(f"{label} {b:.3f}, then {a:.3f}" for label, b, a in zip(labels, before, after, strict=True))
    went, came = (listed(caption for _, caption in anchors) or "none" for anchors in (gone, entered))
    return alt(figure, f"Scores with all anchors, then without some: {scores}. Without {went}; new: {came}")


def why_and_what_if(contributions, effects, captions) -> Figure:
    """Draw an anchor's contribution to a score against the fall of the score when this anchor alone is removed.

    `contributions` and `effects` are (n,), and the anchors with the largest contributions get their `captions` (n).
    """
    figure, axis = subplots(figsize=(7.4, 4.6))
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
                      ha="right", va="top", fontsize=9)  # fmt: skip
    axis.set(xlabel="contribution of the anchor (no unit)", ylabel="fall of the score without it")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
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
    figure, axes = subplots(1, 2, figsize=(10, 3.9), sharey=True)
    titles = {"deletion": "deletion: taken away", "insertion": "insertion: brought back"}
    orders = {"contribution": "largest contribution first", "random": "in random order"}
    for axis, (kind, title) in zip(axes, titles.items(), strict=True):
        for i, (order, label) in enumerate(orders.items()):
            part = table[(table.curve == kind) & (table.order == order)]
            each = part.groupby(["picture", "repeat"])
            rows = np.stack([np.interp(grid, curve.fraction, curve.score) for _, curve in each])
            axis.plot(grid, rows.mean(axis=0), label=label, markevery=8, **series_style(i))
            axis.fill_between(grid, *np.quantile(rows, [0.25, 0.75], axis=0), color=SERIES[i], alpha=0.18, linewidth=0)
        axis.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axis.set(title=title, xlabel="contributing anchors", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("label's score, of that with all anchors")
    axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    means = table[table.fraction.between(0.2, 0.3)].groupby(["curve", "order"]).score.mean()
    words = listed(f"{kind}, order by {order}: {score:.0%}" for (kind, order), score in means.items())
    return alt(figure, f"The label's score while anchors are taken away or brought back; near a quarter: {words}")


def important_regions(views) -> Figure:
    """Draw pictures that fade where nothing hangs on a region; a line frames the quarter of the regions with most.

    `views` is a sequence of (picture, heading, drops), with drops (rows, cols) as from `occlusion`.
    """
    figure, axes = style.picture_grid(len(views), 2, 3.4, 3.9)
    words = []
    for axis, (picture, heading, drops) in zip(axes, views, strict=True):
        image = open_picture(picture)
        image.thumbnail((300, 300))
        drops = np.asarray(drops)
        down, across = (np.arange(n) * m // n for n, m in zip(image.size[::-1], drops.shape, strict=True))
        most, quarter = drops.max(), drops >= np.quantile(drops, 0.75)
        shown = 0.2 + 0.8 * np.clip(drops / most if most > 0 else 0 * drops, 0, 1)  # (rows, cols)
        shown, framed = (cells[down][:, across] for cells in (shown, quarter))  # (height, width)
        pixels = 255 - (255 - np.asarray(image)) * shown[..., None]
        below = f"largest drop {most:.2f}"
        style.draw_picture(axis, pixels.astype(np.uint8), below, wrapped(heading, 34))
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
        axis.ecdf(np.asarray(values), color=SERIES[i], linestyle=LINES[i], linewidth=2, label=name)
    axis.axvline(threshold, color=INK, linewidth=1.2, label=f"alarm to the left of {threshold:.2f}")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.set(xlabel="cosine with the most similar anchor (no unit)", ylabel="share of less familiar pictures")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    words = listed(f"{name} {np.mean(np.asarray(values) < threshold):.1%}" for name, values in series.items())
    return alt(figure, f"Shares of pictures below each familiarity. Below the threshold {threshold:.2f}: {words}")
