"""The page of the explorer: ask, see the anchors that decided, tick anchors away, edit a copy, export, save."""

import time
from functools import lru_cache

import anywidget
import ipywidgets
import traitlets
from markupsafe import Markup

from asif_book.figures.method import LABELS as TURNED
from asif_book.figures.method import SILHOUETTE
from asif_book.figures.palette import ANCHOR, PICTURE, TEXT
from asif_book.figures.style import image_tag
from asif_book.widgets.browser import find_anchors
from asif_book.widgets.parts import FOLDER, TEMPLATES, Answer, Pager, bare, wide
from asif_book.widgets.upload import MOST_LABELS, Picker, parse_labels
from asif_lib.defaults import BARE_TEMPLATE, DEFAULT_P
from asif_lib.errors import AsifError, PictureError, first_names
from asif_lib.settings import Settings, check_k, default_k
from asif_lib.zeroshot import make_prompts

from .question import Question, answer_without, explain, to_notebook

# Controls that ipywidgets lacks

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


# The page

PER_PAGE, PICTURES_PER_PAGE = 8, 15
MOST_KNOWN = 30
NO_UPLOAD = ("upload one first, under 1 Picture", "")
NO_PICTURE = "No picture has these words in its caption: try fewer words."
HELD_OUT = (
    "Held out: the picture's own pair is not among the anchors. Otherwise the picture would be most similar to itself, "
    "and its own caption would decide."
)
K = "Of the similarities to all anchors, only the k largest are kept. The others become 0."
P = "Each kept similarity is raised to the power p. The larger p is, the more the largest similarities weigh."
LABELS = "an animal, a plant, a vehicle, food"
FIRST_LABELS = ", ".join((*TURNED, "horse", "bird"))
"""For the picture `SILHOUETTE`: its answer turns without the anchor that decides."""
NO_ANSWER = "There is no answer: correct the field that has a box beside it."
ORDERS = [
    ("contribution to the first label", ("first", False)),
    ("what speaks for the first label against the second", ("difference", False)),
    ("what speaks for the second label", ("difference", True)),
]


