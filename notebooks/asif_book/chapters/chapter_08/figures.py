"""Figures of chapter 08, scaling."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from asif_book.figures import style
from asif_book.figures.common import in_thousands
from asif_book.figures.palette import ANCHOR, BAR, FAINT, INK, MARK, MARKERS, ON_LIGHT, SERIES, series_style
from asif_book.figures.style import alt, drawn_pairs, image_tag, legend_above, legend_over, listed, subplots
from asif_book.figures.templates import self_contained
from asif_lib.errors import ParameterError

LISTS = 8
"""Anchors of the picture that `inverted_index` draws; the others share a row."""


def rows_down(axis, names, **font):
    """Name the rows 0, 1, … of an axis from top to bottom."""
    axis.set_yticks(range(len(names)), names, **font)
    axis.set_ylim(len(names) - 0.5, -0.5)


def stage_bars(seconds) -> Figure:
    """Draw how long each stage takes, on a logarithmic axis, with the number beside each bar.

    `seconds` has for each series the seconds of its stages, above 0: a dict of dicts.
    """
    stages = list(dict.fromkeys(stage for series in seconds.values() for stage in series))
    height = 0.8 / len(seconds)
    figure, axis = subplots(figsize=(7, 1.2 + 0.62 * len(stages)))
    values = [value for series in seconds.values() for value in series.values()]
    axis.set(xscale="log", xlim=(min(values) / 3, max(values) * 12), xlabel="seconds (log scale)")
    axis.xaxis.set_minor_formatter("")  # within a decade, its labels would collide
    for i, (name, series) in enumerate(seconds.items()):
        rows = np.array([stages.index(stage) for stage in series]) + height * (i - (len(seconds) - 1) / 2)
        style = {"color": [BAR, MARK][i % 2], "hatch": ["", "//"][i % 2], "edgecolor": INK, "label": name}
        bars = axis.barh(rows, list(series.values()), height, **style)
        axis.bar_label(bars, [f" {duration(value)}" for value in series.values()], fontsize=9)
    rows_down(axis, stages)
    legend_above(figure, axis)
    words = listed(f"{name}, {stage} {duration(t)}" for name, series in seconds.items() for stage, t in series.items())
    return alt(figure, f"Bars, seconds (log scale). {words}")


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


def around_the_threshold(exact, rounded, k, lowest) -> Figure:
    """Draw rounded against true cosines of one query, near the threshold that decides which anchors are kept.

    Parameters
    ----------
    exact, rounded : arrays of shape (n,)
        The true cosines, and the products of the rounded vectors.
    k : int
        The answer is the k largest cosines.
    lowest : float
        Products from here on are kept.
    """
    exact, rounded = np.asarray(exact, float), np.asarray(rounded, float)
    last, threshold = np.sort(exact)[-k], np.sort(rounded)[-k]
    answer, kept = exact >= last, rounded >= lowest
    seen = np.abs(rounded - (threshold + lowest) / 2) < 2 * (threshold - lowest)
    figure, axis = subplots(figsize=(7, 4.6))
    groups = [
        (f"not kept ({(~kept).sum():,} in all)", ~kept, FAINT, "o", 14),
        (f"kept in vain ({(kept & ~answer).sum():,})", kept & ~answer, SERIES[1], MARKERS[1], 24),
        (f"among the {k} best ({(kept & answer).sum():,})", kept & answer, SERIES[0], MARKERS[0], 20),
        (f"lost ({(~kept & answer).sum():,})", ~kept & answer, SERIES[2], "X", 60),
    ]
    for name, mask, colour, marker, size in groups:
        style = {"color": colour, "marker": marker, "s": size, "linewidths": 0, "alpha": 0.85}
        axis.scatter(exact[mask & seen], rounded[mask & seen], label=name, **style)
    axis.axhline(threshold, color=INK, linestyle="--", linewidth=1)
    axis.axhline(lowest, color=INK, linewidth=1)
    axis.axvline(last, color=INK, linestyle=":", linewidth=1)
    left = {"xycoords": axis.get_yaxis_transform(), "xytext": (0, 2), "textcoords": "offset points", "fontsize": 9}
    axis.annotate(f"T, the product in place {k}", (0.005, threshold), **left)
    axis.annotate("kept from here on", (0.005, lowest), **left)
    axis.set(xlabel=f"true cosine (dotted: in place {k})", ylabel="product of rounded vectors")
    legend_above(figure, axis)
    words = f"Kept from {lowest:.4f}, T = {threshold:.4f}. {listed(name for name, *_ in groups)}"
    return alt(figure, f"Rounded products against true cosines. {words}")


def number_line(products, error, k) -> Figure:
    """Draw products of one query near T, the one in place k: each with the span of its true cosine.

    Parameters
    ----------
    products : Tensor of shape (n,)
    error : float
        Bound on the error of a product: half of the span.
    k : int
    """
    ranked = products.sort(descending=True).values.numpy()
    wanted = ranked[k - 1] + error * np.array([2, 1, 0, -1, -2, -3])  # the nearest of the products to each
    places = np.unique([k - 1, *(np.abs(ranked - value).argmin() for value in wanted)])
    values, rows = ranked[places], np.arange(len(places))
    figure, axis = subplots(figsize=(7, 2.8))
    axis.errorbar(values, rows, xerr=error, fmt="o", color=ANCHOR, linewidth=2)
    axis.axvline(ranked[k - 1], color=INK, linestyle="--", linewidth=1)
    axis.text(ranked[k - 1], -0.75, " T", fontsize=10)
    axis.annotate("2E", (values[-1], rows[-1]), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=10)
    rows_down(axis, [f"place {place + 1:,}" for place in places], fontsize=9)
    axis.set_ylim(len(rows) - 0.5, -1)
    axis.set(xlabel="product of rounded vectors, and where its true cosine may be")
    words = listed(f"place {place + 1:,}: {value:.4f}" for place, value in zip(places, values, strict=True))
    return alt(figure, f"Products around T, in place {k}, each with a span of 2E = {2 * error:.4f} around it. {words}")


def inverted_index(bank, picture, texts, asked) -> HTML:
    """Draw the anchors of a picture as rows, texts as columns; a cell is lit where the text is in the anchor's list.

    Parameters
    ----------
    bank : AnchorBank
        The n anchors.
    picture, texts : SparseVectors of one row and of t rows
    asked : DataFrame
        Of the t texts, with the columns ``picture`` and ``caption``; the first picture is the one that is asked about.
    """
    products = picture.to_dense() * texts.to_dense()  # (t, n)
    order = products.sum(dim=0).argsort(descending=True)[: picture.indices.shape[1]].tolist()
    return self_contained(
        "chapters/chapter_08/lists", picture=image_tag(asked.picture.iloc[0], "the picture", 72),
        texts=asked.caption.tolist(), rows=drawn_pairs(bank, order[:LISTS], products[:, order[:LISTS]].T),
        kept=len(order),
        rest=products[:, order[LISTS:]].sum(dim=1).tolist(), scores=products.sum(dim=1).tolist(),
        largest=float(products.max()), lit=int((products > 0).sum()), cells=texts.values.numel(),
    )  # fmt: skip


def knob_curves(table, margin, chosen=None) -> Figure:
    """Draw recall and lost accuracy, with its interval, for each setting of an approximate index.

    Parameters
    ----------
    table : DataFrame
        Of `measure_efforts`.
    margin : float
        The accuracy that may be lost, in points.
    chosen : int, optional
        The setting to mark.
    """
    figure, (above, below) = subplots(2, 1, figsize=(7, 5.4), sharex=True)
    above.plot(table.effort, table.recall, label="recall of the k anchors", **series_style(0))
    above.plot(table.effort, table.agreement, label="same decision", **series_style(1))
    above.yaxis.set_major_formatter(style.per_cent)
    above.set(ylabel="share")
    legend_over(above, 2)
    points, ends = 100 * table.difference, 100 * table[["low", "high"]].to_numpy().T
    below.errorbar(table.effort, points, yerr=np.abs(ends - points.to_numpy()), fmt="D", color=INK)
    below.axhline(0, color=INK, linewidth=0.8)
    below.axhline(-margin, color=INK, linestyle="--", label=f"margin, {margin:g} points")
    below.set(ylabel="accuracy minus exact,\npoints, 95 % interval", xlabel="nprobe (log scale)")
    below.set_xscale("log", base=2)
    below.set_xticks(table.effort, [str(effort) for effort in table.effort])
    legend_over(below)
    for axis in (above, below):
        axis.grid(alpha=0.3)
        if chosen is not None:
            axis.axvline(chosen, color=MARK, linewidth=8, alpha=0.35, zorder=0)
    rows = zip(table.effort, table.recall, table.difference, strict=True)
    words = listed(f"{effort}: {recall:.0%}, {100 * lost:+.1f} points" for effort, recall, lost in rows)
    return alt(figure, f"Recall and accuracy minus exact for each nprobe, margin {margin:g} points. {words}")


def cost_curves(sizes, seconds, fit, memory, dense) -> Figure:
    """Draw time and memory against the number of anchors, on logarithmic axes.

    Parameters
    ----------
    sizes, seconds, memory, dense : arrays of shape (m,)
        Numbers of anchors, seconds of a search, its largest memory in bytes, and bytes of the dense matrix. The axis
        names the sizes that begin with a 1.
    fit : (float, float)
        Fixed seconds, and seconds for an anchor.
    """
    sizes, seconds = np.asarray(sizes), np.asarray(seconds)
    fixed, per_anchor = fit
    figure, (left, right) = subplots(1, 2, figsize=(9, 4.2))
    left.plot(sizes, seconds, marker=MARKERS[0], color=SERIES[0], linestyle="", label="measured")
    left.plot(sizes, fixed + per_anchor * sizes, color=INK, label="fixed cost + cost of an anchor · n")
    left.plot(sizes, per_anchor * sizes, color=SERIES[1], linestyle="--", label="without the fixed cost: slope 1")
    left.set(ylabel="seconds (log scale)")
    right.plot(sizes, np.asarray(dense) / 1e6, label="dense matrix", **series_style(1))
    right.plot(sizes, np.asarray(memory) / 1e6, label="in blocks, measured", **series_style(0))
    right.set(ylabel="MB at one moment (log scale)")
    for axis in (left, right):
        axis.set(xscale="log", yscale="log", xlabel="anchors, n (log scale)")
        ticks = [n for n in sizes.tolist() if str(n)[0] == "1"]
        axis.set_xticks(ticks, map(in_thousands, ticks))
        axis.set_xticks(sizes, [], minor=True)
        axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.grid(alpha=0.3)
        legend_over(axis)
    rows = zip(sizes, seconds, memory, dense, strict=True)
    words = listed(f"{n:,}: {duration(t)}, {m / 1e6:.0f} MB, dense {b / 1e6:.0f} MB" for n, t, m, b in rows)
    return alt(figure, f"Time and memory against the number of anchors, logarithmic axes. {words}")


def cluster_timeline(tasks, killed=None) -> Figure:
    """Draw the searches of each worker over time.

    `tasks` are (worker, number, start, stop): workers and searches have numbers from 1, times are in seconds from the
    beginning. `killed` is (worker, second), if one was killed.
    """
    end = max(stop for *_, stop in tasks)
    workers = sorted({worker for worker, *_ in tasks} | ({killed[0]} if killed else set()))
    figure, axis = subplots(figsize=(7, 1.3 + 0.55 * len(workers)))
    for worker, number, start, stop in tasks:
        row = workers.index(worker)
        axis.barh(row, stop - start, left=start, height=0.7, color=BAR, edgecolor=INK, linewidth=0.8)
        if stop - start > 0.025 * end:  # else there is no room
            axis.text((start + stop) / 2, row, str(number), ha="center", va="center", fontsize=8, color=ON_LIGHT)
    if killed:
        worker, second = killed
        axis.plot(second, workers.index(worker), marker="X", color=MARK, markersize=13, markeredgecolor=INK)
        axis.axvline(second, color=MARK, linestyle=":", zorder=0)
    rows_down(axis, [f"worker {worker}" for worker in workers])
    axis.set(xlabel="seconds (numbers: order of the searches; cross: killed)")
    counts = listed(f"worker {w}: {sum(task[0] == w for task in tasks)} searches" for w in workers)
    loss = f"; worker {killed[0]} killed after {duration(killed[1])}" if killed else ""
    return alt(figure, f"Searches of each worker over time. {counts}{loss}")


def passing_tiles(relative, pictures, k, block) -> HTML:
    """Draw a search in blocks at three moments: after the first tile, halfway, and after the last tile.

    A row is a picture, a bar its cosine with an anchor. Bars of the present tile are filled. Of earlier tiles only the
    `k` best so far are, and the others are outlines. Later tiles are empty.

    Raises `ParameterError` if n is no multiple of the block, or k is out of range.

    Parameters
    ----------
    relative : Tensor of shape (q, n)
        The cosines. A few dozen anchors fit on a screen.
    pictures : sequence of q
    k : int
        1 ≤ k ≤ block.
    block : int
        Anchors of one tile; n is a multiple of it.
    """
    q, n = relative.shape
    if n % block or not 1 <= k <= block:
        raise ParameterError(
            f"k = {k} and tiles of {block} for {n} anchors: take 1 ≤ k ≤ block, and n a multiple of it"
        )
    tiles = n // block
    moments = [_moment(relative, tile, k, block) for tile in dict.fromkeys((1, (tiles + 1) // 2, tiles))]
    low, high = min(0.0, float(relative.min())), float(relative.max())
    return self_contained(
        "chapters/chapter_08/tiles", moments=moments,
        pictures=[image_tag(picture, f"picture {i}", 72) for i, picture in enumerate(pictures, 1)],
        q=q, n=n, k=k, block=block, tiles=tiles, low=low, high=high, scale=0.9 / (high - low),
    )  # fmt: skip


def _moment(relative, tile, k, block):
    """Describe the search when `tile` tiles have been computed: bars, and the best so far of each picture."""
    seen = relative[:, : tile * block]
    best = seen.topk(k, dim=1)  # (q, k)
    kept = [set(row) for row in best.indices.tolist()]
    first = (tile - 1) * block
    bars = [
        (anchor, row, cosine, "kept" if anchor in kept[row] else "seen" if anchor >= first else "ghost")
        for row, cosines in enumerate(seen.tolist())
        for anchor, cosine in enumerate(cosines)
    ]
    return {"tile": tile, "first": first, "bars": bars, "best": best.values.tolist()}
