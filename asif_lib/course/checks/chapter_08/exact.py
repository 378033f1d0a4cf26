"""Checks of exercises 08.1 to 08.4, a search in parts that is still exact: bytes, merging, a bound, what to keep."""

import numpy as np
import torch

from asif_lib.relative import unit_rows

from ..catalogue import REVERSED_RESULTS, but, changed, one_fewer, part, reordered, result
from ..exercise import Exercise
from ..judging import ask, compare, random_tensor
from ..verdict import refuse


def search_bytes(q, n, b, k, *, number=4, position=8):
    """Return the bytes of all cosines, and of a search in blocks; `number` is a float32, `position` an int64."""
    return number * q * n, number * q * b + (number + position) * q * k


check_bytes = Exercise(
    "08.1",
    "How many bytes?",
    search_bytes,
    cases=[(2, 10, 5, 3), (1_000, 793, 100, 79), (10_000, 1_600_000, 4_096, 800), (7, 50, 50, 1)],
    mistakes={
        "You counted numbers; a float32 takes 4 bytes, an int64 8.": but(number=1, position=1),
        "You forgot the positions: beside each of the k best values stands which anchor it is, 8 bytes more.": but(
            position=0
        ),
        "A position is an int64 here, which takes 8 bytes, not 4.": but(position=4),
        "You counted the tile of cosines, but not the k best so far, which wait beside it.": changed(k=lambda k: 0),
        "You counted the k best so far, but not the tile of cosines from which they are renewed.": changed(
            b=lambda b: 0
        ),
        "You added up all tiles; when the next comes, the last one is gone: one tile is in memory at a time.": (
            reordered(0, 1, 1, 3)
        ),
        "The tile has b columns for each query: you left out the queries.": part(
            1, lambda size, q, n, b, k: 4 * b + 12 * q * k
        ),
        "Each query has k best of its own: you left out the queries there.": part(
            1, lambda size, q, n, b, k: 4 * q * b + 12 * k
        ),
        "You took 8 bytes for a float32; it takes 4.": but(number=8),
        "You returned (blocks, dense); (dense, blocks) is wanted.": REVERSED_RESULTS,
        "You divided into larger units; bytes are wanted.": result(lambda sizes: tuple(size / 1e9 for size in sizes)),
    },
)


def by_value_then_index(values, indices, k):
    return torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy()))[:, :k])


def merge(parts, k, *, order=by_value_then_index, found=lambda indices, best: indices.gather(1, best)):
    """Return the k best of several parts; `order` says where they stand in the joined table."""
    values, indices = (torch.cat(of_parts, dim=1) for of_parts in zip(*parts, strict=True))
    best = order(values, indices, k)[:, :k]
    return values.gather(1, best), found(indices, best)


def index_first(second):
    """Sort by index, and then by value in a way that need not keep the order of the first sort."""

    def order(values, indices, k):
        by_index = indices.argsort(dim=1)
        return by_index.gather(1, second(values.gather(1, by_index), k))

    return but(order=order)


def sorted_by_index(merged):
    indices, order = merged[1].sort(dim=1)
    return merged[0].gather(1, order), indices


def equal_shares(parts, k):
    share = -(-k // len(parts))
    return merge([(values[:, :share], indices[:, :share]) for values, indices in parts], k)


def shards(*all_values):
    """Make the answer of each shard, the largest first, ties by the smaller index; indices count over all shards."""
    parts, start = [], 0
    for values in all_values:
        values = torch.as_tensor(values)
        m = values.shape[1]
        parts.append(merge([(values, torch.arange(start, start + m).expand_as(values))], m))
        start += m
    return parts


ONE_BIT_MORE = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0)).item()

