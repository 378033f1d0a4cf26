"""Checks of chapter 04, sparsification."""

import itertools

import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but, unsafe_rows
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse, right


def clamp_and_power(relative, p):
    return relative.clamp_min(0) ** p


COSINES = random_tensor(4, 6, seed=40).tanh()

mistakes = {
    "You raised to the power before you set negative entries to 0; an even power has made them positive by then. Turn "
    "the two steps round.": lambda r, p: torch.relu(r**p),
    "Negative entries are still in it: they are to become 0, before the power.": but(".clamp_min(0)", ""),
    "You took the sign away, so that an unlike anchor counts; set negative entries to 0.": but("clamp_min(0)", "abs()"),
    "You raised p to the entries; raise the entries to p.": lambda r, p: p ** torch.relu(r),
    "You took an exponential; raise each entry to p.": lambda r, p: torch.exp(p * torch.relu(r)),
    "Only clamp and power are wanted; you normalised.": lambda r, p: F.normalize(r.relu() ** p, dim=-1),
    "You rounded p to a whole number; p need not be whole.": but("** p", "** int(p)"),
}
# The odd p first: there, power before clamp is right, and an entry left negative shows.
cases = [(COSINES, 3), (COSINES, 2), (COSINES, 1), (COSINES[0], 8), (COSINES, 2.5)]
check_clamp_and_power = Exercise("04.1", "Clamp, then power", clamp_and_power, cases, mistakes)


def four_steps(relative, k, p):
    values, indices = relative.topk(k, dim=1)
    values = torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)
    return torch.zeros_like(relative).scatter(1, indices, values)


def refuse_more_than_k_of_equals(function):
    result = ask(function, (torch.tensor([[0.5, 0.2, 0.9, 0.5, 0.5]]), 2, 2), "On an input with ties")
    if (kept := int((result > 0).sum())) > 2:
        refuse(
            "Where entries tie at the k-th place you keep all of them: with k = 2 and the cosines 0.9, 0.5, 0.5, 0.5 "
            f"your function kept {kept}. Keep 2; which of the equal ones does not matter."
        )


ROWS = random_tensor(9, 12, seed=41).tanh()
SCALED = "torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)"

cases = [
    (ROWS, 5, 3),  # with p = 2, dividing by the sum after the power equals normalising before it
    (ROWS, 12, 2),  # k reaches into the negative entries
    (ROWS, 3, 1),
    (ROWS, 1, 8),
    (ROWS, 4, 2.5),
    (ROWS.T, 4, 2),
    (torch.cat([ROWS, -ROWS.abs()[:1]]), 4, 3),  # the last row has no positive entry
]
mistakes = {
    "An even power made negative entries positive: clamp before it.": but(".clamp_min(0)", ""),
    "You kept the smallest; keep the k largest of each row.": but("k, dim=1)", "k, dim=1, largest=False)"),
    "You took the sign away first, so that anchors unlike the picture count. Keep the k largest, and set negative ones "
    "to 0.": but("relative.topk", "relative.abs().topk"),
    "You kept k entries of each column; each row is one picture.": lambda r, k, p: F.normalize(
        torch.zeros_like(r).scatter(0, (top := r.topk(min(k, len(r)), dim=0)).indices, top.values.relu()) ** p
    ),
    "`out[:, indices]` writes to these places in every row; .scatter(1, indices, values) gives each row its own.": (
        lambda r, k, p: F.normalize((r * torch.zeros_like(r).index_fill(1, r.topk(k).indices.ravel(), 1)).relu() ** p),
        but("return ", "out = torch.zeros_like(relative); out[:, indices] = values; return out  # "),
    ),
    "You kept the largest of the whole matrix; keep the k largest of each row.": tuple(
        lambda r, k, p, each=each: F.normalize(
            torch.where(r >= r.flatten().topk(k * len(r) ** each).values[-1], r, 0).relu() ** p
        )
        for each in (0, 1)
    ),
    "Each row has a length of its own.": but(SCALED, "(v := values.clamp_min(0) ** p) / v.norm()"),
    "You rounded p to a whole number; p need not be whole.": but("** p", "** int(p)"),
    "You divided each row by its sum. Divide it by its length, the root of the sum of its squares.": (
        but(SCALED, "F.normalize(values.clamp_min(0) ** p, p=1, dim=1)"),
        but(SCALED, "(v := values.clamp_min(0) ** p) / v.sum(dim=1, keepdim=True)"),
    ),
    "The power changes the lengths: normalise after it.": but(" ** p, dim=1)", ", dim=1) ** p"),
    "You normalised columns, not rows: each row is one vector.": but(
        SCALED,
        "values.clamp_min(0) ** p",
        "return torch.zeros_like(relative).scatter(1, indices, values)",
        "return F.normalize(torch.zeros_like(relative).scatter(1, indices, values), dim=0)",
    ),
    "You divided a row of zeros by its length 0, which gives NaN; such a row stays zero.": (
        but(SCALED, "(v := values.clamp_min(0) ** p) / v.norm(dim=1, keepdim=True)"),
        lambda r, k, p: unsafe_rows(torch.zeros_like(r).scatter(1, (top := r.topk(k)).indices, top.values.relu() ** p)),
    ),
}
check_sparsify = Exercise("04.2", "The four steps", four_steps, cases, mistakes, also=refuse_more_than_k_of_equals)


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
    small, wide, long = ([80, 20, 5], [8, 2, 1]), ([10, 50], [8, 4, 2, 1]), ([3, 9, 27, 81], [1, 3])
    for seed, (ks, ps) in ((1, small), (8, wide), (4, long), (28, small), (12, long)):
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


