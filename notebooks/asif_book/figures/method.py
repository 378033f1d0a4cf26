"""The method in one picture: a picture and a sentence meet at the anchors that both keep.

    python -m asif_book.figures.method notebooks/method.svg

draws it again with the numbers of the bank called ``stamps``; simple drawings stand for the stamps' own pictures.
"""

import io
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import torch
from IPython.display import HTML
from markupsafe import Markup

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.files import write_whole
from asif_lib.zeroshot import ASIF

from .style import data_address, picture_address
from .templates import filled

PICTURE = "animals/marsupials/kangaroo.png"
TEXT = "a photo of a kangaroo."
BOTH = 5
"""Anchors that the picture of the method shows of those that both sides keep; one of each side alone is added."""
DRAWINGS = {  # caption → symbol of the template, with its coat, neck and horns
    "A kangaroo.": ("kangaroo", {"coat": "#555"}),
    "A giraffe.": ("quadruped", {"coat": "#d9a441", "neck": 14, "horns": "short"}),
    "An Indian blackbuck.": ("quadruped", {"coat": "#5a4632", "neck": 5, "horns": "long"}),
    "A deer.": ("quadruped", {"coat": "#b5763a", "neck": 6, "horns": "antlers"}),
    "A caribou.": ("quadruped", {"coat": "#8d8478", "neck": 4, "horns": "antlers"}),
    "A doe.": ("quadruped", {"coat": "#c08a52", "neck": 6, "horns": ""}),
    "A guinea fowl.": ("bird", {"coat": "#667"}),
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
    captions = model.bank.pairs["caption"].tolist()
    anchors = [(captions[i], float(a[i]), float(b[i])) for i in order]
    pictures = tuple(model.bank.pairs["picture"].iloc[[int(i) for i in order]])
    return Meeting(anchors, int(((a > 0) & (b > 0)).sum()), float(a @ b), model.k, len(model.bank), pictures)


def drawn(caption):
    """Return the drawing for the anchor with this caption: the name of its symbol, and how the symbol looks."""
    return DRAWINGS.get(caption, ("bird", {"coat": "#888"}))


def method_svg(numbers: Meeting, text=TEXT, photo=None) -> str:
    """Draw the picture of the method as SVG that follows a light or dark page and tells itself in words.

    With the picture that was asked about, `photo`, it shows this one and the pictures of the anchors; otherwise simple
    drawings stand for them.
    """
    rows = [(row, drawn(row[0])) for row in numbers.anchors]
    photos = [picture_address(picture) for picture in (photo, *numbers.pictures)] if photo else []
    return filled("figures/method.svg.j2", numbers=numbers, text=text, rows=rows, photos=photos)


def method_picture(bank) -> HTML:
    """Return the picture of the method, with the photographs of the bank of stamps."""
    photo = bank.pairs["picture"].iloc[bank.pairs["id"].tolist().index(PICTURE)]
    svg = method_svg(meeting_of_the_kangaroo(bank), photo=photo)
    words = ElementTree.fromstring(svg).findtext("{*}desc")
    address = data_address("svg+xml", io.BytesIO(svg.encode()))
    return HTML(Markup('<img src="{}" alt="{}" style="max-width: 100%">').format(address, words))


def meeting_of_the_kangaroo(bank, shown=BOTH) -> Meeting:
    """Return the numbers of the book's first example: a photograph, held out of the bank of stamps, and its prompt."""
    row = bank.pairs["id"].tolist().index(PICTURE)
    model = ASIF(bank.subset([i for i in range(len(bank)) if i != row]), device="cpu")
    return meeting(model, bank.image[row : row + 1], model.embeddings("text", [TEXT]), shown)


if __name__ == "__main__":
    write_whole(sys.argv[1], method_svg(meeting_of_the_kangaroo(AnchorBank.load(DEFAULT_BANK))).encode())
