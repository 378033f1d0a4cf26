"""The ledger of one decision adds up to its score; the browser strikes rows out."""

import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from drawn_pages import opened, report_page
from PIL import Image

from asif_book.figures import four_steps, score_ledger
from asif_lib.explain.contribution import contributions
from asif_lib.zeroshot import ASIF

STAMP = Image.new("RGB", (40, 30), "tan")
REASONS = pd.DataFrame(
    {
        "picture": [STAMP] * 3,
        "caption": ["Dollar sign.", "Euro & <b>cent</b> sign. 100 cents make 1 Euro, as everybody knows.", "A girl."],
        "image": [0.5, 0.4, 0.2],
        "text": [0.4, 0.25, 0.1],
        "contribution": [0.2, 0.1, 0.02],
    }
)


def drawn(reasons=REASONS, rival=("insect", 0.216)):
    return score_ledger(STAMP, "A spider.", "mathematical symbol", reasons, rival=rival)


def sums(soup):
    return [float(entry["value"]) for entry in soup.find_all("data")]


def shown(tab):
    return tab.eval_on_selector_all("data", "all => all.map(one => one.textContent)")


def test_the_running_sum_reaches_the_score():
    soup = BeautifulSoup(drawn().data, "html.parser")
    assert sums(soup) == pytest.approx([0.2, 0.3, 0.32, 0.32])
    bars = [(float(bar["x"]), float(bar["width"])) for bar in soup.select(".product")]
    assert bars == [pytest.approx(pair) for pair in [(0, 0.2), (0.2, 0.1), (0.3, 0.02)]]
    cells = [cell.get_text(strip=True) for cell in soup.select("tbody tr")[0].find_all(["th", "td"])]
    assert cells == ["", "Dollar sign.", "0.500", "0.400", "0.200", "0.200"]
    assert "The score of “insect” is smaller: 0.216." in soup.select_one("[role=status]").get_text()


def test_many_anchors_share_the_last_row():
    many = pd.concat([REASONS] * 10, ignore_index=True)
    rows = BeautifulSoup(drawn(many).data, "html.parser").select("tbody tr")
    assert len(rows) == 13 and "18 more anchors" in rows[-1].get_text()
    assert float(rows[-1].find("data")["value"]) == pytest.approx(many.contribution.sum())


def test_it_adds_up_to_the_models_score(stamps_bank):
    model = ASIF(stamps_bank, device="cpu")
    image, text = model.images(stamps_bank.image[5:6]), model.texts(stamps_bank.text[5:6])
    soup = BeautifulSoup(drawn(contributions(image, text, stamps_bank.pairs), rival=None).data, "html.parser")
    assert sums(soup)[-1] == pytest.approx(float(image.similarity(text)), abs=1e-6)
    assert soup.select(".rival") == [] and "insect" not in soup.get_text()


def test_rows_are_struck_out_by_mouse_and_keyboard(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()))
    assert shown(tab) == ["0.200", "0.300", "0.320", "0.320"]
    told = tab.locator(".asif-ledger [role=status]")
    assert told.text_content() == BeautifulSoup(drawn().data, "html.parser").select_one("[role=status]").get_text()
    dollar = tab.get_by_role("checkbox", name="Count Dollar sign.")
    dollar.uncheck()
    assert shown(tab) == ["0.000", "0.100", "0.120", "0.120"]
    words = "1 row is struck out. The sum for “mathematical symbol” is now 0.120."
    assert told.text_content() == f"{words} The score of “insect” is larger: 0.216."
    assert "the score was 0.320" in tab.locator("tfoot th").text_content()
    assert tab.locator("rect.ghost").count() == 1 and tab.locator("tr.struck th").inner_text().endswith("Dollar sign.")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    assert told.text_content().startswith("2 rows are struck out.") and shown(tab)[-1] == "0.020"
    focused = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused == "solid"
    for box in tab.get_by_role("checkbox").all():
        box.check()
    assert shown(tab) == ["0.200", "0.300", "0.320", "0.320"] and tab.locator("rect.ghost").count() == 0
    assert tab.get_by_text("An unticked row only loses its product here").is_visible()
    assert tab.complaints == []


def test_two_ledgers_and_the_four_steps_share_a_page(browser, tmp_path):
    steps = four_steps("A stamp.", torch.tensor([0.5, 0.3, 0.1]), [STAMP] * 3, list("abc"), 2, 2)
    tab = opened(browser, report_page(tmp_path, drawn(), steps, drawn(rival=None)))
    tab.get_by_role("checkbox").first.uncheck()
    told = tab.locator("[role=status]").all_text_contents()
    assert told[0].startswith("1 row") and told[1].startswith("k = 2") and told[2].endswith("symbol”.")
    assert tab.complaints == []


def test_without_scripts_the_message_stays(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()), java_script_enabled=False)
    assert tab.get_by_role("checkbox").count() == 0 and tab.get_by_role("row").count() == 5
    assert tab.get_by_text("The products add up to 0.320").is_visible()
    colours = "all => all.map(bar => getComputedStyle(bar).fill)"
    assert set(tab.eval_on_selector_all(".product", colours)) == {"rgb(0, 158, 115)"}
    marks = tab.eval_on_selector_all("thead .mark *", colours)
    assert marks == ["rgb(0, 114, 178)", "rgb(213, 94, 0)"]


def test_pictures_in_the_table_get_no_scrolling_box_of_their_own(tmp_path):
    soup = BeautifulSoup(report_page(tmp_path, drawn()).read_text(encoding="utf-8"), "html.parser")
    assert len(soup.select("table.drawn img")) == 4 and soup.select("table.drawn .scroll") == []
