"""The second act of a bank's page: a drawing is asked as a file, taught by its word, and forgotten without a trace."""

import base64
import io

import numpy as np
import pytest
import torch
from drawn_pages import DESKTOP, opened_page
from pages import barriers
from PIL import Image
from test_walk import PHONE, complaints, needs_programs

from asif_book.page.building import bank_page
from asif_lib import ASIF

pytestmark = needs_programs
ANSWERS = "sheets.map(({ button }) => button.textContent)"


@pytest.fixture(scope="module")
def page(stamps_bank, tmp_path_factory):
    """The page of the stamps with both encoders beside it."""
    file = tmp_path_factory.mktemp("draw") / "bank.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asif_book.page.building.QUESTIONS", 10)
        bank_page(stamps_bank, file)
    return file


def line(tab, number, points):
    """Draw through these points, (n, 2) from 0 to 1, on a sheet, and let go."""
    box = tab.locator("#sheets canvas").nth(number).bounding_box()
    (x, y), *rest = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    tab.mouse.move(x, y)
    tab.mouse.down()
    for x, y in rest:
        tab.mouse.move(x, y)
    tab.mouse.up()


def creature(tab, number, colour, legs):
    """Draw a round body with legs and two eyes, and wait for the answer."""
    angle = np.linspace(0, 2 * np.pi, 25)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    tab.get_by_role("radio", name="thick").check()
    tab.get_by_role("radio", name=colour).check()
    line(tab, number, 0.25 * ring + [0.5, 0.42])
    for x in np.linspace(0.35, 0.65, legs):
        line(tab, number, [(x, 0.65), (x, 0.9)])
    for x in (0.42, 0.58):
        line(tab, number, 0.04 * ring + [x, 0.38])
    answered(tab, number)


def answered(tab, number):
    """Wait until the drawing on a sheet and the beam have their answer."""
    asked = f"sheets[{number}].own && sheets[{number}].button.querySelector('b') && moving === null"
    tab.wait_for_function(asked, timeout=120_000)


@pytest.mark.parametrize("viewport", [DESKTOP | {"height": 800}, PHONE])
def test_one_drawing_is_learned_found_again_and_forgotten_without_a_trace(
    browser, page, viewport, image_encoder, stamps_bank
):
    tab = opened_page(browser, page, viewport)
    tab.get_by_role("button", name="Now draw your own").click()
    creature(tab, 0, "red", 3)
    assert tab.locator("#coming").evaluate("one => one.querySelector('progress').value > 20")
    before, scores = tab.evaluate(ANSWERS), tab.evaluate("[...now.scores, state.words]")
    png = tab.evaluate("sheets[0].canvas.toDataURL()").partition(",")[2]
    z = image_encoder.encode([Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")])
    page_z = torch.tensor([tab.evaluate("[...state.own.z]")])
    assert torch.cosine_similarity(page_z, z).item() > 0.999
    [label] = ASIF(stamps_bank, whiten=0.8, device="cpu").classify(
        z, tab.evaluate("bank.words"), templates=["a photo of {}."]
    ).best  # fmt: skip
    assert before[0].startswith(f"{label} ")
    tab.locator("#teach-word").fill("a zorp")
    tab.locator("#teach-word").press("Enter")
    tab.wait_for_function("find('teach-says').textContent.includes('from one drawing')", timeout=120_000)
    assert "It learned “a zorp” from one drawing. Nothing was trained" in tab.locator("#teach-says").text_content()
    beam = "[find('says').getBoundingClientRect().top, innerHeight - find('first').getBoundingClientRect().bottom]"
    assert min(tab.evaluate(beam)) >= 0  # it swings in sight
    if viewport is PHONE:
        tab.locator("#sheets canvas").nth(1).click()  # a tap makes it large
    creature(tab, 1, "green", 4)
    tab.wait_for_function(f"{ANSWERS}.slice(0, 2).every((text) => text.startsWith('a zorp '))")
    assert tab.evaluate("wordOf(now.best)") == "a zorp"
    assert barriers(tab) == {} and tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Make a card").click()
    assert Image.open(download.value.path()).size == (1200, 630)
    tab.get_by_role("button", name="Forget a photo of a zorp.").click()
    tab.wait_for_function(f"!taught.length && moving === null && {ANSWERS}[0] === {before[0]!r}")
    tab.wait_for_function("!document.querySelector('#sheets .learned')")
    assert not tab.locator("#shown").is_visible()
    tab.locator("#sheets button").first.click()
    tab.wait_for_function("state.own === sheets[0].own && moving === null")
    assert tab.evaluate("[...now.scores, state.words]") == scores
    assert complaints(tab) == []
    tab.context.close()


def test_undo_and_clear_change_the_answer_and_nothing_is_taught_meanwhile(browser, page):
    tab = opened_page(browser, page)
    tab.get_by_role("button", name="Now draw your own").click()
    creature(tab, 0, "blue", 2)
    lines = tab.evaluate("sheets[0].strokes.length")
    assert lines == 5 and tab.locator("#teach-it").is_enabled()
    tab.get_by_role("button", name="Undo").click()
    assert tab.locator("#teach-it").is_disabled() and tab.evaluate("sheets[0].strokes.length") == lines - 1
    answered(tab, 0)
    tab.get_by_role("button", name="Clear").click()
    assert tab.evaluate(ANSWERS)[0] == "Draw here" and tab.locator("#teach-it").is_disabled()
    tab.get_by_role("button", name="Back to the first act").click()
    tab.wait_for_function("state.question === 0 && moving === null")
    assert complaints(tab) == []
    tab.context.close()
