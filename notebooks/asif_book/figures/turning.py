"""A moving picture of one decision: an anchor is ticked away, the sums change, and the answer turns.

    python -m asif_book.figures.turning notebooks/turning.svg

draws it again with the numbers of the bank called ``stamps``. Without motion, it shows both sums.
"""

import sys
from dataclasses import dataclass

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import ParameterError
from asif_lib.explain.counterfactual import smallest_removal, without
from asif_lib.files import write_whole
from asif_lib.zeroshot import ASIF

from .method import drawn
from .templates import filled

PICTURE = "animals/marsupials/cartoon/kangaroo-silo.png"
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
    rows = [(row, drawn(row[0])) for row in numbers.anchors]
    return filled("figures/turning.svg.j2", numbers=numbers, rows=rows)


def turning_of_the_kangaroo(bank) -> Turning:
    """Return the numbers of the README's moving picture: a silhouette, held out of the bank of stamps."""
    row = bank.pairs["id"].tolist().index(PICTURE)
    model = ASIF(bank.subset([i for i in range(len(bank)) if i != row]), device="cpu")
    return turning(model, bank.image[row : row + 1], LABELS)


if __name__ == "__main__":
    write_whole(sys.argv[1], turning_svg(turning_of_the_kangaroo(AnchorBank.load(DEFAULT_BANK))).encode())
