"""Figures of chapter 07, editing a model."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .style import BLACK, BLUE, COLOURS, MARKERS, VERMILION, closed, thumbnail, wrapped


def learning_curve(series, *, chance, xlabel="pairs added for each class", ylabel="accuracy, 95 % interval") -> Figure:
    """Draw what a model reaches with more and more pairs: a line through the means, a dot for every lesson.

    Parameters
    ----------
    series : dict of str to dict of int to (Measure, sequence of float)
        For each series, by the number of pairs: the mean with its interval, and the value of each lesson.
    chance : float
        What guessing gives; a dotted line.
    """
    sizes = sorted({size for curve in series.values() for size in curve})
    places = {size: i for i, size in enumerate(sizes)}
    figure, axis = plt.subplots(figsize=(7, 4.4))
    for i, (name, curve) in enumerate(series.items()):
        x = np.array([places[size] for size in curve]) + 0.1 * (i - (len(series) - 1) / 2)
        means = [measure for measure, _ in curve.values()]
        values = np.array([measure.value for measure in means])
        errors = np.abs(np.array([[m.low, m.high] for m in means]).T - values)
        style = {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": ["-", "--", ":"][i % 3]}
        axis.errorbar(x, values, yerr=errors, capsize=4, label=name, **style)
        for at, (_, lessons) in zip(x, curve.values(), strict=True):
            axis.scatter([at] * len(lessons), lessons, s=14, color=COLOURS[i], alpha=0.5, edgecolors="none")
    axis.axhline(chance, color=BLACK, linestyle=":", label=f"chance, {chance:.0%}")
    axis.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 1))
    axis.grid(axis="y", alpha=0.3)
    axis.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, chance + 0.02))
    return closed(figure)


def harm_profile(harm, suspects, *, top=30) -> Figure:
    """Draw how much the most harmful anchors speak for wrong labels, the worst first.

    Parameters
    ----------
    harm : array of shape (n,)
        For each anchor, what it gives to the label chosen less what it gives to the true one.
    suspects : dict of int to str
        Anchors that are drawn in another colour, with their names.
    top : int
        Anchors drawn.
    """
    harm = np.asarray(harm)
    order = np.argsort(-harm, kind="stable")[:top]
    figure, axis = plt.subplots(figsize=(7, 3.4))
    bars = axis.bar(range(len(order)), harm[order], color=BLUE)
    for place, anchor in enumerate(order.tolist()):
        if anchor in suspects:
            bars[place].set(color=VERMILION, hatch="//", edgecolor=BLACK)
            axis.annotate(
                suspects[anchor],
                (place, harm[anchor]),
                (place + 2.5, 0.92 * harm[order].max()),
                arrowprops={"arrowstyle": "->"},
                va="center",
            )
    axis.axhline(0, color=BLACK, linewidth=0.8)
    axis.set(xlabel="anchors, the most harmful first", ylabel="mean contribution to the\nlabel given less the true one")
    axis.set_xticks([])
    return closed(figure)


def labelled_pictures(pictures, given, true, *, columns=6, title="") -> Figure:
    """Draw pictures with the label that each was given, a check mark or a cross, and where it is wrong the true one.

    Parameters
    ----------
    pictures : sequence of pictures
    given, true : sequences of str
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.55 * columns, 1.95 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, picture, label, truth in zip(axes.flat, pictures, given, true, strict=False):
        right = label == truth
        axis.set_visible(True)
        axis.imshow(thumbnail(picture))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=BLUE if right else VERMILION, linewidth=1 if right else 2.5)
        words = f"✔ {label}" if right else f"✘ {label}\n({truth})"
        axis.set_xlabel("\n".join(wrapped(line, 17, 1) for line in words.split("\n")), fontsize=9)
    if title:
        figure.suptitle(title)
    return closed(figure)
