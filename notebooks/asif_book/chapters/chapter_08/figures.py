"""Figures of chapter 08, scaling."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import ANCHOR, BAR, INK, MARK
from asif_book.figures.style import alt, drawn_pairs, image_tag, legend_above, listed, subplots
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


def number_line(products, error, k) -> Figure:
    """Draw products of one query (n,) near T, the one in place k, each with the span of its true cosine, 2 `error`."""
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

    `picture` and `texts` are SparseVectors of one row and of t rows. `asked` has the ``picture`` and ``caption`` of the
    t texts; the first picture is the one that is asked about.
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
