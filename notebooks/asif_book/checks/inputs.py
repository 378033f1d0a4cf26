"""Say in words how an input of a check differs from the inputs before it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Place:
    """The beginning of a sentence about input `at` (from 0); a right solution needs no sentence, and none is made."""

    reference: Callable
    cases: Sequence[tuple]
    at: int
    note: str = ""

    def __str__(self):
        note = self.note or special(self.reference, self.cases, self.at)
        return f"On input {self.at + 1}" + (f" ({note})" if note else "")


def special(reference, cases, at) -> str:
    """Say what input `at` (from 0) has and no input before it had; at most two things, or an empty string."""
    names = list(inspect.signature(reference).parameters)
    *earlier, here = (
        [told for name, value in zip(names, case, strict=False) for told in _features(name, value)]
        for case in cases[: at + 1]
    )
    before = {told for case in earlier for told in case}
    return " and ".join([told for told in here if told not in before][:2])


def _features(name, value):
    if isinstance(value, torch.Tensor) and value.numel():
        yield from _of_tensor(name, value)
    elif isinstance(value, int | float | str):
        yield f"{name} = {value!r}"


def _of_tensor(name, value):
    if not value.any():
        yield f"{name} is all zeros"
    elif value.ndim == 2 and not value.any(dim=1).all():
        yield f"{name} has a row of zeros"
    if value.ndim == 2 and len(value.unique(dim=0)) < len(value):
        yield f"{name} has equal rows"
    if value.ndim == 1 and value.is_floating_point() and len(value.unique()) < len(value):
        yield f"{name} has equal values"
    if value.is_floating_point() and value.any() and (value <= 0).all():
        yield f"{name} has no positive value"
    if value.ndim == 2 and len(value) == 1:
        yield f"{name} has one row"
    if value.ndim == 1 and len(value) == 1:
        yield f"{name} has one value"
