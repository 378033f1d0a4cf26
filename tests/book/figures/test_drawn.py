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
from asif_lib import ASIF, relative_representation
from asif_lib.errors import ParameterError
from asif_lib.files import ROOT

STAMP = Image.new("RGB", (40, 30), "tan")
ROWS, ORDER = [13, 241, 400, 498, 665], [2, 0, 4, 1, 3]
POINT, LANDMARKS = torch.tensor([[1.5, 1.5]]), torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])
NAMES = ["cat", "dog", "ship"]


def numbers(path):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path["d"])]


@pytest.mark.parametrize("drawing", ["method.svg", "method_upright.svg"])
def test_the_committed_drawing_of_the_method_shows_the_numbers_of_the_model(drawing, stamps, stamps_bank):
    row = stamps.ids.index("animals/marsupials/kangaroo.png")
    model = ASIF(stamps_bank.subset(stamps.splits["train"] + stamps.splits["validation"]), device="cpu")
    texts = model.texts(model.prompts(["kangaroo"]))
    products = (model.images(stamps_bank.image[[row]]).to_dense() * texts.to_dense())[0]
    told = re.sub("<[^>]+>", " ", (ROOT / "notebooks" / "drawings" / drawing).read_text(encoding="utf-8"))
    for number in (products.sum(), *products.topk(5).values):  # the score, and the five largest products
        assert f"{number:.3f}" in told, "the method has changed: change the drawing"


def test_both_banks_hold_the_same_rows_and_only_the_captions_move_with_their_lines(stamps_bank):
    whole, shuffled = parsed(figures.two_matrices(stamps_bank, ROWS, ORDER)).find_all("table")
    captions = stamps_bank.pairs.caption[ROWS].tolist()
    for table, order in ((whole, range(5)), (shuffled, ORDER)):
        rows = table.select("tbody tr")[:5]
        assert [int(row.th.get_text()) for row in rows] == ROWS
        assert [row.img["alt"] for row in rows] == captions
        assert [row.select_one(".anchor").get_text() for row in rows] == [captions[at] for at in order]
    assert {path["class"][0] for path in whole.select(".links path")} == {"own"}
    for at, path in enumerate(shuffled.select(".links path")):
        assert ORDER[int(numbers(path)[3])] == at == int(numbers(path)[1])


def test_two_maps_give_one_star_with_the_cosines_of_the_library():
    star = parsed(figures.star_of_angles(POINT, LANDMARKS, NAMES, 50)).find_all("figure")[2]
    cosines = relative_representation(POINT, LANDMARKS)[0]
    for how in (1, 2):
        rays = torch.tensor([numbers(path)[2:] for path in star.select(f".map-{how}")])
        assert torch.allclose(-rays[:, 1] / rays.norm(dim=1), cosines, atol=1e-5)  # y grows downwards
    told = [text.get_text() for text in star.select("g text:not(.name)")]
    assert told == [f"cosine {cosine:.2f}".replace("-", "−") for cosine in cosines]


def test_the_matrix_holds_the_cosines_of_the_nearest_anchors(stamps, stamps_bank):
    new, anchors = (stamps_bank.subset(stamps.splits[split]) for split in ("validation", "train"))
    soup = parsed(figures.relative_matrix(new, anchors, [3, 6, 19], i=1, j=2))
    relative = relative_representation(new.image, anchors.image)[[3, 6, 19]]
    nearest = relative.argmax(dim=1)
    drawn = [[float(entry["value"]) for entry in row.find_all("data")] for row in soup.select("tbody tr")]
    assert torch.allclose(torch.tensor(drawn), relative[:, nearest], atol=1e-6)
    assert [one["alt"] for one in soup.select("thead img")] == anchors.pairs.caption[nearest.tolist()].tolist()
    assert soup.select_one(".meeting").data.get_text() == f"{relative[1, nearest[2]]:.2f}"


