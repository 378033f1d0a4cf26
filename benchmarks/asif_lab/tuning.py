"""Tune an approximate search by the accuracy that it loses (chapter 08).

Recall counts the anchors that were found. But an anchor near the k-th place hardly changes the score. So tuning counts
the zero-shot decisions that change, and how many of them change for the worse. A setting is good enough if the whole
interval of the accuracy lost lies below a margin, which is stated before. This is a test of non-inferiority. A
difference that is merely "not significant" does not pass it.
"""

import numpy as np
import pandas as pd

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure, mean_with_interval, paired_difference
from asif_lib.sparse import KeptCosines
from asif_lib.zeroshot import Classification


def choose_effort(table, margin) -> int | None:
    """Choose from a table of `measure_efforts` the smallest effort whose whole interval lies above ``-margin`` points.

    Returns None if no effort passes: then search exactly, or validate on more pictures. Raises `ParameterError` if the
    margin is not between 0 and 100 points.
    """
    if not 0 < margin < 100:
        raise ParameterError(f"margin = {margin}: the accuracy that may be lost is between 0 and 100 points")
    within = table[table["low"] > -margin / 100]
    return None if within.empty else int(within["effort"].min())


def measure_efforts(model, search, pictures, prompts, labels, efforts) -> pd.DataFrame:
    """Measure settings of an approximate search of pictures on a validation set, against exact search.

    Raises `ParameterError` unless there is one label for each picture.

    Parameters
    ----------
    model : ASIF
    search : function
        ``search(pictures, k, effort)`` returns cosines and anchors, (q, k) float32 and int64, as `rerank` does: exact
        values, and zeros for anchors that were not found.
    pictures : Tensor of shape (q, d_image)
    prompts : Tensor of shape (c, d_text)
        One for each class.
    labels : array of shape (q,), int
        Position of each picture's class. Not the test split.
    efforts : sequence of int

    Returns
    -------
    DataFrame
        A row for each effort. ``recall``: share of the k entries that were found and are as large as the exact k-th,
        so that a tie is no loss; ``agreement``: share of the same decisions; ``accuracy``; ``difference`` to the exact
        accuracy, with its paired 95 % interval ``low`` to ``high``.
    """
    if np.shape(labels) != (len(pictures),):
        raise ParameterError(f"labels of shape {np.shape(labels)} for {len(pictures)} pictures: give the class of each")
    first, second = model.bank.sides
    anchors, texts, rows = model.anchors(first), model.represent(second, prompts), []

    def decide(kept):
        """Return the position of the best label of each picture, (q,)."""
        scores = kept.sparse(model.settings).similarity(texts)
        return Classification(range(len(prompts)), scores).predicted.numpy()

    exact = anchors.cosines(pictures, model.k)
    exact_decided, least = decide(exact), exact.values[:, -1:]
    for effort in efforts:
        kept = KeptCosines(*search(pictures, model.k, effort), len(anchors))
        decided, found = decide(kept), (kept.values >= least) & (kept.values != 0)
        gap = compare_decisions(decided == labels, exact_decided == labels)
        shares = float(found.float().mean()), (decided == exact_decided).mean(), (decided == labels).mean()
        rows.append((effort, *shares, gap.value, gap.low, gap.high))
    return pd.DataFrame(rows, columns=["effort", "recall", "agreement", "accuracy", "difference", "low", "high"])


def compare_decisions(right, right_exact) -> Measure:
    """Return the paired difference in accuracy of two lists of decisions (n,) bool, with its 95 % interval.

    If hardly a decision changes, the bootstrap sees hardly any spread and would claim near certainty. So the interval
    reaches at least as far as the interval over n unchanged decisions (Clopper and Pearson): about 3.7 / n.
    """
    found, reach = paired_difference(right, right_exact), mean_with_interval(np.zeros(len(right), bool)).high
    return Measure(found.value, min(found.low, found.value - reach), max(found.high, found.value + reach), found.n)
