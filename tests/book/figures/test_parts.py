"""The method in small, above each chapter: its numbers are the model's, and its part alone is drawn in full."""

import xml.etree.ElementTree as ElementTree

import pytest
from drawn_pages import check_committed

from asif_book.editions import editions
from asif_book.figures.method import FEW, PARTS, Meeting, meeting_of_the_kangaroo, part_svg
from asif_book.outline import Chapter
from asif_lib.files import ROOT

NUMBERS = Meeting([("A <b>.", 0.5, 0.25), ("A doe.", 0.4, 0.1), ("A deer.", 0.3, 0.0)], 4, 0.2, 3, 9)


@pytest.mark.parametrize("chapter", PARTS)
def test_the_committed_picture_shows_the_numbers_of_the_model(chapter, stamps_bank):
    numbers = meeting_of_the_kangaroo(stamps_bank, FEW)
    check_committed(f"method_{chapter}.svg", part_svg(numbers, chapter))
    check_committed(f"method_{chapter}_upright.svg", part_svg(numbers, chapter, upright=True))


def test_each_chapter_lights_its_own_steps():
    sources = (ROOT / "notebooks" / "source").glob("0[1-9]_*.py")
    steps = {source.stem[:2]: Chapter.of(source.stem, editions(source)[0]).steps for source in sources}
    assert {chapter: lit for chapter, (lit, _) in PARTS.items()} == steps
    faint = [part_svg(NUMBERS, chapter).count("opacity") for chapter in PARTS]
    parts = part_svg(NUMBERS, "01").count("<g>") + faint[0]
    assert all(0 < count < parts for count in faint)


def test_a_removed_anchor_is_struck_and_adds_nothing():
    root = ElementTree.fromstring(part_svg(NUMBERS, "07"))
    struck = [text.text for text in root.findall(".//{*}text") if text.get("class") == "struck"]
    assert struck == ["A <b>."]
    said = " ".join(root.itertext())
    assert "the score" not in said.replace("up to the score", "") and "0.125" not in said
    assert "0.125 + 0.040 + 0.035 of 2 more anchors = 0.200, the score" in part_svg(NUMBERS, "05")
