"""Fast and still exact: a search in bfloat16 that keeps every anchor that could belong to the answer.

A processor with bfloat16 arithmetic multiplies matrices about twice as fast as in float32, with 8 bits of precision.
The search rounds the unit vectors q and a to q̂ and â, and the product q̂·â to the bfloat16 r(q̂·â) nearest to it.
Let T be the k-th largest rounded product, and M the number midway between T and the bfloat16 below T. The code adds the
rounding errors of sums in float32 to E (`Sieve.slack`).

1. |q̂·â - q·a| ≤ E = ‖q - q̂‖ + (1 + ‖q - q̂‖) · max ‖a - â‖, by Cauchy and Schwarz, since ‖a‖ = 1 and ‖q̂‖ ≤ 1 + ‖q - q̂‖.
2. r(q̂·â) ≥ T for k anchors, by the definition of T.
3. q̂·â ≥ M for these anchors, since a number below M is rounded below T.
4. q·a ≥ M - E for these anchors, by (1). So the k-th largest cosine is at least M - E.
5. q·a ≥ M - E for each anchor of the answer, by (4). So q̂·â ≥ M - 2E, by (1).
6. r(q̂·â) ≥ r(M - 2E) for each anchor of the answer, since rounding is monotone.

The search keeps the anchors that satisfy (6), and `.reranking` compares them exactly. While the anchors pass, T only
rises. An anchor below the threshold now stays below it, and no row of products is ever whole in memory.

`LANES` products are compared at once. Numba compiles Python to LLVM's language, in which a number can be a vector of
numbers. A comparison of two vectors is a vector of bits there, and 64 bits are one whole number. LLVM needs about
fifteen instructions for it with AVX-512, 35 with AVX2, 70 on ARM.
"""

import threading
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from asif_lib.machine import has_fast_bfloat16, map_in_order, one_thread, single_threads

from .rows import LANES

TILE = 2_048
"""Anchors in a tile of products."""
GROUP = 512
"""Queries in a tile, at most: 512 × 2,048 products in bfloat16 are 2 MB and stay near the processor."""
ROUNDING = 2.0**-24
"""The relative error of rounding to float32: the unit of the errors of sums in single precision."""
_vector = ir.VectorType(ir.IntType(16), LANES)


@dataclass(frozen=True)
class Rounded:
    """Unit rows in bfloat16, (n, d), and their distance from the true rows."""

    rows: torch.Tensor
    error: float
    """The largest ‖a - â‖, rounding errors of its computation included."""


def round_rows(unit) -> Rounded:
    """Round unit rows (n, d), float32, whose components may be off by a few float32 roundings."""
    rows = unit.bfloat16()
    errors = (unit - rows.float()).square_().sum(dim=1).sqrt_()
    largest = float(errors.max()) if len(errors) else 0.0
    return Rounded(rows, largest * (1 + 1e-5) + (unit.shape[1] + 8) * ROUNDING)


