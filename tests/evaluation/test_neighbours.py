"""Agreement of two spaces, on cases known by hand and under shuffles."""

import pytest
import torch

from asif_lib.evaluation.neighbours import (
    mutual_neighbours,
    nearest_neighbours,
    neighbour_agreement,
    pair_correlation,
    shuffled_correlation,
)
from asif_lib.relative import unit_rows

PLACES = torch.tensor([0.0, 1.0, 3.0, 7.0])
NEAR = -(PLACES[:, None] - PLACES[None]).abs()
REVERSE = NEAR.flip(0, 1)


def test_neighbours_in_common_by_hand():
    assert mutual_neighbours(NEAR, NEAR, 2).tolist() == [1, 1, 1, 1]
    # nearest: 1, 0, 1, 2 and, reversed, 1, 2, 3, 2
    assert mutual_neighbours(NEAR, REVERSE, 1).tolist() == [1, 0, 0, 1]


def test_an_item_is_not_its_own_neighbour_whatever_its_diagonal_says():
    low = NEAR.clone().fill_diagonal_(-100)
    high = NEAR.clone().fill_diagonal_(100)
    assert nearest_neighbours(low, 1).tolist() == nearest_neighbours(high, 1).tolist() == [[1], [0], [1], [2]]
    assert mutual_neighbours(low, high, 1).tolist() == [1, 1, 1, 1]


def test_correlation_leaves_the_diagonal_out():
    other = (3 * NEAR + 1).fill_diagonal_(-1000)
    assert pair_correlation(NEAR, other) == pytest.approx(1)
    assert pair_correlation(NEAR, -NEAR) == pytest.approx(-1)


def test_a_shuffle_moves_rows_and_columns():
    assert shuffled_correlation(NEAR, REVERSE, torch.tensor([3, 2, 1, 0])) == pytest.approx(1)
    assert shuffled_correlation(NEAR, NEAR, torch.tensor([3, 2, 1, 0])) == pytest.approx(
        pair_correlation(NEAR, REVERSE)
    )


def two_spaces(n=80):
    """Similarities of n items in two spaces that see the same 5 hidden coordinates, each turned its own way."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(n, 5, generator=generator)
    spaces = [hidden @ torch.randn(5, 12, generator=generator) for _ in range(2)]
    return [unit_rows(z) @ unit_rows(z).T for z in spaces]


def test_shuffled_items_share_neighbours_no_more_often_than_chance():
    a, b = two_spaces()
    order = torch.randperm(80, generator=torch.Generator().manual_seed(1))
    shuffled = mutual_neighbours(a, b[order][:, order], 8).mean()
    assert float(shuffled) == pytest.approx(8 / 79, abs=0.04)
    assert float(mutual_neighbours(a, b, 8).mean()) > 3 * float(shuffled)


def test_two_items_that_changed_places_agree_least():
    a, b = two_spaces()
    apart = int(b[0].argmin())
    order = torch.arange(80)
    order[0], order[apart] = apart, 0
    agreement = neighbour_agreement(a, b[order][:, order], 8)
    assert {*agreement.argsort()[:2].tolist()} == {0, apart}
