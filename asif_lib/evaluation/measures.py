"""How good a model is, and how sure the number is: accuracy and recall with intervals."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy  # scipy.stats takes a second, and loads itself when it is first used
import torch

from asif_lib.errors import ParameterError
from asif_lib.settings import check_seed

RESAMPLES = 2_000
BLOCK = 250  # resamples whose counts are wide at a time: 100 MB for 50,000 items
RECALLS = (1, 5, 10)  # the k of R@k in mean_recall
FEW_ITEMS, FEW_HITS, FEW_PAIRS, FEW_CHANGES = 50, 8, 35, 4
"""With fewer items, hits or misses, items of two methods, or of these on which both differ, a bootstrap sees too little
spread (benchmarks/accuracy/intervals.md)."""


@dataclass(frozen=True)
class Measure:
    """A mean over n items with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def ci(self) -> tuple:
        return self.low, self.high

    def __rmul__(self, factor) -> "Measure":
        """Return the measure in another unit: ``100 * gap`` is a difference of shares in points."""
        return Measure(factor * self.value, *sorted(factor * end for end in self.ci), self.n)

    def __str__(self):
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}], n = {self.n}"


def mean_with_interval(items, seed=0) -> Measure:
    """Return the mean of a value per item and its 95 % percentile bootstrap interval (scipy).

    The interval of a share (bool) with fewer than 50 `items` (n,), or fewer than 8 that are True or False, is exact
    binomial. The interval of fewer than 50 other items is the hull of Student's and of the studentised bootstrap's
    (Efron and Tibshirani, An introduction to the bootstrap, section 12.5), since items may be skewed; for heavy tails,
    it is nominal. Equal items that are no share have an interval without width, which says nothing of how sure they
    are.

    Raises `ValueError` if there are no items.
    """
    is_share = np.asarray(items).dtype == bool
    values = np.asarray(items, dtype=float)
    n = values.size
    if n == 0:
        raise ValueError("there are no items to take the mean of")
    if is_share and (n < FEW_ITEMS or min(values.sum(), n - values.sum()) < FEW_HITS):
        return share_with_interval(items, "exact")
    mean, rng = float(values.mean()), np.random.default_rng(check_seed(seed))
    if np.ptp(values) == 0:  # every resample is the same, so the bootstrap sees no spread
        return Measure(mean, mean, mean, n)
    if n >= FEW_ITEMS:
        interval = scipy.stats.bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, batch=200, method="percentile", rng=rng
        ).confidence_interval
        return Measure(mean, float(interval.low), float(interval.high), n)
    drawn = values[rng.integers(n, size=(RESAMPLES, n))]  # (RESAMPLES, n)
    error, errors = (each.std(axis=-1, ddof=1) / n**0.5 for each in (values, drawn))
    differ = errors > 1e-9 * error  # the items of a resample may be all the same, up to rounding
    t = (drawn.mean(axis=1) - mean)[differ] / errors[differ]
    student, low, high = scipy.stats.t.ppf(0.975, n - 1), *np.quantile(t, [0.025, 0.975])
    return Measure(mean, float(mean - error * max(high, student)), float(mean - error * min(low, -student)), n)


def share_with_interval(flags, method="wilson") -> Measure:
    """Return the share of `flags` (n,) that are True with its 95 % binomial interval (scipy's ``binomtest``).

    The method is "wilson" or "exact", the interval of Clopper and Pearson.

    Raises `ParameterError` if there are no flags.
    """
    flags = np.asarray(flags, dtype=bool)
    if flags.size == 0:
        raise ParameterError("there are no pictures to take a share of")
    interval = scipy.stats.binomtest(int(flags.sum()), flags.size).proportion_ci(0.95, method=method)
    return Measure(float(flags.mean()), float(interval.low), float(interval.high), flags.size)


