"""The check of chapter 04's top k in blocks: right values, and no dense matrix on the way."""

import functools
import tracemalloc
import weakref
from dataclasses import replace

import torch
from torch.overrides import TorchFunctionMode

from .judging import Verdict, call, compare, exercise, random_tensor, wrong

HELD = 0.4
"""Share of the dense matrix that may be held at one moment: well above a tile, well below the whole."""

SMALL = 100
"""Entries of a tensor that is not watched, so that a solution which reads entry by entry is not slowed down."""


@exercise("04.5", "The k largest of a stream")
def check_top_k(function) -> Verdict:
    """The k nearest anchors from a stream of blocks, without the dense matrix."""

    @functools.wraps(function)
    def streamed(queries, anchors, size, k):
        return function(queries, blocks(anchors, size), k)

    queries, anchors = unit(3, 6, seed=43), unit(23, 6, seed=44)
    one_way = torch.nn.functional.normalize(anchors.abs(), dim=1)  # all cosines with its opposite are negative
    cases = [
        (queries, anchors[:20], 10, 3),
        (queries, anchors, 6, 4),
        (queries, anchors[:20], 6, 4),  # the last block holds 2, fewer than k
        (queries, anchors[:12], 4, 5),  # every block holds fewer than k
        (queries, anchors, 5, 1),
        (queries, anchors, 23, 23),
        (-one_way[:3], one_way, 6, 4),
    ]
    verdict = compare(streamed, dense_top_k, cases, MISTAKES)
    if "index k out of range" in verdict.message:
        return replace(verdict, message=verdict.message + " A block may hold fewer anchors than k, above all the last.")
    return verdict if verdict.status != "right" else memory(streamed) or verdict


def memory(streamed):
    """A verdict that names how much was held where it is too much, or None."""
    queries, anchors, size, k = unit(16, 8, seed=45), unit(6_000, 8, seed=46), 100, 10
    dense = len(queries) * len(anchors)
    peaks = []

    @functools.wraps(streamed)
    def watched(*case):
        tracemalloc.start()
        try:
            with Watch() as watch:
                streamed(*case)
            peaks.extend([watch.peak, tracemalloc.get_traced_memory()[1]])  # the second: NumPy's arrays, and lists
        finally:
            tracemalloc.stop()

    _, failed = call(watched, (queries, anchors, size, k), f"With {len(anchors):,} anchors")
    if failed:
        return failed
    held = max(peaks) // 4
    if held < HELD * dense:
        return None
    return wrong(
        f"The values are right, but with {len(queries)} pictures and {len(anchors):,} anchors in blocks of {size} your "
        f"function held {held:,} numbers at one moment; the dense matrix has {dense:,}. Keep only the k best so far, "
        "merge each block into them, and let the block go."
    )


