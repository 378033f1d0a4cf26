"""The open investigation of chapter 03: which changes of coordinates leave relative representations alone?"""

import functools
import numbers
from typing import NamedTuple

import torch

from asif_lib.relative import relative_representation

from ..exercise import investigation
from ..judging import Verdict, ask, kind_of, random_tensor, refuse, right

KEPT, BROKEN = 1e-4, 1e-2
"""A change of an entry below the first is rounding; one above the second is real."""


@investigation("03.6", "Survivors")
def check_investigation(function) -> Verdict:
    """Measure the student's changes of coordinates again on two data sets of its own."""
    for number, (d, seed) in enumerate(((6, 70), (9, 71)), 1):
        z, anchors = random_tensor(7, d, seed=seed) + 0.5, random_tensor(10, d, seed=seed + 10) + 0.5
        evidence = ask(function, (z, anchors), f"On data set {number}", like={}, form=form_of_evidence)
        refuse_late_binding({name: change for name, (change, _) in evidence.items()})
        found = [examined(name, change, float(claimed), z, anchors) for name, (change, claimed) in evidence.items()]
        refuse_what_is_missing(found)
    kept, broken = (", ".join(str(c.name) for c in found if c.keeps == keeps) for keeps in (True, False))
    return right(f"Your evidence holds on two new data sets. Unchanged by: {kept}. Changed by: {broken}.")


def form_of_evidence(evidence):
    if not isinstance(evidence, dict):
        return f"Your function returned {kind_of(evidence)}; a dict from name to (function, number) is wanted."
    for name, entry in evidence.items():
        if not isinstance(entry, tuple | list) or len(entry) != 2 or not callable(entry[0]):
            return f"“{name}”: give two things, the change (a function) and the largest change of an entry (a number)."
        if not isinstance(entry[1], numbers.Real) and getattr(entry[1], "numel", lambda: 0)() != 1:
            return f"“{name}”: the largest change is one number, float(…)."
    return ""


def refuse_late_binding(changes):
    """Refuse two functions that a loop made of one lambda, which then share the last value of the loop's variable."""
    known = {}
    for name, change in changes.items():
        cells = getattr(change, "__closure__", None) or ()
        if not cells or change.__defaults__:
            continue
        made_of = change.__code__, *(id(cell) for cell in cells)
        if made_of in known:
            refuse(
                f"“{known[made_of]}” and “{name}” are the same change: a function that a loop makes looks its variable "
                "up when it is called, and finds the last value. Keep the value: lambda x, matrix=matrix: x @ matrix."
            )
        known[made_of] = name


class Change(NamedTuple):
    """A change of coordinates: all vectors after it, and the largest change of an entry."""

    name: str
    after: torch.Tensor
    largest: float
    linear: bool
    keeps: bool


def examined(name, transformation, claimed, z, anchors) -> Change:
    rows = torch.cat([z, anchors])
    several = rows, rows, rows[:1], rows + rows.flip(0)

    @functools.wraps(transformation)
    def run(*given):
        return [transformation(x) for x in given]

    outputs = ask(run, several, f"“{name}”:")
    for given, output in zip(several, outputs, strict=True):
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != len(given):
            refuse(f"“{name}” must turn rows (m, d) into a Tensor with as many rows.")
        if not torch.isfinite(output).all():
            refuse(f"“{name}” makes NaN or infinity of some vectors.")
    after, again, alone, of_sum = (output.float() for output in outputs)
    if not torch.allclose(after, again):
        refuse(f"“{name}” draws new random numbers at every call; draw them once, outside it.")
    if not torch.allclose(after[:1], alone, atol=1e-4):
        refuse(f"“{name}” of a vector depends on the vectors that stand beside it; change each vector by itself.")
    gaps = (relative_representation(*after.split([len(z), len(anchors)])) - relative_representation(z, anchors)).abs()
    largest = float(gaps.max())
    if not abs(largest - claimed) <= KEPT + 0.01 * largest:  # NaN is no evidence either
        refuse(f"“{name}” {other_change(claimed, gaps, z, anchors, *after.split([len(z), len(anchors)]))}")
    linear = torch.allclose(of_sum, after + after.flip(0), atol=1e-3 * float(after.abs().max()))
    return Change(name, after, largest, linear, largest < KEPT)


def other_change(claimed, gaps, z, anchors, after_z, after_anchors):
    def equals(value):
        return abs(float(value) - claimed) < 1e-3

    told = f"changes an entry by up to {gaps.max():.2g}, and your evidence says {claimed:.2g}"
    if equals(gaps.mean()):
        return f"{told}: that is the mean; the largest change is asked for."
    if after_z.shape == z.shape:
        before = relative_representation(z, anchors)
        for one_sided in (relative_representation(after_z, anchors), relative_representation(z, after_anchors)):
            if equals((one_sided - before).abs().max()):
                return f"{told}: you changed one side only, `z` or the anchors."
    if equals((after_z @ after_anchors.T - z @ anchors.T).abs().max()):
        return f"{told}: you compared dot products, not relative representations."
    return f"{told}. Measure it on the `z` and anchors that your function is given."


def refuse_what_is_missing(found):
    """Two changes of each kind are wanted, all different, and a surprise in each kind."""
    for i, one in enumerate(found):
        for other in found[:i]:
            if one.after.shape == other.after.shape and torch.allclose(one.after, other.after, atol=1e-5):
                refuse(f"“{other.name}” and “{one.name}” are the same change.")
    for change in found:
        if KEPT <= change.largest <= BROKEN:
            refuse(f"“{change.name}” changes the entries by {change.largest:.1g}, hardly at all; take a stronger one.")
    kept, broken = ([change.linear for change in found if change.keeps == keeps] for keeps in (True, False))
    if len(kept) < 2 or len(broken) < 2:
        refuse(f"Of your changes, {len(kept)} keep the entries and {len(broken)} do not. Find at least two of each.")
    if all(kept):
        told = "All your changes that leave the entries alone are linear: f(x + y) = f(x) + f(y). Find one that is not."
        refuse(f"{told} What in a vector does a cosine not see?")
    if not any(broken):
        refuse("No change of yours that moves the entries is linear, as a matrix is. Find a matrix that breaks them.")
