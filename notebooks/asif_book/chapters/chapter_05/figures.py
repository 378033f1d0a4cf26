"""Figures of chapter 05, zero-shot evaluation."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import INK, LINES, SERIES, series_style
from asif_book.figures.style import alt, image_tag, legend_above, listed, per_cent, subplots
from asif_book.figures.templates import self_contained

SHOWN = 3
"""Pictures that stand for a split in `who_sees_what`."""


def confusion_matrix(counts, classes) -> HTML:
    """Draw how many pictures of each of c classes (row) were given each label (column): `counts` is (c, c)."""
    rows, largest = counts.tolist(), max(1, int(counts.max()))
    return self_contained("chapters/chapter_05/confusion", counts=rows, classes=classes, largest=largest)


def trust_curves(reliable, sure, covered) -> Figure:
    """Draw how right the answers of each confidence are, which confidences there are, and what silence brings.

    By name: `reliable` has tables of `reliability`, `sure` the confidences behind them, (q,), and `covered`, for some
    of the names, tables of `coverage_curve`.
    """
    figure, axes = subplots(1, 3, figsize=(9, 3.6))
    left, middle, right = axes
    left.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
    for i, (name, table) in enumerate(reliable.items()):
        ends = np.stack([table.accuracy - table.low, table.high - table.accuracy])
        style = series_style(i) | {"linestyle": "", "markersize": 7}
        left.errorbar(table.confidence, table.accuracy, ends.clip(0), label=name, elinewidth=1, **style)
        counts, edges = np.histogram(sure[name], bins=10, range=(0, 1))
        middle.stairs(counts / counts.sum(), edges, color=SERIES[i], linestyle=LINES[i], linewidth=1.5)
        if name in covered:
            curve = covered[name]
            right.plot(curve.coverage, curve.accuracy, **series_style(i))
            right.fill_between(curve.coverage, curve.low, curve.high, color=SERIES[i], alpha=0.13, linewidth=0)
    left.set(xlabel="confidence", title="1 · share of right answers", ylim=(0, 1.05))
    middle.set(xlabel="confidence", title="2 · share of all answers", ylim=(0, None))
    right.set(xlabel="questions answered", title="3 · share of right answers", ylim=(0, 1.05))
    for axis in axes:
        axis.set(xlim=(0, 1.05), xticks=[0, 0.5, 1])
        axis.xaxis.set_major_formatter(per_cent)
        axis.yaxis.set_major_formatter(per_cent)
        axis.grid(alpha=0.3)
    legend_above(figure, left, 3)

    def shares(tables, word, column):
        rows = {name: zip(table.accuracy, table[column], strict=True) for name, table in tables.items()}
        return listed(f"{name}: " + ", ".join(f"{y:.0%} {word} {x:.0%}" for y, x in row) for name, row in rows.items())

    return alt(
        figure,
        f"The share of right answers against their confidence. {shares(reliable, 'at', 'confidence')}. "
        f"How many answers have which confidence: {listed(f'{n}, mean {np.mean(c):.0%}' for n, c in sure.items())}. "
        f"The share of right answers among the most confident. {shares(covered, 'of', 'coverage')}",
    )


def worst_bin(name, table) -> str:
    """Say in a sentence where the confidence of a table of `reliability` is farthest from the accuracy."""
    worst = table.loc[(table.confidence - table.accuracy).abs().idxmax()]
    too = "more" if worst.confidence > worst.accuracy else "less"
    return (
        f"{name}: the worst of {len(table)} bins has the confidence {worst.confidence:.0%}, and {worst.accuracy:.0%} "
        f"[{worst.low:.0%}, {worst.high:.0%}] of its answers are right, so they are {too} sure than right"
    )


def who_sees_what(pairs) -> HTML:
    """Draw the splits of captioned pictures as lanes, first for the choice of k and p, then for the test.

    `pairs` are a `Pairs` with the splits train, validation and test.
    """
    lanes = [
        {
            "name": name,
            "count": len(pairs.splits[name]),
            "tags": [image_tag(pairs.pictures[i], pairs.captions[i], 72) for i in pairs.splits[name][:SHOWN]],
        }
        for name in ("train", "validation", "test")
    ]
    train, validation, _ = counts = [lane["count"] for lane in lanes]
    return self_contained("chapters/chapter_05/lanes", lanes=lanes, largest=max(counts), anchors=train + validation)


def paired_squares(mine, other, names) -> HTML:
    """Draw a square for each question: both named methods are right, (q,) bool, only one of them, or neither."""
    groups = [("both", mine & other), (f"only {names[0]}", mine & ~other), (f"only {names[1]}", other & ~mine)]
    counts = [(name, int(of.sum())) for name, of in [*groups, ("neither", ~(mine | other))]]
    return self_contained("chapters/chapter_05/squares", counts=counts)
