"""Checks of chapter 08, scaling."""

import functools
import itertools

import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import TENSOR_KEYS, ask, compare, random_tensor, refuse
from asif_lab import tuning
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.relative import unit_rows


def search_bytes(q, n, b, k):
    return 4 * q * n, 4 * q * b + (4 + 8) * q * k


mistakes = {
    "You counted numbers; a float32 takes 4 bytes, an int64 8.": but("4 * ", "", "(4 + 8)", "2"),
    "You forgot the positions: each of the k best values has one beside it, of 8 bytes.": but(" + 8", ""),
    "A position is an int64 here, which takes 8 bytes, not 4.": but("8", "4"),
    "You added up all tiles; only one tile is in memory at a time.": but("q * b", "q * n"),
    "Your tile has a row for each anchor; it has a row for each query.": but("q * b", "n * b"),
}
cases = [(2, 10, 5, 3), (1_000, 793, 100, 79), (10_000, 1_600_000, 4_096, 800), (7, 50, 50, 1)]
check_bytes = Exercise("08.1", "How many bytes?", search_bytes, cases, mistakes, parts=("dense", "blocks"))


def merge(parts, k):
    values, indices = (torch.cat(found, dim=1) for found in zip(*parts, strict=True))
    indices, order = indices.sort(dim=1)  # first by index …
    values = values.gather(1, order)
    values, again = values.sort(dim=1, descending=True, stable=True)  # … then by value
    return values[:, :k], indices.gather(1, again)[:, :k]


def equal_shares(parts, k):
    share = -(-k // len(parts))
    return merge([(values[:, :share], indices[:, :share]) for values, indices in parts], k)


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
AS_THEY_CAME = "indices, order = indices.sort(dim=1)", "order = torch.arange(indices.shape[1]).expand_as(indices)"
STABLE = "values.sort(dim=1, descending=True, stable=True)"

mistakes = {
    "Where values tie, you kept the order in which the shards finished. That changes from run to run: of equal values "
    "the smaller index comes first.": but(*AS_THEY_CAME),
    "The values are right; where they tie, topk and a sort that is not stable take any of them. Of equal values the "
    "smaller index comes first.": but(*AS_THEY_CAME, STABLE, "values.topk(k, dim=1)"),
    "You sorted by index first, as one should; the second step keeps that order only with stable=True.": (
        but(STABLE, "values.neg().sort(dim=1)", "return values", "return -values"),
        but(STABLE, "values.topk(k)"),
    ),
    "Of equal values the smaller index comes first.": but(
        "indices.sort(dim=1)", "indices.sort(dim=1, descending=True)"
    ),
    "You added where each shard begins; the indices count over all shards already.": added_starts,
    "Positions in the joined table: `gather` the indices there.": but("indices.gather", "order.gather"),
    "You merged the values, but took the indices in another order. Take values and indices at the same places of the "
    "tables.": (but("indices.gather(1, again)", "indices"), but(*AS_THEY_CAME, "indices.gather(1, again)", "indices")),
    "You took an equal share from each shard; one may hold all of the k best: merge everything sent.": equal_shares,
}
notes = {
    3: "with ties, and the second shard finished first",
    4: "with many ties, and the last shard finished first",
    5: "where only the last bit tells two values apart",
    6: "where k is larger than each shard",
}
PARTS = "values", "indices"
check_merge = Exercise("08.2", "One answer from many shards", merge, cases, mistakes, atol=0, notes=notes, parts=PARTS)


def error_bound(queries, rounded_queries, anchors, rounded_anchors):
    lost = (queries - rounded_queries).norm(dim=1)
    largest = (anchors - rounded_anchors).norm(dim=1).max()
    return lost + (1 + lost) * largest


with_true_length = but("(1 + lost)", "rounded_queries.norm(dim=1)").of(error_bound)
"""The bound with the length of the rounded query itself, which holds as well."""


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
    "‖a − â‖ is multiplied by 1 + ‖q − q̂‖: q̂ may exceed 1.": (but("(1 + lost) *", ""), but("(1 + lost)", "lost")),
    "You counted the queries' loss twice.": but("lost + (1 + lost) * largest", "2 * lost + largest"),
    "You left out what the anchors lose by rounding.": but(" + (1 + lost) * largest", ""),
    "You left out what the queries lose.": (but("lost + (1", "(1"), but("lost + (1 + lost) *", "0 * lost +")),
    "You took the difference of two lengths; take the length of the difference.": lambda q, q2, a, a2: (
        q.norm(dim=1) - q2.norm(dim=1)
    ).abs() + (1 + (q.norm(dim=1) - q2.norm(dim=1)).abs()) * (a.norm(dim=1) - a2.norm(dim=1)).abs().max(),
    "The two errors add up; you multiplied them.": but("lost + (1 + lost)", "lost"),
    "You took the length of the whole table; each row has its own: dim=1.": but("norm(dim=1).max()", "norm()"),
    "You measured the largest error. That takes all true products, which we want to save, and it does not bound the "
    "next anchor: add up lengths.": lambda q, q2, a, a2: (q @ a.T - q2 @ a2.T).abs().amax(dim=1),
}  # fmt: skip
notes = {5: "where the queries lose nothing"}
check_error_bound = Exercise(
    "08.3", "How wrong can a product be?", error_bound, cases, mistakes, notes=notes, after=other_bound
)


