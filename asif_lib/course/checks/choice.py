"""Checks of chapter 04 in which the reader decides: the choice of k and p, and a trap for a missing clamp."""

import torch

from .judging import Verdict, call, compare, exercise, form_problem, right, wrong

MARGIN = 0.1
"""By how much a caption must win in the trap, so that rounding decides nothing."""


# Validation results in hundredths, k down, p across; every usual mistake chooses another setting.
KS, PS = [5, 20, 50, 100], [1, 2, 4, 8]
VALUES = [[32, 34, 40, 42], [36, 45, 46, 38], [45, 43, 48, 41], [46, 46, 40, 35]]
ERRORS = [[3.5, 3.5, 8.5, 3.5], [3.5, 3.5, 3.5, 3.5], [2.5, 3.5, 3.5, 4.5], [3.5, 3.5, 3.5, 3.5]]
# 37.5 is exactly 50 less 12.5, in binary as well.
EDGE = [[25.0, 37.5], [30.0, 45.0], [26.0, 50.0]]


class Table:
    """Made-up results of every setting; notes for which settings the test split was opened.

    Parameters
    ----------
    ks, ps : list
    validation : (values, errors), Tensors of shape (len(ks), len(ps)), in hundredths
        Left out, drawn at random.
    seed : int
    """

    def __init__(self, ks, ps, validation=None, *, seed):
        generator = torch.Generator().manual_seed(seed)

        def drawn():
            values, errors = torch.rand(2, len(ks), len(ps), generator=generator)
            return (30 + 20 * values).round(), 2.5 + (3 * errors).round()  # half points: nothing on the limit

        self.results = {"validation": validation or drawn(), "test": drawn()}
        self.rows, self.columns = {k: i for i, k in enumerate(ks)}, {p: i for i, p in enumerate(ps)}
        self.opened = set()

    def __call__(self, k, p, split):
        if split not in self.results:
            raise ValueError(f"there is no split {split!r}; there are 'validation' and 'test'")
        if split == "test":
            self.opened.add((k, p))
        place = self.rows[k], self.columns[p]
        return tuple(float(part[place]) / 100 for part in self.results[split])


@exercise("04.3", "Choose without peeking")
def check_choice(function) -> Verdict:
    """Choose k and p on the validation split by the one-standard-error rule."""
    cases = [(Table(KS, PS, (torch.tensor(VALUES), torch.tensor(ERRORS)), seed=0), KS, PS)]
    for seed, ks, ps in ((1, [80, 20, 5], [8, 2, 1]), (8, [10, 50], [8, 4, 2, 1]), (4, [3, 9, 27, 81], [1, 3])):
        cases.append((Table(ks, ps, seed=seed), ks, ps))
    ks, ps = [10, 20, 30], [1, 2]
    cases.append((Table(ks, ps, (torch.tensor(EDGE), torch.full((3, 2), 12.5)), seed=5), ks, ps))
    for table, ks, ps in cases:
        _, failed = call(function, (table, ks, ps), "On made-up results")
        if failed:
            return failed
        if len(table.opened) > 1:
            return wrong(
                f"You opened the test split for {len(table.opened)} settings. Whoever has seen several test results "
                "can choose by them, knowingly or not: choose on the validation split, then open the test split once, "
                "for the chosen setting."
            )

    def good(evaluate, ks, ps, errors=1.0, worst=False, own=False, slack=1e-9):
        found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
        best, error = (min if worst else max)(found.values(), key=lambda result: result[0])
        return [s for s, (value, e) in found.items() if value >= best - errors * (e if own else error) - slack]

    def choose(*case, order=lambda k, p: (k, p), **how):
        return min(good(*case, **how), key=lambda s: order(*s))

    def reported(evaluate, setting, split="test"):
        return (*setting, evaluate(*setting, split)[0])

    def variant(split="test", **how):
        return lambda evaluate, ks, ps: reported(evaluate, choose(evaluate, ks, ps, **how), split)

    def highest(evaluate, ks, ps):
        setting = max(((k, p) for k in ks for p in ps), key=lambda s: evaluate(*s, "validation")[0])
        return reported(evaluate, setting)

    def apart(evaluate, ks, ps):
        return reported(evaluate, tuple(min(numbers) for numbers in zip(*good(evaluate, ks, ps), strict=True)))

    def whole(evaluate, ks, ps):
        setting = choose(evaluate, ks, ps)
        return (*setting, evaluate(*setting, "test"))

    mistakes = [
        (
            "evaluate gives two numbers, (value, standard error); return the value only.",
            whole,
        ),
        (
            "You looked for the smallest k and for the smallest p separately; the pair (k, p) must itself be among the "
            "good ones.",
            apart,
        ),
        (
            "You took the setting with the highest value. Others lie within one standard error of it, and these "
            "pictures cannot tell them apart: of those take the smallest k.",
            highest,
        ),
        (
            "k and p are well chosen, but the last number is the validation result, which is a little too good for "
            "the setting that won there: return the test result of the chosen setting.",
            variant(split="validation"),
        ),
        (
            "Of the settings within one standard error you took the largest k, or the first in the list: the lists "
            "come in any order. The smallest k forgets most and costs least.",
            variant(order=lambda k, p: (-k, p)),
        ),
        (
            "You took the first good setting in the order of the lists; they come in any order. Take the smallest k, "
            "and among equals the smallest p.",
            lambda *case: reported(case[0], good(*case)[0]),
        ),
        (
            "A setting whose value lies exactly on the limit is as good as the best, too: at least means >=, not >.",
            variant(slack=-1e-9),
        ),
        (
            "Where several settings have the same k, take the smallest p, not the largest or the first in the list.",
            variant(order=lambda k, p: (k, -p)),
        ),
        (
            "You looked for the smallest p first, and then for the smallest k; k comes first.",
            variant(order=lambda k, p: (p, k)),
        ),
        (
            "You allowed two standard errors; one is wanted.",
            variant(errors=2.0),
        ),
        (
            "You measured each setting by its own standard error; the standard error of the best one decides.",
            variant(own=True),
        ),
        (
            "You allowed every setting: only those whose value is at least the best value less its standard error "
            "remain.",
            variant(worst=True),
        ),
    ]
    return compare(function, variant(), cases, mistakes)


