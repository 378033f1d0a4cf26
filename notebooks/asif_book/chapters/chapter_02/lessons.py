"""Helpers of chapter 02: how well two spaces agree, captions in the wrong place, and anchors chosen in several ways.

A space is an (n, n) matrix of similarities of the same n items in the same order. Larger means more similar. For
intervals the items are resampled, since pairs of one item are not independent.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure, resampled_counts


def mutual_neighbours(a, b, k) -> torch.Tensor:
    """Return for each item the share of its k nearest neighbours that both spaces have in common, (n,) float32.

    The mean over items is the mutual k-nearest-neighbour score of Huh et al. ("The Platonic Representation
    Hypothesis", ICML 2024). By chance it would be k / (n - 1). No item is its own neighbour: the diagonal is not used.

    >>> places = torch.tensor([0.0, 1.0, 3.0, 7.0])
    >>> a = -(places[:, None] - places).abs()
    >>> mutual_neighbours(a, a, 2)
    tensor([1., 1., 1., 1.])
    """
    near_a, near_b = (torch.zeros_like(s).scatter_(1, nearest_neighbours(s, k), 1) for s in (a, b))  # (n, n), 0 or 1
    return (near_a * near_b).sum(dim=1) / k


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
    """Calibrate a measure of agreement, at most 1, against shuffles of the items of `b`.

    The mean counts if the measure returns a value for each item. The score and p are those of Gröger, Wen and Brbić
    ("Revisiting the Platonic Representation Hypothesis", 2026).
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


def pair_sums(counts, matrix):
    """Sum a symmetric (n, n) matrix over all pairs of two items, each as often as `counts` (draws, n) says."""
    matrix = matrix.double().clone().fill_diagonal_(0)  # (n, n); an item and its own copy are no pair
    counts = torch.as_tensor(counts).double()  # (draws, n)
    return ((counts @ matrix) * counts).sum(dim=1) / 2  # (draws,); w M wᵀ holds each pair twice


def correlation_with_interval(a, b, draws=1_000, seed=0) -> Measure:
    """Correlate two similarities over all pairs of two items (Pearson), with a bootstrap over the items."""
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


def twins(pairs, similarity, threshold=0.95) -> pd.DataFrame:
    """List the pairs of pictures above a similarity (n, n), with their kind, and whether two splits share them."""
    split_of = {i: name for name, positions in pairs.splits.items() for i in positions}
    rows, columns = (similarity.triu(1) > threshold).nonzero(as_tuple=True)
    table = []
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        kind = "two files with one caption" if pairs.captions[i] == pairs.captions[j] else "two captions"
        if pairs.pictures[i].read_bytes() == pairs.pictures[j].read_bytes():
            kind = "one file, filed twice"
        table.append((kind, pairs.ids[i], pairs.ids[j], split_of[i] != split_of[j]))
    return pd.DataFrame(table, columns=["kind", "left", "right", "in two splits"])


def misplaced(n, share, generator) -> torch.Tensor:
    """Return an order of n captions in which a share of them, drawn at random, has changed places, (n,) int64."""
    order = torch.arange(n)
    moved = torch.randperm(n, generator=generator)[: round(share * n)]
    order[moved] = moved.roll(1)
    return order


def effect_left(a, b, share, k, generator) -> np.ndarray:
    """Measure the agreement of two similarities that is left when a share of the captions changes places, (2,).

    It is the correlation over pairs, and the share of k common neighbours above chance; each over its value for the
    captions as they are, mean of five deals. `a` is of the pictures, and `b` of the captions.
    """
    n, chance = len(a), k / (len(a) - 1)
    whole = pair_correlation(a, b), float(mutual_neighbours(a, b, k).mean()) - chance
    found = []  # of each deal (correlation, neighbours)
    for _ in range(5):
        order = misplaced(n, share, generator)
        mixed = b[order][:, order]
        found.append((pair_correlation(a, mixed), float(mutual_neighbours(a, mixed, k).mean()) - chance))
    return np.mean(found, axis=0) / whole


def covered_by(cosines, order, counts) -> np.ndarray:
    """Measure how well the first anchors of an `order` (n,) cover new pictures, (len(counts), 2).

    For each of the `counts` of anchors it is the mean and the 5th percentile over the pictures, whose cosines with all
    anchors are (q, n).
    """
    best = [cosines[:, order[:count]].amax(dim=1) for count in counts]  # of each count (q,)
    return np.array([[float(b.mean()), float(b.quantile(0.05))] for b in best])


def neighbour_agreement(a, b, k) -> torch.Tensor:
    """Return for each item how similar its k nearest neighbours of one space are to it in the other, (n,).

    The result is the mean of both directions: neighbours by `a` with similarities by `b`, and the reverse. A pair
    whose picture and caption do not belong together has a low value.
    """
    by_a = b.gather(1, nearest_neighbours(a, k)).mean(dim=1)  # (n, k) → (n,)
    by_b = a.gather(1, nearest_neighbours(b, k)).mean(dim=1)
    return (by_a + by_b) / 2


def binned_means(a, b, bins=12, draws=1_000, seed=0) -> pd.DataFrame:
    """Average the similarities `b` over the pairs in each bin of the similarities `a`.

    Columns: ``centre`` of the bin, ``mean``, and its interval ``low``, ``high`` by a bootstrap over the items; bins of
    under ten pairs are left out.
    """
    counts = torch.from_numpy(resampled_counts((draws, len(a)), seed)).double()  # (draws, n)
    once = torch.ones(1, len(a))
    rows, columns = torch.triu_indices(*a.shape, offset=1)
    edges = np.linspace(float(a[rows, columns].min()), 1, bins + 1)
    bin_of = np.digitize(a.numpy(), edges[1:-1])
    table = []
    for i in range(bins):
        inside = torch.from_numpy(bin_of == i).double()  # (n, n)
        if inside.triu(1).sum() < 10:
            continue
        mean = float(pair_sums(once, inside * b) / pair_sums(once, inside))
        spread = middle_of(pair_sums(counts, inside * b) / pair_sums(counts, inside))
        table.append(((edges[i] + edges[i + 1]) / 2, mean, *spread))
    return pd.DataFrame(table, columns=["centre", "mean", "low", "high"])
