"""The figures of chapters 04 and 05 show the data that they are given, with labelled axes."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from asif_book.figures import (
    confusion_matrix,
    interval_dots,
    line_chart,
    scaling,
    sparse_vector,
    sweep_heatmaps,
    trust_curves,
)
from asif_book.figures.palette import ON_LIGHT
from asif_lib.evaluation.measures import Measure
from asif_lib.sparse import sparsify


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_sparse_vector_shows_cosines_entries_and_pictures():
    relative = torch.tensor([0.1, 0.9, -0.5, 0.6, 0.3])
    vectors = {f"p = {p}": sparsify(relative[None], 3, p) for p in (1, 2)}
    pictures = [Image.new("RGB", (8, 8), c) for c in ("red", "green", "blue")]
    figure = sparse_vector(pictures[0], relative, vectors, pictures[1:], ["one", "two"])
    assert isinstance(figure, Figure)
    dense, kept, *thumbnails = figure.axes
    assert dense.get_xlabel() and dense.get_ylabel() == "cosine"
    assert kept.get_xlabel() and kept.get_ylabel()
    assert {line.get_label() for line in kept.lines} == {"p = 1", "p = 2"}
    for line, vector in zip(kept.lines, vectors.values(), strict=True):
        assert line.get_ydata() == pytest.approx(vector.values[0].numpy())
    cut = next(line for line in dense.lines if line.get_xdata()[0] == line.get_xdata()[1])
    assert cut.get_xdata()[0] == 3.5  # between the third and the fourth
    assert len(thumbnails) == 3
    assert "anchor 2: two" in texts(thumbnails[2])[0].replace("\n", " ")
    assert "p = 1, k = 3" in figure.alt and figure.alt.endswith("Most similar anchors: one; two")


def test_sweep_heatmaps_frame_the_best_cell_and_print_every_number():
    table = pd.DataFrame({"fraction": [0.1, 0.1, 0.5, 0.5], "p": [1, 8, 1, 8], "value": [0.2, 0.41, 0.3, 0.25]})
    figure = sweep_heatmaps({"one": table, "two": table.assign(value=[0.1, 0.2, 0.6, 0.3])}, value="recall")
    one, two, bar = figure.axes
    assert bar.get_ylabel() == "recall"
    assert one.get_xlabel() == "exponent p" and "k / n" in one.get_ylabel()
    assert sorted(texts(one)) == ["20", "25", "30", "41"]
    frames = [axis.patches[0].get_xy() for axis in (one, two)]
    assert frames == [(0.5, -0.5), (-0.5, 0.5)]  # column p = 8, row 0.1; column p = 1, row 0.5
    assert one.patches[0].get_edgecolor()[:3] == pytest.approx(to_rgb(ON_LIGHT))
    assert one.images[0].get_clim() == two.images[0].get_clim() == (0.1, 0.6)
    assert "one: best 41.0% at k / n = 0.1, p = 8; two: best 60.0% at k / n = 0.5, p = 1" in figure.alt


def test_interval_dots_draw_values_ends_and_chance():
    figure = interval_dots(
        {
            "a": {"x": Measure(0.5, 0.4, 0.7, 10), "y": Measure(0.2, 0.1, 0.3, 10)},
            "b": {"y": Measure(0.9, 0.9, 0.9, 3)},
        },
        xlabel="accuracy",
        chance=0.1,
    )
    axis = figure.axes[0]
    assert axis.get_xlabel() == "accuracy"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["x", "y"]
    first, second = axis.containers
    assert first[0].get_xdata().tolist() == [0.5, 0.2]
    ends = np.array([segment[:, 0] for segment in first[2][0].get_segments()])
    assert ends == pytest.approx(np.array([[0.4, 0.7], [0.1, 0.3]]))
    assert round(second[0].get_ydata()[0]) == 1  # the row of y
    assert first[0].get_marker() != second[0].get_marker()
    assert any("10.0%" in text.get_text() for text in figure.legends[0].get_texts())
    assert "a, x: 50.0% [40.0%, 70.0%], n = 10" in figure.alt and figure.alt.endswith("chance 10.0%")


def test_interval_dots_of_differences_mark_zero_and_show_signs():
    figure = interval_dots({"a": {"x": Measure(0.05, -0.02, 0.1, 10)}}, xlabel="difference", zero=True)
    axis = figure.axes[0]
    assert any(list(line.get_xdata()) == [0, 0] for line in axis.lines)
    assert [axis.xaxis.get_major_formatter()(v, 0) for v in (-0.05, 0, 0.05)] == ["-5", "0", "+5"]


def test_line_chart_draws_curves_with_their_own_styles_and_marks():
    figure = line_chart(
        {"up": ([1, 10, 100], [0.1, 0.2, 0.4]), "down": ([1, 10, 100], [0.4, 0.2, 0.1])},
        xlabel="anchors",
        ylabel="share",
        logx=10,
        logy=True,
        percent=True,
        marks={"ours": 50},
    )
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("anchors", "share")
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    up, down, mark = axis.lines
    assert up.get_ydata().tolist() == [0.1, 0.2, 0.4]
    assert up.get_marker() != down.get_marker() and up.get_linestyle() != down.get_linestyle()
    assert mark.get_xdata()[0] == 50 and "ours" in texts(axis)[0]
    assert figure.alt == (
        "Curves, share against anchors. up: 0.1 at 1, 0.2 at 10, 0.4 at 100; down: 0.4 at 1, 0.2 at 10, 0.1 at 100"
    )


def test_a_theory_is_a_plain_line_on_which_the_series_are_markers():
    figure = line_chart(
        {"one": ([0, 1], [1, 0]), "other": ([0, 1], [1, 0])},
        theory={"1 − x": ([0, 0.5, 1], [1, 0.5, 0])},
        xlabel="x",
        ylabel="y",
    )
    theory, one, other = figure.axes[0].lines
    assert (theory.get_marker(), theory.get_linestyle(), theory.get_label()) == ("None", "-", "1 − x")
    assert one.get_linestyle() == other.get_linestyle() == "None"
    # both are seen where they coincide: the second inside the ring of the first
    assert one.get_fillstyle() == "none" and one.get_markersize() > other.get_markersize()
    assert "0.5 at 0.5" in figure.alt


def test_a_band_reaches_from_its_low_to_its_high_values():
    bands = {"range": ([1, 2], [0.1, 0.3], [0.2, 0.6])}
    figure = line_chart({"mean": ([1, 2], [0.15, 0.5])}, bands=bands, xlabel="x", ylabel="y")
    corners = {tuple(corner) for corner in figure.axes[0].collections[0].get_paths()[0].vertices.tolist()}
    assert corners == {(1, 0.1), (1, 0.2), (2, 0.3), (2, 0.6)}
    assert "range, low: 0.1 at 1, 0.3 at 2" in figure.alt and "range, high: 0.2 at 1, 0.6 at 2" in figure.alt


def test_confusion_matrix_prints_counts_where_they_belong():
    figure = confusion_matrix(np.array([[3, 1], [0, 2]]), ["cat", "dog"])
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("label given", "true class")
    assert {(*t.get_position(), t.get_text()) for t in axis.texts} == {(0, 0, "3"), (1, 0, "1"), (1, 1, "2")}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cat", "dog"]


def test_scaling_draws_means_and_every_seed():
    table = pd.DataFrame({"size": [10, 10, 50, 50], "seed": [0, 1, 0, 1], "value": [0.1, 0.3, 0.4, 0.6]})
    figure = scaling({"R@1": table}, ylabel="recall")
    axis = figure.axes[0]
    assert axis.get_xscale() == "log" and axis.get_ylabel() == "recall" and "anchors" in axis.get_xlabel()
    assert axis.lines[0].get_ydata() == pytest.approx([0.2, 0.5])
    assert axis.collections[0].get_offsets()[:, 1].tolist() == [0.1, 0.3, 0.4, 0.6]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["10", "50"]


def test_trust_curves_draw_each_bin_with_its_interval_and_each_coverage():
    bins = pd.DataFrame({"confidence": [0.2, 0.9], "accuracy": [0.4, 0.8], "low": [0.3, 0.7], "high": [0.6, 0.9]})
    curve = pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [0.8, 0.6], "low": [0.7, 0.5], "high": [0.9, 0.7]})
    left, right = trust_curves({"stamps": bins}, {"stamps": curve}).axes
    (marks,) = left.containers
    assert marks[0].get_xydata() == pytest.approx(bins[["confidence", "accuracy"]].to_numpy())
    ends = [segment[:, 1] for segment in marks[2][0].get_segments()]
    assert np.array(ends) == pytest.approx(bins[["low", "high"]].to_numpy())
    assert right.lines[0].get_xydata() == pytest.approx(curve[["coverage", "accuracy"]].to_numpy())
