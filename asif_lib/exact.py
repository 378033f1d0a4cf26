"""The exact answer: cosines in double precision, rounded once to single, ties broken by the smaller index.

A matrix product in single precision gives other last bits for another block size, thread count or order of the
anchors, so the "k largest" would depend on them. Whoever finds candidates by a fast, slightly wrong product therefore
comes here in the end: each candidate's cosine is computed anew by one loop that does not know how the candidate was
found. (The loop is compiled for the processor at hand. Another model may add up in another order, which can move the
last of the 53 bits of a sum, and so, if hardly ever, the last of the 24 that are returned.)
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit

from .errors import ParameterError
from .rows import as_rows

NEARBY = 2**23
"""Bytes of anchors that stay near the processor while all queries take those that they need."""
TOGETHER = 1_024
"""Queries that a thread compares together, at most: in double precision they, too, are to stay nearby."""


def centred_unit(z, mean=None) -> np.ndarray:
    """Return the rows of `z` (q, d), less `mean` (d,), scaled to length 1, (q, d) float64; a row of zeros stays zero.

    In double precision neither the smallest float32 nor the largest under- or overflows when it is squared.
    """
    rows = z.float().cpu().numpy().astype(np.float64)
    if mean is not None:
        rows -= mean.float().cpu().numpy()
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(norms > 0, norms, 1)[:, None]


def rerank(queries, anchors, candidates, k, *, mean=None):
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

    Returns
    -------
    values : Tensor of shape (q, k), float32
        The largest first, ties by the smaller index; at the end zeros, where a query has fewer than k candidates.
    indices : Tensor of shape (q, k), int64
        There: the smallest positions that are not among its candidates, so that no anchor is named twice.

    Raises
    ------
    ParameterError
        If k exceeds the number of anchors.
    """
    anchors = as_rows(anchors)
    if k > len(anchors):
        raise ParameterError(f"k = {k} of {len(anchors)} anchors: ask for no more than there are")
    centre = centre_of(anchors, mean)
    values = torch.empty(len(queries), k, dtype=torch.float32)
    indices = torch.empty(len(queries), k, dtype=torch.int64)

    def run(rows):
        mine = [np.asarray(candidates[i], np.int64) for i in rows]
        mine = [np.sort(positions[positions >= 0]) for positions in mine]
        unit = centred_unit(queries[rows.start : rows.stop], mean)
        for i, positions, cosines in zip(rows, mine, exact_cosines(unit, anchors, mine, centre), strict=True):
            order = best_of(cosines, positions, k)
            found = len(order)
            values[i, :found], indices[i, :found] = torch.from_numpy(cosines[order]), torch.from_numpy(positions[order])
            if found < k:
                rest = np.setdiff1d(np.arange(k), positions, assume_unique=True)[: k - found]
                values[i, found:], indices[i, found:] = 0, torch.from_numpy(rest)

    threads = torch.get_num_threads()
    size = min(TOGETHER, -(-len(queries) // threads)) or 1
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, (range(i, min(i + size, len(queries))) for i in range(0, len(queries), size))):
            pass
    return values, indices


def centre_of(anchors, mean) -> np.ndarray:
    """Return `mean` (d,) as float64, or zeros."""
    return np.zeros(anchors.shape[1]) if mean is None else mean.float().cpu().numpy().astype(np.float64)


def exact_cosines(queries, anchors, candidates, centre) -> list:
    """Return the float32 cosines of centred unit `queries` (q, d) with the anchors at their candidates, less `centre`.

    Parameters
    ----------
    queries : ndarray of shape (q, d), float64
    anchors : Rows
    candidates : list of q int64 arrays
        Ascending, which is the order in memory or on disk.
    centre : ndarray of shape (d,), float64

    Returns
    -------
    list of q float32 arrays
    """
    ends = np.cumsum([0, *map(len, candidates)])
    cosines = np.empty(ends[-1], np.float32)
    for piece, where, local in anchors.locate(np.concatenate(candidates)):
        found, bounds = np.empty(len(local), np.float32), np.searchsorted(where, ends)
        nearby = max(1, NEARBY // (piece.shape[1] * piece.element_size()))
        if piece.dtype in (torch.float16, torch.bfloat16):
            bits = piece.view(torch.int16).numpy().view(np.uint16)
            bfloat = piece.dtype == torch.bfloat16
            _cosines_of_halves(queries, bits, bfloat, local, bounds, nearby, centre, found)
        else:
            _cosines(queries, piece.numpy(), local, bounds, nearby, centre, found)
        cosines[where] = found
    return np.split(cosines, ends[1:-1])


def best_of(values, indices, k) -> np.ndarray:
    """Return where the k best of `values` (m,) float32 stand, the largest first, ties by the smaller index."""
    return np.lexsort((indices, -values))[:k]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _cosine(query, row, centre):
    dot = square = 0.0
    for j in range(len(query)):
        x = np.float64(np.float32(row[j])) - centre[j]
        dot += query[j] * x
        square += x * x
    return dot / np.sqrt(square) if square > 0.0 else 0.0


@njit(nogil=True, cache=True)
def _cosines(queries, matrix, positions, bounds, nearby, centre, out):
    """`nearby` rows after `nearby` rows, so that one which several queries need comes from memory once."""
    at = bounds[:-1].copy()
    for first in range(0, len(matrix), nearby):
        for q in range(len(queries)):
            while at[q] < bounds[q + 1] and positions[at[q]] < first + nearby:
                out[at[q]] = _cosine(queries[q], matrix[positions[at[q]]], centre)
                at[q] += 1


@njit(nogil=True, cache=True)
def _cosines_of_halves(queries, bits, bfloat, positions, bounds, nearby, centre, out):
    """The same for half precision, which numpy (bfloat16) or the compiler (float16) does not know: by its bits."""
    row = np.empty(queries.shape[1], np.float32)
    at = bounds[:-1].copy()
    for first in range(0, len(bits), nearby):
        for q in range(len(queries)):
            while at[q] < bounds[q + 1] and positions[at[q]] < first + nearby:
                _widen(bits[positions[at[q]]], bfloat, row)
                out[at[q]] = _cosine(queries[q], row, centre)
                at[q] += 1


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
