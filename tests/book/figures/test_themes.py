"""A figure in a page follows the theme, and is drawn off pyplot's list, so that two may be drawn at the same time."""

import io
import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from asif_book import figures
from asif_book.figures.palette import ANCHOR, DARK, INK, ON_LIGHT, PAPER
from asif_book.figures.style import Drawing, image_html

DARK_PAGE, LIGHT_PAGE = DARK[PAPER], PAPER


@pytest.fixture
def page():
    """A figure of five fields: a line of ink, an anchor's bar, a bar of a fixed colour, a black picture and word."""
    figure = Drawing((5, 1))
    figure.set_layout_engine("none")
    figure.add_artist(Line2D([0, 0.2], [0.5, 0.5], color=INK, linewidth=40))
    for left, colour in ((0.2, ANCHOR), (0.4, ON_LIGHT)):
        figure.add_artist(Rectangle((left, 0.2), 0.2, 0.6, facecolor=colour, edgecolor="none"))
    axis = figure.add_axes((0.6, 0, 0.2, 1))
    axis.set_axis_off()
    axis.imshow([[to_rgb(INK)]], aspect="auto")
    figure.text(0.9, 0.5, "█", fontsize=60, ha="center", va="center")
    return str(image_html(figure, "five fields"))


def seen(tab):
    """The colours of the five fields, and of the paper."""
    image = Image.open(io.BytesIO(tab.locator("img").screenshot())).convert("RGB")
    width, height = image.size
    places = [((2 * field + 1) * width // 10, height // 2) for field in range(5)] + [(width // 10, 5)]
    return ["#{:02X}{:02X}{:02X}".format(*image.getpixel(place)) for place in places]


LIGHT = [INK, ANCHOR, ON_LIGHT, INK, INK, LIGHT_PAGE]
DARKENED = [DARK[INK], ANCHOR, ON_LIGHT, INK, DARK[INK], DARK_PAGE]
JUPYTERLAB = '<body style="color-scheme: {}">'  # as its themes set it, from version 4.3 on
SCHEME = "<style>:root {{ color-scheme: {} }}</style>"


@pytest.mark.parametrize(
    ("around", "system", "media", "expected"),
    [
        ("", "light", "screen", LIGHT),
        ("", "dark", "screen", DARKENED),
        (JUPYTERLAB.format("dark"), "light", "screen", DARKENED),
        (JUPYTERLAB.format("light"), "dark", "screen", LIGHT),
        (JUPYTERLAB.format("dark"), "light", "print", LIGHT),
        (SCHEME.format("dark"), "light", "screen", DARKENED),
        (SCHEME.format("light"), "dark", "screen", LIGHT),
    ],
)
def test_a_figure_follows_its_page(browser, page, around, system, media, expected):
    tab = browser.new_page(color_scheme=system)
    tab.emulate_media(media=media, color_scheme=system)
    tab.set_content(around + page)
    assert seen(tab) == expected
    tab.close()


def test_a_notebook_that_nobody_trusts_loses_the_style_and_keeps_the_theme(browser, page):
    tab = browser.new_page(color_scheme="light")
    tab.set_content(JUPYTERLAB.format("dark") + page[page.index("<img") :])
    assert seen(tab) == DARKENED
    tab.close()


def test_threads_render_one_figure_at_a_time():
    rendering, overlaps = [], []

    class Slow(Drawing):
        def savefig(self, *args, **options):
            overlaps.append(len(rendering))
            rendering.append(self)
            time.sleep(0.05)
            super().savefig(*args, **options)
            rendering.remove(self)

    with ThreadPoolExecutor(3) as pool:
        pages = list(pool.map(lambda _: image_html(Slow((1, 1)), "a blank"), range(3)))
    assert overlaps == [0, 0, 0] and len(set(pages)) == 1


def test_a_notebook_displays_a_figure_as_show_does():
    figure = figures.group_sizes("ab")
    assert f'alt="{figure.alt}"' in figure._repr_html_()
    assert figure._repr_html_() == figure._repr_html_()


def test_a_readers_own_figure_of_pyplot_is_closed(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure, axis = plt.subplots()
    axis.plot([1, 2])
    figures.show(figure, "a line")
    assert len(shown) == 1 and plt.get_fignums() == []
