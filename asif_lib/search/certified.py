"""Fast and still exact: a search in bfloat16 that keeps everything that could belong to the answer.

A processor with bfloat16 arithmetic multiplies matrices about twice as fast as in float32, with 8 bits of precision.
The answer is exact all the same, in three steps:

1. **Bound.** Vectors are rounded to bfloat16, q to q̂ and a to â. By Cauchy and Schwarz the product of unit vectors
   is then off by at most ``E = ‖q - q̂‖ + (1 + ‖q - q̂‖) · max ‖a - â‖``. And the product itself is rounded to the
   bfloat16 nearest to it.
2. **Keep.** Let T be the k-th largest rounded product. What was rounded to T or more was no less than M, midway from
   T to the bfloat16 below it. So at least k anchors have a true cosine of M - E or more, and the k-th largest true
   cosine is no less. Whoever has such a cosine has a product of M - 2E or more; and since rounding keeps the order,
   a rounded one no less than what M - 2E is rounded to. Everything from there on is kept, and nothing else can be
   part of the answer.
3. **Rerank.** `asif_lib.search.rerank` computes the cosines of the few that were kept anew, in double precision.

T only grows while the anchors pass, so an anchor below the threshold of now is below that of the end: what is kept at
a time is a little more than what is kept in the end, and no row of products is ever whole in memory.
"""

import threading
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import torch
from numba import njit

from asif_lib.machine import has_fast_bfloat16, in_order, one_thread, single_threads

from .simd import LANES, lowest_bit, reaching

TILE = 2_048
"""Anchors in a tile of products."""
GROUP = 512
"""Queries in a tile, at most: 512 × 2,048 products in bfloat16 are 2 MB and stay near the processor."""
ROUNDING = 2.0**-24
"""What rounding to float32 loses, relative to the number: the unit of the errors of sums in single precision."""


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
        Anchors that a query may keep. One that would keep more, since very many are as good as the k-th, is given
        up: see `overflown`.
    """

    def __init__(self, queries, k, limit):
        q, d = queries.rows.shape
        self.queries, self.k, self.limit = queries, k, limit
        # the error of a sum of d products, in whatever order, and of the rounding of the exact cosine in the end
        self.slack = 1.1 * (d + 8) * ROUNDING
        self.positions = np.empty((q, limit + LANES), np.uint32)
        self.keys = np.empty((q, limit + LANES), np.int16)
        self.counts = np.zeros(q, np.int64)
        self.thresholds = np.full(q, np.iinfo(np.int16).min, np.int16)
        self.triggers = np.full(q, k)  # counts beyond which the threshold is raised
        self.overflown = np.zeros(q, bool)
        """Queries that were given up: their answer must come from elsewhere."""
        self.error = 0.0

    @staticmethod
    def bytes_per_query(limit) -> int:
        """What a query takes while the anchors pass."""
        return (limit + LANES) * 6

    def feed(self, anchors, start, threads=1, passed=lambda count: None):
        """Let `anchors` (Rounded) pass, the first of which has the position `start`; tell `passed` how many did.

        A thread multiplies a tile of anchors with a whole group of queries, since one large product takes less time
        than two halves of it. Then it sifts the products, for some of the queries at a time, which meanwhile no other
        thread does. The order of the tiles is that of the threads; what is kept in the end does not depend on it.
        """
        if anchors.error > self.error:  # who of these is kept is decided by a lower threshold
            self.error = anchors.error
            _lower(self.keys, self.counts, self.k, self.thresholds, self._bound())
        q, n, bound = len(self.counts), len(anchors.rows), self._bound()
        width = max(1, min(TILE, -(-n // threads)))
        spaces = [torch.empty(min(q, GROUP) * width, dtype=torch.bfloat16) for _ in range(threads)]
        groups = _parts(0, q, -(-q // GROUP))
        turns = {group: [(rows, threading.Lock()) for rows in _parts(*group, threads)] for group in groups}

        def run(task):
            first, group = task
            queries, tile = self.queries.rows[slice(*group)], anchors.rows[first : first + width]
            space = spaces.pop()
            products = _product(queries, tile, space[: len(queries) * len(tile)].view(len(queries), len(tile)))
            bits = products.view(torch.int16).numpy()
            for (low, high), lock in turns[group]:
                rows = slice(low, high)
                with lock:
                    _sift(
                        bits[low - group[0] : high - group[0]], start + first, self.k, self.limit, bound,
                        self.positions[rows], self.keys[rows], self.counts[rows], self.thresholds[rows],
                        self.triggers[rows], self.overflown[rows],
                    )  # fmt: skip
            spaces.append(space)
            return len(tile) if group is groups[-1] else 0

        with one_thread(), single_threads(threads) as pool:
            for count in in_order(pool, run, product(range(0, n, width), groups), 4 * threads):
                passed(count)

    def _bound(self):
        return self.queries.error + (1 + self.queries.error) * self.error + self.slack

    def lowest(self):
        """Return the rounded product from which on anchors are candidates of each query, float32 (q,).

        NaN where fewer than k have passed: all are.
        """
        self.candidates()
        return torch.tensor([_number(threshold) for threshold in self.thresholds], dtype=torch.float32)

    def candidates(self):
        """Return for each query the positions that can still belong to its answer, q uint32 arrays."""
        for r, (positions, keys) in enumerate(zip(self.positions, self.keys, strict=True)):
            self.counts[r], self.thresholds[r] = _tighten(
                positions, keys, self.counts[r], self.k, self.thresholds[r], self._bound()
            )
        return [row[:count] for row, count in zip(self.positions, self.counts, strict=True)]


def _product(queries, block, out):
    """The rounded products of queries (m, d) and anchors (b, d), both bfloat16, in `out` (m, b)."""
    if has_fast_bfloat16():
        return torch.mm(queries, block.T, out=out)
    return out.copy_(queries.float() @ block.float().T)  # the same numbers, in float32 and rounded afterwards


def _parts(first, last, number):
    """Cut the rows from `first` up to `last` into that number of parts ``(from, up to)`` of about the same length."""
    bounds = np.linspace(first, last, number + 1).astype(int)
    return [part for part in pairwise(bounds.tolist()) if part[0] < part[1]]


@njit(nogil=True, cache=True)
def _sift(products, start, k, limit, bound, positions, keys, counts, thresholds, triggers, overflown):
    """Keep of each row of `products`, bfloat16 bits (m, b), what reaches the row's threshold; raise that at times."""
    m, width = products.shape
    for r in range(m):
        row = products[r]
        threshold = thresholds[r]
        count = counts[r]
        for first in range(0, width, LANES):
            hits = reaching(row, first, threshold) if first + LANES <= width else _reaching(row[first:], threshold)
            while hits:
                j = first + lowest_bit(hits)
                positions[r, count] = start + j
                keys[r, count] = _key(row[j])
                count += 1
                hits &= hits - np.uint64(1)  # without its lowest bit
            if count > triggers[r]:
                count, threshold = _tighten(positions[r], keys[r], count, k, threshold, bound)
                if count > limit:
                    overflown[r], count = True, limit
                    break  # what follows can change nothing
                triggers[r] = min(count + max(k, LANES), limit)  # not at each hit: it takes longer than to sift
        thresholds[r] = threshold
        counts[r] = count