def auc_with_interval(parts) -> Measure:
    """Return the mean of the `parts` (n,) of an AUC with its 95 % interval, which lies inside 0 to 1.

    A part is the AUC of one seed, or what one item adds to it (DeLong et al., Biometrics 1988): their mean is the AUC.
    The interval is Student's for log(A / (1 - A)) (Pepe, The statistical evaluation of medical tests, 2003, section
    5.2). Equal parts have an interval without width. Raises `ParameterError` for fewer than two.
    """
    parts = np.asarray(parts, float)
    if parts.size < 2:
        raise ParameterError(f"{parts.size} part of an AUC: an interval takes at least two")
    mean, error = float(parts.mean()), scipy.stats.t.ppf(0.975, parts.size - 1) * scipy.stats.sem(parts)
    if np.ptp(parts) == 0 or not 0 < mean < 1:
        return Measure(mean, mean, mean, parts.size)
    error *= 1 / (mean * (1 - mean))  # on the scale of the logarithm
    low, high = scipy.special.expit(scipy.special.logit(mean) + np.array([-error, error]))
    return Measure(mean, float(low), float(high), parts.size)


def in_points(gap, digits=1) -> str:
    """Write a difference of shares in points, with its interval.

    >>> in_points(Measure(0.012, -0.01, 0.034, 150))
    '+1.2 points [-1.0, +3.4]'
    """
    value, low, high = (f"{100 * x:+.{digits}f}" for x in (gap.value, gap.low, gap.high))
    return f"{value} points [{low}, {high}]"