class Watch(TorchFunctionMode):
    """Notes the most bytes that tensors made inside held at one moment; views of one storage count once."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.numel() < SMALL:
            return result
        made = [t for t in (result if isinstance(result, tuple | list) else [result]) if isinstance(t, torch.Tensor)]
        if made:
            self.alive = {key: ref for key, ref in self.alive.items() if ref() is not None}
            self.alive |= {id(t): weakref.ref(t) for t in made}
            sizes = {}
            for ref in self.alive.values():
                if (t := ref()) is not None:
                    place = t.untyped_storage().data_ptr()
                    sizes[place] = max(sizes.get(place, 0), t.nbytes)
            self.peak = max(self.peak, sum(sizes.values()))
        return result


def unit(*shape, seed):
    return torch.nn.functional.normalize(random_tensor(*shape, seed=seed), dim=1)


def blocks(anchors, size):
    """The anchors in blocks of `size` rows, each once, as a stream from a disk would give them."""
    for start in range(0, len(anchors), size):
        yield anchors[start : start + size].clone()


def dense_top_k(queries, anchors, size, k):
    return tuple((queries @ anchors.T).topk(k, dim=1))


def merged(queries, anchors, size, k, *, start=lambda number, block, size: number * size, first=None, score=None):
    """The right way, with places to go wrong: where a block starts, what stands there first, what is large."""
    score = score or (lambda tile: tile)
    values = torch.full((len(queries), k), -torch.inf) if first is None else torch.full((len(queries), k), first)
    indices = torch.zeros((len(queries), k), dtype=torch.int64)
    for number, block in enumerate(blocks(anchors, size)):
        tile = score(queries @ block.T)
        best, where = tile.topk(min(k, tile.shape[1]), dim=1)
        values, order = torch.cat([values, best], dim=1).topk(k, dim=1)
        indices = torch.cat([indices, where + start(number, block, size)], dim=1).gather(1, order)
    return values, indices


def unsorted_indices(queries, anchors, size, k):
    """Values merged, while the indices of the last block stay as they are."""
    values, _ = dense_top_k(queries, anchors, size, k)
    *_, last = blocks(anchors, size)
    where = (queries @ last.T).topk(min(k, len(last)), dim=1).indices
    return values, where + len(anchors) - len(last)


def places(queries, anchors, size, k, *, whole):
    """Values merged; in the place of the anchors, where they stood in the last joined table."""
    values = torch.empty(len(queries), 0)
    for block in blocks(anchors, size):
        tile = queries @ block.T
        tile = tile if whole else tile.topk(min(k, len(block)), dim=1).values
        joined = torch.cat([values, tile], dim=1)
        values, order = joined.topk(min(k, joined.shape[1]), dim=1)
    return values, order


def whole_blocks(queries, anchors, size, k):
    return dense_top_k(queries, anchors[: len(anchors) // size * size], size, k)


MISTAKES = [
    *(
        (
            "The values are right, but your indices are positions in the joined table of your last topk; take the "
            "anchors that stand at these positions with `gather`.",
            lambda *case, whole=whole: places(*case, whole=whole),
        )
        for whole in (False, True)
    ),
    (
        "The values are right, but your indices count from 0 in each block; they should count over all anchors: add "
        "how many anchors came before the block.",
        lambda *case: merged(*case, start=lambda number, block, size: 0),
    ),
    (
        "The indices of the last block are off: it is shorter than the others, so its number times its own length is "
        "not where it starts. Count the anchors that came before.",
        lambda *case: merged(*case, start=lambda number, block, size: number * len(block)),
    ),
    (
        "You added the number of the block to its indices; add the number of anchors that came before it.",
        lambda *case: merged(*case, start=lambda number, block, size: number),
    ),
    (
        "Your indices are one too large; positions start at 0.",
        lambda *case: merged(*case, start=lambda number, block, size: number * size + 1),
    ),
    (
        "You left out the last block, which is shorter than the others; its anchors count, too.",
        whole_blocks,
    ),
    (
        "You began with zeros in the place of the k best: where fewer than k cosines are positive, these zeros stay. "
        "Begin with something that every cosine beats.",
        lambda *case: merged(*case, first=0.0),
    ),
    (
        "You merged the values, but not the indices in the same order: topk over the joined values tells the order in "
        "which to take the joined indices.",
        unsorted_indices,
    ),
    (
        "You returned (indices, values); (values, indices) is wanted.",
        lambda *case: dense_top_k(*case)[::-1],
    ),
    (
        "You kept the smallest cosines; the k largest are wanted.",
        lambda *case: tuple(-part if part.is_floating_point() else part for part in merged(*case, score=torch.neg)),
    ),
    (
        "You kept the cosines that are largest in size, whatever their sign.",
        lambda *case: merged(*case, score=torch.abs),
    ),
    (
        "The k best come in the wrong order: the largest first.",
        lambda *case: tuple(part.flip(1) for part in dense_top_k(*case)),
    ),
    (
        "You kept only the best of the last block: merge each block with the best so far.",
        lambda queries, anchors, size, k: merged(
            queries, anchors[(len(anchors) - 1) // size * size :], size, k,
            start=lambda *_: (len(anchors) - 1) // size * size,
        ),
    ),
    (
        "You kept only the best of the first block: go on to the others, and merge.",
        lambda queries, anchors, size, k: dense_top_k(queries, anchors[:size], size, k),
    ),
]  # fmt: skip