def arriving():
    def reasons(*products, arrived=False):
        captions = [f"Anchor & <b>{i}</b>, with a rather long caption." for i in range(len(products))]
        return pd.DataFrame({"picture": STAMP, "caption": captions, "contribution": products, "arrived": arrived})

    stages = {
        0: ("t-shirt", reasons(0.06, 0.01)),
        10: ("pullover", reasons(0.4, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01, arrived=True)),
    }
    return figures.best_anchors(STAMP, "pullover", stages)


def test_each_stage_has_its_five_best_what_turns_and_what_arrived():
    first, second = rows = parsed(arriving()).select(".stage")
    assert [len(row.select(".anchors-of > div")) for row in rows] == [2, 5]
    assert [float(bar["width"]) for bar in second.select("rect.anchors")] == [0.4, 0.05, 0.04, 0.03, 0.02]
    assert "0.560, of which 0.020 from 2 more anchors" in second.get_text()
    assert "Anchor & <b>0</b>, with" in first.get_text()
    for words, shown in (("the answer turns", [0, 1]), ("✔ right", [0, 1]), (" new", [0, 5])):
        assert [row.get_text().count(words) for row in rows] == shown


COSINES = torch.rand((3, 48), generator=torch.Generator().manual_seed(0)) - 0.4


def tiles(cosines=COSINES, k=3, block=8):
    return figures.passing_tiles(cosines, [STAMP] * 3, k, block)


def test_each_moment_keeps_the_k_best_so_far_and_past_tiles_are_ghosts():
    for matrix, tile in zip(parsed(tiles()).select(".matrix"), (1, 3, 6), strict=True):
        best = COSINES[:, : 8 * tile].topk(3, dim=1).values
        told = [[float(one["value"]) for one in row.find_all("data")] for row in matrix.select(".best > div")]
        assert told == best.tolist()
        assert len(matrix.select("rect[data-cosine]")) == 3 * 8 * tile
        assert (len(matrix.select(".past")), len(matrix.select(".next"))) == (tile - 1, 6 - tile)
        assert matrix.svg["aria-label"].startswith(f"Tile {tile} of 6 is computed.")
    for k, block in ((3, 7), (0, 8), (9, 8)):
        with pytest.raises(ParameterError, match="multiple"):
            tiles(k=k, block=block)


def test_a_cell_of_the_inverted_index_is_lit_where_a_text_has_an_anchor_of_the_picture(stamps, stamps_bank):
    model, asked = ASIF(stamps_bank, device="cpu"), stamps.splits["test"][:8]
    picture, texts = model.images(stamps_bank.image[asked[:1]]), model.texts(stamps_bank.text[asked])
    page = parsed(figures.inverted_index(stamps_bank, picture, texts, stamps_bank.pairs.iloc[asked]))
    products = (picture.to_dense() * texts.to_dense()).numpy()  # (8, n)
    captions = stamps_bank.pairs.caption.tolist()
    for row in page.select("tbody tr"):
        lit = [cell.has_attr("style") for cell in row.find_all("td")]
        same = [i for i, caption in enumerate(captions) if caption == row.select_one(".anchor > span").text]
        assert any(lit) and lit in [(products[:, i] > 0).tolist() for i in same]
    *_, scores = page.select("tfoot tr")
    assert [float(cell.text) for cell in scores.find_all("td")] == pytest.approx(products.sum(axis=1), abs=6e-4)


M = torch.arange(12.0).reshape(3, 4)
ROW, COLUMN, FLAT = M[0], M[:, :1], M[:, 0]
SHAPES = [
    (M, ROW, [["3", "4"], ["none → 3", "4"], ["3", "4"]], 8),
    (M, COLUMN, [["3", "4"], ["3", "1 → 4"], ["3", "4"]], 9),
    (ROW, COLUMN, [["none → 3", "4"], ["3", "1 → 4"], ["3", "4"]], 17),
    (M, FLAT, [["3", "4 ✗"], ["none → 3", "3 ✗"], ["3", "✗"]], 0),
]


