"""The open investigation of chapter 03: which changes of coordinates leave relative representations alone?"""

import functools
import numbers

import torch

from asif_lib.relative import relative_representation

from .judging import Verdict, call, exercise, random_tensor, right, wrong

KEPT, BROKEN = 1e-4, 1e-2
"""A change of an entry below the first is rounding; one above the second is none."""


@exercise("03.6", "Survivors")
def check_investigation(function) -> Verdict:
    """Changes of the reader's own, with the largest change of an entry that each makes: recomputed on two data sets."""
    for number, (d, seed) in enumerate(((6, 70), (9, 71)), 1):
        z, anchors = random_tensor(7, d, seed=seed) + 0.5, random_tensor(10, d, seed=seed + 10) + 0.5
        evidence, failed = call(function, (z, anchors), f"On data set {number}")
        if problem := failed or _no_evidence(evidence):
            return problem
        found = {}
        for name, (transformation, claimed) in evidence.items():
            found[name], problem = _examine(name, transformation, float(claimed), z, anchors)
            if problem:
                return problem
        if problem := _missing(found):
            return problem
    kept = ", ".join(str(name) for name, (_, change, _) in found.items() if change < KEPT)
    broken = ", ".join(str(name) for name, (_, change, _) in found.items() if change > BROKEN)
    return right(f"Your evidence holds on two new data sets. Unchanged by: {kept}. Changed by: {broken}.")


def _no_evidence(evidence):
    """What is wrong with the form of a table of evidence, or None."""
    if evidence is None:
        return wrong("Your function returned None; did you forget the return line?")
    if not isinstance(evidence, dict):
        return wrong(
            f"Your function returned a {type(evidence).__name__}; a dict from name to (function, number) is wanted."
        )
    for name, entry in evidence.items():
        if not isinstance(entry, tuple | list) or len(entry) != 2 or not callable(entry[0]):
            return wrong(
                f"“{name}”: give two things, the change (a function) and the largest change of an entry (a number)."
            )
        if not isinstance(entry[1], numbers.Real) and getattr(entry[1], "numel", lambda: 0)() != 1:
            return wrong(f"“{name}”: the largest change is one number, float(…).")
    return None


def _examine(name, transformation, claimed, z, anchors):
    """What a change does: ((its output, largest change, whether it is linear), None), or (None, verdict)."""
    rows = torch.cat([z, anchors])
    several = rows, rows, rows[:1], rows + rows.flip(0)

    @functools.wraps(transformation)
    def run(*given):
        return [transformation(x) for x in given]

    outputs, failed = call(run, several, f"“{name}”:")
    if failed:
        return None, failed
    for given, output in zip(several, outputs, strict=True):
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != len(given):
            return None, wrong(f"“{name}” must turn rows (m, d) into a Tensor with as many rows.")
        if not torch.isfinite(output).all():
            return None, wrong(f"“{name}” makes NaN or infinity of some vectors.")
    after, again, alone, of_sum = (output.float() for output in outputs)
    if not torch.allclose(after, again):
        return None, wrong(
            f"“{name}” draws new random numbers at every call, so that `z` and anchors are changed differently; draw "
            "them once, outside it."
        )
    if not torch.allclose(after[:1], alone, atol=1e-4):
        return None, wrong(
            f"What “{name}” does to a vector depends on the vectors that stand beside it; a change of coordinates acts "
            "on each vector by itself."
        )
    before = relative_representation(z, anchors)
    after_z, after_anchors = after[: len(z)], after[len(z) :]
    gaps = (relative_representation(after_z, after_anchors) - before).abs()
    change = float(gaps.max())
    if not abs(change - claimed) <= KEPT + 0.01 * change:  # NaN is no evidence either
        return None, wrong(f"“{name}” {_other_change(claimed, change, gaps, z, anchors, after_z, after_anchors)}")
    linear = torch.allclose(of_sum, after + after.flip(0), atol=1e-3 * float(after.abs().max()))
    return (after, change, linear), None


def _other_change(claimed, change, gaps, z, anchors, after_z, after_anchors):
    def equals(value):
        return abs(float(value) - claimed) < 1e-3

    told = f"changes an entry by up to {change:.2g}, and your evidence says {claimed:.2g}"
    if equals(gaps.mean()):
        return f"{told}: that is the mean; the largest change is asked for."
    if after_z.shape == z.shape:
        before = relative_representation(z, anchors)
        for one_sided in (
            relative_representation(after_z, anchors),
            relative_representation(z, after_anchors),
        ):
            if equals((one_sided - before).abs().max()):
                return f"{told}: you changed one side only, `z` or the anchors."
    if equals((after_z @ after_anchors.T - z @ anchors.T).abs().max()):
        return f"{told}: you compared dot products, not relative representations."
    return f"{told}. Measure it on the `z` and anchors that your function is given."


def _missing(found):
    """What a table of evidence still lacks, or None."""
    names = list(found)
    for i, one in enumerate(names):
        for other in names[:i]:
            a, b = found[one][0], found[other][0]
            if a.shape == b.shape and torch.allclose(a, b, atol=1e-5):
                return wrong(f"“{other}” and “{one}” are the same change.")
    for name, (_, change, _) in found.items():
        if KEPT <= change <= BROKEN:
            return wrong(
                f"“{name}” changes the entries by {change:.1g}, hardly at all; take a stronger one of its kind."
            )
    kept = {name: linear for name, (_, change, linear) in found.items() if change < KEPT}
    broken = {name: linear for name, (_, change, linear) in found.items() if change > BROKEN}
    if len(kept) < 2 or len(broken) < 2:
        return wrong(
            f"Of your changes, those that leave the entries as they are: {len(kept)}; those that do not: "
            f"{len(broken)}. Find at least two of each."
        )
    if all(kept.values()):
        return wrong(
            "All that leave the entries alone are linear: f(x + y) = f(x) + f(y). Find one that is not. What in a "
            "vector does a cosine not see?"
        )
    if not any(broken.values()):
        return wrong(
            "None of those that change the entries is linear, f(x + y) = f(x) + f(y), as a matrix is. Find a matrix "
            "that breaks them."
        )
    return None
