"""The exact answer: cosines in double precision, rounded once to single, ties broken by the smaller index.

A matrix product in single precision gives other last bits for another block size, thread count or order of the
anchors, so the "k largest" would depend on them. Whoever finds candidates by a fast, slightly wrong product therefore
comes here in the end: each candidate's cosine is computed anew by one loop that does not know how the candidate was
found. (The loop is compiled for the processor at hand. Another model may add up in another order, which can move the
last of the 53 bits of a sum, and so, if hardly ever, the last of the 24 that are returned.)
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numba import njit

from asif_lib.errors import ParameterError

from .rows import as_rows

NEARBY = 2**23
"""Bytes of anchors that stay near the processor while all queries take those that they need."""
TOGETHER = 256
"""Queries that a thread compares together, at most: in double precision they, too, are to stay nearby."""
LISTS = 2**26
"""Bytes that the lists of candidates may take, unless told otherwise, of all queries that are compared at a time."""
OF_CANDIDATE = 80
"""Bytes of a candidate in these lists: positions, order of comparing, cosine, key, and what they are made from."""
TOO_MANY = 2**32
"""Anchors that 32 bits, which a position has, no longer count."""


def centred_unit(z, mean=None) -> np.ndarray:
    """Return the rows of `z` (q, d), less `mean` (d,), scaled to length 1, (q, d) float64; a row of zeros stays zero.

    In double precision neither the smallest float32 nor the largest under- or overflows when it is squared.
    """
    rows = z.float().cpu().numpy().astype(np.float64, order="C")  # of another order, sums would be others
    if mean is not None:
        rows -= mean.float().cpu().numpy()
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(norms > 0, norms, 1)[:, None]


def rerank(queries, anchors, candidates, k, *, mean=None, memory=LISTS):
    """Return the k best of each query's candidates, by their exact cosines.

    Parameters
    ----------
    queries : Tensor of shape (q, d)
    anchors : Tensor or Rows of shape (n, d)
    candidates : list of q int arrays, or int array of shape (q, m)
        Positions of anchors, each at most once in a row; negative ones stand for "none".
    k : int
    mean : Tensor of shape (d,), optional
        Taken off both.
    memory : int
        Bytes that lists of candidates may take; those of one query for each thread in any case.

    Returns
    -------
    values : Tensor of shape (q, k), float32
        The largest first, ties by the smaller index; at the end zeros, where a query has fewer than k candidates.
    indices : Tensor of shape (q, k), int64
        There: the smallest positions that are not among its candidates, so that no anchor is named twice.

    Raises
    ------
    ParameterError
        If k exceeds the number of anchors, or that is `TOO_MANY` or more.
    """
    anchors = as_rows(anchors)
    check_count(len(anchors))
    if k > len(anchors):
        raise ParameterError(f"k = {k} of {len(anchors)} anchors: ask for no more than there are")
    centre = _centre_of(anchors, mean)
    values, indices = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)

    def run(first):
        rows = slice(first, first + size)
        positions, bounds = _in_a_row(candidates[rows])
        cosines = _exact_cosines(centred_unit(queries[rows], mean), anchors, positions, bounds, centre)
        keys, counts = _keys(cosines, positions), np.diff(bounds)
        for low, high in pairwise(bounds):
            keys[low:high].sort()
        enough = np.flatnonzero(counts >= k)
        best = keys[bounds[enough][:, None] + np.arange(k)]
        values[first + enough], indices[first + enough] = _unpacked(best)
        for i in np.flatnonzero(counts < k):
            own = slice(counts[i]), slice(counts[i], k)
            best, where = _unpacked(keys[bounds[i] : bounds[i + 1]])
            values[first + i, own[0]], indices[first + i, own[0]] = best, where
            rest = np.setdiff1d(np.arange(k), where, assume_unique=True)
            values[first + i, own[1]], indices[first + i, own[1]] = 0, rest[: k - counts[i]]

    threads, longest = torch.get_num_threads(), max(map(len, candidates), default=0)
    together = min(TOGETHER, -(-len(queries) // threads), memory // (threads * OF_CANDIDATE * (longest or 1)))
    size = max(together, 1)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(0, len(queries), size)):
            pass
    return torch.from_numpy(values), torch.from_numpy(indices)


def check_count(n):
    """Raise `ParameterError` unless n anchors can be counted."""
    if n >= TOO_MANY:
        raise ParameterError(f"{n:,} anchors: a search is among fewer than 2**32; search parts of them, and merge_top")


def _in_a_row(candidates):
    """The candidates of one query after the other (m,), without "none", and the bounds (q + 1,) of each query's."""
    positions = np.concatenate(candidates).astype(np.int64)
    whose = np.repeat(np.arange(len(candidates)), [len(own) for own in candidates])
    some = positions >= 0
    return positions[some], np.searchsorted(whose[some], np.arange(len(candidates) + 1))


