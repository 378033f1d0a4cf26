"""A matrix in pieces: rows that lie in several matrices, in memory or mapped, used without copying them together."""

import itertools

import numpy as np
import torch

from asif_lib.errors import ParameterError

BLOCK = 16_384
"""Rows in memory in full precision at a time."""
QUERY_BLOCK = 1_024
"""Queries that are compared with such a block at a time."""
PART = 1_024
"""Rows that are checked, copied or brought to unit length at a time: for a few megabytes the allocator has room."""
TILE, GROUP = 2_048, 512
"""Anchors in a tile of products, and queries, at most: the products stay near the processor."""
SPARE = 64
"""Candidates beyond k of a fast pass in float32: enough unless there are many near-ties."""
LANES = 64
"""Products in bfloat16 that are compared at once; the list of a query has room for this many more."""
LISTS = 2**27
"""Bytes of the lists of candidates of all queries that are compared at a time, at most."""
OF_COMPONENT = 20
"""Bytes of an anchor's component: as stored, in float32, and on its way to unit length."""


def check_count(n):
    """Raise `ParameterError` if n rows are too many to be searched: a position has 32 bits."""
    if n >= 2**32:
        raise ParameterError(f"{n:,} anchors: a search is among fewer than 2**32; search parts of them, and merge_top")


def most_kept(k) -> int:
    """Return the number of anchors that a query may keep in bfloat16, unless very many are as good as the k-th."""
    return max(4 * k, 2_048)


class Rows:
    """The (n, d) rows of several matrices, one after the other, without the removed ones.

    Raises `ParameterError` if the pieces differ in width or dtype: different encoders made them.

    Parameters
    ----------
    pieces : list of Tensor of shape (n_i, d)
        One floating dtype; in memory or mapped.
    live : list of (ndarray of int64, or None), optional
        For each piece the positions, ascending, of the rows that are left; None for all rows.

    Examples
    --------
    >>> rows = Rows([torch.zeros(3, 2), torch.ones(2, 2)], [np.array([0, 2]), None])
    >>> rows.shape, rows.take([1, 2]).tolist()
    ((4, 2), [[0.0, 0.0], [1.0, 1.0]])
    """

    def __init__(self, pieces, live=None):
        if not pieces:
            raise ParameterError("a matrix in pieces needs at least one piece")
        first = pieces[0]
        for i, piece in enumerate(pieces):
            if piece.ndim != 2 or piece.shape[1] != first.shape[1] or piece.dtype != first.dtype:
                raise ParameterError(
                    f"shard {i} is {piece.dtype} of shape {tuple(piece.shape)} and shard 0 {first.dtype} of shape "
                    f"{tuple(first.shape)}; shards of one bank come from one encoder and have one dtype"
                )
        self.pieces = pieces
        self.live = live or [None] * len(pieces)
        counts = [len(p) if keep is None else len(keep) for p, keep in zip(pieces, self.live, strict=True)]
        self.starts = [0, *np.cumsum(counts).tolist()]
        self.shape, self.ndim, self.dtype = (self.starts[-1], first.shape[1]), 2, first.dtype

    def __len__(self):
        return self.starts[-1]

    def blocks(self, size):
        """Yield ``(position of the first row, rows)``, at most `size` rows of one piece at a time, in order."""
        for piece, keep, start, stop in zip(self.pieces, self.live, self.starts, self.starts[1:], strict=False):
            for first in range(0, stop - start, size):
                here = slice(first, min(first + size, stop - start))
                yield start + first, piece[here] if keep is None else piece[torch.from_numpy(keep[here])]

    def locate(self, positions):
        """Yield ``(piece, where, local)``: the `positions` (int64, m) at `where`, ascending, are its rows `local`."""
        piece_of = np.searchsorted(self.starts, positions, side="right") - 1
        order = np.argsort(piece_of, kind="stable")
        bounds = np.searchsorted(piece_of, range(len(self.pieces) + 1), sorter=order)
        for i, (first, stop) in enumerate(itertools.pairwise(bounds)):
            if first < stop:
                where = order[first:stop]
                local = positions[where] - self.starts[i]
                yield self.pieces[i], where, local if self.live[i] is None else self.live[i][local]

    def take(self, positions) -> torch.Tensor:
        """Return the rows at these positions (m of them, in any order), as one matrix (m, d)."""
        taken = torch.empty(len(positions), self.shape[1], dtype=self.dtype)
        for piece, where, local in self.locate(np.asarray(positions, np.int64)):
            taken[torch.from_numpy(where)] = piece[torch.from_numpy(local)]
        return taken

    def contiguous(self) -> "Rows":
        """Return the same rows, with copies of pieces that have gaps between their numbers."""
        return Rows([piece.contiguous() for piece in self.pieces], self.live)

    def gathered(self) -> torch.Tensor:
        """Return all rows as one matrix (n, d), without a copy if they are one whole piece."""
        if len(self.pieces) == 1 and self.live[0] is None:
            return self.pieces[0]
        matrix = torch.empty(self.shape, dtype=self.dtype)
        for start, block in self.blocks(PART):
            matrix[start : start + len(block)] = block
        return matrix

    def part(self, first, stop) -> "Rows":
        """Return the rows from `first` up to `stop`, as a view."""
        pieces, live = [], []
        for piece, keep, start, end in zip(self.pieces, self.live, self.starts, self.starts[1:], strict=False):
            here = slice(max(first - start, 0), max(min(stop, end) - start, 0))
            if here.start < here.stop:
                pieces.append(piece[here] if keep is None else piece)
                live.append(None if keep is None else keep[here])
        return Rows(pieces, live) if pieces else Rows([self.pieces[0][:0]])

    def keep(self, positions) -> "Rows":
        """Return the rows at these positions (ascending), as a view."""
        positions = np.asarray(positions, np.int64)
        bounds = np.searchsorted(positions, self.starts)
        live = []
        for i, (first, stop) in enumerate(itertools.pairwise(bounds)):
            local = positions[first:stop] - self.starts[i]
            live.append(local if self.live[i] is None else self.live[i][local])
        return Rows(self.pieces, live)


def as_rows(matrix) -> Rows:
    """Return `matrix` as `Rows`, in one piece unless it is `Rows` already."""
    return matrix if isinstance(matrix, Rows) else Rows([matrix.detach()])
