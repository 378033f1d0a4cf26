"""A figure of chapter 09: the pictures that keep one anchor among their k, before a correction and after it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .palette import ANCHOR
from .style import Drawing, draw_picture, thumbnail, told, wrapped

SIDE, GAP, FADED = 40, 4, 0.2
"""Pixels of a small picture and of the space between two, and how strong a picture is that does not keep the anchor."""


def hub_before_after(anchor, caption, pictures, before, after, *, columns=15) -> Figure:
    """Draw q pictures twice, and frame those that keep an anchor: without a correction, and with one.

    Parameters
    ----------
    anchor : picture
    caption : str
    pictures : list of q pictures
    before, after : arrays of shape (q,), bool
        Which pictures keep the anchor among their k.
    """
    rows = -(-len(pictures) // columns)
    figure = Drawing((11, 0.3 * rows + 1.1))
    hub, *panels = figure.subplots(1, 3, width_ratios=[1, 3, 3])
    draw_picture(hub, anchor, wrapped(caption, 20), "the hub", frame=ANCHOR)
    small = [thumbnail(picture, SIDE) for picture in pictures]
    counts = [int(np.sum(kept)) for kept in (before, after)]
    for axis, name, kept, count in zip(panels, ("before", "after"), (before, after), counts, strict=True):
        _mosaic(axis, small, np.asarray(kept), rows, columns)
        axis.set_title(f"{name}: among the k of {count} of {len(pictures)} pictures", fontsize=10)
    words = f"The anchor {caption!r} is among the k anchors of {counts[0]} of {len(pictures)} pictures before the"
    return told(figure, f"{words} correction, and of {counts[1]} after it. The pictures that keep it have a frame.")


def _mosaic(axis, small, kept, rows, columns):
    step = SIDE + GAP
    canvas = np.full((rows * step + GAP, columns * step + GAP, 4), 0, np.uint8)
    for i, (picture, is_kept) in enumerate(zip(small, kept, strict=True)):
        top, left = GAP + i // columns * step, GAP + i % columns * step
        canvas[top : top + SIDE, left : left + SIDE, :3] = picture
        canvas[top : top + SIDE, left : left + SIDE, 3] = 255 if is_kept else round(255 * FADED)
        if is_kept:
            place, side = (left - GAP / 2 - 0.5, top - GAP / 2 - 0.5), SIDE + GAP
            axis.add_patch(Rectangle(place, side, side, fill=False, edgecolor=ANCHOR, linewidth=1.8))
    axis.imshow(canvas)
    axis.set_axis_off()
