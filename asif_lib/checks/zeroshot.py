"""Checks of chapter 05, zero-shot evaluation."""

import torch

from .core import Verdict, compare, random_tensor


def check_average_templates(function) -> Verdict:
    """Exercise 05.3: the best label from the (q, c · m) scores of all prompts, label by label."""

    def reference(scores, c, m):
        return scores.unflatten(1, (c, m)).mean(dim=2).argmax(dim=1)

    # Scores of 0 to 1 with a label that has the best single prompt, another the best mean.
    scores = torch.rand(40, 12, generator=torch.Generator().manual_seed(51))
    cases = [(scores, 3, 4), (scores, 6, 2), (scores, 12, 1), (scores[:1], 2, 6), (torch.zeros(2, 4), 2, 2)]
    mistakes = [
        (
            "You returned the best column, which is a prompt; average the prompts of each label first, and "
            "return the label.",
            lambda s, c, m: s.argmax(dim=1),
        ),
        (
            "You took the label of the best single prompt, the largest over the templates; here the mean is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).amax(dim=2).argmax(dim=1),
        ),
        (
            "You mixed up the order of the columns: the m templates of the first label come first, then those "
            "of the second; so the shape is (q, c, m).",
            lambda s, c, m: s.unflatten(1, (m, c)).mean(dim=1).argmax(dim=1),
        ),
        (
            "You averaged over the labels and chose a template; average over the templates and choose a label.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=1).argmax(dim=1),
        ),
        (
            "You returned the scores of the labels; the position of the best one is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=2),
        ),
    ]
    return compare("Exercise 05.3", function, reference, cases, mistakes)


def check_bootstrap(function) -> Verdict:
    """Exercise 05.2: a 95 % percentile bootstrap interval from (n,) items, resamples and a seed.

    Two correct solutions draw different numbers, so the ends need to agree only to 0.02; with 20,000
    resamples, chance moves them by a fifth of that.
    """

    def percentiles(items, resamples, seed, low, high):
        draws = torch.randint(len(items), (resamples, len(items)), generator=torch.Generator().manual_seed(seed))
        ends = torch.quantile(items[draws].mean(dim=1), torch.tensor([low, high], dtype=items.dtype))
        return tuple(ends.tolist())

    def reference(items, resamples, seed):
        return percentiles(items, resamples, seed + 1, 0.025, 0.975)

    items = random_tensor(50, seed=52)
    cases = [(items, 20_000, 0), (1 + items[:30] / 2, 20_000, 7), (torch.ones(20), 1_000, 0)]
    mistakes = [
        (
            "Both ends are the mean itself: you drew every item once, without replacement. Draw n of the n "
            "items with replacement, so that some come twice and some not at all.",
            lambda items, resamples, seed: (float(items.mean()),) * 2,
        ),
        (
            "That is the interval from 5 to 95 %, which holds 90 % of the means; cut off 2.5 % at each end.",
            lambda items, resamples, seed: percentiles(items, resamples, seed, 0.05, 0.95),
        ),
        (
            "That is where the items lie, not their mean: take the mean of each resample first.",
            lambda items, resamples, seed: tuple(torch.quantile(items, torch.tensor([0.025, 0.975])).tolist()),
        ),
        (
            "The ends are the wrong way round: return (low, high).",
            lambda items, resamples, seed: reference(items, resamples, seed)[::-1],
        ),
        (
            "You took the smallest and the largest mean of all resamples; cut off 2.5 % at each end.",
            lambda items, resamples, seed: percentiles(items, resamples, seed, 0.0, 1.0),
        ),
    ]
    return compare("Exercise 05.2", function, reference, cases, mistakes, atol=0.02)


def check_recall_with_ties(function) -> Verdict:
    """Exercise 05.1: recall@k from (q, t) scores and relevance, where a tie is no find."""
    from ..evaluation import ranks

    def reference(scores, relevant, k):
        return float((ranks(scores, relevant) < k).mean())

    def best(scores, relevant):
        return scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)

    def hits(scores, relevant, k):
        return relevant.gather(1, scores.topk(k, dim=1).indices)

    generator = torch.Generator().manual_seed(53)
    scores = torch.rand(40, 12, generator=generator)
    coarse = (4 * scores).round() / 4  # many ties
    one = torch.nn.functional.one_hot(torch.randint(12, (40,), generator=generator), 12).bool()
    several = one | (torch.rand(40, 12, generator=generator) < 0.15)
    square = torch.eye(12, dtype=torch.bool)
    cases = [
        (scores, one, 1),
        (scores, several, 3),
        (coarse, one, 2),
        (coarse, several, 5),
        (torch.zeros(12, 12), square, 5),  # a model that says nothing finds nothing
        (scores[:12], square, 12),
    ]
    mistakes = [
        (
            "Where the right answer ties with others, you count it as found; a model that gives everything "
            "the same score would be perfect. Let a tie stand behind the others.",
            lambda s, r, k: ((s > best(s, r)).sum(dim=1) < k).float().mean(),
        ),
        (
            "Where scores tie, the order that topk or sort happens to give decides; let a relevant candidate "
            "stand behind all that it ties with.",
            lambda s, r, k: hits(s, r, k).any(dim=1).float().mean(),
        ),
        (
            "You looked at k + 1 candidates: the best has rank 0, so a hit is a rank below k.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) <= k).float().mean(),
        ),
        (
            "You looked at k - 1 candidates: do not count the right answer itself among those before it.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) + 1 < k).float().mean(),
        ),
        (
            "Several candidates can be relevant; a query counts as found when one of them is among the k best.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / r.sum(dim=1)).mean(),
        ),
        (
            "Relevant candidates stand in each other's way: before the best one count only those that are not "
            "relevant.",
            lambda s, r, k: ((s >= best(s, r)).sum(dim=1) - 1 < k).float().mean(),
        ),
        (
            "You divided by k; recall@k is the share of queries with a hit.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / k).mean(),
        ),
        (
            "You returned the number of queries with a hit; divide by the number of queries.",
            lambda s, r, k: float((ranks(s, r) < k).sum()),
        ),
    ]
    return compare("Exercise 05.1", function, reference, cases, mistakes)
