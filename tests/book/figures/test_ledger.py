"""A ledger adds up to both scores; a tick in the browser is the removal that the library does."""

import pytest
import torch
from drawn_pages import check_views, opened, parsed, report_page

from asif_book.figures import score_ledger
from asif_lib.explain.counterfactual import without
from asif_lib.zeroshot import ASIF

LABELS = ["mathematical symbol", "insect"]


@pytest.fixture(scope="module")
def asked(stamps_bank, text_encoder):
    """A model, the embedding of a drawn spider outside the bank, and both prompts."""
    row = stamps_bank.pairs["caption"].tolist().index("A spider.")
    bank = stamps_bank.subset([i for i in range(len(stamps_bank)) if i != row])
    prompts = text_encoder.encode([f"a photo of a {label}." for label in LABELS])
    return ASIF(bank, device="cpu"), stamps_bank.image[[row]], prompts, stamps_bank.pairs["picture"].iloc[row]


def drawn(asked):
    model, z, prompts, picture = asked
    return score_ledger(model, picture, "A spider.", z, LABELS, prompts)


def sums(tab):
    cells = tab.locator("tfoot tr").last.locator("td").all_text_contents()
    return [float(cell) for cell in cells]


def test_the_rows_and_the_rest_add_up_to_both_scores(asked):
    model, z, prompts, _ = asked
    soup = parsed(drawn(asked))
    rows = [[float(cell.get_text()) for cell in row.select("td .number")] for row in soup.select("tbody tr")]
    picture, first = (cell.get_text() for cell in soup.select("tbody td")[:2])  # 0.551, × 0.897 = 0.494
    factor, product = first.strip("× ").split(" = ")
    assert float(picture) * float(factor) == pytest.approx(float(product), abs=1e-3)
    rest = [float(cell.get_text()) for cell in soup.select("tfoot tr")[0].find_all("td")]
    scores = model.similarity(z, prompts)[0]
    assert torch.tensor([*rows, rest]).sum(dim=0).tolist() == pytest.approx(scores.tolist(), abs=0.008)
    assert [float(sum_["value"]) for sum_ in soup.select("data")] == pytest.approx(scores.tolist(), abs=1e-6)
    assert len(rows) == 10 and soup.select_one("td.ring").get_text() == f"{scores.max():.3f}"


@pytest.mark.parametrize("center", [True, False])
def test_a_tick_is_a_removal(browser, tmp_path, asked, center):
    model, z, prompts = ASIF(asked[0].bank, 40, 3, center=center, device="cpu"), *asked[1:3]
    ledger = drawn((model, *asked[1:]))
    tab = opened(browser, report_page(tmp_path, ledger))
    shown = [int(row["data-anchor"]) for row in parsed(ledger).select("tbody tr")]
    for count, place in enumerate([0, 3, 5, 1], 1):
        tab.get_by_role("checkbox").nth(place).uncheck()
        gone = [shown[place] for place in [0, 3, 5, 1][:count]]
        scores = without(model, z, prompts, gone).scores[0]
        assert sums(tab) == pytest.approx(scores.tolist(), abs=6e-4)
        told = f"{count} anchor{'s are' if count > 1 else ' is'} out. The answer is “{LABELS[int(scores.argmax())]}”."
        assert tab.locator(".asif-ledger [role=status]").text_content() == told
    for box in tab.get_by_role("checkbox").all():
        box.check()
    assert sums(tab) == pytest.approx(model.similarity(z, prompts)[0].tolist(), abs=6e-4)
    assert tab.complaints == []


def test_ledgers_share_a_page_in_any_script_and_stay_without_scripts(browser, tmp_path, asked):
    model, z, prompts, picture = asked
    bank = model.bank.replace(pairs=model.bank.pairs.assign(caption="كلب."))
    arabic = score_ledger(ASIF(bank, device="cpu"), picture, "عنكبوت.", z, ["رمز", "حشرة"], prompts)
    page = report_page(tmp_path, drawn(asked), arabic)
    for java_script_enabled in (True, False):
        tab = opened(browser, page, java_script_enabled=java_script_enabled)
        found = tab.locator(".asif-drawn >> nth=1").locator(":is(.anchor span, bdi)")
        assert {one.evaluate("e => getComputedStyle(e).direction") for one in found.all()} == {"rtl"}
        assert tab.get_by_role("checkbox").count() == 20 * java_script_enabled
        assert tab.locator(".asif-ledger tbody tr").count() == 20
    tab = opened(browser, page)
    tab.get_by_role("checkbox").first.focus()
    tab.keyboard.press("Space")
    told = tab.locator("[role=status]").all_text_contents()
    assert told[0].startswith("1 anchor is out.") and told[1].startswith("The answer is “") and tab.complaints == []
    check_views(browser, page, ".asif-ledger")


@pytest.mark.parametrize("settings", [{"hubs": 0.5}, {"whiten": 0.8}])
def test_a_model_that_corrects_for_hubs_or_whitens_has_a_table_without_boxes(asked, settings):
    model, z, prompts, picture = asked
    model = ASIF(model.bank, **settings, device="cpu")
    soup = parsed(drawn((model, z, prompts, picture)))
    assert soup.script is None and len(soup.select("tbody tr")) == 10
    sums = [float(x["value"]) for x in soup.select("data")]
    assert sums == pytest.approx(model.similarity(z, prompts)[0].tolist(), abs=1e-6)
