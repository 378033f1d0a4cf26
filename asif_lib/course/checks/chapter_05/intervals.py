"""Checks of exercises 05.2 and 05.3: the bootstrap interval of a mean, and the comparison of two methods."""

import torch

from ..catalogue import REVERSED_RESULTS, but, reordered, result
from ..exercise import Exercise
from ..judging import ask, random_tensor, refuse

TOLERANCE = 0.02
"""Right solutions draw other numbers: with 20,000 resamples, chance moves the ends by a fifth of this."""


def resampled(items, resamples, seed):
    """Return the means of resamples, (resamples,)."""
    draws = torch.randint(len(items), (resamples, len(items)), generator=torch.Generator().manual_seed(seed))
    return items[draws].mean(dim=1)


def ends(means, low=0.025, high=0.975):
    return tuple(torch.quantile(means, torch.tensor([low, high])).tolist())


def bootstrap(items, resamples, seed, *, low=0.025, high=0.975, of=resampled):
    return ends(of(items, resamples, seed), low, high)


def items_themselves(items, resamples, seed):
    return items


def normal(correction):
    def interval(items, resamples, seed):
        half = 1.96 * items.std(correction=correction) / len(items) ** 0.5
        return float(items.mean() - half), float(items.mean() + half)

    return interval


def refuse_other_seeds(function):
    first, again, other = (
        [float(end) for end in ask(function, (FIFTY, 2_000, seed), "Called again,")] for seed in (3, 3, 4)
    )
    if first != again:
        refuse("Called twice with the same seed, your function gave two intervals: make a generator with the seed.")
    if first == other:
        refuse("Two seeds gave the same interval: your function ignores the seed.")


FIFTY = random_tensor(50, seed=52)
# A few large values among small ones: mean ± 1.96 standard errors lies 0.05 too low at the lower end.
SKEWED = torch.log((torch.arange(10) + 0.5) / 10).square()
SKEWED *= 0.12 * 10**0.5 / SKEWED.std(correction=0)

mistakes = {
    "Both ends are close to the mean itself. Either you drew every item once, without replacement: draw n of the n "
    "items with replacement, so that some come twice and some not at all. Or you took the means over the wrong axis: "
    "each resample has one mean, over its own items.": lambda items, *how: (float(items.mean()),) * 2,
    "That interval goes from 5 to 95 % and holds 90 %; cut off 2.5 % at each end.": but(low=0.05, high=0.95),
    "That is where the items lie, not their mean: take the mean of each resample first.": but(of=items_themselves),
    "The ends are the wrong way round: return (low, high).": REVERSED_RESULTS,
    "You took the smallest and the largest mean of all resamples; cut off 2.5 % at each end.": but(low=0.0, high=1.0),
    "That is the mean ± 1.96 standard errors, which is symmetric whatever the items are; take the percentiles of the "
    "means of the resamples.": (normal(0), normal(1)),
}
cases = [(FIFTY, 20_000, 0), (1 + FIFTY[:30] / 2, 20_000, 7), (SKEWED, 20_000, 1), (torch.ones(20), 1_000, 0)]
check_bootstrap = Exercise(
    "05.2", "How sure are we?", bootstrap, cases, mistakes, atol=TOLERANCE, also=refuse_other_seeds
)


def paired(a, b, resamples, seed, *, items=torch.sub, **interval):
    return float((a - b).mean()), *bootstrap(items(a, b), resamples, seed, **interval)


def of_separate_draws(a, b, resamples, seed):
    return float((a - b).mean()), *ends(resampled(a, resamples, seed) - resampled(b, resamples, seed + 1))


def ends_of_both(combined):
    return lambda a, b, *how: (float((a - b).mean()), *combined(bootstrap(a, *how), bootstrap(b, *how)))


def refuse_another_mean(function):
    """Refuse a mean of the differences that depends on the draw."""
    a, b = WIDE[0].exp(), WIDE[1]
    told, mean = float(ask(function, (a, b, 2_000, 2), "Called again,")[0]), float((a - b).mean())
    if abs(told - mean) >= 1e-4:
        refuse(
            f"The ends are right, but the first number is {told:.5f}, and the mean of a - b is {mean:.5f}: return "
            "this mean itself, not the middle of the interval or the mean of the resamples."
        )


# Two methods that find the same questions hard: unpaired, the interval is far too wide.
DRAW = torch.Generator().manual_seed(54)
A = (torch.rand(60, generator=DRAW) < 0.5).float()
FLIPS = torch.rand(60, generator=DRAW) < 0.12
B = torch.where(FLIPS, 1 - A, A) * (torch.rand(60, generator=DRAW) < 0.9)
C = random_tensor(40, seed=55) / 2
D = C - 0.15 + random_tensor(40, seed=56) / 10
WIDE = random_tensor(2, 50, seed=57)  # a middle 90 % and a middle 95 % differ by more than the tolerance

mistakes = {
    "You drew the questions of a and those of b separately. Both methods answered the same questions, so draw "
    "questions: one draw decides for both. Your interval is wider than it need be.": of_separate_draws,
    "The sign is turned round: a minus b is wanted, so that above 0 means that a is better.": reordered(1, 0, 2, 3),
    "The difference is right and its interval has the wrong sign; take a - b in both.": but(items=lambda a, b: b - a),
    "You set one end of one interval against an end of the other. Whether two intervals overlap does not tell whether "
    "the difference holds 0: subtract first.": ends_of_both(lambda one, two: (one[0] - two[1], one[1] - two[0])),
    "You subtracted the ends of two intervals; the interval of a difference is another. Take the difference of each "
    "question first, then resample.": ends_of_both(lambda one, two: (one[0] - two[0], one[1] - two[1])),
    "You took the sizes of the differences, without their sign.": lambda a, b, *how: paired((a - b).abs(), 0 * b, *how),
    "Count questions on which both methods agree, as 0.": lambda a, b, *how: paired(a[a != b], b[a != b], *how),
    "Your interval holds the middle 90 % of the means; cut off 2.5 % at each end.": but(low=0.05, high=0.95),
    "That is where the differences lie; take the mean of each resample.": but(of=items_themselves),
    "You returned the interval of the first method, not of the difference.": lambda a, b, *how: paired(a, 0 * b, *how),
    "You returned the interval first; the order is difference, low, high.": result(lambda r: (*r[1:], r[0])),
    "The ends are the wrong way round: return (difference, low, high).": result(lambda r: (r[0], r[2], r[1])),
}
cases = [(A, B, 20_000, 0), (B, A, 20_000, 3), (C, D, 20_000, 1), (*WIDE, 20_000, 2), (A, A, 500, 0)]
check_paired_difference = Exercise(
    "05.3", "Is a better than b?", paired, cases, mistakes, atol=TOLERANCE, also=refuse_another_mean
)
