"""The four steps of sparsification answer in the browser, with the numbers of the library."""

import pytest
import torch
from drawn_pages import PHONE, opened, parsed, report_page
from PIL import Image

from asif_book.figures import four_steps
from asif_lib.errors import ParameterError
from asif_lib.sparse import sparsify

COSINES = torch.tensor([0.5595, -0.1513, 0.4157, 0.1237, 0.3928, 0.5575, 0.0026, -0.0339, 0.3596, 0.0572, 0.0, 0.408])
CAPTIONS = [f"Anchor {letter} & <b>co</b>." for letter in "abcdefghijkl"]
BLUES = {"light": "rgb(0, 114, 178)", "dark": "rgb(106, 165, 255)"}


def drawn(k=6, p=2, cosines=COSINES):
    pictures = [Image.new("RGB", (40, 30), "tan")] * len(cosines)
    return four_steps("A stamp.", cosines, pictures, CAPTIONS[: len(cosines)], k, p)


def columns(soup):
    """The numbers of the table, a list for each step."""
    rows = [[float(entry["value"]) for entry in row.find_all("data")] for row in soup.select("tbody tr")]
    return list(zip(*rows, strict=True))


def column(tab, step):
    return tab.eval_on_selector_all("tbody tr", f"rows => rows.map(row => +row.querySelectorAll('data')[{step}].value)")


def turn(tab, name, value, root=".asif-steps"):
    turned = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"
    tab.locator(f"{root} input[name={name}]").first.evaluate(turned, value)


def test_the_table_without_scripts_shows_the_steps_of_the_library():
    soup = parsed(drawn())
    ordered = COSINES.sort(descending=True).values
    cosines, kept, clamped, powered, normalised = map(torch.tensor, columns(soup))
    assert torch.allclose(cosines, ordered)
    assert kept[:6].equal(cosines[:6]) and not kept[6:].any() and clamped.equal(kept)
    assert torch.allclose(powered, clamped**2)
    assert torch.allclose(normalised, sparsify(ordered[None], 6, 2).to_dense()[0])
    assert soup.select("tbody th")[1].get_text(strip=True) == "Anchor f & <b>co</b>."
    assert len(soup.select("tr.last-kept")) == 1
    assert soup.select_one(".controls").has_attr("hidden")


def test_a_forgotten_cosine_stays_as_an_outline_of_its_size():
    rows = parsed(drawn(k=12)).select("tbody tr")
    bars = [[(bar["class"], float(bar["x"]), float(bar["width"])) for bar in row.find_all("rect")] for row in rows]
    lowest = pytest.approx(float(-COSINES.min()))
    assert bars[-1][1] == (["picture"], pytest.approx(float(COSINES.min())), lowest)  # among the k largest
    for kind, x, width in bars[-1][2:]:
        assert kind == ["ghost"] and -x == lowest and width == lowest
    assert bars[0][4][0] == ["picture"]


def test_k_and_p_out_of_range_are_refused():
    for wrong in ({"k": 13}, {"p": 0}):
        with pytest.raises(ParameterError):
            drawn(**wrong)


def test_the_browser_computes_what_the_library_computes(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()))
    ordered = COSINES.sort(descending=True).values
    for k, p in [(1, 1), (3, 1), (6, 2), (10, 3), (11, 8), (12, 1), (12, 16)]:
        turn(tab, "k", k)
        turn(tab, "p", p)
        expected = sparsify(ordered[None], k, p).to_dense()[0].tolist()
        assert column(tab, 4) == pytest.approx(expected, abs=5e-5), (k, p)
        fresh = parsed(drawn(k, p))
        words = tab.eval_on_selector_all("data", "all => all.map(one => one.textContent)")
        assert words == [entry.get_text() for entry in fresh.find_all("data")]
        bars = tab.eval_on_selector_all(".bar rect", "all => all.map(bar => bar.getAttribute('class'))")
        assert bars == [bar["class"][0] for bar in fresh.select(".bar rect")]
        widths = tab.eval_on_selector_all(".bar rect", "all => all.map(bar => +bar.getAttribute('width'))")
        assert widths == pytest.approx([float(bar["width"]) for bar in fresh.select(".bar rect")], abs=1e-6)
        assert tab.locator(".asif-steps [role=status]").text_content() == fresh.select_one("[role=status]").get_text()
        last = CAPTIONS[COSINES.argsort(descending=True)[k - 1]]
        assert tab.locator("tr.last-kept th").text_content().strip() == last
    assert tab.complaints == []


def test_nothing_similar_leaves_a_row_of_zeros(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn(k=2, p=16, cosines=-COSINES[:1].repeat(3))))
    assert column(tab, 4) == [0, 0, 0]
    assert "0 of 3 entries" in tab.locator(".asif-steps [role=status]").text_content()


def test_knobs_turn_by_keyboard_say_the_answer_and_disturb_no_other(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn(), drawn(k=3)))
    k = tab.get_by_role("slider", name="k, entries kept").first
    assert k.is_visible() and tab.get_by_role("slider", name="p, exponent").first.is_visible()
    k.focus()
    tab.keyboard.press("ArrowRight")
    told = tab.locator(".asif-steps [role=status]")
    assert told.first.text_content().startswith("k = 7, p = 2: 7 of 12 entries are above 0.")
    assert k.evaluate("input => getComputedStyle(input).outlineStyle") == "solid"
    tab.keyboard.press("End")
    assert [words[:13] for words in told.all_text_contents()] == ["k = 12, p = 2", "k = 3, p = 2:"]
    assert tab.complaints == []


def test_without_scripts_the_message_stays(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()), java_script_enabled=False)
    assert tab.get_by_role("slider").count() == 0
    assert tab.get_by_role("row").count() == 13 and tab.get_by_text("k = 6, p = 2: 6 of 12").is_visible()
    bar = tab.locator("tbody .picture").first
    assert bar.bounding_box()["width"] > 30


def test_a_bar_of_the_picture_is_blue_in_every_theme(browser, tmp_path):
    page = report_page(tmp_path, drawn())
    for scheme in ("light", "dark"):
        tab = opened(browser, page, PHONE, color_scheme=scheme)
        assert tab.locator("rect.picture").first.evaluate("bar => getComputedStyle(bar).fill") == BLUES[scheme]
