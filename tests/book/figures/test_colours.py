"""Every figure: four colours have one meaning each, words are ink, pyplot's list stays empty, nothing is clipped."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from pages import contrast
from small import BINS, SMALL, SWEEP, small

from asif_book import figures
from asif_book.figures import palette

FOUR = {palette.PICTURE, palette.TEXT, palette.ANCHOR, palette.CONTROL}
WORDS = {"black", palette.INK, palette.ON_LIGHT, palette.ON_DARK}
GETTERS = ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor", "get_markeredgecolor")


def colours_of(figure):
    """The colours of all artists that are drawn, as in the palette."""
    found = set()
    for artist in figure.findobj():
        for getter in GETTERS:
            value = getattr(artist, getter, lambda: "none")()
            rows = value if hasattr(value, "ndim") and value.ndim == 2 else [value]
            found |= {to_hex(row).upper() for row in rows if not isinstance(row, str) or row not in ("none", "auto")}
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_figure_shows_colours_by_their_meaning_and_tells_itself_in_words(name):
    figure = small(name)
    assert colours_of(figure) & FOUR == set(SMALL[name][1])
    assert {text.get_color() for text in figure.findobj(Text) if text.get_text()} <= WORDS
    assert figure.alt and plt.get_fignums() == []  # pyplot does not know it


def test_every_figure_function_is_among_them():
    functions = {name: getattr(figures, name) for name in figures.__all__}
    returned = {name: inspect.signature(made).return_annotation for name, made in functions.items()}
    assert {name for name, kind in returned.items() if kind is Figure} == set(SMALL)


def test_lines_and_words_stand_out_on_a_light_and_a_dark_page():
    pages = palette.PAPER, palette.DARK[palette.PAPER]
    for page, ink in zip(pages, (palette.INK, palette.DARK[palette.INK]), strict=True):
        lines = FOUR | {palette.MARK, *palette.SERIES} - {palette.INK}
        assert min(contrast(colour, page) for colour in lines) >= 3
        assert contrast(ink, page) >= 4.5
    assert min(contrast(bright, pages[1]) for bright in palette.BRIGHT.values()) >= 4.5


CLASSES = ["an ankle boot of brown leather", "bag", "sandal", "trousers"]
DRAWN = {
    "similarity_density": lambda f: f(*np.random.default_rng(0).random((2, 200)), BINS),
    "sweep_heatmaps": lambda f: f({"stamps": SWEEP, "photographs": SWEEP}),
    "group_sizes": lambda f: f(CLASSES),
}


@pytest.fixture(params=["matplotlib's style", "the book's style"])
def style(request):
    with plt.rc_context():
        if request.param == "the book's style":
            figures.use_style()
        yield


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_clipped(name, style):
    figure = DRAWN[name](getattr(figures, name))
    figure.draw_without_rendering()
    drawn, whole = figure.get_tightbbox(), figure.bbox_inches
    assert drawn.min.min() > -0.02 and (drawn.max <= whole.max + 0.02).all(), (drawn, whole)
