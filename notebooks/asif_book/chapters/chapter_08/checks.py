"""Checks of chapter 08, scaling."""

import functools
import itertools

import numpy as np
import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but, changed, part, reordered, result
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import ask, compare, random_tensor, refuse
from asif_book.student import TENSOR_KEYS
from asif_lab.tuning import compare_decisions
from asif_lib.evaluation.measures import Measure, mean_with_interval, paired_difference
from asif_lib.relative import unit_rows


def search_bytes(q, n, b, k, *, number=4, position=8):
    """Return the bytes of all cosines, and of a search in blocks; `number` is a float32, `position` an int64."""
    return number * q * n, number * q * b + (number + position) * q * k


mistakes = {
    "You counted numbers; a float32 takes 4 bytes, an int64 8.": but(number=1, position=1),
    "You forgot the positions: each of the k best values has one beside it, of 8 bytes.": but(position=0),
    "A position is an int64 here, which takes 8 bytes, not 4.": but(position=4),
    "You counted the tile of cosines, but not the k best so far, which wait beside it.": changed(k=0),
    "You counted the k best so far, but not the tile of cosines from which they are renewed.": changed(b=0),
    "You added up all tiles; only one tile is in memory at a time.": reordered(0, 1, 1, 3),
    "Your tile has a row for each anchor; it has a row for each query.": part(
        1, lambda _, q, n, b, k: 4 * n * b + 12 * q * k
    ),
    "You left out the queries: the tile has b columns for each.": part(1, lambda _, q, n, b, k: 4 * b + 12 * q * k),
    "You left out the queries: each has k best of its own.": part(1, lambda _, q, n, b, k: 4 * q * b + 12 * k),
    "You took 8 bytes for a float32; it takes 4.": but(number=8),
    "You divided into larger units; bytes are wanted.": result(lambda sizes: tuple(size / 1e9 for size in sizes)),
}
cases = [(2, 10, 5, 3), (1_000, 793, 100, 79), (10_000, 1_600_000, 4_096, 800), (7, 50, 50, 1)]
check_bytes = Exercise("08.1", "How many bytes?", search_bytes, cases, mistakes, parts=("dense", "blocks"))


def by_value_then_index(values, indices, k):
    return torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy()))[:, :k])


def merge(parts, k, *, order=by_value_then_index, found=lambda indices, best: indices.gather(1, best)):
    """Return the k best of several parts; `order` says where they stand in the joined table."""
    values, indices = (torch.cat(of_parts, dim=1) for of_parts in zip(*parts, strict=True))  # (q, all)
    best = order(values, indices, k)[:, :k]  # (q, k)
    return values.gather(1, best), found(indices, best)


def index_first(second):
    """Sort by index, and then by value in a way that need not keep the order of the first sort."""

    def order(values, indices, k):
        by_index = indices.argsort(dim=1)
        return by_index.gather(1, second(values.gather(1, by_index), k))

    return but(order=order)


