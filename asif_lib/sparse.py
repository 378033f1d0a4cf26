"""From embeddings, anchors and `Settings` to sparse vectors: `asif_lib.method` with corrections, at any size.

Centre, perhaps whiten, take the k largest cosines (`SideAnchors`), correct for hubs, sharpen (`KeptCosines.sparse`).
`represent` does all of it. With at most `SMALL` anchors it is the dense method; with more, a search finds the same
entries without the dense matrix, and an inverted index compares the vectors. A law of the tests holds the two together.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from asif_lib import method
from asif_lib.defaults import MANY, NEAREST
from asif_lib.errors import ParameterError
from asif_lib.relative import as_embeddings, check_dimensions, main_directions, moved, unit_rows, whitening
from asif_lib.search.rows import PART, as_rows
from asif_lib.settings import Settings, check_k, check_reduce

SMALL = 2_048
"""With this number of anchors or fewer, on a CPU, the dense method is used."""
DENSE = 2**22
"""The most entries of dense captions that pictures are compared with."""
EXTREME = 1e30
"""Numbers from which float32 may not hold a row minus the mean."""
OFFSET = 300
"""How many times as long as the anchors' spread about it their mean may be. At 300 times, a score was 5e-6 off
float64; at 1,000 times, other anchors entered the k, because float32 rounds the mean."""
SAMPLE = 64
"""Anchors, evenly spaced, whose spread is looked at."""
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

    def similarity(self, other, templates=1, reduce="mean") -> torch.Tensor:
        """Return the (q, t) float32 cosines with t `other` SparseVectors of the same anchors, or with t / templates.

        Raises `ParameterError` if the numbers of anchors differ, or as `check_reduce`.

        Parameters
        ----------
        other : SparseVectors
        templates : int
            This many vectors in a row belong to one label, whose score is the `reduce` of theirs.
        reduce : {"mean", "max"}
        """
        if self.n != other.n or self.n > SMALL or self.n * len(other) > DENSE:
            from asif_lib.search.inverted import indexed_scores  # brings the compiler

            return indexed_scores(self, other, templates, reduce)
        check_reduce(reduce, len(other), templates)
        text, labels = other.to_dense(), (len(other) // templates, templates)
        blocks = (self[i : i + PART].to_dense() for i in range(0, len(self) or 1, PART))  # (PART, n)
        scores = (method.scores(image, text).unflatten(1, labels) for image in blocks)  # (PART, labels, templates)
        return torch.cat([each.mean(dim=2) if reduce == "mean" else each.amax(dim=2) for each in scores])

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
        """Return the sparse vectors for `settings` with a k: cut, correct for hubs, and `method.sharpen`."""
        values, indices = self.values[:, : settings.k], self.indices[:, : settings.k]  # (q, k)
        if settings.hubs:
            values = values - settings.hubs * self.hubness[indices]
            values, order = values.sort(dim=1, descending=True, stable=True)
            indices = indices.gather(1, order)
        return SparseVectors(indices.to("cpu", torch.int32), method.sharpen(values, settings.p).cpu(), self.n)


def hubness_of(near) -> torch.Tensor:
    """Return how much of a hub each anchor is, (n,), from its cosines with its m nearest others, `near` (n, m).

    This is their mean, minus its average over all anchors: an average anchor loses nothing to a correction for hubs.
    """
    near = near.mean(dim=1)
    return near - near.mean()


def _top_k(cosines, k):
    """Do what `method.top_k` does, in half of its time or less: sort integers of a cosine's bits and a position."""
    bits = cosines.detach().numpy().view(np.int32)  # (q, n)
    keys = np.where(bits < 0, bits & 0x7FFF_FFFF, -bits).astype(np.int64)  # falls as the cosine rises; ±0.0 is 0
    keys = keys << 32 | np.arange(cosines.shape[1])  # of equal cosines the earlier comes first
    positions = torch.from_numpy(np.sort(np.partition(keys, k - 1, axis=1)[:, :k], axis=1) & 0xFFFF_FFFF)  # (q, k)
    return cosines.gather(1, positions), positions