class Explorer(ipywidgets.VBox):
    """The page over a `WorkingCopy`."""

    def __init__(self, copy):
        self.copy, self.explanation, self.without = copy, None, None
        self._make_controls()
        self._choose_from(SILHOUETTE)
        self._show_history()
        self._connect()
        super().__init__(self._layout())

    def _make_controls(self):
        stored = self.copy.stored
        self.words = _text("Words in the caption", placeholder="red bird")
        self.pictures, self.turn = Gallery(name="Picture"), Pager(PICTURES_PER_PAGE, "pictures")
        self.listed, self.chosen = [], ipywidgets.HTML()
        self.held_out = ipywidgets.Checkbox(
            value=True, description="Leave the picture's own pair out of the anchors (held out)", indent=False,
            layout={"width": "auto"},
        )  # fmt: skip
        known = self.copy.known  # a label and its embedding, without a prompt around it
        first = FIRST_LABELS if SILHOUETTE in set(stored.pairs["id"]) else LABELS
        self.labels = _text("Labels, commas between", ", ".join(list(known.rows)[:4]) if known else first)
        self.known = Status(words=f"Known labels: {first_names(known.rows, MOST_KNOWN)}." if known else "")
        self.template = _text("Prompt, {} for the label", "{}" if known else BARE_TEMPLATE)
        self.k = ipywidgets.IntText(value=default_k(len(stored)), description="Entries kept, k", **_wide("21em"))
        self.p = ipywidgets.FloatText(value=DEFAULT_P, description="Exponent, p", **_wide("21em"))
        self.wrong = {control: Answer() for control in (self.labels, self.template, self.k, self.p)}
        self.outcome, self.near, self.result = Status(), Status(), Answer()
        self.picker = Picker(self.result, self.copy.upload, self.receive)
        self.order = ipywidgets.Dropdown(options=ORDERS, description="Sorted by", **_wide())
        self.pager, self.anchors, self.anchor_trouble = Pager(PER_PAGE, "anchors"), AnchorTable(), Answer()
        self.untick = _button("Untick all", lambda _: self.anchors.set_trait("ticked", []))
        self.outcome_without, self.result_without = Status(), Answer()
        self.remove = _button("Remove the ticked anchors", lambda _: self._edit(self.copy.remove, self.anchors.ticked))
        self.undo = _button("Undo the last edit", lambda _: self._edit(self.copy.undo))
        self.new = ipywidgets.Dropdown(options=[NO_UPLOAD], description="Uploaded picture", **_wide())
        self.caption = _text("Its caption", placeholder="A red ball.")
        self.add = _button(
            "Add it as an anchor", lambda _: self._edit(self.copy.add, self.new.value, self.caption.value)
        )
        self.edited, self.edit_trouble, self.history = Status(), Answer(), ipywidgets.HTML()
        self.export = Download("Export as notebook", self._export)
        self.exported, self.export_trouble = Status(), Answer()
        self.save = _button(f"Save into bank {stored.name} …", self._ask_to_save)
        self.yes = _button(f"Yes, change the stored bank {stored.name}", self._save)
        self.no = _button("No, leave it as it is", self._leave)
        self.saved, self.saving = Status(), Answer()
        self._confirming(False)

    def _connect(self):
        self.words.observe(lambda _: self._choose_from(self.pictures.value), "value")
        self.turn.observe(lambda _: self._show_pictures(), "value")
        for control in (self.pictures, self.held_out, self.labels, self.template, self.k, self.p):
            control.observe(self.ask, "value")
        for control in (self.order, self.pager):
            control.observe(lambda _: self._show_anchors(), "value")
        self.anchors.observe(lambda _: self._show_without(), "ticked")

    def _layout(self):
        name = self.copy.stored.name
        question = [
            _heading("1 Picture"), self.words, self.pictures, self.turn, self.chosen, self.picker,
            self.held_out, _note(HELD_OUT),
            _heading("2 Labels"), *self._field(self.labels), self.known, *self._field(self.template),
            *self._field(self.k), _note(K), *self._field(self.p), _note(P),
        ]  # fmt: skip
        answer = [_heading("3 Ranking"), self.outcome, self.near, self.result, self.outcome_without]
        reasons = [
            _heading("4 Anchors that decided"), self.order, self.pager, self.anchors, self.anchor_trouble,
            _heading("5 New without the ticked anchors"), self.untick, self.result_without,
        ]  # fmt: skip
        return [
            ipywidgets.HTML(PAGE.about(name, len(self.copy.stored))),
            _box("asif-columns", _box("", *question), _box("", _box("asif-answer", *answer), *reasons)),
            _heading("6 Edit the working copy"), ipywidgets.HTML(PAGE.working_copy(name)),
            _row(self.remove, self.undo), self.new, self.caption, self.add,
            self.edited, self.edit_trouble, ipywidgets.HTML("<h3>History of the working copy</h3>"), self.history,
            _heading("7 Keep"), self.export, self.exported, self.export_trouble,
            self.save, self.saving, _row(self.yes, self.no), self.saved,
        ]  # fmt: skip

    def _field(self, control):
        return control, self.wrong[control]

    # -- the question ------------------------------------------------------------------------------------

    def _choose_from(self, picture=""):
        """Offer the uploads and the pairs with the words in their captions; choose `picture` if it is among them."""
        pairs = self.copy.stored.pairs
        rows = find_anchors(pairs, self.words.value)
        self.listed = [*self.copy.uploads, *pairs["id"].iloc[rows]]
        if picture not in self.listed:
            picture = next(iter(self.listed), "")
        self.turn.rows_of(len(self.listed))  # so that the page is among those that there are
        self.turn.value = self.listed.index(picture) // PICTURES_PER_PAGE if picture else 0
        self._show_pictures()
        uploads = [(one.name, one.id) for one in self.copy.uploads.values()]
        self.new.options = uploads or [NO_UPLOAD]
        self.pictures.value = picture  # asks, if it is another one
        if self.explanation is None:
            self.ask()

    def _check(self):
        """Show beside each field what is wrong with its value; return whether all of them can be used."""
        checks = {
            self.labels: lambda text: make_prompts(parse_labels(text), ["{}"]),
            self.template: lambda text: make_prompts(["label"], [text]),
            self.k: lambda k: check_k(k, len(self.copy.bank)),
            self.p: lambda p: Settings(p=p).checked(len(self.copy.bank)),
        }
        for control, check in checks.items():
            self.wrong[control].clear()
            with self.wrong[control].guarded():
                check(control.value)
        return not any(answer.page.value for answer in self.wrong.values())

    def _show_pictures(self):
        shown = self.listed[self.turn.rows_of(len(self.listed))]
        self.pictures.tiles = [tile(self.copy, id) for id in shown]

    def question(self) -> Question:
        """Return the question of the controls."""
        if not self.pictures.value:
            raise PictureError(NO_PICTURE)
        labels = tuple(parse_labels(self.labels.value))
        return Question(
            self.pictures.value, labels, self.k.value, self.p.value, self.held_out.value, self.template.value
        )

    def ask(self, _=None):
        """Answer the question of the controls, and update the page."""
        picture, self.explanation = self.pictures.value, None
        name = bare(self.copy.name_of(picture)) if picture else ""
        self.chosen.value = PAGE.chosen(name, picture) if picture else NO_PICTURE
        self.picker.words = []
        self.result.clear()
        if self._check():
            with self.result.guarded():
                self.explanation = explain(self.copy, self.question())
        found, coverage = self.explanation, self.copy.coverage
        self.outcome.words = ranking_words(found) if found else "" if self.result.page.value else NO_ANSWER
        self.near.alarm = bool(found and coverage and coverage.unfamiliar(found.familiarity))
        self.near.words = near_words(found, coverage) if found else ""
        if found:
            there = set(found.model.bank.pairs["id"])
            self.anchors.ticked = [id for id in self.anchors.ticked if id in there]
        self._show_anchors()
        self._show_without()

    def _show_anchors(self):
        self.anchor_trouble.clear()
        self.anchors.page = NO_ANCHORS
        if not self.explanation:
            self.pager.rows_of(0)
            return
        with self.anchor_trouble.guarded():
            column, ascending = self.order.value
            table = self.explanation.anchors.sort_values(column, ascending=ascending, kind="stable")
            rows = anchor_rows(self.explanation, table.iloc[self.pager.rows_of(len(table))])
            first, *others = [label for label, _ in self.explanation.ranking]
            columns = ["Anchor", f"to “{first}”", *([f"to “{others[0]}”", "difference"] if others else [])]
            self.anchors.page = {"title": PAGE.anchor_title(COLOURS), "columns": columns, "anchors": rows}

    def _show_without(self):
        ticked, self.without = self.anchors.ticked, None
        for answer in (self.result_without, self.edit_trouble, self.export_trouble):
            answer.clear()
        self.edited.words = self.exported.words = ""
        self.remove.description = f"Remove the ticked anchors ({len(ticked)})"
        self.outcome_without.words = "Tick an anchor to see the answer without it." if self.explanation else ""
        if self.explanation and ticked:
            with self.result_without.guarded():
                self.outcome_without.words = ""
                self.without = answer_without(self.explanation, ticked)
                self.result_without.page.value = entered_html(self.explanation, self.without)
                self.outcome_without.words = without_words(self.explanation, self.without)
        if self.explanation:
            picture = self.pictures.value
            tag = picture_tag(self.copy.file_of(picture), bare(self.copy.name_of(picture)), 128)
            self.result.page.value = PAGE.answer(tag, *ranked(self.explanation, self.without), MOST_LABELS, ANCHOR)

    # -- uploads -----------------------------------------------------------------------------------------

    def receive(self, added) -> list:
        """Choose the last one of the pictures that a batch added; return words about them."""
        if not added:
            chosen = self.pictures.value
            name = f"“{bare(self.copy.name_of(chosen))}”" if chosen else "no picture"
            return [f"The question is still about {name}: choose another one."]
        self._choose_from(added[-1].id)
        self.new.value = added[-1].id
        return [*(f"✔ {one.name} is here." for one in added[:-1]),
                f"✔ {added[-1].name} is here, and the question is about it."]  # fmt: skip

    # -- edits of the working copy -----------------------------------------------------------------------

    def _edit(self, change, *what):
        self._leave()
        self.edit_trouble.clear()
        self.edited.words = ""
        with self.edit_trouble.guarded():
            undone = self.copy.history()["change"].iloc[-1]
            change(*what)
            last = f"Undone: {undone}" if change == self.copy.undo else self.copy.history()["change"].iloc[-1]
            self._show_history()
            self.ask()  # clears what stood here; when a screen reader says these words, the page is up to date
            self.edited.words = f"{last[0].upper()}{bare(last[1:])}. The copy has {len(self.copy.bank)} anchors."

    def _show_history(self):
        self.history.value = PAGE.history(self.copy.history()[::-1].to_dict("records"))

    # -- keep --------------------------------------------------------------------------------------------

    def _export(self):
        self.export_trouble.clear()
        self.exported.words = ""
        with self.export_trouble.guarded():
            if self.explanation is None:
                raise AsifError("there is no answer to export yet: see “3 Ranking”")
            import nbformat  # brings a second of imports that the first answer does not wait for

            notebook = to_notebook(self.copy, self.explanation, self.anchors.ticked if self.without else ())
            name = f"asif-explorer-{time.strftime('%Y%m%d-%H%M%S')}.ipynb"
            self.exported.words = f"Saved as {name}, where your browser puts downloads."
            return name, "application/x-ipynb+json", nbformat.writes(notebook).encode()

    def _confirming(self, on):
        for button in (self.yes, self.no):
            button.layout.display = "" if on else "none"

    def _ask_to_save(self, _):
        self._leave()
        with self.saving.guarded():
            self.saving.page.value = PAGE.changes(self.copy.changes().to_dict("records"), self.copy.name)
            self._confirming(True)
            self.saved.words = "Please confirm, or leave the bank as it is."

    def _save(self, _):
        self._leave()
        with self.saving.guarded():
            self.copy.save()
            self.saved.words = f"Saved: bank {self.copy.stored.name} is at version {self.copy.stored.version}."
        self._show_history()
        self._choose_from(self.pictures.value)
        self.ask()

    def _leave(self, _=None):
        self._confirming(False)
        self.saving.clear()
        self.saved.words = ""


