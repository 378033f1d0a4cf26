"""The open exercise of chapter 08: how much effort an approximate index needs, by the accuracy that may be lost."""

from dataclasses import replace

import torch

from asif_lib.evaluation.measures import mean_with_interval, paired_difference
from asif_lib.evaluation.tuning import compare as honest_difference

from .judging import Verdict, compare, exercise


@exercise("08.6", "How hard must one look?")
def check_knob(function) -> Verdict:
    """Choose the cheapest setting whose loss of accuracy is shown to be within a margin."""
    cases = [
        _walk(
            1_000, {3: (200, 20), 6: (60, 30), 12: (40, 23), 24: (60, 50), 48: (0, 0), 96: (1, 3), 192: (0, 0)}, 0.02
        ),
        _walk(1_000, {3: (100, 5), 6: (8, 6), 12: (3, 1), 24: (0, 0)}, 0.02),
        _walk(2_000, {3: (90, 88), 6: (3, 2)}, 0.02),
        _walk(1_000, {3: (150, 5), 6: (10, 90), 9: (30, 30), 12: (0, 0)}, 0.02),
        _walk(500, {12: (1, 2), 3: (80, 5), 6: (3, 4), 24: (2, 1)}, 0.03),
        _walk(60, {1: (9, 2), 2: (6, 4), 4: (6, 4)}, 0.02),
        _walk(60, {1: (0, 0), 2: (0, 0)}, 0.02),
    ]
    notes = {
        3: "where many decisions change, both ways",
        4: "where an approximate search happens to do better",
        5: "whose settings come in any order",
        6: "where there are too few pictures to tell",
        7: "where of 60 decisions none changed",
    }
    verdict = compare(function, cheapest_within, cases, MISTAKES, notes=notes)
    if "returned None" in verdict.message:
        return replace(verdict, message=f"{verdict.message} Where no setting will do, return 0.")
    return verdict


def _walk(n, changed, margin):
    """Made-up answers: for each effort how many decisions became wrong, and how many right."""
    exact = torch.arange(n) % 10 < 7
    right = []
    for i, (lost, won) in enumerate(changed.values()):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(i))
        mine = exact.clone()
        mine[order[exact[order]][:lost]] = False
        mine[order[~exact[order]][:won]] = True
        right.append(mine)
    return list(changed), torch.stack(right), exact, margin


def cheapest_within(efforts, right, exact, margin, *, within=None):
    """The right way, unless `within` decides otherwise which setting will do; 0 where none does."""
    within = within or (lambda mine, exact, margin: honest_difference(mine, exact).low > -margin)
    return min((e for e, mine in zip(efforts, right, strict=True) if within(mine, exact, margin)), default=0)


def _by(within):
    return lambda *case: cheapest_within(*case, within=within)


def _change(mine, exact):
    return float(mine.float().mean() - exact.float().mean())


def _separate_intervals(mine, exact, margin):
    """Each accuracy with its own interval, as if they were of other pictures."""
    a, b = mean_with_interval(mine.numpy()), mean_with_interval(exact.numpy())
    return a.low > b.value - margin


def _both_sides(mine, exact, margin):
    gap = paired_difference(mine, exact)
    return -margin < gap.low and gap.high < margin


def _choose(pick):
    """Of the settings within the margin, or of all of them, another than the cheapest."""

    def solve(efforts, right, exact, margin):
        good = [
            (e, mine) for e, mine in zip(efforts, right, strict=True) if honest_difference(mine, exact).low > -margin
        ]
        return pick(good, list(zip(efforts, right, strict=True))) if good else 0

    return solve


def _position(efforts, *rest):
    found = cheapest_within(efforts, *rest)
    return efforts.index(found) if found else 0


MISTAKES = [
    (
        "You took an interval that is falsely certain: where no decision changed it has no width, as that of "
        "`paired_difference`. But 60 pictures cannot show that less than 2 points are lost: the interval of `compare` "
        "reaches as far as that many pictures can see.",
        _by(lambda mine, exact, margin: paired_difference(mine, exact).low > -margin),
    ),
    (
        "You looked at the accuracy lost, without its interval. On other pictures the loss may be larger than the "
        "margin: the whole interval must lie above minus the margin.",
        _by(lambda mine, exact, margin: _change(mine, exact) > -margin),
    ),
    (
        "You took a setting because its interval holds 0. That a loss cannot be told from 0 does not show that it is "
        "small: the whole interval must lie above minus the margin.",
        _by(lambda mine, exact, margin: paired_difference(mine, exact).high >= 0),
    ),
    (
        "You gave the two accuracies intervals of their own. Both searches answered for the same pictures: take the "
        "interval of the paired difference, which is much shorter.",
        _by(_separate_intervals),
    ),
    (
        "You asked for the same decisions. Decisions may change in both directions and cost nothing: what counts is "
        "how many become wrong less how many become right.",
        _by(lambda mine, exact, margin: float((mine != exact).float().mean()) < margin),
    ),
    (
        "You turned away settings that are *better* than exact search by more than the margin. Here only a loss "
        "counts: the lower end of the interval.",
        _by(_both_sides),
    ),
    (
        "You compared with the upper end of the interval: the loss may be as large as the *lower* end says.",
        _by(lambda mine, exact, margin: paired_difference(mine, exact).high > -margin),
    ),
    (
        "You took the difference the wrong way round, exact less approximate: a loss became a gain.",
        _by(lambda mine, exact, margin: paired_difference(exact, mine).low > -margin),
    ),
    (
        "You asked that nothing at all be lost; a loss within the margin is allowed. (Or did you read the margin in "
        "points? 0.02 is a share, two points.)",
        _by(lambda mine, exact, margin: paired_difference(mine, exact).low >= 0),
    ),
    (
        "You took the largest effort that will do; the smallest is the cheapest.",
        _choose(lambda good, everything: max(e for e, _ in good)),
    ),
    (
        "You took the first in the list that will do; the list may be in any order, and the smallest effort is the "
        "cheapest.",
        _choose(lambda good, everything: good[0][0]),
    ),
    (
        "You took the setting with the highest accuracy; the cheapest that will do is wanted.",
        _choose(lambda good, everything: max(everything, key=lambda pair: float(pair[1].float().mean()))[0]),
    ),
    ("You returned the position in the list; the effort that stands there is wanted.", _position),
    (
        "Where no setting will do, return 0: search exactly. You returned the largest effort.",
        lambda efforts, *rest: cheapest_within(efforts, *rest) or max(efforts),
    ),
]
