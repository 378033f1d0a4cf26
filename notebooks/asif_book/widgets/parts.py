"""Parts of all widgets: a knob, a pager, and a place for answers that shows every error."""

import contextlib
import threading
import traceback
from pathlib import Path

import anywidget
import ipywidgets
import traitlets
from markupsafe import Markup

from asif_book.figures.templates import TEMPLATES
from asif_lib.errors import AsifError

FOLDER = Path(__file__).parent
PARTS = TEMPLATES.get_template("widgets/parts.html.j2").module
"""The macros of the widgets, as functions that return HTML."""
DRAWING = threading.RLock()
"""Held while an answer is drawn. JupyterLab may run the callbacks of two controls in two threads at once."""


class Knob(anywidget.AnyWidget):
    """A slider over given values, with its name and value in words.

    The sliders of ipywidgets give their handle no accessible name. This one is the range input of the browser. Its
    `name` is shown, and is the accessible name; `value` is one of the `options`, numbers in rising order.
    """

    _esm = FOLDER / "knob.js"
    _css = FOLDER / "controls.css"
    name = traitlets.Unicode().tag(sync=True)
    options = traitlets.List().tag(sync=True)
    value = traitlets.Any().tag(sync=True)

    def __init__(self, name, options, value):
        super().__init__(name=name, options=list(options), value=value)

    @traitlets.validate("value")
    def _one_of_the_options(self, proposal):
        if proposal.value not in self.options:
            known = ", ".join(map(str, self.options))
            raise traitlets.TraitError(f"{self.name} = {proposal.value}: the knob has the steps {known}")
        return proposal.value


class Pager(ipywidgets.HBox):
    """Two buttons, "Previous page" and "Next page", and the number of the page: `value`, from 0."""

    value = traitlets.Int(0)

    def __init__(self, per_page):
        self.per_page, self.pages = per_page, 1
        self.previous = ipywidgets.Button(description="Previous page")
        self.next = ipywidgets.Button(description="Next page")
        self.text = ipywidgets.HTML()
        super().__init__(
            [self.previous, self.next, self.text], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        self.previous.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self.rows_of(0)

    def _turn(self, step):
        self.value = min(max(0, self.value + step), self.pages - 1)

    def rows_of(self, total) -> slice:
        """Return which of `total` rows the page shows; a page beyond the last one becomes the last one."""
        self.pages = max(1, -(-total // self.per_page))
        self.value = min(self.value, self.pages - 1)
        first = self.value * self.per_page
        last = min(first + self.per_page, total)
        shown = f"{first + 1} to {last} of {total}" if total else "nothing to show"
        self.text.value = f'<span role="status">Page {self.value + 1} of {self.pages}: {shown}</span>'
        self.previous.disabled, self.next.disabled = self.value == 0, self.value == self.pages - 1
        return slice(first, last)


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


def bare(caption) -> str:
    """Return a caption without its final full stop, for use within a sentence."""
    return caption.rstrip(". ")


def words_above(figure_and_words) -> Markup:
    """Return a figure as HTML, its alternative text above it as a sentence that a screen reader announces."""
    figure, words = figure_and_words
    sentence = Markup('<p role="status" style="line-height: 1.4; margin: 0.3em 0">{}</p>').format(words)
    return sentence + Markup(figure.data)
