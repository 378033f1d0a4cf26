"""Figures are drawn off pyplot's list, so that a knob and a choice of picture may draw at the same time."""

import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import pytest

from asif_book import figures
from asif_book.figures.style import Drawing, image_html


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_style()
        yield


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
