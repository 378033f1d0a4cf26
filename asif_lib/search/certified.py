"""Fast and still exact: a search that keeps every anchor which could belong to the answer.

The search multiplies unit vectors in float32, or in bfloat16, which some processors multiply about twice as fast, with
8 bits of precision. It rounds q and a to q̂ and â in that precision, and the product q̂·â to a bfloat16 r(q̂·â): to the
nearest one, or from float32 down. Let T be the k-th largest rounded product, and M the lowest number that is rounded to
T. The code adds the rounding errors of sums in float32 to E (`Sieve.slack`).

1. |q̂·â - q·a| ≤ E = ‖q - q̂‖ + (1 + ‖q - q̂‖) · max ‖a - â‖, by Cauchy and Schwarz, since ‖a‖ = 1 and ‖q̂‖ ≤ 1 + ‖q - q̂‖.
2. r(q̂·â) ≥ T for k anchors, by the definition of T.
3. q̂·â ≥ M for these anchors, by the definition of M.
4. q·a ≥ M - E for these anchors, by (1). So the k-th largest cosine is at least F = M - E, the floor.
5. q·a ≥ F for each anchor of the answer, by (4). So q̂·â ≥ F - E, by (1).
6. r(q̂·â) ≥ r(F - E) for each anchor of the answer, since rounding is monotone.

The search keeps the anchors that satisfy (6), and `rerank` compares them exactly. While the anchors pass, F only
rises. An anchor below the threshold now stays below it, and no row of products is ever whole in memory. The E of (5)
may be that of some anchors only, as of a tile.

In float32, q̂ and â are unit vectors computed with a relative error of at most (d / 2 + 6) · 2⁻²⁴ in length and 2 · 2⁻²⁴
in direction, and a sum of d products adds d · 2⁻²⁴ at most. So E = (2d + 16) · 2⁻²⁴.

`LANES` products are compared at once. Numba compiles Python to LLVM's language, in which a number can be a vector of
numbers. A comparison of two vectors is a vector of bits there, and 64 bits are one whole number. In bfloat16, LLVM
needs about fifteen instructions for it with AVX-512, 35 with AVX2, 70 on ARM.
"""

import contextlib
import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core.errors import TypingError
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

from asif_lib.machine import has_fast_bfloat16, map_in_order, one_thread, single_threads
from asif_lib.relative import SMALLEST, unit_rows

from .rows import GROUP, LANES, TILE

ROUNDING = 2.0**-24
"""The relative error of rounding to float32: the unit of the errors of sums in single precision."""
UNIT = 256
"""Rows that are brought to unit length at a time: less than a megabyte, which stays near one core."""
TINY = np.float32(SMALLEST**2)


@dataclass(frozen=True)
class Rounded:
    """Unit rows in bfloat16 or float32, (n, d), and their distance from the true rows."""

    rows: torch.Tensor
    error: float = 0.0
    """The largest ‖a - â‖, rounding errors of its computation included; of float32, `Sieve.slack` covers it."""

    def __len__(self):
        return len(self.rows)

    def tile(self, span, space) -> "Rounded":
        """Return the rows of a `span` (from, up to), as a view; `space` is for anchors that are not ready."""
        return Rounded(self.rows[slice(*span)], self.error)


class RoundedLater:
    """The same of `Rows` (n, d) minus a `mean` (d,), or None: a thread rounds a tile just before it multiplies it."""

    def __init__(self, rows, mean):
        self.rows, self.mean = rows, mean

    def __len__(self):
        return len(self.rows)

    def tile(self, span, space) -> Rounded:
        """Return the rows of a `span`, written into `space`. Raises `ParameterError` as `unit_rows`."""
        error = 0.0
        for start, block in self.rows.part(*span).blocks(UNIT):
            error = max(error, write_unit(block, self.mean, span[0] + start, space[start : start + len(block)]))
        return Rounded(space[: span[1] - span[0]], error)


def round_rows(unit) -> Rounded:
    """Round unit rows (n, d), float32, to bfloat16. Their components may be off by a few float32 roundings."""
    rows = unit.bfloat16()
    errors = (unit - rows.float()).square_().sum(dim=1).sqrt_()
    return Rounded(rows, _with_its_own(float(errors.max()) if len(errors) else 0.0, unit.shape[1]))


