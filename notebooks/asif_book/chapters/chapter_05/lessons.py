"""Helpers of chapter 05: pictures side by side, how often a model prefers a wrong caption, and calibration.

Calibration is the temperature of a softmax, the reliability of its probabilities, and what silence brings. The
probabilities of the labels are ``torch.softmax(scores / temperature, dim=1)``. Nothing here looks at a label of the
test: a temperature is fitted on pairs of the bank (`calibration_scores`).
"""

import re

import numpy as np
import pandas as pd
import scipy  # scipy.optimize loads itself when it is first used
import torch
from PIL import Image, ImageOps
from sklearn.model_selection import KFold

from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError, ParameterError
from asif_lib.evaluation.measures import RESAMPLES, Measure, share_with_interval
from asif_lib.explain import leave_one_out
from asif_lib.machine import for_small_matrices
from asif_lib.zeroshot import ASIF

MOST_PAIRS = 2_000  # the largest number of pairs that calibration_scores asks, drawn at random
BINS = 10  # of reliability and calibration_error
_THING = re.compile(r"(an? [\w -]{2,25})[.!]?", re.I)


def side_by_side(pictures, captions) -> tuple[list, list, list]:
    """Put pairs of pictures side by side, and say which is on the left: canvases, right captions, and wrong ones.

    A caption names one thing if it is an article and some words. Each thing stands on the left once. Raises `DataError`
    if fewer than two captions name one.

    >>> white = Image.new("RGB", (9, 9), "white")
    >>> side_by_side([white, white, white], ["A cat.", "It is old.", "A hat."])[1]
    ['a cat to the left of a hat.', 'a hat to the left of a cat.']
    """
    things = {i: "a" + found[1][1:] for i, text in enumerate(captions) if (found := _THING.fullmatch(text))}
    if len(things) < 2:
        fault = f"of {len(captions)} captions {len(things)} name one thing, as “A red hat.” does"
        raise DataError(f"{fault}; to swap roles, two are needed: bring other captions")
    canvases, right, wrong, rows = [], [], [], list(things)
    for left, other in zip(rows, rows[1:] + rows[:1], strict=True):
        canvases.append(Image.new("RGB", (448, 448), "white"))
        for x, i in ((0, left), (224, other)):
            canvases[-1].paste(ImageOps.pad(open_picture(pictures[i]), (224, 224), color="white"), (x, 112))
        right.append(f"{things[left]} to the left of {things[other]}.")
        wrong.append(f"{things[other]} to the left of {things[left]}.")
    return canvases, right, wrong


@for_small_matrices()
def wrong_wins(bank, rows, wrong) -> np.ndarray:
    """Return whether the wrong captions of m pairs, `rows` of a bank, score at least as high as their own, (m,) bool.

    `wrong` (m, d_text) are embeddings. The anchors are four fifths of the bank, without the pair that is asked.
    """
    rows, wins = np.asarray(rows), np.zeros(len(rows), bool)
    for anchors, fifth in KFold(5, shuffle=True, random_state=0).split(range(len(bank))):
        asked = np.flatnonzero(np.isin(rows, fifth)).tolist()
        if asked:
            model, own = ASIF(bank.subset(anchors.tolist()), device="cpu"), rows[asked].tolist()
            images = model.images(bank.image[own])
            right, copy = (images.similarity(model.texts(z)).diagonal() for z in (bank.text[own], wrong[asked]))  # (a,)
            wins[asked] = (copy >= right).numpy()
    return wins


def calibration_scores(images, texts, captions, c, seed=0) -> torch.Tensor:
    """Let each picture of a bank choose among c captions: its own, and c - 1 of other pairs, drawn at random.

    Returns the scores of m = min(n, `MOST_PAIRS`) pictures, (m, c) float32; the own caption is column 0, and none that
    equals it is drawn. `images` and `texts` are the bank's n pairs, each represented by the others
    (`asif_lib.explain.leave_one_out`). Raises `ParameterError` if there are fewer than c different captions.
    """
    rng, captions = np.random.default_rng(seed), np.array(captions, dtype=object)
    if not 2 <= c <= len(set(captions)):
        raise ParameterError(f"c = {c}: a choice is among two captions or more, and at most all different ones")
    asked = rng.permutation(len(images))[:MOST_PAIRS]
    others = [rng.permutation(np.flatnonzero(captions != captions[i]))[: c - 1] for i in asked]
    pictures, sentences = images.to_csr()[asked], texts.to_csr()
    columns = np.column_stack([asked, np.stack(others)]).T  # (c, m)
    scores = [pictures.multiply(sentences[column]).sum(axis=1) for column in columns]
    return torch.from_numpy(np.stack(scores, axis=1))