class SideAnchors:
    """The n anchors of one side, and what happens to a vector before its cosine with them.

    Parameters
    ----------
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, also memory-mapped; they must not change. Prepared ones bring their mean.
    mean : Tensor of shape (d,), optional
        Subtracted from the vectors and from the anchors.
    device : str or torch.device
        Of the search.
    """

    def __init__(self, anchors, mean=None, device="cpu"):
        self.anchors, self.device = anchors, device
        self.mean = None if mean is None else mean.detach()
        self.is_prepared = not hasattr(anchors, "dtype")  # `PreparedAnchors`, which hold two matrices
        self.rows = anchors.rows if self.is_prepared else as_rows(anchors)
        self.subtracted = anchors.mean if self.is_prepared else mean
        self.whitening = None  # of `whitened`: the mean and the matrix (d, d) for vectors

    def __len__(self):
        return len(self.anchors)

    def check_offset(self, name):
        """Raise `ParameterError`, with the `name` of the anchors, if float32 loses them beside their mean."""
        n, mean = len(self), self.subtracted
        if mean is None:
            return
        rows = self.rows.take(list(range(0, n, -(-n // SAMPLE))))  # (s, d)
        spread, length = (rows.double() - mean).norm(dim=1).median(), mean.double().norm()
        if length > OFFSET * spread > 0:
            fault = f"the mean of {name} is {float(length / spread):,.0f} times as long as the anchors' spread about it"
            advice = "subtract a common vector in double precision from all embeddings, and build the bank again"
            raise ParameterError(f"{fault}, and float32 holds {OFFSET} times at most; {advice}")

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
        from asif_lib.machine import progress_bar

        near, about = [], {"desc": f"hubs among {len(self):,} anchors", "unit": "anchor"}
        with progress_bar(total=len(self), progress=len(self) >= MANY, **about) as bar:
            for _, z in self.rows.blocks(ASKED):
                near.append(self._search(z, NEAREST + 1)[0][:, 1:])  # the first is the anchor itself
                bar.update(len(z))
        return hubness_of(torch.cat(near))

    def cosines(self, z, k, *, hubs=False) -> KeptCosines:
        """Return the k largest cosines of vectors z (q, d) with the anchors, and with `hubs` what these need."""
        return KeptCosines(*self._search(self._white(z), k), len(self), self.hubness if hubs else None)

    def _white(self, z):
        if self.whitening is None:
            return z
        mean, matrix = self.whitening
        check_dimensions(z, self.anchors)
        return torch.cat([unit_rows(part, mean, i * PART) @ matrix for i, part in enumerate(z.split(PART))])

    def _search(self, z, k, keep=None, **search):
        """Return the k largest cosines of `z` (q, d), the largest first, and their anchors: (q, k) each.

        With `keep`, give it ``(first row, cosines, anchors)`` of each block instead, as `top_anchors` does.
        """
        on_cpu = torch.device(self.device).type == "cpu"
        if len(self) > SMALL or not on_cpu or self.is_prepared or search.keys() - {"progress"}:
            from asif_lib.search.exact import MEMORY, top_anchors

            if keep and on_cpu and search.get("memory") is None:  # half of what is kept, or little
                search["memory"] = min(MEMORY, max(MEMORY // 8, 4 * len(z) * k))
            return top_anchors(z, self.anchors, k, mean=self.mean, device=self.device, keep=keep, **search)
        check_dimensions(z, self.rows)
        check_k(k, len(self))
        for i, part in enumerate(z.split(PART)):
            unit_rows(part, self.mean, i * PART)  # names a row that holds NaN or infinity, before the first answer
        units = (method.unit(moved(part, self.mean)) for part in z.detach().split(PART))  # (PART, d)
        blocks = (_top_k(method.cosines(unit, self._units), int(k)) for unit in units)
        if keep is None:
            return tuple(map(torch.cat, zip(*blocks, strict=True)))
        for i, block in enumerate(blocks):
            keep(i * PART, *block)

    @cached_property
    def _units(self):
        """The anchors minus their mean, of length 1: (n, d) float64, as `method.relative` takes them."""
        anchors = self.rows.gathered()
        rows = moved(anchors, self.mean)
        smallest, largest = rows.aminmax()
        if not -EXTREME < smallest <= largest < EXTREME:
            unit_rows(anchors, self.mean)  # names a row that holds NaN or infinity
        return method.unit(rows)

    def vectors(self, z, settings, **search) -> SparseVectors:
        """Return the sparse vectors of `z` (q, d), by k, p and hubs of checked `settings`; cosines of a block only."""
        indices, values = (torch.empty(len(z), settings.k, dtype=dtype) for dtype in (torch.int32, torch.float32))
        hubness = self.hubness if settings.hubs else None

        def keep(first, *cosines):
            for found, where in zip(*(block.split(PART) for block in cosines), strict=True):
                part = KeptCosines(found, where, len(self), hubness).sparse(settings)
                rows, first = slice(first, first + len(found)), first + len(found)
                indices[rows], values[rows] = part.indices, part.values

        self._search(self._white(z), settings.k, keep, **search)
        return SparseVectors(indices, values, len(self))


def represent(z, anchors, settings, *, mean=None, device="cpu", **search) -> SparseVectors:
    """Represent embeddings by anchors: centre, whiten, top k, hubs, clamp, power, normalise.

    The same as `asif_lib.method` of float32 vectors, at any size: the (q, n) matrix of a large bank never exists whole.

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
    elif mean is None and hasattr(anchors, "dtype"):  # not `PreparedAnchors`, which bring theirs
        mean = (sum(block.double().sum(dim=0) for _, block in as_rows(anchors).blocks(PART)) / len(anchors)).float()
    side = SideAnchors(anchors, mean, device)
    return (side.whitened(settings.whiten) if settings.whiten else side).vectors(z, settings, **search)


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
    return KeptCosines(*method.top_k(relative, settings.k), relative.shape[1]).sparse(settings)
