"""Check of exercise 04.5: the top k of blocks have the right values, and no dense matrix is made on the way."""

import functools
import tracemalloc
import weakref

import torch
from torch.overrides import TorchFunctionMode

from asif_lib.relative import unit_rows

from ..catalogue import REVERSED_RESULTS, but, part, result
from ..exercise import Exercise
from ..judging import ask, random_tensor, refuse

HELD = 0.4
"""Share of the dense matrix that may be held at one moment: well above a tile, well below the whole."""
SMALL = 100
"""Entries of a tensor that is not watched, so that a solution which reads entry by entry is not slowed down."""


class Stream:
    """Anchors in blocks of `size` rows, as they would come from a disk."""

    def __init__(self, anchors, size):
        self.blocks = anchors.split(size)

    def __iter__(self):
        return (block.clone() for block in self.blocks)


class OfAStream(Exercise):
    """An exercise that gives the student's function each stream only once."""

    def verdict(self, function):
        @functools.wraps(function)
        def once(queries, stream, k):
            return function(queries, iter(stream), k)

        return super().verdict(once)


class Watch(TorchFunctionMode):
    """Notes the most bytes that tensors made inside held at one moment; views of one storage count once."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = weakref.WeakValueDictionary(), 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.numel() < SMALL:
            return result
        made = result if isinstance(result, tuple | list) else [result]
        self.alive.update({id(tensor): tensor for tensor in made if isinstance(tensor, torch.Tensor)})
        storages = [tensor.untyped_storage() for tensor in self.alive.values()]
        self.peak = max(self.peak, sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))
        return result


def refuse_a_dense_matrix(function):
    queries, anchors, size, peaks = unit(16, 8, seed=45), unit(6_000, 8, seed=46), 100, []

    @functools.wraps(function)
    def watched(*case):
        tracemalloc.start()
        try:
            with Watch() as watch:
                function(*case)
            peaks.extend([watch.peak, tracemalloc.get_traced_memory()[1]])  # the second: NumPy's arrays, and lists
        finally:
            tracemalloc.stop()

    ask(watched, (queries, Stream(anchors, size), 10), f"With {len(anchors):,} anchors")
    held, dense = max(peaks) // 4, len(queries) * len(anchors)
    if held >= HELD * dense:
        refuse(
            f"The values are right, but with {len(queries)} pictures and {len(anchors):,} anchors in blocks of {size} "
            f"your function held {held:,} numbers at one moment; the dense matrix has {dense:,}. Keep only the k best "
            "so far, merge each block into them, and let the block go."
        )


def with_starts(blocks):
    start = 0
    for block in blocks:
        yield start, block
        start += len(block)


def merged(
    queries, blocks, k,
    *,
    read=list,  # takes and returns pairs of a first position and a block
    score=torch.clone,
    largest=True,
    first=-torch.inf,
    told=lambda joined, order: joined.gather(1, order),
):  # fmt: skip
    """Merge each block into the k best so far."""
    values, indices = torch.full((len(queries), k), first), torch.zeros((len(queries), k), dtype=torch.int64)
    for start, block in read(with_starts(blocks)):
        best, where = score(queries @ block.T).topk(min(k, len(block)), dim=1, largest=largest)
        values, order = torch.cat([values, best], dim=1).topk(k, dim=1, largest=largest)
        indices = told(torch.cat([indices, start + where], dim=1), order)
    return values, indices


def placed(start_of):
    """Let a block begin at another position, by its number and its length."""
    return but(read=lambda parts: [(start_of(i, len(block)), block) for i, (_, block) in enumerate(parts)])


def only(choose):
    return but(read=lambda parts: choose(list(parts)))


def in_the_last_table(queries, blocks, k):
    """Join the values so far with the whole last tile, and give positions in this table."""
    *before, last = blocks
    best = (queries @ torch.cat(before).T).topk(k, dim=1).values
    return torch.cat([best, queries @ last.T], dim=1).topk(k, dim=1)


def in_the_table_of_all(queries, blocks, k):
    """Join the best of all blocks, and give positions in this table."""
    best = [(queries @ block.T).topk(min(k, len(block)), dim=1).values for block in blocks]
    return torch.cat(best, dim=1).topk(k, dim=1)


def never_gathered(queries, blocks, k):
    """Give positions in the joined table, to which each block adds where it starts."""
    values, indices = torch.full((len(queries), k), -torch.inf), 0
    for start, block in with_starts(blocks):
        best = (queries @ block.T).topk(min(k, len(block)), dim=1).values
        values, indices = torch.cat([values, best], dim=1).topk(k, dim=1)
        indices = indices + start
    return values, indices


def after_kept(queries, blocks, k):
    """Let a block begin after the anchors that were kept of the blocks before it."""
    start, parts = 0, []
    for block in blocks:
        parts.append((start, block))
        start += min(k, len(block))
    return merged(queries, blocks, k, read=lambda _: parts)


def unit(*shape, seed):
    return unit_rows(random_tensor(*shape, seed=seed))


QUERIES, ANCHORS = unit(3, 6, seed=43), unit(23, 6, seed=44)
ONE_WAY = unit_rows(ANCHORS.abs())  # all cosines with its opposite are negative

cases = [
    (QUERIES, Stream(ANCHORS[:20], 10), 3),
    (QUERIES, Stream(ANCHORS, 6), 4),
    (QUERIES, Stream(ANCHORS[:20], 6), 4),  # the last block holds 2, fewer than k
    (QUERIES, Stream(ANCHORS[:12], 4), 5),  # every block holds fewer than k
    (QUERIES, Stream(ANCHORS, 5), 1),
    (QUERIES, Stream(ANCHORS, 23), 23),
    (-ONE_WAY[:3], Stream(ONE_WAY, 6), 4),
]
mistakes = {
    "The values are right, but your indices are positions in the joined table of your last topk. Take the anchors that "
    "stand at these positions with `gather`.": (
        but(told=lambda _, order: order),
        in_the_last_table,
        in_the_table_of_all,
        never_gathered,
    ),
    "The values are right, but your indices count from 0 in each block. Add the number of anchors that came before the "
    "block.": placed(lambda i, length: 0),
    "The indices of the last block are off. It is shorter than the others, so its number times its own length is not "
    "where it starts. Count the anchors that came before.": placed(lambda number, length: number * length),
    "You added up how many of each block you kept. Count all anchors that came before, kept or not.": after_kept,
    "You added the number of the block; add the number of anchors that came before it.": placed(lambda i, length: i),
    "Your indices are one too large; positions start at 0.": part(1, lambda indices, *case: indices + 1),
    "You left out the last block; its anchors count, too.": only(lambda p: [x for x in p if len(x[1]) == len(p[0][1])]),
    "You began with zeros as the k best. They stay where fewer than k cosines are positive: begin with a value that "
    "every cosine beats.": but(first=0.0),
    "You merged the values, but not the indices in the same order. The topk over the joined values tells the order in "
    "which to take the joined indices.": but(told=lambda joined, order: joined[:, order.shape[1] :]),
    "You returned (indices, values); (values, indices) is wanted.": REVERSED_RESULTS,
    "You kept the smallest cosines; the k largest are wanted.": but(largest=False, first=torch.inf),
    "You kept the cosines that are largest in size, whatever their sign.": but(score=torch.abs),
    "The k best come in the wrong order: the largest first.": result(lambda both: tuple(part.flip(1) for part in both)),
    "You kept only the best of the last block: merge each block with the best so far.": only(lambda parts: parts[-1:]),
    "You kept only the best of the first block: go on to the others, and merge.": only(lambda parts: parts[:1]),
}
hints = {"index k out of range": "A block may hold fewer anchors than k, above all the last."}
check_top_k = OfAStream(
    "04.5", "The k largest of a stream", merged, cases, mistakes, hints=hints, also=refuse_a_dense_matrix
)