def fit_temperature(scores, labels) -> float:
    """Return the temperature with which the right labels are most probable (scipy's bounded search).

    It minimises the mean of -log p over the pictures: Guo et al., On calibration of modern neural networks, ICML 2017,
    section 4.2. `scores` are (n, c), and `labels` the n right columns. The temperature is from 0.001 to 10.
    """
    scores, labels = scores.double(), torch.as_tensor(labels, dtype=torch.int64)

    def surprise(log_t):
        return float(torch.nn.functional.cross_entropy(scores / np.exp(log_t), labels))

    bounds = np.log(0.001), np.log(10)
    return float(np.exp(scipy.optimize.minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def temperature_of_pairs(model, c, seed=0) -> float:
    """Return the temperature that fits choices among c captions by the pairs of a model's bank, each by the others."""
    images, texts = leave_one_out(model.bank, model.k, model.p)
    captions = model.bank.pairs.caption
    scores = calibration_scores(images, texts, captions, min(c, captions.nunique()), seed)  # (n, c)
    return fit_temperature(scores, torch.zeros(len(scores)))  # column 0 is right


def reliability(confidence, right, bins=BINS) -> pd.DataFrame:
    """Sort q answers by their confidence, and compare confidence and accuracy in bins of equally many answers.

    `confidence` is the probability of each answer, (q,), and `right` is bool, (q,). A fixed seed sorts equal
    confidences at random. The table has the columns ``n``, ``confidence`` (the mean of the bin), ``accuracy``, and its
    interval ``low``, ``high``.
    """
    confidence, right = _answers(confidence, right)
    order = np.argsort(confidence, kind="stable")  # the least sure first
    parts = np.array_split(order, min(bins, len(right)))
    shares = _shares_right(right[part] for part in parts)
    shares.insert(1, "confidence", [confidence[part].mean() for part in parts])
    return shares


def calibration_error(confidence, right, seed=0) -> tuple[Measure, Measure]:
    """Return the expected calibration error, the mean |confidence - accuracy| over the bins, and its floor.

    With few answers the error is above 0 for calibrated probabilities too: the floor is the mean and the middle 95 %
    over draws in which an answer is right with the probability of its confidence. The interval of the error holds
    whatever the true gaps of the bins are. (1) The error found is at most the true error and what luck alone makes, of
    which the interval subtracts 97.5 %. (2) On average, the error found is at least the true one, so that half of
    Wilson's interval of the accuracy is enough above.
    """
    table, q = reliability(confidence, right, BINS), len(right)
    n, sure, found = table[["n", "confidence", "accuracy"]].to_numpy().T  # (b,) each

    def by_luck(accuracy):
        hits = np.random.default_rng(seed).binomial(n.astype(int), accuracy, (RESAMPLES, len(n)))
        return np.abs(hits / n - accuracy) @ n / q  # (RESAMPLES,)

    value, floor = float(np.abs(sure - found) @ n / q), by_luck(sure)
    below = np.quantile(by_luck((n * found + 1) / (n + 2)), 0.975)  # not 0 for a bin without a miss
    low, high = np.quantile(floor, [0.025, 0.975])
    wilson = share_with_interval(right)
    error = Measure(value, max(0.0, float(value - below)), min(1.0, value + (wilson.high - wilson.low) / 2), q)
    return error, Measure(float(floor.mean()), float(low), float(high), q)


def coverage_curve(confidence, right) -> pd.DataFrame:
    """Return the accuracy if only the most confident answers are given, and the model is silent otherwise.

    The arguments are those of `reliability`, as is the order of equal confidences. The table has the columns
    ``coverage``, from 0.1 to 1, ``n``, ``accuracy``, and its interval ``low``, ``high``.
    """
    confidence, right = _answers(confidence, right)
    shares = [i / 10 for i in range(1, 11)]
    right = right[np.argsort(-confidence, kind="stable")]
    table = _shares_right(right[: max(1, round(share * len(right)))] for share in shares)
    table.insert(0, "coverage", shares)
    return table


def _shares_right(parts) -> pd.DataFrame:
    """Return the number of answers in each part, and the share of right ones with its interval."""
    rows = [(share.n, share.value, share.low, share.high) for share in map(share_with_interval, parts)]
    return pd.DataFrame(rows, columns=["n", "accuracy", "low", "high"])


def _answers(confidence, right):
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=bool)
    order = np.random.default_rng(0).permutation(len(right))  # the given order of equal confidences may tell the right
    return confidence[order], right[order]
