"""The drawing of broadcasting: it stretches what PyTorch stretches, and refuses what PyTorch refuses."""

import pytest
import torch
from bs4 import BeautifulSoup

from asif_book.figures import lined_up

M = torch.arange(12.0).reshape(3, 4)
ROW, COLUMN, FLAT = M[0], M[:, :1], M[:, 0]


def drawn():
    return lined_up([{"m": M, "row": ROW}, {"m": M, "column": COLUMN}, {"m": M, "flat": FLAT}])


def panel(first, second):
    return BeautifulSoup(lined_up([{"first": first, "second": second}]).data, "html.parser").figure


def table(figure):
    return [[cell.text for cell in row.find_all(["th", "td"])[1:]] for row in figure.find_all("tr")[1:]]


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        (M, ROW, [["3", "4"], ["none → 3", "4"], ["3", "4"]]),
        (M, COLUMN, [["3", "4"], ["3", "1 → 4"], ["3", "4"]]),
        (ROW, COLUMN, [["none → 3", "4"], ["3", "1 → 4"], ["3", "4"]]),
        (M, FLAT, [["3", "4 ✗"], ["none → 3", "3 ✗"], ["3", "✗"]]),
        (ROW, ROW, [["4"], ["4"], ["4"]]),
    ],
)
def test_shapes_are_lined_up_from_the_right(first, second, rows):
    assert table(panel(first, second)) == rows


@pytest.mark.parametrize(("second", "copies"), [(ROW, 8), (COLUMN, 9), (M, 0)])
def test_the_entries_are_those_of_the_difference_and_copies_are_dashed(second, copies):
    svg = panel(M, second).svg
    assert len(svg.select("rect.ghost")) == copies and len(svg.select("rect")) == 36
    entries = [float(text.text.replace("−", "-")) for text in svg.select("text") if text.text not in "−="]
    assert entries[24:] == (M - second).flatten().tolist()
    assert "minus" in svg["aria-label"] and svg["aria-label"].endswith(f"{(M - second)[2, 3]:g}")


def test_shapes_that_do_not_fit_have_no_entries_and_say_why():
    figure = panel(M, FLAT)
    assert figure.svg is None and "neither is 1" in figure.p.text
    with pytest.raises(RuntimeError):
        M - FLAT