def equal_shares(parts, k):
    share = -(-k // len(parts))
    return merge([(values[:, :share], indices[:, :share]) for values, indices in parts], k)


def ordered_after_topk(parts, k):
    values, indices = merge(parts, k, order=lambda v, i, k: v.topk(k, dim=1).indices)
    return merge([(values, indices)], k)


def added_starts(parts, k):
    starts = itertools.accumulate((values.shape[1] for values, _ in parts), initial=0)
    return merge([(values, indices + start) for (values, indices), start in zip(parts, starts, strict=False)], k)


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

cases = [
    (shards([[0.9, 0.4]], [[0.8, 0.7, 0.1]]), 3),
    (shards(*(random_tensor(4, m, seed=80 + m) for m in (6, 5, 7))), 6),
    (shards([[0.5, 0.5, 0.2]], [[0.5, 0.5, 0.1]])[::-1], 3),
    (shards(*((4 * random_tensor(5, m, seed=90 + m)).round() / 4 for m in (30, 25, 40)))[::-1], 20),
    (shards([[0.5] * 40], [[0.5] * 40], [[ONE_BIT_MORE] * 5])[::-1], 60),
    (shards([[0.3, 0.2]], [[0.3]], [[0.3, -0.1]])[::-1], 5),
]
mistakes = {
    "Where values tie, you kept the order in which the shards finished. That changes from run to run: of equal values "
    "the smaller index comes first.": but(order=lambda v, i, k: v.sort(dim=1, descending=True, stable=True).indices),
    "The values are right; where they tie, torch.topk takes any of them, and so does a sort that is not stable. Of "
    "equal values the one with the smaller index comes first.": (
        but(order=lambda v, i, k: v.topk(k, dim=1).indices),
        ordered_after_topk,
    ),
    "You added where each shard begins; the indices count over all shards already.": added_starts,
    "You sorted by index first, as one should; but the second step may mix equal values up: only a sort with "
    "stable=True keeps their order.": (
        index_first(lambda v, k: (-v).argsort(1)),
        index_first(lambda v, k: v.topk(k).indices),
    ),
    "Ties: you took the larger index first, not the smaller.": but(order=lambda v, i, k: by_value_then_index(v, -i, k)),
    "You nudged the values by their index to break ties. Two values may differ by less than your nudge: sort by two "
    "keys instead.": but(order=lambda v, i, k: (v - 1e-6 * i).argsort(dim=1, descending=True)),
    "Your indices are positions in the joined table; `gather` the indices there.": but(found=lambda i, best: best),
    "You merged the values, but took the indices in another order. Take values and indices at the same places of the "
    "tables.": but(found=lambda i, best: i[:, : best.shape[1]]),
    "You took the smallest values; the k largest are wanted.": but(order=lambda v, i, k: by_value_then_index(-v, i, k)),
    "You sorted them by index in the end; the largest value comes first.": result(
        lambda r: (r[0].gather(1, r[1].argsort(dim=1)), r[1].sort(dim=1).values)
    ),
    "You took an equal share from each shard; one may hold all of the k best: merge everything sent.": equal_shares,
    "You returned everything in order; only the k best are wanted.": changed(k=1_000),
}
notes = {
    3: "with ties, and the second shard finished first",
    4: "with many ties, and the last shard finished first",
    5: "where only the last bit tells two values apart",
    6: "where k is larger than each shard",
}
PARTS = "values", "indices"
check_merge = Exercise("08.2", "One answer from many shards", merge, cases, mistakes, atol=0, notes=notes, parts=PARTS)


def lengths(differences):
    return differences.norm(dim=1)


def error_bound(
    queries, rounded, anchors, rounded_anchors, *, length=lengths, largest=torch.max, join=lambda q, a: q + (1 + q) * a
):
    """Return the bound of Cauchy and Schwarz on the products of rounded unit vectors, for each query."""
    return join(length(queries - rounded), largest(length(anchors - rounded_anchors)))  # (q,)


def with_true_length(queries, rounded_queries, anchors, rounded_anchors):
    """Return the bound with the length of the rounded query itself, which holds as well."""
    return lengths(queries - rounded_queries) + lengths(rounded_queries) * lengths(anchors - rounded_anchors).max()


def differences_of_lengths(queries, rounded, anchors, rounded_anchors):
    lost = (lengths(queries) - lengths(rounded)).abs()  # (q,)
    return lost + (1 + lost) * (lengths(anchors) - lengths(rounded_anchors)).abs().max()


def other_bound(function, verdict):
    other = compare(function, with_true_length, check_error_bound.cases)
    return other if other.status == "right" else None


def rounded(m, d, step, seed):
    """Make unit rows, and the same rounded to multiples of `step`: coarse, so that every term of the bound counts."""
    unit = unit_rows(random_tensor(m, d, seed=seed))
    return unit, (unit / step).round() * step


EXACT = rounded(3, 4, 0.25, seed=78)[0]

cases = [
    (*rounded(3, 4, 0.25, seed=60), *rounded(5, 4, 0.25, seed=70)),
    (*rounded(4, 8, 0.125, seed=61), *rounded(9, 8, 0.125, seed=71)),
    (*rounded(6, 6, 0.5, seed=62), *rounded(4, 6, 0.5, seed=72)),
    (*rounded(1, 16, 0.0625, seed=63), *rounded(7, 16, 0.0625, seed=73)),
    (EXACT, EXACT, *rounded(5, 4, 0.25, seed=79)),
]
mistakes = {
    "The rounded query may be longer than 1: ‖a − â‖ is multiplied by 1 + ‖q − q̂‖.": but(join=lambda q, a: q + a),
    "You counted the queries' loss twice.": but(join=lambda q, a: 2 * q + a),
    "You left out what the anchors lose by rounding.": but(join=lambda lost, largest: lost),
    "You left out what the queries lose by rounding.": (
        but(join=lambda lost, largest: largest.expand_as(lost)),
        but(join=lambda lost, largest: (1 + lost) * largest),
    ),
    "You took the difference of two lengths; take the length of the difference.": differences_of_lengths,
    "The two errors add up; you multiplied them.": but(join=lambda lost, largest: lost * largest),
    "You took the length of the whole table of differences; each row has its own: dim=1.": but(largest=torch.norm),
    "You measured the largest error. That takes all true products, which we want to save, and it does not bound the "
    "next anchor: add up lengths.": lambda q, q2, a, a2: (q @ a.T - q2 @ a2.T).abs().amax(dim=1),
}
notes = {5: "where the queries lose nothing"}
check_error_bound = Exercise(
    "08.3", "How wrong can a product be?", error_bound, cases, mistakes, notes=notes, after=other_bound
)


def place_k(products, k):
    return products.topk(k, dim=1).values[:, -1:]


def must_keep(
    products, k, bound, *, threshold=place_k, lowest=lambda threshold, bound: threshold - 2 * bound, fits=torch.ge
):
    """Return the mask of every anchor that may be among the k best, and of no other."""
    return fits(products, lowest(threshold(products, k), bound[:, None]))  # (q, n) ≥ (q, 1)


def lost_and_in_vain(function, verdict):
    """Count both kinds of error on the first input where there is one."""
    if "the shape is right, but" not in verdict.message:
        return
    for number, case in enumerate(check_keep.cases, 1):
        wanted, mine = must_keep(*case), ask(function, case, f"On input {number}")
        if not torch.equal(mine, wanted):
            lost, vain = int((wanted & ~mine).sum()), int((mine & ~wanted).sum())
            errors = f"you dropped {lost} anchors that may be among the k best, and kept {vain} that cannot be."
            refuse(f"On input {number}: {errors}")


def sixty_fourths(q, n, seed):
    """Draw products of which sums and differences are exact, so that it is clear which lie on a limit."""
    return (20 * random_tensor(q, n, seed=seed)).round() / 64


cases = [
    (sixty_fourths(5, 60, seed=80).repeat(1, 2), 5, torch.tensor([8.0, 4, 12, 6, 10]) / 64),  # ties in place k
    (torch.tensor([[40.0, 38, 36, 34, 20, -50]]) / 64, 2, torch.tensor([2.0]) / 64),  # the fourth at exactly T - 2E
    (sixty_fourths(4, 12, seed=81), 3, torch.tensor([4.0, 1, 0, 7]) / 64),
    (sixty_fourths(3, 30, seed=82), 5, torch.tensor([2.0, 9, 3]) / 64),
    (-sixty_fourths(2, 9, seed=83).abs() - 1 / 64, 2, torch.tensor([3.0, 5]) / 64),
    (torch.full((2, 6), 0.25), 2, torch.tensor([0.0, 1]) / 64),
    (sixty_fourths(2, 7, seed=84), 7, torch.tensor([1.0, 1]) / 64),
]
mistakes = {
    "Your threshold is T - E, which covers one error only. The true cosine in place k may be E less than T, and the "
    "anchor that you drop may be E better than it looks. Together that makes 2E.": but(lowest=lambda t, e: t - e),
    "Your threshold is T, as if the errors count for nothing: good anchors get lost.": changed(bound=torch.zeros_like),
    "You kept exactly k. An anchor that looks a little worse than it is gets lost: how many you keep depends on the "
    "bound.": lambda s, k, _: torch.zeros_like(s, dtype=torch.bool).scatter(1, s.topk(k).indices, True),
    "Your threshold lies above T; errors make us keep more, not less: it is T - 2E.": changed(bound=torch.neg),
    "You dropped the anchors at exactly T - 2E, which may tie with place k: keep them, with >=.": but(fits=torch.gt),
    "You took the largest bound of all queries; each has its own.": changed(bound=lambda e: e.max().expand(len(e))),
    "You took the product in place k + 1 for the threshold; T is the product in place k. (Python counts the places "
    "from 0.)": but(threshold=lambda s, k: place_k(s, min(k + 1, s.shape[1]))),
    "You took the largest product for the threshold; T is that in place k.": changed(k=1),
    "You took one threshold for the whole table. Each query has its own k best: take topk along dim=1, in every "
    "row.": but(threshold=lambda s, k: place_k(s.reshape(1, -1), k)),
    "You dropped the products that lie far above T, the best of all; keep everything from T - 2E upwards.": (
        lambda s, k, e: (s - place_k(s, k)).abs() <= 2 * e[:, None]
    ),
    "You took sizes, whatever their sign; a product far below 0 is nothing near.": changed(products=torch.abs),
    "You subtracted 2E · T; E is an error itself, nothing relative: T - 2E.": but(lowest=lambda t, e: t * (1 - 2 * e)),
}
notes = {5: "with negative products only", 6: "where all products are equal", 7: "with k = n"}
check_keep = Exercise(
    "08.4", "Which anchors must be kept?", must_keep, cases, mistakes, notes=notes, after=lost_and_in_vain
)


def sparse_cosine(indices_a, values_a, indices_b, values_b, *, of=torch.mul, where=lambda i, j: i[:, None] == j):
    return float((of(values_a[:, None], values_b) * where(indices_a, indices_b)).sum())  # (k, k) products


def by_position(counts):
    """Compare the first values, the second values, and so on; `counts` says at which positions."""
    return lambda i, v, j, w: (v[: len(w)] * w[: len(v)] * counts(i[: len(w)], j[: len(v)])).sum()


def as_in_a_sorted_list(i, v, j, w):
    at = torch.searchsorted(j, i).clamp_max(len(j) - 1)  # (k,) where each index of i would stand in a sorted j
    return (v * w[at] * (j[at] == i)).sum()


def sparse_vector(*indices, seed):
    values = F.normalize(random_tensor(len(indices), seed=seed).abs(), dim=0)
    return torch.tensor(indices, dtype=torch.int32), values.sort(descending=True).values


A = sparse_vector(9, 4, 16, 1, 7, 12, 0, 18, seed=42)
B = sparse_vector(7, 4, 2, 3, 5, 19, 8, 6, seed=43)  # shares two anchors with A, one of them at the same position
C = sparse_vector(4, 9, 13, 12, 11, 16, 2, 17, seed=44)

cases = [
    (*A, *B),
    (*A, *C),
    (*C, *C),
    (*A, A[0] + 1_600_000, A[1]),  # no anchor in common, and n over a million and a half
    (A[0][:1], torch.ones(1), *A),  # k differs: 1 and 8
]
mistakes = {
    "You divided by the lengths of what the two have in common; both vectors have length 1 already.": (
        lambda i, v, j, w: sparse_cosine(i, v, j, w) / (v[torch.isin(i, j)].norm() * w[torch.isin(j, i)].norm())
    ),
    f"Your function found no common anchor where there is one. {TENSOR_KEYS}": lambda *case: 0.0,
    "The same position does not mean the same anchor: compare the indices first.": by_position(lambda i, j: True),
    "You counted shared anchors only at the same position of both lists; the same anchor may stand at different "
    "positions.": by_position(torch.eq),
    "You looked for an index as in a sorted list; these lists are sorted by value.": as_in_a_sorted_list,
    "You counted the shared anchors; add up the products of their values.": (
        but(of=lambda v, w: 1),
        lambda i, v, j, w: torch.isin(i, j).sum() / (len(i) * len(j)) ** 0.5,
    ),
    "You added one vector's values; multiply by those of the other.": (but(of=lambda v, w: v), but(of=lambda v, w: w)),
    "The shared values stand in another order on each side: match each value with that of the same anchor.": (
        lambda i, v, j, w: (v[torch.isin(i, j)] * w[torch.isin(j, i)]).sum()
    ),
    "You took the mean over the shared anchors; a cosine is the sum of the products.": lambda i, v, j, w: (
        sparse_cosine(i, v, j, w) / max(1, int(torch.isin(i, j).sum()))
    ),
    "You multiplied one vector's value with itself; multiply it with the other's.": (
        but(of=lambda v, w: v * v),
        but(of=lambda v, w: w * w),
    ),
    "You added the two values of each shared anchor; multiply them, then add the products.": but(of=torch.add),
    "You multiplied every value by every value; only pairs with the same anchor count.": but(where=lambda i, j: True),
}
check_sparse_cosine = Exercise("08.5", "Compare without the zeros", sparse_cosine, cases, mistakes)


# 08.6 and 08.7: an inverted index, and how much effort an approximate search needs


def inverted_scores(indices, values, query_indices, query_values, *, weigh=torch.mul, counted=torch.clone):
    """Return the scores of all captions for one picture, (t,), and how many entries that took."""
    shared = counted(indices[:, :, None] == query_indices)  # (t, k, k of the picture)
    return (weigh(query_values, values[:, :, None]) * shared).sum(dim=(1, 2)), int(shared.sum())


def last_caption(shared):
    """Keep of each anchor of the picture only its last caption."""
    return shared & (shared.any(dim=1).flip(0).cumsum(0).flip(0) == 1)[:, None]


def last_anchor(scores, indices, values, query_indices, query_values):
    """Keep of each caption only the shared anchor that stands last in the picture."""
    gains = (values[:, :, None] * query_values * (indices[:, :, None] == query_indices)).sum(dim=1)
    return torch.stack([row[row > 0][-1] if row.any() else row.sum() for row in gains])


def same_place(scores, indices, values, query_indices, query_values):
    k = min(values.shape[1], len(query_values))
    return (values[:, :k] * query_values[:k]).sum(dim=1)


def captions(t, k, n, k_query, seed):
    """Make sparse vectors, of which none has an anchor two times."""
    generator = torch.Generator().manual_seed(seed)

    def vector(size):
        return torch.rand(n, generator=generator).topk(size).indices.int()

    indices, query = torch.stack([vector(k) for _ in range(t)]), vector(k_query)
    if indices[-1, 0] not in query:
        query[-1] = indices[-1, 0]
    return indices, random_tensor(t, k, seed=seed + 100).abs(), query, random_tensor(k_query, seed=seed + 200).abs()


def small(*case):
    indices, values, query_indices, query_values = map(torch.tensor, case)
    return indices.int(), values, query_indices.int(), query_values


cases = [
    small([[4, 1], [2, 4]], [[0.5, 0.25], [1.0, 0.5]], [4, 3], [2.0, 1.0]),
    captions(5, 4, 12, 3, seed=50),
    captions(9, 6, 15, 6, seed=51),
    captions(4, 3, 1_600_000, 3, seed=52),
    small([[1], [2], [1]], [[0.5], [0.7], [0.25]], [1], [0.5]),
]
mistakes = {
    "Where several anchors are shared, only the last counts: add to the score with +=.": part(0, last_anchor),
    "Your index keeps one caption for each anchor, the last; keep a list of all.": but(counted=last_caption),
    "You took the mean over the shared anchors; add the products up.": part(
        0, lambda s, i, v, q, w: s / (i[:, :, None] == q).sum((1, 2)).clamp_min(1)
    ),
    "You left out the picture's values: an entry adds the product of both.": but(weigh=lambda w, entry: entry),
    "You left out the captions' values: an entry adds the product of both values.": but(weigh=lambda w, entry: w),
    "You counted the shared anchors; an entry adds the product of both values.": but(weigh=lambda w, entry: 1.0),
    "An entry adds the product of both values, not their sum.": but(weigh=lambda w, entry: w + entry),
    "You multiplied values in the same place of the two lists; the same anchor makes a pair.": part(0, same_place),
    "The scores are right, but you looked at every entry of every caption. Look only at captions that have an entry at "
    "the picture's anchors.": part(1, lambda _, indices, *rest: indices.numel()),
    "The scores are right, but you compared every entry with every anchor of the picture. Look its anchors up in the "
    "index, and count the entries found there.": part(1, lambda _, i, v, query, w: i.numel() * len(query)),
    "The scores are right, but you counted the anchors of the picture. Count the captions' entries that stand at "
    "them.": part(1, lambda _, i, v, query, w: len(query)),
    "The scores are right. You counted the picture's anchors that are in the index; at each there may be several "
    "entries: count these.": part(1, lambda _, i, v, query, w: int(torch.isin(query, i).sum())),
    "The scores are right. You counted the captions that were found; one that shares several anchors was looked at "
    "several times: count the entries.": result(lambda r: (r[0], int((r[0] > 0).sum()))),
    f"No caption shares an anchor with the picture, by your index. {TENSOR_KEYS}": result(
        lambda r: (torch.zeros_like(r[0]), 0)
    ),
}
notes = {4: "where hardly an anchor is shared", 5: "with k = 1"}
hints = {
    "KeyError": "An anchor that no caption has is not in the index: `.get(anchor, [])`. Nor is a number there "
    "where the keys are tensors: use .tolist()."
}
check_inverted_index = Exercise(
    "08.6", "An inverted index", inverted_scores, cases, mistakes,
    notes=notes, hints=hints, parts=("scores", "entries looked at"),
)  # fmt: skip


def remembered(gap):
    """Measure the gap between two lists of decisions once: most mistakes ask for the same gaps, and each is slow."""
    kept = functools.cache(lambda *lists: gap(*map(torch.tensor, lists)))
    return lambda *decisions: kept(*(tuple(right.tolist()) for right in decisions))


compared, paired = remembered(compare_decisions), remembered(paired_difference)


def cheapest_within(
    efforts, right, exact, margin, *, gap=compared, enough=lambda gap, margin: gap.low > -margin, pick=min
):
    """Return the cheapest of some efforts whose loss of accuracy is shown to be within a margin, or 0.

    `right` (len(efforts), n) says which decisions are right at each effort, `exact` (n,) which by exact search.
    """
    return pick([e for e, mine in zip(efforts, right, strict=True) if enough(gap(mine, exact), margin)] or [0])


def instead(choice):
    """Where an effort will do, return another number, which ``choice(effort, efforts, right)`` makes."""

    def choose(efforts, right, exact, margin):
        effort = cheapest_within(efforts, right, exact, margin)
        return choice(effort, efforts, right) if effort else 0

    return choose


def apart(mine, exact):
    """Compare the interval of one accuracy with the other accuracy, as if they were of other pictures."""
    one, other = mean_with_interval(mine.numpy()), mean_with_interval(exact.numpy())
    return Measure(one.value - other.value, one.low - other.value, one.high - other.value, one.n)


def walk(n, changed, margin):
    """Make up answers: for each effort how many decisions became wrong, and how many right."""
    exact = torch.arange(n) % 10 < 7
    right = []
    for i, (lost, won) in enumerate(changed.values()):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(i))
        mine = exact.clone()
        mine[order[exact[order]][:lost]] = False
        mine[order[~exact[order]][:won]] = True
        right.append(mine)
    return list(changed), torch.stack(right), exact, margin


