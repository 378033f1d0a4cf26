"""The algorithm of exact search: a fast pass that finds candidates, an exact comparison, and a bound that checks both.

1. A fast pass over the anchors keeps a few more candidates than k by products in limited precision.
2. `rerank` computes the candidates' cosines in double precision.
3. A bound on the error of the fast pass shows whether a discarded anchor could belong to the answer. If it could, as
   among thousands of duplicates, the query is searched again with more candidates, and at last against all anchors.

The exact answer: cosines in double precision, rounded once to single, ties broken by the smaller index.

In single precision, the last bits of a matrix product depend on the block size, the number of threads and the order of
the anchors, and so would the k largest. Every fast search therefore ends here: one loop computes the cosine of each
candidate, and it does not know how the candidate was found. (The loop is compiled for the processor. Another model may
add in another order, which can move the last of the 53 bits of a sum, and rarely the last of the 24 returned.)
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numba import njit

from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows

from .certified import ROUNDING, Rounded, RoundedLater, Sieve, full_precision, round_rows
from .rows import LISTS, PART, SPARE, as_rows, check_count, most_kept

MOST_CANDIDATES = 16_384
"""With more candidates, comparing with all anchors is the better way."""
NEARBY = 2**21
"""Bytes of anchors that stay near the processor while all queries are compared with them."""
TOGETHER = 512
"""Queries that a thread compares together, at most: they stay near the processor too, in double precision."""
OF_CANDIDATE = 80
"""Bytes of a candidate in these lists: positions, order of comparison, cosine, key, and temporary arrays."""


class Passes:
    """The passes of one search for the k best of `anchors`, `Rows` (n, d), minus their `mean` (d,) or None.

    They are called with one block of queries after another. The method ``bf16`` uses the rounded copy of `prepared`.
    """

    def __init__(self, anchors, mean, k, plan, prepared=None):
        self.anchors, self.mean, self.k, self.plan, self.prepared = anchors.contiguous(), mean, k, plan, prepared
        self.later = RoundedLater(self.anchors, mean)

    def __call__(self, queries, passed):
        """Return the k best values and indices of a block of queries; tell `passed` how many anchors went by."""
        room = self.k + SPARE if self.plan.method == "torch" else most_kept(self.k)
        fast = {"torch": self._by_tiles, "bf16": self._by_bfloat16, "float32": self._by_float32}[self.plan.method]
        more = self._by_tiles if fast == self._by_tiles else self._by_float32
        values, indices, doubtful = fast(queries, room, passed)
        size = max(1, len(queries) * room // max(room, MOST_CANDIDATES))  # keeps the memory the same
        for again in (more, self._by_all):
            left = []
            for first in range(0, len(doubtful), size):
                some = doubtful[first : first + size]
                values[some], indices[some], still = again(queries[some], max(room, MOST_CANDIDATES), lambda _: None)
                left.extend(some[still])
            doubtful = np.array(left, np.int64)
        return values, indices

    def _unit(self, queries):
        return torch.from_numpy(centred_unit(queries, self.mean)).float()

    def _by_float32(self, queries, room, passed):
        return self._by_sieve(queries, Rounded(self._unit(queries)), self.later, room, passed)

    def _by_bfloat16(self, queries, room, passed):
        anchors = Rounded(self.prepared.rounded, self.prepared.error) if self.prepared else self.later
        return self._by_sieve(queries, round_rows(self._unit(queries)), anchors, room, passed)

    def _by_sieve(self, queries, rounded, anchors, room, passed):
        """Return the answer, and the queries for which it may be wrong."""
        sieve = Sieve(rounded, self.k, min(room, len(anchors)))
        sieve.feed(anchors, 0, torch.get_num_threads(), passed, self.plan.anchors)
        values, indices = self._rerank(queries, sieve.candidates(), self.k)
        return values, indices, np.flatnonzero(sieve.overflown)

    def _by_tiles(self, queries, room, passed):
        """Do the same on any device, by PyTorch's ``topk`` of blocks of products."""
        m, device = min(room, len(self.anchors)), self.plan.device
        unit, mean = self._unit(queries).to(device), None if self.mean is None else self.mean.to(device)
        values, indices = (torch.empty(len(queries), 0, dtype=t, device=device) for t in (torch.float32, torch.int64))
        dropped = torch.full_like(unit[:, 0], -torch.inf)  # the largest product that was discarded
        space = unit.new_empty(min(self.plan.anchors, len(self.anchors)), unit.shape[1])
        for start, given in self.anchors.blocks(self.plan.anchors):
            block = space[: len(given)]
            for first, part in zip(range(0, len(given), PART), given.split(PART), strict=True):
                block[first : first + PART] = unit_rows(part.detach().to(device), mean, start + first)
            with full_precision(), torch.autocast(device.type, enabled=False):
                found, where = (unit @ block.T).topk(min(m, len(block)), dim=1)
            if len(block) > m:
                dropped = torch.maximum(dropped, found[:, -1])
            values, indices = torch.cat([values, found], dim=1), torch.cat([indices, where + start], dim=1)
            if values.shape[1] > m:
                values, order = values.topk(m, dim=1)
                indices = indices.gather(1, order)
                dropped = torch.maximum(dropped, values[:, -1])
            passed(len(block))
        del block, space  # their memory is needed below
        values, indices = self._rerank(queries, indices.cpu().numpy(), self.k)
        # the error of a product of two unit vectors that were computed in float32, their lengths included
        bound = (2 * unit.shape[1] + 16) * ROUNDING
        return values, indices, np.flatnonzero((dropped.cpu() + bound >= values[:, -1]).numpy())

    def _rerank(self, queries, candidates, k):
        return rerank(queries, self.anchors, candidates, k, mean=self.mean, memory=self.plan.lists)

    def _by_all(self, queries, _, passed):
        """Compare with every anchor in double precision: slow, and never in doubt."""
        best = []
        for start in range(0, len(self.anchors), PART):
            here = np.arange(start, min(start + PART, len(self.anchors)))
            best.append(self._rerank(queries, [here] * len(queries), min(self.k, len(here))))
            best = [merge_top(best, min(self.k, here[-1] + 1))]
        return *best[0], np.empty(0, np.int64)