check_merge = Exercise(
    "08.2",
    "One answer from many shards",
    merge,
    cases=[
        (shards([[0.9, 0.4]], [[0.8, 0.7, 0.1]]), 3),
        (shards(*(random_tensor(4, m, seed=80 + m) for m in (6, 5, 7))), 6),
        (shards([[0.5, 0.5, 0.2]], [[0.5, 0.5, 0.1]])[::-1], 3),
        (shards(*((4 * random_tensor(5, m, seed=90 + m)).round() / 4 for m in (30, 25, 40)))[::-1], 20),
        (shards([[0.5] * 40], [[0.5] * 40], [[ONE_BIT_MORE] * 5])[::-1], 60),
        (shards([[0.3, 0.2]], [[0.3]], [[0.3, -0.1]])[::-1], 5),
    ],
    mistakes={
        "Where values tie, you kept the order in which the shards finished. That changes from run to run: of equal "
        "values the one with the smaller index comes first.": but(
            order=lambda values, indices, k: values.sort(dim=1, descending=True, stable=True).indices
        ),
        "The values are right; where they tie, torch.topk takes any of them, and so does a sort that is not stable. Of "
        "equal values the one with the smaller index comes first.": but(
            order=lambda values, indices, k: values.topk(k, dim=1).indices
        ),
        "You sorted by index first, as one should; but where values tie, the second step is free to mix that order up "
        "again: only a sort with stable=True promises to keep it.": (
            index_first(lambda values, k: values.argsort(dim=1, descending=True)),
            index_first(lambda values, k: values.topk(k, dim=1).indices),
        ),
        "Of equal values you took the larger index first; the smaller comes first.": but(
            order=lambda values, indices, k: by_value_then_index(values, -indices, k)
        ),
        "You nudged the values by a little of their index to break ties. Two values may differ by less than your "
        "nudge, and then the wrong one wins: sort by two keys instead.": but(
            order=lambda values, indices, k: (values - 1e-6 * indices).argsort(dim=1, descending=True)
        ),
        "Your indices are positions in the joined table; take the indices that stand there, with `gather`.": but(
            found=lambda indices, best: best
        ),
        "You merged the values, but took the indices in another order: take both at the same places.": but(
            found=lambda indices, best: indices[:, : best.shape[1]]
        ),
        "You took the smallest values; the k largest are wanted.": but(
            order=lambda values, indices, k: by_value_then_index(-values, indices, k)
        ),
        "The k best come in the wrong order: you sorted them by index in the end; the largest value comes first.": (
            result(sorted_by_index)
        ),
        "You took an equal share from each shard. One shard may hold all of the k best: merge everything that they "
        "sent.": equal_shares,
        "You returned (indices, values); (values, indices) is wanted.": REVERSED_RESULTS,
        "You returned everything in order; only the k best are wanted.": changed(k=lambda k: 1_000),
    },
    atol=0,
    notes={
        3: "with ties, and the second shard finished first",
        4: "with many ties, and the last shard finished first",
        5: "where only the last bit tells two values apart",
        6: "where k is larger than each shard",
    },
)


def lengths(differences):
    return differences.norm(dim=1)


def error_bound(
    queries, rounded_queries, anchors, rounded_anchors,
    *,
    query=lengths,
    anchor=lambda differences: lengths(differences).max(),
    join=lambda lost, largest: lost + (1 + lost) * largest,
):  # fmt: skip
    """Return the bound of Cauchy and Schwarz on the products of rounded unit vectors, for each query."""
    return join(query(queries - rounded_queries), anchor(anchors - rounded_anchors))


def with_true_length(queries, rounded_queries, anchors, rounded_anchors):
    """Return the bound with the length of the rounded query itself, which holds as well."""
    return lengths(queries - rounded_queries) + lengths(rounded_queries) * lengths(anchors - rounded_anchors).max()


def other_bound(function, verdict):
    other = compare(function, with_true_length, check_error_bound.cases)
    return other if other.status == "right" else verdict


