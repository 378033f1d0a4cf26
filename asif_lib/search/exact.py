"""Exact search: the k anchors with the largest cosines, for any number of anchors, within a stated memory.

Three methods give the same answer, bit for bit (`.passes` has the algorithm):

- ``float32``: `asif_lib.search.certified`; the default on a CPU.
- ``bf16``: the same in bfloat16, faster on processors with bfloat16 arithmetic.
- ``torch``: tiles of PyTorch's matrix product and ``topk``, on any device; the method for a GPU.

Rounding 1.6 million anchors takes longer than searching them for a few hundred queries. A bank that is searched often
therefore keeps a rounded copy of its embeddings, half the size of float32 (`AnchorBank.prepare`, `bank.copies`).
"""

from dataclasses import dataclass

import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import has_fast_bfloat16, progress_bar
from asif_lib.relative import as_embeddings, check_dimensions, unit_rows
from asif_lib.settings import check_k

from .rows import GROUP, LANES, LISTS, OF_COMPONENT, PART, SPARE, TILE, as_rows, check_count, most_kept

METHODS = ("float32", "bf16", "torch")
"""What `top_anchors` takes as its `method`, besides ``"auto"``."""
MEMORY = 2**30
"""Bytes that a search may take beyond its result, unless told otherwise."""
BLOCK = 65_536
"""Anchors in a block, where the memory allows it."""
SMALLEST_BLOCK = 256
OF_CANDIDATE, OF_KEPT = 36, 6
"""Bytes of a candidate of ``torch``, and of the other methods."""
FEW_PRODUCTS = 2e10
"""q · n · d below which the choice of a method does not matter."""


@dataclass(frozen=True)
class Plan:
    """How a search will be done."""

    method: str
    """One of `METHODS`."""
    device: torch.device
    queries: int
    """In a block."""
    anchors: int
    """In a block."""
    lists: int
    """Bytes for the lists of candidates: the block of anchors is gone when they are compared."""

    def __str__(self):
        where = "" if self.device.type == "cpu" else f" on {self.device}"
        return f"{self.method}{where}, blocks of {self.queries:,} queries and {self.anchors:,} anchors"


def plan_search(q, n, d, k, *, method="auto", device="cpu", memory=None, prepared=False) -> Plan:
    """Choose how to search the k best of n anchors for q queries in d dimensions.

    Raises `ParameterError` if the device has no such method, the memory does not hold one tile, or n is too large.

    Parameters
    ----------
    q, n, d, k : int
    method, device, memory
        As for `top_anchors`.
    prepared : bool
        Whether the anchors are prepared.

    Examples
    --------
    >>> print(plan_search(1_000, 200_000, 768, 800, method="torch"))
    torch, blocks of 1,000 queries and 34,934 anchors
    """
    device = torch.device(device)
    if method == "auto":
        large = q * n * d > FEW_PRODUCTS and q >= 64
        fast = (prepared or large) and has_fast_bfloat16()
        method = "torch" if device.type != "cpu" else "bf16" if fast else "float32"
    check_count(n)
    if method not in METHODS:
        raise ParameterError(f"method = {method!r}: a search is done by 'auto', {', '.join(map(repr, METHODS))}")
    if device.type != "cpu" and method != "torch":
        raise ParameterError(f"method {method!r} works on the CPU; on {device} take 'torch', or 'auto'")
    memory = MEMORY if memory is None else memory
    if method == "torch":
        of_query, of_anchor, largest = 24 * d + OF_CANDIDATE * (k + SPARE), OF_COMPONENT * d, BLOCK
        of_product = 8  # the block of products, and the block that topk makes of it
    else:  # each thread has a tile of anchors, and one of products with a group of queries
        of_query, of_product, largest = 24 * d + OF_KEPT * (most_kept(k) + LANES), 0, TILE
        of_anchor = torch.get_num_threads() * (OF_COMPONENT * d + 4 * min(GROUP, q))
    least_block = min(n, SMALLEST_BLOCK if method == "torch" else LANES)
    block = min(largest, n, int(memory / 2 / (of_anchor + of_product)))
    queries = min(q, int((memory - block * of_anchor) / (of_query + block * of_product)))
    if block < least_block or queries < min(1, q):
        least = 2 * max(least_block * (of_anchor + of_product), of_query)
        raise ParameterError(f"memory = {memory:,} bytes does not hold one tile of this search; give {least:,} or more")
    return Plan(method, device, max(queries, 1), max(block, 1), min(LISTS, memory - queries * of_query))


