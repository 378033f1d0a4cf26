"""Dots with intervals hold the numbers of the measures, and fit every window."""

from itertools import pairwise

import pytest
from drawn_pages import DESKTOP, barriers, opened, parsed, report_page

from asif_book.figures import interval_dots
from asif_lib.evaluation.measures import Measure

A, B = Measure(0.5, 0.4, 0.7, 10), Measure(0.2, 0.1, 0.3, 10)
LONG = "a rather long name of a method, and 50 of its anchors"


def values(plot, *names):
    """What stands at places of a plot, in the unit of its axis."""
    low, high = float(plot["data-low"]), float(plot["data-high"])
    return [low + float(plot.select_one(name)[side].rstrip("%")) / 100 * (high - low) for name, side in names]


def test_dots_stand_at_their_values_between_the_ends_of_their_intervals():
    page = parsed(interval_dots({"a": {"x": A, "y": B}, "b": {"y": A}}, xlabel="accuracy", chance=0.1))
    x, y = page.select(".plot")
    found = values(x, ("svg", "x"), (".interval", "x1"), (".interval", "x2"), (".chance", "x1"))
    assert found == pytest.approx([50, 40, 70, 10], abs=0.05)
    assert [mark["y"] for mark in y.select("svg")] == ["9", "22"]  # a line for each series
    assert y.select_one("svg.series-1")["x"] == x.svg["x"] and y.select("path")[0]["d"] != y.select("path")[1]["d"]
    assert x["aria-label"] == "a, x: 50.0% [40.0%, 70.0%], n = 10"
    assert "chance, 10.0\N{NO-BREAK SPACE}%" in page.select_one(".key").text and "20.0\N{NO-BREAK SPACE}%" in page.text


def test_differences_have_signs_a_line_at_0_a_margin_and_verdicts():
    gaps = {"old": Measure(0.005, -0.0004, 0.022, 50), "new": Measure(-0.01, -0.08, 0.02, 50)}
    page = parsed(interval_dots({"": gaps}, xlabel="change", zero=True, margin=0.05, notes={"new": "undecided"}))
    old, new = page.select(".lane:has(.plot)")
    assert values(old.select_one(".plot"), (".chance", "x1"), (".margin", "x")) == pytest.approx([0, -5], abs=0.05)
    assert "+0.5 [0.0, +2.2]" in old.text and "undecided" not in old.text
    assert {"−5", "0"} <= {text.text for text in page.select("text")}
    assert new.select_one(".note").text == "undecided"


def test_an_auc_has_three_digits_a_recall_its_own_chance_and_no_numbers_a_sentence():
    assert "0.500 [0.400, 0.700]" in parsed(interval_dots({"a": {"x": A}}, xlabel="AUC", plain=True)).text
    page = parsed(interval_dots({"a": {"x": A, "y": B}}, xlabel="R@k", chance={"x": 0.1, "y": 0.2}))
    chances = [values(plot, (".chance", "x1"))[0] for plot in page.select(".plot")]
    assert chances == pytest.approx([10, 20], abs=0.05)
    assert "have no numbers for it: AUC" in interval_dots({"a": {}}, xlabel="AUC").data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    series = {name: {LONG: A, "Hindi": B} for name in "abc"}
    drawn = [interval_dots(series, xlabel=LONG, chance=0.01, joined=joined) for joined in (False, True)]
    drawn.append(interval_dots({"": {LONG: A, "Hindi": B}}, xlabel=LONG, zero=True, notes={"Hindi": LONG}))
    return report_page(tmp_path_factory.mktemp("page"), *drawn)


@pytest.mark.parametrize("width", [320, DESKTOP["width"]])
def test_a_plot_is_wide_and_no_words_collide_or_are_cut(browser, page, width):
    tab = opened(browser, page, {"width": width, "height": 800}, color_scheme="dark")
    assert barriers(tab) == {} and tab.complaints == []
    whole, plots = (tab.eval_on_selector_all(at, "all => all.map(one => one.getBoundingClientRect().width)")
                    for at in (".asif-dots", ".asif-dots:not(.joined) .plot"))  # fmt: skip
    narrow = width < 600  # there, a plot has the whole width; else the values stand beside it
    assert min(plots) > whole[0] - 40 if narrow else min(plots) > 0.6 * whole[0]
    assert whole[0] > 0.85 * min(width, 500) and tab.evaluate("document.documentElement.scrollWidth") <= width
    left = tab.locator(".asif-dots").first.bounding_box()["x"]
    boxes = "all => all.map(one => [...one.children].map(one => one.getBoundingClientRect()).map(b => [b.x, b.right]))"
    for ticks in tab.eval_on_selector_all(".axis", boxes):
        assert all(right + 4 < left for (_, right), (left, _) in pairwise(ticks))
        assert len(ticks) > 2 and ticks[0][0] >= left - 1 and ticks[-1][1] <= left + whole[0] + 1
    smallest = "all => Math.min(...all.map(one => parseFloat(getComputedStyle(one).fontSize)))"
    assert tab.eval_on_selector_all(".asif-dots *", smallest) >= 12
    tab.context.close()
