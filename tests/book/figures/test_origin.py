"""The origin that a reader moves: the cosines are those of the library, and the distances stay."""

import pytest
import torch
from drawn_pages import DESKTOP, opened, parsed, report_page

from asif_book.figures import moving_origin
from asif_lib import relative_representation

POINT, LANDMARKS = torch.tensor([[1.5, 1.5]]), torch.tensor([[3.0, 0.5], [-0.5, 2.5], [-2.0, -1.5]])


def drawn():
    return moving_origin(POINT, LANDMARKS, ["cat", "dog", "ship"], origin=(-0.5, 2.0))


def seen_from(*origin):
    return relative_representation(POINT - torch.tensor(origin), LANDMARKS - torch.tensor(origin))[0].tolist()


def cosines(tab):
    return tab.eval_on_selector_all("td.live data", "all => all.map(one => +one.value)")


def test_without_scripts_the_table_says_the_same():
    soup = parsed(drawn())
    for column, origin in (("first", (0.0, 0.0)), ("live", (-0.5, 2.0))):
        assert [float(one["value"]) for one in soup.select(f"td.{column} data")] == pytest.approx(seen_from(*origin))
    assert [row.find_all("td")[-1].text for row in soup.select("tbody tr")] == ["1.80", "2.24", "4.61"]
    assert "Seen from (−0.5, 2.0)" in soup.text and soup.select_one(".controls").has_attr("hidden")


def test_the_origin_follows_the_pointer_the_keys_and_the_button(browser, tmp_path):
    tab = opened(browser, report_page(tmp_path, drawn()), DESKTOP)
    tab.locator(".handle").scroll_into_view_if_needed()
    box = tab.locator(".asif-origin figure svg").bounding_box()
    unit, middle = box["width"] * 40 / 300, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.move(middle[0] - 0.5 * unit, middle[1] - 2 * unit)
    tab.mouse.down()
    tab.mouse.move(middle[0] + unit, middle[1] + unit)
    tab.mouse.up()
    tab.mouse.move(*middle)  # let go: nothing follows any more
    assert cosines(tab) == pytest.approx(seen_from(1.0, -1.0), abs=0.01)
    tab.locator("input[name=x]").press("ArrowRight")
    assert cosines(tab) == pytest.approx(seen_from(1.1, -1.0), abs=0.01)
    tab.get_by_role("button", name="to the mean of the landmarks").click()
    assert cosines(tab) == pytest.approx(seen_from(0.2, 0.5), abs=1e-6)
    assert "Seen from (0.2, 0.5)" in tab.locator("[role=status]").text_content() and tab.complaints == []
