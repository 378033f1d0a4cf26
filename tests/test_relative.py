"""Relative representations: what they are, and what leaves them unchanged."""

import numpy as np
import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import as_embeddings, main_directions, relative_representation, unit_rows


def random_matrix(rows, columns, seed):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def rotation(d, seed):
    return torch.linalg.qr(random_matrix(d, d, seed))[0]


@pytest.fixture
def z():
    return random_matrix(7, 12, 1)


@pytest.fixture
def anchors():
    return random_matrix(30, 12, 2) + 3


def test_entries_are_the_cosines_by_name(z, anchors):
    relative = relative_representation(z, anchors)
    assert relative.shape == (7, 30)
    assert relative.dtype == torch.float32
    for i, j in [(0, 0), (3, 17), (6, 29)]:
        expected = torch.cosine_similarity(z[i], anchors[j], dim=0)
        assert relative[i, j] == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_rotation_and_scale_change_nothing_and_translation_only_with_the_mean(z, anchors, scale):
    turn, mean, shift = rotation(12, 5) * scale, anchors.mean(dim=0), torch.full((12,), 5.0)
    plain, centred = relative_representation(z, anchors), relative_representation(z, anchors, mean=mean)
    turned = relative_representation(z @ turn, anchors @ turn)
    torch.testing.assert_close(turned, plain, atol=1e-5, rtol=0)
    turned = relative_representation(z @ turn, anchors @ turn, mean=mean @ turn)
    torch.testing.assert_close(turned, centred, atol=1e-5, rtol=0)
    moved = relative_representation(z + shift, anchors + shift, mean=mean + shift)
    torch.testing.assert_close(moved, centred, atol=1e-4, rtol=0)
    assert (relative_representation(z + shift, anchors + shift) - plain).abs().max() > 0.1


def test_a_row_of_zeros_has_cosine_zero_with_everything(z, anchors):
    z[2] = 0
    relative = relative_representation(z, anchors)
    assert torch.isfinite(relative).all()
    assert (relative[2] == 0).all()
    anchors[4] = 0
    assert (relative_representation(z, anchors)[:, 4] == 0).all()


def test_rows_whose_squares_vanish_or_overflow_have_length_one(z):
    scales = torch.logspace(-37, 37, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(unit_rows((z.double() * scales).float()), unit_rows(z))


def test_an_array_is_used_without_a_copy_where_pytorch_can():
    array = np.ones((4, 6), "f4")
    for view in (array, array[1:], array[:, ::2]):
        assert np.shares_memory(as_embeddings(view).numpy(), array)
    assert not np.shares_memory(as_embeddings(array[::-1]).numpy(), array)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_dtype_gives_float32_rows_of_length_one(z, dtype):
    rows = unit_rows(z.to(dtype))
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(7))


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
