"""Figures of chapter 09: curves by method and by bank, and the pictures that keep a hub."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from PIL import Image

from asif_book.figures import curves_by_bank, curves_by_method, hub_before_after
from asif_book.figures.palette import ANCHOR

CURVES = pd.DataFrame(
    [
        ("stamps", "ASIF", 50, 0.3, "reference"),
        ("stamps", "ASIF", 200, 0.5, "reference"),
        ("stamps", "ridge", 50, 0.28, "undecided"),
        ("stamps", "ridge", 200, 0.4, "worse"),
    ],
    columns=["bank", "method", "size", "value", "verdict"],
).assign(low=0.2, high=0.6, chance=0.05, transductive=False, needs_labels=False)


def test_a_rival_has_a_filled_mark_only_where_it_differs_for_certain():
    figure = curves_by_method(CURVES, ylabel="recall")
    (panel,) = (axis for axis in figure.axes if axis.get_visible())
    assert panel.get_title() == "ridge"
    certain = panel.lines[2]
    assert (list(certain.get_xdata()), list(certain.get_ydata())) == ([200], [0.4])
    assert "ridge: 28% at 50, 40% at 200" in figure.alt


def test_every_lowest_panel_has_numbers_under_it():
    rivals = [CURVES[CURVES["method"] == "ridge"].assign(method=name) for name in ("b", "linear probe", "d", "e")]
    rivals[1]["needs_labels"] = True
    figure = curves_by_method(pd.concat([CURVES[CURVES["method"] == "ASIF"], *rivals]), ylabel="recall")
    figure.canvas.draw()
    panels = [axis for axis in figure.axes if axis.get_visible()]
    shown = [any(label.get_visible() for label in axis.get_xticklabels()) for axis in panels]
    assert shown == [False, True, True, True]  # three columns, and one panel in the second row
    assert panels[1].get_title() == "linear probe\n(needs labels)"


def test_no_curve_leaves_the_axis():
    probe = CURVES[CURVES["method"] == "ridge"].assign(method="linear probe", value=0.9, low=0.85, high=0.95)
    figure = curves_by_method(pd.concat([CURVES, probe]), ylabel="recall")
    for axis in figure.axes:
        low, high = axis.get_ylim()
        assert low == 0 and high >= 0.95


def test_banks_have_a_line_each():
    figure = curves_by_bank(CURVES.assign(bank=["a", "a", "b", "b"]), ylabel="recall")
    assert [line.get_label() for line in figure.axes[0].lines[:2]] == ["a", "b"]


def test_pictures_that_keep_the_hub_have_a_frame_and_the_others_are_pale():
    pictures = [Image.new("RGB", (8, 8), "black")] * 4
    before, after = np.array([True, True, False, True]), np.array([False, True, False, False])
    figure = hub_before_after(pictures[0], "A hub.", pictures, before, after)
    hub, *shown = figure.axes
    assert hub.get_xlabel() == "A hub."
    assert [axis.images[0].get_alpha() == 1 for axis in shown] == [True, True, True, False, True, False]
    framed = [to_rgb(axis.spines["left"].get_edgecolor()) == to_rgb(ANCHOR) for axis in shown]
    assert framed == [True, True, True, False, True, False]
    assert "3 of 4 pictures before the correction, and of 1 after it. 1 of the 3 pictures" in figure.alt
