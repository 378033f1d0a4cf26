"""Approximate search: an index that finds most of the k best anchors without comparing all of them.

An index only proposes candidates, and `asif_lib.search.rerank` computes their exact cosines. So every returned value is
true; the only possible error is a better anchor that was missed. `asif_lab.tuning` counts changed decisions.

The index is FAISS's inverted file: the anchors in lists, one around each of the centres of k-means, of which a search
looks at a few. It holds unit rows in half precision, whose inner product is the cosine: half the file of float32, and
twice the speed, since reading dominates the time. It is built in memory, and lives as long as the process.

References: inverted file, Jégou, Douze and Schmid, PAMI 2011; FAISS, Douze et al., 2024.
"""

import math
import warnings
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import progress_bar
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.search.passes import rerank
from asif_lib.search.rows import BLOCK, Rows
from asif_lib.settings import check_k

CANDIDATES = 2**23  # candidates in memory at a time, with their similarities: 100 MB


@dataclass(frozen=True, repr=False)
class ApproximateIndex:
    """An approximate index of one side of a bank with n anchors; made by `build_index`."""

    rows: Rows
    """The anchors, of shape (n, d)."""
    mean: torch.Tensor
    """Subtracted from queries and anchors, (d,)."""
    index: faiss.Index
    bank: object
    """A view of the version that the index is of, an `AnchorBank`."""
    side: str
    """Of the bank, such as ``"image"``."""

    knob = "nprobe"  # as FAISS and the literature call the effort: lists that a search looks at

    def __repr__(self):
        return f"{type(self).__name__}({self.index.nlist} lists, {len(self)} anchors)"

    def __len__(self):
        return len(self.rows)

    def efforts(self, k) -> list:
        """Return settings of the knob to try for this k, each twice the one before."""
        check_k(k, len(self))
        return sorted({min(1 << i, self.index.nlist) for i in range(11)})

    def search(self, queries, k, effort):
        """Return the k largest cosines of each query among the anchors that the index finds.

        Raises `ParameterError` if k or effort is out of range, dimensions differ, or a query holds NaN or infinity.

        Parameters
        ----------
        queries : Tensor of shape (q, d)
        k : int
            1 ≤ k ≤ n.
        effort : int
            The knob: lists to search.

        Returns
        -------
        values, indices : Tensor of shape (q, k), float32 and int64
            As from `top_anchors`. If the index finds fewer than k anchors for a query, a warning says so. The row then
            ends with value 0 at the smallest positions that were not found. They add nothing to a sparse vector.
        """
        values, indices, found = self.search_and_count(queries, k, effort)
        if short := int((found < k).sum()):
            warnings.warn(
                f"for {short} of {len(queries)} queries the index found fewer than k = {k} anchors at {self.knob} = "
                f"{effort}; the rest of their entries is 0: take a larger {self.knob}",
                stacklevel=2,
            )
        return values, indices

    def search_and_count(self, queries, k, effort):
        """Return the answer of `search` without its warning, and how many anchors were found for each query, (q,).

        From that number on, the entries of a row were not found. The errors are those of `search`.

        Parameters
        ----------
        queries, k, effort : as for `search`
        """
        queries = queries.detach()  # (q, d)
        check_dimensions(queries, self.rows)
        check_k(k, len(self))
        k, effort = int(k), _whole_number(self.knob, effort, self.index.nlist)
        unit = unit_rows(queries, self.mean).numpy()  # (q, d)
        values = torch.empty(len(unit), k, dtype=torch.float32)
        indices, found = torch.empty(len(unit), k, dtype=torch.int64), np.empty(len(unit), np.int64)
        faiss.omp_set_num_threads(torch.get_num_threads())
        asked = min(len(self), k + k // 10 + 10)  # half precision may swap near-ties
        step, probe = max(1, CANDIDATES // asked), faiss.SearchParametersIVF(nprobe=effort)
        for first in range(0, len(unit), step):
            block = slice(first, first + step)
            candidates = self.index.search(unit[block], asked, params=probe)[1]  # (b, asked), -1 if missing
            values[block], indices[block] = rerank(queries[block], self.rows, candidates, k, mean=self.mean)
            found[block] = (candidates >= 0).sum(axis=1).clip(max=k)
        return values, indices, found


def build_index(bank, side, *, lists=None, progress=True) -> ApproximateIndex:
    """Build an approximate index of one side of a bank, in memory.

    It is trained on a random sample of the anchors, and all are added block by block. The mean of the bank is
    subtracted, as `ASIF` does by default. In memory are the index, n · (2 d + 8) bytes, and never a float32 matrix of n
    rows.

    Raises `ParameterError` if the side is unknown, or `lists` is out of range.

    Parameters
    ----------
    bank : AnchorBank
    side : str
        Of the bank, such as ``"image"``.
    lists : int, optional
        Default: 4 √n, with at least 39 anchors in a list.
    """
    if side not in bank.sides:
        raise ParameterError(f"side = {side!r}: an index is of the bank's {' or '.join(map(repr, bank.sides))}")
    rows, mean = bank.rows(side), bank.mean(side)
    n = len(rows)
    lists = max(1, min(round(4 * math.sqrt(n)), n // 39)) if lists is None else _whole_number("lists", lists, n)
    return ApproximateIndex(rows, mean, _trained(lists, rows, mean, progress), bank, side)


def _trained(lists, rows, mean, progress) -> faiss.Index:
    n, d = rows.shape
    faiss.omp_set_num_threads(torch.get_num_threads())
    with progress_bar(total=n, desc="training the index", unit="anchor", progress=progress) as bar:
        index = faiss.index_factory(d, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        index.by_residual, index.cp.min_points_per_centroid = False, 1
        sample = np.random.default_rng(0).choice(n, min(n, 64 * lists), replace=False)
        index.train(unit_rows(rows.take(np.sort(sample)), mean).numpy())  # (m, d)
        bar.set_description("building the index", refresh=False)
        for start, block in rows.blocks(BLOCK):
            index.add(unit_rows(block, mean, first=start).numpy())  # (b, d)
            bar.update(len(block))
    return index


def _whole_number(name, value, most) -> int:
    """Return `value` as an int. Raises `ParameterError` unless it is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not 1 <= value <= most or value != int(value):
        raise ParameterError(f"{name} = {value}: must be a whole number from 1 to {most}")
    return int(value)
