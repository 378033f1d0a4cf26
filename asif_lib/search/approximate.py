"""Approximate search: an index beside the bank that finds most of the k best anchors, faster than all are compared.

An index only proposes candidates; their cosines are computed exactly (`.rerank`), so every value that comes
back is true, and all that can be wrong is that a better anchor was not found. How much that costs in decisions, and
whether it saves any time at all, `asif_lib.evaluation.tuning` measures.
"""

import json
import shutil
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from tqdm.auto import trange

from asif_lib.errors import BankError, ParameterError, first_line
from asif_lib.files import locked
from asif_lib.relative import check_dimensions, unit_rows

from .exact import check_k
from .kinds import KINDS, make
from .rerank import rerank

CANDIDATES = 2**23
"""Candidates that a search has in memory at a time, with their similarities: 100 MB."""


@dataclass(frozen=True, repr=False)
class ApproximateIndex:
    """An index of one modality of a bank; made by `build_index`, opened by `open_index`.

    Attributes
    ----------
    bank : AnchorBank
        A view of the version that the index is of.
    about : dict
        What the file ``about.json`` says: kind, modality, centred or not, encoder, state of the bank, n, d, and how
        the index was made.
    method : IVF, PQ or HNSW
        The kind with its parameters, of `asif_lib.search.kinds`.
    index : faiss.Index
    folder : Path
    """

    bank: object
    about: dict
    method: object
    index: faiss.Index
    folder: Path

    def __repr__(self):
        return f"ApproximateIndex({self.about['kind']!r}, {self.about['modality']!r}, {len(self)} anchors)"

    def __len__(self):
        return self.about["n"]

    @property
    def knob(self) -> str:
        """The name of the effort in FAISS and in the literature: ``nprobe``, ``refine`` or ``efSearch``."""
        return self.method.knob

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    @property
    def mean(self):
        """What is taken off queries and anchors, (d,) float32; None if nothing is."""
        return self.bank.mean(self.about["modality"]) if self.about["centred"] else None

    def efforts(self, k) -> list:
        """Return settings of the knob worth trying for this k, each twice the one before."""
        check_k(k, len(self))
        low, high = self.method.limits(len(self), k)
        return sorted({min(low << i, high) for i in range(self.method.doublings + 1)})

    def search(self, queries, k, effort, *, progress=False):
        """Return the k largest cosines of each query among the anchors that the index finds.

        Parameters
        ----------
        queries : Tensor of shape (q, d)
        k : int
            1 ≤ k ≤ n.
        effort : int
            The knob: lists to search (``ivf``: nprobe), candidates as a multiple of k (``pq``: refine), or anchors
            that the walk keeps in view (``hnsw``: efSearch, at least k).
        progress : bool
            Show a bar.

        Returns
        -------
        values : Tensor of shape (q, k), float32
            The exact cosines, as `search.top_anchors` gives them, the largest first, ties by the smaller index.
        indices : Tensor of shape (q, k), int64
            If the index finds fewer than k anchors for a query, a warning says so, and the row ends with value 0 at
            the smallest positions that were not found: entries that add nothing to a sparse vector, and no anchor
            is named twice.

        Raises
        ------
        ParameterError
            If k or the effort is out of range, the dimensions differ, or a query holds NaN or infinity.

        Examples
        --------
        >>> index = build_index(bank, "image", "ivf")                        # doctest: +SKIP
        >>> values, indices = index.search(pictures, k=50, effort=16)        # doctest: +SKIP
        """
        values, indices, found = self.search_and_count(queries, k, effort, progress=progress)
        if short := int((found < k).sum()):
            warnings.warn(
                f"for {short} of {len(queries)} queries the index found fewer than k = {k} anchors at {self.knob} = "
                f"{effort}; the rest of their entries is 0: take a larger {self.knob}",
                stacklevel=2,
            )
        return values, indices

    def search_and_count(self, queries, k, effort, *, progress=False):
        """Return what `search` does, without its warning, and how many anchors were found for each query: (q,) int64.

        Entries of a row from that number on are not found.
        """
        queries, rows = queries.detach(), self.bank.rows(self.about["modality"])
        check_dimensions(queries, rows)
        check_k(k, len(self))
        low, high = self.method.limits(len(self), k)
        if isinstance(effort, bool) or not low <= effort <= high or effort != int(effort):
            raise ParameterError(f"{self.knob} = {effort}: for k = {k} it is a whole number from {low} to {high}")
        k, effort = int(k), int(effort)
        unit = unit_rows(queries, self.mean).numpy()
        values = torch.empty(len(unit), k, dtype=torch.float32)
        indices, found = torch.empty(len(unit), k, dtype=torch.int64), np.empty(len(unit), np.int64)
        faiss.omp_set_num_threads(torch.get_num_threads())
        asked = self.method.asked(len(self), k, effort)
        step = max(1, CANDIDATES // asked)
        for first in trange(0, len(unit), step, desc=f"{self.knob} = {effort}", disable=not progress, leave=False):
            block = slice(first, first + step)
            candidates = self.method.find(self.index, unit[block], asked, effort)
            values[block], indices[block] = rerank(queries[block], rows, candidates, k, mean=self.mean)
            found[block] = (candidates >= 0).sum(axis=1).clip(max=k)
        return values, indices, found


def build_index(bank, modality, kind="ivf", *, centred=True, progress=True, **parameters) -> ApproximateIndex:
    """Build an index of a bank on disk and keep it with this version of the bank, in place of an earlier one.

    The index learns from a random sample and takes the anchors block by block, so that no matrix of n rows is in
    memory; ``pq`` keeps its codes there while it is built (n · d / 8 bytes), ``hnsw`` its graph and vectors (about
    n · (2 d + 8 links) bytes).

    Parameters
    ----------
    bank : AnchorBank
        Opened with `load`.
    modality : {"image", "text"}
    kind : {"ivf", "pq", "hnsw"}
    centred : bool
        Take the bank's mean off, as `ASIF` does by default.
    **parameters
        Of the kind: ``lists``, ``width`` or ``links``; see `asif_lib.search.kinds`.

    Raises
    ------
    ParameterError
        If a parameter is not the kind's or out of range, or an anchor holds NaN or infinity.
    BankError
        If the bank is in memory only, or the index cannot be written; nothing is left behind.
    LockedError
        If another process builds the same index.
    """
    about = _about(bank, modality, kind, centred)
    unknown = sorted(parameters.keys() - asdict(KINDS[kind]()).keys())
    if unknown:
        known = ", ".join(asdict(KINDS[kind]()))
        raise ParameterError(f"an index of kind {kind!r} has no parameter {unknown[0]!r}; it has: {known}")
    rows, mean = bank.rows(modality), bank.mean(modality) if centred else None
    method = KINDS[kind](**parameters).settled(*rows.shape)
    folder = _folder(bank, modality, kind, centred)
    try:
        folder.parent.mkdir(exist_ok=True)
        with locked(folder):
            for left in folder.parent.glob(f"{folder.name}-*.part"):  # by a build that was killed
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-", suffix=".part") as part:
                new = Path(part) / "index"
                new.mkdir()
                make(method, rows, mean, new, progress=progress)
                about |= {"parameters": asdict(method), "faiss": faiss.__version__}
                about["files"] = {file.name: file.stat().st_size for file in sorted(new.iterdir())}
                (new / "about.json").write_text(json.dumps(about, indent=2))
                if folder.exists():
                    folder.rename(Path(part) / "old")
                new.rename(folder)
    except (OSError, RuntimeError) as error:
        what = f"the index could not be written ({first_line(error)})"
        raise BankError(f"{folder}: {what}; make room, or load the bank anew if it was edited, and repeat") from None
    return open_index(bank, modality, kind, centred=centred)


def open_index(bank, modality, kind="ivf", *, centred=True) -> ApproximateIndex:
    """Open the index that `build_index` kept with this version of the bank, mapped and not read.

    Raises
    ------
    BankError
        If there is none, the bank has been edited since, the index belongs to another bank, or it is damaged.
    """
    expected = _about(bank, modality, kind, centred)
    folder = _folder(bank, modality, kind, centred)
    build = f"build_index(bank, {modality!r}, {kind!r}, centred={centred})"
    if not (folder / "about.json").exists():
        others = bank.index_folder.parent.glob(f"index-*/{folder.name}/about.json")
        why = "is of another version of the bank" if any(others) else "is not there"
        raise BankError(f"{folder}: the index {why}; build it: {build}")
    try:
        about = json.loads((folder / "about.json").read_text())
        for key, value in expected.items():
            if about[key] != value:
                raise BankError(
                    f"{folder}: this index does not belong to bank {bank.name!r}: its {key} is {about[key]}, the "
                    f"bank's {value}; build it: {build}"
                )
        if any((folder / name).stat().st_size != size for name, size in about["files"].items()):
            raise ValueError("a file is cut off")  # mapped, it would end the process
        method = KINDS[kind](**about["parameters"])
        index = method.read(folder)
        if (index.ntotal, index.d) != (expected["n"], expected["d"]):
            raise ValueError(f"it holds {index.ntotal} vectors in {index.d} dimensions")
    except BankError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BankError(f"{folder}: the index is damaged ({first_line(error)}); build it: {build}") from None
    return ApproximateIndex(bank, about, method, index, folder)


def _about(bank, modality, kind, centred):
    """What an index of this bank must say of itself."""
    if kind not in KINDS:
        raise ParameterError(f"kind = {kind!r}: an index is of kind {', '.join(map(repr, KINDS))}")
    if modality not in ("image", "text"):
        raise ParameterError(f"modality = {modality!r}: an index is of the bank's 'image' or 'text'")
    encoder = bank.image_encoder if modality == "image" else bank.text_encoder
    n, d = bank.rows(modality).shape
    about = {"kind": kind, "modality": modality, "centred": centred, "n": n, "d": d, "encoder": asdict(encoder)}
    return about | {"state": bank.index_folder.name.removeprefix("index-")}


def _folder(bank, modality, kind, centred):
    return bank.index_folder / f"{kind}-{modality}-{'centred' if centred else 'plain'}"
