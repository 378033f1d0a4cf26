"""The four steps of sparsification as a table of bars, with knobs that answer in the browser without a kernel."""

import torch
from IPython.display import HTML

from asif_lib.sparse import sparsify

from .style import image_tag, self_contained

LARGEST_P = 16
"""The last step of the knob for p."""


def four_steps(title, relative, pictures, captions, k, p) -> HTML:
    """Draw the cosines of one picture with n anchors, and what each step of sparsification leaves of them.

    An anchor has one row, with its picture and caption, through all steps; the largest cosine stands first. A
    forgotten entry stays as an outline. Without scripts the table shows `k` and `p`; a script adds knobs for both.

    Parameters
    ----------
    title : str
        Names the picture, as a sentence.
    relative : Tensor of shape (n,)
        A dozen anchors fit on a screen.
    pictures, captions : sequences of n
    k, p : int
        Of the first view; 1 ≤ k ≤ n, 1 ≤ p ≤ 16.

    Raises
    ------
    ParameterError
        If k or p is out of range.
    """
    order = relative.argsort(descending=True, stable=True).tolist()
    cosines = relative[order].double()
    columns = _columns(cosines, k, p)
    anchors = []
    for row, anchor in enumerate(order):
        entries = [_entry(step, row, values, cosines, k) for step, values in enumerate(columns)]
        tag = image_tag(pictures[anchor], "the anchor's picture", 72)
        anchors.append({"picture": tag, "caption": captions[anchor], "entries": entries})
    left = columns[-1]
    words = (
        f"k = {k}, p = {p}: {int((left > 0).sum())} of {len(left)} entries are above 0. The largest is "
        f"{_written(float(left[0]))}. It holds {100 * float(left[0]) ** 2:.0f} % of the sum of squares."
    )
    low = round(min(0.0, float(cosines[-1])) - 0.01, 2)
    return self_contained(
        "steps", title=title, cosines=cosines.tolist(), anchors=anchors, k=k, p=p, low=low, words=words,
        largest_p=LARGEST_P,
    )  # fmt: skip


def _written(value) -> str:
    """Write an entry with three digits; only 0 itself is written as 0."""
    if value == 0:
        return "0"
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}".replace("-", "−")


def _columns(cosines, k, p):
    """Return the cosines (n,), the largest first, and their values after each of the four steps."""
    normalised = torch.zeros(len(cosines))
    normalised[:k] = sparsify(cosines[None].float(), k, p).values[0]
    kept = torch.where(torch.arange(len(cosines)) < k, cosines, 0)
    clamped = kept.clamp_min(0)
    return [cosines, kept, clamped, clamped**p, normalised]


def _entry(step, row, values, cosines, k):
    value, cosine = float(values[row]), float(cosines[row])
    forgotten = (step > 0 and row >= k) or (step > 1 and cosine <= 0)
    drawn = cosine if forgotten else value
    return {"value": value, "words": _written(value), "forgotten": forgotten, "drawn": drawn}
