"""Checks of the exercises: each runs the student's function beside a reference and says what is wrong.

A check never raises into the notebook and never shows the solution. Usual mistakes are known by name: each
is a wrong implementation, and a student's result that equals its result gets its message.
"""

import html
from dataclasses import dataclass

import numpy as np
import torch

TENSOR_KEYS = "Tensors as dictionary keys are never equal; use .tolist()."
STYLES = {
    "right": ("#009E73", "✔"),
    "wrong": ("#D55E00", "✘"),
    "not attempted": ("#56B4E9", "○"),
}  # Okabe–Ito


@dataclass(frozen=True)
class Verdict:
    """What a check says: in colour, symbol and words.

    Attributes
    ----------
    exercise : str
    status : {"right", "wrong", "not attempted"}
    message : str
    """

    exercise: str
    status: str
    message: str

    def __str__(self):
        return f"{STYLES[self.status][1]} {self.exercise}: {self.status}. {self.message}"

    __repr__ = __str__

    def _repr_html_(self):
        colour, symbol = STYLES[self.status]
        return (
            f'<div role="status" style="border-left: 6px solid {colour}; padding: 0.4em 0.8em">'
            f"<b>{symbol} {html.escape(self.exercise)}: {self.status}.</b> {html.escape(self.message)}</div>"
        )


def compare(exercise, function, reference, cases, mistakes=(), *, atol=1e-5) -> Verdict:
    """Run `function` and `reference` on every case and compare what they return.

    Parameters
    ----------
    exercise : str
        Its name, as on the card.
    function : callable
        The student's.
    reference : callable
        The library's way.
    cases : sequence of tuple
        Arguments; Tensors among them are given to each function as copies.
    mistakes : sequence of (str, callable)
        Messages, each with the wrong implementation that it describes.
    atol : float
        Largest difference that counts as equal.
    """
    for number, case in enumerate(cases, 1):
        given = _copy(case)
        expected = reference(*_copy(case))
        try:
            result = function(*given)
        except NotImplementedError:
            return Verdict(exercise, "not attempted", "Replace the line that raises NotImplementedError by your own.")
        except Exception as error:
            message = f"On input {number} your function raised {type(error).__name__}: {error}."
            if isinstance(error, KeyError) and isinstance(error.args[0], torch.Tensor):
                message += f" {TENSOR_KEYS}"
            return Verdict(exercise, "wrong", message)
        if any(isinstance(a, torch.Tensor) and not _same(a, b, 0) for a, b in zip(given, case, strict=True)):
            return Verdict(exercise, "wrong", "Your function changed its input; work on a copy, or on new tensors.")
        if _same(result, expected, atol):
            continue
        if type(result).__module__ == "torch.return_types" and hasattr(result, "indices"):
            message = "max(dim=…) and topk return values and indices; take .values or .indices."
            return Verdict(exercise, "wrong", message)
        for message, wrong in mistakes:
            if _same(result, wrong(*_copy(case)), atol):
                return Verdict(exercise, "wrong", message)
        return Verdict(exercise, "wrong", f"On input {number}: {_difference(result, expected, atol)}")
    return Verdict(exercise, "right", f"Your function agrees with the library on {len(cases)} inputs.")


def _copy(case):
    return [a.clone() if isinstance(a, torch.Tensor) else a for a in case]


def _same(result, expected, atol):
    if isinstance(expected, tuple):
        if isinstance(result, torch.Tensor | np.ndarray) and all(isinstance(e, int | float) for e in expected):
            result = result.tolist()  # numbers in a row are as good as a tuple of them
        return (
            isinstance(result, tuple | list)
            and len(result) == len(expected)
            and all(_same(r, e, atol) for r, e in zip(result, expected, strict=True))
        )
    if result is None or isinstance(expected, str):
        return result == expected
    try:
        result, expected = torch.as_tensor(result).double(), torch.as_tensor(expected).double()
    except (TypeError, ValueError, RuntimeError):
        return False
    return result.shape == expected.shape and torch.allclose(result, expected, rtol=0, atol=atol, equal_nan=True)


def _difference(result, expected, atol):
    if result is None:
        return "your function returned None; did you forget the return line?"
    if isinstance(expected, tuple):
        return f"expected {len(expected)} results that agree with the library's to {atol:g}; at least one does not."
    try:
        shape, wanted = tuple(torch.as_tensor(result).shape), tuple(torch.as_tensor(expected).shape)
    except (TypeError, ValueError, RuntimeError):
        return f"your function returned a {type(result).__name__}, not a tensor or number."
    if shape != wanted:
        return f"your result has shape {shape}; expected {wanted}."
    gap = (torch.as_tensor(result).double() - torch.as_tensor(expected).double()).abs().max()
    return f"the shape is right, but the values are off by up to {gap:.3g} (tolerance {atol:g})."


def random_tensor(*shape, seed=0):
    """Test inputs with a seed of their own, so that a check leaves the notebook's random state alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