def accuracy(predicted, labels, seed=0) -> Measure:
    """Return the share of predictions that equal the labels.

    Parameters
    ----------
    predicted, labels : arrays of shape (n,)
        Other shapes raise `ParameterError`.
    seed : int, of the bootstrap
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape:
        raise ParameterError(f"predictions of the shape {predicted.shape} for labels of the shape {labels.shape}")
    return mean_with_interval(predicted == labels, seed)


def ranks(scores, relevant) -> np.ndarray:
    """Return for each query the rank (0 is best) of its best relevant candidate, (q,) int64.

    A relevant candidate that ties with others ranks behind them: a tie does not count as found. Each row of `relevant`
    (q, t), bool, has at least one True; the `scores` are (q, t) too. Both are Tensors or arrays.
    """
    scores, relevant = torch.as_tensor(scores), torch.as_tensor(relevant, dtype=torch.bool)
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    return (~(scores < best) & ~relevant).sum(dim=1).numpy()  # "not smaller" counts NaN as ahead, too


def recall_at(scores, relevant, k, seed=0) -> Measure:
    """Return recall@k: the share of queries with a relevant candidate among the k best.

    Parameters
    ----------
    scores, relevant : Tensors of shape (q, t)
        As for `ranks`.
    k : int
    seed : int, of the bootstrap
    """
    return mean_with_interval(ranks(scores, relevant) < k, seed)


def mean_recall(ways, relevant) -> float:
    """Return the mean of R@1, R@5 and R@10 over both directions.

    `ways` are the scores for the search of texts, (q, t), and for the search of pictures, (t, q), as ``both_ways`` of a
    baseline returns them; `relevant` (q, t) says which pictures and texts belong together.
    """
    places = [ranks(scores, right) for scores, right in zip(ways, (relevant, relevant.T), strict=True)]
    return float(recall_of_each(places).mean())


def recall_of_each(ways) -> np.ndarray:
    """Return the recall of each of q pairs, (q,) from 0 to 1, whose mean is `mean_recall`.

    `ways` are the `ranks` (q,) of the pairs in the search of texts, and in the search of pictures.
    """
    return np.mean([places < k for places in ways for k in RECALLS], axis=0)


def same_text(queries, candidates) -> torch.Tensor:
    """Return which strings are equal, (q, t) bool: `relevant` for captions that occur twice."""
    queries, candidates = (np.array(texts, dtype=object) for texts in (queries, candidates))
    return torch.from_numpy(np.equal.outer(queries, candidates).astype(bool))


def paired_difference(right_a, right_b, seed=0) -> Measure:
    """Return the mean of a - b over the same items, with its interval.

    The interval is narrower than a comparison of two separate intervals, because each item meets both methods. It is a
    bootstrap. For right and wrong (1 and 0) it is Tango's score interval instead, if there are fewer than 35 items, or
    the methods differ on fewer than 4. A bootstrap would be too sure of so few.

    Parameters
    ----------
    right_a, right_b : arrays of shape (n,)
        Other shapes raise `ValueError`.
    seed : int, of the bootstrap
    """
    right_a, right_b = np.asarray(right_a, float), np.asarray(right_b, float)
    if right_a.shape != right_b.shape:
        raise ValueError(f"a has {right_a.shape} items and b {right_b.shape}; compare both on the same items")
    gaps = right_a - right_b
    few = gaps.size < FEW_PAIRS or np.count_nonzero(gaps) < FEW_CHANGES
    if gaps.size and few and np.isin(gaps, (-1, 0, 1)).all():
        return Measure(float(gaps.mean()), *_score_interval((gaps > 0).sum(), (gaps < 0).sum(), gaps.size), gaps.size)
    return mean_with_interval(gaps, seed)


def _score_interval(won, lost, n) -> tuple:
    """Return the 95 % interval of (won - lost) / n of n pairs (Tango 1998): no difference in it is rejected."""

    def excess(d):
        """Return by how much the squared error of d exceeds 1.96² times its variance, if d is the true difference."""
        b = (2 * n - won + lost) * d - won - lost
        share = (max(b * b + 8 * n * lost * d * (1 - d), 0) ** 0.5 - b) / (4 * n)  # of pairs lost, the likeliest
        return (won - lost - n * d) ** 2 - 1.959964**2 * n * (2 * share + d * (1 - d))

    value, beside = (won - lost) / n, 1e-9
    return tuple(scipy.optimize.brentq(excess, *ends) for ends in ((-1, value - beside), (value + beside, 1)))


def per_class(answer, labels) -> pd.DataFrame:
    """Return ``class``, ``n`` and the share of right answers, ``accuracy``, with its 95 % interval ``low``, ``high``.

    The true `labels` are q positions in the classes of the `Classification`. A class without pictures has no row.
    """
    predicted, labels = answer.predicted.numpy(), np.asarray(labels)
    rows = []
    for position, name in enumerate(answer.labels):
        if (labels == position).any():
            share = share_with_interval(predicted[labels == position] == position)
            rows.append({"class": name, "n": share.n, "accuracy": share.value, "low": share.low, "high": share.high})
    return pd.DataFrame(rows)


def confusion_of(answer, labels) -> pd.DataFrame:
    """Return the counts of pictures, (c, c + 1): a row for each true class, a column for each answer.

    The last column, ``undecided``, counts pictures that share no anchor with any label.
    """
    c, labels = len(answer.labels), np.asarray(labels)
    counts = np.zeros((c, c + 1), int)
    np.add.at(counts, (labels, answer.predicted.numpy()), 1)  # -1, undecided, is the last column
    return pd.DataFrame(counts, index=answer.labels, columns=[*answer.labels, "undecided"])


def resampled_counts(shape, seed=0) -> np.ndarray:
    """Draw n items with replacement, and repeat: how often each item is drawn, `shape` (draws, n) uint8."""
    draws, n = shape
    rng = np.random.default_rng(check_seed(seed))
    blocks = (min(BLOCK, draws - start) for start in range(0, draws, BLOCK))
    return np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size).astype(np.uint8) for size in blocks])


COPY = 1e-3
"""A distance of unit vectors that rounding alone can make."""


def copy_distance(dtype) -> float:
    """Return the largest distance of unit vectors whose embeddings, rounded to `dtype`, may be copies of one."""
    return COPY + torch.finfo(dtype).eps / 2


def are_copies(cosines, dtype) -> torch.Tensor:
    """Return which of these cosines of embeddings, rounded to `dtype`, may belong to two copies of one."""
    return 2 - 2 * cosines <= copy_distance(dtype) ** 2


class McNemar(NamedTuple):
    """The questions on which two methods disagree, and the p-value of `mcnemar`."""

    only_a: int
    only_b: int
    p: float


def mcnemar(right_a, right_b) -> McNemar:
    """Test whether two methods are equally good on the same questions, exactly (scipy's ``binomtest``).

    Only questions that one method alone gets right tell anything. If both methods are equally good, each of these
    questions is a toss of a fair coin. McNemar, Psychometrika 1947.

    Raises `ParameterError` if the numbers of questions differ.

    >>> mcnemar([True, True, True, False], [False, False, False, False])
    McNemar(only_a=3, only_b=0, p=0.25)
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape:
        raise ParameterError(f"a has {a.shape} questions and b {b.shape}; compare both on the same questions")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    tosses = only_a + only_b
    return McNemar(only_a, only_b, float(scipy.stats.binomtest(only_a, tosses).pvalue) if tosses else 1.0)
