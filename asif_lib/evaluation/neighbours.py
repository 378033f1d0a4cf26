"""Measure how well two spaces agree about the same items: common neighbours, and correlation of similarities.

Each space is an (n, n) matrix of similarities of the same n items in the same order. Larger means more similar.
"""

import numpy as np
import torch


def mutual_neighbours(a, b, k) -> torch.Tensor:
    """Return for each of n items the share of its k nearest neighbours that both spaces have in common.

    The mean over items is the mutual k-nearest-neighbour score of Huh et al. ("The Platonic Representation
    Hypothesis", ICML 2024). By chance it would be k / (n - 1).

    Parameters
    ----------
    a, b : Tensor of shape (n, n)
        Similarities. No item is its own neighbour: the diagonal is not used.
    k : int
        Neighbours, 1 ≤ k < n.

    Returns
    -------
    Tensor of shape (n,), float32
        Each between 0 and 1.

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


def shuffled_correlation(a, b, order) -> float:
    """Return the control for `pair_correlation`: item i of `a` is compared with item ``order[i]`` of `b`."""
    return pair_correlation(a, b[order][:, order])


def neighbour_agreement(a, b, k) -> torch.Tensor:
    """Return for each item how similar its k nearest neighbours of one space are to it in the other, (n,).

    The result is the mean of both directions: neighbours by `a` with similarities by `b`, and the reverse. A pair
    whose picture and caption do not belong together has a low value.
    """
    by_a = b.gather(1, nearest_neighbours(a, k)).mean(dim=1)
    by_b = a.gather(1, nearest_neighbours(b, k)).mean(dim=1)
    return (by_a + by_b) / 2


def nearest_neighbours(similarity, k, itself=False) -> torch.Tensor:
    """Return the k nearest neighbours of each item, the nearest first, (n, k) int64; with `itself`, the item too."""
    similarity = similarity if itself else similarity.clone().fill_diagonal_(-torch.inf)
    return similarity.topk(k, dim=1).indices


def neighbour_mask(similarity, k, itself=False) -> torch.Tensor:
    """Return the (n, n) bool matrix that is true at the k nearest neighbours of each row."""
    mask = torch.zeros(similarity.shape, dtype=torch.bool, device=similarity.device)
    return mask.scatter_(1, nearest_neighbours(similarity, k, itself), True)
