"""The figures of chapter 06 show the data that they are given."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from asif_book.figures import (
    anchor_bars,
    auc_dots,
    faithfulness,
    familiarity_curves,
    important_regions,
    scores_without,
    strongest,
)
from asif_lib.evaluation.measures import Measure

RED, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))


def labels_of(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def test_anchor_bars_tell_both_sides_apart_without_colour():
    rows = iter([(RED, "for it", 0.2), (BLUE, "against it", -0.1)])
    figure = anchor_bars(RED, "a spider\ncalled a coin", rows, xlabel="difference", sides=("insect", "coin"))
    picture, axis = figure.axes
    assert "called a coin" in picture.get_title()
    assert labels_of(axis) == ["for it", "against it"]
    right, left = axis.patches
    assert right.get_width() == 0.2 and left.get_width() == -0.1
    assert left.get_hatch() and not right.get_hatch()
    assert axis.get_title(loc="left") == "← insect" and axis.get_title(loc="right") == "coin →"
    assert axis.get_xlim()[0] < -0.1 and axis.get_xlim()[1] > 0.2  # room for the pictures at the bars' ends


def test_scores_without_draws_before_and_after_and_who_went_and_came():
    gone = [(RED, f"anchor {i}") for i in range(8)]
    figure = scores_without(RED, "hen", ["bird", "coin"], [0.3, 0.2], [0.1, 0.25], gone, [(BLUE, "new")], truth="bird")
    axes = [axis for part in figure.subfigs for axis in part.axes]
    scores = axes[1]
    assert [bar.get_width() for bar in scores.patches] == [0.1, 0.25, 0.3, 0.2]
    assert labels_of(scores) == ["bird ✔", "coin"]
    assert [label.get_fontweight() for label in scores.get_yticklabels()] == ["normal", "bold"]
    words = [text.get_text() for axis in axes[2:] for text in axis.texts]
    assert "taken away:\n8\n(2 more)" in words and "entered:\n1" in words
    assert words.count("new") == 1 and sum(word.startswith("anchor") for word in words) == 6


def test_faithfulness_averages_over_pictures_at_the_same_fraction():
    def curve(picture, kind, order, scores):
        fractions = np.linspace(0, 1, len(scores))  # pictures have different numbers of anchors
        return pd.DataFrame(
            {"picture": picture, "curve": kind, "order": order, "repeat": 0, "fraction": fractions, "score": scores}
        )

    table = pd.concat(
        [
            curve(picture, kind, order, scores)
            for kind in ("deletion", "insertion")
            for order, both in {"contribution": ([1, 0], [1, 0.5, 0]), "random": ([1, 0.8], [1, 0.9, 0.8])}.items()
            for picture, scores in enumerate(both)
        ]
    )
    deletion, insertion = faithfulness(table).axes
    named, random = deletion.lines
    assert named.get_ydata() == pytest.approx(np.linspace(1, 0, 41)) and random.get_ydata()[-1] == pytest.approx(0.8)
    assert named.get_linestyle() != random.get_linestyle() and named.get_marker() != random.get_marker()
    assert "deletion" in deletion.get_title() and "insertion" in insertion.get_title()
    assert deletion.get_ylabel() and deletion.get_xlabel()


def test_important_regions_keep_what_counts_and_frame_a_quarter():
    drops = np.zeros((4, 4))
    drops[1, 2], drops[1, 1], drops[3, 3] = 0.4, 0.2, -0.3
    drops[0, 0] = drops[0, 1] = 0.01
    figure = important_regions([(Image.new("RGB", (60, 40), "blue"), "a question", drops)])
    (axis,) = figure.axes
    pixels = axis.images[0].get_array()  # of a 40 × 60 picture: cells of 10 × 15
    assert pixels[15, 35].tolist() == [0, 0, 255] and pixels[35, 50].tolist() == [204, 204, 255]
    assert "largest drop 0.40" in axis.get_xlabel() and "in row 2 and column 3" in figure.alt
    inside = axis.collections[0].get_paths()[0].contains_points([(35, 15), (20, 15), (50, 35)])
    assert inside.tolist() == [True, True, False]


def test_familiarity_curves_cross_the_threshold_at_the_alarm_rate():
    figure = familiarity_curves({"stamps": [0.4, 0.5, 0.6, 0.2], "noise": [0.1, 0.1, 0.2]}, 0.3)
    stamps, noise, threshold = figure.axes[0].lines
    assert threshold.get_xdata()[0] == 0.3 and "0.30" in threshold.get_label()
    for line, rate in ((stamps, 0.25), (noise, 1.0)):
        x, y = line.get_data()
        assert y[x < 0.3][-1] == rate
    assert stamps.get_linestyle() != noise.get_linestyle()


def test_contrasts_keep_the_strongest_of_both_sides_and_no_bar_that_nobody_would_see():
    differences = [0.3, 0.2, 0.1, 0.0004, -0.0004, -0.1, -0.2]
    table = pd.DataFrame({"anchor": range(7), "picture": "p", "caption": list("abcdefg"), "difference": differences})
    assert strongest(table, 2).difference.tolist() == [0.3, 0.2, -0.1, -0.2]
    assert strongest(table, 9).caption.tolist() == ["a", "b", "c", "f", "g"]


def test_auc_dots_mark_guessing():
    figure = auc_dots({"ASIF": {"10 % wrong": Measure(0.94, 0.9, 0.97, 5)}}, xlabel="AUC")
    (axis,) = figure.axes
    assert any(list(line.get_xdata()) == [0.5, 0.5] for line in axis.lines)
    assert "ASIF, 10 % wrong 0.940" in figure.alt


def test_figures_say_in_words_what_they_show():
    figure = anchor_bars(RED, "a spider", [(RED, "a coin", 0.2)], xlabel="difference", sides=("insect", "coin"))
    assert figure.alt == "a spider Bars, difference, left for insect, right for coin: a coin +0.200"
    curves = familiarity_curves({"stamps": [0.4, 0.5, 0.6, 0.2], "noise": [0.1, 0.1, 0.2]}, 0.3)
    assert "threshold 0.30: stamps 25.0%; noise 100.0%" in curves.alt
