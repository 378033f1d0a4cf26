"""Figures of chapter 04, sparsification."""

import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from asif_book.figures.palette import ON_DARK, ON_LIGHT
from asif_book.figures.style import alt, image_tag, listed, per_cent, subplots
from asif_book.figures.templates import self_contained
from asif_lib.sparse import sparsify

LARGEST_P = 16
"""The last step of the knob for p."""


def sweep_heatmaps(tables, *, value="mean recall") -> Figure:
    """Draw one heat map of k/n × p for each table of `evaluation.sweep`; the best cell has a frame.

    `tables` have the columns ``fraction``, ``p`` and ``value``; the text `value` says what the number in a cell is.
    """
    figure, axes = subplots(1, len(tables), figsize=(4.5 * len(tables), 4), squeeze=False)
    grids = {n: t.pivot(index="fraction", columns="p", values="value") for n, t in tables.items()}
    low = min(grid.to_numpy().min() for grid in grids.values())
    high = max(grid.to_numpy().max() for grid in grids.values())
    for axis, (name, grid) in zip(axes.flat, grids.items(), strict=True):
        image = axis.imshow(grid, vmin=low, vmax=high, aspect="auto", origin="lower")
        axis.set_xticks(range(grid.shape[1]), [f"{p:g}" for p in grid.columns])
        axis.set_yticks(range(grid.shape[0]), [f"{f:g}" for f in grid.index])
        axis.set(xlabel="exponent p", ylabel="entries kept, k / n", title=name)
        axis.spines[:].set_visible(False)
        for row, column in np.ndindex(grid.shape):
            number = grid.iloc[row, column]
            colour = ON_DARK if number < (low + high) / 2 else ON_LIGHT
            axis.text(column, row, f"{100 * number:.0f}", ha="center", va="center", color=colour, fontsize=9)
        row, column = np.unravel_index(grid.to_numpy().argmax(), grid.shape)
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ON_LIGHT, linewidth=2.5, clip_on=False)
        frame.set_path_effects([withStroke(linewidth=5, foreground=ON_DARK)])
        axis.add_patch(frame)
    figure.colorbar(image, ax=axes, format=per_cent, label=value, use_gridspec=False)
    best = {name: table.loc[table.value.idxmax()] for name, table in tables.items()}
    words = listed(f"{n}: best {b.value:.1%} at k / n = {b.fraction:g}, p = {b.p:g}" for n, b in best.items())
    return alt(figure, f"Heat maps of {value} over k / n and p, {low:.1%} to {high:.1%}. {words}")


def four_steps(title, relative, pictures, captions, k, p) -> HTML:
    """Draw the cosines of one picture with n anchors, and what each step of sparsification leaves of them.

    An anchor has one row, with its picture and caption, through all steps; the largest cosine stands first. A
    forgotten entry stays as an outline. Without scripts the table shows `k` and `p`; a script adds knobs for both.
    Raises `ParameterError` if k or p is out of range.

    Parameters
    ----------
    title : str
        Names the picture, as a sentence.
    relative : Tensor of shape (n,)
        A dozen anchors fit on a screen.
    pictures, captions : sequences of n
    k, p : int
        Of the first view; 1 ≤ k ≤ n, 1 ≤ p ≤ 16.
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
        f"{_written(float(left[0]))}. It holds {100 * float(left[0]) ** 2:.0f}\u00a0% of the sum of squares."
    )
    low = round(min(0.0, float(cosines[-1])) - 0.01, 2)
    return self_contained(
        "chapters/chapter_04/steps", title=title, cosines=cosines.tolist(), anchors=anchors, k=k, p=p, low=low,
        words=words, largest_p=LARGEST_P,
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
