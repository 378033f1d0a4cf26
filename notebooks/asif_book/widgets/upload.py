"""A widget for your own pictures and your own labels."""

import anywidget
import ipywidgets
import torch
import traitlets
from PIL import Image

from asif_book.figures.pictures import bar, cell, named_bars, rows_of_pictures
from asif_book.figures.style import thumbnail
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import PictureBytes, open_picture
from asif_lib.errors import AsifError, ParameterError
from asif_lib.explain.contribution import contributions
from asif_lib.zeroshot import make_prompts

from .parts import FOLDER, Answer, wide

KEPT = 10
"""Pictures that are shown, the newest first."""
MOST_LABELS = 10
MOST_ANCHORS = 4


class Picker(anywidget.AnyWidget):
    """A file input; each picture arrives as its own message.

    The FileUpload of ipywidgets sends all files in one message. A message above the limit of the server closes the
    connection without an error.
    """

    _esm = FOLDER / "picker.js"
    _css = FOLDER / "controls.css"
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, answer, read, done):
        """Call ``read(name, bytes)`` for each picture of a batch, then ``done(results)``, which returns words to show.

        An `AsifError` of `read` becomes words too; `answer` shows every other exception.
        """
        super().__init__()
        self.arrived = []  # (name, bytes) of an unfinished batch
        self.answer, self.read, self.done = answer, read, done
        self.on_msg(self._receive)

    def _receive(self, _, content, buffers):
        if content["kind"] == "picture":
            self.arrived.append((content["name"], bytes(buffers[0])))
            return
        self.words, self.answer.trouble.outputs = [], ()  # so that equal words are a change too
        batch, self.arrived, results, news, problems = self.arrived, [], [], [], list(content["words"])
        for name, data in batch:
            with self.answer.guarded():
                try:
                    results.append(self.read(name, data))
                except AsifError as error:
                    problems.append(f"✘ {error}")
        with self.answer.guarded():
            news = self.done(results)
        self.words = problems + news


def your_picture(model, labels=("otter", "beaver"), *, template=DEFAULT_TEMPLATE, pictures=None) -> ipywidgets.VBox:
    """Return a place to drop pictures and write labels; each picture gets an answer and the anchors that decided.

    Parameters
    ----------
    model : ASIF
    labels : sequence of str
        Those at the start.
    template : str
        The prompt, with one ``{}`` for the label.
    pictures : sequence of n pictures, optional
        Those of the anchors; by default the picture files of the bank.
    """
    pictures = model.bank.pairs.picture if pictures is None else pictures
    asked = []  # (name, thumbnail, SparseVectors of one row), the newest first
    answer = Answer()

    def page(text):
        labels = parse_labels(text)
        make_prompts(labels, [template])  # refuses bad labels before the first picture arrives
        return "".join(answer_html(model, *item, labels, template, pictures) for item in asked)

    def encode(name, data):
        picture = read_upload(name, data)
        z = embed(model.encoder("image"), [picture], progress=False)  # (1, d_image)
        return name, Image.fromarray(thumbnail(picture, 128)), z

    def receive(read):
        vectors = model.images(torch.cat([z for *_, z in read])) if read else ()
        asked[:0] = [(name, small, vectors[[i]]) for i, (name, small, _) in enumerate(read)][::-1]
        more = f", the last {KEPT} are shown" * (len(asked) > KEPT)
        del asked[KEPT:]
        redraw()
        return [f"✔ {len(read)} picture{'' if len(read) == 1 else 's'} added{more}."] if read else []

    words = {"value": ", ".join(labels), "description": "Labels, separated by commas"}
    field = ipywidgets.Text(continuous_update=False, **words, **wide("100%", "initial"))
    redraw = answer.follow(page, field)
    return ipywidgets.VBox([Picker(answer, encode, receive), field, answer])


def read_upload(name, data):
    """Return the picture in `data`, bytes that a browser sent under `name`, as an upright RGB image.

    Raises `PictureError` as `open_picture`, with `name` as the name of the file.
    """
    return open_picture(PictureBytes(bytes(data), name))


def parse_labels(text) -> list:
    """Read labels from a line of text, separated by commas; `ParameterError` if the line is empty.

    >>> parse_labels("otter,  sea   lion")
    ['otter', 'sea lion']
    """
    if not text.strip():
        raise ParameterError("there is no label; write at least one, and put commas between several")
    return [" ".join(label.split()) for label in text.split(",")]


def answer_html(model, name, picture, vector, labels, template, pictures) -> str:
    """Return as HTML how a model ranks labels for a picture, and which anchors decided for the first label.

    Raises `ParameterError` if a label is empty, or occurs twice.

    Parameters
    ----------
    model, labels, template, pictures
        See `your_picture`.
    name : str
    picture : picture
    vector : SparseVectors of one row
        Represents the picture.
    """
    answer, more = model.classify(vector, labels, templates=[template]), ""
    if (verdict := answer.best[0]) is not None:
        table = contributions(vector, model.texts(make_prompts([verdict], [template])), model.bank.pairs)
        shares = (table.contribution / table.contribution.sum()).map("{:.0%}".format)
        cells = map(cell, (pictures[anchor] for anchor in table.anchor[:MOST_ANCHORS]), table.caption, shares)
        more = rows_of_pictures([cells], columns=6, names=["Anchors that decided, with their share of the score"])
    best = sorted(zip(labels, answer.scores[0].tolist(), strict=True), key=lambda pair: -pair[1])
    bars = [bar(score, label, first=label == verdict) for label, score in best[:MOST_LABELS]]
    head = f"{name}: {verdict or 'no label: the picture shares no anchor with any of them'}"
    left_out = f"; and {len(best) - MOST_LABELS} more labels with lower scores" * (len(best) > MOST_LABELS)
    shown = named_bars([(cell(picture, head=head), bars)], xlabel=f"score (no unit){left_out}", more=more)
    return f"<article>{shown.data}</article>"