def must_keep(products, k, bound):
    threshold = products.topk(k, dim=1).values[:, -1]
    return products >= (threshold - 2 * bound)[:, None]


def lost_and_in_vain(function, verdict):
    """Count both kinds of error on the first input where there is one."""
    if " is wanted. " not in verdict.message:
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
    "anchor that you drop may be E better than it looks. Together that makes 2E.": but("2 * ", ""),
    "Your threshold is T, as if the errors count for nothing: good anchors get lost.": but(" - 2 * bound", ""),
    "You kept exactly k. An anchor that looks a little worse than it is gets lost: how many you keep depends on the "
    "bound.": lambda s, k, _: torch.zeros_like(s, dtype=torch.bool).scatter(1, s.topk(k).indices, True),
    "You dropped the anchors at exactly T - 2E, which may tie with place k: keep them, with >=.": but(">=", ">"),
    "You took the largest bound of all queries; each has its own.": but("bound)", "bound.max())"),
    "You took one threshold for the whole table. Each query has its own k best: take topk along dim=1, in every "
    "row.": but("products.topk(k, dim=1).values[:, -1]", "products.ravel().topk(k).values[-1]"),
}
notes = {5: "with negative products only", 6: "where all products are equal", 7: "with k = n"}
check_keep = Exercise(
    "08.4", "Which anchors must be kept?", must_keep, cases, mistakes, notes=notes, after=lost_and_in_vain
)


def sparse_cosine(indices_a, values_a, indices_b, values_b):
    shared = indices_a[:, None] == indices_b[None, :]  # (k_a, k_b): the same anchor?
    return float((shared * values_a[:, None] * values_b[None, :]).sum())


def by_position(counts):
    """Compare the first values, the second values, and so on; `counts` says at which positions."""
    return lambda i, v, j, w: (v[: len(w)] * w[: len(v)] * counts(i[: len(w)], j[: len(v)])).sum()


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
SUMMED = "(shared * values_a[:, None] * values_b[None, :]).sum()"

mistakes = {
    f"Your function found no common anchor where there is one. {TENSOR_KEYS}": lambda *case: 0.0,
    "You returned at the first common anchor; go on, and add up all products.": but(
        SUMMED, "(values_a[i[0]] * values_b[j[0]]) if len(i) else 0", "return", "i, j = shared.nonzero().T\n    return"
    ),
    "The same anchor may stand at different positions of the two lists: compare the indices, not the positions.": (
        by_position(lambda i, j: True),
        by_position(torch.eq),
    ),
    "Add up products of values, do not count anchors.": but(SUMMED, "shared.sum()"),
    "The shared values stand in another order on each side: match them by anchor.": lambda i, v, j, w: (
        v[torch.isin(i, j)] * w[torch.isin(j, i)]
    ).sum(),
    "A cosine is a sum, not a mean, of products.": but(SUMMED, f"{SUMMED} / shared.sum().clamp_min(1)"),
    "You added the two values of each shared anchor; multiply them.": but(
        "values_a[:, None] * values_b[None, :]", "(values_a[:, None] + values_b[None, :])"
    ),
}
check_sparse_cosine = Exercise("08.5", "Compare without the zeros", sparse_cosine, cases, mistakes)


# 08.6 and 08.7: an inverted index, and how much effort an approximate search needs


