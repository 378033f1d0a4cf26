"""The exact answer: cosines in double precision, rounded once to single, ties broken by the smaller index.

A matrix product in single precision gives other last bits for another block size, thread count or machine, so the
"k largest" would depend on them. Whoever finds candidates by a fast, slightly wrong product therefore comes here in
the end: each candidate's cosine is computed anew by one loop that does not know how the candidate was found.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit

from .errors import ParameterError
from .rows import as_rows


def centred_unit(z, mean=None) -> np.ndarray:
    """Return the rows of `z` (q, d), less `mean` (d,), scaled to length 1, (q, d) float64; a row of zeros stays zero.

    In double precision neither the smallest float32 nor the largest under- or overflows when it is squared.
    """
    rows = z.float().cpu().numpy().astype(np.float64)
    if mean is not None:
        rows -= mean.float().cpu().numpy()
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(norms > 0, norms, 1)[:, None]


def rerank(queries, anchors, candidates, k, *, mean=None, progress=None):
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
    progress : callable, optional
        Called with the number of queries that are done.

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
    centre = np.zeros(anchors.shape[1]) if mean is None else mean.double().cpu().numpy()
    values = torch.empty(len(queries), k)
    indices = torch.empty(len(queries), k, dtype=torch.int64)

    def run(i):
        mine = np.asarray(candidates[i], np.int64)
        mine = np.sort(mine[mine >= 0])  # in the order in which they lie in memory or on disk
        query = centred_unit(queries[i : i + 1], mean)[0]
        cosines = exact_cosines(query, anchors, mine, centre)
        order = best_of(cosines, mine, k)
        found = len(order)
        values[i, :found], indices[i, :found] = torch.from_numpy(cosines[order]), torch.from_numpy(mine[order])
        if found < k:
            rest = np.setdiff1d(np.arange(k), mine, assume_unique=True)[: k - found]
            values[i, found:], indices[i, found:] = 0, torch.from_numpy(rest)
        if progress:
            progress(1)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(run, range(len(queries))):
            pass
    return values, indices


def exact_cosines(query, anchors, positions, centre) -> np.ndarray:
    """Return the float32 cosines of a centred unit `query` (d,) with the anchors at `positions`, less `centre` (d,)."""
    cosines = np.empty(len(positions), np.float32)
    for piece, where, local in anchors.locate(positions):
        found = np.empty(len(local), np.float32)
        if piece.dtype in (torch.float16, torch.bfloat16):
            bits = piece.view(torch.int16).numpy().view(np.uint16)
            _cosines_of_halves(query, bits, piece.dtype == torch.bfloat16, local, centre, found)
        else:
            _cosines(query, piece.numpy(), local, centre, found)
        cosines[where] = found
    return cosines


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
def _cosines(query, matrix, positions, centre, out):
    for i in range(len(positions)):
        out[i] = _cosine(query, matrix[positions[i]], centre)


@njit(nogil=True, cache=True)
def _cosines_of_halves(query, bits, bfloat, positions, centre, out):
    """The same for half precision, which numpy (bfloat16) or the compiler (float16) does not know: by its bits."""
    wide = np.empty(len(query), np.uint32)
    row = wide.view(np.float32)
    for i in range(len(positions)):
        half = bits[positions[i]]
        for j in range(len(half)):
            x = np.uint32(half[j])
            wide[j] = (
                x << np.uint32(16)
                if bfloat
                else ((x & np.uint32(0x8000)) << np.uint32(16)) | ((x & np.uint32(0x7FFF)) << np.uint32(13))
            )
        if not bfloat:  # the exponents of float32 and float16 differ by 112; exact, also below the normal numbers
            for j in range(len(half)):
                row[j] *= np.float32(2.0**112)
        out[i] = _cosine(query, row, centre)
