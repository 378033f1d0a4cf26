"""Measures over pairs of items, with intervals from resampled items."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from asif_lib.evaluation.neighbours import (
    binned_means,
    correlation_with_interval,
    pair_correlation,
    pair_ranks,
    pair_sums,
    resampled_counts,
)


def similarity(n, seed):
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    x = x / x.norm(dim=1, keepdim=True)
    return x @ x.T


def test_resampled_counts_draw_as_many_items_as_there_are():
    counts = resampled_counts((50, 20), seed=3)
    assert counts.shape == (50, 20)
    assert (counts.sum(axis=1) == 20).all() and counts.max() > 1
    assert (counts == resampled_counts((50, 20), seed=3)).all()


def test_counts_in_blocks_are_those_of_one_draw():
    whole = np.random.default_rng(5).multinomial(40, np.full(40, 1 / 40), 700)
    assert (resampled_counts((700, 40), seed=5) == whole).all()


def test_pair_sums_are_those_of_the_items_written_out():
    matrix = similarity(8, 0)
    counts = resampled_counts((5, 8))
    for sum_of, count in zip(pair_sums(counts, matrix), counts, strict=True):
        drawn = [i for i, times in enumerate(count.tolist()) for _ in range(times)]
        pairs = [(i, j) for i, j in itertools.combinations(drawn, 2) if i != j]
        assert float(sum_of) == pytest.approx(sum(float(matrix[i, j]) for i, j in pairs))


def test_the_interval_is_that_of_correlations_over_resampled_items():
    a, b = similarity(30, 0), similarity(30, 1)
    found = correlation_with_interval(a, b, draws=40, seed=2)
    assert found.value == pair_correlation(a, b) and found.n == 30
    written_out = []
    for count in resampled_counts((40, 30), seed=2):
        drawn = np.repeat(np.arange(30), count)
        x, y = np.triu_indices(len(drawn), 1)
        apart = drawn[x] != drawn[y]
        i, j = drawn[x[apart]], drawn[y[apart]]
        written_out.append(np.corrcoef(a[i, j].double(), b[i, j].double())[0, 1])
    assert found.ci == pytest.approx(tuple(np.quantile(written_out, [0.025, 0.975])), abs=1e-6)


def test_correlation_of_pair_ranks_is_spearmans():
    a, b = similarity(25, 0), similarity(25, 1)
    rows, columns = torch.triu_indices(25, 25, offset=1)
    expected = spearmanr(a[rows, columns], b[rows, columns]).statistic
    assert pair_correlation(pair_ranks(a), pair_ranks(b)) == pytest.approx(expected)


def test_binned_means_average_over_the_pairs_of_each_bin():
    a, b = similarity(40, 0), similarity(40, 1)
    table = binned_means(a, b, bins=4, draws=30)
    rows, columns = torch.triu_indices(40, 40, offset=1)
    x, y = a[rows, columns].numpy(), b[rows, columns].numpy()
    edges = np.linspace(x.min(), 1, 5)
    for row in table.itertuples(name=None):
        _, centre, mean, low, high = row
        inside = np.digitize(x, edges[1:-1]) == np.digitize(centre, edges[1:-1])
        assert inside.sum() >= 10
        assert mean == pytest.approx(y[inside].mean(), abs=1e-6)
        assert low < mean < high
