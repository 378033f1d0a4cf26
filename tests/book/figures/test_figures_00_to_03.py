"""The figures of chapters 00 to 03: labelled axes, and what is drawn is what was given."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import small
import torch
from drawn_pages import parsed
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from small import BLUE, GREEN, RED, bars_of, pictures_of

from asif_book import figures
from asif_lib.sparse import SparseVectors

R, G, B = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_style()
        yield


def drawn(figure, labels=True):
    """The figure after a full drawing, so that an error in it shows; with `labels`, its lowest axes have some."""
    assert isinstance(figure, Figure) and figure.alt
    figure.savefig(io.BytesIO(), format="png")
    for axis in figure.axes if labels else ():
        place = axis.get_subplotspec()  # a colour bar has no place among the rows
        if axis.axison and place and place.is_last_row():
            assert axis.get_xlabel(), "an axis without a label"
    assert not labels or any(axis.get_ylabel() for axis in figure.axes)
    return figure


def shown(axis):
    """The distinct colours, other than white, of the picture in an axis."""
    pixels = axis.images[0].get_array().reshape(-1, 3)
    return {tuple(int(c) for c in p) for p in np.unique(pixels, axis=0)} - {(255, 255, 255)}


def test_two_profiles_draw_the_entries_and_fill_the_shared_anchors():
    captions = {3: "A sock.", 7: "A pig.", 9: "An eye."}
    pairs = pd.DataFrame({"picture": {3: GREEN, 7: RED, 9: BLUE}, "caption": captions})
    left, right = (
        SparseVectors(torch.tensor([at], dtype=torch.int32), torch.tensor([values], dtype=torch.float64), 10)
        for at, values in (([7, 3], [0.8, 0.2]), ([3, 9], [0.5, 0.4]))
    )
    drawing = figures.two_profiles(left, right, pairs, ["picture", "words"])
    picture = [("A pig.", ["picture hollow"], [0.8]), ("A sock.", ["picture"], [0.2])]
    assert bars_of(drawing) == [*picture, ("A sock.", ["text"], [0.5]), ("An eye.", ["text hollow"], [0.4])]
    page = parsed(drawing)
    assert len({bar["viewbox"] for bar in page.select(".bar")}) == 1  # equal bars are equal entries
    assert [b.get_text() for b in page.select("b")] == ["picture", "words"] and "entry" in page.get_text()


def test_score_table_prints_every_score_marks_the_best_and_ticks_the_right_one():
    scores = np.array([[0.9, 0.1, 0.0], [0.3, 0.2, 0.1]])
    page = parsed(figures.score_table([RED, GREEN], ["pig", "sock", "eye"], scores, right=[0, 1]))
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tbody tr")]
    assert rows == [["pig", "0.90 ✔", "0.30"], ["sock", "0.10", "0.20 ✔"], ["eye", "0.00", "0.10"]]
    assert [best.get_text() for best in page.select("tbody b")] == ["0.90", "0.30"]
    assert [picture["alt"] for picture in page.select("thead img")] == ["a picture of the pig", "a picture of the sock"]
    shown = [" ".join(one.get_text(" ").split()) for one in page.select(".two p")]
    assert shown == ["pig 0.90 ✔ sock 0.10", "pig 0.30 sock 0.20 ✔"]  # the answer, and its rival or the right one
    assert float(page.select(".two rect")[1]["width"].rstrip("%")) == pytest.approx(100 / 9)


def test_deciding_anchors_show_pictures_with_their_shares():
    columns = ["picture", "caption", "contribution"]  # as from `contributions`
    some, none = pd.DataFrame([(GREEN, "A sock.", 0.375), (BLUE, "An eye.", 0.125)], columns=columns), pd.DataFrame()
    rows = [(RED, "pig, score 0.50", some), (BLUE, "eye, score 0.00", none.reindex(columns=columns))]
    first, *anchors, second = pictures_of(figures.deciding_anchors(rows))
    assert first == ("query", "pig, score 0.50", R) and second == ("query", "eye, score 0.00", B)
    assert anchors == [("", "75 % A sock.", G), ("", "25 % An eye.", B)]


def test_what_the_encoder_sees_keeps_sizes_and_shows_transparency_as_grey():
    file = Image.new("RGBA", (40, 10), (255, 0, 0, 0))
    figure = drawn(figures.what_the_encoder_sees([(file, RED, np.full((8, 8, 3), 0.5), np.zeros((8, 8, 3)))]))
    assert small.below(figure) == [f"width: {w} pixels" for w in (40, 30, 8, 8)]
    assert [axis.get_ylabel() for axis in figure.axes] == [f"height: {h} pixels" for h in (10, 20, 8, 8)]
    colours = [small.colour_at_centre(axis) for axis in figure.axes]
    assert colours[0] == (200, 200, 200) and colours[2:] == [(0.5, 0.5, 0.5), (0, 0, 0)] and all(small.titles(figure))


def test_neighbour_rows_start_with_the_query():
    captions = ["A pig.", "A sock.", "An eye."]
    drawing = figures.neighbour_rows([RED, GREEN, BLUE], captions, [0], torch.tensor([[1, 2]]), [[0.75, 0.5]])
    assert pictures_of(drawing) == [("query", "A pig.", R), ("", "0.75 A sock.", G), ("", "0.50 An eye.", B)]


def test_cosine_histograms_have_equal_area_and_different_lines():
    series = {"own": [0.1] * 5 + [0.4], "others": np.linspace(-0.5, 0.5, 100)}
    figure = drawn(figures.cosine_histograms(series, "cosine"))
    (axis,) = figure.axes
    areas = [(s.get_data().values * np.diff(s.get_data().edges)).sum() for s in axis.patches]
    assert areas == pytest.approx([1, 1])
    heights = axis.patches[0].get_data()
    assert heights.edges[heights.values.argmax()] <= 0.1 <= heights.edges[heights.values.argmax() + 1]
    assert len({s.get_linestyle() for s in axis.patches}) == len({to_hex(s.get_edgecolor()) for s in axis.patches}) == 2
    assert axis.get_xlabel() == "cosine" and axis.get_ylabel() and small.legend(figure) == ["own", "others"]
    assert "own, mean 0.150, standard deviation 0.11" in figure.alt


def test_group_sizes_puts_the_largest_on_top():
    (axis,) = drawn(figures.group_sizes(["a", "b", "b", "c", "b", "c"])).axes
    assert small.widths(axis) == [1, 2, 3] and small.row_names(axis) == ["a", "c", "b"]


def test_picture_pairs_show_both_pictures_and_the_title():
    pictures, captions = [RED, GREEN, GREEN], ["one", "two", "three"]
    drawing = figures.picture_pairs(pictures, captions, [(0, 1), (1, 2)], ["note", "other"], columns=2)
    assert pictures_of(drawing) == [("", "one → two note", R), ("", "two → three other", G)]
    assert [img["alt"] for img in parsed(drawing).select("img")][1::2] == ["two", "three"]


def test_picture_rows_name_each_row_and_title_each_picture():
    drawing = figures.picture_rows({"mine": [(RED, "a red square"), (GREEN, "a green one")], "yours": [(BLUE, "x")]})
    assert pictures_of(drawing) == [("", "a red square", R), ("", "a green one", G), ("", "x", B)]
    assert [name.get_text() for name in parsed(drawing).select("p")] == ["mine", "yours"]


def test_similarity_density_draws_all_pairs_and_the_means():
    x, y = np.linspace(0, 1, 100), np.linspace(1, 0, 100)
    bins = pd.DataFrame({"centre": [0.25, 0.75], "mean": [0.7, 0.2], "low": [0.6, 0.1], "high": [0.9, 0.3]})
    axis = drawn(figures.similarity_density(x, y, bins)).axes[0]
    assert "0.70 at 0.25; 0.20 at 0.75" in axis.figure.alt
    assert axis.collections[0].get_array().sum() == 100
    line = next(line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o")
    assert line.get_ydata().tolist() == [0.7, 0.2]
    assert small.ends(axis.containers[0], "y") == pytest.approx(np.array([[0.6, 0.9], [0.1, 0.3]]))


def test_shuffle_control_draws_every_shuffle_and_the_observed_value():
    panels = {"r": (0.3, (0.25, 0.35), [0.0, 0.01, -0.01]), "share": (0.2, (0.1, 0.3), [0.02, 0.03])}
    figure = drawn(figures.shuffle_control(panels))
    assert small.below(figure) == ["r", "share"]
    assert [axis.lines[0].get_xdata()[0] for axis in figure.axes] == [0.3, 0.2]
    assert [sum(bar.get_height() for bar in axis.containers[0]) for axis in figure.axes] == [3, 2]


def test_shared_neighbours_mark_those_in_both_rows():
    by_picture, by_caption = [(GREEN, "first"), (RED, "second")], [(RED, "second"), (RED, "third")]
    drawing = figures.shared_neighbours(BLUE, "a stamp", by_picture, by_caption, ([False, True], [True, False]))
    stamp, *others = pictures_of(drawing)
    assert stamp == ("query", "a stamp", B) and others[0] == ("", "first", G)
    assert [one[:2] for one in others[1:]] == [("shared", "★ second"), ("shared", "★ second"), ("", "third")]


def test_coverage_histogram_counts_every_item():
    (axis,) = drawn(figures.coverage_histogram({"pictures": [0.1, 0.5, 0.9], "captions": [0.2, 1.0]})).axes
    assert sum(bar.get_height() for bar in axis.containers[0]) == 3
    assert [line.get_xdata()[0] for line in axis.lines] == pytest.approx([0.5, 0.6])


def test_coverage_by_count_draws_mean_percentile_and_spread_in_the_colour_of_the_choice():
    at_random = np.array([[[0.4, 0.1], [0.6, 0.3]], [[0.6, 0.3], [0.8, 0.5]]])
    (axis,) = drawn(figures.coverage_by_count([10, 100], {"mine": at_random[:1], "at random": at_random})).axes
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["mean, mine"].get_ydata() == pytest.approx([0.4, 0.6])
    assert lines["mean, at random"].get_ydata() == pytest.approx([0.5, 0.7])
    assert lines["5th percentile, at random"].get_ydata() == pytest.approx([0.2, 0.4])
    colours = {name: line.get_color() for name, line in lines.items()}
    assert colours["mean, mine"] == colours["5th percentile, mine"] != colours["mean, at random"]
    heights = axis.collections[2].get_paths()[0].vertices[:, 1]  # the band of the means at random
    assert (heights.min(), heights.max()) == pytest.approx((0.405, 0.795))
    assert small.column_names(axis) == ["10", "100"]


def test_relative_under_changes_draws_cosines_now_and_before():
    changes = {"as it is": lambda rows: rows, "mirrored": lambda rows: rows * [1, -1], "shifted": lambda r: r + 1}
    figure = drawn(figures.relative_under_changes([1, 0], [[2, 0], [0, 3]], changes, ["cat", "dog"]))
    planes, bars = np.array(figure.axes).reshape(2, 3)
    assert small.titles(figure)[:3] == list(changes) and set(small.texts(planes[0])) == {"cat", "dog"}
    expected = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [7 / 50**0.5, 6 / 85**0.5, 1, 0]])  # (2, 1) with (3, 1) and (1, 4)
    narrow = np.array(figures.style.narrow_form(figure).axes).reshape(3, 2)  # a change is a row: its map, its bars
    assert [axis.get_title() for axis in narrow.flat] == [word for title in changes for word in (title, "")]
    for shown in (bars, narrow[:, 1]):
        assert np.array([[bar.get_height() for bar in axis.patches] for axis in shown]) == pytest.approx(expected)


def test_before_after_draws_each_entry():
    figure = drawn(figures.before_after([0.1, 0.5], {"turned": [0.1, 0.5], "shifted": [0.7, 0.8]}))
    assert small.titles(figure) == ["turned", "shifted"]
    assert figure.axes[1].lines[1].get_xydata().tolist() == [[0.1, 0.7], [0.5, 0.8]]


def test_cosines_before_after_mark_both_means():
    figure = drawn(figures.cosines_before_after({"pictures": ([0.2, 0.4], [-0.1, 0.1]), "captions": ([0, 1], [0, 0])}))
    assert small.titles(figure) == ["pictures", "captions"]
    means = [[line.get_xdata()[0] for line in axis.lines] for axis in figure.axes]
    assert np.array(means) == pytest.approx(np.array([[0.3, 0.0], [0.5, 0.0]]))


def test_caption_search_marks_the_own_caption():
    rows = [(1, "a red square", 0.8, True), (2, "a green square", -0.1, False)]
    drawing = figures.caption_search([RED, GREEN], [rows, rows[1:]])
    red, green = ("1. a red square ✔", ["anchors"], [0.8]), ("2. a green square", ["anchors"], [0.1])
    assert bars_of(drawing) == [red, green, green]
    assert [b.get_text() for b in parsed(drawing).select(".named b")] == ["1. a red square ✔"]
