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
        (
            "You returned the best score of each picture; the position of the best label is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=2).amax(dim=1),
        ),
        ("Your positions are one too large: positions start at 0.", lambda s, c, m: reference(s, c, m) + 1),
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

    def normal(items, correction):
        half = 1.96 * items.std(correction=correction) / len(items) ** 0.5
        return float(items.mean() - half), float(items.mean() + half)

    items = random_tensor(50, seed=52)
    # A few large values among small ones: mean ± 1.96 standard errors lies 0.05 too low at the lower end.
    skewed = torch.log((torch.arange(10) + 0.5) / 10).square()
    skewed *= 0.12 * 10**0.5 / skewed.std(correction=0)
    cases = [
        (items, 20_000, 0),
        (1 + items[:30] / 2, 20_000, 7),
        (skewed, 20_000, 1),
        (torch.ones(20), 1_000, 0),
    ]
    mistakes = [
        (
            "Both ends are close to the mean itself. Either you drew every item once, without replacement: draw n "
            "of the n items with replacement, so that some come twice and some not at all. Or you took the means "
            "over the wrong axis: each resample has one mean, over its own items.",
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
    for correction in (0, 1):
        mistakes.append(
            (
                "That is the mean ± 1.96 standard errors, which is symmetric whatever the items are; take the "
                "percentiles of the means of the resamples.",
                lambda items, resamples, seed, correction=correction: normal(items, correction),
            )
        )
    exercise = "Exercise 05.2"
    verdict = compare(exercise, function, reference, cases, mistakes, atol=0.02)
    if verdict.status != "right":
        return verdict
    try:
        first, again, other = ([float(end) for end in function(items.clone(), 2_000, seed)] for seed in (3, 3, 4))
    except Exception as error:
        return Verdict(exercise, "wrong", f"Called again, your function raised {type(error).__name__}: {error}.")
    if first != again:
        message = "Called twice with the same seed, your function gave two intervals: make a generator with the seed."
        return Verdict(exercise, "wrong", message)
    if first == other:
        message = "Two seeds gave the same interval: your function ignores the seed."
        return Verdict(exercise, "wrong", message)
    return verdict


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
        (scores - 1, several, 2),  # all scores negative
    ]
    mistakes = [
        (
            "Where the right answer ties with others, you count it as found; a model that gives everything "
            "the same score would be perfect. Let a tie stand behind the others.",
            lambda s, r, k: ((s > best(s, r)).sum(dim=1) < k).float().mean(),
        ),
        (
            "Where scores tie, the order that topk or sort happens to give decides; let a right answer stand "
            "behind all wrong ones that it ties with.",
            lambda s, r, k: hits(s, r, k).any(dim=1).float().mean(),
        ),
        (
            "You looked at the first k + 1 answers: found means that fewer than k wrong answers stand before.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) <= k).float().mean(),
        ),
        (
            "You looked at the first k - 1 answers: do not count the right answer itself among those before it.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) + 1 < k).float().mean(),
        ),
        (
            "A question may have several right answers; it counts as found when its best one is among the first k.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / r.sum(dim=1)).mean(),
        ),
        (
            "You let right answers stand in each other's way: count only the wrong answers before the best right one.",
            lambda s, r, k: ((s >= best(s, r)).sum(dim=1) - 1 < k).float().mean(),
        ),
        (
            "You divided by k; recall@k is the share of questions whose answer is found.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / k).mean(),
        ),
        (
            "You returned how many questions are found; divide by the number of questions.",
            lambda s, r, k: float((ranks(s, r) < k).sum()),
        ),
        (
            "You put 0 in place of the wrong answers' scores and then took the largest; where the scores of the "
            "right answers are negative, that 0 wins.",
            lambda s, r, k: (((s >= (s * r).amax(dim=1, keepdim=True)) & ~r).sum(dim=1) < k).float().mean(),
        ),
    ]
    return compare("Exercise 05.1", function, reference, cases, mistakes)
