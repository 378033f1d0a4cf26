"""The method in small, once for each chapter: what the chapter explains is drawn in full, all other parts are faint.

    python -m asif_book.figures.parts notebooks

draws the pictures again, ``method_01.svg`` to ``method_08.svg``, with the numbers of the bank called ``stamps``.
"""

import sys
from pathlib import Path

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.files import write_whole

from .method import Meeting, drawn, meeting_of_the_kangaroo
from .templates import filled

PARTS = {
    "01": (("encode",), "This chapter: what each encoder knows alone"),
    "02": (("anchors",), "This chapter: the anchors, captioned pictures in between"),
    "03": (("compare",), "This chapter: both sides are compared with the same anchors"),
    "04": (("keep k", "power p"), "This chapter: only the largest similarities are kept, and raised to a power"),
    "05": (("score",), "This chapter: the products add up to a score, and the best score answers"),
    "06": (("explain",), "This chapter: each anchor has its own part in the score"),
    "07": (("edit",), "This chapter: a pair is added or removed, and nothing is trained"),
    "08": (("scale",), "This chapter: the same method with many more anchors"),
    "09": (("the paper",), "This chapter: how good the answers by this score are"),
}
"""For each chapter the steps of the method that are drawn in full, and the words above them."""
BOTH = 2
"""Anchors shown of those that both sides keep; one of each side alone is added."""


def part_svg(numbers: Meeting, chapter: str) -> str:
    """Draw the method as SVG with the part of a chapter (``"04"``) in full."""
    here, about = PARTS[chapter]
    rows = [(row, drawn(row[0])) for row in numbers.anchors]
    lit = set(here).intersection
    return filled("figures/parts.svg.j2", numbers=numbers, rows=rows, here=here, about=about, lit=lit)


if __name__ == "__main__":
    kangaroo = meeting_of_the_kangaroo(AnchorBank.load(DEFAULT_BANK), BOTH)
    for chapter in PARTS:
        write_whole(Path(sys.argv[1]) / f"method_{chapter}.svg", part_svg(kangaroo, chapter).encode())
