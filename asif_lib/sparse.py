"""Sparsification: keep the k largest similarities, raise them to a power, normalise (ASIF, section 3)."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F

from .errors import ParameterError
from .relative import check_dimensions, unit_rows

ANCHOR_BLOCK = 16_384
QUERY_BLOCK = 1_024


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
        if self.n != other.n:
            raise ParameterError(f"vectors over {self.n} and over {other.n} anchors cannot be compared")
        return torch.from_numpy((self.to_csr() @ other.to_csr().T).toarray())

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
    if isinstance(k, bool) or not 1 <= k <= n or k != int(k):
        raise ParameterError(f"k = {k}: the entries to keep must be a whole number from 1 to the {n} anchors")
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


def sparse_relative_representation(z, anchors, k, p, *, mean=None, device="cpu", block=ANCHOR_BLOCK) -> SparseVectors:
    """Return what ``sparsify(relative_representation(z, anchors), k, p)`` gives, without the dense matrix.

    The anchors pass once, in blocks, and the k best so far are kept for each query; so the memory beyond
    the result is that of one tile of `QUERY_BLOCK` queries by `block` anchors, whatever n is.

    Parameters
    ----------
    z : Tensor of shape (q, d)
    anchors : Tensor of shape (n, d)
        Any floating dtype, also memory-mapped.
    k, p : as for `sparsify`
    mean : Tensor of shape (d,), optional
        Taken off both, as in `relative_representation`.
    device : str or torch.device
        Where the cosines are computed.
    block : int
        Anchors in a tile.

    Raises
    ------
    ParameterError
        If k or p is out of range, the dimensions differ, or a vector holds NaN.
    """
    check_k_p(k, p, len(anchors))
    values, indices = nearest_anchors(z, anchors, int(k), mean=mean, device=device, block=block)
    return power_and_normalise(values, indices, p, len(anchors))


def nearest_anchors(z, anchors, k, *, mean=None, device="cpu", block=ANCHOR_BLOCK):
    """Return the k largest cosines of each row of `z` (q, d) with the anchors (n, d), and which anchors these are.

    Returns
    -------
    values : Tensor of shape (q, k), float32
        The largest first.
    indices : Tensor of shape (q, k), int64

    Raises
    ------
    ParameterError
        If the dimensions differ, or a vector holds NaN.
    """
    check_dimensions(z, anchors)
    q, n = len(z), len(anchors)
    mean = None if mean is None else mean.to(device)
    queries = unit_rows(z.to(device), mean)
    values = torch.full((q, k), -torch.inf, device=device)
    indices = torch.zeros((q, k), dtype=torch.int64, device=device)
    for start in range(0, n, block):
        tile_anchors = unit_rows(anchors[start : start + block].to(device), mean, first=start)
        for first in range(0, q, QUERY_BLOCK):
            rows = slice(first, first + QUERY_BLOCK)
            tile = queries[rows] @ tile_anchors.T
            best, where = tile.topk(min(k, tile.shape[1]), dim=1)  # the last block may be narrower than k
            values[rows], order = torch.cat([values[rows], best], dim=1).topk(k, dim=1)
            indices[rows] = torch.cat([indices[rows], where + start], dim=1).gather(1, order)
    return values, indices


def power_and_normalise(values, indices, p, n) -> SparseVectors:
    """Make SparseVectors in `n` dimensions of the kept cosines `values` (q, k) at `indices` (q, k)."""
    values = values.clamp_min(0)
    # Dividing by the largest first changes nothing after the normalisation, and keeps a large p from
    # underflowing to a vector of zeros.
    values = (values / values.amax(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)) ** p
    return SparseVectors(indices.to("cpu", torch.int32), F.normalize(values, dim=1).cpu(), n)