def merge_top(parts, k):
    """Return the k best of the answers of several shards; the same as one search over all of them.

    Each of the `parts` is a pair of values (q, k_i), float32, and indices (q, k_i), int64, as from `top_anchors` with
    k_i = min(k, n_i). The indices count over all shards.

    Raises `ParameterError` if the shards gave fewer than k together, or not for the same queries.

    Examples
    --------
    >>> one, two = torch.tensor([[0.9, 0.5]]), torch.tensor([[0.9, 0.7]])
    >>> merge_top([(two, torch.tensor([[7, 5]])), (one, torch.tensor([[2, 0]]))], 3)
    (tensor([[0.9000, 0.9000, 0.7000]]), tensor([[2, 7, 5]]))
    """
    if len({len(values) for values, _ in parts}) != 1:
        raise ParameterError("the shards answered different numbers of queries; merge answers to the same queries")
    values, indices = (torch.cat(found, dim=1) for found in zip(*parts, strict=True))
    if values.shape[1] < k:
        raise ParameterError(f"k = {k}: the shards gave {values.shape[1]} anchors together")
    order = torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy()))[:, :k])
    return values.gather(1, order), indices.gather(1, order)


# -- the exact answer


def centred_unit(z, mean=None) -> np.ndarray:
    """Return the rows of `z` (q, d) minus `mean` (d,), scaled to length 1, (q, d) float64; a zero row stays zero.

    In double precision the square of a float32 neither underflows nor overflows.
    """
    rows = z.float().cpu().numpy().astype(np.float64, order="C")  # the order in memory decides the order of the sums
    if mean is not None:
        rows -= mean.float().cpu().numpy()
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(norms > 0, norms, 1)[:, None]


