"""Widgets for the notebooks: knobs to turn, anchors to look through, pictures of your own to ask about.

    sparse_knobs(bank, held_out)                  what k and p do to one picture and to its ranking of captions
    anchor_count_knob(bank, held_out)             how many anchors it takes to keep a picture's neighbours
    counterfactual_knob(model, held_out, labels)  which label is left when the deciding anchors go
    anchor_browser(bank)                          search the captions, look at the pictures, compare neighbours
    your_picture(model, ["otter", "beaver"])      your own pictures and labels

Each returns an ipywidgets widget, to be the last line of a cell. The callbacks are thin: what they show is made by
functions that return a matplotlib Figure with its alternative text, or HTML, and that work without a kernel. Only
notebooks import this package.
"""

from .anchor_removal import counterfactual_knob, counterfactual_step
from .browser import anchor_browser, anchor_page, find_anchors, nearest_by_both
from .knobs import anchor_count_knob, neighbours_kept, neighbours_with, sparse_knobs, sparse_step
from .upload import answer_html, parse_labels, read_upload, your_picture

__all__ = [
    "anchor_browser",
    "anchor_count_knob",
    "anchor_page",
    "answer_html",
    "counterfactual_knob",
    "counterfactual_step",
    "find_anchors",
    "nearest_by_both",
    "neighbours_kept",
    "neighbours_with",
    "parse_labels",
    "read_upload",
    "sparse_knobs",
    "sparse_step",
    "your_picture",
]
