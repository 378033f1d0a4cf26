"""Approximate search: an index that finds most of the k best anchors without comparing all of them.

An index only proposes candidates, and `asif_lib.search.rerank` computes their exact cosines. So every returned value is
true; the only possible error is a better anchor that was missed. `asif_lab.tuning` counts changed decisions.

The three indexes are FAISS's, over unit rows and their inner product, the cosine; each has a knob, fast to thorough. A
bank on disk keeps its indexes with one version.

References: inverted file and product quantisation, Jégou, Douze and Schmid, PAMI 2011; four-bit codes in registers,
André, Kermarrec and Le Scouarnec, VLDB 2015; HNSW, Malkov and Yashunin, PAMI 2020; FAISS, Douze et al., 2024.
"""

import math
import warnings
from dataclasses import asdict, dataclass

import faiss
import numpy as np
import torch

from asif_lib.bank.copies import checked_record, recorded
from asif_lib.errors import BankError, ParameterError, first_line
from asif_lib.locks import locked
from asif_lib.machine import progress_bar
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.search.reranking import rerank
from asif_lib.search.rows import BLOCK, Rows
from asif_lib.settings import check_k

CANDIDATES = 2**23  # candidates in memory at a time, with their similarities: 100 MB


@dataclass(frozen=True)
class IVF:
    """An inverted file: the anchors in lists, one around each of the centres of k-means; few lists are searched.

    The vectors are kept in half precision: half the file, and twice the speed, since reading dominates the time.
    """

    lists: int
    knob, doublings = "nprobe", 10

    @classmethod
    def of(cls, n, d, lists=None) -> "IVF":
        """Return the parameters for n anchors in d dimensions: 4 √n lists, with at least 39 anchors in a list."""
        lists = max(1, min(round(4 * math.sqrt(n)), n // 39)) if lists is None else lists
        return cls(_whole_number("lists", lists, 1, n))

    def sample(self, n) -> int:
        """Return the number of anchors to train on."""
        return min(n, 64 * self.lists)

    def limits(self, n, k) -> tuple:
        """Return the smallest and the largest effort for k of n anchors: lists to search."""
        return 1, self.lists

    def untrained(self, d):
        """Return the FAISS index without centres and vectors."""
        index = faiss.index_factory(d, f"IVF{self.lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        index.by_residual, index.cp.min_points_per_centroid = False, 1
        return index

    def _asked(self, n, k, effort) -> int:
        """Return the number of candidates for the k best: more than k, since half precision may swap near-ties."""
        return min(n, k + k // 10 + 10)

    def _find(self, index, queries, asked, effort) -> np.ndarray:
        """Return the positions of candidates for `queries` (q, d) float32: (q, asked) int64, -1 if missing."""
        return index.search(queries, asked, params=faiss.SearchParametersIVF(nprobe=effort))[1]


@dataclass(frozen=True)
class PQ:
    """Product quantisation with exact refinement: all anchors are compared, by 4 bits for every few numbers.

    These similarities are rough, so the search takes more candidates than k; the knob is the multiple of k.
    """

    width: int  # numbers that share a code of 4 bits: the largest divisor of d up to 4, so n · d / 8 bytes
    knob, doublings = "refine", 5

    @classmethod
    def of(cls, n, d) -> "PQ":
        if n < 16:
            raise ParameterError(f"an index of kind 'pq' learns 16 codes and needs as many anchors; there are {n}")
        return cls(max(w for w in (1, 2, 3, 4) if d % w == 0))

    def sample(self, n):
        return min(n, 16 * 256)

    def limits(self, n, k):
        return 1, -(-n // k)

    def untrained(self, d):
        index = faiss.index_factory(d, f"PQ{d // self.width}x4fs", faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1
        return index

    def _asked(self, n, k, effort):
        return min(n, k * effort)

    def _find(self, index, queries, asked, effort):
        if asked == index.ntotal:  # FAISS would drop the anchors whose similarity saturates 8 bits
            return np.broadcast_to(np.arange(asked), (len(queries), asked))
        return index.search(queries, asked)[1]


@dataclass(frozen=True)
class HNSW:
    """A graph of neighbours in layers, through which a search walks; the vectors are kept in half precision.

    With several threads, each build makes another graph of about the same quality.
    """

    links: int = 32  # neighbours of an anchor in a layer; the lowest layer has twice as many
    knob, doublings = "efSearch", 3

    @classmethod
    def of(cls, n, d) -> "HNSW":
        return cls()

    def sample(self, n):
        return 1  # half precision has nothing to learn

    def limits(self, n, k):
        return k, n

    def untrained(self, d):
        return faiss.index_factory(d, f"HNSW{self.links},SQfp16", faiss.METRIC_INNER_PRODUCT)

    def _asked(self, n, k, effort):
        return k

    def _find(self, index, queries, asked, effort):
        return index.search(queries, asked, params=faiss.SearchParametersHNSW(efSearch=effort))[1]


KINDS = {"ivf": IVF, "pq": PQ, "hnsw": HNSW}
"""Kind of an index → its parameters: lists of anchors, codes of 4 bits, or a graph of neighbours."""


@dataclass(frozen=True, repr=False)
class ApproximateIndex:
    """An approximate index of one side of a bank with n anchors; made by `build_index`, opened by `open_index`."""

    rows: Rows
    """The anchors, of shape (n, d)."""
    mean: torch.Tensor
    """Subtracted from queries and anchors, (d,)."""
    method: IVF | PQ | HNSW
    """The kind, with its parameters."""
    index: faiss.Index
    bank: object
    """A view of the version that the index is of, an `AnchorBank`."""
    about: dict
    """The record of its file: ``kind``, ``parameters``, ``side``, ``n``, ``d``, ``size`` in bytes."""

    def __repr__(self):
        return f"{type(self).__name__}({self.method}, {len(self)} anchors)"

    def __len__(self):
        return len(self.rows)

    @property
    def knob(self) -> str:
        """The name of the effort in FAISS and in the literature: ``nprobe``, ``refine`` or ``efSearch``."""
        return self.method.knob

    def efforts(self, k) -> list:
        """Return settings of the knob to try for this k, each twice the one before."""
        check_k(k, len(self))
        low, high = self.method.limits(len(self), k)
        return sorted({min(low << i, high) for i in range(self.method.doublings + 1)})

    def search(self, queries, k, effort):
        """Return the k largest cosines of each query among the anchors that the index finds.

        Raises `ParameterError` if k or effort is out of range, dimensions differ, or a query holds NaN or infinity.

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
        k, effort = int(k), _whole_number(self.knob, effort, *self.method.limits(len(self), k), f"for k = {k} it is")
        unit = unit_rows(queries, self.mean).numpy()  # (q, d)
        values = torch.empty(len(unit), k, dtype=torch.float32)
        indices, found = torch.empty(len(unit), k, dtype=torch.int64), np.empty(len(unit), np.int64)
        faiss.omp_set_num_threads(torch.get_num_threads())
        asked = self.method._asked(len(self), k, effort)
        step = max(1, CANDIDATES // asked)
        for first in range(0, len(unit), step):
            block = slice(first, first + step)
            candidates = self.method._find(self.index, unit[block], asked, effort)  # (b, asked)
            values[block], indices[block] = rerank(queries[block], self.rows, candidates, k, mean=self.mean)
            found[block] = (candidates >= 0).sum(axis=1).clip(max=k)
        return values, indices, found


def build_index(bank, side, kind="ivf", *, lists=None, progress=True) -> ApproximateIndex:
    """Build an approximate index of a bank on disk and keep it with this version, in place of an earlier one.

    It is trained on a random sample of the anchors, and all are added block by block. The mean of the bank is
    subtracted, as `ASIF` does by default. In memory are ``ivf``'s vectors (n · (2 d + 8) bytes), ``pq``'s codes
    (n · d / 8 bytes), or ``hnsw``'s vectors and graph (about n · (2 d + 8 links) bytes), and never a float32 matrix of
    n rows.

    Raises `BankError` for a bank in memory, or if no index can be written; `LockedError` if another process builds it;
    `ParameterError` if the side or kind is unknown, or `lists` is out of range or not for this kind.

    Parameters
    ----------
    bank : AnchorBank
        Opened with `load`.
    side : str
        Of the bank, such as ``"image"``.
    kind : {"ivf", "pq", "hnsw"}
    lists : int, optional
        Of the kind ``"ivf"``; default: as many as `IVF.of` takes.
    """
    file, about, rows, mean = _place(bank, side, kind)
    if lists is not None and kind != "ivf":
        raise ParameterError(f"an index of kind {kind!r} has no lists; leave out lists = {lists}")
    method = KINDS[kind].of(*rows.shape) if lists is None else IVF.of(*rows.shape, lists)
    about["parameters"] = asdict(method)
    try:
        file.parent.mkdir(exist_ok=True)
        with locked(file), recorded(file, about) as part:
            faiss.write_index(_trained(method, rows, mean, progress), str(part))
    except (OSError, RuntimeError) as error:
        fault = f"{file}: the index could not be written ({first_line(error)})"
        raise BankError(f"{fault}; make room, or load the bank again if it was edited, and repeat") from None
    return open_index(bank, side, kind)


def _trained(method, rows, mean, progress) -> faiss.Index:
    n, d = rows.shape
    faiss.omp_set_num_threads(torch.get_num_threads())
    with progress_bar(total=n, desc="training the index", unit="anchor", progress=progress) as bar:
        index = method.untrained(d)
        sample = np.random.default_rng(0).choice(n, method.sample(n), replace=False)
        index.train(unit_rows(rows.take(np.sort(sample)), mean).numpy())  # (m, d)
        bar.set_description("building the index")
        for start, block in rows.blocks(BLOCK):
            index.add(unit_rows(block, mean, first=start).numpy())  # (b, d)
            bar.update(len(block))
    return index


def open_index(bank, side, kind="ivf") -> ApproximateIndex:
    """Open the index that `build_index` kept with this version of the bank; its file is mapped.

    Raises `BankError` if there is no index, the bank was edited since, the index is another bank's, or it is damaged.

    Parameters
    ----------
    bank, side, kind : as for `build_index`
    """
    file, about, rows, mean = _place(bank, side, kind)
    build = f"build it: build_index(bank, {side!r}, {kind!r})"
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
    return ApproximateIndex(rows, mean, KINDS[kind](**record.parameters), index, bank, record.model_dump())


def _place(bank, side, kind):
    """Return the file of an index, its record's keys that name the owner, and the rows and the mean."""
    if kind not in KINDS:
        raise ParameterError(f"kind = {kind!r}: an index is of kind {', '.join(map(repr, KINDS))}")
    if side not in bank.sides:
        raise ParameterError(f"side = {side!r}: an index is of the bank's {' or '.join(map(repr, bank.sides))}")
    folder, rows, mean = bank.index_folder, bank.rows(side), bank.mean(side)
    about = {"kind": kind, "n": len(rows), "d": rows.shape[1], "side": side,
             "encoder": bank.encoders[side].digest, "state": folder.name.removeprefix("index-")}  # fmt: skip
    return folder / f"{kind}-{side}-centred.faiss", about, rows, mean


def _whole_number(name, value, low, high, words="must be") -> int:
    """Return `value` as an int. Raises `ParameterError` unless it is a whole number within these limits."""
    if isinstance(value, bool) or not low <= value <= high or value != int(value):
        raise ParameterError(f"{name} = {value}: {words} a whole number from {low} to {high}")
    return int(value)
