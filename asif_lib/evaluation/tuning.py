"""How much may an approximate search miss? As much as the decisions do not notice: tuning by accuracy lost.

Recall asks which anchors were found. But an anchor near the k-th place hardly has a say in the score, so what counts
is whether the zero-shot decisions stay the same, and where they change, whether for the worse. A setting is good
enough if, by its interval, the accuracy lost is less than a margin that was stated before: a test of
non-inferiority, which a difference that is merely "not significant" does not pass.
"""

import time
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from asif_lib.errors import ParameterError
from asif_lib.search.exact import top_anchors
from asif_lib.search.inverted import InvertedIndex
from asif_lib.sparse import check_k_p, power_and_normalise, sparse_relative_representation
from asif_lib.zeroshot import Classification

from .measures import Measure, mean_with_interval, paired_difference


@dataclass(frozen=True)
class ValidationSet:
    """Pictures whose label is known, embedded, and what they are classified with; not the test split.

    Attributes
    ----------
    pictures : Tensor of shape (q, d_image)
    prompts : Tensor of shape (c · templates, d_text)
        Label by label, as `zeroshot.make_prompts` orders them.
    labels : array of shape (q,), int
        Positions of the true labels, 0 to c - 1.
    templates : int
        Prompts of a label; the mean of their scores counts.

    Raises
    ------
    ParameterError
        If there is no picture, the labels are not one whole number for each, or the prompts are not `templates` for
        each label.
    """

    pictures: torch.Tensor
    prompts: torch.Tensor
    labels: np.ndarray
    templates: int = 1

    def __post_init__(self):
        labels = np.asarray(self.labels)
        if labels.shape != (len(self.pictures),) or not len(labels):
            raise ParameterError(f"{len(self.pictures)} pictures and labels of shape {labels.shape}: give one each")
        if labels.dtype.kind not in "iu":
            raise ParameterError(f"labels of type {labels.dtype}: give positions of classes, whole numbers from 0")
        if self.templates < 1 or len(self.prompts) % self.templates or not len(self.prompts):
            raise ParameterError(f"{len(self.prompts)} prompts are not {self.templates} for each label")
        classes = len(self.prompts) // self.templates
        if labels.min() < 0 or labels.max() >= classes:
            raise ParameterError(f"labels from {labels.min()} to {labels.max()} do not count {classes} classes from 0")


@dataclass(frozen=True)
class Tuned:
    """What `choose` found.

    Attributes
    ----------
    effort : int or None
        The smallest setting of the knob that is within the margin; None if none is.
    margin : float
        Accuracy that may be lost, in points.
    table : DataFrame
        As `walk` returns it.
    """

    effort: int | None
    margin: float
    table: pd.DataFrame

    def __str__(self):
        knob, n = self.table.attrs["knob"], self.table.attrs["n"]
        if self.effort is None:
            least = 100 * least_reach(n)
            if least > self.margin:
                return (
                    f"{n} pictures cannot show that less than {self.margin:g} points of accuracy are lost: even with "
                    f"every decision the same the interval reaches {least:.2f}; validate on more, or search exactly"
                )
            best = self.table.loc[self.table["low"].idxmax()]
            return (
                f"no {knob} keeps the accuracy lost within {self.margin:g} points: at best, at {int(best['effort'])}, "
                f"it may be {max(0, -100 * best['low']):.2f}; search exactly"
            )
        row = self.table.set_index("effort").loc[self.effort]
        pays = f"{row['speedup']:.2f} times as fast as exact search"
        if row["short"] > 0:
            pays = f"fewer than k found for {row['short']:.1%} of the queries (is k too large?), {pays}"
        if row["speedup"] <= 1:
            pays += ", so it does not pay: search exactly"
        return (
            f"{knob} = {self.effort}: accuracy {100 * row['difference']:+.2f} points [{100 * row['low']:+.2f}, "
            f"{100 * row['high']:+.2f}], recall {row['recall']:.1%}, {pays}"
        )


def tune(index, data, k, p, margin=1.0, **options) -> Tuned:
    """Choose the cheapest setting of an index's knob by which less than `margin` points of accuracy are lost.

    The parameters are those of `walk` and `choose`.

    Examples
    --------
    >>> print(tune(index, validation, k=50, p=2, margin=1))                  # doctest: +SKIP
    nprobe = 8: accuracy -0.20 points [-0.60, +0.20], recall 96.1%, 1.70 times as fast as exact search
    """
    _check_margin(margin)
    return choose(walk(index, data, k, p, **options), margin)


def choose(table, margin) -> Tuned:
    """Choose from a table of `walk` the smallest effort whose whole interval lies above ``-margin`` points.

    Raises
    ------
    ParameterError
        If the margin is not between 0 and 100 points.
    """
    _check_margin(margin)
    within = table[table["low"] > -margin / 100]
    return Tuned(None if within.empty else int(within["effort"].min()), margin, table)


def _check_margin(margin):
    if not 0 < margin < 100:
        raise ParameterError(f"margin = {margin}: the accuracy that may be lost is between 0 and 100 points")


