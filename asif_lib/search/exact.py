"""Exact search: the k anchors with the largest cosines, for any number of anchors, in a memory that you state.

Three ways to the same answer, bit for bit. Each makes a fast pass over the anchors, block by block, that finds a few
more candidates than k by products in limited precision; the candidates' cosines are then computed anew in double
precision (`.rerank`); and a bound on the error of the fast pass tells whether an anchor that was passed over
could belong to the answer. Where that cannot be excluded, as among thousands of duplicates, the query is searched
again with more candidates, and in the end against all anchors.

- ``faiss``: `faiss.knn`, an exact search in float32; the default on a CPU.
- ``bf16``: `asif_lib.search.certified`, twice as fast on processors with bfloat16 arithmetic.
- ``torch``: tiles of PyTorch's matrix product and ``topk``, on any device; the way on a GPU.
"""

import contextlib
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from tqdm.auto import tqdm

from asif_lib.errors import ParameterError
from asif_lib.machine import has_fast_bfloat16
from asif_lib.relative import check_dimensions, unit_rows

from .certified import ROUNDING, Rounded, Sieve, round_rows
from .prepared import PreparedAnchors
from .rerank import LISTS, centred_unit, check_count, rerank
from .rows import as_rows

METHODS = ("faiss", "bf16", "torch")
MEMORY = 2**30
"""Bytes that a search may take beyond its result, unless told otherwise."""
BLOCK = 65_536
"""Anchors in a block, where the memory allows it."""
SMALLEST_BLOCK = 256
PART = 4_096
"""Rows that are brought to unit length at a time: a few megabytes, which stay near the processor."""
SPARE = 64
"""Candidates beyond k of a fast pass in float32: enough unless there are many near-ties."""
MOST_CANDIDATES = 16_384
"""With more, comparing with all anchors is the better way."""
OF_COMPONENT = 20
"""Bytes of an anchor's component: as it is stored, in float32, and on its way to unit length."""
FEW_PRODUCTS = 2e10
"""q · n · d below which the choice of a method does not matter."""


@dataclass(frozen=True)
class Plan:
    """How a search will be done.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    device : torch.device
    queries, anchors : int
        In a block.
    """

    method: str
    device: torch.device
    queries: int
    anchors: int

    def __str__(self):
        where = "" if self.device.type == "cpu" else f" on {self.device}"
        return f"{self.method}{where}, blocks of {self.queries:,} queries and {self.anchors:,} anchors"


def plan_search(q, n, d, k, *, method="auto", device="cpu", memory=None, prepared=False) -> Plan:
    """Choose how to search the k best of n anchors for q queries in d dimensions.

    Raises
    ------
    ParameterError
        If there is no such method, it is not for that device, the memory does not hold one tile, or there are more
        anchors than can be counted.

    Examples
    --------
    >>> print(plan_search(1_000, 200_000, 768, 800, method="faiss"))
    faiss, blocks of 1,000 queries and 65,536 anchors
    """
    device = torch.device(device)
    if method == "auto":
        large = q * n * d > FEW_PRODUCTS and q >= 64
        fast = prepared or (large and has_fast_bfloat16())
        method = "torch" if device.type != "cpu" else "bf16" if fast else "faiss"
    check_count(n)
    if method not in METHODS:
        raise ParameterError(f"method = {method!r}: a search is done by 'auto', {', '.join(map(repr, METHODS))}")
    if device.type != "cpu" and method != "torch":
        raise ParameterError(f"method {method!r} works on the CPU; on {device} take 'torch', or 'auto'")
    memory = MEMORY if memory is None else memory
    of_query = 24 * d + (Sieve.bytes_per_query(_limit(k)) if method == "bf16" else 36 * (k + SPARE))
    of_anchor = OF_COMPONENT * d
    of_product = 8 if method == "torch" else 0  # its tile of products, and what topk makes of it
    block = min(BLOCK, n, int(memory / 2 / (of_anchor + of_product)))
    queries = min(q, int((memory - block * of_anchor) / (of_query + block * of_product)))
    if block < min(SMALLEST_BLOCK, n) or queries < min(1, q):
        least = 2 * max(min(SMALLEST_BLOCK, n) * (of_anchor + of_product), of_query)
        raise ParameterError(
            f"memory = {memory:,} bytes: does not hold one tile of this search; give it {least:,} or more"
        )
    return Plan(method, device, max(queries, 1), max(block, 1))


