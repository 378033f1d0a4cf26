"""Figures of chapter 90: shapes lined up from the right, so that one sees which entries of two tensors meet."""

from collections.abc import Sequence

import torch
from IPython.display import HTML

from asif_book.figures.templates import self_contained


def lined_up(panels: Sequence[dict]) -> HTML:
    """Draw differences of two tensors: their shapes lined up from the right, and below them their entries.

    A panel has two tensors of one or two dimensions by their names, the second to be subtracted from the first. The
    repeated entries are dashed. Shapes that do not fit have a cross, and no entries.
    """
    return self_contained("chapters/chapter_90/shapes", panels=[_panel(*panel.items()) for panel in panels])


def _panel(first, second):
    operands = [first, second]
    ndim = max(tensor.ndim for _, tensor in operands)
    shapes = [[None] * (ndim - tensor.ndim) + list(tensor.shape) for _, tensor in operands]
    *sizes, result = zip(*(_fit(*sizes) for sizes in zip(*shapes, strict=True)), strict=True)
    rows = [(name, words) for (name, _), words in zip(operands, sizes, strict=True)]
    fits = "✗" not in result
    return {"names": [name for name, _ in operands], "rows": rows, "result": result, "fits": fits,
            "grids": _grids(*(tensor for _, tensor in operands)) if fits else []}  # fmt: skip


def _fit(first, second):
    """Say what one dimension of two operands, and of the result, shows; a missing dimension is None."""
    sizes = [1 if size is None else size for size in (first, second)]
    fits = sizes[0] == sizes[1] or 1 in sizes
    wide = max(sizes)
    words = ["none" if size is None else str(size) for size in (first, second)]
    if not fits:
        return [*(f"{word} ✗" for word in words), "✗"]
    return [*(f"{word} → {wide}" if size != wide else word for word, size in zip(words, sizes, strict=True)), str(wide)]


def _grids(first, second):
    """For both operands and their difference rows of (entry, whether it is a copy of another)."""
    shape = torch.broadcast_shapes(first.shape, second.shape, (1, 1))

    def grid(tensor):
        height, width = (1,) * (2 - tensor.ndim) + tuple(tensor.shape)
        rows = enumerate(tensor.expand(shape).tolist())
        return [[(f"{entry:g}", i >= height or j >= width) for j, entry in enumerate(row)] for i, row in rows]

    return [grid(tensor) for tensor in (first, second, first - second)]
