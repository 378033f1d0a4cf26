"""The drawn explanations show the numbers of the library, on every page in words and signs too."""

import re

import numpy as np
import pandas as pd
import pytest
import test_origin
import test_steps
import torch
from drawn_pages import DESKTOP, PHONE, check_views, opened, parsed, report_page
from PIL import Image

from asif_book import figures
from asif_book.chapters.chapter_07.lessons import answers_of
from asif_book.chapters.classes import STAMP_CLASSES, with_classes
from asif_lib import ASIF, AnchorBank, relative_representation
from asif_lib.errors import ParameterError
from asif_lib.zeroshot import make_prompts

STAMP = Image.new("RGB", (40, 30), "tan")
ROWS, ORDER = [13, 241, 400, 498, 665], [2, 0, 4, 1, 3]
POINT, LANDMARKS = torch.tensor([[1.5, 1.5]]), torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])
NAMES = ["cat", "dog", "ship"]


def numbers(path):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path["d"])]


def entries(svg):
    """The entries that the marks of a row stand for, as shares of the largest; a dot stands for 0."""
    sides = [(float(mark["width"]) if mark.name == "rect" else 2 * float(mark["r"])) for mark in svg.find_all(True)]
    signs = [-1 if "hollow" in mark["class"] else 1 for mark in svg.find_all(True)]
    return [sign * (side / 8.8) ** 2 if side > 2.2 else 0 for side, sign in zip(sides, signs, strict=True)]


def test_each_question_is_a_square_by_the_methods_that_are_right():
    mine, other = torch.tensor([[1, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0]]).bool().numpy()
    page = parsed(figures.paired_squares(mine, other, ("ASIF", "ridge")))
    assert [len(line.find_all("svg")) for line in page.find_all("p")] == [0, 1, 3, 1, 1, 0]
    assert "Right half: ridge is right" in page.p.text
    assert "only ASIF: 3" in page.text and "difference is (3 − 1) / 6" in page.text


def split_bank(stamps, bank):
    return bank.subset(stamps.splits["validation"]), bank.subset(stamps.splits["train"])


def test_both_banks_hold_the_same_rows_and_only_the_captions_move(stamps_bank):
    whole, shuffled = parsed(figures.two_matrices(stamps_bank, ROWS, ORDER)).find_all("table")
    captions = stamps_bank.pairs.caption[ROWS].tolist()
    for table, order in ((whole, range(5)), (shuffled, ORDER)):
        rows = table.select("tbody tr")[:5]
        assert [int(row.th.get_text()) for row in rows] == ROWS
        assert [row.img["alt"] for row in rows] == captions
        assert [row.select_one(".anchor").get_text() for row in rows] == [captions[at] for at in order]
        for modality, at in (("image", list(range(5))), ("text", order)):
            drawn = torch.tensor([entries(row.select("svg.entries")[modality == "text"]) for row in rows])
            values = getattr(stamps_bank, modality)[ROWS, :7]
            assert torch.allclose(drawn, values[list(at)] / values.abs().max(), atol=0.063)  # a dot stands for 0
            assert (drawn < 0).any() == (values < 0).any()


def test_a_line_joins_each_picture_with_its_own_caption(stamps_bank):
    whole, shuffled = parsed(figures.two_matrices(stamps_bank, ROWS, ORDER)).find_all("table")
    assert {path["class"][0] for path in whole.select(".links path")} == {"own"}
    assert {path["class"][0] for path in shuffled.select(".links path")} == {"moved"}
    for at, path in enumerate(shuffled.select(".links path")):
        _, left, _, right = numbers(path)
        assert ORDER[int(right)] == at == int(left)


