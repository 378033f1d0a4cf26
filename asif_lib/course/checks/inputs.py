"""Say in words how an input of a check differs from the inputs before it."""

import inspect

import torch


def special(reference, cases, at) -> str:
    """Say what input `at` (from 0) has and no input before it had; at most two things, or an empty string."""
    names = list(inspect.signature(reference).parameters)
    features = [
        [told for name, value in zip(names, case, strict=False) for told in _features(name, value)] for case in cases
    ]
    before = {told for case in features[:at] for told in case}
    return " and ".join([told for told in features[at] if told not in before][:2])


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
