"""Fast and still exact: a search in bfloat16 that keeps everything that could belong to the answer.

A processor with bfloat16 arithmetic multiplies matrices about twice as fast as in float32, with 8 bits of precision.
The answer is exact all the same, in three steps:

1. **Bound.** Vectors are rounded to bfloat16, q to q̂ and a to â. By Cauchy and Schwarz the product of unit vectors
   is then off by at most ``E = ‖q - q̂‖ + (1 + ‖q - q̂‖) · max ‖a - â‖``; and the product itself is rounded, by at most
   half a unit in its last place, `HALF_ULP` of its size.
2. **Keep.** Let T be the k-th largest rounded product. At least k anchors have a true cosine of T - HALF_ULP · |T| - E
   or more, so the k-th largest true cosine is no less; whoever has such a cosine has a product of at least
   T - HALF_ULP · |T| - 2E. Everything from there on is kept, and nothing else can be part of the answer.
3. **Rerank.** `asif_lib.exact` computes the cosines of the few that were kept anew, in double precision.

T only grows while the anchors pass, so an anchor below the threshold of now is below that of the end: what is kept at
a time is a little more than what is kept in the end, and no row of products is ever whole in memory.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit

from .streaming import one_thread

TILE = 4_096
"""Anchors in a tile of products: 1,024 × 4,096 products in bfloat16 are 8 MB and stay near the processor."""
GROUP = 512
"""Queries in a tile, at most."""
CHUNK = 64
"""Products that are passed over at once if none of them reaches the threshold."""
HALF_ULP = 2.0**-8
"""Half a unit in the last place of a bfloat16, relative to the number: it keeps 8 bits of the significand."""
ROUNDING = 2.0**-24
"""The same of a float32: the unit of the errors of sums, which are in single precision."""


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies matrices in bfloat16 by instructions of its own."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@dataclass(frozen=True)
class Rounded:
    """Unit rows in bfloat16, and how far from the true ones they are.

    Attributes
    ----------
    rows : Tensor of shape (n, d), bfloat16
    error : float
        The largest ‖a - â‖, rounding errors of its computation included.
    """

    rows: torch.Tensor
    error: float


def round_rows(unit) -> Rounded:
    """Round float32 unit rows (n, d), each component of which may be off by a few float32 roundings."""
    rows = unit.bfloat16()
    errors = (unit - rows.float()).square_().sum(dim=1).sqrt_()
    largest = float(errors.max()) if len(errors) else 0.0
    return Rounded(rows, largest * (1 + 1e-5) + (unit.shape[1] + 8) * ROUNDING)


class Sieve:
    """For each of q queries, the anchors that could be among its k best of those that have passed so far.

    Parameters
    ----------
    queries : Rounded
        Of q rows.
    k : int
    limit : int
        Anchors that a query may keep when a tile has passed. One that would keep more, since very many are as good
        as the k-th, is given up: see `overflown`.
    """

    def __init__(self, queries, k, limit):
        q, d = queries.rows.shape
        self.queries, self.k, self.limit = queries, k, limit
        # the error of a sum of d products, in whatever order, and of the rounding of the exact cosine in the end
        self.slack = 1.1 * (d + 8) * ROUNDING
        self.positions = np.empty((q, limit + TILE), np.int64)
        self.keys = np.empty((q, limit + TILE), np.int16)
        self.counts = np.zeros(q, np.int64)
        self.thresholds = np.full(q, np.iinfo(np.int16).min, np.int16)
        self.triggers = np.full(q, k)  # counts beyond which the threshold is raised
        self.overflown = np.zeros(q, bool)
        """Queries for which anchors that were kept had to be dropped: their answer must come from elsewhere."""
        self.error = 0.0

    @staticmethod
    def bytes_per_query(limit) -> int:
        """What a query takes while the anchors pass."""
        return (limit + TILE) * 10

    def feed(self, anchors, start, threads=1):
        """Let `anchors` (Rounded) pass, the first of which has the position `start`."""
        if anchors.error > self.error:  # who of these is kept is decided by a lower threshold
            self.error = anchors.error
            _lower(self.keys, self.counts, self.k, self.thresholds, self._bound())
        bound = self._bound()
        groups = np.array_split(np.arange(len(self.counts)), max(threads, -(-len(self.counts) // GROUP)))
        groups = [slice(g[0], g[-1] + 1) for g in groups if len(g)]

        def run(rows):
            tile = torch.empty(rows.stop - rows.start, TILE, dtype=torch.bfloat16)
            for first in range(0, len(anchors.rows), TILE):
                block = anchors.rows[first : first + TILE]
                products = tile[:, : len(block)] if len(block) < TILE else tile
                _product(self.queries.rows[rows], block, products)
                _sift(
                    products.view(torch.int16).numpy(), start + first, self.k, self.limit, bound,
                    self.positions[rows], self.keys[rows], self.counts[rows], self.thresholds[rows],
                    self.triggers[rows], self.overflown[rows],
                )  # fmt: skip

        with one_thread(), ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(run, groups):
                pass

    def _bound(self):
        return self.queries.error + (1 + self.queries.error) * self.error + self.slack

    def candidates(self):
        """Return for each query the positions that can still belong to its answer, q int64 arrays."""
        for r, (positions, keys) in enumerate(zip(self.positions, self.keys, strict=True)):
            self.counts[r], self.thresholds[r] = _tighten(
                positions, keys, self.counts[r], self.k, self.thresholds[r], self._bound()
            )
        return [row[:count] for row, count in zip(self.positions, self.counts, strict=True)]


def _product(queries, block, out):
    """The rounded products of queries (m, d) and anchors (b, d), both bfloat16, into `out` (m, b)."""
    if has_fast_bfloat16():
        if out.is_contiguous():
            torch.mm(queries, block.T, out=out)
        else:
            out.copy_(queries @ block.T)
    else:  # the same numbers, in float32 and rounded afterwards
        out.copy_(queries.float() @ block.float().T)


@njit(nogil=True, cache=True)
def _sift(products, start, k, limit, bound, positions, keys, counts, thresholds, triggers, overflown):
    """Keep of each row of `products`, bfloat16 bits (m, b), what reaches the row's threshold; raise that at times."""
    m, width = products.shape
    for r in range(m):
        row = products[r]
        threshold = thresholds[r]
        count = counts[r]
        for first in range(0, width, CHUNK):
            chunk = row[first : first + CHUNK]
            if threshold > 0 and not _reaches(chunk, threshold):
                continue
            for j in range(len(chunk)):
                key = _key(chunk[j])
                if key >= threshold:
                    positions[r, count] = start + first + j
                    keys[r, count] = key
                    count += 1
        if count > triggers[r]:
            count, thresholds[r] = _tighten(positions[r], keys[r], count, k, threshold, bound)
            if count > limit:
                overflown[r] = True
                count = limit
            triggers[r] = min(count + max(k // 2, CHUNK), limit)  # not at each tile: this takes longer than to sift
        counts[r] = count


@njit(nogil=True, cache=True)
def _lower(keys, counts, k, thresholds, bound):
    """Set each threshold anew, for a larger bound: those who passed by the smaller one were rightly dropped."""
    for r in range(len(counts)):
        thresholds[r] = _threshold(_kth_largest(keys[r], counts[r], k), bound)


@njit(nogil=True, cache=True)
def _tighten(positions, keys, count, k, threshold, bound):
    """Raise the threshold to what the k-th largest of the keys allows; return how many reach it, and the threshold."""
    threshold = max(threshold, _threshold(_kth_largest(keys, count, k), bound))
    kept = 0
    for j in range(count):
        if keys[j] >= threshold:
            positions[kept] = positions[j]
            keys[kept] = keys[j]
            kept += 1
    return kept, threshold


@njit(nogil=True, cache=True)
def _reaches(chunk, threshold):
    """Whether any bits in the chunk are `threshold`, which is positive, or more; the compiler does 32 at once."""
    hit = np.int16(0)
    for j in range(len(chunk)):
        hit = hit | np.int16(chunk[j] >= threshold)
    return hit != 0


@njit(nogil=True, cache=True)
def _key(bits):
    """A whole number that grows with the bfloat16 of these bits: those of negative ones shrink, and are turned over."""
    return np.int16(bits ^ ((bits >> np.int16(15)) & np.int16(0x7FFF)))


@njit(nogil=True, cache=True)
def _kth_largest(keys, count, k):
    """The k-th largest of the first `count` keys: by its upper byte, then by its lower one."""
    if count < k:
        return np.int16(-32768)
    upper = np.zeros(256, np.int64)
    for j in range(count):
        upper[(keys[j] >> 8) + 128] += 1
    high, left = 255, k
    while upper[high] < left:
        left -= upper[high]
        high -= 1
    lower = np.zeros(256, np.int64)
    for j in range(count):
        if (keys[j] >> 8) + 128 == high:
            lower[keys[j] & 0xFF] += 1
    low = 255
    while lower[low] < left:
        left -= lower[low]
        low -= 1
    return np.int16(((high - 128) << 8) | low)


@njit(nogil=True, cache=True)
def _threshold(key, bound):
    """The smallest key that can belong to the answer, when `key` is that of the k-th largest product."""
    if key == np.int16(-32768):
        return key
    value = _number(key)
    least = value - HALF_ULP * abs(value) - 2 * bound
    # The next bfloat16 below: its 16 bits are the upper half of a float32's.
    bits = np.array([least], np.float32).view(np.int32)[0] >> 16
    return np.int16(_key(np.int16(bits)) - 1)


@njit(nogil=True, cache=True)
def _number(key):
    """The bfloat16 of that key, as a float."""
    bits = np.int32(_key(key))  # turned over twice, it is as it was
    return np.float64(np.array([bits << 16], np.int32).view(np.float32)[0])
