"""Figures of chapters 02 and 03: labelled axes, and what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from asif_book import figures
from asif_lib.evaluation.measures import Measure

RED, GREEN = (Image.new("RGB", (20, 20), colour) for colour in ("#d00000", "#00a000"))


def labelled(figure):
    assert isinstance(figure, Figure) and figure.alt
    figure.canvas.draw()
    for axis in figure.axes:
        place = axis.get_subplotspec()  # a colour bar has no place among the rows
        if axis.axison and place and place.is_last_row():
            assert axis.get_xlabel(), "an axis without a label"
    assert any(axis.get_ylabel() for axis in figure.axes)
    return figure.axes


def shown(axis):
    """The distinct colours, other than white, of the picture in an axis."""
    pixels = axis.images[0].get_array().reshape(-1, 3)
    return {tuple(int(c) for c in p) for p in np.unique(pixels, axis=0)} - {(255, 255, 255)}


def test_group_sizes_puts_the_largest_on_top():
    (axis,) = labelled(figures.group_sizes(["a", "b", "b", "c", "b", "c"]))
    assert [bar.get_width() for bar in axis.patches] == [1, 2, 3]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "c", "b"]


def test_picture_pairs_show_both_pictures_and_the_title():
    pictures, captions = [RED, GREEN, GREEN], ["one", "two", "three"]
    figure = figures.picture_pairs(pictures, captions, [(0, 1), (1, 2)], ["note", "other"], columns=2)
    assert [len(shown(axis)) for axis in figure.axes] == [2, 1]
    assert figure.axes[0].get_xlabel() == "one\n→ two\nnote"
    assert figure.alt == "Pairs of pictures, left → right: one → two note; two → three other"
    left, right = np.split(figure.axes[0].images[0].get_array(), 2, axis=1)
    assert (left == (208, 0, 0)).all(axis=2).any() and not (left == (0, 160, 0)).all(axis=2).any()
    assert (right == (0, 160, 0)).all(axis=2).any()


def test_picture_rows_name_each_row_and_title_each_picture():
    figure = figures.picture_rows(
        {"mine": [(RED, "a red square"), (GREEN, "a green one")], "yours": [(GREEN, "x")] * 2}
    )
    axes = np.array(figure.axes).reshape(2, 2)
    assert [axis.get_ylabel() for axis in axes[:, 0]] == ["mine", "yours"]
    assert [axis.get_xlabel() for axis in axes[0]] == ["a red square", "a green one"]
    assert [[shown(axis) for axis in row] for row in axes] == [[{(208, 0, 0)}, {(0, 160, 0)}], [{(0, 160, 0)}] * 2]


def test_similarity_density_draws_all_pairs_and_the_means():
    x, y = np.linspace(0, 1, 100), np.linspace(1, 0, 100)
    bins = pd.DataFrame({"centre": [0.25, 0.75], "mean": [0.7, 0.2], "low": [0.6, 0.1], "high": [0.9, 0.3]})
    axis = labelled(figures.similarity_density(x, y, bins))[0]
    assert "0.70 at 0.25; 0.20 at 0.75" in axis.figure.alt
    assert axis.collections[0].get_array().sum() == 100
    line = next(line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o")
    assert line.get_ydata().tolist() == [0.7, 0.2]
    ends = np.array(axis.containers[0][2][0].get_segments())[:, :, 1]
    assert ends == pytest.approx(np.array([[0.6, 0.9], [0.1, 0.3]]))


def test_shuffle_control_draws_every_shuffle_and_the_observed_value():
    panels = {"r": (0.3, (0.25, 0.35), [0.0, 0.01, -0.01]), "share": (0.2, (0.1, 0.3), [0.02, 0.03])}
    axes = labelled(figures.shuffle_control(panels))
    assert [axis.get_xlabel() for axis in axes] == ["r", "share"]
    assert [axis.lines[0].get_xdata()[0] for axis in axes] == [0.3, 0.2]
    assert [sum(bar.get_height() for bar in axis.containers[0]) for axis in axes] == [3, 2]


def test_shared_neighbours_mark_those_in_both_rows():
    figure = figures.shared_neighbours(
        RED,
        "a stamp",
        [(GREEN, "first"), (RED, "second")],
        [(RED, "second"), (RED, "third")],
        ([False, True], [True, False]),
    )
    axes = np.array(figure.axes).reshape(2, 3)
    assert axes[0, 0].get_xlabel() == "a stamp"
    starred = [["★" in axis.get_title() for axis in row[1:]] for row in axes]
    assert starred == [[False, True], [True, False]]
    framed = [[axis.spines["top"].get_visible() for axis in row[1:]] for row in axes]
    assert framed == starred
    assert shown(axes[0, 1]) == {(0, 160, 0)}
    assert axes[1, 2].get_xlabel() == "third"


def test_coverage_histogram_counts_every_item():
    (axis,) = labelled(figures.coverage_histogram({"pictures": [0.1, 0.5, 0.9], "captions": [0.2, 1.0]}))
    assert sum(bar.get_height() for bar in axis.containers[0]) == 3
    assert [line.get_xdata()[0] for line in axis.lines] == pytest.approx([0.5, 0.6])


def test_coverage_by_count_draws_mean_percentile_and_spread_in_the_colour_of_the_choice():
    at_random = np.array([[[0.4, 0.1], [0.6, 0.3]], [[0.6, 0.3], [0.8, 0.5]]])
    (axis,) = labelled(figures.coverage_by_count([10, 100], {"mine": at_random[:1], "at random": at_random}))
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["mean, mine"].get_ydata() == pytest.approx([0.4, 0.6])
    assert lines["mean, at random"].get_ydata() == pytest.approx([0.5, 0.7])
    assert lines["5th percentile, at random"].get_ydata() == pytest.approx([0.2, 0.4])
    colours = {name: line.get_color() for name, line in lines.items()}
    assert colours["mean, mine"] == colours["5th percentile, mine"] != colours["mean, at random"]
    heights = axis.collections[2].get_paths()[0].vertices[:, 1]  # the band of the means at random
    assert (heights.min(), heights.max()) == pytest.approx((0.405, 0.795))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["10", "100"]


def test_relative_under_changes_draws_cosines_now_and_before():
    changes = {"as it is": lambda rows: rows, "mirrored": lambda rows: rows * [1, -1], "shifted": lambda r: r + 1}
    figure = figures.relative_under_changes([1, 0], [[2, 0], [0, 3]], changes, ["cat", "dog"])
    labelled(figure)
    planes, bars = np.array(figure.axes).reshape(2, 3)
    assert [axis.get_title() for axis in planes] == list(changes)
    heights = [[bar.get_height() for bar in axis.patches] for axis in bars]
    assert heights[0] == pytest.approx([1, 0, 1, 0])
    assert heights[1] == pytest.approx([1, 0, 1, 0])
    z, a = np.array([2, 1]), np.array([[3, 1], [1, 4]])
    expected = a @ z / np.linalg.norm(a, axis=1) / np.linalg.norm(z)
    assert heights[2] == pytest.approx([*expected, 1, 0])
    assert {text.get_text() for text in planes[0].texts} == {"cat", "dog"}


def test_before_after_draws_each_entry():
    axes = labelled(figures.before_after([0.1, 0.5], {"turned": [0.1, 0.5], "shifted": [0.7, 0.8]}))
    assert [axis.get_title() for axis in axes] == ["turned", "shifted"]
    assert axes[1].lines[1].get_xdata().tolist() == [0.1, 0.5]
    assert axes[1].lines[1].get_ydata().tolist() == [0.7, 0.8]


def test_cosines_before_after_mark_both_means():
    axes = labelled(figures.cosines_before_after({"pictures": ([0.2, 0.4], [-0.1, 0.1]), "captions": ([0, 1], [0, 0])}))
    assert [axis.get_title() for axis in axes] == ["pictures", "captions"]
    assert [line.get_xdata()[0] for line in axes[0].lines] == pytest.approx([0.3, 0.0])
    assert [line.get_xdata()[0] for line in axes[1].lines] == pytest.approx([0.5, 0.0])


def test_recall_points_draw_values_intervals_and_chance():
    measures = {"plain": [Measure(0.2, 0.1, 0.4, 9)], "centred": [Measure(0.5, 0.45, 0.6, 9)]}
    (axis,) = labelled(figures.recall_points([5], measures, [0.03]))
    assert [c[0].get_ydata()[0] for c in axis.containers] == [0.2, 0.5]
    ends = [c[2][0].get_segments()[0][:, 1].tolist() for c in axis.containers]
    assert ends == [pytest.approx([0.1, 0.4]), pytest.approx([0.45, 0.6])]
    assert next(line for line in axis.lines if line.get_label() == "chance").get_ydata() == [0.03]
    assert axis.get_xticklabels()[0].get_text() == "R@5"


def test_caption_search_marks_the_own_caption():
    rows = [(1, "a red square", 0.8, True), (2, "a green square", 0.4, False)]
    figure = figures.caption_search([RED, GREEN], [rows, rows[1:]])
    left, right = figure.axes[:2]
    assert shown(left) == {(208, 0, 0)}
    assert [label.get_text() for label in right.get_yticklabels()] == ["1. a red square ✔", "2. a green square"]
    assert [bar.get_width() for bar in right.patches] == [0.8, 0.4]
    top, bottom = (bar.get_y() for bar in right.patches)
    assert top > bottom
    assert figure.axes[-1].get_xlabel() == "score (cosine)"
