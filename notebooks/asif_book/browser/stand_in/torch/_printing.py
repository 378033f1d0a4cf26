"""How a tensor is printed: PyTorch's algorithm, with its default options."""

import math

import numpy as np

DIGITS, MOST, EDGE, LINE = 4, 1000, 3, 80


class _Format:
    """One width, and one way to write, for all numbers of a tensor."""

    def __init__(self, values):
        self.floating = values.dtype.kind == "f"
        self.scientific, self.whole, self.width = False, True, 1
        if not self.floating:
            self.width = max(len(str(value)) for value in values.tolist())
            return
        finite = values[np.isfinite(values) & (values != 0)]
        if not finite.size:
            return
        sizes = np.abs(finite.astype("f8"))
        low, high = float(sizes.min()), float(sizes.max())
        self.whole = bool((finite == np.ceil(finite)).all())
        self.scientific = high / low > 1000 or high > 1e8 or (not self.whole and low < 1e-4)
        self.width = max(len(self.one(value)) for value in finite.tolist())

    def one(self, value):
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{DIGITS}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{DIGITS}f}"

    def __call__(self, value):
        return self.one(value).rjust(self.width)


def _lines(array, indent, summarise, form):
    if not array.ndim:
        return form(array.item())
    cut = summarise and len(array) > 2 * EDGE
    if array.ndim == 1:
        parts = [
            [form(value) for value in part.tolist()] for part in ((array[:EDGE], array[-EDGE:]) if cut else (array,))
        ]
        words = [*parts[0], " ...", *parts[1]] if cut else parts[0]
        a_line = max(1, (LINE - indent) // (form.width + 2))
        rows = [", ".join(words[i : i + a_line]) for i in range(0, len(words), a_line)]
        return "[" + f",\n{' ' * (indent + 1)}".join(rows) + "]"
    rows = [*range(EDGE), *range(len(array) - EDGE, len(array))] if cut else range(len(array))
    parts = [_lines(array[i], indent + 1, summarise, form) for i in rows]
    if cut:
        parts.insert(EDGE, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _edges(array):
    if not array.ndim:
        return array
    if len(array) > 2 * EDGE:
        array = np.concatenate([array[:EDGE], array[-EDGE:]])
    return array if array.ndim == 1 else np.stack([_edges(row) for row in array])


def text_of(tensor) -> str:
    """Return a tensor as PyTorch prints it."""
    from ._tensor import BOOL, INT64, state

    array, notes, indent = tensor._array, [], len("tensor(")
    usual = (state["default"],) if not array.size else (state["default"], INT64, BOOL)
    text = "[]"
    if array.size:
        summarise = array.size > MOST
        text = _lines(array, indent, summarise, _Format((_edges(array) if summarise else array).reshape(-1)))
    elif array.ndim != 1:
        notes.append(f"size={tuple(array.shape)}")
    if tensor.dtype not in usual:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.requires_grad:
        notes.append("requires_grad=True")
    text = "tensor(" + text
    last = len(text) - text.rfind("\n") + 1
    for note in notes:
        if last + len(note) + 2 > LINE:
            text, last = f"{text},\n{' ' * indent}{note}", indent + len(note)
        else:
            text, last = f"{text}, {note}", last + len(note) + 2
    return text + ")"
