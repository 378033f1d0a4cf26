"""The method in one picture, in small for each chapter, and one decision that turns.

    python -m asif_book.figures.method notebooks/drawings

draws ``method.svg``, ``method_01.svg`` to ``method_09.svg`` and ``turning.svg`` again, with the numbers of the bank
called ``stamps``. Simple drawings stand for the stamps' own pictures. All but ``turning.svg`` have a form for a phone:
``method_upright.svg``, and so on.
"""

import io
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import torch
from IPython.display import HTML
from markupsafe import Markup

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import load_pairs
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import ParameterError
from asif_lib.explain.counterfactual import smallest_removal, without
from asif_lib.files import write_whole
from asif_lib.zeroshot import ASIF

from .style import data_address, picture_address, two_forms
from .templates import filled

PICTURE = "animals/marsupials/kangaroo.png"
TEXT = "a photo of a kangaroo."
BOTH = 5
"""Anchors that the picture of the method shows of those that both sides keep; one of each side alone is added."""
DRAWINGS = {  # caption → symbol of the template, with its coat, neck and horns
    "A kangaroo.": ("kangaroo", {"coat": "#555"}),
    "A giraffe.": ("quadruped", {"coat": "#d9a441", "neck": 14, "horns": "short"}),
    "An Indian blackbuck.": ("quadruped", {"coat": "#5a4632", "neck": 5, "horns": "long"}),
    "A caribou.": ("quadruped", {"coat": "#8d8478", "neck": 4, "horns": "antlers"}),
    "A doe.": ("quadruped", {"coat": "#c08a52", "neck": 6, "horns": ""}),
    "A guinea fowl.": ("bird", {"coat": "#667"}),
    "A Tamworth pig.": ("pig", {"coat": "#b06a2c"}),
    "A helmeted guinea fowl.": ("bird", {"coat": "#667"}),
    "A red kangaroo.": ("kangaroo", {"coat": "#b5651d"}),
    "A sheep.": ("sheep", {"coat": "#eee8d8"}),
    "A baby sheep (a lamb).": ("sheep", {"coat": "#fff", "size": 0.75}),
}


@dataclass(frozen=True)
class Meeting:
    """Where a picture and a text meet, in numbers.

    `anchors` has the caption, the entry of the picture and the entry of the text; products in descending order, then
    one anchor that only the picture keeps, and one that only the text keeps. `shared` anchors are kept by both, and
    `score` is the sum of all products; k entries are kept of n anchors.
    """

    anchors: list[tuple[str, float, float]]
    shared: int
    score: float
    k: int
    n: int
    pictures: tuple = ()
    """The pictures of the anchors."""

    @property
    def hidden(self) -> int:
        """Shared anchors that are not listed."""
        return self.shared - sum(a * b > 0 for _, a, b in self.anchors)

    @property
    def rest(self) -> float:
        """The sum of the products of the shared anchors that are not listed."""
        return self.score - sum(a * b for _, a, b in self.anchors)


def meeting(model, picture, text, shown=BOTH) -> Meeting:
    """Describe where a picture (1, d_image) and a text (1, d_text), both embeddings, meet under `model`."""
    a, b = model.images(picture).to_dense()[0], model.texts(text).to_dense()[0]
    alone = [torch.where(other == 0, mine, 0).argmax() for mine, other in ((a, b), (b, a))]
    order = [*(a * b).topk(shown).indices, *alone]
    anchors = [(model.bank.pairs["caption"].iloc[int(i)], float(a[i]), float(b[i])) for i in order]
    pictures = tuple(model.bank.pairs["picture"].iloc[[int(i) for i in order]])
    return Meeting(anchors, int(((a > 0) & (b > 0)).sum()), float(a @ b), model.k, len(model.bank), pictures)


def drawn(caption):
    """Return the drawing for the anchor with this caption: the name of its symbol, and how the symbol looks."""
    return DRAWINGS.get(caption, ("bird", {"coat": "#888"}))


def method_svg(numbers: Meeting, text=TEXT, photo=None, upright=False, chapter="") -> str:
    """Draw the picture of the method as SVG that follows a light or dark page and tells itself in words.

    With the picture that was asked about, `photo`, it shows this one and the pictures of the anchors; otherwise simple
    drawings stand for them. For a phone it stands `upright`, with a title only. Of a `chapter` (``"04"``), the part
    that it explains is drawn in full, and the others are faint.
    """
    here, about = PARTS.get(chapter, ((), "ASIF in one picture: how a picture and a sentence get a score"))
    rows = [(row, drawn(row[0])) for row in numbers.anchors]
    photos = [picture_address(picture) for picture in (photo, *numbers.pictures)] if photo else []
    shown = {"numbers": numbers, "rows": rows, "photos": photos, "text": text, "here": here, "about": about}
    said, lit = textwrap.wrap(f"“{text}”", 12), set(here).intersection
    return filled(f"figures/{'upright' if upright else 'method'}.svg.j2", **shown, said=said, lit=lit)


def method_picture(bank, picture=PICTURE, text=TEXT) -> HTML:
    """Return the picture of the method, with photographs: a picture of the bank, by its id, held out, and a text."""
    photo = bank.pairs["picture"].iloc[bank.pairs["id"].tolist().index(picture)]
    model, z = _held_out(bank, picture)
    numbers = meeting(model, z, model.embeddings("text", [text]))
    forms = [method_svg(numbers, text, photo, upright) for upright in (False, True)]
    wide, tall = (data_address("svg+xml", io.BytesIO(svg.encode())) for svg in forms)
    words = ElementTree.fromstring(forms[0]).findtext("{*}desc")
    return HTML(two_forms(Markup('<img src="{}" alt="{}" style="max-width: 100%">').format(wide, words), tall))


