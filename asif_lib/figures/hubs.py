"""A figure of chapter 09: some pictures that keep one anchor among their k, before a correction and after it."""

import numpy as np
from matplotlib.figure import Figure

from .palette import ANCHOR, PAPER
from .style import Drawing, draw_picture, told, wrapped

FADED = 0.25
"""How strong a picture is that does not keep the anchor."""


def hub_before_after(anchor, caption, pictures, before, after, *, shown=10) -> Figure:
    """Draw pictures that keep an anchor without a correction, and below them whether they still keep it with one.

    Parameters
    ----------
    anchor : picture
    caption : str
    pictures : list of q pictures
    before, after : arrays of shape (q,), bool
        Which pictures keep the anchor among their k.
    shown : int
        At most this number of the pictures that keep it before is drawn, evenly spaced.
    """
    keepers = np.flatnonzero(before)
    keepers = keepers[np.linspace(0, len(keepers) - 1, min(shown, len(keepers))).round().astype(int)]
    figure = Drawing((11, 3.4))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 5])
    draw_picture(left.subplots(), anchor, wrapped(caption, 20), "the hub", frame=ANCHOR)
    for part, name, kept in zip(right.subfigures(2, 1), ("before", "after"), (before, after), strict=True):
        part.suptitle(f"{name}: {int(np.sum(kept))} of {len(pictures)} pictures keep the hub", fontsize=11)
        for axis, i in zip(part.subplots(1, len(keepers), squeeze=False).flat, keepers, strict=True):
            draw_picture(axis, pictures[i], frame=ANCHOR if kept[i] else PAPER)
            axis.images[0].set_alpha(1 if kept[i] else FADED)
    counts = [int(np.sum(kept)) for kept in (before, after)]
    words = f"The anchor {caption!r} is among the k anchors of {counts[0]} of {len(pictures)} pictures before the"
    still = f"{int(np.sum(np.asarray(after)[keepers]))} of the {len(keepers)} pictures drawn still keep it."
    return told(figure, f"{words} correction, and of {counts[1]} after it. {still}")
