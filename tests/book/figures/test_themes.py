"""A figure in a page follows the theme, and `show` displays one picture with its alternative text."""

import io
import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from asif_book import figures
from asif_book.figures.palette import ANCHOR, BRIGHT, DARK, INK, ON_LIGHT, PAPER
from asif_book.figures.style import drawing_class, image_html
from asif_lib.errors import ParameterError

DARK_PAGE, LIGHT_PAGE = DARK[PAPER], PAPER


@pytest.fixture
def page():
    """A figure of five fields: a line of ink, an anchor's bar, a bar of a fixed colour, a white picture and a word."""
    figure = drawing_class()((5, 1))
    figure.set_layout_engine("none")
    figure.add_artist(Line2D([0, 0.2], [0.5, 0.5], color=INK, linewidth=40))
    for left, colour in ((0.2, ANCHOR), (0.4, ON_LIGHT)):
        figure.add_artist(Rectangle((left, 0.2), 0.2, 0.6, facecolor=colour, edgecolor="none"))
    axis = figure.add_axes((0.6, 0, 0.2, 1))
    axis.set_axis_off()
    axis.imshow([[to_rgb(PAPER)]], aspect="auto")
    figure.text(0.9, 0.5, "█", fontsize=60, ha="center", va="center")
    return str(image_html(figure, "five fields"))


def seen(tab):
    """The colours of the five fields, and of the paper."""
    image = Image.open(io.BytesIO(tab.locator("img").screenshot())).convert("RGB")
    width, height = image.size
    places = [((2 * field + 1) * width // 10, height // 2) for field in range(5)] + [(width // 10, 5)]
    return ["#{:02X}{:02X}{:02X}".format(*image.getpixel(place)) for place in places]


LIGHT = [INK, ANCHOR, ON_LIGHT, PAPER, INK, LIGHT_PAGE]
DARKENED = [DARK[INK], BRIGHT[ANCHOR], ON_LIGHT, "#E6E6E6", DARK[INK], DARK_PAGE]
JUPYTERLAB = '<body style="color-scheme: {}">'  # as its themes set it, from version 4.3 on
SCHEME = "<style>:root {{ color-scheme: {} }}</style>"


def test_a_figure_follows_its_page(browser, page):
    tab = browser.new_page()
    for around, system, media, expected in (
        ("", "light", "screen", LIGHT), ("", "dark", "screen", DARKENED),
        (JUPYTERLAB.format("dark"), "light", "screen", DARKENED),
        (JUPYTERLAB.format("light"), "dark", "screen", LIGHT), (JUPYTERLAB.format("dark"), "light", "print", LIGHT),
        (SCHEME.format("dark"), "light", "screen", DARKENED), (SCHEME.format("light"), "dark", "screen", LIGHT),
    ):  # fmt: skip
        tab.emulate_media(media=media, color_scheme=system)
        tab.set_content(around + page)
        assert seen(tab) == expected, (around, system, media)
    tab.emulate_media(media="screen", color_scheme="light")
    tab.set_content(JUPYTERLAB.format("dark") + page[page.index("<img") :])  # of a notebook that nobody trusts
    assert seen(tab) == DARKENED
    tab.close()


@pytest.fixture
def displayed(monkeypatch):
    """The HTML of what `show` displays."""
    found = []
    monkeypatch.setattr("IPython.display.display", lambda output: found.append(output.data))
    return found


def test_show_displays_one_picture_with_its_alternative_text(displayed):
    figure = plt.figure(figsize=(2, 1)).text(0, 0, "a  word").figure
    assert figures.show(figure, 'red "<b>" & blue') is None
    [html] = displayed
    assert 'alt="red &#34;&lt;b&gt;&#34; &amp; blue"' in html and "max-width: 100%" in html
    svg = unquote(re.search(r'svg\+xml,([^"]+)"', html)[1])
    assert ElementTree.fromstring(svg).tag.endswith("svg") and re.search("family: system-ui[^>]*>a  word</text>", svg)
    width, height = (int(re.search(f'{side}="(\\d+)"', html)[1]) for side in ("width", "height"))
    assert width == 2 * height and plt.get_fignums() == []  # a reader's own figure of pyplot is closed


def test_show_takes_the_alternative_text_of_the_figure_and_can_fold_it(displayed):
    figures.show(figures.group_sizes("a"))
    figures.show(figures.group_sizes("a"), "another text", fold="after <your> try")
    words = [re.search('alt="([^"]*)"', html)[1] for html in displayed]
    assert words == ["Pairs in each group: a 1", "another text"]
    assert displayed[1].startswith("<details><summary>after &lt;your&gt; try</summary>")
    with pytest.raises(ParameterError, match="no alternative text"):
        figures.show(Figure())