@pytest.mark.parametrize("degrees", [50, -130])
def test_two_maps_give_one_star_with_the_cosines_of_the_library(degrees):
    first, second, star = parsed(figures.star_of_angles(POINT, LANDMARKS, NAMES, degrees)).find_all("figure")
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
    soup = parsed(figures.relative_matrix(new, anchors, [3, 6, 19], i=1, j=2))
    relative = relative_representation(new.image, anchors.image)[[3, 6, 19]]
    nearest = relative.argmax(dim=1)
    drawn = [[float(entry["value"]) for entry in row.find_all("data")] for row in soup.select("tbody tr")]
    assert torch.allclose(torch.tensor(drawn), relative[:, nearest], atol=1e-6)
    assert [one["alt"] for one in soup.select("thead img")] == anchors.pairs.caption[nearest.tolist()].tolist()
    (meeting,) = soup.select(".meeting")
    assert meeting.data.get_text() == f"{relative[1, nearest[2]]:.2f}"
    assert len(soup.select("tr.item-i")) == 1 and len(soup.select(".anchor-j")) == 4
    assert f"its cosines with all {len(anchors)} anchors" in soup.caption.get_text()
    assert f"{len(anchors)} numbers in place of the 1280" in soup.p.get_text()


def test_a_negative_cosine_is_drawn_to_the_left_of_zero():
    image = torch.tensor([[1.0, 0.1, 0.0], [-0.9, 0.2, 0.1], [0.0, 0.0, 1.0]])
    bank = AnchorBank.from_embeddings(image, image, ["one", "two", "three"])
    soup = parsed(figures.relative_matrix(bank, bank, [0, 1], i=0, j=1))
    bar = soup.select("tbody rect")[1]
    assert float(bar["x"]) == pytest.approx(-float(bar["width"])) and float(bar["width"]) > 0.9
    assert soup.select("data")[1].get_text().startswith("−0.9")


def test_a_lane_is_as_long_as_its_split(stamps):
    soup = parsed(figures.who_sees_what(stamps))
    splits = {name: len(stamps.splits[name]) for name in ("train", "validation", "test")}
    lanes = {row.b.get_text(): row for row in soup.select("tbody tr")}
    assert list(lanes) == list(splits)
    for name, row in lanes.items():
        assert {float(bar["width"]) for bar in row.find_all("rect")} == {splits[name] / max(splits.values())}
        assert f"{splits[name]} stamps" in row.th.get_text()
    roles = {name: [bar["class"][0] for bar in row.find_all("rect")] for name, row in lanes.items()}
    assert roles == {"train": ["anchors"] * 2, "validation": ["asked", "anchors"], "test": ["ghost", "asked"]}
    assert f"together {splits['train'] + splits['validation']}" in lanes["validation"].get_text()


# Chapter 07: the best anchors of one picture as pairs arrive


def reasons(*products, arrived=False):
    captions = [f"Anchor & <b>{i}</b>, with a rather long caption." for i in range(len(products))]
    table = {"picture": STAMP, "caption": captions, "contribution": products, "arrived": arrived}
    return pd.DataFrame(table)


STAGES = {
    0: ("t-shirt", reasons(0.06, 0.01)),
    10: ("pullover", reasons(0.4, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01, arrived=True)),
    100: ("pullover", reasons(0.1, 0.09, 0.08, 0.07, 0.06, 0.05, arrived=True)),
}


def arriving():
    return figures.best_anchors(STAMP, "pullover", STAGES)


def test_each_row_has_its_five_best_their_bars_and_the_score():
    first, second, third = parsed(arriving()).select(".stage")
    assert [len(row.select(".anchors-of > div")) for row in (first, second, third)] == [2, 5, 5]
    widths = [float(bar["width"]) for bar in second.select("rect.anchors")]
    told = [float(number["value"]) for number in second.select(".anchors-of data")]
    assert widths == told == [0.4, 0.05, 0.04, 0.03, 0.02]
    assert float(second.select_one(".score")["value"]) == pytest.approx(0.56)
    assert "0.560, of which 0.020 from 2 more anchors" in second.get_text()
    assert "0.050 from 1 more anchor" in third.get_text() and "more" not in first.get_text()
    assert "Anchor & <b>0</b>, with" in first.get_text()
    assert parsed(arriving()).select_one("svg.bar")["viewbox"].split()[2] == "0.4"  # one scale


