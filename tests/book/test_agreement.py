"""Agreement of two spaces, on cases known by hand and under shuffles, with intervals from resampled items."""

from functools import partial

import numpy as np
import pytest
import torch

from asif_book.chapters.chapter_02.lessons import (
    binned_means,
    calibrated,
    correlation_with_interval,
    debiased_cka,
    mutual_neighbours,
    nearest_neighbours,
    neighbour_agreement,
    pair_correlation,
)
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import resampled_counts
from asif_lib.relative import unit_rows

PLACES = torch.tensor([0.0, 1.0, 3.0, 7.0])
NEAR = -(PLACES[:, None] - PLACES[None]).abs()
REVERSE = NEAR.flip(0, 1)


def test_neighbours_in_common_by_hand_and_an_item_is_none_of_its_own_whatever_its_diagonal_says():
    assert mutual_neighbours(NEAR, NEAR, 2).tolist() == [1, 1, 1, 1]
    # nearest: 1, 0, 1, 2 and, reversed, 1, 2, 3, 2
    assert mutual_neighbours(NEAR, REVERSE, 1).tolist() == [1, 0, 0, 1]
    low, high = (NEAR.clone().fill_diagonal_(own) for own in (-100, 100))
    assert nearest_neighbours(low, 1).tolist() == nearest_neighbours(high, 1).tolist() == [[1], [0], [1], [2]]
    assert mutual_neighbours(low, high, 1).tolist() == [1, 1, 1, 1]


def test_a_calibration_shuffles_rows_and_columns_together():
    """A shuffle that moved rows alone would keep the diagonal of neither order."""
    found = calibrated(lambda a, b: b.diagonal() == 0, NEAR, NEAR, shuffles=3)
    assert found.value == 1 and found.shuffled.tolist() == [1, 1, 1]


def test_a_space_without_structure_is_refused():
    for a, b in ((torch.full((9, 9), 0.3), similarity(9, 0)), (similarity(9, 0), torch.ones(9, 9))):
        with pytest.raises(ParameterError, match="all similarities of a space are equal"):
            debiased_cka(a, b)


def two_spaces(n=80):
    """Similarities of n items in two spaces that see the same 5 hidden coordinates, each turned its own way."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(n, 5, generator=generator)
    spaces = [hidden @ torch.randn(5, 12, generator=generator) for _ in range(2)]
    return [unit_rows(z) @ unit_rows(z).T for z in spaces]


def test_two_items_that_changed_places_agree_least():
    a, b = two_spaces()
    apart = int(b[0].argmin())
    order = torch.arange(80)
    order[0], order[apart] = apart, 0
    agreement = neighbour_agreement(a, b[order][:, order], 8)
    assert {*agreement.argsort()[:2].tolist()} == {0, apart}


def similarity(n, seed):
    x = unit_rows(torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)))
    return x @ x.T


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


def plain_cka(a, b):
    """Debiased CKA by U-centred matrices (Székely and Rizzo, 2014), entry by entry."""
    n, centred = len(a), []
    for m in (a.numpy().astype(float), b.numpy().astype(float)):
        np.fill_diagonal(m, 0)
        row, whole = m.sum(axis=1) / (n - 2), m.sum() / ((n - 1) * (n - 2))
        centred.append([m[i, j] - row[i] - row[j] + whole for i in range(n) for j in range(n) if i != j])
    x, y = np.array(centred)
    return x @ y / np.sqrt((x @ x) * (y @ y))


def test_cka_is_the_plain_one_1_for_the_same_space_turned_or_scaled_and_0_for_another():
    draw = torch.Generator().manual_seed(0)
    z, other = torch.randn(2, 60, 8, generator=draw)
    turned = 3 * z @ torch.linalg.qr(torch.randn(8, 8, generator=draw)).Q
    same, unlike = z @ z.T, other @ other.T
    assert debiased_cka(same, unlike) == pytest.approx(plain_cka(same, unlike))
    assert debiased_cka(*two_spaces(40)) == pytest.approx(plain_cka(*two_spaces(40)))
    assert debiased_cka(same, same) == pytest.approx(1) == debiased_cka(same, turned @ turned.T)
    wide = torch.randn(2, 60, 500, generator=draw)  # where plain CKA is large without any relation
    assert abs(debiased_cka(*(w @ w.T for w in wide))) < 0.1
    with pytest.raises(ParameterError, match="4 items or more, not 3"):
        debiased_cka(same[:3, :3], same[:3, :3])


@pytest.mark.parametrize("measure", [debiased_cka, pair_correlation, partial(mutual_neighbours, k=8)])
def test_a_calibrated_measure_is_0_for_unrelated_spaces_and_keeps_what_is_above_chance(measure):
    a, b = two_spaces()
    found = calibrated(measure, a, b, shuffles=99, seed=3)
    values = [found.value, *found.shuffled]
    limit = np.quantile(values, 0.95)
    assert found.value == pytest.approx(float(torch.as_tensor(measure(a, b)).mean()))
    assert found.score == pytest.approx((found.value - limit) / (1 - limit)) and 0.2 < found.score < found.value
    assert found.p == 0.01 and len(found.shuffled) == 99
    unrelated = calibrated(measure, a, similarity(80, 5), shuffles=99, seed=3)
    assert unrelated.score < 0.05 and unrelated.p > 0.01
    assert calibrated(measure, a, a, shuffles=9).score == pytest.approx(1)


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
