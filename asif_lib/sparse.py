"""Sparsification: keep the k largest similarities, raise them to a power, normalise (ASIF, section 3)."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F

from asif_lib.errors import ParameterError
from asif_lib.search.exact import check_k, top_anchors
from asif_lib.search.inverted import InvertedIndex


@dataclass(frozen=True)
class SparseVectors:
    """q vectors in n dimensions with at most k entries each, of unit length; on the CPU.

    Attributes
    ----------
    indices : Tensor of shape (q, k), int32
        Positions of the kept entries (anchors), the largest entry first.
    values : Tensor of shape (q, k), float32
        The entries, not negative.
    n : int
        Dimensions, one for each anchor.
    """

    indices: torch.Tensor
    values: torch.Tensor
    n: int

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, rows) -> "SparseVectors":
        """Return the vectors of those rows (a slice, a list or a mask)."""
        return SparseVectors(self.indices[rows], self.values[rows], self.n)

    def similarity(self, other) -> torch.Tensor:
        """Return the (q, t) float32 cosines with t `other` SparseVectors of the same anchors.

        Raises
        ------
        ParameterError
            If the numbers of anchors differ.
        """
        return InvertedIndex(other).scores(self)

    def to_csr(self) -> scipy.sparse.csr_array:
        """Return the vectors as a scipy matrix of shape (q, n)."""
        q, k = self.indices.shape
        rows = np.arange(0, q * k + 1, k, dtype=np.int64)
        matrix = (self.values.numpy().ravel(), self.indices.numpy().ravel(), rows)
        # A copy: scipy sorts a matrix in place, and would sort the values here and not their indices.
        return scipy.sparse.csr_array(matrix, shape=(q, self.n), copy=True)

    def to_dense(self) -> torch.Tensor:
        """Return the vectors as a (q, n) float32 matrix."""
        return torch.zeros(len(self), self.n).scatter_add_(1, self.indices.long(), self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of indices and values: 8 · q · k."""
        return self.indices.nbytes + self.values.nbytes


def check_k_p(k, p, n):
    """Raise `ParameterError` unless 1 ≤ k ≤ n is whole and p > 0 is finite."""
    check_k(k, n)
    if not 0 < p < float("inf"):
        raise ParameterError(f"p = {p}: the exponent must be positive and finite")


def sparsify(relative, k, p) -> SparseVectors:
    """Keep the k largest entries of each row of a dense relative representation.

    Negative entries are set to 0 *before* the power, since an even p would turn them positive.

    Parameters
    ----------
    relative : Tensor of shape (q, n)
    k : int
        Entries kept, 1 ≤ k ≤ n.
    p : float
        Exponent, p > 0.

    Raises
    ------
    ParameterError
        If k or p is out of range.

    Examples
    --------
    >>> sparsify(torch.tensor([[0.5, -0.9, 0.5, 0.1]]), k=2, p=8).values
    tensor([[0.7071, 0.7071]])
    """
    check_k_p(k, p, relative.shape[1])
    values, indices = relative.topk(int(k), dim=1)
    return power_and_normalise(values, indices, p, relative.shape[1])


def sparse_relative_representation(
    z, anchors, k, p, *, mean=None, method="auto", device="cpu", memory=None, progress=False
) -> SparseVectors:
    """Return what ``sparsify(relative_representation(z, anchors), k, p)`` gives, without the dense matrix.

    Parameters
    ----------
    z : Tensor of shape (q, d)
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, also memory-mapped.
    k, p : as for `sparsify`
        Of equal similarities those of the earlier anchors are kept.
    mean : Tensor of shape (d,), optional
        Taken off both, as in `relative_representation`.
    method, device, memory, progress : as for `search.top_anchors`
        How the k largest cosines are found; they are the same.

    Raises
    ------
    ParameterError
        If k or p is out of range, the dimensions differ, or a vector holds NaN.
    """
    check_k_p(k, p, len(anchors))
    values, indices = top_anchors(
        z, anchors, k, mean=mean, method=method, device=device, memory=memory, progress=progress
    )
    return power_and_normalise(values, indices, p, len(anchors))


def power_and_normalise(values, indices, p, n) -> SparseVectors:
    """Make SparseVectors in `n` dimensions of the kept cosines `values` (q, k) at `indices` (q, k)."""
    values = values.clamp_min(0)
    # Dividing by the largest first changes nothing after the normalisation, and keeps a large p from
    # underflowing to a vector of zeros.
    values = (values / values.amax(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)) ** p
    return SparseVectors(indices.to("cpu", torch.int32), F.normalize(values, dim=1).cpu(), n)
