"""All that is drawn lies inside the figure, in matplotlib's style and in the book's, however it is saved."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from small import BINS, RED, SWEEP

from asif_book import figures

LONG = "a caption of an anchor that goes on and on for quite a while"
CLASSES = ["an ankle boot of brown leather", "bag", "sandal", "trousers"]
BARS = [(RED, LONG, value) for value in (0.3, 0.2, 0.1, -0.1)]
DRAWN = {
    "confusion_matrix": lambda f: f(np.eye(4, dtype=int), CLASSES),
    "picture_rows": lambda f: f({"a rather long name of a row": [(RED, LONG)] * 4}),
    "anchor_bars": lambda f: f(RED, f"{LONG}: {CLASSES[0]}", BARS, xlabel="contribution"),
    "scores_without": lambda f: f(RED, LONG, CLASSES, [0.4] * 4, [0.3] * 4, [(RED, LONG)] * 7, []),
    "show_pictures": lambda f: f([RED] * 7, [LONG] * 7, title="seven pictures"),
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


@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_long_heading_leaves_the_captions_beside_it_free(count, style):
    figure = figures.anchor_bars(RED, f"{LONG}: {CLASSES[0]}", [*BARS, *BARS][:count], xlabel="contribution")
    figure.draw_without_rendering()
    left, right = figure.axes
    heading = left.title.get_window_extent()
    assert not any(heading.overlaps(caption.get_window_extent()) for caption in right.get_yticklabels())