def test_words_and_frames_tell_what_turns_and_what_arrived():
    rows = parsed(arriving()).select(".stage")
    assert ["the answer turns" in row.get_text() for row in rows] == [False, True, False]
    assert ["✔ right" in row.get_text() for row in rows] == [False, True, True]
    assert [len(row.select(".arrived")) for row in rows] == [0, 5, 5]
    assert [row.get_text().count(" new") for row in rows] == [0, 5, 5]


def test_the_numbers_are_the_models(stamps, stamps_bank, text_encoder):
    classes = sorted(STAMP_CLASSES.values())
    asked, labels = with_classes(stamps, stamps.splits["validation"], classes)
    prompts = text_encoder.encode(make_prompts(classes, ["a photo of a {}."]), progress=False)
    rows = stamps.splits["train"]
    banks = {added: stamps_bank.subset(rows[: 100 + added]) for added in (0, 50, 393)}
    pictures = stamps_bank.pairs.picture[rows].tolist()
    z = stamps_bank.image[asked]
    given = [ASIF(bank, device="cpu").similarity(z, prompts).numpy() for bank in banks.values()]
    right = np.array([scores.argmax(axis=1) == labels for scores in given])
    found = np.flatnonzero(~right[0] & right[-1])[0]
    stages = answers_of(banks, pictures, z[[found]], prompts, classes)
    assert [answer for answer, _ in stages.values()] == [classes[scores[found].argmax()] for scores in given]
    page = parsed(figures.best_anchors(stamps_bank.pairs.picture[asked[found]], classes[labels[found]], stages))
    scores = [float(score["value"]) for score in page.select(".score")]
    assert scores == pytest.approx([one[found].max() for one in given], abs=1e-6)
    last = ASIF(banks[393], device="cpu")
    products = last.images(z[[found]]).to_dense()[0] * last.texts(prompts).to_dense()[labels[found]]
    best = [float(number["value"]) for number in page.select(".stage")[-1].select(".anchors-of data")]
    assert best == pytest.approx(products.topk(5).values.tolist(), abs=1e-6)
    arrived = [anchor["class"] == ["arrived"] for anchor in page.select(".stage")[-1].select(".anchors-of > div")]
    assert arrived == (products.topk(5).indices >= 100).tolist()


# Chapter 08: tiles that pass over a matrix keep what a search keeps, and forget the rest

COSINES = torch.rand((3, 48), generator=torch.Generator().manual_seed(0)) - 0.4


def tiles(cosines=COSINES, k=3, block=8):
    return figures.passing_tiles(cosines, [STAMP] * 3, k, block)


def moments(page):
    return parsed(page).select(".matrix")


def cosines_of(matrix, kind):
    return sorted(float(bar["data-cosine"]) for bar in matrix.select(f"rect.{kind}"))


def test_a_cell_is_lit_where_a_text_has_an_anchor_of_the_picture(stamps, stamps_bank):
    model, asked = ASIF(stamps_bank, device="cpu"), stamps.splits["test"][:8]
    picture, texts = model.images(stamps_bank.image[asked[:1]]), model.texts(stamps_bank.text[asked])
    page = parsed(figures.inverted_index(stamps_bank, picture, texts, stamps_bank.pairs.iloc[asked]))
    products = (picture.to_dense() * texts.to_dense()).numpy()  # (8, n)
    captions = stamps_bank.pairs.caption.tolist()
    for row in page.select("tbody tr"):
        lit = [cell.has_attr("style") for cell in row.find_all("td")]
        same = [i for i, caption in enumerate(captions) if caption == row.select_one(".anchor > span").text]
        assert any(lit) and lit in [(products[:, i] > 0).tolist() for i in same]
    shades = [int(cell["style"].split()[1][:-1]) for cell in page.select("tbody td[style]")]
    assert set(shades) <= {20, 32, 44, 56, 68} and max(shades) == 68  # steps that an eye tells apart
    *_, scores = page.select("tfoot tr")
    assert [float(cell.text) for cell in scores.find_all("td")] == pytest.approx(products.sum(axis=1), abs=6e-4)
    assert f"; {(products > 0).sum()} of them are lit" in page.caption.text


