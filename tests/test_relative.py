"""Relative representations: what they are, and what leaves them unchanged."""

import numpy as np
import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import as_embeddings, main_directions, relative_representation, unit_rows


def random_matrix(rows, columns, seed):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def z():
    return random_matrix(7, 12, 1)


@pytest.fixture
def anchors():
    return random_matrix(30, 12, 2) + 3


def test_an_array_is_used_without_a_copy_where_pytorch_can():
    array = np.ones((4, 6), "f4")
    for view in (array, array[1:], array[:, ::2]):
        assert np.shares_memory(as_embeddings(view).numpy(), array)
    assert not np.shares_memory(as_embeddings(array[::-1]).numpy(), array)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused_by_row(z, anchors, bad):
    z[3, 5] = z[5, 0] = bad
    for pair in ((z, anchors), (anchors, z)):
        with pytest.raises(ParameterError, match=r"row 3 .*NaN or infinity"):
            relative_representation(*pair)


@pytest.mark.parametrize("shapes", [((7, 11), (30, 12)), ((12,), (30, 12)), ((7, 12), (12,)), ((7, 12, 12), (30, 12))])
def test_other_dimensions_are_refused(z, shapes):
    with pytest.raises(ParameterError, match="not of one space"):
        relative_representation(*(torch.ones(shape) for shape in shapes))
    with pytest.raises(ParameterError, match=r"shape \(11,\) .* 12 dimensions"):
        unit_rows(z, torch.zeros(11))
    with pytest.raises(ParameterError, match="a matrix with one row each"):
        unit_rows(z[0])


@pytest.mark.parametrize("rank", [12, 8])
def test_many_rows_and_few_have_the_same_main_directions(rank):
    """Many rows take the way over their covariance; a rank below the width leaves directions without spread."""
    rows = random_matrix(20, rank, 3) @ random_matrix(rank, 12, 4)
    few, many = main_directions(20, [rows]), main_directions(60, [rows] * 3)
    for directions, spread in (few, many):
        assert directions.shape == (12, 12) and (spread[rank:] < 1e-6 * spread[0]).all()
    torch.testing.assert_close(few[1], many[1], rtol=1e-4, atol=1e-5)
    same = (few[0] * many[0]).sum(dim=0).abs()[:rank]  # up to a sign
    torch.testing.assert_close(same, torch.ones(rank), rtol=1e-4, atol=0)
