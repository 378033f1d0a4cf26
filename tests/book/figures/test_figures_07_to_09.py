"""The figures of chapters 07 to 09 show the data that they are given, with labelled axes, and tell it in words."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from small import GREEN, RED, column_names, ends, legend, pictures_of, row_names, stands_at, texts

from asif_book import figures
from asif_lib.evaluation.measures import Measure


def test_learning_curve_draws_means_intervals_lessons_and_chance():
    curve = {0: (Measure(0.2, 0.15, 0.3, 50), [0.2]), 5: (Measure(0.6, 0.5, 0.7, 50), [0.55, 0.65])}
    figure = figures.learning_curve({"tuned": curve, "as before": {0: curve[0], 20: curve[5]}}, chance=0.1)
    assert isinstance(figure, Figure)
    (axis,) = figure.axes
    assert axis.get_xlabel() and axis.get_ylabel() and column_names(axis) == ["0", "5", "20"]
    first, second = axis.containers
    assert first[0].get_ydata() == pytest.approx([0.2, 0.6])
    assert [np.round(each[0].get_xdata()).tolist() for each in (first, second)] == [[0, 1], [0, 2]]
    assert ends(first, "y") == pytest.approx(np.array([[0.15, 0.3], [0.5, 0.7]]))
    dots = np.concatenate([c.get_offsets()[:, 1] for c in axis.collections if isinstance(c, PathCollection)])
    assert sorted(dots) == pytest.approx([0.2, 0.2, 0.55, 0.55, 0.65, 0.65])
    assert first[0].get_linestyle() != second[0].get_linestyle()
    assert "chance, 10\xa0%" in legend(figure) and "tuned 5: 60%;" in figure.alt and figure.alt.endswith("; chance 10%")


def test_labelled_pictures_tell_right_from_wrong_by_frame_and_symbol():
    drawing = figures.labelled_pictures([RED, GREEN], ["bag", "coat"], ["bag", "shirt"], columns=2)
    assert pictures_of(drawing) == [("right", "✔ bag", (255, 0, 0)), ("", "✘ coat (shirt)", (0, 255, 0))]


def test_stage_bars_have_the_length_of_their_seconds_and_say_it():
    figure = figures.stage_bars({"here": {"encode": 2.0, "search": 0.5}, "paper": {"encode": 9e4, "search": 120.0}})
    axis = figure.axes[0]
    assert axis.get_xscale() == "log" and "seconds" in axis.get_xlabel() and row_names(axis) == ["encode", "search"]
    here, paper = axis.containers
    assert [[bar.get_width() for bar in bars] for bars in (here, paper)] == [[2.0, 0.5], [90_000.0, 120.0]]
    assert here[0].get_hatch() != paper[0].get_hatch()  # in black and white
    assert [text.strip() for text in texts(axis)] == ["2 s", "500 ms", "1.04 days", "2 min"]
    assert legend(figure) == ["here", "paper"] and "here, encode 2 s; here, search 500 ms" in figure.alt


TOLD = [(0.0123, "12.3 ms"), (5, "5 s"), (75, "1.25 min"), (7_200, "2 hours"), (180_000, "2.08 days")]
TOLD += [(0.9994, "999 ms"), (0.9996, "1 s"), (59.97, "1 min")]  # rounded into the next unit


@pytest.mark.parametrize(("seconds", "words"), TOLD)
def test_durations_are_told_in_a_unit_that_reads_well(seconds, words):
    assert figures.duration(seconds) == words


def test_around_the_threshold_sorts_the_anchors_into_kept_and_not():
    exact = np.array([0.9, 0.8, 0.71, 0.70, 0.69, 0.2])
    rounded = np.array([0.9, 0.8, 0.70, 0.72, 0.66, 0.2])  # the third and the fourth look turned round
    figure = figures.around_the_threshold(exact, rounded, k=3, lowest=0.68)
    axis = figure.axes[0]
    assert "true cosine" in axis.get_xlabel() and axis.get_ylabel()
    assert legend(figure) == ["not kept (2 in all)", "kept in vain (1)", "among the 3 best (3)", "lost (0)"]
    drawn = [collection.get_offsets().tolist() for collection in axis.collections]
    assert drawn[1] == [[0.70, 0.72]] and [0.71, 0.70] in drawn[2]
    upper, lower, vertical = axis.lines  # the third largest product, `lowest`, and the third largest cosine
    assert (upper.get_ydata()[0], lower.get_ydata()[0], vertical.get_xdata()[0]) == (0.72, 0.68, 0.71)
    assert "T = 0.7200. not kept (2 in all)" in figure.alt


def test_around_the_threshold_shows_what_a_wrong_bound_loses():
    figure = figures.around_the_threshold([0.9, 0.7, 0.6], [0.9, 0.5, 0.6], k=2, lowest=0.55)
    assert "lost (1)" in legend(figure)
    assert figure.axes[0].collections[3].get_offsets().tolist() == [[0.7, 0.5]]


def test_knob_curves_show_recall_difference_margin_and_choice():
    columns = {"effort": [1, 2, 4], "recall": [0.5, 0.8, 0.95], "agreement": [0.7, 0.9, 1.0]}
    columns |= {"difference": [-0.08, -0.01, 0.0], "low": [-0.1, -0.02, -0.004], "high": [-0.06, 0.0, 0.004]}
    table = pd.DataFrame(columns)
    table.attrs["knob"] = "nprobe"
    figure = figures.knob_curves(table, margin=3, chosen=2)
    above, below = figure.axes
    recall, same, _ = above.lines
    assert (recall.get_ydata().tolist(), same.get_ydata().tolist()) == (columns["recall"], columns["agreement"])
    assert recall.get_linestyle() != same.get_linestyle() and "nprobe" in below.get_xlabel()
    assert below.containers[0][0].get_ydata().tolist() == pytest.approx([-8, -1, 0])
    assert np.allclose(ends(below.containers[0], "y"), [[-10, -6], [-2, 0], [-0.4, 0.4]])
    assert any(list(line.get_ydata()) == [-3, -3] for line in below.lines)
    assert all(stands_at(axis, 2) for axis in (above, below))
    assert "1: 50%, -8.0 points; 2: 80%, -1.0 points" in figure.alt


def test_cost_curves_draw_measures_the_line_and_the_dense_matrix():
    sizes = np.array([10_000, 100_000, 1_600_000])
    figure = figures.cost_curves(sizes, [0.3, 1.2, 16.2], (0.2, 1e-5), [5e6, 6e6, 6e6], 4 * 64 * sizes)
    left, right = figure.axes
    for axis in (left, right):
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log") and "anchors" in axis.get_xlabel()
        assert column_names(axis) == ["10k", "100k", "1.6M"]
    measured, line, slope_one = (line.get_ydata() for line in left.lines)
    assert measured.tolist() == [0.3, 1.2, 16.2]
    assert line == pytest.approx([0.3, 1.2, 16.2]) and slope_one == pytest.approx([0.1, 1.0, 16.0])
    dense, blocks = (line.get_ydata() for line in right.lines)
    assert dense == pytest.approx(4 * 64 * sizes / 1e6) and blocks == pytest.approx([5, 6, 6])
    assert "10,000: 300 ms, 5 MB, dense 3 MB" in figure.alt


def test_cluster_timeline_gives_every_worker_its_row_and_marks_the_loss():
    figure = figures.cluster_timeline([(1, 1, 0.0, 0.5), (2, 2, 0.0, 0.4), (2, 3, 0.5, 0.9)], killed=(1, 0.6))
    (axis,) = figure.axes
    assert row_names(axis) == ["worker 1", "worker 2"]
    bars = [(bar.get_x(), bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in axis.patches]
    assert np.allclose(bars, [(0.0, 0.5, 0), (0.0, 0.4, 1), (0.5, 0.4, 1)])
    assert texts(axis) == ["1", "2", "3"]
    assert "numbers: order of the searches" in axis.get_xlabel()
    cross = next(line for line in axis.lines if line.get_marker() == "X")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (0.6, 0)


def test_cluster_timeline_shows_a_worker_that_finished_nothing():
    figure = figures.cluster_timeline([(2, 1, 0.0, 0.5)], killed=(1, 0.1))
    assert row_names(figure.axes[0]) == ["worker 1", "worker 2"]
    assert "worker 2: 1 searches; worker 1 killed after 100 ms" in figure.alt


CURVES = pd.DataFrame(
    [("ASIF", 50, 0.3, "reference"), ("ASIF", 200, 0.5, "reference"),
     ("ridge", 50, 0.28, "undecided"), ("ridge", 200, 0.4, "worse")],
    columns=["method", "size", "value", "verdict"],
).assign(bank="stamps", low=0.2, high=0.6, chance=0.05, transductive=False, needs_labels=False)  # fmt: skip
RIDGE = CURVES[CURVES["method"] == "ridge"]


def test_a_rival_has_a_filled_mark_only_where_it_differs_for_certain():
    figure = figures.curves_by_method(CURVES, ylabel="recall")
    (panel,) = (axis for axis in figure.axes if axis.get_visible())
    assert panel.get_title() == "ridge"
    assert panel.lines[2].get_xydata().tolist() == [[200, 0.4]]
    assert "ridge: 28% at 50, 40% at 200" in figure.alt


def test_every_lowest_panel_has_numbers_under_it():
    rivals = [RIDGE.assign(method=name) for name in ("b", "linear probe", "d", "e")]
    rivals[1]["needs_labels"] = True
    figure = figures.curves_by_method(pd.concat([CURVES[CURVES["method"] == "ASIF"], *rivals]), ylabel="recall")
    figure.canvas.draw()
    panels = [axis for axis in figure.axes if axis.axison]
    shown = [any(label.get_visible() for label in axis.get_xticklabels()) for axis in panels]
    assert shown == [False, True, True, True]  # three columns, and one panel in the second row
    assert panels[1].get_title() == "linear probe\n(needs labels)"


def test_no_curve_leaves_the_axis():
    probe = RIDGE.assign(method="linear probe", value=0.9, low=0.85, high=0.95)
    for axis in figures.curves_by_method(pd.concat([CURVES, probe]), ylabel="recall").axes:
        low, high = axis.get_ylim()
        assert low == 0 and high >= 0.95


def test_banks_have_a_line_each():
    figure = figures.curves_by_bank(CURVES.assign(bank=["a", "a", "b", "b"]), ylabel="recall")
    assert [line.get_label() for line in figure.axes[0].lines[:2]] == ["a", "b"]
