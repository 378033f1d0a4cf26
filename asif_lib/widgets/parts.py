"""What the widgets share: a knob, a pager, and a place for answers where no error gets lost."""

import base64
import contextlib
import html
import io
import traceback
from pathlib import Path

import anywidget
import ipywidgets
import traitlets
from PIL import Image

from asif_lib.errors import AsifError
from asif_lib.figures.style import image_html, thumbnail

FOLDER = Path(__file__).parent
PROBLEM_COLOUR = "#D55E00"  # Okabe–Ito, as in the verdicts of the checks


class Knob(anywidget.AnyWidget):
    """A slider over given values, with its name and value in words.

    ipywidgets' own sliders give their handle no accessible name; this one is the browser's own range input.

    Parameters
    ----------
    name : str
        Shown, and the accessible name.
    options : list of int or float
        In rising order.
    value : int or float
        One of them.
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
    """Two buttons and the number of the page; `value` is the page, from 0."""

    value = traitlets.Int(0)

    def __init__(self, per_page):
        self.per_page, self.pages = per_page, 1
        self.previous = ipywidgets.Button(description="Previous page")
        self.next = ipywidgets.Button(description="Next page")
        self.text = ipywidgets.HTML()
        super().__init__([self.previous, self.next, self.text])
        self.previous.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self.rows_of(0)

    def _turn(self, step):
        self.value = min(max(0, self.value + step), self.pages - 1)

    def rows_of(self, total) -> slice:
        """Return which of `total` rows stand on the page, turning back to the last page there is."""
        self.pages = max(1, -(-total // self.per_page))
        self.value = min(self.value, self.pages - 1)
        first = self.value * self.per_page
        last = min(first + self.per_page, total)
        shown = f"{first + 1} to {last} of {total}" if total else "nothing to show"
        self.text.value = f'<span role="status">Page {self.value + 1} of {self.pages}: {shown}</span>'
        self.previous.disabled, self.next.disabled = self.value == 0, self.value == self.pages - 1
        return slice(first, last)


class Answer(ipywidgets.VBox):
    """Where a widget shows its answer, as HTML.

    An `AsifError` becomes one sentence in a box. Any other exception is a fault of the program: its stack trace
    appears below, and is found in the notebook's widget state when nobody looks.
    """

    def __init__(self):
        self.page, self.trouble = ipywidgets.HTML(), ipywidgets.Output()
        super().__init__([self.page, self.trouble])

    def follow(self, draw, *controls):
        """Show ``draw(value of each control)`` now and whenever a control changes; return what draws it once more."""

        def redraw():
            with self.guarded():
                self.page.value = draw(*(control.value for control in controls))

        def update(_):
            self.trouble.outputs = ()
            redraw()

        for control in controls:
            control.observe(update, "value")
        redraw()
        return redraw

    @contextlib.contextmanager
    def guarded(self):
        """Show an exception of the block instead of raising it: nobody sees what a callback raises."""
        try:
            yield
        except AsifError as error:
            self.page.value = problem(error)
        except Exception as error:
            self.page.value = problem("This is a fault of the program, not yours. Its stack trace stands below.")
            lines = "".join(traceback.format_exception(error)).splitlines()
            output = {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": lines}
            self.trouble.outputs += (output,)


def problem(message) -> str:
    """A sentence in a box, told apart by colour, symbol and words."""
    return (
        f'<div role="alert" style="border-left: 6px solid {PROBLEM_COLOUR}; padding: 0.4em 0.8em; line-height: 1.4">'
        f"<b>✘ This does not work yet.</b> {html.escape(str(message))}</div>"
    )


def image_tag(picture, alt, side=96) -> str:
    """A thumbnail as HTML, `side` pixels wide and high."""
    jpeg = io.BytesIO()
    Image.fromarray(thumbnail(picture, side)).save(jpeg, format="JPEG", quality=85)
    source = "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")
    return f'<img src="{source}" alt="{html.escape(str(alt), quote=True)}" width="{side}" height="{side}">'


def bare(caption) -> str:
    """A caption without the full stop at its end, to stand within a sentence."""
    return caption.rstrip(". ")


def words_above(figure_and_words) -> str:
    """A figure as HTML below the sentence that is also its alternative text, announced when it changes."""
    figure, words = figure_and_words
    sentence = f'<p role="status" style="line-height: 1.4; margin: 0.3em 0">{html.escape(words)}</p>'
    return sentence + image_html(figure, words)