def _with_its_own(error, d):
    """Add to the largest error of d components that of its computation."""
    return error * (1 + 1e-5) + (d + 8) * ROUNDING


def write_unit(rows, mean, first, out) -> float:
    """Write rows (n, d) minus `mean`, scaled to length 1, to `out` (n, d), bfloat16 or float32; return `Rounded.error`.

    One compiled pass does what `unit_rows` does in seven. The mean is (d,), float32, or None. Raises `ParameterError`
    as `unit_rows`.
    """
    half, d = out.dtype == torch.bfloat16, rows.shape[1]
    centre = np.zeros(d, np.float32) if mean is None else mean.numpy()
    plain = rows.detach().float().contiguous()
    bits = out.view(torch.int16 if half else torch.int32).numpy()
    error = _write_unit(plain.numpy(), centre, bits, half)
    if error < 0:  # a row of zeros, or one whose squares under- or overflow, or not finite
        unit = unit_rows(rows, mean, first)
        rounded = round_rows(unit) if half else Rounded(unit)
        out.copy_(rounded.rows)
        return rounded.error
    return _with_its_own(error, d) if half else 0.0


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _write_unit(rows, centre, out, half):
    """Write the bits of unit rows; return the largest error in bfloat16, or -1 if a row needs more care."""
    largest, unit, back = np.float32(0), np.empty_like(centre), np.empty_like(centre)
    bits, back_bits = unit.view(np.int32), back.view(np.int32)
    for i in range(len(rows)):
        row, square, error = rows[i], np.float32(0), np.float32(0)
        for j in range(len(centre)):
            x = row[j] - centre[j]
            square += x * x
        if not (TINY < square < np.float32(np.inf)):
            return np.float32(-1)
        scale = np.float32(1) / np.sqrt(square)
        for j in range(len(centre)):
            unit[j] = (row[j] - centre[j]) * scale
        if half:  # the upper 16 bits, rounded to even
            for j in range(len(centre)):
                back_bits[j] = (bits[j] + 0x7FFF + ((bits[j] >> 16) & 1)) & -0x10000
                out[i, j] = back_bits[j] >> 16
            for j in range(len(centre)):
                error += (unit[j] - back[j]) ** 2
            largest = max(largest, error)
        else:
            for j in range(len(centre)):
                out[i, j] = bits[j]
    return np.sqrt(largest)


