"""Usual mistakes as changes of the reference: one line each in a chapter, as `exercise` shows."""

import inspect
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .relations import defined


@dataclass(frozen=True)
class Rewritten:
    """A wrong implementation of a reference, which is its code with some parts replaced wherever they stand."""

    changes: tuple

    def of(self, reference):
        """Return the implementation; ValueError if the body of the reference lacks a part."""
        head, code = inspect.getsource(reference).split("\n", 1)
        for old, new in zip(self.changes[::2], self.changes[1::2], strict=True):
            if old not in code:
                raise ValueError(f"{reference.__name__} has no {old!r} that could be {new!r}.")
            code = code.replace(old, new)
        return defined(f"{head}\n{code}", reference)


def but(*changes) -> Rewritten:
    """Write the reference's code otherwise: ``but("argmax", "argmin")``; more pairs of old and new may follow."""
    return Rewritten(changes)


def unsafe_rows(z) -> torch.Tensor:
    """Scale rows to length 1; a row of zeros gives NaN."""
    return z / z.norm(dim=1, keepdim=True)


def columns(z) -> torch.Tensor:
    """Scale columns to length 1, in the place of rows."""
    return F.normalize(z, dim=0)


def whole(z) -> torch.Tensor:
    """Divide by one length for the whole matrix."""
    return z / z.norm()


CENTRING = {
    "You scaled to length 1 before you subtracted the mean, and again afterwards. Subtract the mean of the anchors as "
    "they are, and scale once, at the end.": but("mean = ", "z, anchors = unit_rows(z), unit_rows(anchors); mean = "),
    "You added the mean; subtract it.": but(" - mean", " + mean"),
    "You took the mean of `z` and the anchors together; take that of the anchors alone.": but(
        "mean = anchors", "mean = torch.cat([z, anchors])"
    ),
    "You took the median; subtract the mean.": but("mean(dim=0)", "median(dim=0).values"),
    "You also divided by the standard deviations; only subtract the mean.": but(
        " - mean", " / anchors.std(0) - mean / anchors.std(0)"
    ),
    "You took the mean over the coordinates of each row. Take one mean over the anchors, which has an entry for each "
    "coordinate.": but("z - mean", "z - z.mean(1, True)", "anchors - mean", "anchors - anchors.mean(1, True)"),
    "You subtracted the mean from `z` only; subtract it from the anchors, too.": but("anchors - mean", "anchors"),
    "You subtracted the mean from the anchors only; subtract it from `z`, too.": but("z - mean", "z"),
}
"""Usual mistakes of a function that takes ``mean = anchors.mean(dim=0)``, and then ``z - mean, anchors - mean``."""