def _wide(width="40em"):
    return wide(width, "14em")


def _text(name, value="", **others):
    return ipywidgets.Text(value=value, description=name, continuous_update=False, **others, **_wide())


def _button(name, action):
    button = ipywidgets.Button(description=name, layout={"width": "auto", "align_self": "flex-start"})
    button.on_click(action)
    return button


def _note(text):
    return ipywidgets.HTML(f'<p style="margin: 0 0 0.6em">{text}</p>')


def _heading(text):
    return ipywidgets.HTML(f"<h2>{text}</h2>")


def _box(name, *widgets):
    box = ipywidgets.VBox(widgets)
    return box.add_class(name) if name else box


def _row(*widgets):
    return ipywidgets.HBox(widgets, layout={"flex_flow": "row wrap"})


# The explanation, the counterfactual and the history, as HTML and as words

MOST_ENTERED = 8
SIDE, TILE = 56, 64
COLOURS = {"picture": PICTURE, "text": TEXT, "product": ANCHOR}
thumbnail = lru_cache(1000)(image_tag)
"""`image_tag`, which need not open a picture of the page again."""
PAGE = TEMPLATES.get_template("explore/explorer.html.j2").module
"""The macros of the page, as functions that return HTML."""


def picture_tag(picture, alt="", side=SIDE) -> Markup:
    """Return a thumbnail as HTML, or words if the file is missing."""
    try:
        return thumbnail(picture, alt, side)
    except PictureError:
        return Markup(f'<span style="flex: none; width: {side}px">no picture file</span>')


