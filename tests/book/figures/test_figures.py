"""Every figure: its words, its colours and its axes; and what it draws is what it was given."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from drawn_pages import parsed
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from pages import contrast
from PIL import Image
from small import BINS, BLUE, CURVES, GREEN, LESSONS, RED, SMALL, bars_of, ends, pictures_of, small, texts

from asif_book import figures as draw
from asif_book.figures import palette
from asif_lib.sparse import SparseVectors

FOUR = {palette.PICTURE, palette.TEXT, palette.ANCHOR, palette.CONTROL}
WORDS = {"black", palette.INK, palette.ON_LIGHT, palette.ON_DARK}
GETTERS = ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor", "get_markeredgecolor")
R, G, B = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def colours_of(figure):
    """The colours of all artists that are drawn, as in the palette."""
    found = set()
    for artist in figure.findobj():
        for getter in GETTERS:
            value = getattr(artist, getter, lambda: "none")()
            rows = value if hasattr(value, "ndim") and value.ndim == 2 else [value]
            found |= {to_hex(row).upper() for row in rows if not isinstance(row, str) or row not in ("none", "auto")}
    return found


@pytest.mark.parametrize("book", [False, True], ids=["matplotlib's style", "the book's style"])
@pytest.mark.parametrize("name", SMALL)
def test_a_figure_tells_itself_names_its_axes_and_cuts_nothing(name, book):
    with plt.rc_context():
        if book:
            draw.use_style()
        figure = small(name)
        colours = colours_of(figure)
        figure.draw_without_rendering()
        drawn, whole = figure.get_tightbbox(), figure.bbox_inches
    assert drawn.min.min() > -0.02 and (drawn.max <= whole.max + 0.02).all(), (drawn, whole)
    assert figure.alt and plt.get_fignums() == []  # pyplot does not know it
    assert colours & FOUR == set(SMALL[name][1])  # a colour has one meaning
    assert {text.get_color() for text in figure.findobj(Text) if text.get_text()} <= WORDS
    places = [(axis, axis.get_subplotspec()) for axis in figure.axes if axis.axison]  # a bar of colours has no place
    lowest = [axis for axis, place in places if place and place.is_last_row()]
    assert figure.get_supxlabel() or all(axis.get_xlabel() for axis in lowest)
    assert figure.get_supylabel() or any(axis.get_ylabel() or axis.get_yticklabels() or axis.images for axis in lowest)


def test_every_figure_function_is_among_them():
    functions = {name: getattr(draw, name) for name in draw.__all__}
    returned = {name: inspect.signature(made).return_annotation for name, made in functions.items()}
    assert {name for name, kind in returned.items() if kind is Figure} == set(SMALL)


def test_lines_and_words_stand_out_on_a_light_and_a_dark_page():
    pages = palette.PAPER, palette.DARK[palette.PAPER]
    for page, ink in zip(pages, (palette.INK, palette.DARK[palette.INK]), strict=True):
        lines = FOUR | {palette.MARK, *palette.SERIES} - {palette.INK}
        assert min(contrast(colour, page) for colour in lines) >= 3
        assert contrast(ink, page) >= 4.5
    assert min(contrast(bright, pages[1]) for bright in palette.BRIGHT.values()) >= 4.5


# Charts: what is read off an axis, and the values that it was given


def y_of(*lines):
    return lambda axes: [[*axes[0].lines[i].get_ydata()] for i in lines]


def x_of_lines(axes):
    return [[line.get_xdata()[0] for line in axis.lines] for axis in axes]


def widths(axes):
    return [[bar.get_width() for bar in axes[0].patches]]


def areas(axes):
    return [[(s.get_data().values * np.diff(s.get_data().edges)).sum() for s in axes[0].patches]]


AT_RANDOM = np.array([[[0.4, 0.1], [0.6, 0.3]], [[0.6, 0.3], [0.8, 0.5]]])
LINE = [0, 0.5, 1], [1, 0.5, 0]
CHARTS = [
    (lambda: draw.cosine_histograms({"own": [0.1] * 5 + [0.4], "others": np.linspace(-1, 1, 99)}), areas, [[1, 1]],
     "own, mean 0.150, standard deviation 0.11"),
    (lambda: draw.group_sizes(["a", "b", "b", "c", "b", "c"]), widths, [[1, 2, 3]], "b 3; c 2; a 1"),
    (lambda: draw.similarity_density(np.linspace(0, 1, 100), np.linspace(1, 0, 100), BINS),
     lambda axes: [axes[0].containers[0][0].get_ydata(), [axes[0].collections[0].get_array().sum()]],
     [[0.7, 0.2], [100]], "0.70 at 0.25; 0.20 at 0.75"),
    (lambda: draw.shuffle_control({"r": (0.3, (0.2, 0.4), [0.0, 0.01]), "s": (0.2, (0.1, 0.3), [0.02])}), x_of_lines,
     [[0.3], [0.2]], "r: 0.300, shuffled 0.000 to 0.010"),
    (lambda: draw.coverage_by_count([10, 100], {"at random": AT_RANDOM}), y_of(0, 1), [[0.5, 0.7], [0.2, 0.4]],
     "mean 0.50 to 0.70"),
    (lambda: draw.before_after([0.1, 0.5], {"turned": [0.1, 0.5], "shifted": [0.7, 0.8]}),
     lambda axes: axes[1].lines[1].get_xydata(), [[0.1, 0.7], [0.5, 0.8]], "shifted: 0.70 to 0.80"),
    (lambda: draw.line_chart({"a": LINE}, theory={"1 − x": LINE}, xlabel="x", ylabel="y"),
     y_of(0, 1), [LINE[1]] * 2, "0.5 at 0.5"),
    (lambda: draw.learning_curve({"tuned": LESSONS}, chance=0.1),
     lambda axes: [axes[0].containers[0][0].get_ydata(), *ends(axes[0].containers[0], "y")],
     [[0.2, 0.6], [0.15, 0.3], [0.5, 0.7]], "tuned 5: 60%;"),
    (lambda: draw.stage_bars({"here": {"encode": 2.0, "search": 0.5}}), widths, [[2, 0.5]],
     "here, encode 2 s; here, search 500 ms"),
    (lambda: draw.familiarity_curves({"stamps": [0.4, 0.5, 0.6, 0.2], "noise": [0.1, 0.2]}, 0.3), x_of_lines,
     [[0.2, 0.1, 0.3]], "threshold 0.30: stamps 25.0%; noise 100.0%"),
]  # fmt: skip
"""For each chart a call, what is read off its axes, the values that must stand there, and words of its text."""


@pytest.mark.parametrize(("made", "read", "values", "words"), CHARTS)
def test_a_chart_draws_and_tells_what_it_was_given(made, read, values, words):
    figure = made()
    assert words in figure.alt
    for found, expected in zip(read(figure.axes), values, strict=True):
        assert [*found] == pytest.approx(expected)


def test_sweep_heatmaps_frame_the_best_cell_and_print_every_number():
    table = pd.DataFrame({"fraction": [0.1, 0.1, 0.5, 0.5], "p": [1, 8, 1, 8], "value": [0.2, 0.41, 0.3, 0.25]})
    figure = draw.sweep_heatmaps({"one": table, "two": table.assign(value=[0.1, 0.2, 0.6, 0.3])}, value="recall")
    one, two, _ = figure.axes
    assert sorted(texts(one)) == ["20", "25", "30", "41"]
    assert [axis.patches[0].get_xy() for axis in (one, two)] == [(0.5, -0.5), (-0.5, 0.5)]  # p = 8, 0.1; p = 1, 0.5
    assert one.images[0].get_clim() == two.images[0].get_clim() == (0.1, 0.6)


def test_trust_curves_draw_each_bin_with_its_interval_and_each_coverage():
    bins = pd.DataFrame({"confidence": [0.2, 0.9], "accuracy": [0.4, 0.8], "low": [0.3, 0.7], "high": [0.6, 0.9]})
    curve = pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [0.8, 0.6], "low": [0.7, 0.5], "high": [0.9, 0.7]})
    sure = np.array([0.15, 0.25, 0.85, 0.95])
    left, middle, right = draw.trust_curves({"stamps": bins}, {"stamps": sure}, {"stamps": curve}).axes
    assert middle.patches[0].get_data().values.tolist() == [0, 0.25, 0.25, 0, 0, 0, 0, 0, 0.25, 0.25]
    assert "confidence 20%, and 40% [30%, 60%] of its answers are right, so they are less" in draw.worst_bin("s", bins)
    assert ends(left.containers[0], "y") == pytest.approx(bins[["low", "high"]].to_numpy())
    assert right.lines[0].get_xydata() == pytest.approx(curve[["coverage", "accuracy"]].to_numpy())


def test_faithfulness_averages_over_pictures_at_the_same_fraction():
    both = {"contribution": ([1, 0], [1, 0.5, 0]), "random": ([1, 0.8], [1, 0.9, 0.8])}  # with unlike counts of anchors
    rows = [
        (picture, kind, order, 0, fraction, score)
        for kind in ("deletion", "insertion") for order, pictures in both.items()
        for picture, scores in enumerate(pictures)
        for fraction, score in zip(np.linspace(0, 1, len(scores)), scores, strict=True)
    ]  # fmt: skip
    named, random = draw.faithfulness(pd.DataFrame(rows, columns=CURVES.columns)).axes[0].lines
    assert named.get_ydata() == pytest.approx(np.linspace(1, 0, 41)) and random.get_ydata()[-1] == pytest.approx(0.8)
    assert named.get_linestyle() != random.get_linestyle()


def test_important_regions_keep_what_counts_and_frame_a_quarter():
    drops = np.zeros((4, 4))
    drops[1, 2], drops[1, 1], drops[3, 3] = 0.4, 0.2, -0.3
    drops[0, 0] = drops[0, 1] = 0.01
    figure = draw.important_regions([(Image.new("RGB", (60, 40), "blue"), "a question", drops)])
    pixels = figure.axes[0].images[0].get_array()  # of a 40 × 60 picture: cells of 10 × 15
    assert pixels[15, 35].tolist() == [0, 0, 255] and pixels[35, 50].tolist() == [178, 178, 255]
    assert "largest drop 0.40, in row 2 and column 3" in figure.alt
    inside = figure.axes[0].collections[0].get_paths()[0].contains_points([(35, 15), (20, 15), (50, 35)])
    assert inside.tolist() == [True, True, False]


def test_what_the_encoder_sees_keeps_sizes_and_shows_transparency_as_grey():
    file = Image.new("RGBA", (40, 10), (255, 0, 0, 0))
    figure = draw.what_the_encoder_sees([(file, RED, np.full((8, 8, 3), 0.5), np.zeros((8, 8, 3)))])
    assert [axis.get_xlabel() for axis in figure.axes] == [f"width: {w} pixels" for w in (40, 30, 8, 8)]
    assert tuple(figure.axes[0].images[0].get_array()[5, 5]) == (200, 200, 200)


RIVALS = pd.DataFrame(
    [("ASIF", 50, 0.3, "reference"), ("ASIF", 200, 0.5, "reference"),
     ("ridge", 50, 0.28, "undecided"), ("ridge", 200, 0.9, "worse")],
    columns=["method", "size", "value", "verdict"],
).assign(bank="stamps", low=0.2, high=0.95, chance=0.05, transductive=False, needs_labels=False)  # fmt: skip


def test_a_rival_has_a_filled_mark_only_where_it_differs_for_certain_and_no_curve_leaves_the_axis():
    figure = draw.curves_by_method(RIVALS, ylabel="recall")
    (panel,) = (axis for axis in figure.axes if axis.get_visible())
    assert panel.get_title() == "ridge" and panel.lines[2].get_xydata().tolist() == [[200, 0.9]]
    assert "ridge: 28% at 50, 90% at 200" in figure.alt
    assert panel.get_ylim()[0] == 0 and panel.get_ylim()[1] >= 0.95


TOLD = [(0.0123, "12.3 ms"), (5, "5 s"), (75, "1.25 min"), (7_200, "2 hours"), (180_000, "2.08 days")]
TOLD += [(0.9994, "999 ms"), (0.9996, "1 s"), (59.97, "1 min")]  # rounded into the next unit


@pytest.mark.parametrize(("seconds", "words"), TOLD)
def test_durations_are_told_in_a_unit_that_reads_well(seconds, words):
    assert draw.duration(seconds) == words


# Drawings in HTML: pictures with their words, and bars with their names


CAPTIONS = ["A pig.", "A sock.", "An eye."]
PIG = ("shared", "★ A pig.", R)
THREE = [RED, GREEN, BLUE]
SHARES = pd.DataFrame(
    [(GREEN, "A sock.", 0.375), (BLUE, "An eye.", 0.125)], columns=["picture", "caption", "contribution"]
)
PICTURES = [
    (lambda: draw.deciding_anchors([(RED, "pig, score 0.50", SHARES), (BLUE, "eye, 0.00", SHARES[:0])]),
     [("query", "pig, score 0.50", R), ("", "75 % A sock.", G), ("", "25 % An eye.", B), ("query", "eye, 0.00", B)]),
    (lambda: draw.neighbour_rows(THREE, CAPTIONS, [0], torch.tensor([[1, 2]]), [[0.75, 0.5]]),
     [("query", "A pig.", R), ("", "0.75 A sock.", G), ("", "0.50 An eye.", B)]),
    (lambda: draw.picture_pairs(THREE, CAPTIONS, [(0, 1), (1, 2)], ["note", "other"], columns=2),
     [("", "A pig. → A sock. note", R), ("", "A sock. → An eye. other", G)]),
    (lambda: draw.picture_rows({"mine": [(RED, "red"), (GREEN, "green")], "yours": [(BLUE, "x")]}),
     [("", "red", R), ("", "green", G), ("", "x", B)]),
    (lambda: draw.shared_neighbours(THREE, CAPTIONS, 2, ([1, 0], [0, 2])),
     [("query", "An eye.", B), ("", "A sock.", G), PIG, PIG, ("", "An eye.", B)]),
    (lambda: draw.labelled_pictures([RED, GREEN], ["bag", "coat"], ["bag", "shirt"], columns=2),
     [("right", "✔ bag", R), ("", "✘ coat (shirt)", G)]),
]  # fmt: skip


@pytest.mark.parametrize(("made", "expected"), PICTURES)
def test_pictures_stand_with_their_words_and_frames(made, expected):
    assert pictures_of(made()) == expected


def side(at, values):
    return SparseVectors(torch.tensor([at], dtype=torch.int32), torch.tensor([values], dtype=torch.float64), 10)


PAIRS = pd.DataFrame({"picture": {3: GREEN, 7: RED, 9: BLUE}, "caption": dict(zip((7, 3, 9), CAPTIONS, strict=True))})
SEARCHED = [(1, "a red square", 0.8, True), (2, "a green square", -0.1, False)]
GREEN_SQUARE = ("2. a green square", ["anchors"], [0.1])
GONE, NEW = [(RED, f"anchor {i}") for i in range(8)], [(BLUE, "new")]
BARS = [
    (lambda: draw.two_profiles(side([7, 3], [0.8, 0.2]), side([3, 9], [0.5, 0.4]), PAIRS, ["picture", "words"]),
     [("A pig.", ["picture hollow"], [0.8]), ("A sock.", ["picture"], [0.2]), ("A sock.", ["text"], [0.5]),
      ("An eye.", ["text hollow"], [0.4])], ["picture", "words"]),
    (lambda: draw.caption_search([RED, GREEN], [SEARCHED, SEARCHED[1:]]),
     [("1. a red square ✔", ["anchors"], [0.8]), GREEN_SQUARE, GREEN_SQUARE], ["", "1. a red square ✔", ""]),
    (lambda: draw.label_scores(["dog", "hen"], [0.1, 0.4], RED, "asked"),
     [("hen", ["anchors"], [0.4]), ("dog", ["anchors"], [0.1])], ["asked", "hen"]),
    (lambda: draw.anchor_bars("harm", [(RED, "a", 0.2)], xlabel="x"), [("a", ["anchors"], [0.2])], ["harm"]),
    (lambda: draw.scores_without(RED, "hen", ["bird", "coin"], [0.3, 0.2], [0.1, 0.25], GONE, NEW, truth="bird"),
     [("bird ✔", ["anchors"], [0.1]), ("coin", ["anchors"], [0.25])],
     ["hen", "coin", "taken away: 8, of which 6 are shown", "entered: 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("made", "bars", "bold"), BARS)
def test_bars_have_their_names_lengths_and_kinds_on_one_scale(made, bars, bold):
    page = parsed(made())
    assert bars_of(made()) == bars and [b.get_text() for b in page.select("b")] == bold
    assert len({bar["viewbox"] for bar in page.select(".bar")}) == 1


def test_the_same_pictures_are_lit_where_a_flag_holds_and_counted():
    page = parsed(draw.lit_pictures(THREE, {"true": torch.tensor([True, False, True]), "shuffled": [False] * 3}))
    rows = [[at for at, one in enumerate(row.find_all("i")) if one.has_attr("class")] for row in page.select(".lit")]
    assert rows == [[0, 2], []]
    assert [words.get_text() for words in page.select("b")] == ["true: 2 of 3", "shuffled: 0 of 3"]


def test_a_score_table_and_a_confusion_matrix_print_every_number_and_mark_the_right_one():
    scores = np.array([[0.9, 0.1, 0.0], [0.3, 0.2, 0.1]])
    page = parsed(draw.score_table([RED, GREEN], ["pig", "sock", "eye"], scores, right=[0, 1]))
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tbody tr")]
    assert rows == [["pig", "0.90 ✔", "0.30"], ["sock", "0.10", "0.20 ✔"], ["eye", "0.00", "0.10"]]
    assert [best.get_text() for best in page.select("tbody b")] == ["0.90", "0.30"]
    shown = [" ".join(one.get_text(" ").split()) for one in page.select(".two p")]
    assert shown == ["pig 0.90 ✔ sock 0.10", "pig 0.30 sock 0.20 ✔"]  # the answer, and its rival or the right one
    page = parsed(draw.confusion_matrix(np.array([[3, 1], [0, 2]]), ["cat", "dog"]))
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tr")]
    assert rows == [["", "cat", "dog"], ["cat", "3", "1"], ["dog", "", "2"]]
    assert [cell.get_text() for cell in page.select(".own")] == ["3", "2"]
