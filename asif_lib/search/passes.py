"""The algorithm of exact search: a fast pass that finds candidates, an exact comparison, and a bound that checks both.

1. A fast pass over the anchors keeps a few more candidates than k by products in limited precision.
2. `.reranking` computes the candidates' cosines in double precision.
3. A bound on the error of the fast pass shows whether a discarded anchor could belong to the answer. If it could, as
   among thousands of duplicates, the query is searched again with more candidates, and at last against all anchors.
"""

import numpy as np
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows

from .certified import ROUNDING, Rounded, RoundedLater, Sieve, full_precision, round_rows
from .reranking import centred_unit, rerank
from .rows import PART, SPARE, most_kept

MOST_CANDIDATES = 16_384
"""With more candidates, comparing with all anchors is the better way."""


class Passes:
    """The passes of one search, called with one block of queries after another.

    Parameters
    ----------
    anchors, mean, k : Rows of shape (n, d), Tensor of shape (d,) or None, int
    plan : Plan
    prepared : PreparedAnchors, optional
        The method ``bf16`` uses its rounded copy.
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
