"""Describe a wrong form of a result, before its values are compared."""

import types

import torch


def form_problem(result, expected) -> str:
    """Describe a wrong kind of result, before its values; return an empty string for a right one."""
    if result is None and expected is not None:
        return "Your function returned None; did you forget the return line?"
    if isinstance(result, types.GeneratorType):
        return "Your function returned a generator, which has computed nothing yet; return the finished values."
    if callable(result) and not callable(expected):
        return "Your function returned a function; did you forget the brackets that call it?"
    pair = isinstance(expected, tuple) and len(expected) == 2
    if type(result).__module__ == "torch.return_types" and hasattr(result, "indices") and not pair:
        return "max(dim=…) and topk return values and indices; take .values or .indices."
    if isinstance(expected, tuple):
        if isinstance(result, tuple | list) and len(result) == len(expected):
            parts = (form_problem(r, e) for r, e in zip(result, expected, strict=True))
            return next(filter(None, parts), "")
        return ""
    if isinstance(result, torch.Tensor) and result.requires_grad:
        return "Your result carries gradients, as if it were to be trained; nothing is trained here: use .detach()."
    if not isinstance(expected, torch.Tensor) or expected.ndim == 0:
        return ""
    if not isinstance(result, torch.Tensor):
        return f"Your function returned {kind_of(result)}; a Tensor of shape {tuple(expected.shape)} is wanted."
    if result.device != expected.device:
        return f"Your result is on {result.device}; make new tensors on the input's device, {expected.device}."
    return ""


def dtype_problem(result, expected) -> str:
    """Describe a wrong dtype of a Tensor, or of the parts of a tuple; any integer dtype does for an integer."""
    if isinstance(expected, tuple) and isinstance(result, tuple | list):
        return next(filter(None, (dtype_problem(r, e) for r, e in zip(result, expected, strict=False))), "")
    if not isinstance(expected, torch.Tensor) or not isinstance(result, torch.Tensor):
        return ""
    whole = [not (t.is_floating_point() or t.is_complex() or t.dtype == torch.bool) for t in (result, expected)]
    if result.dtype == expected.dtype or all(whole):
        return ""
    return f"your result has dtype {dtype_name(result)}; {dtype_name(expected)} is wanted."


def dtype_name(tensor) -> str:
    """Return the dtype without its module: ``float32``."""
    return str(tensor.dtype).removeprefix("torch.")


def kind_of(thing) -> str:
    """Return the name of a type with its article: ``an ndarray``."""
    name = type(thing).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"