def rounded(m, d, step, seed):
    """Make unit rows, and the same rounded to multiples of `step`: coarse, so that every term of the bound counts."""
    unit = unit_rows(random_tensor(m, d, seed=seed))
    return unit, (unit / step).round() * step


EXACT = rounded(3, 4, 0.25, seed=78)[0]

check_error_bound = Exercise(
    "08.3",
    "How wrong can a product be?",
    error_bound,
    cases=[
        (*rounded(3, 4, 0.25, seed=60), *rounded(5, 4, 0.25, seed=70)),
        (*rounded(4, 8, 0.125, seed=61), *rounded(9, 8, 0.125, seed=71)),
        (*rounded(6, 6, 0.5, seed=62), *rounded(4, 6, 0.5, seed=72)),
        (*rounded(1, 16, 0.0625, seed=63), *rounded(7, 16, 0.0625, seed=73)),
        (EXACT, EXACT, *rounded(5, 4, 0.25, seed=79)),
    ],
    mistakes={
        "You forgot that the rounded query may be longer than 1: its length is at most 1 + ‖q − q̂‖, and that "
        "multiplies ‖a − â‖.": but(join=lambda lost, largest: lost + largest),
        "You left out what the anchors lose by rounding.": but(join=lambda lost, largest: lost),
        "You left out what the queries lose by rounding.": but(join=lambda lost, largest: largest.expand_as(lost)),
        "The two errors add up; you multiplied them.": but(join=lambda lost, largest: lost * largest),
        "You took the mean of what the anchors lose. The bound must hold for every anchor: take the largest.": but(
            anchor=lambda x: lengths(x).mean()
        ),
        "You took the smallest of what the anchors lose; the bound must hold for every anchor: take the largest.": but(
            anchor=lambda x: lengths(x).min()
        ),
        "You took squared lengths; a length is the root of the sum of squares.": but(
            query=lambda x: (x**2).sum(dim=1), anchor=lambda x: (x**2).sum(dim=1).max()
        ),
        "You took the largest component of the differences; Cauchy and Schwarz speak of their length, over all "
        "components.": but(query=lambda x: x.abs().amax(dim=1), anchor=lambda x: x.abs().max()),
        "You took the sum of absolute components. That bounds the error, too, but it is much too large: the length is "
        "the root of the sum of squares.": but(
            query=lambda x: x.abs().sum(dim=1), anchor=lambda x: x.abs().sum(dim=1).max()
        ),
        "You took the length of the whole table of differences; each row has a length of its own: dim=1.": but(
            anchor=torch.norm
        ),
        "You measured the largest error. That takes all true products, which is the work that we want to save, and it "
        "is no bound for the next anchor: add up lengths instead.": lambda q, q_hat, a, a_hat: (
            (q @ a.T - q_hat @ a_hat.T).abs().amax(dim=1)
        ),
        "You gave a bound for each pair of a query and an anchor; one for each query is wanted, which holds for all "
        "anchors: the largest.": but(query=lambda x: lengths(x)[:, None], anchor=lengths),
        "You gave one bound for all queries; each query has its own: do not take the largest over the queries.": (
            result(torch.max),
            result(lambda bound: bound.max().expand(len(bound))),
        ),
    },
    notes={5: "where the queries lose nothing"},
    after=other_bound,
)


def place_k(products, k):
    return products.topk(k, dim=1).values[:, -1:]


def must_keep(
    products, k, bound, *, threshold=place_k, lowest=lambda threshold, bound: threshold - 2 * bound, fits=torch.ge
):
    """Return the mask of every anchor that may be among the k best, and of no other."""
    return fits(products, lowest(threshold(products, k), bound[:, None]))


def lost_and_in_vain(function, verdict):
    """Count both kinds of error on the first input where there is one."""
    if "the shape is right, but" not in verdict.message:
        return verdict
    for number, case in enumerate(check_keep.cases, 1):
        wanted, mine = must_keep(*case), ask(function, case, f"On input {number}")
        if not torch.equal(mine, wanted):
            lost, vain = int((wanted & ~mine).sum()), int((mine & ~wanted).sum())
            refuse(
                f"On input {number}: you dropped {lost} anchors that may be among the k best, and kept {vain} that "
                "cannot be."
            )
    return verdict


