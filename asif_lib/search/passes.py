"""The algorithm of exact search: a fast pass that finds candidates, an exact comparison, and a bound that checks both.

1. A fast pass over the anchors, block by block, keeps a few more candidates than k by products in limited precision.
2. `.reranking` computes the candidates' cosines in double precision.
3. A bound on the error of the fast pass shows whether a discarded anchor could belong to the answer. If it could, as
   among thousands of duplicates, the query is searched again with more candidates, and at last against all anchors.
"""

import faiss
import numpy as np
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows

from .certified import ROUNDING, Rounded, Sieve, round_rows
from .reranking import LISTS, centred_unit, rerank
from .rows import OF_COMPONENT, PART, SPARE, most_kept

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
        # the error of a product of two unit vectors that were computed in float32, their lengths included
        self.bound = (2 * anchors.shape[1] + 16) * ROUNDING
        # the memory of a block of anchors, which is free again when candidates are compared
        self.lists = min(LISTS, plan.anchors * anchors.shape[1] * OF_COMPONENT)

    def __call__(self, queries, passed):
        """Return the k best values and indices of a block of queries; tell `passed` how many anchors went by."""
        if self.plan.method == "bf16":
            values, indices, doubtful = self._by_sieve(queries, passed)
        else:
            values, indices, doubtful = self._by_float32(queries, SPARE, passed)
        spare = SPARE
        while len(doubtful):
            spare *= 16
            again = self._by_all if self.k + spare > MOST_CANDIDATES else self._by_float32
            size = max(1, len(queries) * (self.k + SPARE) // (self.k + spare))  # keeps the memory the same
            left = []
            for some in np.split(doubtful, range(size, len(doubtful), size)):
                values[some], indices[some], still = again(queries[some], spare, lambda _: None)
                left.append(some[still])
            doubtful = np.concatenate(left)
        return values, indices

    def _unit(self, queries):
        return torch.from_numpy(centred_unit(queries, self.mean)).float()

    def _blocks(self, size):
        """Yield unit rows of the anchors in float32 on the device; each block overwrites the one before."""
        n, d = self.anchors.shape
        mean = None if self.mean is None else self.mean.to(self.plan.device)
        unit = torch.empty(min(size, n), d, dtype=torch.float32, device=self.plan.device)
        for start, block in self.anchors.blocks(size):
            for i in range(0, len(block), PART):
                part = block[i : i + PART].detach().to(self.plan.device)
                unit[i : i + len(part)] = unit_rows(part, mean, first=start + i)
            yield start, unit[: len(block)]

    def _by_float32(self, queries, spare, passed):
        """Return the answer, and the queries for which it may be wrong."""
        m, device = min(self.k + spare, len(self.anchors)), self.plan.device
        unit = self._unit(queries).to(device)
        top = _top_of_faiss if self.plan.method != "torch" else _top_of_torch
        values, indices = (torch.empty(len(queries), 0, dtype=t, device=device) for t in (torch.float32, torch.int64))
        dropped = torch.full_like(unit[:, 0], -torch.inf)  # the largest product that was discarded
        for start, block in self._blocks(self.plan.anchors):
            found, where = top(unit, block, min(m, len(block)))
            if len(block) > m:
                dropped = torch.maximum(dropped, found[:, -1])
            values, indices = torch.cat([values, found], dim=1), torch.cat([indices, where + start], dim=1)
            if values.shape[1] > m:
                values, order = values.topk(m, dim=1)
                indices = indices.gather(1, order)
                dropped = torch.maximum(dropped, values[:, -1])
            passed(len(block))
            del block  # the memory of the last block is needed below
        values, indices = self._rerank(queries, indices.cpu().numpy(), self.k)
        return values, indices, np.flatnonzero((dropped.cpu() + self.bound >= values[:, -1]).numpy())

    def _by_sieve(self, queries, passed):
        sieve = Sieve(round_rows(self._unit(queries)), self.k, most_kept(self.k))
        threads = torch.get_num_threads()
        if self.prepared:
            blocks = [(0, Rounded(self.prepared.rounded, self.prepared.error))]
        else:  # small blocks: a block that was just rounded is still near the processor
            blocks = ((start, round_rows(block)) for start, block in self._blocks(min(self.plan.anchors, PART)))
        for start, block in blocks:
            sieve.feed(block, start, threads, passed)
            del block
        values, indices = self._rerank(queries, sieve.candidates(), self.k)
        return values, indices, np.flatnonzero(sieve.overflown)

    def _rerank(self, queries, candidates, k):
        return rerank(queries, self.anchors, candidates, k, mean=self.mean, memory=self.lists)

    def _by_all(self, queries, _, passed):
        """Compare with every anchor in double precision: slow, and never in doubt."""
        best = []
        for start in range(0, len(self.anchors), PART):
            here = np.arange(start, min(start + PART, len(self.anchors)))
            best.append(self._rerank(queries, [here] * len(queries), min(self.k, len(here))))
            best = [merge_top(best, min(self.k, here[-1] + 1))]
        return *best[0], np.empty(0, np.int64)


def _top_of_faiss(queries, block, m):
    faiss.omp_set_num_threads(torch.get_num_threads())
    found, where = faiss.knn(queries.numpy(), block.numpy(), m, metric=faiss.METRIC_INNER_PRODUCT)
    return torch.from_numpy(found), torch.from_numpy(where)


def _top_of_torch(queries, block, m):
    """Multiply in float32, also where PyTorch may use less elsewhere: the bound on the error holds for float32."""
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(queries.device.type, enabled=False):
            return (queries @ block.T).topk(m, dim=1)
    finally:
        torch.set_float32_matmul_precision(allowed)


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
