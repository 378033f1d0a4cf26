"""Your own pictures against your own labels."""

import csv
import html
import io
import tempfile
from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from PIL import Image

from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import AsifError, ParameterError, PictureError
from asif_lib.explain.contribution import contributions
from asif_lib.figures.style import BLUE, thumbnail
from asif_lib.zeroshot import make_prompts

from .parts import FOLDER, Answer, Pager, image_tag

PER_PAGE = 10
MOST_LABELS = 10
MOST_ANCHORS = 4
SIDE = 128


class Picker(anywidget.AnyWidget):
    """A file input and, where there is one, a webcam; every picture comes as a message of its own.

    ipywidgets' FileUpload sends all files at once, and a message above the server's limit closes the connection
    without a word.
    """

    _esm = FOLDER / "picker.js"
    _css = FOLDER / "controls.css"
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)


def your_picture(model, labels=("otter", "beaver"), *, template="a photo of a {}.", pictures=None) -> ipywidgets.VBox:
    """Return a place to drop pictures and write labels; each picture is answered, with the anchors that decided.

    Parameters
    ----------
    model : ASIF
    labels : sequence of str
        Labels at first.
    template : str
        Prompt template with one ``{}`` for the label.
    pictures : sequence of pictures, optional
        Row i belongs to anchor i; left out, the files that the bank names.
    """
    return YourPicture(model, labels, template, model.bank.pairs.picture if pictures is None else pictures)


class YourPicture(ipywidgets.VBox):
    """See `your_picture`."""

    def __init__(self, model, labels, template, pictures):
        self.model, self.template, self.pictures = model, template, pictures
        self.arrived = []  # (name, bytes) of a batch under way
        self.asked = []  # (name, thumbnail, SparseVectors of one row), the newest first
        self.picker, self.pager, self.answer = Picker(), Pager(PER_PAGE), Answer()
        self.labels = ipywidgets.Text(
            value=write_labels(labels),
            description="Labels, separated by commas",
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "100%"},
        )
        self.redraw = self.answer.follow(self.page, self.labels, self.pager)
        self.picker.on_msg(self.receive)
        super().__init__([self.picker, self.labels, self.pager, self.answer])

    def page(self, text, _) -> str:
        """The answers on the page that the pager shows, as HTML."""
        labels = parse_labels(text)
        make_prompts(labels, [self.template])  # what is wrong with labels is said before there is a picture
        shown = self.asked[self.pager.rows_of(len(self.asked))]
        return "".join(answer_html(self.model, *item, labels, self.template, self.pictures) for item in shown)

    def receive(self, _, content, buffers):
        """Keep a picture that a browser sends; at the end of its batch, take in all of them and answer."""
        if content["kind"] == "picture":
            self.arrived.append((content["name"], bytes(buffers[0])))
            return
        self.picker.words = []  # so that the same words once more are a change
        self.answer.trouble.outputs, self.pager.value = (), 0
        problems, before, read = list(content["words"]), len(self.asked), []
        while self.arrived:
            with self.answer.guarded():
                try:
                    read.append(self.encode(*self.arrived.pop(0)))
                except AsifError as error:
                    problems.append(f"✘ {error}")
        with self.answer.guarded():
            vectors = self.model.images(torch.cat([z for *_, z in read])) if read else ()
            self.asked[:0] = [(name, small, vectors[[i]]) for i, (name, small, _) in enumerate(read)][::-1]
            self.redraw()
        count = len(self.asked) - before
        self.picker.words = [f"✔ {count} picture{'' if count == 1 else 's'} added."] * bool(count) + problems

    def encode(self, name, data):
        """Read and encode one picture; of its pixels a thumbnail is kept."""
        picture = read_upload(name, data)
        z = embed(self.model.encoder("image"), [picture], progress=False)
        return name, Image.fromarray(thumbnail(picture, SIDE)), z


