"""The drawings of chapters 02, 03 and 05 show the numbers of the bank, on every page in words and signs too."""

import re

import pytest
import test_arriving
import test_shapes
import test_steps
import test_tiles
import torch
from bs4 import BeautifulSoup
from drawn_pages import DESKTOP, PHONE, check_views, opened, report_page

from asif_book.figures import paired_squares, relative_matrix, star_of_angles, two_matrices, who_sees_what
from asif_lib import AnchorBank, relative_representation

ROWS, ORDER = [13, 241, 400, 498, 665], [2, 0, 4, 1, 3]
POINT, LANDMARKS = torch.tensor([[1.5, 1.5]]), torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])
NAMES = ["cat", "dog", "ship"]


def parsed(drawing):
    return BeautifulSoup(drawing.data, "html.parser")


def numbers(path):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path["d"])]


def entries(svg):
    """The entries that the marks of a row stand for, as shares of the largest; a dot stands for 0."""
    sides = [(float(mark["width"]) if mark.name == "rect" else 2 * float(mark["r"])) for mark in svg.find_all(True)]
    signs = [-1 if "hollow" in mark["class"] else 1 for mark in svg.find_all(True)]
    return [sign * (side / 8.8) ** 2 if side > 1 else 0 for side, sign in zip(sides, signs, strict=True)]


def test_each_question_is_a_square_by_the_methods_that_are_right():
    mine, other = torch.tensor([[1, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0]]).bool().numpy()
    page = parsed(paired_squares(mine, other, ("ASIF", "ridge")))
    assert [len(line.find_all("svg")) for line in page.find_all("p")] == [1, 3, 1, 1, 0]
    assert "only ASIF: 3" in page.text and "difference is (3 − 1) / 6" in page.text


def split_bank(stamps, bank):
    return bank.subset(stamps.splits["validation"]), bank.subset(stamps.splits["train"])


def test_both_banks_hold_the_same_rows_and_only_the_captions_move(stamps_bank):
    whole, shuffled = parsed(two_matrices(stamps_bank, ROWS, ORDER)).find_all("table")
    captions = stamps_bank.pairs.caption[ROWS].tolist()
    for table, order in ((whole, range(5)), (shuffled, ORDER)):
        rows = table.select("tbody tr")[:5]
        assert [int(row.th.get_text()) for row in rows] == ROWS
        assert [row.img["alt"] for row in rows] == captions
        assert [row.select_one(".anchor").get_text() for row in rows] == [captions[at] for at in order]
        for modality, at in (("image", list(range(5))), ("text", order)):
            drawn = torch.tensor([entries(row.select("svg.entries")[modality == "text"]) for row in rows])
            values = getattr(stamps_bank, modality)[ROWS, :7]
            assert torch.allclose(drawn, values[list(at)] / values.abs().max(), atol=0.014)  # a dot stands for 0
            assert (drawn < 0).any() == (values < 0).any()


def test_a_line_joins_each_picture_with_its_own_caption(stamps_bank):
    whole, shuffled = parsed(two_matrices(stamps_bank, ROWS, ORDER)).find_all("table")
    assert {path["class"][0] for path in whole.select(".links path")} == {"own"}
    assert {path["class"][0] for path in shuffled.select(".links path")} == {"moved"}
    for at, path in enumerate(shuffled.select(".links path")):
        _, left, _, right = numbers(path)
        assert ORDER[int(right)] == at == int(left)


@pytest.mark.parametrize("degrees", [50, -130])
def test_two_maps_give_one_star_with_the_cosines_of_the_library(degrees):
    first, second, star = parsed(star_of_angles(POINT, LANDMARKS, NAMES, degrees)).find_all("figure")
    cosines = relative_representation(POINT, LANDMARKS)[0]
    for how in (1, 2):
        rays = torch.tensor([numbers(path)[2:] for path in star.select(f".map-{how}")])
        assert torch.allclose(-rays[:, 1] / rays.norm(dim=1), cosines, atol=1e-5)  # y grows downwards
    both = [torch.tensor([numbers(path) for path in star.select(f".map-{how}")]) for how in (1, 2)]
    assert torch.allclose(*both, atol=1e-3)
    told = [text.get_text() for text in star.select("g text:not(.name)")]
    assert told == [f"cosine {cosine:.2f}".replace("-", "−") for cosine in cosines]
    assert first.svg["aria-label"] != second.svg["aria-label"]
    ends = [torch.tensor([numbers(path)[2:] for path in drawn.select(".ray")]) for drawn in (first, second)]
    assert torch.allclose(ends[0].norm(dim=1), ends[1].norm(dim=1))
    assert not torch.allclose(ends[0], ends[1], atol=1)