def inverted_scores(indices, values, query_indices, query_values):
    postings = {}  # anchor: list of (caption, value)
    for caption, row in enumerate(zip(indices.tolist(), values.tolist(), strict=True)):
        for anchor, entry in zip(*row, strict=True):
            postings.setdefault(anchor, []).append((caption, entry))
    scores, looked = torch.zeros(len(indices)), 0
    query = zip(query_indices.tolist(), query_values.tolist(), strict=True)
    for anchor, value in query:
        for caption, entry in postings.get(anchor, []):
            scores[caption] += value * entry
            looked += 1
    return scores, looked


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
    "Several may be shared: add to the score with +=, not only the last counts.": but(
        "scores[caption] +=", "scores[caption] ="
    ),
    "Your index keeps one caption for each anchor; keep a list.": but(
        "postings.setdefault(anchor, []).append((caption, entry))", "postings[anchor] = [(caption, entry)]"
    ),
    "You counted the shared anchors; an entry adds the product of both values.": but("value * entry", "1.0"),
    "Look only at the captions' entries that stand at the picture's anchors, and count these, "
    "not all entries, nor the anchors, nor the captions that were found.": (
        but("scores, looked\n", "scores, indices.numel()\n"),
        but("scores, looked\n", "scores, indices.numel() * len(query_indices)\n"),
        but("scores, looked\n", "scores, len(query_indices)\n"),
        but("scores, looked\n", "scores, int(torch.isin(query_indices, indices).sum())\n"),
        but("scores, looked\n", "scores, int((scores > 0).sum())\n"),
    ),
    f"No caption shares an anchor with the picture, by your index. {TENSOR_KEYS}": but(
        "postings.get(anchor, [])", "[]"
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


remembered = functools.cache(lambda gap, *lists: gap(*map(torch.tensor, lists)))


def compare_decisions(mine, exact, gap=tuning.compare_decisions):
    """Measure a gap once: the reference and most mistakes ask for the same ones, and each is slow."""
    return remembered(gap, tuple(mine.tolist()), tuple(exact.tolist()))


def knob(efforts, right, exact, margin):
    lowest = [compare_decisions(mine, exact).low for mine in right]
    good = [e for e, low in zip(efforts, lowest, strict=True) if low > -margin]
    return min(good, default=0)


def plain_bootstrap(mine, exact):
    return mean_with_interval(mine.double() - exact.double())


def paired(mine, exact):
    return compare_decisions(mine, exact, plain_bootstrap)


def by_gap(low):
    """Take another number for the lower end of the interval."""
    return but("compare_decisions(mine, exact).low", low)


def apart(mine, exact):
    """Compare the interval of one accuracy with the other accuracy, as if they were of other pictures."""
    return mean_with_interval(mine.numpy()).low - float(exact.double().mean())


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
BEST = "min(good, default=0)"

mistakes = {
    "Your interval is falsely certain: where no decision changed it has no width. But 60 pictures cannot show that "
    "less than 2 points are lost: take an interval that knows it, as section 5 does.": by_gap(
        "paired(mine, exact).low"
    ),
    "You looked at the accuracy lost, without its interval. On other pictures the loss may be larger than the margin: "
    "the whole interval must lie above minus the margin.": by_gap("compare_decisions(mine, exact).value"),
    "You took a setting because its interval holds 0, which does not show that the loss is small. The whole interval "
    "must lie above minus the margin.": by_gap("paired(mine, exact).high - margin + 1e-9"),
    "You gave the two accuracies intervals of their own. Both searches answered for the same pictures: take the "
    "interval of the paired difference.": by_gap("apart(mine, exact)"),
    "You asked for the same decisions. Decisions may change in both directions and cost nothing: count how many become "
    "wrong minus how many become right.": by_gap("-(mine != exact).float().mean()"),
    "You turned away settings that are *better* than exact search. Here only a loss counts: the lower end of the "
    "interval.": by_gap("min(paired(mine, exact).low, -paired(mine, exact).high)"),
    "You compared with the upper end of the interval. The loss may be as large as the *lower* end says: compare with "
    "this.": by_gap("paired(mine, exact).high"),
    "Exact minus approximate is the wrong way round: a loss is a gain.": by_gap("paired(exact, mine).low"),
    "You asked that nothing at all be lost; a loss within the margin is allowed. (Or did you read the margin in "
    "points? 0.02 is a share, two points.)": by_gap("paired(mine, exact).low - margin + 1e-9"),
    "You took the first in the list that will do. The list may be in any order, and the smallest effort is the "
    "cheapest.": but(BEST, "next(iter(good), 0)"),
    "Take the cheapest of all that will do, not the most accurate.": but(
        BEST, "efforts[int(right.float().mean(dim=1).argmax())] if good else 0"
    ),
    "Return the effort, not its position.": but(BEST, "efforts.index(min(good)) if good else 0"),
    "Where no setting will do, return 0.": but("default=0", "default=max(efforts)"),
}
notes = {
    3: "where many decisions change, both ways",
    4: "where an approximate search happens to do better",
    5: "whose settings come in any order",
    6: "where there are too few pictures to tell",
    7: "where of 60 decisions none changed",
}
hints = {"returned None": "Where no setting will do, return 0."}
check_knob = Exercise("08.7", "How hard must one look?", knob, cases, mistakes, notes=notes, hints=hints)
