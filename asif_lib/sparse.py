"""From embeddings, anchors and `Settings` to sparse vectors (ASIF, section 3): every step of the method, once.

Centre, perhaps whiten, take the k largest cosines (`SideAnchors`), correct for hubs, set negative entries to 0, take
the power, normalise (`KeptCosines.sparse`). `represent` does all of it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from asif_lib.defaults import MANY, NEAREST
from asif_lib.machine import progress_bar
from asif_lib.relative import as_embeddings, check_dimensions, main_directions, unit_rows, whitening
from asif_lib.search.exact import MEMORY, top_anchors
from asif_lib.search.prepared import PreparedAnchors
from asif_lib.search.rows import PART, as_rows
from asif_lib.settings import Settings

ASKED = 4_096
"""Anchors that are searched at a time, for their hubs."""


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

        Raises `ParameterError` if the numbers of anchors differ.
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
        """Return the vectors as a (q, n) matrix."""
        return torch.zeros(len(self), self.n, dtype=self.values.dtype).scatter_add_(1, self.indices.long(), self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of indices and values: 8 · q · k."""
        return self.indices.nbytes + self.values.nbytes


@dataclass(frozen=True)
class KeptCosines:
    """The largest cosines of q vectors with n anchors: enough for each k up to their number, each p and each `hubs`."""

    values: torch.Tensor
    """Of shape (q, most), the largest first."""
    indices: torch.Tensor
    """Positions of the anchors, (q, most) int64."""
    n: int
    hubness: torch.Tensor | None = None
    """As `hubness_of` gives it, (n,); needed for settings with `hubs`."""

    def sparse(self, settings) -> SparseVectors:
        """Return the sparse vectors for `settings` with a k: cut, correct for hubs, clamp, take the power, normalise.

        Negative entries are set to 0 *before* the power, since an even p would turn them positive.
        """
        values, indices = self.values[:, : settings.k], self.indices[:, : settings.k]  # (q, k)
        if settings.hubs:
            values = values - settings.hubs * self.hubness[indices]
            values, order = values.sort(dim=1, descending=True, stable=True)
            indices = indices.gather(1, order)
        values = values.clamp_min(0)
        # Division by the largest entry cancels in the normalisation. Without it, a large p underflows to zeros.
        values = (values / values.amax(dim=1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)) ** settings.p
        return SparseVectors(indices.to("cpu", torch.int32), F.normalize(values, dim=1).cpu(), self.n)


def hubness_of(near) -> torch.Tensor:
    """Return how much of a hub each anchor is, (n,), from its cosines with its m nearest others, `near` (n, m).

    This is their mean, minus its average over all anchors: an average anchor loses nothing to a correction for hubs.
    """
    near = near.mean(dim=1)
    return near - near.mean()


