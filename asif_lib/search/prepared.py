"""Anchors made ready for a fast search: centred, of unit length, in bfloat16, beside the anchors themselves.

Rounding 1.6 million anchors takes longer than searching them for a few hundred queries. A bank that is searched often
therefore keeps a rounded copy of its embeddings, half the size of float32 (`AnchorBank.prepare`, `bank.copies`).
"""

import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import progress_bar

from .rows import PART, as_rows


class PreparedAnchors:
    """Anchors beside a rounded copy of them.

    Parameters
    ----------
    rows : Rows of shape (n, d)
        Exact search reads them for the few candidates that it compares exactly.
    mean : Tensor of shape (d,), or None
    rounded : Tensor of shape (n, d), bfloat16
        The anchors minus `mean`, of unit length.
    error : float
        The largest distance between a rounded row and the true one.
    """

    def __init__(self, rows, mean, rounded, error):
        if tuple(rounded.shape) != rows.shape:
            shapes = f"a copy of shape {tuple(rounded.shape)} is not one of anchors of shape {rows.shape}"
            raise ParameterError(f"{shapes}; prepare these anchors")
        self.rows, self.mean, self.rounded, self.error = rows, mean, rounded, error
        self.shape, self.ndim = rows.shape, 2

    def __len__(self):
        return len(self.rows)

    def part(self, part) -> "PreparedAnchors":
        """Return a range of the anchors as a view; all of them for None."""
        if part is None:
            return self
        rows, rounded = self.rows.part(part.start, part.stop), self.rounded[part.start : part.stop]
        return PreparedAnchors(rows, self.mean, rounded, self.error)


def prepare(anchors, mean=None, *, progress=False) -> PreparedAnchors:
    """Make a rounded copy of anchors in memory: 2 · n · d bytes.

    Raises `ParameterError` if an anchor holds NaN or infinity.

    Parameters
    ----------
    anchors : Tensor or Rows of shape (n, d)
    mean : Tensor of shape (d,), optional
        Subtracted first.
    """
    anchors = as_rows(anchors)
    rounded, error = torch.empty(anchors.shape, dtype=torch.bfloat16), 0.0
    for start, block in rounded_blocks(anchors, mean, progress):
        rounded[start : start + len(block.rows)] = block.rows
        error = max(error, block.error)
    return PreparedAnchors(anchors, mean, rounded, error)


def rounded_blocks(anchors, mean, progress):
    """Yield ``(position of the first row, Rounded)`` of the anchors, block by block; the rest is as in `prepare`."""
    from .certified import RoundedLater  # brings the compiler, which only a search needs

    later = RoundedLater(anchors.contiguous(), mean)
    with progress_bar(total=len(anchors), desc="rounding anchors", unit="anchor", progress=progress) as bar:
        for start in range(0, len(anchors), PART):
            span = start, min(start + PART, len(anchors))
            yield start, later.tile(span, torch.empty(PART, anchors.shape[1], dtype=torch.bfloat16))
            bar.update(span[1] - start)