def by_key(key):
    return but("min(s for", "min((s for", "best - error)", f"best - error), key=lambda s: {key})")


def choice(evaluate, ks, ps):
    found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
    best, error = max(found.values())
    k, p = min(s for s, (value, _) in found.items() if value >= best - error)
    value, _ = evaluate(k, p, "test")
    return k, p, value


mistakes = {
    "evaluate gives two numbers, (value, standard error); return the value only.": but("value, _ = eva", "value = eva"),
    "You looked for the smallest k and for the smallest p separately; the pair (k, p) must itself be among the good "
    "ones.": but("min(s for", "map(min, zip(*(s for", "best - error)", "best - error)))"),
    "You took the highest value. The pictures cannot tell it from the settings within one standard error of it: take "
    "the smallest k of these.": but(" - error", ""),
    "k and p are well chosen, but the last number is the validation result. It is a little too good for the setting "
    "that won there: return the test result of the chosen setting.": but("test", "validation"),
    "You took the first good setting in the lists, which come in any order. Take the smallest k, and then the smallest "
    "p.": but("min(s for", "next(s for"),
    "Of the settings within one standard error you took the largest k, or the first in the list: the lists come in any "
    "order. The smallest k forgets most and costs least.": by_key("(-s[0], s[1])"),
    "On the limit is as good as the best: at least means >=.": but("value >=", "value - 1e-9 >"),
    "Among settings with the same k take the smallest p, whatever the list's order.": by_key("(s[0], -s[1])"),
    "You looked for the smallest p first, and then for the smallest k; k comes first.": by_key("s[::-1]"),
    "One standard error is allowed.": (but("- error", "- 2 * error"), but("- error", "- error / 2")),
    "The last number is a standard error; return the test value.": but("value, _ = eva", "_, value = eva"),
    "The standard error of the best setting decides, not each setting's own.": but(
        "(value, _) in", "(value, error) in"
    ),
    "You subtracted the standard error of the last setting that you tried, not that of the best one.": but(
        "max(found.values())", "max(found.values())[0], found[ks[-1], ps[-1]][1]"
    ),
}
check_choice = Exercise(
    "04.3", "Choose without peeking", choice, made_up_results, mistakes,
    before=refuse_peeking, parts=("k", "p", "its test value"),
)  # fmt: skip

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
    return right(
        "With the clamp the first caption wins, without it the second, for 3, 10 and 200 anchors. Without the clamp, "
        "an even power makes “unlike this anchor” the same as “like this anchor”."
    )


def refuse_weak_trap(image, captions, n, where):
    if image.shape != (n,) or captions.shape != (2, n):
        shapes = f"{tuple(image.shape)} and {tuple(captions.shape)}"
        refuse(f"{where} your tensors have shapes {shapes}; ({n},) and (2, {n}) are wanted.")
    if not all(bool((part.abs() <= 1).all()) for part in (image, captions)):  # NaN fails as well
        refuse("Cosines lie between -1 and 1; yours do not.")
    if not (torch.cat([image, captions[1]]) < 0).any():
        refuse(
            "No cosine of the picture or of the second caption is negative, so the clamp changes nothing: let some be."
        )
    gap, without = lead(image.relu(), captions.relu()), lead(image, captions)
    if gap <= -MARGIN and without >= MARGIN:
        refuse("The two captions have changed places: with the clamp the first should win, without it the second.")
    if gap < MARGIN:
        lacks = f"{where}, the first caption should win with the clamp by at least {MARGIN}; its lead is {gap:+.2f}."
        refuse(f"{lacks} Make both more similar to one anchor, and the cosines with all other anchors smaller.")
    if without > -MARGIN:
        refuse(
            f"{where}, the second caption should win without the clamp by at least {MARGIN}; its lead is "
            f"{-without:+.2f}. An anchor with a negative cosine on one side or both counts for it only without the "
            "clamp: make such cosines larger in size, or the first caption's share smaller."
        )


def lead(image, captions):
    """Return the score of the first caption minus the score of the second; everything is kept, p = 2."""
    first, second = (F.normalize(captions**2, dim=-1) @ F.normalize(image**2, dim=-1)).tolist()
    return first - second