def test_the_matrix_holds_the_cosines_of_the_nearest_anchors(stamps, stamps_bank):
    new, anchors = split_bank(stamps, stamps_bank)
    soup = parsed(relative_matrix(new, anchors, [3, 6, 19], i=1, j=2))
    relative = relative_representation(new.image, anchors.image)[[3, 6, 19]]
    nearest = relative.argmax(dim=1)
    drawn = [[float(entry["value"]) for entry in row.find_all("data")] for row in soup.select("tbody tr")]
    assert torch.allclose(torch.tensor(drawn), relative[:, nearest], atol=1e-6)
    assert [one["alt"] for one in soup.select("thead img")] == anchors.pairs.caption[nearest.tolist()].tolist()
    (meeting,) = soup.select(".meeting")
    assert meeting.data.get_text() == f"{relative[1, nearest[2]]:.2f}"
    assert len(soup.select("tr.item-i")) == 1 and len(soup.select(".anchor-j")) == 5
    assert f"{len(anchors)} × 1280 becomes {len(anchors)} × {len(anchors)}" in soup.p.get_text()


def test_a_negative_cosine_is_drawn_to_the_left_of_zero():
    image = torch.tensor([[1.0, 0.1, 0.0], [-0.9, 0.2, 0.1], [0.0, 0.0, 1.0]])
    bank = AnchorBank.from_embeddings(image, image, ["one", "two", "three"])
    soup = parsed(relative_matrix(bank, bank, [0, 1], i=0, j=1))
    bar = soup.select("tbody rect")[1]
    assert float(bar["x"]) == pytest.approx(-float(bar["width"])) and float(bar["width"]) > 0.9
    assert soup.select(".hollow") and soup.select("data")[1].get_text().startswith("−0.9")


def test_a_lane_is_as_long_as_its_split(stamps):
    soup = parsed(who_sees_what(stamps))
    splits = {name: len(stamps.splits[name]) for name in ("train", "validation", "test")}
    lanes = {row.b.get_text(): row for row in soup.select("tbody tr")}
    assert list(lanes) == list(splits)
    for name, row in lanes.items():
        assert {float(bar["width"]) for bar in row.find_all("rect")} == {splits[name] / max(splits.values())}
        assert f"{splits[name]} stamps" in row.th.get_text()
    roles = {name: [bar["class"][0] for bar in row.find_all("rect")] for name, row in lanes.items()}
    assert roles == {"train": ["anchors"] * 2, "validation": ["asked", "anchors"], "test": ["ghost", "asked"]}
    assert f"together {splits['train'] + splits['validation']}" in lanes["validation"].get_text()


@pytest.fixture(scope="module")
def drawings(stamps, stamps_bank):
    new, anchors = split_bank(stamps, stamps_bank)
    star = star_of_angles(POINT, LANDMARKS, NAMES, 50)
    matrix = relative_matrix(new, anchors, [3, 6, 19, 32], i=1, j=2)
    return [two_matrices(stamps_bank, ROWS, ORDER), star, matrix, who_sees_what(stamps)]


@pytest.fixture(scope="module")
def page(drawings, tmp_path_factory):
    return report_page(tmp_path_factory.mktemp("page"), *drawings)


def test_no_view_of_any_drawing_of_the_book_has_a_barrier(browser, drawings, tmp_path):
    others = [module.drawn() for module in (test_arriving, test_shapes, test_steps, test_tiles)]
    roots = ".asif-drawn, .asif-arriving, .asif-shapes, .asif-steps, .asif-tiles"
    check_views(browser, report_page(tmp_path, *drawings, *others), f":is({roots})")


def test_words_in_a_picture_are_large_enough_and_inside(browser, page):
    for viewport in (DESKTOP, {"width": 360, "height": 800}, PHONE):
        tab = opened(browser, page, viewport)
        scale = "all => Math.min(...all.map(one => one.getScreenCTM().a * parseFloat(getComputedStyle(one).fontSize)))"
        assert tab.eval_on_selector_all("svg text", scale) >= 11
        for figure in tab.locator(".asif-star figure").all():
            frame = figure.bounding_box()
            for word in figure.locator("text").all():
                box = word.bounding_box()
                assert frame["x"] - 8 <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"] + 8
        tab.context.close()


def test_panels_stack_on_a_phone(browser, page):
    for viewport, count in ((DESKTOP, 3), (PHONE, 1)):
        tab = opened(browser, page, viewport)
        lefts = tab.eval_on_selector_all(".asif-star figure", "all => all.map(one => one.getBoundingClientRect().left)")
        assert len(set(lefts)) == count
        tab.context.close()