def _keys(cosines, positions):
    """Whole numbers in the order of the answer: what grows as the cosine falls, and after it the position.

    To sort them takes half the time of sorting two arrays by two criteria.
    """
    return _turned((0 - cosines).view(np.int32)).astype(np.int64) << 32 | positions  # 0 - x: no zero is negative


def _unpacked(keys):
    """The cosines and positions that keys were made of."""
    return 0 - _turned((keys >> 32).astype(np.int32)).view(np.float32), keys & 0xFFFF_FFFF


def _turned(bits):
    """The bits of float32 as whole numbers of the same order; and back."""
    return bits ^ (bits >> 31 & 0x7FFF_FFFF)


def _centre_of(anchors, mean) -> np.ndarray:
    """Return `mean` (d,) as float64, or zeros."""
    return np.zeros(anchors.shape[1]) if mean is None else mean.float().cpu().numpy().astype(np.float64)


def _exact_cosines(queries, anchors, positions, bounds, centre) -> np.ndarray:
    """Return the float32 cosines of centred unit `queries` (q, d) with the anchors at `positions`, less `centre`.

    Parameters
    ----------
    queries : ndarray of shape (q, d), float64
    anchors : Rows
    positions : ndarray of shape (m,), int64
        Of one query's candidates after the other's.
    bounds : ndarray of shape (q + 1,), int64
        Those of query i are ``positions[bounds[i] : bounds[i + 1]]``.
    centre : ndarray of shape (d,), float64

    Returns
    -------
    ndarray of shape (m,), float32
    """
    cosines = np.empty(len(positions), np.float32)
    for piece, where, local in anchors.locate(positions):
        found = np.empty(len(local), np.float32)
        nearby = max(1, NEARBY // (piece.shape[1] * piece.element_size()))
        which, whose = _turns(local, np.searchsorted(where, bounds), len(piece), nearby.bit_length() - 1)
        if piece.dtype in (torch.float16, torch.bfloat16):
            bits = piece.view(torch.int16).numpy().view(np.uint16)
            bfloat = piece.dtype == torch.bfloat16
            _cosines_of_halves(queries, whose, bits, bfloat, local[which], centre, which, found)
        elif piece.is_contiguous():
            _cosines(queries, whose, piece.numpy(), local[which], centre, which, found)
        else:
            _cosines_of_copies(queries, whose, piece.numpy(), local[which], centre, which, found)
        cosines[where] = found
    return cosines


@njit(nogil=True, cache=True)
def _turns(positions, bounds, n, shift):
    """The order of comparing: by blocks of 2 ** shift of the n rows, so that a row comes from memory once.

    Returns the places in `positions` in that order, and the query of each, both int32 and with the last repeated up
    to a multiple of eight.
    """
    which = np.empty(-(-len(positions) // 8) * 8, np.int32)
    whose = np.empty(len(which), np.int32)
    ahead = np.zeros((n >> shift) + 2, np.int64)  # of the next in each block
    for position in positions:
        ahead[(position >> shift) + 1] += 1
    ahead = np.cumsum(ahead)
    for q in range(len(bounds) - 1):
        for i in range(bounds[q], bounds[q + 1]):
            block = positions[i] >> shift
            which[ahead[block]], whose[ahead[block]] = i, q
            ahead[block] += 1
    which[len(positions) :], whose[len(positions) :] = which[len(positions) - 1], whose[len(positions) - 1]
    return which, whose


@njit(nogil=True, cache=True)
def _cosines(queries, whose, matrix, places, centre, which, out):
    """Write the cosines of the queries `whose` with the rows at `places` to `out`, where `which` says."""
    for turn in range(0, len(which), 8):
        now = slice(turn, turn + 8)
        _compare(_eight(queries, whose[now]), _eight(matrix, places[now]), centre, which[now], out)


@njit(nogil=True, cache=True)
def _cosines_of_copies(queries, whose, matrix, places, centre, which, out):
    """The same for rows that do not lie in one piece each: the loop over them would be compiled into another sum."""
    rows, all_of_them = np.empty((8, queries.shape[1]), matrix.dtype), np.arange(8)
    for turn in range(0, len(which), 8):
        now = slice(turn, turn + 8)
        for i in range(8):
            rows[i] = matrix[places[turn + i]]
        _compare(_eight(queries, whose[now]), _eight(rows, all_of_them), centre, which[now], out)


@njit(nogil=True, cache=True)
def _cosines_of_halves(queries, whose, bits, bfloat, places, centre, which, out):
    """The same for half precision, which numpy (bfloat16) or the compiler (float16) does not know: by its bits."""
    wide, all_of_them = np.empty((8, queries.shape[1]), np.float32), np.arange(8)
    for turn in range(0, len(which), 8):
        now = slice(turn, turn + 8)
        for i in range(8):
            _widen(bits[places[turn + i]], bfloat, wide[i])
        _compare(_eight(queries, whose[now]), _eight(wide, all_of_them), centre, which[now], out)


@njit(nogil=True, cache=True)
def _eight(rows, i):
    """Eight rows of a matrix, each an array of its own."""
    return rows[i[0]], rows[i[1]], rows[i[2]], rows[i[3]], rows[i[4]], rows[i[5]], rows[i[6]], rows[i[7]]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _compare(queries, rows, centre, which, out):
    """Compare eight queries with a row each: while the processor waits for one's numbers, it goes on with another's."""
    dot0 = dot1 = dot2 = dot3 = dot4 = dot5 = dot6 = dot7 = 0.0
    square0 = square1 = square2 = square3 = square4 = square5 = square6 = square7 = 0.0
    for j in range(len(centre)):
        dot0, square0 = _add(queries[0][j], rows[0][j], centre[j], dot0, square0)
        dot1, square1 = _add(queries[1][j], rows[1][j], centre[j], dot1, square1)
        dot2, square2 = _add(queries[2][j], rows[2][j], centre[j], dot2, square2)
        dot3, square3 = _add(queries[3][j], rows[3][j], centre[j], dot3, square3)
        dot4, square4 = _add(queries[4][j], rows[4][j], centre[j], dot4, square4)
        dot5, square5 = _add(queries[5][j], rows[5][j], centre[j], dot5, square5)
        dot6, square6 = _add(queries[6][j], rows[6][j], centre[j], dot6, square6)
        dot7, square7 = _add(queries[7][j], rows[7][j], centre[j], dot7, square7)
    dots = dot0, dot1, dot2, dot3, dot4, dot5, dot6, dot7
    squares = square0, square1, square2, square3, square4, square5, square6, square7
    for i in range(8):
        out[which[i]] = dots[i] / np.sqrt(squares[i]) if squares[i] > 0.0 else 0.0


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _add(q, a, centre, dot, square):
    """The two sums of a cosine, with one more component of the query and of the row."""
    x = np.float64(np.float32(a)) - centre
    return dot + q * x, square + x * x


@njit(nogil=True, cache=True)
def _widen(halves, bfloat, row):
    """The bits of bfloat16 or float16 numbers as float32, exactly."""
    wide = row.view(np.uint32)
    if bfloat:
        for j in range(len(halves)):
            wide[j] = np.uint32(halves[j]) << np.uint32(16)
        return
    for j in range(len(halves)):  # the exponents differ by 112; numbers that have none count in steps of 2^-24 …
        rest = np.uint32(halves[j]) & np.uint32(0x7FFF)
        wide[j] = (
            rest | np.uint32(0x3F000000) if rest < np.uint32(0x0400) else (rest << np.uint32(13)) + np.uint32(112 << 23)
        )
    for j in range(len(halves)):  # … as those do that follow on one half
        size = row[j] - np.float32(0.5) if halves[j] & np.uint16(0x7C00) == 0 else row[j]
        row[j] = -size if halves[j] & np.uint16(0x8000) else size