class SideAnchors:
    """The n anchors of one side, and what happens to a vector before its cosine with them.

    Parameters
    ----------
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, also memory-mapped. Prepared ones bring their mean.
    mean : Tensor of shape (d,), optional
        Subtracted from the vectors and from the anchors.
    device : str or torch.device
        Of the search.
    """

    def __init__(self, anchors, mean=None, device="cpu"):
        self.anchors, self.mean, self.device = anchors, mean, device
        self.rows = anchors.rows if isinstance(anchors, PreparedAnchors) else as_rows(anchors)
        self.subtracted = anchors.mean if isinstance(anchors, PreparedAnchors) else mean
        self.whitening = None  # of `whitened`: the mean and the matrix (d, d) for vectors

    def __len__(self):
        return len(self.anchors)

    def whitened(self, shrinkage) -> "SideAnchors":
        """Return the side with whitened anchors, a copy in memory; vectors are whitened in the same way."""
        matrix = whitening(*self._main_directions, shrinkage)  # (d, d)
        anchors = torch.empty(self.rows.shape)
        for first, unit in self._unit_blocks():
            torch.mm(unit, matrix, out=anchors[first : first + len(unit)])
        side = SideAnchors(anchors, device=self.device)
        side.whitening = self.subtracted, matrix
        return side

    @cached_property
    def _main_directions(self):
        return main_directions(len(self), (unit for _, unit in self._unit_blocks()))

    def _unit_blocks(self):
        """Yield the position of the first row, and the anchors minus their mean, of length 1: `PART` at a time."""
        return ((first, unit_rows(block, self.subtracted, first)) for first, block in self.rows.blocks(PART))

    @cached_property
    def hubness(self) -> torch.Tensor:
        """`hubness_of` the anchors by their `NEAREST` nearest others: one search of all anchors among themselves."""
        near, about = [], {"desc": f"hubs among {len(self):,} anchors", "unit": "anchor"}
        with progress_bar(total=len(self), progress=len(self) >= MANY, **about) as bar:
            for _, z in self.rows.blocks(ASKED):
                near.append(self._search(z, NEAREST + 1)[0][:, 1:])  # the first is the anchor itself
                bar.update(len(z))
        return hubness_of(torch.cat(near))

    def cosines(self, z, k, *, hubs=False) -> KeptCosines:
        """Return the k largest cosines of vectors with the anchors.

        Parameters
        ----------
        z : Tensor of shape (q, d)
        k : int
        hubs : bool
            Whether the settings may correct for hubs.
        """
        return KeptCosines(*self._search(self._white(z), k), len(self), self.hubness if hubs else None)

    def _white(self, z):
        if self.whitening is None:
            return z
        mean, matrix = self.whitening
        check_dimensions(z, self.anchors)
        return torch.cat([unit_rows(part, mean, i * PART) @ matrix for i, part in enumerate(z.split(PART))])

    def _search(self, z, k, **search):
        return top_anchors(z, self.anchors, k, mean=self.mean, device=self.device, **search)

    def represent(self, z, settings, **search) -> SparseVectors:
        """Return the sparse vectors of `z` (q, d), by k, p and hubs of checked `settings`; cosines of a block only."""
        indices, values = (torch.empty(len(z), settings.k, dtype=dtype) for dtype in (torch.int32, torch.float32))
        hubness = self.hubness if settings.hubs else None

        def keep(first, *cosines):
            for found, where in zip(*(block.split(PART) for block in cosines), strict=True):
                part = KeptCosines(found, where, len(self), hubness).sparse(settings)
                rows, first = slice(first, first + len(found)), first + len(found)
                indices[rows], values[rows] = part.indices, part.values

        if torch.device(self.device).type == "cpu" and search.get("memory") is None:  # half of the result, or little
            search["memory"] = min(MEMORY, max(MEMORY // 8, 4 * len(z) * settings.k))
        self._search(self._white(z), settings.k, keep=keep, **search)
        return SparseVectors(indices, values, len(self))


def represent(z, anchors, settings, *, mean=None, device="cpu", **search) -> SparseVectors:
    """Represent embeddings by anchors: centre, whiten, top k, hubs, clamp, power, normalise.

    The dense matrix (q, n) never exists whole. The steps are those of Norelli et al., NeurIPS 2023, section 3.

    Raises `ParameterError` if a setting is out of range, the dimensions differ, or a vector holds NaN.

    Parameters
    ----------
    z : Tensor or array of shape (q, d)
    anchors : Tensor, array, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, also memory-mapped.
    settings : Settings
        Among equal cosines, the earlier anchors are kept. `whiten` whitens these vectors and anchors.
    mean : Tensor of shape (d,), optional
        Subtracted if the settings centre; default: the mean of the anchors.
    device : str or torch.device
    search : optional
        ``method``, ``memory``, ``progress`` of `asif_lib.search.top_anchors`; they do not change the result.

    Examples
    --------
    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    >>> represent(torch.tensor([[3.0, 4.0]]), anchors, Settings(k=2, p=1, center=False)).values
    tensor([[0.8000, 0.6000]])
    """
    z, anchors = as_embeddings(z), as_embeddings(anchors) if isinstance(anchors, np.ndarray) else anchors
    settings = settings.checked(len(anchors))
    if not settings.center:
        mean = None
    elif mean is None and not isinstance(anchors, PreparedAnchors):
        mean = (sum(block.double().sum(dim=0) for _, block in as_rows(anchors).blocks(PART)) / len(anchors)).float()
    side = SideAnchors(anchors, mean, device)
    return (side.whitened(settings.whiten) if settings.whiten else side).represent(z, settings, **search)


def sparsify(relative, k, p) -> SparseVectors:
    """Keep the k largest entries of each row of a dense relative representation; among equal ones, the earlier.

    Parameters
    ----------
    relative : Tensor of shape (q, n)
    k : int
        Entries kept, 1 ≤ k ≤ n.
    p : float
        Exponent, p > 0.

    Examples
    --------
    >>> sparsify(torch.tensor([[0.5, -0.9, 0.5, 0.1]]), k=2, p=8).values
    tensor([[0.7071, 0.7071]])
    """
    settings = Settings(k, p).checked(relative.shape[1])
    return KeptCosines(*relative.sort(dim=1, descending=True, stable=True), relative.shape[1]).sparse(settings)
