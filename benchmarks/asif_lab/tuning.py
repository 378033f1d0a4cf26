"""Tune an approximate search by the accuracy that it loses (chapter 08).

Recall counts the anchors that were found. But an anchor near the k-th place hardly changes the score. So tuning counts
the zero-shot decisions that change, and how many of them change for the worse. A setting is good enough if the whole
interval of the accuracy lost lies below a margin, which is stated before. This is a test of non-inferiority. A
difference that is merely "not significant" does not pass it.
"""

import time
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure, mean_with_interval, paired_difference
from asif_lib.machine import progress_bar
from asif_lib.sparse import KeptCosines
from asif_lib.zeroshot import ASIF, Classification


@dataclass(frozen=True)
class ValidationSet:
    """Embedded pictures with known labels, and the prompt of each label; not the test split.

    Raises `ParameterError` if there is no picture, or the labels do not fit.
    """

    pictures: torch.Tensor
    """Of shape (q, d_image)."""
    prompts: torch.Tensor
    """Of shape (c, d_text)."""
    labels: np.ndarray
    """Positions of the true labels, (q,) int from 0 to c - 1."""

    def __post_init__(self):
        labels, q, c = np.asarray(self.labels), len(self.pictures), len(self.prompts)
        if not q or labels.shape != (q,) or labels.dtype.kind not in "iu":
            shape = f"{labels.dtype} labels of shape {labels.shape}"
            raise ParameterError(f"{q} pictures and {shape}: give the position of its class for each, and some")
        if labels.min() < 0 or labels.max() >= c:
            raise ParameterError(f"labels from {labels.min()} to {labels.max()} do not count {c} classes from 0")


def choose_effort(table, margin) -> int | None:
    """Choose from a table of `measure_efforts` the smallest effort whose whole interval lies above ``-margin`` points.

    Returns None if no effort passes: then search exactly, or validate on more pictures. Raises `ParameterError` if the
    margin is not between 0 and 100 points.
    """
    if not 0 < margin < 100:
        raise ParameterError(f"margin = {margin}: the accuracy that may be lost is between 0 and 100 points")
    within = table[table["low"] > -margin / 100]
    return None if within.empty else int(within["effort"].min())


def measure_efforts(index, data, k, p, *, efforts=None, rounds=1, progress=True) -> pd.DataFrame:
    """Measure settings of an index's knob on a validation set, against exact search.

    Raises `ParameterError` if k, p, an effort or the rounds are out of range, there is no effort or one twice, or
    dimensions differ.

    Parameters
    ----------
    index : ApproximateIndex
        Of the bank's images: it searches the pictures, and exact search the prompts. Of its texts: the reverse.
    data : ValidationSet
    k, p : as for `ASIF`
    efforts : sequence of int, optional
        Each once; default: ``index.efforts(k)``.
    rounds : int
        How often each effort is timed, in turn with exact search, 1 or more. The table holds medians.

    Returns
    -------
    DataFrame
        A row for each effort. ``recall``: share of the k entries that were found and are as large as the exact k-th,
        so that a tie is no loss; ``short``: share of the queries with fewer than k candidates; ``agreement``: share of
        the same decisions; ``accuracy``; ``difference`` to the exact accuracy, with its paired 95 % interval ``low`` to
        ``high``; ``seconds`` of the search; ``speedup`` over exact search. In ``attrs``: ``knob``, ``n`` pictures,
        ``exact_accuracy``, ``exact_seconds``.
    """
    model = ASIF(index.bank, k, p, device="cpu")
    if isinstance(rounds, bool) or not isinstance(rounds, Integral) or rounds < 1:
        raise ParameterError(f"rounds = {rounds}: each setting is timed a whole number of times, 1 or more")
    efforts = index.efforts(k) if efforts is None else sorted(efforts)
    if not efforts or len(set(efforts)) < len(efforts):
        raise ParameterError(f"efforts = {efforts}: give one or more settings of {index.knob}, each once")
    labels, side, (first, second) = np.asarray(data.labels), index.side, index.bank.sides
    is_first, anchors = side == first, model.anchors(side)
    queries = data.pictures if is_first else data.prompts
    other = model.represent(second, data.prompts) if is_first else model.represent(first, data.pictures)

    def search(effort):
        """Return the `KeptCosines`, and how many anchors were found for each query; exactly if effort is None."""
        if effort is None:
            return anchors.cosines(queries, model.k), np.full(len(queries), model.k)
        *best, found = index.search_and_count(queries, model.k, effort)
        return KeptCosines(*best, len(index)), found

    def decide(kept):
        """Return the position of the best label of each picture, (q,)."""
        vectors = kept.sparse(model.settings)
        items, prompts = (vectors, other) if is_first else (other, vectors)
        return Classification(range(len(prompts)), items.similarity(prompts)).predicted.numpy()

    seconds, rows = {effort: [] for effort in (None, *efforts)}, {}  # None: exact search, which is the first
    for effort in progress_bar([*seconds] * rounds, desc="measuring efforts", progress=progress):
        start = time.perf_counter()
        kept, found = search(effort)
        seconds[effort].append(time.perf_counter() - start)
        if effort in rows:
            continue
        decided = decide(kept)
        if effort is None:
            least, exact_decided = kept.values[:, -1:], decided
        gap = compare_decisions(decided == labels, exact_decided == labels)
        there = torch.arange(model.k) < torch.from_numpy(found)[:, None]  # no zeros that fill up the rest
        rows[effort] = {
            "recall": float(((kept.values >= least) & there).float().mean()),
            "short": float((found < model.k).mean()),
            "agreement": float((decided == exact_decided).mean()),
            "accuracy": float((decided == labels).mean()),
            "difference": gap.value,
            "low": gap.low,
            "high": gap.high,
        }
    table = pd.DataFrame([{"effort": effort, **rows[effort]} for effort in efforts])
    exact_seconds, *table["seconds"] = (float(np.median(times)) for times in seconds.values())
    table["speedup"] = exact_seconds / table["seconds"]
    exact = {"exact_accuracy": rows[None]["accuracy"], "exact_seconds": exact_seconds}
    table.attrs = {"knob": index.knob, "n": len(labels), **exact}
    return table


def compare_decisions(right, right_exact) -> Measure:
    """Return the paired difference in accuracy of two lists of decisions (n,) bool, with its 95 % interval.

    If hardly a decision changes, the bootstrap sees hardly any spread and would claim near certainty. So the interval
    reaches at least as far as the interval over n unchanged decisions (Clopper and Pearson).
    """
    found, reach = paired_difference(right, right_exact), least_reach(len(right))
    return Measure(found.value, min(found.low, found.value - reach), max(found.high, found.value + reach), found.n)


def least_reach(n) -> float:
    """Return how far an interval over n unchanged decisions reaches: about 3.7 / n."""
    return mean_with_interval(np.zeros(n, bool)).high
