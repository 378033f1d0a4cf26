"""Figures of chapter 08, scaling."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from .style import BLACK, BLUE, COLOURS, GREEN, MARKERS, ORANGE, SKY, VERMILION, closed


def stage_bars(seconds, *, xlabel="seconds (log scale)") -> Figure:
    """Draw how long each stage takes, on a logarithmic axis, with the number beside each bar.

    Parameters
    ----------
    seconds : dict of str to dict of str to float
        For each series the seconds of its stages, above 0.
    """
    stages = list(dict.fromkeys(stage for series in seconds.values() for stage in series))
    height = 0.8 / len(seconds)
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.62 * len(stages)))
    values = [value for series in seconds.values() for value in series.values()]
    axis.set_xscale("log")
    axis.set_xlim(min(values) / 3, max(values) * 12)
    for i, (name, series) in enumerate(seconds.items()):
        rows = np.array([stages.index(stage) for stage in series]) + height * (i - (len(seconds) - 1) / 2)
        bars = axis.barh(rows, list(series.values()), height, color=COLOURS[i], hatch=["", "//"][i % 2], label=name)
        for bar in bars:
            bar.set_edgecolor(BLACK)
        axis.bar_label(bars, [f" {duration(value)}" for value in series.values()], fontsize=9)
    axis.set_yticks(range(len(stages)), stages)
    axis.set_ylim(len(stages) - 0.5, -0.5)
    axis.set(xlabel=xlabel, ylabel="")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return closed(figure)


def duration(seconds) -> str:
    """Return seconds in a unit that reads well.

    >>> duration(0.0123), duration(75), duration(180_000)
    ('12.3 ms', '1.25 min', '2.08 days')
    """
    for limit, unit, name in ((1_000, 1e-3, "ms"), (60, 1, "s"), (60, 60, "min"), (24, 3_600, "hours")):
        amount = float(f"{seconds / unit:.3g}")  # rounded first, so that 999.6 ms become 1 s
        if amount < limit:
            return f"{amount:g} {name}"
        seconds = max(seconds, limit * unit)
    return f"{seconds / 86_400:.3g} days"


def around_the_threshold(exact, rounded, k, lowest, *, margin=1.5) -> Figure:
    """Draw rounded against true cosines of one query, where it is decided who is kept.

    Parameters
    ----------
    exact, rounded : arrays of shape (n,)
        The true cosines, and the products of the rounded vectors.
    k : int
    lowest : float
        Products from here on are kept.
    margin : float
        How far around the two lines one sees, in their distance.
    """
    exact, rounded = np.asarray(exact, float), np.asarray(rounded, float)
    threshold = np.sort(rounded)[-k]
    answer = exact >= np.sort(exact)[-k]
    kept = rounded >= lowest
    reach = margin * (threshold - lowest)
    seen = np.abs(rounded - (threshold + lowest) / 2) < (threshold - lowest) / 2 + reach
    figure, axis = plt.subplots(figsize=(7, 4.6))
    groups = [
        (f"not kept ({(~kept).sum():,} in all)", ~kept, {"color": SKY, "marker": "o", "s": 14}),
        (f"kept in vain ({(kept & ~answer).sum():,})", kept & ~answer, {"color": ORANGE, "marker": "s", "s": 20}),
        (f"among the {k} best ({(kept & answer).sum():,})", kept & answer, {"color": BLUE, "marker": "^", "s": 24}),
        (f"lost ({(~kept & answer).sum():,})", ~kept & answer, {"color": VERMILION, "marker": "X", "s": 60}),
    ]
    for name, mask, style in groups:
        axis.scatter(exact[mask & seen], rounded[mask & seen], linewidths=0, alpha=0.85, label=name, **style)
    axis.axhline(threshold, color=BLACK, linestyle="--", linewidth=1)
    axis.axhline(lowest, color=BLACK, linewidth=1)
    axis.axvline(np.sort(exact)[-k], color=BLACK, linestyle=":", linewidth=1)
    right = {"transform": axis.get_yaxis_transform(), "va": "bottom", "ha": "right", "fontsize": 9}
    axis.text(0.995, threshold, f"T, the product in place {k}", **right)
    axis.text(0.995, lowest, "kept from here on", **right)
    axis.set(xlabel=f"true cosine (dotted: that in place {k})", ylabel="product of rounded vectors")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return closed(figure)


def knob_curves(table, margin, chosen=None) -> Figure:
    """Draw for each setting of an approximate index its recall, and the accuracy lost with its interval.

    Parameters
    ----------
    table : DataFrame
        Of `tuning.walk`.
    margin : float
        Accuracy that may be lost, in points.
    chosen : int, optional
        The setting to mark.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5.4), sharex=True)
    knob = table.attrs["knob"]
    above.plot(table.effort, table.recall, marker=MARKERS[0], color=BLUE, label="recall of the k anchors")
    above.plot(table.effort, table.agreement, marker=MARKERS[1], color=GREEN, linestyle="--", label="same decision")
    above.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    above.set(ylabel="share")
    above.legend(frameon=False, loc="lower right")
    points, ends = 100 * table.difference, 100 * table[["low", "high"]].to_numpy().T
    below.errorbar(table.effort, points, yerr=np.abs(ends - points.to_numpy()), fmt="D", color=BLACK, capsize=4)
    below.axhline(0, color=BLACK, linewidth=0.8)
    below.axhline(-margin, color=VERMILION, linestyle="--", label=f"margin, {margin:g} points")
    below.set(ylabel="accuracy less the exact,\npoints, 95 % interval", xlabel=f"{knob} (log scale)")
    below.set_xscale("log", base=2)
    below.set_xticks(table.effort, [str(effort) for effort in table.effort])
    below.legend(frameon=False, loc="lower right")
    for axis in (above, below):
        axis.grid(alpha=0.3)
        if chosen is not None:
            axis.axvline(chosen, color=ORANGE, linewidth=8, alpha=0.35, zorder=0)
    return closed(figure)


