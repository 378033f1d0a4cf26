"""How good is it, and how sure are we: accuracy and recall with intervals, sweeps, scaling curves."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
import torch
from tqdm.auto import tqdm

RESAMPLES = 2_000


@dataclass(frozen=True)
class Measure:
    """A mean over n items with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def ci(self) -> tuple:
        return self.low, self.high

    def __str__(self):
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}], n = {self.n}"


def mean_with_interval(items, seed=0) -> Measure:
    """Return the mean of a value per item and its 95 % percentile bootstrap interval (scipy).

    Where all items of a share (bool) are True, or all False, the bootstrap would claim certainty: the exact binomial
    interval stands in.

    Parameters
    ----------
    items : array-like of shape (n,)
        One number for each item: 1 if it was right and 0 if not, a difference between two methods, …

    Raises
    ------
    ValueError
        If there are no items.
    """
    is_share = np.asarray(items).dtype == bool
    items = np.asarray(items, dtype=float)
    if items.size == 0:
        raise ValueError("there are no items to take the mean of")
    if np.ptp(items) == 0:  # every resample is the same, so the bootstrap sees no spread
        low, high = _exact_interval(items[0], len(items)) if is_share else (items[0], items[0])
        return Measure(items[0], low, high, len(items))
    result = scipy.stats.bootstrap(
        (items,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=200,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Measure(items.mean(), *map(float, result.confidence_interval), len(items))


def _exact_interval(share, n):
    """The binomial 95 % interval (Clopper and Pearson) where all of n items are right, or none."""
    interval = scipy.stats.binomtest(int(share * n), n).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def accuracy(predicted, labels, seed=0) -> Measure:
    """Return the share of `predicted` (n,) that equal `labels` (n,)."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape:
        raise ValueError(f"{predicted.shape} predictions for {labels.shape} labels")
    return mean_with_interval(predicted == labels, seed)


def ranks(scores, relevant) -> np.ndarray:
    """Return for each query the rank (0 is best) of its best relevant candidate.

    A relevant candidate that ties with others stands behind them: equal scores are no find.

    Parameters
    ----------
    scores : Tensor of shape (q, t)
    relevant : Tensor of shape (q, t), bool
        At least one True in each row.
    """
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    return (~(scores < best) & ~relevant).sum(dim=1).numpy()  # "not smaller" counts NaN as ahead, too


def recall_at(scores, relevant, k, seed=0) -> Measure:
    """Return recall@k: the share of queries with a relevant candidate among the k best."""
    return mean_with_interval(ranks(scores, relevant) < k, seed)


def same_text(queries, candidates) -> torch.Tensor:
    """Return the (q, t) bool matrix of which strings are equal: `relevant` for captions that occur twice."""
    return torch.from_numpy(
        np.equal.outer(np.array(queries, dtype=object), np.array(candidates, dtype=object)).astype(bool)
    )


def paired_difference(right_a, right_b, seed=0) -> Measure:
    """Return the mean of a - b over the same items, with its interval: is a better, on these very items?

    Raises
    ------
    ValueError
        If a and b are not of the same items.
    """
    right_a, right_b = np.asarray(right_a, float), np.asarray(right_b, float)
    if right_a.shape != right_b.shape:
        raise ValueError(f"a has {right_a.shape} items and b {right_b.shape}; compare both on the same items")
    return mean_with_interval(right_a - right_b, seed)


def sweep(evaluate, fractions, powers, n, *, progress=True) -> pd.DataFrame:
    """Evaluate every combination of k/n and p: on a validation split, never on the test split.

    Parameters
    ----------
    evaluate : callable
        From (k, p) to a number, the larger the better.
    fractions, powers : sequences of float
    n : int
        Anchors; k is the fraction of n, rounded, at least 1.

    Returns
    -------
    DataFrame
        Columns ``fraction``, ``k``, ``p``, ``value``.
    """
    grid = [(f, min(n, max(1, round(f * n))), p) for f in fractions for p in powers]
    rows = [(f, k, p, float(evaluate(k, p))) for f, k, p in tqdm(grid, desc="sweep", leave=False, disable=not progress)]
    return pd.DataFrame(rows, columns=["fraction", "k", "p", "value"])


def scaling_curve(evaluate, n, sizes, seeds=range(5), *, progress=True) -> pd.DataFrame:
    """Evaluate on random subsets of the anchors, several for each size.

    Parameters
    ----------
    evaluate : callable
        From a list of anchor positions to a number.
    n : int
        Anchors to draw from.
    sizes, seeds : sequences of int

    Returns
    -------
    DataFrame
        Columns ``size``, ``seed``, ``value``; the subsets of a seed are nested.

    Raises
    ------
    ValueError
        If a size is not between 1 and n.
    """
    if not all(1 <= size <= n for size in sizes):
        raise ValueError(f"sizes {list(sizes)}: each must be from 1 to the {n} anchors")
    orders = {seed: np.random.default_rng(seed).permutation(n) for seed in seeds}
    grid = [(size, seed) for size in sizes for seed in seeds]
    rows = []
    for size, seed in tqdm(grid, desc="scaling curve", leave=False, disable=not progress):
        rows.append((size, seed, float(evaluate(orders[seed][:size].tolist()))))
    return pd.DataFrame(rows, columns=["size", "seed", "value"])