def sixty_fourths(q, n, seed):
    """Draw products of which sums and differences are exact, so that it is clear which lie on a limit."""
    return (20 * random_tensor(q, n, seed=seed)).round() / 64


check_keep = Exercise(
    "08.4",
    "Who must be kept?",
    must_keep,
    cases=[
        (sixty_fourths(5, 60, seed=80).repeat(1, 2), 5, torch.tensor([8.0, 4, 12, 6, 10]) / 64),  # ties in place k
        (torch.tensor([[40.0, 38, 36, 34, 20, -50]]) / 64, 2, torch.tensor([2.0]) / 64),  # the fourth at exactly T - 2E
        (sixty_fourths(4, 12, seed=81), 3, torch.tensor([4.0, 1, 0, 7]) / 64),
        (sixty_fourths(3, 30, seed=82), 5, torch.tensor([2.0, 9, 3]) / 64),
        (-sixty_fourths(2, 9, seed=83).abs() - 1 / 64, 2, torch.tensor([3.0, 5]) / 64),
        (torch.full((2, 6), 0.25), 2, torch.tensor([0.0, 1]) / 64),
        (sixty_fourths(2, 7, seed=84), 7, torch.tensor([1.0, 1]) / 64),
    ],
    mistakes={
        "Your threshold is T - E. That covers one error only: the true cosine in place k may be E less than T, and the "
        "anchor that you drop may be E better than it looks: that makes 2E.": but(
            lowest=lambda threshold, bound: threshold - bound
        ),
        "Your threshold is T itself: then the errors count for nothing, and an anchor that looks a little worse than "
        "it is gets lost.": changed(bound=torch.zeros_like),
        "You kept exactly k. An anchor that looks a little worse than it is gets lost: how many are kept depends on "
        "the bound.": lambda products, k, bound: torch.zeros_like(products, dtype=torch.bool).scatter(
            1, products.topk(k, dim=1).indices, True
        ),
        "Your threshold lies above T; errors make us keep more, not less: it is T - 2E.": changed(bound=torch.neg),
        "You dropped the anchors at exactly T - 2E. These may still tie with the one in place k: keep them, with >=.": (
            but(fits=torch.gt)
        ),
        "You took the largest bound of all queries; each query has its own, and keeps no more than it must.": changed(
            bound=lambda bound: bound.max().expand(len(bound))
        ),
        "You took the product in place k + 1 for the threshold; T is that in place k. (Places count from 0 in "
        "Python.)": but(threshold=lambda products, k: place_k(products, min(k + 1, products.shape[1]))),
        "You took the product in place k - 1 for the threshold; T is that in place k.": one_fewer("k"),
        "You took the largest product for the threshold; T is that in place k.": changed(k=lambda k: 1),
        "You took the k-th smallest product for the threshold; the k-th largest is wanted.": but(
            threshold=lambda products, k: -place_k(-products, k)
        ),
        "You took one threshold for the whole table; each query has its own k best: topk over dim=1.": but(
            threshold=lambda products, k: place_k(products.reshape(1, -1), k)
        ),
        "You took the size of the products, whatever their sign. A product far below 0 is nothing near.": changed(
            products=torch.abs
        ),
        "Your threshold is T minus 2E of T's size: E is an error of a product already, nothing relative.": but(
            lowest=lambda threshold, bound: threshold * (1 - 2 * bound)
        ),
        "Your mask says which anchors may go; make it True for those that must be kept.": result(torch.logical_not),
    },
    notes={5: "with negative products only", 6: "where all products are equal", 7: "with k = n"},
    after=lost_and_in_vain,
)
