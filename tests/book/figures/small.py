"""Every figure function on small inputs, what it may show in the four colours that have a meaning, and how it reads."""

import base64
import io

import numpy as np
import pandas as pd
import torch
from bs4 import BeautifulSoup
from PIL import Image

from asif_book import figures
from asif_book.figures.palette import ANCHOR, CONTROL
from asif_lib.evaluation.measures import Measure

STAMP = Image.new("RGB", (8, 8), "#123456")
RED, GREEN, BLUE = (Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue"))
FOUR = np.array([0.1, 0.2, 0.4, 0.9])
BINS = pd.DataFrame({"centre": [0.25, 0.75], "mean": [0.7, 0.2], "low": [0.6, 0.1], "high": [0.9, 0.3]})
SWEEP = pd.DataFrame({"fraction": [0.1, 0.1, 1, 1], "p": [1, 2, 1, 2], "value": [0.1, 0.2, 0.3, 0.2]})
CURVES = pd.DataFrame(
    [(0, kind, order, 0, f, f) for kind in ("deletion", "insertion") for order in ("contribution", "random")
     for f in (0.0, 0.25, 1.0)],
    columns=["picture", "curve", "order", "repeat", "fraction", "score"],
)  # fmt: skip
LESSONS = {0: (Measure(0.2, 0.15, 0.3, 50), [0.2]), 5: (Measure(0.6, 0.5, 0.7, 50), [0.55, 0.65])}
BENCHMARK = pd.DataFrame(
    [(method, "stamps", "image", "text", n, 0.4, 0.3, 0.5, 0.1, verdict, method == "b", False) for n in (10, 40)
     for method, verdict in (("a", "reference"), ("b", "better"))],
    columns=["method", "bank", "image_encoder", "text_encoder", "size", "value", "low", "high", "chance", "verdict",
             "transductive", "needs_labels"],
)  # fmt: skip
SURE = pd.DataFrame({"confidence": [0.2, 0.9], "coverage": [0.5, 1], "accuracy": [0.9, 0.5], "low": 0.4, "high": 0.95})

SMALL = {
    "before_after": (lambda f: f(FOUR, {"a change": FOUR, "another": -FOUR}), {}),
    "curves_by_method": (lambda f: f(BENCHMARK, ylabel="R@1"), {CONTROL}),
    "cosine_histograms": (lambda f: f(dict.fromkeys("abcd", FOUR)), {}),
    "coverage_by_count": (lambda f: f([5, 10], {"at random": np.ones((2, 2, 2)), "farthest": np.ones((1, 2, 2))}), {}),
    "faithfulness": (lambda f: f(CURVES), {}),
    "familiarity_curves": (lambda f: f(dict.fromkeys("abcd", FOUR), 0.3), {}),
    "why_and_what_if": (lambda f: f([0.2, 0.1, 0], [0.1, -0.1, -0.01], ["a", "b", "c"]), {ANCHOR}),
    "group_sizes": (lambda f: f(["a", "b", "b"]), {}),
    "important_regions": (lambda f: f([(STAMP, "a stamp", FOUR.reshape(2, 2))] * 2), {}),
    "learning_curve": (lambda f: f(dict.fromkeys("abcd", LESSONS), chance=0.1), {}),
    "line_chart": (lambda f: f(dict.fromkeys("abcd", ([1, 2], [1, 2])), xlabel="x", ylabel="y", marks={"m": 1}), {}),
    "number_line": (lambda f: f(torch.arange(9) / 10, 0.05, 3), {ANCHOR}),
    "shuffle_control": (lambda f: f({"share": (0.5, (0.4, 0.6), FOUR)}), {CONTROL}),
    "similarity_density": (lambda f: f(*np.random.default_rng(0).random((2, 50)), BINS), {}),
    "stage_bars": (lambda f: f({"here": {"encode": 1.0}, "paper": {"encode": 9.0}}), {}),
    "sweep_heatmaps": (lambda f: f({"a": SWEEP}), {}),
    "trust_curves": (lambda f: f(dict.fromkeys("abc", SURE), dict.fromkeys("abc", FOUR), {"a": SURE}), {}),
    "what_the_encoder_sees": (lambda f: f([(STAMP, STAMP, np.ones((4, 4, 3)), np.ones((4, 4, 3)))]), {}),
}
"""For each function that returns a Figure: a call, and its meanings among `PICTURE`, `TEXT`, `ANCHOR` and `CONTROL`."""


def small(name):
    """Draw the figure on its small input."""
    return SMALL[name][0](getattr(figures, name))


def texts(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def pictures_of(drawing):
    """Each figure of `drawing`: the kind of its frame, its words, and the colour at the centre of its first picture."""
    found = []
    for one in BeautifulSoup(drawing.data, "html.parser").select("figure"):
        jpeg = Image.open(io.BytesIO(base64.b64decode(one.img["src"].partition(",")[2])))
        colour = tuple(255 * (part > 127) for part in jpeg.getpixel((jpeg.width // 2, jpeg.height // 2)))
        found.append((" ".join(one.get("class", [])), " ".join(one.figcaption.get_text().split()), colour))
    return found


def bars_of(drawing):
    """Each bar of `drawing`: its name, the classes of its boxes, and their lengths."""
    bars = BeautifulSoup(drawing.data, "html.parser").select(".named")
    boxes = [one.select("rect") for one in bars]
    return [
        (one.span.get_text(), [" ".join(box["class"]) for box in row], [float(box["width"]) for box in row])
        for one, row in zip(bars, boxes, strict=True)
    ]


def ends(container, along):
    """Where the intervals of an `errorbar` begin and end, along "x" or "y"."""
    return np.array(container[2][0].get_segments())[:, :, "xy".index(along)]
