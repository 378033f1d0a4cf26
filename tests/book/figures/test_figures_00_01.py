"""The figures of chapters 00 and 01 draw the data that they are given, and name their axes."""

import io
import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from asif_book import figures
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure
from asif_lib.sparse import SparseVectors

RED, GREEN, BLUE = (Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue"))


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_style()
        yield


def texts(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def colour_at_centre(axis):
    array = axis.images[0].get_array()
    return tuple(array[array.shape[0] // 2, array.shape[1] // 2])


def vector(indices, values):
    """A sparse vector over ten anchors."""
    return SparseVectors(torch.tensor([indices], dtype=torch.int32), torch.tensor([values], dtype=torch.float64), 10)


def anchors(*rows):
    """A table as from `contributions`."""
    return pd.DataFrame(rows, columns=["picture", "caption", "contribution"])


def drawn(figure):
    """The figure after a full drawing, so that an error in it shows."""
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="png")
    return figure


def test_two_profiles_draw_the_entries_and_fill_the_shared_anchors():
    captions = {3: "A sock.", 7: "A pig.", 9: "An eye."}
    pairs = pd.DataFrame({"picture": {3: GREEN, 7: RED, 9: BLUE}, "caption": captions})
    left, right = vector([7, 3], [0.8, 0.2]), vector([3, 9], [0.5, 0.4])
    figure = drawn(figures.two_profiles(left, right, pairs, ["picture", "words"]))
    assert figure.alt == (
        "Bars of the largest entries. picture: A pig.; A sock.. words: A sock.; An eye.. Filled, kept by both: A sock."
    )
    assert [axis.get_title() for axis in figure.axes] == ["picture", "words"]
    assert all("entry" in axis.get_xlabel() for axis in figure.axes)
    assert [[bar.get_width() for bar in axis.patches] for axis in figure.axes] == [[0.8, 0.2], [0.5, 0.4]]
    assert [[bar.get_fill() for bar in axis.patches] for axis in figure.axes] == [[False, True], [True, False]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["A pig.", "A sock."]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()  # equal bars are equal entries
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top  # the largest entry stands above


def test_score_table_prints_every_score_marks_the_best_and_frames_the_right_one():
    scores = np.array([[0.9, 0.1, 0.0], [0.3, 0.2, 0.1]])
    figure = drawn(figures.score_table([RED, GREEN], ["pig", "sock", "eye"], scores, right=[0, 1]))
    axis = figure.axes[0]
    assert texts(axis) == ["0.90", "0.10", "0.00", "0.30", "0.20", "0.10"]
    assert [t.get_text() for t in axis.texts if t.get_fontweight() == "bold"] == ["0.90", "0.30"]
    assert [(round(f.get_x()), round(f.get_y())) for f in axis.patches] == [(0, 0), (1, 1)]
    assert axis.get_xlabel() and axis.get_ylabel() and figure.axes[1].get_ylabel()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["pig", "sock", "eye"]
    assert figure.alt.endswith("the picture of the pig gets pig, 0.90; the picture of the sock gets pig, 0.30")


def test_deciding_anchors_show_pictures_with_their_shares():
    rows = [
        (RED, "pig, score 0.50", anchors((GREEN, "A sock.", 0.375), (BLUE, "An eye.", 0.125))),
        (BLUE, "eye, score 0.00", anchors()),
    ]
    figure = drawn(figures.deciding_anchors(rows))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["pig, score 0.50", "75% · A sock.", "25% · An eye.", "eye, score 0.00", "", ""]
    assert [colour_at_centre(axis) for axis in figure.axes[:4]] == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 255)]
    assert "pig, score 0.50: A sock. 75%, An eye. 25%; eye, score 0.00: no anchor at all" in figure.alt


def test_what_the_encoder_sees_keeps_sizes_and_shows_transparency_as_grey():
    file = Image.new("RGBA", (40, 10), (255, 0, 0, 0))
    seen, unpadded = np.full((8, 8, 3), 0.5), np.zeros((8, 8, 3))
    figure = drawn(figures.what_the_encoder_sees([(file, RED, seen, unpadded)]))
    assert [axis.get_xlabel() for axis in figure.axes] == [f"width: {w} pixels" for w in (40, 30, 8, 8)]
    assert [axis.get_ylabel() for axis in figure.axes] == [f"height: {h} pixels" for h in (10, 20, 8, 8)]
    assert colour_at_centre(figure.axes[0]) == (200, 200, 200)
    assert colour_at_centre(figure.axes[2]) == (0.5, 0.5, 0.5)
    assert colour_at_centre(figure.axes[3]) == (0, 0, 0)
    assert all(axis.get_title() for axis in figure.axes)


def test_neighbour_rows_start_with_the_query():
    captions = ["A pig.", "A sock.", "An eye."]
    figure = drawn(figures.neighbour_rows([RED, GREEN, BLUE], captions, [0], torch.tensor([[1, 2]]), [[0.75, 0.5]]))
    assert figure.alt == "Pictures with their nearest neighbours: A pig. has A sock. An eye."
    assert [axis.get_title() for axis in figure.axes] == ["picture", "cosine 0.75", "cosine 0.50"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["A pig.", "A sock.", "An eye."]
    assert [colour_at_centre(axis) for axis in figure.axes] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [axis.spines["top"].get_visible() for axis in figure.axes] == [True, False, False]


def test_bars_stand_with_intervals_in_per_cent_beside_chance():
    measures = {"trained": Measure(0.7, 0.6, 0.8, 50), "random": Measure(0.3, 0.25, 0.4, 50)}
    figure = drawn(figures.bars_with_intervals(measures, 0.1, "same group (%)", ["picture", "control"]))
    assert "trained 70.0% [60.0%, 80.0%], n = 50" in figure.alt and "chance 10.0%" in figure.alt
    axis = figure.axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([70, 30])
    ends = axis.containers[1].lines[2][0].get_segments()
    assert np.array(ends)[:, :, 0] == pytest.approx(np.array([[60, 80], [25, 40]]))
    assert axis.get_xlabel() == "same group (%)"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["trained", "random"]
    assert "70 %" in texts(axis) and "chance 10 %" in texts(axis)
    assert any(line.get_xdata()[0] == pytest.approx(10) for line in axis.lines if len(set(line.get_xdata())) == 1)


def test_cosine_histograms_have_equal_area_and_different_lines():
    series = {"own": [0.1] * 5 + [0.4], "others": np.linspace(-0.5, 0.5, 100)}
    figure = drawn(figures.cosine_histograms(series, "cosine"))
    axis = figure.axes[0]
    areas = [(s.get_data().values * np.diff(s.get_data().edges)).sum() for s in axis.patches]
    assert areas == pytest.approx([1, 1])
    heights = axis.patches[0].get_data()
    assert heights.edges[heights.values.argmax()] <= 0.1 <= heights.edges[heights.values.argmax() + 1]
    assert len({s.get_linestyle() for s in axis.patches}) == len({to_hex(s.get_edgecolor()) for s in axis.patches}) == 2
    assert axis.get_xlabel() == "cosine" and axis.get_ylabel()
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["own", "others"]
    assert "own, mean 0.150, standard deviation 0.11" in figure.alt


def test_show_displays_one_picture_with_its_alternative_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = plt.figure(figsize=(2, 1))
    assert figures.show(figure, 'red "<b>" & blue') is None
    [output] = shown
    assert 'alt="red &#34;&lt;b&gt;&#34; &amp; blue"' in output.data
    assert "max-width: 100%" in output.data
    svg = ElementTree.fromstring(unquote(re.search(r'svg\+xml,([^"]+)"', output.data)[1]))
    assert svg.tag.endswith("svg")
    width, height = (int(re.search(f'{side}="(\\d+)"', output.data)[1]) for side in ("width", "height"))
    assert width == 2 * height


def test_a_figure_that_would_give_an_answer_away_can_be_folded(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figures.show(figures.show_pictures([RED]), fold="after <your> try")
    before, picture = shown[0].data.split("</summary>")
    assert before == "<details><summary>after &lt;your&gt; try" and "<img" in picture


def test_show_takes_the_alternative_text_of_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figures.show(figures.show_pictures([RED, BLUE], ["A pig.", "An eye."]))
    figures.show(figures.show_pictures([RED], title="red"), "another text")
    assert [re.search('alt="([^"]*)"', output.data)[1] for output in shown] == [
        "2 pictures: A pig.; An eye.",
        "another text",
    ]
    figure = plt.figure()
    with pytest.raises(ParameterError, match="no alternative text"):
        figures.show(figure)
    plt.close(figure)
