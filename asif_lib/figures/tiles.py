"""Tiles that pass over a matrix of cosines: the best k stay, the rest is forgotten (chapter 08)."""

from IPython.display import HTML

from asif_lib.errors import ParameterError

from .style import image_tag, self_contained


def passing_tiles(relative, pictures, k, block) -> HTML:
    """Draw a search in blocks at three moments: after the first tile, halfway, and after the last tile.

    A row is a picture, a bar its cosine with an anchor. Bars of the present tile are filled. Of earlier tiles only the
    `k` best so far are, and the others are outlines. Later tiles are empty.

    Parameters
    ----------
    relative : Tensor of shape (q, n)
        The cosines. A few dozen anchors fit on a screen.
    pictures : sequence of q
    k : int
        1 ≤ k ≤ block.
    block : int
        Anchors of one tile; n is a multiple of it.

    Raises
    ------
    ParameterError
        If n is no multiple of the block, or k is out of range.
    """
    q, n = relative.shape
    if n % block or not 1 <= k <= block:
        raise ParameterError(
            f"k = {k} and tiles of {block} for {n} anchors: take 1 ≤ k ≤ block, and n a multiple of it"
        )
    tiles = n // block
    low, high = min(0.0, float(relative.min())), float(relative.max())
    return self_contained(
        "tiles", moments=[_moment(relative, tile, k, block) for tile in dict.fromkeys((1, (tiles + 1) // 2, tiles))],
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