def read_upload(name, data):
    """Return the picture in `data`, bytes that a browser sent under `name`, as an upright RGB image.

    Raises
    ------
    PictureError
        As `open_picture`, with the name that the file had.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upload"  # `name` may hold what a file name must not
        file.write_bytes(data)
        try:
            return open_picture(file)
        except PictureError as error:
            raise PictureError(str(error).replace(str(file), name)) from None


def parse_labels(text) -> list:
    """Return the labels in a line of text, separated by commas; a label with a comma goes into double quotes.

    Raises
    ------
    ParameterError
        If there is none.

    Examples
    --------
    >>> parse_labels('otter,  sea   lion, "salt, pepper"')
    ['otter', 'sea lion', 'salt, pepper']
    """
    if not text.strip():
        raise ParameterError("there is no label; write at least one, and put commas between several")
    return [" ".join(label.split()) for label in next(csv.reader([text], skipinitialspace=True))]


def write_labels(labels) -> str:
    """Return labels as the text that `parse_labels` reads."""
    return ", ".join(_quoted(label) for label in labels)


def _quoted(label):
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([label])
    return line.getvalue()


def answer_html(model, name, picture, vector, labels, template, pictures) -> str:
    """Return as HTML how a model ranks labels for a picture, and which anchors decided for the first.

    Parameters
    ----------
    model : ASIF
    name : str
        Of the picture.
    picture : picture
    vector : SparseVectors of one row
        Of the picture.
    labels : list of str
    template : str
    pictures : sequence of pictures
        Of the anchors.

    Raises
    ------
    ParameterError
        If a label is empty or there twice.
    """
    answer = model.classify(vector, labels, templates=[template])
    best = answer.best[0]
    if best is None:
        verdict, reasons = "no label: the picture shares no anchor with any of them", ""
    else:
        verdict = best
        text = model.texts(make_prompts([best], [template]))
        reasons = _reasons(best, contributions(vector, text, model.bank.pairs), pictures)
    return (
        "<article style='line-height: 1.35; margin: 0 0 1.2em; border-top: 1px solid currentColor'>"
        f"<h4 style='margin: 0.4em 0'>{html.escape(name)}: {html.escape(verdict)}</h4>"
        f"<div style='display: flex; flex-wrap: wrap; gap: 1.2em'>{image_tag(picture, name, SIDE)}"
        f"<div>{ranking(labels, answer.scores[0])}</div></div>{reasons}</article>"
    )


def ranking(labels, scores) -> str:
    """Return labels and scores, the best first, as an HTML table with bars."""
    order = scores.argsort(descending=True, stable=True).tolist()
    bars = "".join(_bar(labels[i], float(scores[i])) for i in order[:MOST_LABELS])
    more = len(labels) - MOST_LABELS
    rest = f"<p style='margin: 0.2em 0'>and {more} more labels with lower scores</p>" if more > 0 else ""
    head = "<tr><th scope='col'>label</th><th scope='col' colspan='2'>score</th></tr>"
    return f"<table style='border-collapse: collapse'><thead>{head}</thead><tbody>{bars}</tbody></table>{rest}"


def _bar(label, score):
    bar = (
        f"width: {100 * score:.1f}%; min-width: 1px; height: 0.9em; background: {BLUE}; border: 1px solid currentColor"
    )
    return (
        f"<tr><th scope='row' style='text-align: left; font-weight: normal'>{html.escape(label)}</th>"
        f"<td style='padding: 0 1em'>{score:.3f}</td><td style='width: 12em'><div style='{bar}'></div></td></tr>"
    )


def _reasons(label, table, pictures):
    shares = table.contribution / table.contribution.sum()
    rows = list(zip(table.anchor, table.caption, shares, strict=True))[:MOST_ANCHORS]
    items = "".join(
        f'<figure style="width: 7.5em; margin: 0">{image_tag(pictures[anchor], caption, 80)}'
        f"<figcaption>{share:.0%} · {html.escape(caption)}</figcaption></figure>"
        for anchor, caption, share in rows
    )
    return (
        f"<p style='margin: 0.4em 0'>Anchors that decided for “{html.escape(label)}”, with their share of its score:"
        f"</p><div style='display: flex; flex-wrap: wrap; gap: 0.8em'>{items}</div>"
    )
