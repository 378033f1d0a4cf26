"""Parts of all widgets: a place for answers that shows every error."""

import contextlib
import threading
import traceback
from pathlib import Path

import ipywidgets
from markupsafe import Markup

from asif_book.figures.templates import TEMPLATES
from asif_lib.errors import AsifError

FOLDER = Path(__file__).parent
PARTS = TEMPLATES.get_template("widgets/parts.html.j2").module
"""The macros of the widgets, as functions that return HTML."""
DRAWING = threading.RLock()
"""Held while an answer is drawn. JupyterLab may run the callbacks of two controls in two threads at once."""


class Answer(ipywidgets.VBox):
    """The place where a widget shows its answer, as HTML.

    An `AsifError` becomes one sentence in a box. Any other exception is a fault of the program: its stack trace
    appears below, and stays in the widget state of the notebook, where a run without a reader finds it.
    """

    def __init__(self):
        self.page, self.trouble = ipywidgets.HTML(), ipywidgets.Output()
        super().__init__([self.page, self.trouble])

    def follow(self, draw, *controls):
        """Show ``draw(value of each control)`` now and after each change; return a function that draws it again.

        Answers are drawn one after the other. A change that an earlier answer has already seen draws nothing.
        """
        drawn = None

        def values():
            return [control.value for control in controls]

        def redraw():
            nonlocal drawn
            with DRAWING, self.guarded():
                drawn = values()
                self.page.value = draw(*drawn)

        def update(_):
            with DRAWING:
                if values() != drawn:
                    self.trouble.outputs = ()
                    redraw()

        for control in controls:
            control.observe(update, "value")
        redraw()
        return redraw

    @contextlib.contextmanager
    def guarded(self):
        """Show an exception of the block instead of raising it: an exception in a callback is invisible."""
        try:
            yield
        except AsifError as error:
            self.page.value = problem(error)
        except Exception as error:
            self.page.value = problem("This is a fault of the program, not yours. Its stack trace stands below.")
            lines = "".join(traceback.format_exception(error)).splitlines()
            output = {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": lines}
            self.trouble.outputs += (output,)


def wide(width="min(28em, 100%)", description="11em") -> dict:
    """Return the arguments of a control for its width and for the width of its description."""
    return {"style": {"description_width": description}, "layout": {"width": width, "max_width": "calc(100% - 4px)"}}


def problem(message) -> Markup:
    """Return a sentence as HTML, in a box that a symbol and words mark as a problem."""
    return Markup(
        '<div role="alert" style="border-left: 6px solid; padding: 0.4em 0.8em; line-height: 1.4">'
        "<b>✘ This does not work yet.</b> {}</div>"
    ).format(message)
