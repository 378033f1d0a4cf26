"""How a tensor is printed: in PyTorch's words and with its default options, laid out by NumPy."""

import math
import re

import numpy as np

from ._tensor import BOOL, INT64, state

DIGITS, LINE = 4, 80


def _written(seen):
    """Return the function that writes one of these numbers, in one way and one width for all, and the width."""
    seen = np.array(seen)
    if seen.dtype.kind != "f":
        width = max(len(str(value)) for value in seen.tolist())
        return (lambda value: str(value).rjust(width)), width
    finite = np.abs(seen[np.isfinite(seen) & (seen != 0)].astype("f8"))
    low, high = (finite.min(), finite.max()) if finite.size else (1, 1)
    whole = bool((finite == np.ceil(finite)).all())

    def write(value):
        if high / low > 1000 or high > 1e8 or (not whole and low < 1e-4):
            return f"{value:.{DIGITS}e}"
        return f"{value:.0f}{'.' * math.isfinite(value)}" if whole else f"{value:.{DIGITS}f}"

    width = max((len(write(value)) for value in seen[np.isfinite(seen) & (seen != 0)].tolist()), default=1)
    return (lambda value: write(value).rjust(width)), width


def text_of(tensor) -> str:
    """Return a tensor as PyTorch prints it."""
    array, notes, seen = tensor._array, [], []
    usual = (state["default"],) if not array.size else (state["default"], INT64, BOOL)
    text = "tensor([]"
    if array.size:
        layout = {"separator": ", ", "prefix": "tensor(", "max_line_width": LINE - 1 + array.ndim, "threshold": 1000}
        np.array2string(array, formatter={"all": lambda value: seen.append(value) or "0"}, **layout)
        write, width = _written(seen)
        if array.size > 1000 and array.shape[-1] > 6:  # the dots take a number's place
            layout["max_line_width"] -= width - 3
        text = "tensor(" + np.array2string(array, formatter={"all": lambda value: write(value.item())}, **layout)
        text = re.sub(r"(?<=\S), \.\.\.,", ",  ...,", text)
    elif array.ndim != 1:
        notes.append(f"size={tuple(array.shape)}")
    if tensor.dtype not in usual:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.requires_grad:
        notes.append("requires_grad=True")
    last = len(text) - text.rfind("\n") + 1
    for note in notes:
        if last + len(note) + 2 > LINE:
            text, last = f"{text},\n{' ' * 7}{note}", 7 + len(note)
        else:
            text, last = f"{text}, {note}", last + len(note) + 2
    return text + ")"
