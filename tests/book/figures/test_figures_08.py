"""The figures of chapter 08 show the data that they are given, with labelled axes."""

import numpy as np
import pandas as pd
import pytest

from asif_book.chapters.chapter_08.figures import duration
from asif_book.figures import around_the_threshold, cluster_timeline, cost_curves, knob_curves, stage_bars


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_stage_bars_have_the_length_of_their_seconds_and_say_it():
    figure = stage_bars({"here": {"encode": 2.0, "search": 0.5}, "paper": {"encode": 90_000.0, "search": 120.0}})
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert "seconds" in axis.get_xlabel()
    assert [label.get_text() for label in axis.get_yticklabels()] == ["encode", "search"]
    here, paper = axis.containers
    assert [bar.get_width() for bar in here] == [2.0, 0.5]
    assert [bar.get_width() for bar in paper] == [90_000.0, 120.0]
    assert here[0].get_hatch() != paper[0].get_hatch()  # in black and white
    assert [text.strip() for text in texts(axis)] == ["2 s", "500 ms", "1.04 days", "2 min"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["here", "paper"]


TOLD = [(0.0123, "12.3 ms"), (5, "5 s"), (75, "1.25 min"), (7_200, "2 hours"), (180_000, "2.08 days")]
TOLD += [(0.9994, "999 ms"), (0.9996, "1 s"), (59.97, "1 min")]  # rounded into the next unit


@pytest.mark.parametrize(("seconds", "words"), TOLD)
def test_durations_are_told_in_a_unit_that_reads_well(seconds, words):
    assert duration(seconds) == words


def test_around_the_threshold_sorts_the_anchors_into_kept_and_not():
    exact = np.array([0.9, 0.8, 0.71, 0.70, 0.69, 0.2])
    rounded = np.array([0.9, 0.8, 0.70, 0.72, 0.66, 0.2])  # the third and the fourth look turned round
    figure = around_the_threshold(exact, rounded, k=3, lowest=0.68)
    axis = figure.axes[0]
    assert "true cosine" in axis.get_xlabel()
    assert axis.get_ylabel()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["not kept (2 in all)", "kept in vain (1)", "among the 3 best (3)", "lost (0)"]
    drawn = [collection.get_offsets().tolist() for collection in axis.collections]
    assert drawn[1] == [[0.70, 0.72]]
    assert [0.71, 0.70] in drawn[2]
    upper, lower, vertical = axis.lines
    assert upper.get_ydata()[0] == 0.72  # the third largest product
    assert lower.get_ydata()[0] == 0.68
    assert vertical.get_xdata()[0] == 0.71  # the third largest cosine


def test_around_the_threshold_shows_what_a_wrong_bound_loses():
    figure = around_the_threshold([0.9, 0.7, 0.6], [0.9, 0.5, 0.6], k=2, lowest=0.55)
    assert "lost (1)" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert figure.axes[0].collections[3].get_offsets().tolist() == [[0.7, 0.5]]


@pytest.fixture
def walked():
    columns = {"effort": [1, 2, 4], "recall": [0.5, 0.8, 0.95], "agreement": [0.7, 0.9, 1.0]}
    columns |= {"difference": [-0.08, -0.01, 0.0], "low": [-0.1, -0.02, -0.004], "high": [-0.06, 0.0, 0.004]}
    table = pd.DataFrame(columns)
    table.attrs["knob"] = "nprobe"
    return table


def test_knob_curves_show_recall_difference_margin_and_choice(walked):
    above, below = knob_curves(walked, margin=3, chosen=2).axes
    recall, same, _ = above.lines
    assert recall.get_ydata().tolist() == [0.5, 0.8, 0.95]
    assert same.get_ydata().tolist() == [0.7, 0.9, 1.0]
    assert recall.get_linestyle() != same.get_linestyle()
    assert "nprobe" in below.get_xlabel()
    points = below.containers[0]
    assert points[0].get_ydata().tolist() == pytest.approx([-8, -1, 0])
    ends = [segment[:, 1].tolist() for segment in points[2][0].get_segments()]
    assert np.allclose(ends, [[-10, -6], [-2, 0], [-0.4, 0.4]])
    assert any(list(line.get_ydata()) == [-3, -3] for line in below.lines)
    for axis in (above, below):
        assert any(list(line.get_xdata()) == [2, 2] for line in axis.lines)


def test_cost_curves_draw_measures_the_line_and_the_dense_matrix():
    sizes = np.array([10_000, 100_000, 1_600_000])
    left, right = cost_curves(sizes, [0.3, 1.2, 16.2], (0.2, 1e-5), [5e6, 6e6, 6e6], 4 * 64 * sizes).axes
    for axis in (left, right):
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
        assert "anchors" in axis.get_xlabel()
        assert [label.get_text() for label in axis.get_xticklabels()] == ["10k", "100k", "1.6M"]
    measured, line, slope_one = left.lines
    assert measured.get_ydata().tolist() == [0.3, 1.2, 16.2]
    assert line.get_ydata() == pytest.approx([0.3, 1.2, 16.2])
    assert slope_one.get_ydata() == pytest.approx([0.1, 1.0, 16.0])
    dense, blocks = right.lines
    assert dense.get_ydata() == pytest.approx(4 * 64 * sizes / 1e6)
    assert blocks.get_ydata() == pytest.approx([5, 6, 6])


def test_cluster_timeline_gives_every_worker_its_row_and_marks_the_loss():
    axis = cluster_timeline([(1, 1, 0.0, 0.5), (2, 2, 0.0, 0.4), (2, 3, 0.5, 0.9)], killed=(1, 0.6)).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["worker 1", "worker 2"]
    bars = [(bar.get_x(), bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in axis.patches]
    assert np.allclose(bars, [(0.0, 0.5, 0), (0.0, 0.4, 1), (0.5, 0.4, 1)])
    assert texts(axis) == ["1", "2", "3"]
    assert "numbers: searches in the order in which they began" in axis.get_xlabel()
    cross = next(line for line in axis.lines if line.get_marker() == "X")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (0.6, 0)


def test_cluster_timeline_shows_a_worker_that_finished_nothing():
    axis = cluster_timeline([(2, 1, 0.0, 0.5)], killed=(1, 0.1)).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["worker 1", "worker 2"]


def test_figures_say_in_words_what_they_show(walked):
    assert "here, encode 2 s; here, search 500 ms" in stage_bars({"here": {"encode": 2.0, "search": 0.5}}).alt
    assert "T = 0.6000. not kept (0 in all)" in around_the_threshold([0.9, 0.7, 0.6], [0.9, 0.6, 0.6], 2, 0.55).alt
    assert "1: 50%, -8.0 points; 2: 80%, -1.0 points" in knob_curves(walked, margin=3).alt
    assert "1,000: 300 ms, 5 MB, dense 7 MB" in cost_curves([1_000], [0.3], (0.2, 1e-4), [5e6], [7e6]).alt
    assert "worker 2: 1 searches; worker 1 killed after 100 ms" in cluster_timeline([(2, 1, 0.0, 0.5)], (1, 0.1)).alt
