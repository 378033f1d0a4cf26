"""The figures of chapters 04 to 06 show the data that they are given, with labelled axes."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_pages import parsed
from matplotlib.colors import to_rgb
from PIL import Image
from small import BLUE, RED, bars_of, column_names, ends, pictures_of, texts

from asif_book import figures
from asif_book.figures.palette import ON_LIGHT
from asif_lib.sparse import sparsify


def test_sparse_vector_shows_cosines_and_entries():
    relative = torch.tensor([0.1, 0.9, -0.5, 0.6, 0.3])
    vectors = {f"p = {p}": sparsify(relative[None], 3, p) for p in (1, 2)}
    figure = figures.sparse_vector(relative, vectors)
    dense, kept = figure.axes
    assert dense.get_xlabel() and dense.get_ylabel() == "cosine" and kept.get_xlabel() and kept.get_ylabel()
    assert {line.get_label() for line in kept.lines} == {"p = 1", "p = 2"}
    for line, vector in zip(kept.lines, vectors.values(), strict=True):
        assert line.get_ydata() == pytest.approx(vector.values[0].numpy())
    cut = next(line for line in dense.lines if line.get_xdata()[0] == line.get_xdata()[1])
    assert cut.get_xdata()[0] == 3.5  # between the third and the fourth
    assert "p = 1, k = 3" in figure.alt


def test_sweep_heatmaps_frame_the_best_cell_and_print_every_number():
    table = pd.DataFrame({"fraction": [0.1, 0.1, 0.5, 0.5], "p": [1, 8, 1, 8], "value": [0.2, 0.41, 0.3, 0.25]})
    figure = figures.sweep_heatmaps({"one": table, "two": table.assign(value=[0.1, 0.2, 0.6, 0.3])}, value="recall")
    one, two, bar = figure.axes
    assert bar.get_ylabel() == "recall" and one.get_xlabel() == "exponent p" and "k / n" in one.get_ylabel()
    assert sorted(texts(one)) == ["20", "25", "30", "41"]
    frames = [axis.patches[0].get_xy() for axis in (one, two)]
    assert frames == [(0.5, -0.5), (-0.5, 0.5)]  # column p = 8, row 0.1; column p = 1, row 0.5
    assert one.patches[0].get_edgecolor()[:3] == pytest.approx(to_rgb(ON_LIGHT))
    assert one.images[0].get_clim() == two.images[0].get_clim() == (0.1, 0.6)
    assert "one: best 41.0% at k / n = 0.1, p = 8; two: best 60.0% at k / n = 0.5, p = 1" in figure.alt


def test_line_chart_draws_curves_with_their_own_styles_and_marks():
    series = {"up": ([1, 10, 100], [0.1, 0.2, 0.4]), "down": ([1, 10, 100], [0.4, 0.2, 0.1])}
    options = {"logx": 10, "logy": True, "percent": True, "marks": {"ours": 50}}
    figure = figures.line_chart(series, xlabel="anchors", ylabel="share", **options)
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("anchors", "share")
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    up, down, mark = axis.lines
    assert up.get_ydata().tolist() == [0.1, 0.2, 0.4]
    assert up.get_marker() != down.get_marker() and up.get_linestyle() != down.get_linestyle()
    assert mark.get_xdata()[0] == 50 and "ours" in texts(axis)[0]
    told = "up: 0.1 at 1, 0.2 at 10, 0.4 at 100; down: 0.4 at 1, 0.2 at 10, 0.1 at 100"
    assert figure.alt == f"Curves, share against anchors. {told}"


def test_a_theory_is_a_plain_line_on_which_the_series_are_markers():
    series, theory = dict.fromkeys(("one", "other"), ([0, 1], [1, 0])), {"1 − x": ([0, 0.5, 1], [1, 0.5, 0])}
    figure = figures.line_chart(series, theory=theory, xlabel="x", ylabel="y")
    plain, one, other = figure.axes[0].lines
    assert (plain.get_marker(), plain.get_linestyle(), plain.get_label()) == ("None", "-", "1 − x")
    assert one.get_linestyle() == other.get_linestyle() == "None"
    # both are seen where they coincide: the second inside the ring of the first
    assert one.get_fillstyle() == "none" and one.get_markersize() > other.get_markersize()
    assert "0.5 at 0.5" in figure.alt


def test_confusion_matrix_prints_counts_where_they_belong():
    page = parsed(figures.confusion_matrix(np.array([[3, 1], [0, 2]]), ["cat", "dog"]))
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tr")]
    assert rows == [["", "cat", "dog"], ["cat", "3", "1"], ["dog", "", "2"]]
    assert [cell.get_text() for cell in page.select(".own")] == ["3", "2"]


def test_scaling_draws_means_and_every_seed():
    table = pd.DataFrame({"size": [10, 10, 50, 50], "seed": [0, 1, 0, 1], "value": [0.1, 0.3, 0.4, 0.6]})
    (axis,) = figures.scaling({"R@1": table}, ylabel="recall").axes
    assert axis.get_xscale() == "log" and axis.get_ylabel() == "recall" and "anchors" in axis.get_xlabel()
    assert axis.lines[0].get_ydata() == pytest.approx([0.2, 0.5])
    assert axis.collections[0].get_offsets()[:, 1].tolist() == [0.1, 0.3, 0.4, 0.6]
    assert column_names(axis) == ["10", "50"]


def test_trust_curves_draw_each_bin_with_its_interval_and_each_coverage():
    bins = pd.DataFrame({"confidence": [0.2, 0.9], "accuracy": [0.4, 0.8], "low": [0.3, 0.7], "high": [0.6, 0.9]})
    curve = pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [0.8, 0.6], "low": [0.7, 0.5], "high": [0.9, 0.7]})
    sure = np.array([0.15, 0.25, 0.85, 0.95])
    left, middle, right = figures.trust_curves({"stamps": bins}, {"stamps": sure}, {"stamps": curve}).axes
    assert middle.patches[0].get_data().values.tolist() == [0, 0.25, 0.25, 0, 0, 0, 0, 0, 0.25, 0.25]
    told = "confidence 20%, and 40% [30%, 60%] of its answers are right, so they are less"
    assert told in figures.worst_bin("stamps", bins)
    (marks,) = left.containers
    assert marks[0].get_xydata() == pytest.approx(bins[["confidence", "accuracy"]].to_numpy())
    assert ends(marks, "y") == pytest.approx(bins[["low", "high"]].to_numpy())
    assert right.lines[0].get_xydata() == pytest.approx(curve[["coverage", "accuracy"]].to_numpy())


def test_anchor_bars_tell_both_sides_apart_without_colour():
    rows = iter([(RED, "for it", 0.2), (BLUE, "against it", -0.1)])
    drawing = figures.anchor_bars(RED, "a spider\ncalled a coin", rows, xlabel="difference", sides=("insect", "coin"))
    assert bars_of(drawing) == [("for it", ["anchors"], [0.2]), ("against it", ["anchors hollow"], [0.1])]
    words = parsed(drawing).get_text(" ")
    assert all(part in words for part in ("called a coin", "← insect", "coin →", "difference", "+0.200", "−0.100"))


def test_scores_without_draws_before_and_after_and_who_went_and_came():
    gone, labels = [(RED, f"anchor {i}") for i in range(8)], ["bird", "coin"]
    drawing = figures.scores_without(RED, "hen", labels, [0.3, 0.2], [0.1, 0.25], gone, [(BLUE, "new")], truth="bird")
    assert bars_of(drawing) == [("bird ✔", ["anchors"], [0.1]), ("coin", ["anchors"], [0.25])]
    assert [tick["d"].split()[0] for tick in parsed(drawing).select(".before")] == ["M0.3", "M0.2"]
    assert [one[1] for one in pictures_of(drawing)] == [*(f"anchor {i}" for i in range(6)), "new"]
    bold = [b.get_text() for b in parsed(drawing).select("b")]
    assert bold == ["hen", "coin", "taken away: 8, of which 6 are shown", "entered: 1"]


def test_faithfulness_averages_over_pictures_at_the_same_fraction():
    both = {"contribution": ([1, 0], [1, 0.5, 0]), "random": ([1, 0.8], [1, 0.9, 0.8])}  # of each order, two pictures
    rows = [
        (picture, kind, order, 0, fraction, score)
        for kind in ("deletion", "insertion")
        for order, pictures in both.items()
        for picture, scores in enumerate(pictures)  # which have different numbers of anchors
        for fraction, score in zip(np.linspace(0, 1, len(scores)), scores, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["picture", "curve", "order", "repeat", "fraction", "score"])
    deletion, insertion = figures.faithfulness(table).axes
    named, random = deletion.lines
    assert named.get_ydata() == pytest.approx(np.linspace(1, 0, 41)) and random.get_ydata()[-1] == pytest.approx(0.8)
    assert named.get_linestyle() != random.get_linestyle() and named.get_marker() != random.get_marker()
    assert "deletion" in deletion.get_title() and "insertion" in insertion.get_title()
    assert deletion.get_ylabel() and deletion.get_xlabel()


def test_important_regions_keep_what_counts_and_frame_a_quarter():
    drops = np.zeros((4, 4))
    drops[1, 2], drops[1, 1], drops[3, 3] = 0.4, 0.2, -0.3
    drops[0, 0] = drops[0, 1] = 0.01
    figure = figures.important_regions([(Image.new("RGB", (60, 40), "blue"), "a question", drops)])
    (axis,) = figure.axes
    pixels = axis.images[0].get_array()  # of a 40 × 60 picture: cells of 10 × 15
    assert pixels[15, 35].tolist() == [0, 0, 255] and pixels[35, 50].tolist() == [178, 178, 255]
    assert "largest drop 0.40" in axis.get_xlabel() and "in row 2 and column 3" in figure.alt
    inside = axis.collections[0].get_paths()[0].contains_points([(35, 15), (20, 15), (50, 35)])
    assert inside.tolist() == [True, True, False]


def test_familiarity_curves_cross_the_threshold_at_the_alarm_rate():
    figure = figures.familiarity_curves({"stamps": [0.4, 0.5, 0.6, 0.2], "noise": [0.1, 0.1, 0.2]}, 0.3)
    stamps, noise, threshold = figure.axes[0].lines
    assert threshold.get_xdata()[0] == 0.3 and "0.30" in threshold.get_label()
    for line, rate in ((stamps, 0.25), (noise, 1.0)):
        x, y = line.get_data()
        assert y[x < 0.3][-1] == rate
    assert stamps.get_linestyle() != noise.get_linestyle()
    assert "threshold 0.30: stamps 25.0%; noise 100.0%" in figure.alt


def test_contrasts_keep_the_strongest_of_both_sides_and_no_bar_that_nobody_would_see():
    differences = [0.3, 0.2, 0.1, 0.0004, -0.0004, -0.1, -0.2]
    table = pd.DataFrame({"anchor": range(7), "picture": "p", "caption": list("abcdefg"), "difference": differences})
    assert figures.strongest(table, 2).difference.tolist() == [0.3, 0.2, -0.1, -0.2]
    assert figures.strongest(table, 9).caption.tolist() == ["a", "b", "c", "f", "g"]
