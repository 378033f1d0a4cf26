"""Figures of chapter 09, the paper: a hub."""

import numpy as np
from matplotlib.figure import Figure

from asif_book.figures.palette import ANCHOR, PAPER
from asif_book.figures.style import Drawing, alt, beside, draw_picture, narrow, wrapped

SHOWN, FADED = 10, 0.25
"""Pictures that `hub_before_after` draws at most, and the strength of one that does not keep the anchor."""


def hub_before_after(anchor, caption, pictures, before, after) -> Figure:
    """Draw pictures that keep an anchor without a correction, and below them whether they still keep it with one.

    Parameters
    ----------
    anchor : picture
    caption : str
    pictures : list of q pictures
    before, after : arrays of shape (q,), bool
        Which pictures keep the anchor among their k. Ten of those that keep it before are drawn, evenly spaced.
    """
    keepers = np.flatnonzero(before)
    keepers = keepers[np.linspace(0, len(keepers) - 1, min(SHOWN, len(keepers))).round().astype(int)]
    figure = Drawing((11, 3.4), 5.6)
    left, right = beside(figure, [1, 5], [1.3, 3])
    rows = -(-len(keepers) // 5) if narrow() else 1
    draw_picture(left.subplots(), anchor, wrapped(caption, 20), "the hub", frame=ANCHOR)
    for part, name, kept in zip(right.subfigures(2, 1), ("before", "after"), (before, after), strict=True):
        part.suptitle(f"{name}: {int(np.sum(kept))} of {len(pictures)} pictures keep the hub", fontsize=11)
        cells = part.subplots(rows, -(-len(keepers) // rows), squeeze=False).flat
        for axis in cells[len(keepers) :]:
            axis.set_axis_off()
        for axis, i in zip(cells, keepers, strict=False):
            draw_picture(axis, pictures[i], frame=ANCHOR if kept[i] else PAPER)
            axis.images[0].set_alpha(1 if kept[i] else FADED)
    counts = [int(np.sum(kept)) for kept in (before, after)]
    words = f"The anchor {caption!r} is among the k anchors of {counts[0]} of {len(pictures)} pictures before the"
    still = f"{int(np.sum(np.asarray(after)[keepers]))} of the {len(keepers)} pictures drawn still keep it."
    return alt(figure, f"{words} correction, and of {counts[1]} after it. {still}")
