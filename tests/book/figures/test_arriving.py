"""The best anchors of one picture as pairs arrive: the drawing has the model's numbers."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from drawn_pages import opened, report_page
from PIL import Image

from asif_book.chapters.chapter_07.lessons import answers_of
from asif_book.classes import STAMP_CLASSES, with_classes
from asif_book.figures import best_anchors
from asif_lib import ASIF
from asif_lib.zeroshot import make_prompts

STAMP = Image.new("RGB", (40, 30), "tan")


def reasons(*products, arrived=False):
    captions = [f"Anchor & <b>{i}</b>, with a rather long caption." for i in range(len(products))]
    table = {"picture": STAMP, "caption": captions, "contribution": products, "arrived": arrived}
    return pd.DataFrame(table)


STAGES = {
    0: ("t-shirt", reasons(0.06, 0.01)),
    10: ("pullover", reasons(0.4, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01, arrived=True)),
    100: ("pullover", reasons(0.1, 0.09, 0.08, 0.07, 0.06, 0.05, arrived=True)),
}


def drawn():
    return best_anchors(STAMP, "pullover", STAGES)


def soup_of(page):
    return BeautifulSoup(page.data, "html.parser")


def test_each_row_has_its_five_best_their_bars_and_the_score():
    first, second, third = soup_of(drawn()).select(".stage")
    assert [len(row.select(".anchors-of > div")) for row in (first, second, third)] == [2, 5, 5]
    widths = [float(bar["width"]) for bar in second.select("rect.anchors")]
    assert (
        widths
        == [float(number["value"]) for number in second.select(".anchors-of data")]
        == [0.4, 0.05, 0.04, 0.03, 0.02]
    )
    assert float(second.select_one(".score")["value"]) == pytest.approx(0.56)
    assert "0.560, of which 0.020 from 2 more anchors" in second.get_text()
    assert "0.050 from 1 more anchor" in third.get_text() and "more" not in first.get_text()
    assert "Anchor & <b>0</b>, with" in first.get_text()
    assert soup_of(drawn()).select_one("svg.bar")["viewbox"].split()[2] == "0.4"  # one scale


def test_words_and_frames_tell_what_turns_and_what_arrived():
    rows = soup_of(drawn()).select(".stage")
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
    page = soup_of(best_anchors(stamps_bank.pairs.picture[asked[found]], classes[labels[found]], stages))
    scores = [float(score["value"]) for score in page.select(".score")]
    assert scores == pytest.approx([one[found].max() for one in given], abs=1e-6)
    last = ASIF(banks[393], device="cpu")
    products = last.images(z[[found]]).to_dense()[0] * last.texts(prompts).to_dense()[labels[found]]
    best = [float(number["value"]) for number in page.select(".stage")[-1].select(".anchors-of data")]
    assert best == pytest.approx(products.topk(5).values.tolist(), abs=1e-6)
    arrived = [anchor["class"] == ["arrived"] for anchor in page.select(".stage")[-1].select(".anchors-of > div")]
    assert arrived == (products.topk(5).indices >= 100).tolist()


def test_a_frame_tells_an_arrived_pair_without_colour(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()))
    frame = "img => [getComputedStyle(img).borderStyle, getComputedStyle(img).borderWidth]"
    assert tab.locator(".stamp img").first.evaluate(frame) == ["dashed", "1px"]
    assert tab.locator(".arrived img").first.evaluate(frame) == ["solid", "3px"]
    assert tab.locator(".asif-arriving .scroll").count() == 0