@njit(nogil=True, cache=True)
def _reaching(rest, threshold):
    """The same as `reaching` for fewer than `LANES`."""
    hits = np.uint64(0)
    for j in range(len(rest)):
        hits |= np.uint64(_key(rest[j]) >= threshold) << np.uint64(j)
    return hits


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
        positions[kept], keys[kept] = positions[j], keys[j]  # and written over, if not to be kept
        kept += keys[j] >= threshold
    return kept, threshold


@njit(nogil=True, cache=True)
def _key(bits):
    """A whole number that grows with the bfloat16 of these bits: those of negative ones shrink, and are turned over."""
    return np.int16(bits ^ ((bits >> np.int16(15)) & np.int16(0x7FFF)))


@njit(nogil=True, cache=True)
def _kth_largest(keys, count, k):
    """The k-th largest of the first `count` keys, by counting how often each occurs: they are few, close together."""
    if count < k:
        return np.int16(-32768)
    smallest, largest = keys[0], keys[0]
    for j in range(count):
        smallest, largest = min(smallest, keys[j]), max(largest, keys[j])
    often = np.zeros(np.int64(largest) - smallest + 1, np.int32)
    for j in range(count):
        often[np.int64(keys[j]) - smallest] += 1
    key, left = len(often) - 1, k
    while often[key] < left:
        left -= often[key]
        key -= 1
    return np.int16(smallest + key)


@njit(nogil=True, cache=True)
def _threshold(key, bound):
    """The smallest key that can belong to the answer, when `key` is that of the k-th largest product."""
    if key == np.int16(-32768):
        return key
    midway = (_number(key) + _number(np.int16(key - 1))) / 2
    return _key_of(midway - 2 * bound)


@njit(nogil=True, cache=True)
def _number(key):
    """The bfloat16 of that key, as a float."""
    bits = np.int32(_key(key))  # turned over twice, it is as it was
    return np.float64(np.array([bits << 16], np.int32).view(np.float32)[0])


@njit(nogil=True, cache=True)
def _key_of(number):
    """The key of the bfloat16 nearest to `number`: its 16 bits are the upper half of a float32's, rounded to even.

    It is rounded twice, as products are: they are float32 first, and what is no less than `number` there is no less
    than its float32.
    """
    bits = np.array([number], np.float32).view(np.int32)[0]
    return _key(np.int16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16))
