"""Helpers of chapter 02: captions in the wrong place, and anchors chosen in several ways."""

import functools
import itertools

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.evaluation.similarity import (
    middle_of,
    mutual_neighbours,
    nearest_neighbours,
    pair_correlation,
    pair_sums,
    resampled_counts,
)


def twins(pairs, similarity, threshold=0.95) -> pd.DataFrame:
    """List the pairs of pictures above a similarity, with their kind, and whether two splits share them.

    Parameters
    ----------
    pairs : Pairs
        n pairs with splits.
    similarity : Tensor of shape (n, n)
    threshold : float
    """
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
    """Return an order of captions in which a share of them has changed places, (n,) int64.

    Parameters
    ----------
    n : int
    share : float
        Of the captions, drawn at random.
    generator : torch Generator
    """
    order = torch.arange(n)
    moved = torch.randperm(n, generator=generator)[: round(share * n)]
    order[moved] = moved.roll(1)
    return order


def effect_left(a, b, share, k, generator) -> np.ndarray:
    """Measure the agreement of two similarities that is left when a share of the captions changes places, (2,).

    It is the correlation over pairs, and the share of k common neighbours above chance; each over its value for the
    captions as they are, mean of five deals.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
        Similarities of the pictures and of the captions.
    share : float
    k : int
        Neighbours of each item.
    generator : torch Generator
    """
    n, chance = len(a), k / (len(a) - 1)
    whole = pair_correlation(a, b), float(mutual_neighbours(a, b, k).mean()) - chance
    found = []  # of each deal (correlation, neighbours)
    for _ in range(5):
        order = misplaced(n, share, generator)
        mixed = b[order][:, order]
        found.append((pair_correlation(a, mixed), float(mutual_neighbours(a, mixed, k).mean()) - chance))
    return np.mean(found, axis=0) / whole


def all_matchings(image, text, groups, size, rng) -> tuple[np.ndarray, np.ndarray]:
    """Match eight piles of pictures with eight piles of captions in all 40,320 ways, by geometry alone.

    Returns for each way, the true one first, the correlation of two Gram matrices over the 28 pairs of piles (centred
    mean pictures, mean captions) and the share of piles that are right, (40320,) each. No item gives picture and
    caption. Raises `ParameterError` for fewer than eight groups.

    Parameters
    ----------
    image, text : arrays of shape (n, d_image) and (n, d_text)
    groups : array of n str
        Eight are drawn of those with 2 * size items or more, and ten or more.
    size : int
        Pictures of a pile, and captions; 0 for the halves of each group.
    rng : numpy Generator
    """
    names, counts = np.unique(groups, return_counts=True)
    if (large := counts >= max(10, 2 * size)).sum() < 8:
        raise ParameterError(f"only {large.sum()} groups are large enough for piles of {size}: eight are needed")
    drawn = [np.flatnonzero(groups == name) for name in rng.choice(names[large], 8, replace=False)]
    halves = [np.array_split(rng.permutation(rows)[: 2 * size or None], 2) for rows in drawn]
    orders, (i, j), grams = _orders_of_eight(), np.triu_indices(8, 1), []
    for z, rows in zip((image, text), zip(*halves, strict=True), strict=True):
        means = np.stack([z[pile].mean(axis=0) for pile in rows])  # (8, d)
        gram = (means - means.mean(axis=0)) @ (means - means.mean(axis=0)).T  # (8, 8)
        grams.append((gram - gram[i, j].mean()) / gram[i, j].std())
    scores = grams[1][orders[:, i], orders[:, j]] @ grams[0][i, j] / len(i)  # (40320, 28) @ (28,)
    return scores, (orders == orders[0]).mean(axis=1)


@functools.cache
def _orders_of_eight():
    return np.array([*itertools.permutations(range(8))])  # (40320, 8), the unchanged order first


def matched_piles(image, text, groups, deals, seed=0) -> tuple[np.ndarray, pd.DataFrame]:
    """Repeat `all_matchings` for piles of groups and for piles at random, of equal and of unequal sizes.

    Returns the scores of the first deal, and a table: the ways that the true one beats (median, middle 95 % of the
    deals) and the piles that are right in the best way (mean, its interval over the deals).

    Parameters
    ----------
    image, text, groups
        As for `all_matchings`.
    deals, seed : int
    """
    rng, table, first = np.random.default_rng(seed), {}, None
    sizes = {"ten of a folder": 10, "ten at random": 10, "half of a folder": 0, "at random, in these sizes": 0}
    for name, size in sizes.items():
        found = []  # of each deal (ways beaten, piles right)
        for _ in range(deals):
            drawn = rng.permutation(groups) if "random" in name else groups
            scores, right = all_matchings(image, text, drawn, size, rng)
            first = scores if first is None else first
            found.append(((scores < scores[0]).mean(), right[scores.argmax()]))
        beaten, right = np.transpose(found)
        low, high = np.quantile(beaten, [0.025, 0.975])
        m = mean_with_interval(right, seed)
        table[name] = f"{np.median(beaten):.1%} [{low:.0%}, {high:.0%}]", f"{m.value:.0%} [{m.low:.0%}, {m.high:.0%}]"
    return first, pd.DataFrame(table, ["ways that the true one beats", "piles right in the best way"]).T


def covered_by(cosines, order, counts) -> np.ndarray:
    """Measure how well the first anchors of an order cover new pictures: mean and 5th percentile, (len(counts), 2).

    Parameters
    ----------
    cosines : Tensor of shape (q, n)
        Of the new pictures with all anchors.
    order : Tensor of shape (n,), int64
    counts : sequence of int
        How many anchors are taken.
    """
    best = [cosines[:, order[:count]].amax(dim=1) for count in counts]  # of each count (q,)
    return np.array([[float(b.mean()), float(b.quantile(0.05))] for b in best])


def neighbour_agreement(a, b, k) -> torch.Tensor:
    """Return for each item how similar its k nearest neighbours of one space are to it in the other, (n,).

    The result is the mean of both directions: neighbours by `a` with similarities by `b`, and the reverse. A pair
    whose picture and caption do not belong together has a low value.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
    k : int
    """
    by_a = b.gather(1, nearest_neighbours(a, k)).mean(dim=1)  # (n, k) → (n,)
    by_b = a.gather(1, nearest_neighbours(b, k)).mean(dim=1)
    return (by_a + by_b) / 2


def binned_means(a, b, bins=12, draws=1_000, seed=0) -> pd.DataFrame:
    """Average the similarities `b` over the pairs in each bin of the similarities `a`.

    Columns: ``centre`` of the bin, ``mean``, and its interval ``low``, ``high``; bins of under ten pairs are left out.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
    bins : int
    draws, seed : int, of a bootstrap over the items
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