def meeting_of_the_kangaroo(bank, shown=BOTH) -> Meeting:
    """Return the numbers of the book's first example: a photograph, held out of the bank of stamps, and its prompt."""
    model, picture = _held_out(as_in_chapter_00(bank), PICTURE)
    return meeting(model, picture, model.embeddings("text", [TEXT]), shown)


def as_in_chapter_00(bank):
    """Return a bank of stamps without the test split but for `PICTURE`, so that all chapters show the same numbers."""
    held_out = {*load_pairs(DEFAULT_BANK, progress=False).split("test").ids} - {PICTURE}
    return bank.subset([i for i, id in enumerate(bank.pairs["id"]) if id not in held_out])


def _held_out(bank, picture) -> tuple[ASIF, torch.Tensor]:
    """Return the model over all other pairs of a bank, and the embedding (1, d_image) of a picture, by its id."""
    row = bank.pairs["id"].tolist().index(picture)
    return ASIF(bank.subset([i for i in range(len(bank)) if i != row]), device="cpu"), bank.image[row : row + 1]


# In small, once for each chapter: what the chapter explains is drawn in full, all other parts are faint

PARTS = {
    "01": (("encode",), "This chapter: what each encoder knows alone"),
    "02": (("anchors",), "This chapter: the anchors, captioned pictures in between"),
    "03": (("compare",), "This chapter: both sides are centred, and compared with the same anchors"),
    "04": (("keep k", "power p"), "This chapter: only the largest similarities are kept, and raised to a power"),
    "05": (("score",), "This chapter: the products add up to a score, and the best score answers"),
    "06": (("explain",), "This chapter: each anchor has its own part in the score"),
    "07": (("edit",), "This chapter: a pair is added or, as here, removed, and nothing is trained"),
    "08": (("scale",), "This chapter: the same method with many more anchors"),
    "09": (("the paper",), "This chapter: how good the answers by this score are"),
}
"""For each chapter the steps of the method that are drawn in full, and the words above them."""
FEW = 2
"""The same as `BOTH`, for the picture in small."""


# A moving picture of one decision: an anchor is ticked away, the sums change, and the answer turns

SILHOUETTE = "animals/marsupials/cartoon/kangaroo-silo.png"
LABELS = ("kangaroo", "sheep")
SHOWN = 4
"""Anchors that the picture shows: the removed one, then the largest of the others."""


@dataclass(frozen=True)
class Turning:
    """A decision between two labels that one anchor turns, in numbers; a pair has a number for each label.

    `anchors` has the caption, the products before and the products after the removal. The removed anchor comes first.
    `before` and `after` are the scores, sums over `n` anchors and over the others.
    """

    labels: tuple[str, str]
    anchors: list[tuple[str, tuple[float, float], tuple[float, float]]]
    before: tuple[float, float]
    after: tuple[float, float]
    n: int

    @property
    def answers(self) -> tuple[str, str]:
        """The label with the larger score, before and after."""
        return tuple(self.labels[scores.index(max(scores))] for scores in (self.before, self.after))

    @property
    def rest(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The sums over the anchors that are not listed, before and after."""
        both = ((self.before, 1), (self.after, 2))
        return tuple(tuple(scores[i] - sum(row[at][i] for row in self.anchors) for i in (0, 1)) for scores, at in both)


def turning(model, picture, labels, shown=SHOWN) -> Turning:
    """Find the one anchor without which `model` gives a picture (1, d_image) the other of two labels.

    Raises `ParameterError` if the decision does not hang on one anchor.
    """
    found = smallest_removal(model, picture, labels)
    if len(found) != 1:
        raise ParameterError(f"the smallest removal that turns this answer has {len(found)} anchors; one is drawn")
    prompts = model.prompts(labels)
    changed = without(model, picture, prompts, found.anchors)
    old = model.images(picture).to_dense() * model.texts(prompts).to_dense()
    new = changed.images.to_dense() * changed.texts.to_dense()
    others = [i for i in old.sum(0).topk(shown + 1).indices.tolist() if i not in found.anchors]
    captions = model.bank.pairs["caption"].tolist()
    rows = [(captions[i], *(tuple(each[:, i].tolist()) for each in (old, new))) for i in (*found.anchors, *others)]
    scores = (tuple(each[0].tolist()) for each in (changed.before, changed.scores))
    return Turning(tuple(labels), rows[:shown], *scores, len(model.bank))


def turning_svg(numbers: Turning) -> str:
    """Draw the decision as SVG that moves where motion is wanted, and tells itself in words."""
    return filled("figures/turning.svg.j2", numbers=numbers, rows=[(row, drawn(row[0])) for row in numbers.anchors])


def turning_of_the_kangaroo(bank) -> Turning:
    """Return the numbers of the README's moving picture: a silhouette, held out of the bank of stamps."""
    return turning(*_held_out(bank, SILHOUETTE), LABELS)


if __name__ == "__main__":
    folder, stamps = Path(sys.argv[1]), AnchorBank.load(DEFAULT_BANK)
    large, small = meeting_of_the_kangaroo(stamps), meeting_of_the_kangaroo(stamps, FEW)
    pictures = {"turning": turning_svg(turning_of_the_kangaroo(stamps))}
    for upright, ending in ((False, ""), (True, "_upright")):
        pictures[f"method{ending}"] = method_svg(large, upright=upright)
        pictures |= {
            f"method_{chapter}{ending}": method_svg(small, upright=upright, chapter=chapter) for chapter in PARTS
        }
    for name, svg in pictures.items():
        write_whole(folder / f"{name}.svg", svg.encode())
