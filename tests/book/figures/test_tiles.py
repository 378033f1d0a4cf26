"""Tiles that pass over a matrix: the drawing keeps what a search keeps, and forgets the rest."""

import pytest
import torch
from bs4 import BeautifulSoup
from drawn_pages import PHONE, opened, report_page
from PIL import Image

from asif_book.figures import inverted_index, passing_tiles
from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.relative import relative_representation

PICTURES = [Image.new("RGB", (40, 30), "tan")] * 3
COSINES = torch.rand((3, 48), generator=torch.Generator().manual_seed(0)) - 0.4


def drawn(cosines=COSINES, k=3, block=8):
    return passing_tiles(cosines, PICTURES, k, block)


def moments(page):
    return BeautifulSoup(page.data, "html.parser").select(".matrix")


def cosines_of(matrix, kind):
    return sorted(float(bar["data-cosine"]) for bar in matrix.select(f"rect.{kind}"))


def test_a_cell_is_lit_where_a_text_has_an_anchor_of_the_picture(stamps, stamps_bank):
    model, asked = ASIF(stamps_bank, device="cpu"), stamps.splits["test"][:8]
    picture, texts = model.images(stamps_bank.image[asked[:1]]), model.texts(stamps_bank.text[asked])
    page = BeautifulSoup(inverted_index(stamps_bank, picture, texts, stamps_bank.pairs.iloc[asked]).data, "html.parser")
    products = (picture.to_dense() * texts.to_dense()).numpy()  # (8, n)
    captions = stamps_bank.pairs.caption.tolist()
    for row in page.select("tbody tr"):
        lit = [cell.has_attr("style") for cell in row.find_all("td")]
        same = [i for i, caption in enumerate(captions) if caption == row.select_one(".anchor > span").text]
        assert any(lit) and lit in [(products[:, i] > 0).tolist() for i in same]
    *_, scores = page.select("tfoot tr")
    assert [float(cell.text) for cell in scores.find_all("td")] == pytest.approx(products.sum(axis=1), abs=6e-4)
    assert f"; {(products > 0).sum()} of them are lit" in page.caption.text


def test_each_moment_keeps_the_k_best_so_far(stamps, stamps_bank):
    asked, few = stamps.splits["test"][:3], stamps.splits["train"][::10][:48]
    mean = stamps_bank.image_mean
    cosines = relative_representation(stamps_bank.image[asked], stamps_bank.image[few], mean=mean)
    for matrix, tile in zip(moments(drawn(cosines)), (1, 3, 6), strict=True):
        best = cosines[:, : 8 * tile].topk(3, dim=1).values
        assert cosines_of(matrix, "kept") == sorted(best.flatten().tolist())
        told = [[float(one["value"]) for one in row.find_all("data")] for row in matrix.select(".best > div")]
        assert told == best.tolist()
        assert len(matrix.select("rect[data-cosine]")) == 3 * 8 * tile


def test_past_tiles_are_ghosts_and_later_ones_are_empty():
    first, middle, last = moments(drawn())
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
    for bar in moments(drawn())[-1].select("rect[data-cosine]"):
        y, height, cosine = (float(bar[name]) for name in ("y", "height", "data-cosine"))
        assert height == pytest.approx(0.9 * abs(cosine) / span, abs=1e-5)
        assert int(y) == int(y + height) or y + height == pytest.approx(int(y) + 1)  # in its own row


def test_words_tell_the_moment_without_the_picture():
    words = moments(drawn())[1].svg["aria-label"]
    assert words.startswith("Tile 3 of 6 is computed. The 2 before it are forgotten, but for the kept cosines. 3 are")
    best = COSINES[0, :24].topk(3).values.tolist()
    assert "Picture 1 keeps " + " ".join(f"{one:.2f}" for one in best) in words


def test_tiles_that_do_not_fit_are_refused():
    for k, block in ((3, 7), (0, 8), (9, 8)):
        with pytest.raises(ParameterError, match="multiple"):
            drawn(k=k, block=block)


def test_one_tile_is_one_moment():
    assert len(moments(drawn(COSINES[:, :8]))) == 1


def test_rows_stand_beside_their_pictures(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()), PHONE)
    for place in tab.locator(".asif-tiles .matrix").all():
        heights = [place.locator(part).bounding_box()["height"] for part in (".asked", "svg", ".best")]
        assert max(heights) - min(heights) < 1