def test_each_moment_keeps_the_k_best_so_far(stamps, stamps_bank):
    asked, few = stamps.splits["test"][:3], stamps.splits["train"][::10][:48]
    mean = stamps_bank.image_mean
    cosines = relative_representation(stamps_bank.image[asked], stamps_bank.image[few], mean=mean)
    for matrix, tile in zip(moments(tiles(cosines)), (1, 3, 6), strict=True):
        best = cosines[:, : 8 * tile].topk(3, dim=1).values
        assert cosines_of(matrix, "kept") == sorted(best.flatten().tolist())
        told = [[float(one["value"]) for one in row.find_all("data")] for row in matrix.select(".best > div")]
        assert told == best.tolist()
        assert len(matrix.select("rect[data-cosine]")) == 3 * 8 * tile


def test_past_tiles_are_ghosts_and_later_ones_are_empty():
    first, middle, last = moments(tiles())
    for matrix, tile in ((first, 1), (middle, 3), (last, 6)):
        now = matrix.select_one(".tile.now")
        assert (float(now["x"]), float(now["width"])) == (8 * (tile - 1), 8)
        assert len(matrix.select(".past")) == tile - 1 and len(matrix.select(".next")) == 6 - tile
        for kind, inside in (("seen", True), ("ghost", False)):
            bars = [float(bar["x"]) >= 8 * (tile - 1) for bar in matrix.select(f"rect.{kind}")]
            assert all(one is inside for one in bars)
    assert not first.select(".ghost") and last.select(".ghost")


def test_bars_are_as_long_as_their_cosines_and_stay_inside():
    span = float(COSINES.max() - min(0.0, float(COSINES.min())))
    for bar in moments(tiles())[-1].select("rect[data-cosine]"):
        y, height, cosine = (float(bar[name]) for name in ("y", "height", "data-cosine"))
        assert height == pytest.approx(0.9 * abs(cosine) / span, abs=1e-5)
        assert int(y) == int(y + height) or y + height == pytest.approx(int(y) + 1)  # in its own row


def test_words_tell_the_moment_without_the_picture():
    words = moments(tiles())[1].svg["aria-label"]
    assert words.startswith("Tile 3 of 6 is computed. The 2 before it are forgotten, but for the kept cosines. 3 are")
    best = COSINES[0, :24].topk(3).values.tolist()
    assert "Picture 1 keeps " + " ".join(f"{one:.2f}" for one in best) in words


def test_tiles_that_do_not_fit_are_refused():
    for k, block in ((3, 7), (0, 8), (9, 8)):
        with pytest.raises(ParameterError, match="multiple"):
            tiles(k=k, block=block)
    assert len(moments(tiles(COSINES[:, :8]))) == 1


def test_rows_stand_beside_their_pictures_and_a_frame_tells_an_arrived_pair_without_colour(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, tiles(), arriving()), PHONE)
    for place in tab.locator(".asif-tiles .matrix").all():
        heights = [place.locator(part).bounding_box()["height"] for part in (".asked", "svg", ".best")]
        assert max(heights) - min(heights) < 1
    frame = "img => [getComputedStyle(img).borderStyle, getComputedStyle(img).borderWidth]"
    assert tab.locator(".stamp img").first.evaluate(frame) == ["dashed", "1px"]
    assert tab.locator(".arrived img").first.evaluate(frame) == ["solid", "3px"]
    assert tab.locator(".asif-arriving .scroll").count() == 0


# Chapter 90: broadcasting stretches what PyTorch stretches, and refuses what PyTorch refuses

M = torch.arange(12.0).reshape(3, 4)
ROW, COLUMN, FLAT = M[0], M[:, :1], M[:, 0]


def shapes():
    return figures.lined_up([{"m": M, "row": ROW}, {"m": M, "column": COLUMN}, {"m": M, "flat": FLAT}])


def panel(first, second):
    return parsed(figures.lined_up([{"first": first, "second": second}])).figure


