"""Relative representations: describe a vector by its cosines with the anchors (Moschella et al., ICLR 2023)."""

import itertools
import warnings

import numpy as np
import torch

from asif_lib import method
from asif_lib.errors import ParameterError

TALL = 2
"""The main directions of rows come from their covariance, if there are more than this number of rows a dimension."""
SMALLEST = 1e-15
"""Below this length the squares of a float32 vector's components lose bits, or vanish."""


def as_embeddings(z) -> torch.Tensor:
    """Return embeddings (n, d), a Tensor or a NumPy array, as a Tensor over the same memory.

    Raises `ParameterError` if the array is masked, or holds no float16, float32 or float64 of this machine's order.

    >>> as_embeddings(np.ones((2, 3), "float32")).shape
    torch.Size([2, 3])
    """
    if isinstance(z, torch.Tensor):
        return z
    plain = isinstance(z, np.ndarray) and not isinstance(z, np.ma.MaskedArray)
    if not plain or z.dtype not in (np.float16, np.float32, np.float64):
        found = z.dtype if plain else type(z).__name__
        raise ParameterError(f"embeddings are a Tensor or a NumPy array of floats, not {found}: np.asarray(z, 'f4')")
    if any(step < 0 or step % z.itemsize for step in z.strides):  # of z[::-1], which PyTorch does not know
        z = np.ascontiguousarray(z)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # an array that cannot be written to
        return torch.from_numpy(z)


def unit_rows(z, mean=None, first=0) -> torch.Tensor:
    """Return the rows of `z` scaled to length 1, (n, d) float32; `method.unit` for any numbers, with errors by row.

    A zero row has no direction and stays zero: its cosine with every vector is defined as 0.

    Raises `ParameterError` if `z` is not a matrix, `mean` has another width, or a row holds NaN or infinity.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    mean : Tensor of shape (d,), optional
        Subtracted first.
    first : int
        The number of the first row in error messages.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    if z.ndim != 2:
        raise ParameterError(f"embeddings are a matrix with one row each; this has shape {tuple(z.shape)}")
    given = z.float()
    z = given if mean is None else given - _checked_mean(z, mean)
    norms = z.norm(dim=1, keepdim=True)
    extreme = ((norms < SMALLEST) | ~norms.isfinite()).squeeze(1)
    if extreme.any():  # their squares under- or overflow, unless divided by their largest component
        if (bad := ~z.isfinite().all(dim=1)).any():
            i = int(bad.nonzero()[0])
            what = "minus the mean is beyond float32, or the mean holds NaN or infinity"
            if not given[i].isfinite().all():
                what = "holds NaN or infinity; see what was encoded there"
            raise ParameterError(f"row {first + i} of the embeddings {what}")
        z = z.clone()
        largest = z[extreme].abs().amax(dim=1, keepdim=True)
        z[extreme] /= torch.where(largest > 0, largest, 1)
        norms = z.norm(dim=1, keepdim=True)
    return z / torch.where(norms > 0, norms, 1)


def relative_representation(z, anchors, *, mean=None) -> torch.Tensor:
    """Compute the (q, n) float32 cosines of q vectors `z` (q, d) with n `anchors` (n, d), by `method.relative`.

    Entry (i, j) is cos(z_i - mean, anchor_j - mean): row i describes z_i, and column j has the name of anchor j.
    The result is dense, for chapters and small n; `asif_lib.represent` keeps the largest entries only.

    A rotation or a rescaling of `z` and `anchors` together changes nothing, nor, with the mean, does a translation.

    Raises `ParameterError` if the dimensions differ.

    Parameters
    ----------
    z : Tensor or array of shape (q, d)
    anchors : Tensor or array of shape (n, d)
    mean : Tensor of shape (d,), optional
        Subtracted from both: the mean of the anchors, for an encoder whose vectors share a large common part.

    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> relative_representation(torch.tensor([[5.0, 5.0]]), anchors)
    tensor([[0.7071, 0.7071]])
    """
    z, anchors = as_embeddings(z), as_embeddings(anchors)
    check_dimensions(z, anchors)
    cosines = method.relative(moved(z, mean), moved(anchors, mean))  # (q, n)
    if cosines.isnan().any():
        for rows in (z, anchors):
            unit_rows(rows, mean)  # names the row that holds NaN or infinity
    return cosines


def moved(z, mean=None) -> torch.Tensor:
    """Return the rows of `z`, taken as float32, minus `mean`: (n, d) float64."""
    return z.float().double() if mean is None else z.float().double() - _checked_mean(z, mean).double()


def _checked_mean(z, mean):
    if mean.shape != z.shape[1:]:
        raise ParameterError(f"the mean has shape {tuple(mean.shape)} and the embeddings {z.shape[1]} dimensions")
    return mean.float()


def check_dimensions(z, anchors):
    """Raise `ParameterError` unless `z` holds floats, and its rows and those of `anchors` are in the same space."""
    if not z.is_floating_point():
        raise ParameterError(f"the vectors are {z.dtype}: embeddings are floating-point numbers")
    method.check(z, anchors)


def main_directions(n, blocks):
    """Return the r main directions (d, r) of n rows, the largest first, and the standard deviations along them (r,).

    The rows come in `blocks` (b, d); r is the smaller of n and d. If n > `TALL` · d, one block is in memory at a time.
    """
    blocks = iter(blocks)
    first = next(blocks)
    if n > TALL * first.shape[1]:  # their covariance (d, d) is small, and in double precision exact enough
        total, products = 0, torch.zeros(first.shape[1], first.shape[1], dtype=torch.float64)
        for block in (block.double() for block in itertools.chain([first], blocks)):
            total, products = total + block.sum(dim=0), products.addmm_(block.T, block)
        variance, directions = torch.linalg.eigh(products / n - (total / n).outer(total / n))
        return directions.flip(1).float(), variance.flip(0).clamp_min(0).sqrt().float()
    rows = torch.cat([first, *blocks])
    _, lengths, directions = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    return directions.T, lengths / n**0.5


def whitening(directions, spread, shrinkage):
    """Return the matrix (d, d) that whitens rows: their shrunk covariance to the power -1/2.

    The shrunk covariance is (1 - s) · C + s · (trace C / d) · 1, with the `shrinkage` 0 < s ≤ 1. With s = 1, a multiple
    of the identity, it changes no cosine. Directions without spread have the variance s · trace C / d. `directions`
    (d, r) and `spread` (r,) are the `main_directions` of the rows.
    """
    variance = spread.square()  # (r,)
    floor = (shrinkage * variance.sum() / len(directions)).clamp_min(1e-30)  # of rows that are all the same
    along = ((1 - shrinkage) * variance + floor).rsqrt() - floor.rsqrt()  # (r,)
    return (directions * along) @ directions.T + floor.rsqrt() * torch.eye(len(directions))