def walk(index, data, k, p, *, efforts=None, rounds=1, progress=True) -> pd.DataFrame:
    """Try settings of an index's knob on a validation set, against exact search.

    Parameters
    ----------
    index : ApproximateIndex
        Of the bank's images: then the pictures are searched by it and the prompts exactly; or of its texts, the other
        way around.
    data : ValidationSet
    k, p : as for `ASIF`
    efforts : sequence of int, optional
        Each once; default those of ``index.efforts(k)``.
    rounds : int
        1 or more: how often each is timed, in turn with exact search; the medians count.

    Returns
    -------
    DataFrame
        A row for each effort. ``recall``: share of the k entries that were found and are as large as the exact k-th,
        so that ties are no loss; ``short``: share of the queries with fewer than k candidates; ``agreement``: share of
        the same decisions; ``accuracy``; ``difference`` to the exact accuracy, with its paired 95 % interval from
        ``low`` to ``high``; ``seconds`` of the search; ``speedup``: the seconds of exact search over those. In
        ``attrs``: ``knob``, ``n`` pictures, ``exact_accuracy``, ``exact_seconds``.

    Raises
    ------
    ParameterError
        If k, p, an effort or the rounds are out of range, there is no effort or one is there twice, or the embeddings
        do not fit the bank's.
    """
    check_k_p(k, p, len(index))
    if isinstance(rounds, bool) or not isinstance(rounds, Integral) or rounds < 1:
        raise ParameterError(f"rounds = {rounds}: each setting is timed a whole number of times, 1 or more")
    efforts = index.efforts(k) if efforts is None else sorted(efforts)
    if not efforts or len(set(efforts)) < len(efforts):
        raise ParameterError(f"efforts = {efforts}: give one or more settings of {index.knob}, each once")
    task = _Task(index, data, int(k), p)
    seconds = {effort: [] for effort in (None, *efforts)}
    rows = []
    with tqdm(total=rounds * len(seconds), desc="walking the knob", disable=not progress, leave=False) as bar:
        for first in (True, *[False] * (rounds - 1)):
            for effort in seconds:
                start = time.perf_counter()
                values, indices, found = task.search(effort)
                seconds[effort].append(time.perf_counter() - start)
                if first and effort is None:
                    least, decided = values[:, -1:], task.decide(values, indices)
                    right = decided == task.labels
                elif first:
                    decisions = task.decide(values, indices)
                    difference = compare(decisions == task.labels, right)
                    there = torch.arange(values.shape[1]) < torch.from_numpy(found)[:, None]  # not the zeros after them
                    row = {
                        "effort": effort,
                        "recall": float(((values >= least) & there).float().mean()),
                        "short": float((found < k).mean()),
                        "agreement": float((decisions == decided).mean()),
                        "accuracy": float((decisions == task.labels).mean()),
                        "difference": difference.value,
                        "low": difference.low,
                        "high": difference.high,
                    }
                    rows.append(row)
                bar.update()
    medians = {effort: float(np.median(times)) for effort, times in seconds.items()}
    table = pd.DataFrame(rows)
    table["seconds"] = [medians[effort] for effort in efforts]
    table["speedup"] = medians[None] / table["seconds"]
    exact = {"exact_accuracy": float(right.mean()), "exact_seconds": medians[None]}
    table.attrs = {"knob": index.knob, "n": len(right), **exact}
    return table


def compare(right, right_exact) -> Measure:
    """Return the paired difference in accuracy of two lists of decisions (n,) bool, with its 95 % interval.

    Where hardly a decision changed, the bootstrap sees hardly any spread and would claim near certainty. So the
    interval reaches at least as far as that of n decisions none of which changed (Clopper and Pearson).
    """
    difference = paired_difference(right, right_exact)
    reach = least_reach(len(right))
    low, high = min(difference.low, difference.value - reach), max(difference.high, difference.value + reach)
    return Measure(difference.value, low, high, difference.n)


def least_reach(n) -> float:
    """Return how far an interval over n decisions reaches if none changed: about 3.7 / n."""
    return mean_with_interval(np.zeros(n, bool)).high


class _Task:
    """The classification of a validation set, of which one side is searched by the index or exactly."""

    def __init__(self, index, data, k, p):
        self.index, self.k, self.p, self.templates = index, k, p, data.templates
        self.labels = np.asarray(data.labels)
        embeddings = {"image": data.pictures, "text": data.prompts}
        self.modality = index.about["modality"]
        self.queries = embeddings.pop(self.modality)
        ((other, others),) = embeddings.items()
        anchors, mean = index.bank.searchable(other, center=index.about["centred"])
        self.other = sparse_relative_representation(others, anchors, k, p, mean=mean)
        self.anchors, self.mean = index.bank.searchable(self.modality, center=index.about["centred"])

    def search(self, effort):
        """The values, the indices, and how many anchors were found for each query; exactly if effort is None."""
        if effort is None:
            return *top_anchors(self.queries, self.anchors, self.k, mean=self.mean), None
        return self.index.search_and_count(self.queries, self.k, effort)

    def decide(self, values, indices) -> np.ndarray:
        """The position of the label that wins, for each picture; -1 where none does."""
        vectors = power_and_normalise(values, indices, self.p, len(self.index))
        pictures, prompts = (vectors, self.other) if self.modality == "image" else (self.other, vectors)
        scores = InvertedIndex(prompts, self.templates).scores(pictures)
        return Classification(list(range(scores.shape[1])), scores).predicted.numpy()
