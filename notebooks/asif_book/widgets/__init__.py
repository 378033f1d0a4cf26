"""Widgets of the notebooks: knobs to turn, anchors to look through, your own pictures to ask about.

    sparse_knobs(bank, held_out)               the effect of k and p on one picture and on its ranking of captions
    language_knob(models, stamps, rows, …)     pictures for words in any language
    anchor_browser(bank)                       search the captions, look at the pictures, compare neighbours
    your_picture(model, ["otter", "beaver"])   your own pictures and labels
    Quiz("before")                             eight questions, "before" and "after" the core path

Each returns an ipywidgets widget, to be the last line of a cell. A callback is one line: it shows what a function
returns, a matplotlib Figure with its alternative text or HTML. These functions work without a kernel.
"""

import lazy_loader

_NAMES = {
    "browser": "anchor_browser anchor_page find_anchors nearest_by_both",
    "knobs": "asked_in_language language_knob sparse_knobs sparse_step",
    "parts": "Answer Knob words_above",
    "quiz": "Quiz",
    "upload": "answer_html parse_labels read_upload your_picture",
}

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={module: names.split() for module, names in _NAMES.items()}
)
