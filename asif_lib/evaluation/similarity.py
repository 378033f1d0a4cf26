"""Representational similarity: how well two spaces agree about the same items, by neighbours and by correlation.

Each space is an (n, n) matrix of similarities of the same n items in the same order. Larger means more similar. For
intervals the items are resampled, since pairs of one item are not independent.
"""

from typing import NamedTuple

import numpy as np
import torch

from asif_lib.errors import ParameterError

from .measures import Measure

BLOCK = 250  # resamples whose counts are wide at a time: 100 MB for 50,000 items


def mutual_neighbours(a, b, k) -> torch.Tensor:
    """Return for each item the share of its k nearest neighbours that both spaces have in common, (n,) float32.

    The mean over items is the mutual k-nearest-neighbour score of Huh et al. ("The Platonic Representation
    Hypothesis", ICML 2024). By chance it would be k / (n - 1). No item is its own neighbour: the diagonal is not used.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
        Similarities of the items in the two spaces.
    k : int, from 1 to n - 1

    Examples
    --------
    >>> places = torch.tensor([0.0, 1.0, 3.0, 7.0])
    >>> a = -(places[:, None] - places).abs()
    >>> mutual_neighbours(a, a, 2)
    tensor([1., 1., 1., 1.])
    """
    return (neighbour_mask(a, k) & neighbour_mask(b, k)).sum(dim=1) / k


def pair_correlation(a, b) -> float:
    """Return Pearson's correlation of two (n, n) similarities over the n (n - 1) / 2 pairs of two items.

    Known as representational similarity analysis (Kriegeskorte, Mur and Bandettini, 2008).
    """
    rows, columns = torch.triu_indices(*a.shape, offset=1)
    return float(np.corrcoef(a[rows, columns].double(), b[rows, columns].double())[0, 1])


def debiased_cka(a, b) -> float:
    """Return the debiased linear CKA of two (n, n) similarities, at most 1; about 0 if they are unrelated.

    CKA: Kornblith et al., ICML 2019; unbiased HSIC: Song et al., JMLR 2012, equation 5. The diagonals are not used.
    Raises `ParameterError` for fewer than 4 items, or if all similarities of a space are equal.
    """
    if (n := len(a)) < 4:
        raise ParameterError(f"the debiased CKA needs 4 items or more, not {n}: give more pairs")
    a, b = (similarity.double().clone().fill_diagonal_(0) for similarity in (a, b))

    def hsic(x, y):  # times n (n - 3)
        return x.ravel() @ y.ravel() - 2 / (n - 2) * x.sum(0) @ y.sum(0) + x.sum() * y.sum() / ((n - 1) * (n - 2))

    if any(hsic(x, x) <= 1e-12 * x.square().sum() for x in (a, b)):
        raise ParameterError("all similarities of a space are equal: there is nothing to compare; check its vectors")
    return float(hsic(a, b) / (hsic(a, a) * hsic(b, b)).sqrt())


class Calibrated(NamedTuple):
    """A measure of agreement beside its values for shuffled items, as `calibrated` returns it."""

    value: float
    shuffled: np.ndarray  # (shuffles,) float64; their mean is the level of chance
    score: float
    """0 up to the 95 % quantile of the shuffles and the value, 1 for the measure's largest value, 1."""
    p: float
    """(1 + number of shuffles that reach the value) / (1 + shuffles)"""


def calibrated(measure, a, b, shuffles=100, seed=0) -> Calibrated:
    """Calibrate a measure of agreement against shuffles of the items of `b`.

    The score and p are those of Gröger, Wen and Brbić ("Revisiting the Platonic Representation Hypothesis", 2026).

    Parameters
    ----------
    measure : callable
        Of two (n, n) similarities, at most 1. The mean counts if it returns a value for each item.
    a, b : Tensors of shape (n, n)
    shuffles, seed : int
    """
    draw = torch.Generator().manual_seed(seed)
    orders = [torch.arange(len(a)), *(torch.randperm(len(a), generator=draw) for _ in range(shuffles))]
    values = [float(torch.as_tensor(measure(a, b[order][:, order])).double().mean()) for order in orders]
    value, shuffled, limit = values[0], np.array(values[1:]), np.quantile(values, 0.95)
    score = max(0.0, float((value - limit) / (1 - limit))) if limit < 1 else 0.0
    return Calibrated(value, shuffled, score, (1 + int((shuffled >= value).sum())) / (1 + shuffles))


def nearest_neighbours(similarity, k) -> torch.Tensor:
    """Return the k nearest neighbours of each item, the nearest first, (n, k) int64; an item is not its own."""
    return similarity.clone().fill_diagonal_(-torch.inf).topk(k, dim=1).indices


def neighbour_mask(similarity, k) -> torch.Tensor:
    """Return the (n, n) bool matrix that is true at the k nearest neighbours of each row."""
    mask = torch.zeros(similarity.shape, dtype=torch.bool, device=similarity.device)
    return mask.scatter_(1, nearest_neighbours(similarity, k), True)


def resampled_counts(shape, seed=0) -> np.ndarray:
    """Draw n items with replacement, and repeat: how often each item is drawn, `shape` (draws, n) uint8."""
    draws, n = shape
    rng = np.random.default_rng(seed)
    blocks = (min(BLOCK, draws - start) for start in range(0, draws, BLOCK))
    return np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size).astype(np.uint8) for size in blocks])


def pair_sums(counts, matrix):
    """Sum a symmetric (n, n) matrix over all pairs of two items, each as often as `counts` (draws, n) says."""
    matrix = matrix.double().clone().fill_diagonal_(0)  # (n, n); an item and its own copy are no pair
    counts = torch.as_tensor(counts).double()  # (draws, n)
    return ((counts @ matrix) * counts).sum(dim=1) / 2  # (draws,); w M wᵀ holds each pair twice


def correlation_with_interval(a, b, draws=1_000, seed=0) -> Measure:
    """Correlate two similarities over all pairs of two items (Pearson), with a bootstrap over the items.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
    draws, seed : int, of the bootstrap
    """
    counts = torch.from_numpy(resampled_counts((draws, len(a)), seed)).double()  # (draws, n)
    total = pair_sums(counts, torch.ones_like(a))  # (draws,), as all sums below
    mean_a, mean_b = pair_sums(counts, a) / total, pair_sums(counts, b) / total
    covariance = pair_sums(counts, a * b) / total - mean_a * mean_b
    variance_a = pair_sums(counts, a * a) / total - mean_a**2
    variance_b = pair_sums(counts, b * b) / total - mean_b**2
    return Measure(pair_correlation(a, b), *middle_of(covariance / (variance_a * variance_b).sqrt()), len(a))


def middle_of(values):
    """Return the ends of the middle 95 % of the values; a resample without any pair gives NaN."""
    low, high = np.nanquantile(np.asarray(values), [0.025, 0.975])
    return float(low), float(high)


COPY = 1e-3
"""A distance of unit vectors that rounding alone can make."""


def copy_distance(dtype) -> float:
    """Return the largest distance of unit vectors whose embeddings, rounded to `dtype`, may be copies of one."""
    return COPY + torch.finfo(dtype).eps / 2


def are_copies(cosines, dtype) -> torch.Tensor:
    """Return which of these cosines of embeddings, rounded to `dtype`, may belong to two copies of one."""
    return 2 - 2 * cosines <= copy_distance(dtype) ** 2
