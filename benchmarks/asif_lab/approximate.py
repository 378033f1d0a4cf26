"""Approximate search: an index that finds most of the k best anchors without comparing all of them.

An index only proposes candidates, and `asif_lib.search.rerank` computes their exact cosines. So every returned value is
true; the only possible error is a better anchor that was missed. `asif_lab.tuning` counts changed decisions.

The index is FAISS's inverted file: the anchors in lists, one around each of the centres of k-means, of which a search
looks at a few. It holds unit rows in half precision, whose inner product is the cosine: half the file of float32, and
twice the speed, since reading dominates the time. A bank on disk keeps its indexes with one version.

References: inverted file, Jégou, Douze and Schmid, PAMI 2011; FAISS, Douze et al., 2024.
"""

import math
import warnings
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from asif_lib.bank.copies import checked_record, recorded
from asif_lib.errors import BankError, ParameterError, first_line
from asif_lib.files import locked
from asif_lib.machine import progress_bar
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.search.passes import rerank
from asif_lib.search.rows import BLOCK, Rows
from asif_lib.settings import check_k

CANDIDATES = 2**23  # candidates in memory at a time, with their similarities: 100 MB


@dataclass(frozen=True, repr=False)
class ApproximateIndex:
    """An approximate index of one side of a bank with n anchors; made by `build_index`, opened by `open_index`."""

    rows: Rows
    """The anchors, of shape (n, d)."""
    mean: torch.Tensor
    """Subtracted from queries and anchors, (d,)."""
    index: faiss.Index
    bank: object
    """A view of the version that the index is of, an `AnchorBank`."""
    about: dict
    """The record of its file: ``side``, ``n``, ``d``, ``size`` in bytes."""

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
    """Build an approximate index of a bank on disk and keep it with this version, in place of an earlier one.

    It is trained on a random sample of the anchors, and all are added block by block. The mean of the bank is
    subtracted, as `ASIF` does by default. In memory are the index, n · (2 d + 8) bytes, and never a float32 matrix of n
    rows.

    Raises `BankError` for a bank in memory, or if no index can be written; `LockedError` if another process builds it;
    `ParameterError` if the side is unknown, or `lists` is out of range.

    Parameters
    ----------
    bank : AnchorBank
        Opened with `load`.
    side : str
        Of the bank, such as ``"image"``.
    lists : int, optional
        Default: 4 √n, with at least 39 anchors in a list.
    """
    file, about, rows, mean = _place(bank, side)
    n = len(rows)
    lists = max(1, min(round(4 * math.sqrt(n)), n // 39)) if lists is None else _whole_number("lists", lists, n)
    try:
        file.parent.mkdir(exist_ok=True)
        with locked(file), recorded(file, about) as part:
            faiss.write_index(_trained(lists, rows, mean, progress), str(part))
    except (OSError, RuntimeError) as error:
        fault = f"{file}: the index could not be written ({first_line(error)})"
        raise BankError(f"{fault}; make room, or load the bank again if it was edited, and repeat") from None
    return open_index(bank, side)


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


def open_index(bank, side) -> ApproximateIndex:
    """Open the index that `build_index` kept with this version of the bank; its file is mapped.

    Raises `BankError` if there is no index, the bank was edited since, the index is another bank's, or it is damaged.

    Parameters
    ----------
    bank, side : as for `build_index`
    """
    file, about, rows, mean = _place(bank, side)
    build = f"build it: build_index(bank, {side!r})"
    try:
        record = checked_record(file, about)
        bank.disk.compare_file(file, record.checksum)
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        if (index.ntotal, index.d) != rows.shape:
            raise ValueError(f"it holds {index.ntotal} vectors in {index.d} dimensions")
    except FileNotFoundError:
        others = {*file.parent.parent.glob(f"index-*/{file.name}")} - {file}
        why = "is of another version of the bank" if others else "is not there"
        raise BankError(f"{file}: the index {why}; {build}") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise BankError(f"{file}: the index cannot be used ({first_line(error)}); {build}") from None
    return ApproximateIndex(rows, mean, index, bank, record.model_dump())


def _place(bank, side):
    """Return the file of an index, its record's keys that name the owner, and the rows and the mean."""
    if side not in bank.sides:
        raise ParameterError(f"side = {side!r}: an index is of the bank's {' or '.join(map(repr, bank.sides))}")
    folder, rows, mean = bank.index_folder, bank.rows(side), bank.mean(side)
    about = {"n": len(rows), "d": rows.shape[1], "side": side,
             "encoder": bank.encoders[side].digest, "state": folder.name.removeprefix("index-")}  # fmt: skip
    return folder / f"ivf-{side}-centred.faiss", about, rows, mean


def _whole_number(name, value, most) -> int:
    """Return `value` as an int. Raises `ParameterError` unless it is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not 1 <= value <= most or value != int(value):
        raise ParameterError(f"{name} = {value}: must be a whole number from 1 to {most}")
    return int(value)