def tile(copy, id) -> dict:
    """Return a pair's or an upload's tile of the `Gallery`; the caption stands in place of a missing picture."""
    file, name = copy.file_of(id), copy.name_of(id)
    name = f"uploaded: {name}" if id in copy.uploads else name
    try:
        picture = thumbnail(file, name, TILE) if file else None
    except PictureError:
        picture = None
    return {"id": id, "title": f"{name} · {id}", "picture": picture or Markup("<span>{}</span>").format(name)}


def near_words(explanation, coverage) -> str:
    """Return how similar the picture is to the anchors, in sentences, by the rule of chapter 06."""
    caption = bare(explanation.model.bank.pairs["caption"][explanation.nearest])
    nearest = f"The most similar anchor is “{caption}”, with a cosine of {explanation.familiarity:.2f}."
    if coverage is None:
        return f"{nearest} The bank has too few pictures to say what is unlike all of them."
    if not coverage.unfamiliar(explanation.familiarity):
        return nearest
    return (
        f"⚠ “I have never seen anything like it”: the picture is unlike anything in the bank. {nearest} "
        f"For only {coverage.false_alarm:.0%} of the bank's own pictures, the most similar other picture has a cosine "
        f"below {coverage.threshold:.2f}. Do not trust the ranking."
    )


