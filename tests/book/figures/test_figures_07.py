"""The figures of chapter 07 show the data that they are given, with labelled axes."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from asif_book.figures import harm_profile, labelled_pictures, learning_curve, within_margin
from asif_book.figures.palette import INK, MARK
from asif_lib.evaluation.measures import Measure


def test_learning_curve_draws_means_intervals_lessons_and_chance():
    curve = {0: (Measure(0.2, 0.15, 0.3, 50), [0.2]), 5: (Measure(0.6, 0.5, 0.7, 50), [0.55, 0.65])}
    figure = learning_curve({"tuned": curve, "as before": {0: curve[0], 20: curve[5]}}, chance=0.1)
    assert isinstance(figure, Figure)
    (axis,) = figure.axes
    assert axis.get_xlabel() and axis.get_ylabel()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "5", "20"]
    first, second = axis.containers
    assert first[0].get_ydata() == pytest.approx([0.2, 0.6])
    assert np.round(first[0].get_xdata()).tolist() == [0, 1]
    assert np.round(second[0].get_xdata()).tolist() == [0, 2]
    ends = [segment[:, 1].tolist() for segment in first[2][0].get_segments()]
    assert np.array(ends) == pytest.approx(np.array([[0.15, 0.3], [0.5, 0.7]]))
    dots = np.concatenate([c.get_offsets()[:, 1] for c in axis.collections if isinstance(c, PathCollection)])
    assert sorted(dots) == pytest.approx([0.2, 0.2, 0.55, 0.55, 0.65, 0.65])
    assert first[0].get_linestyle() != second[0].get_linestyle()
    assert "chance, 10%" in [text.get_text() for text in axis.get_legend().get_texts()]


def test_within_margin_draws_the_margin_whatever_the_interval():
    gaps = {"old": Measure(0.005, -0.011, 0.022, 50), "new": Measure(-0.01, -0.08, 0.02, 50)}
    for shown, end in (({"old": gaps["old"]}, 0.05), (gaps, 0.08)):
        (axis,) = within_margin(shown, 0.05, xlabel="change, points").axes
        assert axis.get_xlabel() == "change, points" and "±5 points" in axis.get_title(loc="left")
        dashed = [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"]
        assert dashed == [-0.05, 0.05]
        low, high = axis.get_xlim()
        assert low == -high and high > end  # room for the margin and for the longest interval
    assert [label.get_text() for label in axis.get_yticklabels()] == ["old", "new"]


def test_harm_profile_names_those_that_do_harm_the_worst_first():
    figure = harm_profile(np.array([0.1, -0.2, 0.5, 0.3, 0.0]), ["a", "b", "c", "d", "e"], top=4)
    (axis,) = figure.axes
    assert axis.get_xlabel()
    assert [bar.get_width() for bar in axis.patches] == [0.5, 0.3, 0.1]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["c", "d", "a"]
    assert axis.yaxis_inverted()  # the worst on top
    assert len(harm_profile(np.array([0.1, 0.2]), ["a", "b"], top=1).axes[0].patches) == 1
    assert len(harm_profile(np.array([1, 0.006, 0.004]), list("abc")).axes[0].patches) == 2  # no bar looks empty


def test_labelled_pictures_tell_right_from_wrong_by_colour_and_symbol():
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    figure = labelled_pictures(pictures, ["a bag", "a coat", "a bag"], ["a bag", "a shirt", "a bag"], columns=2)
    first, second, third, rest = figure.axes
    assert first.get_xlabel() == "✔ a bag"
    assert second.get_xlabel() == "✘ a coat\n(a shirt)"
    assert third.get_visible() and not rest.get_visible()
    edges = [axis.spines["left"].get_edgecolor()[:3] for axis in (first, second)]
    assert edges == [to_rgb(INK), to_rgb(MARK)]
    assert first.images[0].get_array()[48, 48].tolist() == [255, 0, 0]


def test_figures_say_in_words_what_they_show():
    curve = {5: (Measure(0.6, 0.5, 0.7, 50), [0.55, 0.65])}
    assert "tuned 5: 60%; chance 10%" in learning_curve({"tuned": curve}, chance=0.1).alt
    assert "old: +0.5, -1.1, +2.2" in within_margin({"old": Measure(0.005, -0.011, 0.022, 50)}, 0.05, xlabel="c").alt
    assert "2 of 3 anchors do harm; the worst: c 0.5000; a 0.1000" in harm_profile([0.1, -0.2, 0.5], list("abc")).alt
    picture = Image.new("RGB", (8, 8))
    assert "a coat (true: a shirt)" in labelled_pictures([picture], ["a coat"], ["a shirt"]).alt
