"""The controls of the explorer's page that ipywidgets lacks."""

import anywidget
import traitlets

from asif_book.widgets.parts import FOLDER

NO_ANCHORS = {"title": "", "columns": [], "anchors": []}


class Status(anywidget.AnyWidget):
    """Words that a screen reader announces at each change; an `alarm` stands in a box."""

    _esm = FOLDER / "status.js"
    _css = FOLDER / "controls.css"
    words = traitlets.Unicode().tag(sync=True)
    alarm = traitlets.Bool(False).tag(sync=True)


class Gallery(anywidget.AnyWidget):
    """Thumbnails, of which `value`, an id, is chosen; it may be on another page than these `tiles`.

    A tile has an ``id``, a ``title`` and, as HTML, a ``picture``.
    """

    _esm = FOLDER / "gallery.js"
    _css = (FOLDER / "controls.css").read_text(encoding="utf-8") + (FOLDER / "gallery.css").read_text(encoding="utf-8")
    name = traitlets.Unicode().tag(sync=True)
    tiles = traitlets.List().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)


class AnchorTable(anywidget.AnyWidget):
    """Anchors, each with a checkbox; `ticked` holds the ids of all ticked anchors, on all pages."""

    _esm = FOLDER / "anchors.js"
    _css = FOLDER / "anchors.css"
    page = traitlets.Dict(NO_ANCHORS).tag(sync=True)
    ticked = traitlets.List(traitlets.Unicode()).tag(sync=True)


class Download(anywidget.AnyWidget):
    """A button; a click saves the file (name, type, bytes) that `make` returns. None saves nothing."""

    _esm = FOLDER / "download.js"
    _css = FOLDER / "controls.css"
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, label, make):
        super().__init__(label=label)
        self.make = make
        self.on_msg(self._answer)

    def _answer(self, *_):
        file = self.make()
        if file is not None:
            name, kind, data = file
            self.send({"name": name, "type": kind}, buffers=[data])