def table(figure):
    return [[cell.text for cell in row.find_all(["th", "td"])[1:]] for row in figure.find_all("tr")[1:]]


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        (M, ROW, [["3", "4"], ["none → 3", "4"], ["3", "4"]]),
        (M, COLUMN, [["3", "4"], ["3", "1 → 4"], ["3", "4"]]),
        (ROW, COLUMN, [["none → 3", "4"], ["3", "1 → 4"], ["3", "4"]]),
        (M, FLAT, [["3", "4 ✗"], ["none → 3", "3 ✗"], ["3", "✗"]]),
        (ROW, ROW, [["4"], ["4"], ["4"]]),
    ],
)
def test_shapes_are_lined_up_from_the_right(first, second, rows):
    assert table(panel(first, second)) == rows


@pytest.mark.parametrize(("second", "copies"), [(ROW, 8), (COLUMN, 9), (M, 0)])
def test_the_entries_are_those_of_the_difference_and_copies_are_dashed(second, copies):
    svg = panel(M, second).svg
    assert len(svg.select("rect.ghost")) == copies and len(svg.select("rect")) == 36
    entries = [float(text.text.replace("−", "-")) for text in svg.select("text") if text.text not in "−="]
    assert entries[24:] == (M - second).flatten().tolist()
    assert "minus" in svg["aria-label"] and svg["aria-label"].endswith(f"{(M - second)[2, 3]:g}")


def test_shapes_that_do_not_fit_have_no_entries_and_say_why():
    figure = panel(M, FLAT)
    assert figure.svg is None and "neither is 1" in figure.p.text
    with pytest.raises(RuntimeError):
        M - FLAT


# All of them on a page


@pytest.fixture(scope="module")
def drawings(stamps, stamps_bank):
    new, anchors = split_bank(stamps, stamps_bank)
    star = figures.star_of_angles(POINT, LANDMARKS, NAMES, 50)
    matrix = figures.relative_matrix(new, anchors, [3, 6, 19, 32], i=1, j=2)
    return [figures.two_matrices(stamps_bank, ROWS, ORDER), star, matrix, figures.who_sees_what(stamps)]


@pytest.fixture(scope="module")
def page(drawings, tmp_path_factory):
    return report_page(tmp_path_factory.mktemp("page"), *drawings)


def test_no_view_of_any_drawing_of_the_book_has_a_barrier(browser, drawings, tmp_path):
    long = "a caption of an anchor that goes on and on"
    pictures = figures.labelled_pictures([STAMP] * 7, [long] * 7, ["mathematical symbol"] * 7)
    bars = figures.scores_without(STAMP, long, [long] * 2, [0.4, 0.2], [0.3, 0.3], [(STAMP, long)] * 7, [])
    matrix = figures.confusion_matrix(np.full((13, 13), 88), ["mathematical symbol"] * 13)
    others = [arriving(), shapes(), test_origin.drawn(), test_steps.drawn(), tiles(), pictures, bars, matrix]
    roots = ".asif-drawn, .asif-arriving, .asif-shapes, .asif-steps, .asif-tiles"
    check_views(browser, report_page(tmp_path, *drawings, *others), f":is({roots})")


def test_words_in_a_picture_are_large_enough_and_inside_and_panels_stack_on_a_phone(browser, page):
    for viewport, columns in ((DESKTOP, 3), ({"width": 360, "height": 800}, 1), (PHONE, 1)):
        tab = opened(browser, page, viewport)
        scale = "all => Math.min(...all.map(one => one.getScreenCTM().a * parseFloat(getComputedStyle(one).fontSize)))"
        assert tab.eval_on_selector_all("svg text", scale) >= 11
        for figure in tab.locator(".asif-star figure").all():
            frame = figure.bounding_box()
            for word in figure.locator("text").all():
                box = word.bounding_box()
                assert frame["x"] - 8 <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"] + 8
        lefts = tab.eval_on_selector_all(".asif-star figure", "all => all.map(one => one.getBoundingClientRect().left)")
        assert len(set(lefts)) == columns
        tab.context.close()
