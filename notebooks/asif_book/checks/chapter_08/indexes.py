"""Checks of exercises 08.5 and 08.6: an inverted index, and how much effort an approximate search needs."""

import functools

import torch

from asif_lib.evaluation.measures import Measure, mean_with_interval, paired_difference
from asif_lib.evaluation.tuning import compare_decisions

from ..catalogue import but, part, result
from ..exercise import Exercise
from ..judging import TENSOR_KEYS, random_tensor


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
check_inverted_index = Exercise("08.5", "An inverted index", inverted_scores, cases, mistakes, notes=notes, hints=hints)


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
    "You took an interval that is falsely certain: where no decision changed it has no width, as that of "
    "`paired_difference`. But 60 pictures cannot show that less than 2 points are lost: the interval of `compare` "
    "reaches as far as that many pictures can see.": but(gap=paired),
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
    "You took the setting with the highest accuracy; the cheapest of all that will do is "
    "wanted.": lambda e, right, *rest: cheapest_within(e, right, *rest) and e[int(right.float().mean(1).argmax())],
    "You returned the position in the list, not the effort; return the effort that stands at this "
    "position.": lambda efforts, *rest: (found := cheapest_within(efforts, *rest)) and efforts.index(found),
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
check_knob = Exercise("08.6", "How hard must one look?", cheapest_within, cases, mistakes, notes=notes, hints=hints)