cases = [
    walk(1_000, {3: (200, 20), 6: (60, 30), 12: (40, 23), 24: (60, 50), 48: (0, 0), 96: (1, 3), 192: (0, 0)}, 0.02),
    walk(1_000, {3: (100, 5), 6: (8, 6), 12: (3, 1), 24: (0, 0)}, 0.02),
    walk(2_000, {3: (90, 88), 6: (3, 2)}, 0.02),
    walk(1_000, {3: (150, 5), 6: (10, 90), 9: (30, 30), 12: (0, 0)}, 0.02),
    walk(500, {12: (1, 2), 3: (80, 5), 6: (3, 4), 24: (2, 1)}, 0.03),
    walk(60, {1: (9, 2), 2: (6, 4), 4: (6, 4)}, 0.02),
    walk(60, {1: (0, 0), 2: (0, 0)}, 0.02),
]
mistakes = {
    "You took an interval that is falsely certain: where no decision changed it has no width. But 60 "
    "pictures cannot show that less than 2 points are lost: take an interval that reaches as far as that many pictures "
    "can see, as section 5 does.": but(gap=paired),
    "You looked at the accuracy lost, without its interval. On other pictures the loss may be larger than the margin: "
    "the whole interval must lie above minus the margin.": but(enough=lambda gap, m: gap.value > -m),
    "You took a setting because its interval holds 0, which does not show that the loss is small. The whole interval "
    "must lie above minus the margin.": but(gap=paired, enough=lambda gap, _: gap.high >= 0),
    "You gave the two accuracies intervals of their own. Both searches answered for the same pictures: take the "
    "interval of the paired difference.": but(gap=apart),
    "You asked for the same decisions. Decisions may change in both directions and cost nothing: count how many become "
    "wrong minus how many become right.": but(gap=lambda x, y: (x != y).float().mean(), enough=torch.lt),
    "You turned away settings that are *better* than exact search. Here only a loss counts: the lower end of the "
    "interval.": but(gap=paired, enough=lambda gap, margin: max(-gap.low, gap.high) < margin),
    "You compared with the upper end of the interval. The loss may be as large as the *lower* end says: compare with "
    "this.": but(gap=paired, enough=lambda gap, margin: gap.high > -margin),
    "Exact minus approximate is the wrong way round: a loss is a gain.": but(gap=lambda x, y: paired(y, x)),
    "You asked that nothing at all be lost; a loss within the margin is allowed. (Or did you read the margin in "
    "points? 0.02 is a share, two points.)": but(gap=paired, enough=lambda gap, _: gap.low >= 0),
    "You took the largest effort that will do; the smallest is the cheapest.": but(pick=max),
    "You took the first in the list that will do. The list may be in any order, and the smallest effort is the "
    "cheapest.": but(pick=lambda e: e[0]),
    "You took the setting with the highest accuracy; the cheapest of all that will do is wanted.": instead(
        lambda effort, efforts, right: efforts[int(right.float().mean(dim=1).argmax())]
    ),
    "You returned the position in the list, not the effort; return the effort that stands at this position.": instead(
        lambda effort, efforts, right: efforts.index(effort)
    ),
    "Where no setting will do, return 0, for an exact search. You returned the largest "
    "effort.": lambda efforts, *rest: cheapest_within(efforts, *rest) or max(efforts),
}
notes = {
    3: "where many decisions change, both ways",
    4: "where an approximate search happens to do better",
    5: "whose settings come in any order",
    6: "where there are too few pictures to tell",
    7: "where of 60 decisions none changed",
}
hints = {"returned None": "Where no setting will do, return 0."}
check_knob = Exercise("08.7", "How hard must one look?", cheapest_within, cases, mistakes, notes=notes, hints=hints)
