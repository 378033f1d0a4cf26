"""Checks of exercises 04.3 and 04.4: k and p are chosen without the test split, and a trap for a missing clamp."""

import itertools
from operator import itemgetter

import torch
import torch.nn.functional as F

from ..catalogue import but
from ..exercise import Exercise, investigation
from ..judging import Verdict, ask, refuse, right

# Validation results in hundredths, k down, p across; every usual mistake chooses another setting.
VALUES = torch.tensor([[32, 34, 40, 42], [36, 45, 46, 38], [45, 43, 48, 41], [46, 46, 40, 35]])
ERRORS = torch.tensor([[3.5, 3.5, 8.5, 3.5], [3.5, 3.5, 3.5, 3.5], [2.5, 3.5, 3.5, 4.5], [3.5, 3.5, 3.5, 3.5]])
# 37.5 is exactly 50 minus 12.5, in binary as well.
EDGE = torch.tensor([[25.0, 37.5], [30.0, 45.0], [26.0, 50.0]]), torch.full((3, 2), 12.5)


class Table:
    """Made-up results of every setting, from values and errors in hundredths; notes where the test was opened."""

    def __init__(self, ks, ps, values, errors):
        results = torch.stack([values, errors], dim=2) / 100
        self.validation = dict(zip(itertools.product(ks, ps), results.flatten(0, 1).tolist(), strict=True))
        self.opened = set()

    def __call__(self, k, p, split):
        value, error = self.validation[k, p]
        if split == "validation":
            return value, error
        if split != "test":
            raise ValueError(f"there is no split {split!r}; there are 'validation' and 'test'")
        self.opened.add((k, p))
        return value - 0.02, error


def made_up_results():
    tables = [([5, 20, 50, 100], [1, 2, 4, 8], (VALUES, ERRORS)), ([10, 20, 30], [1, 2], EDGE)]
    for seed, ks, ps in ((1, [80, 20, 5], [8, 2, 1]), (8, [10, 50], [8, 4, 2, 1]), (4, [3, 9, 27, 81], [1, 3])):
        values, errors = torch.rand(2, len(ks), len(ps), generator=torch.Generator().manual_seed(seed))
        # The errors are half points, so that no value lies on the limit.
        tables.append((ks, ps, ((30 + 20 * values).round(), 2.5 + (3 * errors).round())))
    return [(Table(ks, ps, *results), ks, ps) for ks, ps, results in tables]


def refuse_peeking(function):
    for case in made_up_results():
        ask(function, case, "On made-up results")
        if (opened := len(case[0].opened)) > 1:
            refuse(
                f"You opened the test split for {opened} settings, and can choose by them, knowingly or not. Choose on "
                "the validation split, then open the test split once, for the chosen setting."
            )


value_of = itemgetter(0)


def one_standard_error(
    evaluate, ks, ps, *, errors=1.0, own=False, slack=1e-9, pick=min, split="test", reported=value_of
):
    """Choose by the one-standard-error rule; the options are the places where a step can go wrong."""
    found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
    best, error = max(found.values(), key=value_of)
    k, p = pick([s for s, (value, e) in found.items() if value >= best - errors * (e if own else error) - slack])
    return k, p, reported(evaluate(k, p, split))


def first_by(key):
    return but(pick=lambda good: min(good, key=key))


mistakes = {
    "evaluate gives two numbers, (value, standard error); return the value only.": but(reported=tuple),
    "You looked for the smallest k and for the smallest p separately; the pair (k, p) must itself be among the good "
    "ones.": but(pick=lambda good: map(min, zip(*good, strict=True))),
    "You took the setting with the highest value. Others lie within one standard error of it, and these pictures "
    "cannot tell them apart: of those take the smallest k.": but(errors=0),
    "k and p are well chosen, but the last number is the validation result, which is a little too good for the setting "
    "that won there: return the test result of the chosen setting.": but(split="validation"),
    "You took the first good setting in the order of the lists; they come in any order. Take the smallest k, and among "
    "equals the smallest p.": but(pick=lambda good: good[0]),
    "Of the settings within one standard error you took the largest k, or the first in the list: the lists come in any "
    "order. The smallest k forgets most and costs least.": first_by(lambda setting: (-setting[0], setting[1])),
    "A setting exactly on the limit is as good as the best: at least means >=, not >.": but(slack=-1e-9),
    "Among settings with the same k take the smallest p, whatever the list's order.": first_by(lambda s: (s[0], -s[1])),
    "You looked for the smallest p first, and then for the smallest k; k comes first.": first_by(lambda s: s[::-1]),
    "You allowed two standard errors; one is wanted.": but(errors=2),
    "You measured each setting by its own standard error; the standard error of the best one decides.": but(own=True),
    "You allowed every setting; only values within one standard error of the best remain.": but(errors=float("inf")),
}
check_choice = Exercise(
    "04.3", "Choose without peeking", one_standard_error, made_up_results, mistakes, before=refuse_peeking
)

MARGIN = 0.1
"""By how much a caption must win in the trap, so that rounding decides nothing."""


@investigation("04.4", "Build the trap")
def check_trap(function) -> Verdict:
    """Look whether a missing clamp makes the wrong caption win among the student's cosines."""
    for n in (3, 10, 200):
        where = f"With n = {n}"
        parts = ask(function, (n,), where, like=(torch.zeros(n), torch.zeros(2, n)))
        if not isinstance(parts, tuple | list) or len(parts) != 2:
            refuse("Return two tensors: image, captions.")
        refuse_weak_trap(*(part.detach().to("cpu", torch.float64) for part in parts), n, where)
    return right("With the clamp the first caption wins, without it the second, for 3, 10 and 200 anchors.")


def refuse_weak_trap(image, captions, n, where):
    if image.shape != (n,) or captions.shape != (2, n):
        given = f"{tuple(image.shape)} and {tuple(captions.shape)}"
        refuse(f"{where} your tensors have shapes {given}; ({n},) and (2, {n}) are wanted.")
    if not all(bool((part.abs() <= 1).all()) for part in (image, captions)):  # NaN fails as well
        refuse("Cosines lie between -1 and 1; yours do not.")
    if not (image < 0).any():
        refuse("No cosine of the picture is negative, so the clamp changes nothing about it: let some be.")
    if not (captions[1] < 0).any():
        refuse("The second caption has no negative cosine; it needs one at an anchor where the picture has one.")
    gap, without = lead(image.relu(), captions.relu()), lead(image, captions)
    if gap <= -MARGIN and without >= MARGIN:
        refuse("The two captions have changed places: with the clamp the first should win, without it the second.")
    if gap < MARGIN:
        told = f"{where}, the first caption should win with the clamp by at least {MARGIN}; its lead is {gap:+.2f}."
        refuse(f"{told} Give picture and first caption an anchor to which both are similar.")
    if without > -MARGIN:
        refuse(
            f"{where}, the second caption should win without the clamp by at least {MARGIN}; its lead is "
            f"{-without:+.2f}. Entries where picture and second caption are both negative count for it: make them "
            "larger in size, or the first caption's share smaller."
        )


def lead(image, captions):
    """Return the score of the first caption minus the score of the second; everything is kept, p = 2."""
    first, second = (F.normalize(captions**2, dim=-1) @ F.normalize(image**2, dim=-1)).tolist()
    return first - second
