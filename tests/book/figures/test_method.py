"""The picture of the method tells what the model computes."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from drawn_pages import check_committed

from asif_book.figures.method import (
    Meeting,
    as_in_chapter_00,
    meeting,
    meeting_of_the_kangaroo,
    method_picture,
    method_svg,
)
from asif_lib import ASIF


@pytest.fixture(scope="module")
def kangaroo(stamps_bank):
    return meeting_of_the_kangaroo(stamps_bank)


def test_the_committed_picture_shows_the_numbers_of_the_model(kangaroo):
    check_committed("method.svg", method_svg(kangaroo))
    check_committed("method_upright.svg", method_svg(kangaroo, upright=True))


def test_the_products_and_the_rest_are_the_score(kangaroo, stamps, stamps_bank):
    assert sum(a * b for _, a, b in kangaroo.anchors) + kangaroo.rest == pytest.approx(kangaroo.score)
    row = stamps_bank.pairs["id"].tolist().index("animals/marsupials/kangaroo.png")
    model = ASIF(stamps_bank.subset(stamps.splits["train"] + stamps.splits["validation"]), device="cpu")
    answer = model.classify(stamps_bank.image[row : row + 1], ["kangaroo"])
    assert kangaroo.score == pytest.approx(float(answer.scores), abs=1e-6)
    assert "A red kangaroo." not in {caption for caption, _, _ in kangaroo.anchors}  # it is held out


def test_anchors_of_one_side_alone_count_nothing_and_are_shown_as_such(stamps_bank):
    found = meeting(ASIF(stamps_bank, device="cpu"), stamps_bank.image[:1], stamps_bank.text[5:6], shown=3)
    *both, picture_only, text_only = found.anchors
    assert all(a > 0 and b > 0 for _, a, b in both)
    assert picture_only[1] > 0 == picture_only[2] and text_only[2] > 0 == text_only[1]


def test_the_picture_is_well_formed_and_tells_itself_in_words():
    numbers = Meeting([("A <b> & “c”.", 0.5, 0.25), ("A doe.", 0.5, 0.0), ("A deer.", 0.0, 0.5)], 2, 0.2, 3, 9)
    root = ElementTree.fromstring(method_svg(numbers, "a photo"))
    told = root.find("{http://www.w3.org/2000/svg}desc").text
    assert "product 0.125" in told and "A doe. Picture 0.50, text 0.00, kept by one side only" in told
    assert "add up to the score, 0.200" in told
    assert torch.isclose(torch.tensor(numbers.rest), torch.tensor(0.075))


def test_with_the_photographs_it_tells_the_same_numbers(kangaroo, stamps_bank):
    html = method_picture(as_in_chapter_00(stamps_bank)).data
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    assert len(re.findall(r'<image [^>]*href="data:image/jpeg;base64,', svg)) == 1 + len(kangaroo.anchors)
    words = lambda text: [element.text for element in ElementTree.fromstring(text).iter("{*}text")]  # noqa: E731
    assert words(svg) == words(method_svg(kangaroo))
    assert "A giraffe. Picture" in re.search(r'alt="([^"]+)"', html)[1]