class Sieve:
    """Keep, for each of q queries, the anchors that could be among its k best of all that have passed.

    Parameters
    ----------
    queries : Rounded, of shape (q, d)
        Its dtype is the precision of the search.
    k : int
    limit : int
        A query that would keep more anchors is given up: see `overflown`.
    """

    def __init__(self, queries, k, limit):
        q, d = queries.rows.shape
        self.queries, self.k, self.limit = queries, k, limit
        self.half = queries.rows.dtype == torch.bfloat16
        # errors of a sum of d products in any order, and of rounding the exact cosine; in float32 of unit vectors too
        self.slack = 1.1 * (d + 8) * ROUNDING if self.half else (2 * d + 16) * ROUNDING
        self.positions = np.empty((q, limit + LANES), np.uint32)
        self.keys = np.empty((q, limit + LANES), np.int16)
        self.counts = np.zeros(q, np.int64)
        self.floors = np.full(q, -2.0)  # F
        self.triggers = np.full(q, k)  # counts beyond which the floor is raised
        self.overflown = np.zeros(q, bool)  # queries that were given up: another method must answer them
        self.error = 0.0  # of all anchors that have passed, the largest

    def feed(self, anchors, start=0, threads=1, passed=lambda count: None, width=TILE):
        """Let anchors pass.

        Parameters
        ----------
        anchors : Rounded or RoundedLater, of shape (n, d)
        start : int
            Position of the first one.
        threads : int
        passed : callable
            Is told how many went by.
        width : int
            Anchors in a tile, at most.

        A thread makes a tile of anchors, multiplies it with one group of queries after the other, and sifts the
        products of some queries at a time, under their lock. The order of the tiles changes nothing in the end.
        """
        q, n, d = len(self.counts), len(anchors), self.queries.rows.shape[1]
        width = max(1, min(width, -(-n // threads)))
        dtype, bits = self.queries.rows.dtype, torch.int16 if self.half else torch.int32
        room = width * min(q, GROUP)
        spaces = [(torch.empty(width, d, dtype=dtype), torch.empty(room, dtype=dtype)) for _ in range(threads)]
        groups = _parts(0, q, -(-q // GROUP))
        turns_of = {group: [(rows, threading.Lock()) for rows in _parts(*group, threads)] for group in groups}
        raising = threading.Lock()

        def run(first):
            space = spaces.pop()
            tile = anchors.tile((first, min(first + width, n)), space[0])
            with raising:
                self.error = max(self.error, tile.error)
            for (low, high), turns in turns_of.items():
                queries = self.queries.rows[low:high]
                products = space[1][: len(queries) * len(tile)].view(len(queries), len(tile))
                products = _product(queries, tile.rows, products).view(bits).numpy()
                for (from_, to), lock in turns:
                    rows = slice(from_, to)
                    with lock:
                        _sift(
                            products[from_ - low : to - low], start + first, self.k, self.limit, self.half,
                            self._bound(tile.error), self._bound(self.error), self.positions[rows], self.keys[rows],
                            self.counts[rows], self.floors[rows], self.triggers[rows], self.overflown[rows],
                        )  # fmt: skip
            spaces.append(space)
            return len(tile)

        with one_thread(), single_threads(threads) as pool, full_precision():
            for count in map_in_order(pool, run, range(0, n, width), 4 * threads):
                passed(count)

    def _bound(self, error):
        return self.queries.error + (1 + self.queries.error) * error + self.slack

    def lowest(self):
        """Return the threshold of the rounded products, for each query, float32 (q,).

        NaN where fewer than k anchors have passed: all of them are candidates.
        """
        self.candidates()
        keys = [_key_of(floor - self._bound(self.error), self.half) for floor in self.floors]
        thresholds = torch.tensor([_number(key, self.half) for key in keys], dtype=torch.float32)
        return thresholds.where(torch.from_numpy(self.floors > -2), torch.nan)

    def candidates(self):
        """Return, for each query, the positions that can still belong to its answer: q uint32 arrays."""
        for r, (positions, keys) in enumerate(zip(self.positions, self.keys, strict=True)):
            self.counts[r], self.floors[r] = _tighten(
                positions, keys, self.counts[r], self.k, self.half, self.floors[r], self._bound(self.error)
            )
        return [row[:count] for row, count in zip(self.positions, self.counts, strict=True)]


@contextlib.contextmanager
def full_precision():
    """Let PyTorch multiply float32 in float32 inside the block, also where the caller allows less, for the bound."""
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(allowed)


def _product(queries, tile, out):
    """Write the products of queries (m, d) and anchors (b, d), of the dtype of `out` (m, b), rounded to that dtype."""
    if queries.dtype == torch.float32 or has_fast_bfloat16():
        return torch.mm(queries, tile.T, out=out)
    return out.copy_(queries.float() @ tile.float().T)  # the same numbers, in float32 and rounded afterwards


def _parts(first, last, number):
    """Cut the rows from `first` up to `last` into parts ``(from, up to)`` of about the same length."""
    bounds = np.linspace(first, last, number + 1).astype(int)
    return [part for part in pairwise(bounds.tolist()) if part[0] < part[1]]


@intrinsic
def reaching(typing, row, first, threshold, number):
    """Return 64 comparisons as a uint64: bit j is 1 if the key of ``row[first + j]`` is the threshold or more.

    The key of a bfloat16 is a whole number that grows with it: its bits, inverted if it is negative. The key of a
    float32 is that of the bfloat16 below it. It reaches the threshold if the float32 reaches the number of that key.

    Parameters
    ----------
    typing : typing context
        Numba passes it.
    row : contiguous array of int16 or int32
        The bits of bfloat16 or float32 numbers, `LANES` or more from `first` on, which is not checked.
    first : int64
    threshold, number : int16, float32
        A key, with which bfloat16 numbers are compared, and its number, with which float32 numbers are.
    """
    if getattr(row, "dtype", None) not in (types.int16, types.int32) or row.ndim != 1 or row.layout != "C":
        raise TypingError(f"row is {row}: it must be a contiguous array of int16 or int32")
    half = row.dtype == types.int16

    def generate(context, builder, signature, arguments):
        row, first, threshold, number = arguments
        lane = ir.IntType(16) if half else ir.FloatType()
        vector = ir.VectorType(lane, LANES)
        data = context.make_array(signature.args[0])(context, builder, row).data
        at = builder.bitcast(builder.gep(data, [first]), vector.as_pointer())
        numbers = builder.load(at, align=2 if half else 4)
        least = threshold if half else number
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), least, ir.IntType(32)(0))
        all_lanes = builder.shuffle_vector(one, one, ir.VectorType(ir.IntType(32), LANES)([0] * LANES))
        if half:
            negative = builder.ashr(numbers, vector([15] * LANES))  # -1 or 0
            keys = builder.xor(numbers, builder.and_(negative, vector([0x7FFF] * LANES)))
            hits = builder.icmp_signed(">=", keys, all_lanes)
        else:
            hits = builder.fcmp_ordered(">=", numbers, all_lanes)
        return builder.bitcast(hits, ir.IntType(LANES))

    return types.uint64(row, types.int64, types.int16, types.float32), generate


@njit(nogil=True, cache=True)
def _sift(
    products, start, k, limit, half, bound, largest_bound, positions, keys, counts, floors, triggers, overflown
):  # fmt: skip
    """Keep the products (m, b), as bits, that reach their row's threshold; raise the floor at times.

    `bound` is the E of these anchors, `largest_bound` that of all kept ones.
    """
    m, width = products.shape
    for r in range(m):
        row, count = products[r], counts[r]
        threshold = _key_of(floors[r] - bound, half)
        number = np.float32(_number(threshold, half))
        for first in range(0, width, LANES):
            if first + LANES <= width:
                hits = reaching(row, first, threshold, number)
            else:
                hits = _reaching(row[first:], half, threshold)
            while hits:
                j = first + np.int64(trailing_zeros(hits))
                positions[r, count] = start + j
                keys[r, count] = _key(row[j], half)
                count += 1
                hits &= hits - np.uint64(1)  # without its lowest bit
            if count > triggers[r]:
                count, floors[r] = _tighten(positions[r], keys[r], count, k, half, floors[r], largest_bound)
                threshold = _key_of(floors[r] - bound, half)
                number = np.float32(_number(threshold, half))
                if count > limit:
                    overflown[r], count = True, limit
                    break  # the rest of the row can change nothing
                triggers[r] = min(count + max(k, LANES), limit)  # tightening takes longer than sifting
        counts[r] = count


@njit(nogil=True, cache=True)
def _reaching(rest, half, threshold):
    """Do the same as `reaching` for fewer than `LANES` numbers."""
    hits = np.uint64(0)
    for j in range(len(rest)):
        hits |= np.uint64(_key(rest[j], half) >= threshold) << np.uint64(j)
    return hits


@njit(nogil=True, cache=True)
def _tighten(positions, keys, count, k, half, floor, bound):
    """Raise the floor as far as the k-th largest key allows; return the number of keys that reach it, and the floor."""
    key = _kth_largest(keys, count, k)
    if key > -32768:
        lowest = (_number(key, True) + _number(np.int16(key - 1), True)) / 2 if half else _number(key, False)  # M
        floor = max(floor, lowest - bound)
    threshold, kept = _key_of(floor - bound, half), 0
    for j in range(count):
        positions[kept], keys[kept] = positions[j], keys[j]  # a discarded one is overwritten by the next
        kept += keys[j] >= threshold
    return kept, floor


@njit(nogil=True, cache=True)
def _key(bits, half):
    """Return a whole number, int16, that grows with the bfloat16 of these bits, or with that below the float32.

    The bits of a negative number are inverted.
    """
    if half:
        return np.int16(bits ^ ((bits >> 15) & 0x7FFF))
    return np.int16((bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> 16)


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
def _number(key, half):
    """Return the bfloat16 of that key, or the smallest float32 that has it, as a float."""
    bits = np.int32(key) << 16
    if bits < 0:
        bits ^= 0x7FFF0000 if half else 0x7FFFFFFF
    return np.float64(np.array([bits], np.int32).view(np.float32)[0])


@njit(nogil=True, cache=True)
def _key_of(number, half):
    """Return the key that the number has as a product: of the nearest bfloat16, rounded to even, or of that below.

    The number is rounded to float32 first, exactly as the products are. Both roundings are monotone.
    """
    bits = np.array([number], np.float32).view(np.int32)[0]
    if half:
        return _key(np.int16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16), True)
    return _key(bits, False)