def rerank(queries, anchors, candidates, k, *, mean=None, memory=LISTS):
    """Return the k best of each query's candidates, by their exact cosines.

    Raises `ParameterError` if k exceeds the number of anchors, or there are 2**32 anchors or more.

    Parameters
    ----------
    queries : Tensor of shape (q, d)
    anchors : Tensor or Rows of shape (n, d)
    candidates : list of q int arrays, or int array of shape (q, m)
        Positions of anchors, each at most once in a row; negative ones are ignored.
    k : int
    mean : Tensor of shape (d,), optional
        Subtracted from queries and anchors.
    memory : int
        Bytes for the lists of candidates; at least one query for each thread is compared.

    Returns
    -------
    values, indices : Tensor of shape (q, k), float32 and int64
        The largest first, ties by the smaller index. A query with fewer than k candidates ends with zeros, at the
        smallest positions that are not candidates, so that no anchor occurs twice.
    """
    anchors = as_rows(anchors)
    check_count(len(anchors))
    if k > len(anchors):
        raise ParameterError(f"k = {k} of {len(anchors)} anchors: ask for no more than there are")
    anchors = anchors.contiguous()  # over gaps a compiled sum takes another order
    centre = np.zeros(anchors.shape[1]) if mean is None else mean.float().cpu().numpy().astype(np.float64)
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
            best, where = _unpacked(keys[bounds[i] : bounds[i + 1]])
            rest = np.setdiff1d(np.arange(k), where, assume_unique=True)[: k - counts[i]]
            values[first + i] = np.concatenate([best, np.zeros(len(rest), np.float32)])
            indices[first + i] = np.concatenate([where, rest])

    threads, longest = torch.get_num_threads(), max(map(len, candidates), default=0)
    size = max(min(TOGETHER, -(-len(queries) // threads), memory // (threads * OF_CANDIDATE * (longest or 1))), 1)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(0, len(queries), size)))  # raises the error of a thread
    return torch.from_numpy(values), torch.from_numpy(indices)


def _in_a_row(candidates):
    """Return the candidates of one query after the other (m,), and the bounds (q + 1,) between the queries."""
    positions = np.concatenate(candidates).astype(np.int64)
    bounds, some = np.cumsum([0, *map(len, candidates)]), positions >= 0
    if some.all():
        return positions, bounds
    return positions[some], np.cumsum([0, *some])[bounds]


def _keys(cosines, positions):
    """Return whole numbers in the order of the answer: by falling cosine, then by position.

    Sorting them takes half the time of sorting two arrays by two criteria.
    """
    return _turned((0 - cosines).view(np.int32)).astype(np.int64) << 32 | positions  # 0 - x: no zero is negative


def _unpacked(keys):
    """Return the cosines and positions of these keys."""
    return 0 - _turned((keys >> 32).astype(np.int32)).view(np.float32), keys & 0xFFFF_FFFF


def _turned(bits):
    """Turn the bits of float32 into whole numbers of the same order, or back."""
    return bits ^ (bits >> 31 & 0x7FFF_FFFF)


def _exact_cosines(queries, anchors, positions, bounds, centre) -> np.ndarray:
    """Return the (m,) float32 cosines of centred unit `queries` (q, d) with the anchors at `positions` minus `centre`.

    Query i has the candidates ``positions[bounds[i] : bounds[i + 1]]``; queries and centre are float64.
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
        else:
            _cosines(queries, whose, piece.numpy(), local[which], centre, which, found)
        cosines[where] = found
    return cosines


@njit(nogil=True, cache=True)
def _turns(positions, bounds, n, shift):
    """Order the comparisons by blocks of 2 ** shift of the n rows, so that a row comes from memory once.

    Returns places in `positions`, and the query of each, both int32; the last is repeated up to a multiple of eight.
    """
    which = np.empty(-(-len(positions) // 8) * 8, np.int32)
    whose = np.empty(len(which), np.int32)
    ahead = np.zeros((n >> shift) + 2, np.int64)  # the next free place of each block
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
def _cosines_of_halves(queries, whose, bits, bfloat, places, centre, which, out):
    """Do the same for half precision, from its bits: numpy lacks bfloat16, and Numba float16."""
    wide, all_of_them = np.empty((8, queries.shape[1]), np.float32), np.arange(8)
    for turn in range(0, len(which), 8):
        now = slice(turn, turn + 8)
        for i in range(8):
            _widen(bits[places[turn + i]], bfloat, wide[i])
        _compare(_eight(queries, whose[now]), _eight(wide, all_of_them), centre, which[now], out)


@njit(nogil=True, cache=True)
def _eight(rows, i):
    """Return eight rows of a matrix as separate arrays."""
    return rows[i[0]], rows[i[1]], rows[i[2]], rows[i[3]], rows[i[4]], rows[i[5]], rows[i[6]], rows[i[7]]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _compare(queries, rows, centre, which, out):
    """Compare eight queries with one row each: while one waits for memory, the processor works on another."""
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
    """Add one component of the query and of the row to the two sums of a cosine."""
    x = np.float64(np.float32(a)) - centre
    return dot + q * x, square + x * x


@njit(nogil=True, cache=True)
def _widen(halves, bfloat, row):
    """Write bfloat16 or float16 numbers, given by their bits, to `row` as float32, exactly."""
    wide = row.view(np.uint32)
    if bfloat:
        for j in range(len(halves)):
            wide[j] = np.uint32(halves[j]) << np.uint32(16)
        return
    for j in range(len(halves)):  # the exponents differ by 112; subnormal numbers are multiples of 2^-24 …
        rest = np.uint32(halves[j]) & np.uint32(0x7FFF)
        wide[j] = (
            rest | np.uint32(0x3F000000) if rest < np.uint32(0x0400) else (rest << np.uint32(13)) + np.uint32(112 << 23)
        )
    for j in range(len(halves)):  # … and so are the float32 just above one half
        size = row[j] - np.float32(0.5) if halves[j] & np.uint16(0x7C00) == 0 else row[j]
        row[j] = -size if halves[j] & np.uint16(0x8000) else size
