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


def turn(tab, name, value):
    turned = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"
    tab.locator(f".asif-steps input[name={name}]").first.evaluate(turned, value)


def test_the_table_without_scripts_shows_the_steps_of_the_library_and_outlines_what_is_forgotten():
    soup = parsed(drawn())
    ordered = COSINES.sort(descending=True).values
    rows = [[float(entry["value"]) for entry in row.find_all("data")] for row in soup.select("tbody tr")]
    cosines, kept, clamped, powered, normalised = torch.tensor(rows).T
    assert torch.allclose(cosines, ordered)
    assert kept[:6].equal(cosines[:6]) and not kept[6:].any() and clamped.equal(kept)
    assert torch.allclose(powered, clamped**2)
    assert torch.allclose(normalised, sparsify(ordered[None], 6, 2).to_dense()[0])
    assert soup.select("tbody th")[1].get_text(strip=True) == "Anchor f & <b>co</b>."
    assert soup.select_one(".controls").has_attr("hidden") and len(soup.select("tr.last-kept")) == 1
    last = [(bar["class"], float(bar["width"])) for bar in parsed(drawn(k=12)).select("tbody tr")[-1].find_all("rect")]
    size = pytest.approx(float(-COSINES.min()))
    assert last == [(["picture"], size)] * 2 + [(["ghost"], size)] * 3  # negative: kept, and forgotten by the clamp
    for wrong in ({"k": 13}, {"p": 0}):
        with pytest.raises(ParameterError):
            drawn(**wrong)


def test_the_browser_computes_what_the_library_computes_and_knobs_turn_by_keyboard(browser, tmp_path):
    nothing = drawn(k=2, p=16, cosines=-COSINES[:1].repeat(3))
    page = report_page(tmp_path, drawn(), drawn(k=3), nothing)
    tab = opened(browser, page, PHONE, color_scheme="dark")
    first, *_ = told = tab.locator(".asif-steps [role=status]").all()
    for k, p in [(1, 1), (6, 2), (11, 8), (12, 1), (12, 16)]:
        turn(tab, "k", k)
        turn(tab, "p", p)
        fresh, shown = parsed(drawn(k, p)), tab.locator(".asif-steps").first
        assert shown.locator("data").all_text_contents() == [entry.get_text() for entry in fresh.find_all("data")]
        bars = shown.locator(".bar rect").evaluate_all(
            "all => all.map(b => [b.getAttribute('class'), +b.getAttribute('width')])"
        )
        assert [kind for kind, _ in bars] == [bar["class"][0] for bar in fresh.select(".bar rect")]
        widths = [float(bar["width"]) for bar in fresh.select(".bar rect")]
        assert [width for _, width in bars] == pytest.approx(widths, abs=1e-6)
        assert first.text_content() == fresh.select_one("[role=status]").get_text()
    tab.get_by_role("slider", name="p, exponent").first.press("Home")
    tab.get_by_role("slider", name="k, entries kept").first.press("ArrowLeft")
    assert [one.text_content()[:13] for one in told[:2]] == ["k = 11, p = 1", "k = 3, p = 2:"]
    assert "0 of 3 entries" in told[2].text_content()  # nothing is similar
    for scheme, blue in BLUES.items():
        tab.emulate_media(color_scheme=scheme)
        assert tab.locator("rect.picture").first.evaluate("bar => getComputedStyle(bar).fill") == blue
    assert tab.complaints == []
    tab = opened(browser, page, java_script_enabled=False)
    assert tab.get_by_role("slider").count() == 0 and tab.get_by_text("k = 6, p = 2: 6 of 12").is_visible()
