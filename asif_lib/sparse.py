"""Sparsification: keep the k largest similarities, raise them to a power, normalise (ASIF, section 3)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from asif_lib.defaults import NEAREST, check_hubs, check_k_p
from asif_lib.encoders.encoder import as_embeddings
from asif_lib.search.exact import top_anchors
from asif_lib.search.prepared import PreparedAnchors
from asif_lib.search.rows import BLOCK, as_rows


@dataclass(frozen=True)
class SparseVectors:
    """Hold q vectors in n dimensions with at most k entries each, of unit length; on the CPU.

    Attributes
    ----------
    indices : Tensor of shape (q, k), int32
        Positions of the kept entries (anchors), the largest entry first.
    values : Tensor of shape (q, k), float32
        The entries, 0 or positive.
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
        from asif_lib.search.inverted import InvertedIndex  # brings the compiler

        return InvertedIndex(other).scores(self)

    def to_csr(self):
        """Return the vectors as a `scipy.sparse.csr_array` of shape (q, n)."""
        import scipy.sparse

        q, k = self.indices.shape
        rows = np.arange(0, q * k + 1, k, dtype=np.int64)
        matrix = (self.values.numpy().ravel(), self.indices.numpy().ravel(), rows)
        # A copy: scipy sorts a matrix in place, and would sort the values of this object without their indices.
        return scipy.sparse.csr_array(matrix, shape=(q, self.n), copy=True)

    def to_dense(self) -> torch.Tensor:
        """Return the vectors as a (q, n) float32 matrix."""
        return torch.zeros(len(self), self.n).scatter_add_(1, self.indices.long(), self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of indices and values: 8 · q · k."""
        return self.indices.nbytes + self.values.nbytes


def sparsify(relative, k, p, offsets=None) -> SparseVectors:
    """Keep the k largest entries of each row of a dense relative representation.

    Negative entries are set to 0 *before* the power, since an even p would turn them positive.

    Parameters
    ----------
    relative : Tensor of shape (q, n)
    k : int
        Entries kept, 1 ≤ k ≤ n.
    p : float
        Exponent, p > 0.
    offsets : Tensor of shape (n,), optional
        As for `subtract_offsets`. The k largest cosines are kept before.

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
    values, indices = subtract_offsets(*relative.topk(int(k), dim=1), offsets)
    return power_and_normalise(values, indices, p, relative.shape[1])


def sparse_relative_representation(
    z, anchors, k, p, *, mean=None, offsets=None, method="auto", device="cpu", memory=None, progress=False
) -> SparseVectors:
    """Compute ``sparsify(relative_representation(z, anchors), k, p)`` without the dense matrix.

    Parameters
    ----------
    z : Tensor or array of shape (q, d)
    anchors : Tensor, array, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, also memory-mapped.
    k, p : as for `sparsify`
        Among equal similarities, the earlier anchors are kept.
    mean : Tensor of shape (d,), optional
        Subtracted from both, as in `relative_representation`.
    offsets : as for `sparsify`
    method, device, memory, progress : as for `asif_lib.search.top_anchors`
        They change how the k largest cosines are found, and not the result.

    Raises
    ------
    ParameterError
        If k or p is out of range, the dimensions differ, or a vector holds NaN.

    References
    ----------
    Norelli et al., ASIF: Coupled data turns unimodal models to multimodal without training, NeurIPS 2023, section 3.
    """
    check_k_p(k, p, len(anchors))
    z, anchors = as_embeddings(z), as_embeddings(anchors) if isinstance(anchors, np.ndarray) else anchors
    values, indices = top_anchors(
        z, anchors, k, mean=mean, method=method, device=device, memory=memory, progress=progress
    )
    values, indices = subtract_offsets(values, indices, offsets)
    return power_and_normalise(values, indices, p, len(anchors))


def anchor_offsets(anchors, hubs, *, mean=None, device="cpu") -> torch.Tensor:
    """Return `hub_offsets` of the anchors (n, d) with their `NEAREST` nearest others, (n,) float32.

    The parameters are those of `sparse_relative_representation`. This is one search of all anchors among themselves.
    """
    check_hubs(hubs, len(anchors))
    rows = anchors.rows if isinstance(anchors, PreparedAnchors) else as_rows(anchors)
    near = [top_anchors(z, anchors, NEAREST + 1, mean=mean, device=device)[0] for _, z in rows.blocks(BLOCK)]
    return hub_offsets(torch.cat(near)[:, 1:], hubs)  # the first is the anchor itself


def hub_offsets(near, hubs) -> torch.Tensor:
    """Return what a correction for hubs subtracts from the cosine with each anchor, (n,).

    `near` (n, m) are the cosines of each anchor with its m nearest others. The offset is the share `hubs` of their
    mean, counted from its average over the anchors.
    """
    near = near.mean(dim=1)
    return hubs * (near - near.mean())


def subtract_offsets(values, indices, offsets) -> tuple:
    """Subtract the offset of each kept anchor, `offsets` (n,), from its cosine; None subtracts nothing.

    The kept cosines `values` (q, k) at `indices` (q, k) are sorted again, and both are returned, the largest first.
    """
    if offsets is None:
        return values, indices
    values, order = (values - offsets[indices]).sort(dim=1, descending=True, stable=True)
    return values, indices.gather(1, order)


def power_and_normalise(values, indices, p, n) -> SparseVectors:
    """Make SparseVectors in `n` dimensions of the kept cosines `values` (q, k) at `indices` (q, k)."""
    values = values.clamp_min(0)
    # Division by the largest entry cancels in the normalisation. Without it, a large p underflows to zeros.
    values = (values / values.amax(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)) ** p
    return SparseVectors(indices.to("cpu", torch.int32), F.normalize(values, dim=1).cpu(), n)