def top_anchors(queries, anchors, k, *, mean=None, method="auto", device="cpu", memory=None, progress=False, keep=None):
    """Return the k largest cosines of each query with the anchors, and the positions of these anchors.

    For small matrices, `sklearn.neighbors.NearestNeighbors` does the same, without centring and a bound on memory.

    Raises `ParameterError` if k is out of range, the dimensions differ, a vector holds NaN or infinity before or after
    the mean is subtracted, or by `plan_search`.

    Parameters
    ----------
    queries : Tensor of shape (q, d)
        Any floating dtype; float64 is rounded to float32, in which embeddings come.
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, in memory or memory-mapped; copied if a row has gaps. Prepared ones bring their mean.
    k : int
        1 ≤ k ≤ n.
    mean : Tensor of shape (d,), optional
        Subtracted from queries and anchors.
    method : {"auto", "float32", "bf16", "torch"}
        The answer is the same.
    device : str or torch.device
        Of the fast pass.
    memory : int, optional
        Bytes that the search may take beyond its result; default `MEMORY`.
    keep : callable, optional
        Receives ``(first row, values, indices)`` of each block of queries. Nothing is returned then.

    Returns
    -------
    values : Tensor of shape (q, k), float32
        Cosines computed in double precision and rounded to float32, the largest first, ties by the smaller index: the
        order of the anchors decides which of equal ones are kept.
    indices : Tensor of shape (q, k), int64

    Examples
    --------
    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    >>> top_anchors(torch.tensor([[5.0, 5.0]]), anchors, 2)
    (tensor([[0.7071, 0.7071]]), tensor([[0, 1]]))
    """
    from .passes import Passes  # brings the compiler, which only a search needs

    prepared = anchors if isinstance(anchors, PreparedAnchors) else None
    if prepared is not None and mean is not None:
        raise ParameterError("these anchors are prepared with a mean of their own; prepare them with the other mean")
    anchors, mean = (prepared.rows, prepared.mean) if prepared else (as_rows(anchors), mean)
    queries = as_embeddings(queries)
    check_dimensions(queries, anchors)
    check_k(k, len(anchors))
    queries, k = queries.detach(), int(k)
    mean = None if mean is None else mean.detach().float().cpu()
    _check_queries(queries, mean)
    chosen = plan_search(
        len(queries), *anchors.shape, k, method=method, device=device, memory=memory, prepared=prepared is not None
    )
    search = Passes(anchors, mean, k, chosen, prepared if chosen.method == "bf16" else None)
    if keep is None:
        values = torch.empty(len(queries), k, dtype=torch.float32)
        indices = torch.empty(len(queries), k, dtype=torch.int64)
    steps = -(-len(queries) // chosen.queries) * len(anchors)
    with progress_bar(total=steps, desc=f"searching ({chosen})", unit="anchor", progress=progress) as bar:
        for first in range(0, len(queries), chosen.queries):
            rows = slice(first, first + chosen.queries)
            found = search(queries[rows], bar.update)
            if keep is None:
                values[rows], indices[rows] = found
            else:
                keep(first, *found)
    return None if keep else (values, indices)


def _check_queries(queries, mean):
    """Check all queries before the first search, so that an error names the row by its own number."""
    for first in range(0, len(queries), PART):
        try:
            unit_rows(queries[first : first + PART], mean, first)
        except ParameterError as error:
            raise ParameterError(f"queries: {error}") from None


# -- anchors made ready: centred, of unit length, in bfloat16, beside the anchors themselves


class PreparedAnchors:
    """Anchors beside a rounded copy of them.

    Parameters
    ----------
    rows : Rows of shape (n, d)
        Exact search reads them for the few candidates that it compares exactly.
    mean : Tensor of shape (d,), or None
    rounded : Tensor of shape (n, d), bfloat16
        The anchors minus `mean`, of unit length.
    error : float
        The largest distance between a rounded row and the true one.
    """

    def __init__(self, rows, mean, rounded, error):
        if tuple(rounded.shape) != rows.shape:
            shapes = f"a copy of shape {tuple(rounded.shape)} is not one of anchors of shape {rows.shape}"
            raise ParameterError(f"{shapes}; prepare these anchors")
        self.rows, self.mean, self.rounded, self.error = rows, mean, rounded, error
        self.shape, self.ndim = rows.shape, 2

    def __len__(self):
        return len(self.rows)

    def part(self, part) -> "PreparedAnchors":
        """Return a range of the anchors as a view; all of them for None."""
        if part is None:
            return self
        rows, rounded = self.rows.part(part.start, part.stop), self.rounded[part.start : part.stop]
        return PreparedAnchors(rows, self.mean, rounded, self.error)


def prepare(anchors, mean=None, *, progress=False) -> PreparedAnchors:
    """Make a rounded copy of anchors in memory: 2 · n · d bytes.

    Raises `ParameterError` if an anchor holds NaN or infinity.

    Parameters
    ----------
    anchors : Tensor or Rows of shape (n, d)
    mean : Tensor of shape (d,), optional
        Subtracted first.
    """
    anchors = as_rows(anchors)
    rounded, error = torch.empty(anchors.shape, dtype=torch.bfloat16), 0.0
    for start, block in rounded_blocks(anchors, mean, progress):
        rounded[start : start + len(block.rows)] = block.rows
        error = max(error, block.error)
    return PreparedAnchors(anchors, mean, rounded, error)


def rounded_blocks(anchors, mean, progress):
    """Yield ``(position of the first row, Rounded)`` of the anchors, block by block; the rest is as in `prepare`."""
    from .certified import RoundedLater  # brings the compiler, which only a search needs

    later = RoundedLater(anchors.contiguous(), mean)
    with progress_bar(total=len(anchors), desc="rounding anchors", unit="anchor", progress=progress) as bar:
        for start in range(0, len(anchors), PART):
            span = start, min(start + PART, len(anchors))
            yield start, later.tile(span, torch.empty(PART, anchors.shape[1], dtype=torch.bfloat16))
            bar.update(span[1] - start)
