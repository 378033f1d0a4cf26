"""All that is drawn lies inside the figure, in matplotlib's style and in the book's, however it is saved."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from small import BINS, SWEEP

from asif_book import figures

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