class Sieve:
    """Keep, for each of q queries, the anchors that could be among its k best of all that have passed.

    Parameters
    ----------
    queries : Rounded, of shape (q, d)
    k : int
    limit : int
        A query that would keep more anchors is given up: see `overflown`.
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
        self.overflown = np.zeros(q, bool)  # queries that were given up: another method must answer them
        self.error = 0.0

    def feed(self, anchors, start, threads=1, passed=lambda count: None):
        """Let anchors pass.

        Parameters
        ----------
        anchors : Rounded, of shape (n, d)
        start : int
            Position of the first one.
        threads : int
        passed : callable
            Is told how many went by.

        A thread multiplies a tile of anchors with a whole group of queries: one large product takes less time than
        its two halves. Then it sifts the products of some queries at a time, under a lock for these queries. The order
        of the tiles does not change which anchors are kept in the end.
        """
        if anchors.error > self.error:  # a larger error needs a lower threshold
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
            for count in map_in_order(pool, run, product(range(0, n, width), groups), 4 * threads):
                passed(count)

    def _bound(self):
        return self.queries.error + (1 + self.queries.error) * self.error + self.slack

    def lowest(self):
        """Return the smallest rounded product of a candidate, for each query, float32 (q,).

        NaN where fewer than k anchors have passed: all of them are candidates.
        """
        self.candidates()
        return torch.tensor([_number(threshold) for threshold in self.thresholds], dtype=torch.float32)

    def candidates(self):
        """Return, for each query, the positions that can still belong to its answer: q uint32 arrays."""
        for r, (positions, keys) in enumerate(zip(self.positions, self.keys, strict=True)):
            self.counts[r], self.thresholds[r] = _tighten(
                positions, keys, self.counts[r], self.k, self.thresholds[r], self._bound()
            )
        return [row[:count] for row, count in zip(self.positions, self.counts, strict=True)]


def _product(queries, block, out):
    """Write the rounded products of queries (m, d) and anchors (b, d), both bfloat16, to `out` (m, b)."""
    if has_fast_bfloat16():
        return torch.mm(queries, block.T, out=out)
    return out.copy_(queries.float() @ block.float().T)  # the same numbers, in float32 and rounded afterwards


def _parts(first, last, number):
    """Cut the rows from `first` up to `last` into parts ``(from, up to)`` of about the same length."""
    bounds = np.linspace(first, last, number + 1).astype(int)
    return [part for part in pairwise(bounds.tolist()) if part[0] < part[1]]


@intrinsic
def reaching(typing, row, first, threshold):
    """Return 64 comparisons as a uint64: bit j is 1 if the key of ``row[first + j]`` is the threshold or more.

    The key of a bfloat16 is a whole number that grows with it: its bits, inverted if it is negative.

    Parameters
    ----------
    typing : typing context
        Numba passes it.
    row : contiguous array of int16
        The bits of bfloat16 numbers, `LANES` or more from `first` on, which is not checked.
    first : int64
    threshold : int16
    """
    if getattr(row, "dtype", None) != types.int16 or row.ndim != 1 or row.layout != "C":
        raise TypingError(f"row is {row}: it must be a contiguous array of int16")

    def generate(context, builder, signature, arguments):
        row, first, threshold = arguments
        data = context.make_array(signature.args[0])(context, builder, row).data
        at = builder.bitcast(builder.gep(data, [first]), _vector.as_pointer())
        bits = builder.load(at, align=2)
        negative = builder.ashr(bits, _repeated(15))  # -1 or 0
        keys = builder.xor(bits, builder.and_(negative, _repeated(0x7FFF)))
        one = builder.insert_element(ir.Constant(_vector, ir.Undefined), threshold, ir.IntType(32)(0))
        all_lanes = builder.shuffle_vector(one, one, ir.VectorType(ir.IntType(32), LANES)([0] * LANES))
        return builder.bitcast(builder.icmp_signed(">=", keys, all_lanes), ir.IntType(LANES))

    return types.uint64(row, types.int64, types.int16), generate


@intrinsic
def lowest_bit(typing, number):
    """Return the place, from 0, of the lowest bit that is 1 in a uint64 other than 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


def _repeated(number):
    return _vector([number] * LANES)


@njit(nogil=True, cache=True)
def _sift(products, start, k, limit, bound, positions, keys, counts, thresholds, triggers, overflown):
    """Keep the products (m, b), bfloat16 bits, that reach their row's threshold; raise the threshold at times."""
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
                    break  # the rest of the row can change nothing
                triggers[r] = min(count + max(k, LANES), limit)  # tightening takes longer than sifting
        thresholds[r] = threshold
        counts[r] = count


@njit(nogil=True, cache=True)
def _reaching(rest, threshold):
    """Do the same as `reaching` for fewer than `LANES` numbers."""
    hits = np.uint64(0)
    for j in range(len(rest)):
        hits |= np.uint64(_key(rest[j]) >= threshold) << np.uint64(j)
    return hits


@njit(nogil=True, cache=True)
def _lower(keys, counts, k, thresholds, bound):
    """Compute each threshold again for a larger bound; anchors discarded under the smaller one stay discarded."""
    for r in range(len(counts)):
        thresholds[r] = _threshold(_kth_largest(keys[r], counts[r], k), bound)


@njit(nogil=True, cache=True)
def _tighten(positions, keys, count, k, threshold, bound):
    """Raise the threshold as far as the k-th largest key allows; return how many keys reach it, and the threshold."""
    threshold = max(threshold, _threshold(_kth_largest(keys, count, k), bound))
    kept = 0
    for j in range(count):
        positions[kept], keys[kept] = positions[j], keys[j]  # a discarded one is overwritten by the next
        kept += keys[j] >= threshold
    return kept, threshold


@njit(nogil=True, cache=True)
def _key(bits):
    """Return a whole number that grows with the bfloat16 of these bits; the bits of a negative one are inverted."""
    return np.int16(bits ^ ((bits >> np.int16(15)) & np.int16(0x7FFF)))


@njit(nogil=True, cache=True)
def _kth_largest(keys, count, k):
    """Return the k-th largest of the first `count` keys, by counting each value: the keys lie close together."""
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
    """Return the key of r(M - 2E), from the key of T."""
    if key == np.int16(-32768):
        return key
    midway = (_number(key) + _number(np.int16(key - 1))) / 2
    return _key_of(midway - 2 * bound)


@njit(nogil=True, cache=True)
def _number(key):
    """Return the bfloat16 of that key, as a float."""
    bits = np.int32(_key(key))  # inverting twice gives the bits back
    return np.float64(np.array([bits << 16], np.int32).view(np.float32)[0])


@njit(nogil=True, cache=True)
def _key_of(number):
    """Return the key of the bfloat16 nearest to `number`: the upper 16 bits of a float32, rounded to even.

    The number is rounded twice, first to float32, exactly as the products are. Both roundings are monotone.
    """
    bits = np.array([number], np.float32).view(np.int32)[0]
    return _key(np.int16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16))
