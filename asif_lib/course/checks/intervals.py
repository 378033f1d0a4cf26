"""Checks of chapter 05 on being sure: the bootstrap interval, and the comparison of two methods."""

import torch

from .judging import Verdict, call, compare, exercise, random_tensor, wrong


@exercise("05.2", "How sure are we?")
def check_bootstrap(function) -> Verdict:
    """The bootstrap interval of a mean.

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
    verdict = compare(function, reference, cases, mistakes, atol=0.02)
    if verdict.status != "right":
        return verdict
    intervals = []
    for seed in (3, 3, 4):
        ends, failed = call(function, (items, 2_000, seed), "Called again,")
        if failed:
            return failed
        intervals.append([float(end) for end in ends])
    first, again, other = intervals
    if first != again:
        return wrong(
            "Called twice with the same seed, your function gave two intervals: make a generator with the seed."
        )
    if first == other:
        return wrong("Two seeds gave the same interval: your function ignores the seed.")
    return verdict


@exercise("05.3", "Is a better than b?")
def check_paired_difference(function) -> Verdict:
    """Compare two methods on the same questions, with the interval of their difference."""

    def ends(means):
        return tuple(torch.quantile(means, torch.tensor([0.025, 0.975])).tolist())

    def resampled(a, resamples, seed):
        return a[torch.randint(len(a), (resamples, len(a)), generator=torch.Generator().manual_seed(seed))].mean(dim=1)

    def reference(a, b, resamples, seed):
        return (float((a - b).mean()), *ends(resampled(a - b, resamples, seed + 1)))

    def unpaired(a, b, resamples, seed):
        one, two = resampled(a, resamples, seed), resampled(b, resamples, seed + 1)
        return (float((a - b).mean()), *ends(one - two))

    def apart(a, b, resamples, seed):
        one, two = ends(resampled(a, resamples, seed)), ends(resampled(b, resamples, seed))
        return (float((a - b).mean()), one[0] - two[1], one[1] - two[0])

    def end_by_end(a, b, resamples, seed):
        one, two = ends(resampled(a, resamples, seed)), ends(resampled(b, resamples, seed))
        return (float((a - b).mean()), one[0] - two[0], one[1] - two[1])

    # Two methods that find the same questions hard: unpaired, the interval is far too wide.
    generator = torch.Generator().manual_seed(54)
    a = (torch.rand(60, generator=generator) < 0.5).float()
    flips = torch.rand(60, generator=generator) < 0.12
    b = torch.where(flips, 1 - a, a) * (torch.rand(60, generator=generator) < 0.9)
    c = random_tensor(40, seed=55) / 2
    d = c - 0.15 + random_tensor(40, seed=56) / 10
    wide = random_tensor(2, 50, seed=57)  # a middle 90 % and a middle 95 % differ by more than the tolerance
    cases = [(a, b, 20_000, 0), (b, a, 20_000, 3), (c, d, 20_000, 1), (*wide, 20_000, 2), (a, a, 500, 0)]
    mistakes = [
        (
            "You drew the questions of a and those of b separately. Both methods answered the same questions, so draw "
            "questions: one draw decides for both. Your interval is wider than it need be.",
            unpaired,
        ),
        (
            "The sign is turned round: a less b is wanted, so that above 0 means that a is better.",
            lambda a, b, resamples, seed: reference(b, a, resamples, seed),
        ),
        (
            "The difference is right and its interval has the wrong sign; take a - b in both.",
            lambda a, b, resamples, seed: (reference(a, b, resamples, seed)[0], *reference(b, a, resamples, seed)[1:]),
        ),
        (
            "You made an interval for each method and set one end against the other. Whether two intervals overlap "
            "does not tell whether the difference holds 0: take the difference of each question first.",
            apart,
        ),
        (
            "You subtracted the ends of two intervals; the interval of a difference is another. Take the difference of "
            "each question first, then resample.",
            end_by_end,
        ),
        (
            "You took the sizes of the differences, without their sign.",
            lambda a, b, resamples, seed: (
                float((a - b).abs().mean()), *ends(resampled((a - b).abs(), resamples, seed))
            ),
        ),
        (
            "You left out the questions on which both methods agree; they count, as 0.",
            lambda a, b, resamples, seed: reference(a[a != b], b[a != b], resamples, seed),
        ),
        (
            "Your interval holds the middle 90 % of the means; cut off 2.5 % at each end, not 5 %.",
            lambda a, b, resamples, seed: (
                float((a - b).mean()),
                *torch.quantile(resampled(a - b, resamples, seed), torch.tensor([0.05, 0.95])).tolist(),
            ),
        ),
        (
            "That is where the differences lie, not their mean: take the mean of each resample first.",
            lambda a, b, resamples, seed: (float((a - b).mean()), *ends(a - b)),
        ),
        (
            "You returned the interval of the first method; that of the difference is wanted.",
            lambda a, b, resamples, seed: (float(a.mean()), *ends(resampled(a, resamples, seed))),
        ),
        (
            "You returned the interval first; the order is difference, low, high.",
            lambda a, b, resamples, seed: tuple(reference(a, b, resamples, seed)[i] for i in (1, 2, 0)),
        ),
        (
            "The ends are the wrong way round: return (difference, low, high).",
            lambda a, b, resamples, seed: tuple(reference(a, b, resamples, seed)[i] for i in (0, 2, 1)),
        ),
    ]  # fmt: skip
    verdict = compare(function, reference, cases, mistakes, atol=0.02)
    if verdict.status == "right":
        return _mean_problem(function, (wide[0].exp(), wide[1], 2_000, 2)) or verdict
    return verdict


def _mean_problem(function, case):
    """A verdict where the first number is not the mean of the differences, which no draw changes; or None."""
    result, failed = call(function, case, "Called again,")
    if failed:
        return failed
    mean = float((case[0] - case[1]).mean())
    if abs(float(result[0]) - mean) < 1e-4:
        return None
    return wrong(
        f"The ends are right, but the first number is {float(result[0]):.5f}, and the mean of a - b is {mean:.5f}: "
        "return this mean itself, not the middle of the interval or the mean of the resamples."
    )
