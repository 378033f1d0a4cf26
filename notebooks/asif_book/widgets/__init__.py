"""Widgets of the notebooks: your own pictures to ask about, and a test.

    your_picture(model, ["otter", "beaver"])   your own pictures and labels
    Quiz("before")                             eight questions, "before" and "after" the core path

Each returns an ipywidgets widget, to be the last line of a cell. A callback is one line: it shows the HTML that a
function returns. These functions work without a kernel.
"""

import lazy_loader

_NAMES = {
    "parts": "Answer",
    "quiz": "Quiz",
    "upload": "answer_html parse_labels read_upload your_picture",
}

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={module: names.split() for module, names in _NAMES.items()}
)
