"""Approximate search: an index that finds most of the k best anchors without comparing all of them.

An index only proposes candidates, and `.reranking` computes their exact cosines. So every returned value is true, and
the only possible error is a better anchor that was not found. `asif_lib.evaluation.tuning` counts the decisions that
such errors change.
"""

import shutil
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
import torch

from asif_lib.errors import DataError, ParameterError, first_line
from asif_lib.files import SMALL, check_sha256, locked, sealed, sha256_of, write_whole
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.settings import check_k

from .kinds import KINDS, make, whole_number
from .records import IndexRecord, check_same, read_index_record
from .reranking import rerank
from .rows import Rows

CANDIDATES = 2**23
"""Candidates in memory at a time, with their similarities: 100 MB."""


@dataclass(frozen=True, repr=False)
class ApproximateIndex:
    """An index of n anchors; made by `write_index`, opened by `read_index`."""

    rows: Rows
    """The anchors, of shape (n, d)."""
    mean: torch.Tensor | None
    """Subtracted from queries and anchors, (d,)."""
    about: dict
    """The content of the file ``about.json``, an `IndexRecord`."""
    method: object
    """IVF, PQ or HNSW of `asif_lib.search.kinds`, with its parameters."""
    index: faiss.Index
    folder: Path

    def __repr__(self):
        kind = ", ".join(repr(self.about[key]) for key in ("kind", "modality") if key in self.about)
        return f"ApproximateIndex({kind}, {len(self)} anchors)"

    def __len__(self):
        return len(self.rows)

    @property
    def knob(self) -> str:
        """The name of the effort in FAISS and in the literature: ``nprobe``, ``refine`` or ``efSearch``."""
        return self.method.knob

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def efforts(self, k) -> list:
        """Return settings of the knob to try for this k, each twice the one before."""
        check_k(k, len(self))
        low, high = self.method.limits(len(self), k)
        return sorted({min(low << i, high) for i in range(self.method.doublings + 1)})

    def search(self, queries, k, effort):
        """Return the k largest cosines of each query among the anchors that the index finds.

        Parameters
        ----------
        queries : Tensor of shape (q, d)
        k : int
            1 ≤ k ≤ n.
        effort : int
            The knob: lists to search (``ivf``: nprobe), candidates as a multiple of k (``pq``: refine), or length of
            the list of the walk (``hnsw``: efSearch, at least k).

        Returns
        -------
        values, indices : Tensor of shape (q, k), float32 and int64
            As from `top_anchors`. If the index finds fewer than k anchors for a query, a warning says so. The row then
            ends with value 0 at the smallest positions that were not found. They add nothing to a sparse vector.

        Raises
        ------
        ParameterError
            If k or the effort is out of range, the dimensions differ, or a query holds NaN or infinity.
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
        """Return the answer of `search` without its warning, and the number of found anchors of each query, (q,) int64.

        From that number on, the entries of a row were not found.
        """
        queries = queries.detach()
        check_dimensions(queries, self.rows)
        check_k(k, len(self))
        k, effort = int(k), whole_number(self.knob, effort, *self.method.limits(len(self), k), f"for k = {k} it is")
        unit = unit_rows(queries, self.mean).numpy()
        values = torch.empty(len(unit), k, dtype=torch.float32)
        indices, found = torch.empty(len(unit), k, dtype=torch.int64), np.empty(len(unit), np.int64)
        faiss.omp_set_num_threads(torch.get_num_threads())
        asked = self.method.asked(len(self), k, effort)
        step = max(1, CANDIDATES // asked)
        for first in range(0, len(unit), step):
            block = slice(first, first + step)
            candidates = self.method.find(self.index, unit[block], asked, effort)
            values[block], indices[block] = rerank(queries[block], self.rows, candidates, k, mean=self.mean)
            found[block] = (candidates >= 0).sum(axis=1).clip(max=k)
        return values, indices, found


def write_index(folder, kind, rows, mean, owner, parameters, *, progress=True):
    """Make an index of `rows` (Rows) minus `mean`, and put it into `folder` in place of an earlier one.

    The index learns from a random sample and takes the anchors block by block, so no matrix of n rows is in memory.
    ``pq`` keeps its codes there while it is built (n · d / 8 bytes), ``hnsw`` its graph and vectors (about
    n · (2 d + 8 links) bytes).

    Parameters
    ----------
    kind : {"ivf", "pq", "hnsw"}
    owner : dict
        Names the owner of the anchors, in plain JSON. `read_index` accepts the index only for the same owner.
    parameters : dict
        Of the kind: ``lists``, ``width`` or ``links``; see `asif_lib.search.kinds`.

    Raises
    ------
    ParameterError
        If a parameter is not the kind's or out of range, or an anchor holds NaN or infinity.
    DataError
        If the index cannot be written; nothing is left behind.
    LockedError
        If another process builds the same index.
    """
    known = asdict(KINDS[kind]())
    if unknown := sorted(parameters.keys() - known.keys()):
        raise ParameterError(f"an index of kind {kind!r} has no parameter {unknown[0]!r}; it has: {', '.join(known)}")
    n, d = rows.shape
    method = KINDS[kind](**parameters).settled(n, d)
    try:
        folder.parent.mkdir(exist_ok=True)
        with locked(folder):
            for left in folder.parent.glob(f"{folder.name}-*.part"):  # by a build that was killed
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-", suffix=".part") as part:
                new = Path(part) / "index"
                new.mkdir()
                make(method, rows, mean, new, progress=progress)
                files = {file.name: file.stat().st_size for file in sorted(new.iterdir())}
                checksums = {name: sha256_of(new / name) for name in files}
                record = IndexRecord(
                    kind=kind, n=n, d=d, parameters=asdict(method), faiss=faiss.__version__, files=files,
                    checksums=checksums, **owner,
                )  # fmt: skip
                write_whole(new / "about.json", sealed(record))
                if folder.exists():
                    folder.rename(Path(part) / "old")
                new.rename(folder)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{folder}: the index could not be written ({first_line(error)})") from None


def read_index(folder, kind, rows, mean, owner) -> ApproximateIndex:
    """Open the index that `write_index` put into `folder`; its files are mapped.

    Raises
    ------
    DataError
        If the index is damaged, or its record names other anchors or another owner.
    """
    try:
        record = read_index_record(folder)
        try:
            check_same(record, {"kind": kind, "n": len(rows), "d": rows.shape[1], **owner})
        except ValueError as error:
            raise DataError(f"{folder}: this index does not belong to these anchors: {error}") from None
        there = {file.name: file.stat().st_size for file in folder.iterdir() if file.name != "about.json"}
        if there != record.files or there.keys() != record.checksums.keys():
            raise ValueError("a file is cut off, missing or unknown")
        for name, checksum in record.checksums.items():
            if record.files[name] < SMALL:
                check_sha256(folder / name, checksum)
        method = KINDS[kind](**record.parameters)
        if method != method.settled(*rows.shape):
            raise ValueError("its parameters are incomplete")
        index = method.read(folder)
        if (index.ntotal, index.d) != rows.shape:
            raise ValueError(f"it holds {index.ntotal} vectors in {index.d} dimensions")
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{folder}: the index is damaged ({first_line(error)})") from None
    return ApproximateIndex(rows, mean, record.model_dump(), method, index, folder)
