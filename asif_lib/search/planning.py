"""Plan an exact search: its method, and blocks that fit the stated memory."""

from dataclasses import dataclass

import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import has_fast_bfloat16

from .rows import check_count

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
LANES = 64
"""Products in bfloat16 that are compared at once; the list of a query has room for this many more."""
OF_CANDIDATE, OF_KEPT = 36, 6
"""Bytes of a candidate of a fast pass, in float32 and in bfloat16."""
OF_COMPONENT = 20
"""Bytes of an anchor's component: as stored, in float32, and on its way to unit length."""
FEW_PRODUCTS = 2e10
"""q · n · d below which the choice of a method does not matter."""


def most_kept(k) -> int:
    """Return the number of anchors that a query may keep in bfloat16, unless very many are as good as the k-th."""
    return max(4 * k, 2_048)


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

    def __str__(self):
        where = "" if self.device.type == "cpu" else f" on {self.device}"
        return f"{self.method}{where}, blocks of {self.queries:,} queries and {self.anchors:,} anchors"


def plan_search(q, n, d, k, *, method="auto", device="cpu", memory=None, prepared=False) -> Plan:
    """Choose how to search the k best of n anchors for q queries in d dimensions.

    Raises
    ------
    ParameterError
        If there is no such method, it is not for that device, the memory does not hold one tile, or n is too large.

    Examples
    --------
    >>> print(plan_search(1_000, 200_000, 768, 800, method="faiss"))
    faiss, blocks of 1,000 queries and 34,952 anchors
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
    of_query = 24 * d + (OF_KEPT * (most_kept(k) + LANES) if method == "bf16" else OF_CANDIDATE * (k + SPARE))
    of_anchor = OF_COMPONENT * d
    of_product = 8 if method == "torch" else 0  # its tile of products, and the tile that topk makes of it
    block = min(BLOCK, n, int(memory / 2 / (of_anchor + of_product)))
    queries = min(q, int((memory - block * of_anchor) / (of_query + block * of_product)))
    if block < min(SMALLEST_BLOCK, n) or queries < min(1, q):
        least = 2 * max(min(SMALLEST_BLOCK, n) * (of_anchor + of_product), of_query)
        raise ParameterError(
            f"memory = {memory:,} bytes: does not hold one tile of this search; give it {least:,} or more"
        )
    return Plan(method, device, max(queries, 1), max(block, 1))