@pytest.mark.parametrize(("first", "second", "rows", "copies"), SHAPES)
def test_shapes_are_lined_up_from_the_right_and_copies_are_dashed(first, second, rows, copies):
    figure = parsed(figures.lined_up([{"first": first, "second": second}])).figure
    assert [[c.text for c in row.find_all(["th", "td"])[1:]] for row in figure.find_all("tr")[1:]] == rows
    assert len(figure.select("rect.ghost")) == copies
    if figure.svg:
        entries = [float(text.text.replace("−", "-")) for text in figure.select("text") if text.text not in "−="]
        assert entries[-12:] == (first - second).flatten().tolist()
    else:
        assert "neither is 1" in figure.p.text


def test_answers_are_hidden_until_the_reader_bets_but_not_on_paper(browser, tmp_path):
    right = figures.labelled_pictures([STAMP] * 3, ["cup", "hat", "hat"], ["cup", "hat", "pea"], bet=True)
    tab = opened(browser, report_page(tmp_path, right))
    answers = tab.locator(".won, figcaption")
    assert answers.count() == 4 and not any(one.is_visible() for one in answers.all())
    tab.emulate_media(media="print")
    assert all(one.is_visible() for one in answers.all())
    tab.emulate_media(media="screen")
    tab.get_by_role("radio", name="3").check()
    assert all(one.is_visible() for one in answers.all())
    assert tab.locator(".won").inner_text().startswith("2 of 3 answers are right.")


def test_the_bars_of_labels_move_to_the_version_that_is_chosen(browser, tmp_path):
    figure = figures.versions(["cup", "hat"], {"before": [0.2, 0.1], "one more": [0.1, 0.4]})
    tab = opened(browser, report_page(tmp_path, figure), DESKTOP, reduced_motion="reduce")
    lengths = "all => all.map((bar) => Math.round(100 * bar.offsetWidth / bar.parentElement.offsetWidth))"
    assert tab.eval_on_selector_all(".named i", lengths) == [50, 25]
    tab.get_by_role("radio", name="one more").check()
    assert tab.eval_on_selector_all(".named i", lengths) == [25, 100]
    assert tab.locator("data").all_inner_texts() == ["0.200", "0.100", "0.100", "0.400"]


def test_no_view_of_any_drawing_of_the_book_has_a_barrier_or_small_words(browser, stamps, stamps_bank, tmp_path):
    new, anchors = (stamps_bank.subset(stamps.splits[split]) for split in ("validation", "train"))
    long = "a caption of an anchor that goes on and on"
    page = report_page(
        tmp_path, figures.two_matrices(stamps_bank, ROWS, ORDER), figures.star_of_angles(POINT, LANDMARKS, NAMES, 50),
        figures.relative_matrix(new, anchors, [3, 6, 19, 32], i=1, j=2), figures.who_sees_what(stamps), arriving(),
        figures.lined_up([{"m": M, "row": ROW}, {"m": M, "flat": FLAT}]), test_origin.drawn(), test_steps.drawn(),
        tiles(), figures.labelled_pictures([STAMP] * 7, [long] * 7, ["mathematical symbol"] * 7),
        figures.labelled_pictures([STAMP] * 2, ["cup"] * 2, ["cup", "hat"], bet=True),
        figures.versions(["cup", "hat"], {"before": [0.2, 0.1], "one more": [0.1, 0.4]}),
        figures.scores_without(STAMP, long, [long] * 2, [0.4, 0.2], [0.3, 0.3], [(STAMP, long)] * 7, []),
        figures.confusion_matrix(np.full((13, 13), 88), ["mathematical symbol"] * 13),
    )  # fmt: skip
    check_views(browser, page, ".asif-drawn")
    for viewport, columns in ((DESKTOP, 3), (PHONE, 1)):
        tab = opened(browser, page, viewport)
        scale = "all => Math.min(...all.map(one => one.getScreenCTM().a * parseFloat(getComputedStyle(one).fontSize)))"
        assert tab.eval_on_selector_all(".asif-star svg text", scale) >= 11
        lefts = tab.eval_on_selector_all(".asif-star figure", "all => all.map(one => one.getBoundingClientRect().left)")
        assert len(set(lefts)) == columns
        frame = "img => [getComputedStyle(img).borderStyle, getComputedStyle(img).borderWidth]"
        assert tab.locator(".arrived img").first.evaluate(frame) == ["solid", "3px"]  # told without colour
        tab.context.close()