def ranking_words(explanation) -> str:
    """Return the ranking in a sentence, for screen readers."""
    (first, score), *others = explanation.ranking
    if score <= 0:
        return "Nothing decides: the picture shares no anchor with any label."
    words = f"“{first}” is first with {score:.3f}"
    words += f", “{others[0][0]}” is second with {others[0][1]:.3f}. " if others else ". "
    of = "the two" if others else "it"
    return words + f"Of {len(explanation.model.bank)} anchors, {len(explanation.anchors)} contribute to {of}."


def anchor_rows(explanation, anchors) -> list:
    """Return rows of ``explanation.anchors`` as `AnchorTable` shows them."""
    whole, sides = explanation.anchors, ["first", "second"][: len(explanation.order)]
    entries = max(whole[column].max() for column in ("entry", "first_entry", "second_entry"))
    longest = entries, entries, max(whole["first"].max(), whole["second"].max())
    rows = []
    for anchor in anchors.to_dict("records"):
        numbers = [
            PAGE.product((anchor["entry"], anchor[f"{side}_entry"], anchor[side]), longest, COLOURS) for side in sides
        ]
        if len(sides) > 1:
            numbers.append(f"{anchor['difference']:.4f}")
        row = {key: anchor[key] for key in ("id", "caption")}
        rows.append(row | {"picture": picture_tag(anchor["picture"]), "numbers": numbers})
    return rows


def without_words(explanation, without) -> str:
    """Return the counterfactual in a sentence, for screen readers."""
    before, after = explanation.ranking[0], without.scores[0].max(dim=0)
    count = len(without.removed)
    start = f"Without the ticked anchor{'s' if count > 1 else ''} ({count})"
    if after.values <= 0:
        return f"{start} nothing decides."
    label = explanation.answer.labels[int(after.indices)]
    if label == before[0]:
        return f"{start} “{label}” stays first, with {after.values:.3f} instead of {before[1]:.3f}."
    return f"{start} “{label}” would be first, with {after.values:.3f}; “{before[0]}” no longer is."


def ranked(explanation, without):
    """Return (label, score, score without the ticked anchors or None), the first one first; and the first without."""
    after = without.scores[0].tolist() if without else [None] * len(explanation.order)
    rows = [(label, score, after[i]) for (label, score), i in zip(explanation.ranking, explanation.order, strict=True)]
    return rows, max(rows, key=lambda row: row[2])[0] if without else None


def entered_html(explanation, without) -> str:
    """Return the anchors that enter where the ticked ones were, as HTML."""
    labels, pairs, entered = explanation.answer.labels, explanation.model.bank.pairs, without.entered
    keys = [("image", 0), *(("text", row) for row in range(len(labels)))]
    parts = [entered[(entered.side == side) & (entered.row == row)] for side, row in keys]
    names = ["the picture", *(Markup("“<bdi>{}</bdi>”").format(label) for label in labels)]
    figures = [
        [
            (picture_tag(pairs.picture[one.anchor], pairs.caption[one.anchor]),
             f"{one.entry:.4f} · {bare(pairs.caption[one.anchor])}")
            for one in part[:MOST_ENTERED].itertuples()
        ]
        for part in parts
    ]  # fmt: skip
    return PAGE.entered(list(zip(names, map(len, parts), figures, strict=True)), MOST_ENTERED)
