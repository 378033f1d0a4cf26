"""Three kinds of approximate search, as FAISS has them, each with one knob between fast and thorough.

The vectors are unit rows and the similarity is their inner product, the cosine. An index returns candidates only;
`.approximate` computes their exact cosines, so an index may keep the vectors rounded.

References: inverted file and product quantisation, Jégou, Douze and Schmid, PAMI 2011; four-bit codes in registers,
André, Kermarrec and Le Scouarnec, VLDB 2015; HNSW, Malkov and Yashunin, PAMI 2020; FAISS, Douze et al., 2024.
"""

import math
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import progress_bar
from asif_lib.relative import unit_rows

from .rows import BLOCK

COSINE = faiss.METRIC_INNER_PRODUCT
_HALF = faiss.ScalarQuantizer.QT_fp16


@dataclass(frozen=True)
class IVF:
    """An inverted file: the anchors in lists, one around each of the centres of k-means; few lists are searched.

    The vectors are kept in half precision: half the file, and twice the speed, since reading dominates the time.
    They are never all in memory: blocks on disk are joined into lists, and the lists are mapped when opened.
    """

    lists: int | None = None
    """Default 4 √n, with at least 39 anchors in a list."""
    knob, doublings = "nprobe", 10

    def settled(self, n, d) -> "IVF":
        """Return the parameters for n anchors in d dimensions. Raises `ParameterError` if they are out of range."""
        lists = max(1, min(round(4 * math.sqrt(n)), n // 39)) if self.lists is None else self.lists
        return IVF(whole_number("lists", lists, 1, n))

    def sample(self, n) -> int:
        """Return the number of anchors to train on."""
        return min(n, 64 * self.lists)

    def limits(self, n, k) -> tuple:
        """Return the smallest and the largest effort for k of n anchors: lists to search."""
        return 1, self.lists

    def train(self, sample):
        """Return an index without vectors; k-means on `sample` (m, d) float32 finds its centres."""
        d = sample.shape[1]
        index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(d), d, self.lists, _HALF, COSINE, False)
        index.cp.spherical, index.cp.min_points_per_centroid = True, 1
        index.train(sample)
        return index

    def write(self, index, blocks, folder):
        """Write the trained `index`, and `blocks` of (position of the first row, rows) in lists, into `folder`.

        Each block is sorted into lists in a file of its own. Then the lists of all blocks are joined, one after the
        other: the vectors, then the positions, the layout that FAISS maps.
        """
        files = []
        for start, rows in blocks:
            block = faiss.clone_index(index)
            block.add_with_ids(rows, np.arange(start, start + len(rows)))
            files.append(folder / f"block-{len(files)}")
            faiss.write_index(block, str(files[-1]))
        opened = [faiss.read_index(str(file), faiss.IO_FLAG_MMAP) for file in files]
        parts = [block.invlists for block in opened]
        sizes = np.array([[part.list_size(i) for part in parts] for i in range(self.lists)])
        with open(folder / "lists", "wb") as target:
            for i in range(self.lists):
                here = [(part, int(size)) for part, size in zip(parts, sizes[i], strict=True) if size]
                for part, size in here:
                    target.write(faiss.rev_swig_ptr(part.get_codes(i), size * index.code_size).data)
                for part, size in here:
                    target.write(faiss.rev_swig_ptr(part.get_ids(i), size).data)
        for file in files:
            file.unlink()
        np.save(folder / "sizes.npy", sizes.sum(axis=1).astype(np.uint64))
        faiss.write_index(index, str(folder / "index.faiss"))

    def read(self, folder):
        """Open the index in `folder`, its lists mapped."""
        index, sizes = faiss.read_index(str(folder / "index.faiss")), np.load(folder / "sizes.npy")
        lists = faiss.OnDiskInvertedLists()
        lists.nlist, lists.code_size, lists.read_only = index.nlist, index.code_size, True
        lists.filename, lists.totsize = str(folder / "lists"), (folder / "lists").stat().st_size
        lists.lists.resize(index.nlist)
        lists.set_all_lists_sizes(faiss.swig_ptr(sizes))
        lists.do_mmap()
        lists.prefetch_nthread = 0  # threads that read ahead halve the speed when the file is in memory
        index.replace_invlists(lists, True)
        lists.this.disown()  # the index owns the lists now
        index.ntotal = int(sizes.sum())
        return index

    def asked(self, n, k, effort) -> int:
        """Return the number of candidates for the k best: more than k, since half precision may swap near-ties."""
        return min(n, k + k // 10 + 10)

    def find(self, index, queries, asked, effort) -> np.ndarray:
        """Return the positions of candidates for `queries` (q, d) float32: (q, asked) int64, -1 if missing."""
        return index.search(queries, asked, params=faiss.SearchParametersIVF(nprobe=effort))[1]


class _InOneFile:
    """Base of product quantisation and HNSW: all codes are in memory while they are added, and in one file."""

    def write(self, index, blocks, folder):
        for _, rows in blocks:
            index.add(rows)
        faiss.write_index(index, str(folder / "index.faiss"))

    def read(self, folder):
        return faiss.read_index(str(folder / "index.faiss"), faiss.IO_FLAG_MMAP_IFC)


@dataclass(frozen=True)
class PQ(_InOneFile):
    """Product quantisation with exact refinement: all anchors are compared, by 4 bits for every few numbers.

    These similarities are rough, so the search takes more candidates than k; the knob is the multiple of k.
    """

    width: int | None = None
    """Numbers that share a code of 4 bits; it divides d. Default: the largest divisor up to 4 (n · d / 8 bytes)."""
    knob, doublings = "refine", 5

    def settled(self, n, d) -> "PQ":
        if n < 16:
            raise ParameterError(f"an index of kind 'pq' learns 16 codes and needs as many anchors; there are {n}")
        width = max(w for w in (1, 2, 3, 4) if d % w == 0) if self.width is None else self.width
        if d % whole_number("width", width, 1, d):
            raise ParameterError(f"width = {width} does not divide the {d} dimensions; choose one that does")
        return PQ(int(width))

    def sample(self, n):
        return min(n, 16 * 256)

    def limits(self, n, k):
        return 1, -(-n // k)

    def train(self, sample):
        d = sample.shape[1]
        index = faiss.IndexPQFastScan(d, d // self.width, 4, COSINE)
        index.pq.cp.min_points_per_centroid = 1
        index.train(sample)
        return index

    def asked(self, n, k, effort):
        return min(n, k * effort)

    def find(self, index, queries, asked, effort):
        if asked == index.ntotal:  # FAISS would drop the anchors whose similarity saturates 8 bits
            return np.broadcast_to(np.arange(asked), (len(queries), asked))
        return index.search(queries, asked)[1]


@dataclass(frozen=True)
class HNSW(_InOneFile):
    """A graph of neighbours in layers, through which a search walks; the vectors are kept in half precision.

    With several threads, each build makes another graph of about the same quality.
    """

    links: int = 32
    """Neighbours of an anchor in a layer; the lowest layer has twice as many."""
    knob, doublings = "efSearch", 3

    def settled(self, n, d) -> "HNSW":
        return HNSW(whole_number("links", self.links, 2, 512))

    def sample(self, n):
        return 1  # half precision has nothing to learn

    def limits(self, n, k):
        return k, n

    def train(self, sample):
        index = faiss.IndexHNSWSQ(sample.shape[1], _HALF, self.links, COSINE)
        index.train(sample)
        return index

    def asked(self, n, k, effort):
        return k

    def find(self, index, queries, asked, effort):
        return index.search(queries, asked, params=faiss.SearchParametersHNSW(efSearch=effort))[1]


def make(method, rows, mean, folder, *, progress=False):
    """Train an index on a sample of `rows` (Rows) minus `mean`, add all rows block by block, write it to `folder`."""
    faiss.omp_set_num_threads(torch.get_num_threads())
    title = "training the index"
    with progress_bar(total=len(rows), desc=title, unit="anchor", disable=not progress, leave=False) as bar:

        def blocks():
            for start, block in rows.blocks(BLOCK):
                yield start, unit_rows(block, mean, first=start).numpy()
                bar.update(len(block))

        chosen = np.random.default_rng(0).choice(len(rows), method.sample(len(rows)), replace=False)
        index = method.train(unit_rows(rows.take(np.sort(chosen)), mean).numpy())
        bar.set_description("building the index")
        method.write(index, blocks(), folder)


KINDS = {"ivf": IVF, "pq": PQ, "hnsw": HNSW}


def whole_number(name, value, low, high, words="must be") -> int:
    """Return `value` as an int. Raises `ParameterError` unless it is a whole number within these limits."""
    if isinstance(value, bool) or not low <= value <= high or value != int(value):
        raise ParameterError(f"{name} = {value}: {words} a whole number from {low} to {high}")
    return int(value)