def top_anchors(queries, anchors, k, *, mean=None, method="auto", device="cpu", memory=None, progress=False):
    """Return the k largest cosines of each query with the anchors, and which anchors these are.

    Parameters
    ----------
    queries : Tensor of shape (q, d)
        Any floating dtype; float64 is rounded to float32, in which embeddings come.
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, in memory or memory-mapped. Prepared ones bring their mean.
    k : int
        1 ≤ k ≤ n.
    mean : Tensor of shape (d,), optional
        Taken off both.
    method : {"auto", "faiss", "bf16", "torch"}
        How to search; the answer is the same.
    device : str or torch.device
        Where the fast pass computes.
    memory : int, optional
        Bytes that the search may take beyond its result; default `MEMORY`.
    progress : bool
        Show a bar, which names the method.

    Returns
    -------
    values : Tensor of shape (q, k), float32
        Cosines as computed in double precision and rounded to float32, the largest first, ties by the smaller index.
    indices : Tensor of shape (q, k), int64

    Raises
    ------
    ParameterError
        If k is out of range, the dimensions differ, a vector holds NaN or infinity, or is so after the mean is taken
        off, or `plan_search` raises it.

    Examples
    --------
    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    >>> top_anchors(torch.tensor([[5.0, 5.0]]), anchors, 2)
    (tensor([[0.7071, 0.7071]]), tensor([[0, 1]]))
    """
    prepared = anchors if isinstance(anchors, PreparedAnchors) else None
    if prepared is not None and mean is not None:
        raise ParameterError("these anchors are prepared with a mean of their own; prepare them with the other mean")
    anchors, mean = (prepared.rows, prepared.mean) if prepared else (as_rows(anchors), mean)
    check_dimensions(queries, anchors)
    check_k(k, len(anchors))
    queries, k = queries.detach(), int(k)
    mean = None if mean is None else mean.detach().float().cpu()
    _check_queries(queries, mean)
    chosen = plan_search(
        len(queries), *anchors.shape, k, method=method, device=device, memory=memory, prepared=prepared is not None
    )
    search = _Search(anchors, mean, k, chosen, prepared if chosen.method == "bf16" else None)
    values, indices = _unset(len(queries), k)
    steps = -(-len(queries) // chosen.queries) * len(anchors)
    with tqdm(total=steps, desc=f"searching ({chosen})", unit="anchor", disable=not progress, leave=False) as bar:
        for first in range(0, len(queries), chosen.queries):
            rows = slice(first, first + chosen.queries)
            values[rows], indices[rows] = search(queries[rows], bar.update)
    return values, indices


def _check_queries(queries, mean):
    """Before the first of them is searched, and with their own numbers."""
    if not queries.is_floating_point():
        raise ParameterError(f"queries are {queries.dtype}: embeddings are floating-point numbers")
    for first in range(0, len(queries), PART):
        try:
            unit_rows(queries[first : first + PART], mean, first)
        except ParameterError as error:
            raise ParameterError(f"queries: {error}") from None


def _unset(q, k, device="cpu"):
    return tuple(torch.empty(q, k, dtype=dtype, device=device) for dtype in (torch.float32, torch.int64))


def merge_top(parts, k):
    """Return the k best of the answers of several shards; the same as one search over all of them.

    Parameters
    ----------
    parts : list of (values (q, k_i) float32, indices (q, k_i) int64)
        The indices count over all shards; each shard gave min(k, its size).
    k : int

    Returns
    -------
    values : Tensor of shape (q, k), float32
    indices : Tensor of shape (q, k), int64

    Raises
    ------
    ParameterError
        If the shards gave fewer than k together, or not for the same queries.

    Examples
    --------
    >>> one, two = torch.tensor([[0.9, 0.5]]), torch.tensor([[0.9, 0.7]])
    >>> merge_top([(two, torch.tensor([[7, 5]])), (one, torch.tensor([[2, 0]]))], 3)
    (tensor([[0.9000, 0.9000, 0.7000]]), tensor([[2, 7, 5]]))
    """
    if len({len(values) for values, _ in parts}) != 1:
        raise ParameterError("the shards answered different numbers of queries; a partial answer is none")
    values, indices = (torch.cat(found, dim=1) for found in zip(*parts, strict=True))
    if values.shape[1] < k:
        raise ParameterError(f"k = {k}: the shards gave {values.shape[1]} anchors together")
    order = np.lexsort((indices.numpy(), -values.numpy()))[:, :k]
    order = torch.from_numpy(order)
    return values.gather(1, order), indices.gather(1, order)


def check_k(k, n):
    """Raise `ParameterError` unless 1 ≤ k ≤ n is a whole number."""
    if isinstance(k, bool) or not 1 <= k <= n or k != int(k):
        raise ParameterError(f"k = {k}: the entries to keep must be a whole number from 1 to the {n} anchors")


def _limit(k):
    return max(4 * k, 2_048)


class _Search:
    """One search: the anchors, and how they are searched. Called with a block of queries."""

    def __init__(self, anchors, mean, k, chosen, prepared):
        self.anchors, self.mean, self.k, self.plan, self.prepared = anchors, mean, k, chosen, prepared
        # of a product of two unit vectors that were computed in float32, their lengths included
        self.bound = (2 * anchors.shape[1] + 16) * ROUNDING
        # blocks of anchors are gone when candidates are compared
        self.lists = min(LISTS, chosen.anchors * anchors.shape[1] * OF_COMPONENT)

    def __call__(self, queries, passed):
        if self.plan.method == "bf16":
            values, indices, doubtful = self._by_sieve(queries, passed)
        else:
            values, indices, doubtful = self._by_float32(queries, SPARE, passed)
        spare = SPARE
        while len(doubtful):
            spare *= 16
            again = self._by_all if self.k + spare > MOST_CANDIDATES else self._by_float32
            size = max(1, len(queries) * (self.k + SPARE) // (self.k + spare))  # so that they take no more memory
            left = []
            for some in np.split(doubtful, range(size, len(doubtful), size)):
                values[some], indices[some], still = again(queries[some], spare, lambda _: None)
                left.append(some[still])
            doubtful = np.concatenate(left)
        return values, indices

    def _unit(self, queries):
        return torch.from_numpy(centred_unit(queries, self.mean)).float()

    def _blocks(self, size):
        """The anchors, unit rows in float32 on the device, block by block; each overwrites the one before."""
        mean = None if self.mean is None else self.mean.to(self.plan.device)
        unit = torch.empty(
            min(size, len(self.anchors)), self.anchors.shape[1], dtype=torch.float32, device=self.plan.device
        )
        for start, block in self.anchors.blocks(size):
            for i in range(0, len(block), PART):
                part = block[i : i + PART].detach().to(self.plan.device)
                unit[i : i + len(part)] = unit_rows(part, mean, first=start + i)
            yield start, unit[: len(block)]

    def _by_float32(self, queries, spare, passed):
        """The answer, and which of the queries it may be wrong for."""
        m = min(self.k + spare, len(self.anchors))
        unit = self._unit(queries).to(self.plan.device)
        top = _top_of_faiss if self.plan.method != "torch" else _top_of_torch
        values, indices = _unset(len(queries), 0, self.plan.device)
        dropped = torch.full_like(unit[:, 0], -torch.inf)  # no product of those is larger
        for start, block in self._blocks(self.plan.anchors):
            found, where = top(unit, block, min(m, len(block)))
            if len(block) > m:
                dropped = torch.maximum(dropped, found[:, -1])
            values, indices = torch.cat([values, found], dim=1), torch.cat([indices, where + start], dim=1)
            if values.shape[1] > m:
                values, order = values.topk(m, dim=1)
                indices = indices.gather(1, order)
                dropped = torch.maximum(dropped, values[:, -1])
            passed(len(block))
            del block  # or the last would stay
        values, indices = self._rerank(queries, indices.cpu().numpy(), self.k)
        return values, indices, np.flatnonzero((dropped.cpu() + self.bound >= values[:, -1]).numpy())

    def _by_sieve(self, queries, passed):
        sieve = Sieve(round_rows(self._unit(queries)), self.k, _limit(self.k))
        threads = torch.get_num_threads()
        if self.prepared:
            blocks = [(0, Rounded(self.prepared.rounded, self.prepared.error))]
        else:  # small ones: what was just rounded is still near the processor
            blocks = ((start, round_rows(block)) for start, block in self._blocks(min(self.plan.anchors, PART)))
        for start, block in blocks:
            sieve.feed(block, start, threads, passed)
            del block
        values, indices = self._rerank(queries, sieve.candidates(), self.k)
        return values, indices, np.flatnonzero(sieve.overflown)

    def _rerank(self, queries, candidates, k):
        return rerank(queries, self.anchors, candidates, k, mean=self.mean, memory=self.lists)

    def _by_all(self, queries, _, passed):
        """Compare with every anchor in double precision: slow, and never in doubt."""
        best = []
        for start in range(0, len(self.anchors), PART):
            here = np.arange(start, min(start + PART, len(self.anchors)))
            best.append(self._rerank(queries, [here] * len(queries), min(self.k, len(here))))
            best = [merge_top(best, min(self.k, here[-1] + 1))]
        return *best[0], np.empty(0, np.int64)


def _top_of_faiss(queries, block, m):
    faiss.omp_set_num_threads(torch.get_num_threads())
    found, where = faiss.knn(queries.numpy(), block.numpy(), m, metric=faiss.METRIC_INNER_PRODUCT)
    return torch.from_numpy(found), torch.from_numpy(where)


def _top_of_torch(queries, block, m):
    with _float32_alone(queries.device.type):
        return (queries @ block.T).topk(m, dim=1)


@contextlib.contextmanager
def _float32_alone(device):
    """The bound on the error holds for products in float32, whatever the caller allows PyTorch in its place."""
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(allowed)