@exercise("04.4", "Build the trap")
def check_trap(function) -> Verdict:
    """Build cosines for which a missing clamp makes the wrong caption win."""
    for n in (3, 10, 200):
        result, failed = call(function, (n,), f"With n = {n}")
        problem = failed or _trap_problem(result, n)
        if problem:
            return problem
    return right(
        "With the clamp the first caption wins, without it the second, for 3, 10 and 200 anchors. A program without "
        "the clamp takes being unlike the same anchor for being alike."
    )


def _trap_problem(result, n):
    """The verdict on one trap, or None where it springs."""
    if problem := form_problem(result, (torch.zeros(n), torch.zeros(2, n))):
        return wrong(problem)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return wrong("Return two tensors: image, captions.")
    image, captions = (part.detach().to("cpu", torch.float64) for part in result)
    if image.shape != (n,) or captions.shape != (2, n):
        return wrong(
            f"With n = {n} your tensors have shapes {tuple(image.shape)} and {tuple(captions.shape)}; ({n},) and "
            f"(2, {n}) are wanted."
        )
    if not all(bool((part.abs() <= 1).all()) for part in (image, captions)):  # NaN fails as well
        return wrong("Cosines lie between -1 and 1; yours do not.")
    if not (image < 0).any():
        return wrong("No cosine of the picture is negative, so the clamp changes nothing about it: let some be.")
    if not (captions[1] < 0).any():
        return wrong(
            "The second caption has no negative cosine. A negative cosine turned positive can only help it where both "
            "of them, picture and caption, have one at the same anchor."
        )
    gap, without = _lead(image.clamp_min(0), captions.clamp_min(0)), _lead(image, captions)
    if gap <= -MARGIN and without >= MARGIN:
        return wrong(
            "The two captions have changed places: with the clamp the first should win, without it the second."
        )
    if gap < MARGIN:
        return wrong(
            f"With n = {n}, the first caption should win with the clamp by at least {MARGIN}; its score less the other "
            f"is {gap:+.2f}. Give picture and first caption an anchor to which both are similar."
        )
    if without > -MARGIN:
        return wrong(
            f"With n = {n}, the second caption should win without the clamp by at least {MARGIN}; its score less the "
            f"other is {-without:+.2f}. Where picture and second caption are both negative, the square counts for it: "
            "make these entries larger in size, or the first caption's share smaller."
        )
    return None


def _lead(image, captions):
    """Score of the first caption less that of the second, everything kept, p = 2."""
    image, captions = (torch.nn.functional.normalize(part**2, dim=-1) for part in (image, captions))
    first, second = (captions @ image).tolist()
    return first - second