def cost_curves(sizes, seconds, fit, memory, dense) -> Figure:
    """Draw time and memory against the number of anchors, on logarithmic axes.

    Parameters
    ----------
    sizes : array of shape (m,), int
        Numbers of anchors; those that begin with a 1 are written at the axis.
    seconds, memory : arrays of shape (m,)
        What a search took: seconds, and bytes at most at one moment.
    fit : (float, float)
        Fixed seconds, and seconds for an anchor.
    dense : array of shape (m,)
        Bytes of the dense matrix.
    """
    sizes, seconds = np.asarray(sizes), np.asarray(seconds)
    fixed, per_anchor = fit
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2))
    left.plot(sizes, seconds, marker=MARKERS[0], color=BLUE, linestyle="", label="measured")
    left.plot(sizes, fixed + per_anchor * sizes, color=BLACK, label="fixed cost + cost of an anchor · n")
    left.plot(sizes, per_anchor * sizes, color=ORANGE, linestyle="--", label="without the fixed cost: slope 1")
    left.set(ylabel="seconds (log scale)")
    right.plot(sizes, np.asarray(dense) / 1e6, marker=MARKERS[1], color=VERMILION, linestyle="--", label="dense matrix")
    right.plot(sizes, np.asarray(memory) / 1e6, marker=MARKERS[0], color=BLUE, label="in blocks, measured")
    right.set(ylabel="MB at one moment (log scale)")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_yscale("log")
        ticks = [n for n in sizes.tolist() if str(n)[0] == "1"]
        axis.set_xticks(ticks, [f"{n // 1000:,}k" if n < 1e6 else f"{n / 1e6:g}M" for n in ticks])
        axis.set_xticks(sizes, [], minor=True)
        axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axis.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        axis.yaxis.set_minor_formatter(lambda v, _: f"{v:g}")
        axis.set(xlabel="anchors, n (log scale)")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=9)
    return closed(figure)


def cluster_timeline(tasks, killed=None) -> Figure:
    """Draw who searched when.

    Parameters
    ----------
    tasks : list of (worker, number, start, stop)
        Seconds from the beginning; workers and searches are numbered from 1.
    killed : (worker, second), optional
        Who was killed when.
    """
    end = max(stop for *_, stop in tasks)
    workers = sorted({worker for worker, *_ in tasks} | ({killed[0]} if killed else set()))
    figure, axis = plt.subplots(figsize=(7, 1.3 + 0.55 * len(workers)))
    for worker, number, start, stop in tasks:
        row = workers.index(worker)
        bar = {"color": [SKY, GREEN, ORANGE][row % 3], "edgecolor": BLACK, "linewidth": 0.8}
        axis.barh(row, stop - start, left=start, height=0.7, **bar)
        if stop - start > 0.025 * end:  # else there is no room
            axis.text((start + stop) / 2, row, str(number), ha="center", va="center", fontsize=8)
    if killed:
        worker, second = killed
        axis.plot(second, workers.index(worker), marker="X", color=VERMILION, markersize=13, markeredgecolor=BLACK)
        axis.axvline(second, color=VERMILION, linestyle=":", zorder=0)
    axis.set_yticks(range(len(workers)), [f"worker {worker}" for worker in workers])
    axis.set_ylim(len(workers) - 0.5, -0.5)
    axis.set(xlabel="seconds (numbers: searches in the order in which they began; cross: killed)", ylabel="")
    return closed(figure)
