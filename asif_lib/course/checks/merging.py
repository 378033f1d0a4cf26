"""The checks of chapter 08's first two exercises: bytes of a search, and the answers of several shards made one."""

import numpy as np
import torch

from .judging import Verdict, compare, exercise, random_tensor

FLOAT, POSITION = 4, 8
"""Bytes of a float32 and of an int64."""


@exercise("08.1", "How many bytes?")
def check_bytes(function) -> Verdict:
    """Bytes of the dense matrix of cosines, and of a search in blocks."""
    cases = [(2, 10, 5, 3), (1_000, 793, 100, 79), (10_000, 1_600_000, 4_096, 800), (7, 50, 50, 1)]
    return compare(function, search_bytes, cases, BYTE_MISTAKES)


def search_bytes(q, n, b, k):
    return FLOAT * q * n, FLOAT * q * b + (FLOAT + POSITION) * q * k


BYTE_MISTAKES = [
    (
        "You counted numbers; a float32 takes 4 bytes, an int64 8.",
        lambda q, n, b, k: (q * n, q * b + 2 * q * k),
    ),
    (
        "You forgot the positions: beside each of the k best values stands which anchor it is, 8 bytes more.",
        lambda q, n, b, k: (4 * q * n, 4 * q * b + 4 * q * k),
    ),
    (
        "A position is an int64 here, which takes 8 bytes, not 4.",
        lambda q, n, b, k: (4 * q * n, 4 * q * b + 8 * q * k),
    ),
    (
        "You counted the tile of cosines, but not the k best so far, which wait beside it.",
        lambda q, n, b, k: (4 * q * n, 4 * q * b),
    ),
    (
        "You counted the k best so far, but not the tile of cosines from which they are renewed.",
        lambda q, n, b, k: (4 * q * n, 12 * q * k),
    ),
    (
        "You added up all tiles; when the next comes, the last one is gone: one tile is in memory at a time.",
        lambda q, n, b, k: (4 * q * n, 4 * q * n + 12 * q * k),
    ),
    (
        "The tile has b columns for each query: you left out the queries.",
        lambda q, n, b, k: (4 * q * n, 4 * b + 12 * q * k),
    ),
    (
        "Each query has k best of its own: you left out the queries there.",
        lambda q, n, b, k: (4 * q * n, 4 * q * b + 12 * k),
    ),
    (
        "You took 8 bytes for a float32; it takes 4.",
        lambda q, n, b, k: (8 * q * n, 8 * q * b + 16 * q * k),
    ),
    (
        "You returned (blocks, dense); (dense, blocks) is wanted.",
        lambda *case: search_bytes(*case)[::-1],
    ),
    (
        "You divided into larger units; bytes are wanted.",
        lambda *case: tuple(size / 1e9 for size in search_bytes(*case)),
    ),
]


@exercise("08.2", "One answer from many shards")
def check_merge(function) -> Verdict:
    """The k best of several parts, ties by the smaller index, in whatever order the parts come."""
    one_ulp = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0)).item()
    cases = [
        (_shards([[0.9, 0.4]], [[0.8, 0.7, 0.1]]), 3),
        (_shards(*(random_tensor(4, m, seed=80 + m) for m in (6, 5, 7))), 6),
        (_shards([[0.5, 0.5, 0.2]], [[0.5, 0.5, 0.1]])[::-1], 3),
        (_shards(*(_steps(5, m, seed=90 + m) for m in (30, 25, 40)))[::-1], 20),
        (_shards([[0.5] * 40], [[0.5] * 40], [[one_ulp] * 5])[::-1], 60),
        (_shards([[0.3, 0.2]], [[0.3]], [[0.3, -0.1]])[::-1], 5),
    ]
    notes = {
        3: "with ties, and the second shard finished first",
        4: "with many ties, and the last shard finished first",
        5: "where only the last bit tells two values apart",
        6: "where k is larger than each shard",
    }
    return compare(function, merge, cases, MERGE_MISTAKES, atol=0, notes=notes)


def _steps(q, m, seed):
    """Values with many ties: whole quarters."""
    return (4 * random_tensor(q, m, seed=seed)).round() / 4


def _shards(*all_values):
    """The answer of each shard, the largest first, ties by the smaller index; indices count over all shards."""
    parts, start = [], 0
    for values in all_values:
        values = torch.as_tensor(values)
        order = _order(values, torch.arange(values.shape[1]).expand_as(values))
        parts.append((values.gather(1, order), order + start))
        start += values.shape[1]
    return parts


def _order(values, indices):
    return torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy())))


def _joined(parts):
    return (torch.cat(found, dim=1) for found in zip(*parts, strict=True))


def merge(parts, k, *, order=_order):
    """The right way, unless `order` says otherwise: where the k best stand in the joined table."""
    values, indices = _joined(parts)
    best = order(values, indices)[:, :k]
    return values.gather(1, best), indices.gather(1, best)


def _two_sorts(second):
    """First by index, and then by value in a way that need not keep the order of the first."""

    def solve(parts, k):
        values, indices = _joined(parts)
        indices, order = indices.sort(dim=1)
        values, again = second(values.gather(1, order), k)
        return values[:, :k], indices.gather(1, again)[:, :k]

    return solve


def _positions(parts, k):
    values, indices = _joined(parts)
    best = _order(values, indices)[:, :k]
    return values.gather(1, best), best


def _values_only(parts, k):
    _, indices = _joined(parts)
    return merge(parts, k)[0], indices[:, :k]


def _by_index(parts, k):
    values, indices = merge(parts, k)
    indices, order = indices.sort(dim=1)
    return values.gather(1, order), indices


def _sum_of_shares(parts, k):
    """An equal share of each part."""
    share = -(-k // len(parts))
    return merge([(values[:, :share], indices[:, :share]) for values, indices in parts], k)


NOT_STABLE = (
    "You sorted by index first, as one should; but where values tie, the second step is free to mix that order up "
    "again: only a sort with stable=True promises to keep it."
)

MERGE_MISTAKES = [
    (
        "Where values tie, you kept the order in which the shards finished. That changes from run to run: of equal "
        "values the one with the smaller index comes first.",
        lambda *case: merge(*case, order=lambda v, i: v.sort(dim=1, descending=True, stable=True).indices),
    ),
    (
        "The values are right; where they tie, torch.topk takes any of them, and so does a sort that is not stable. Of "
        "equal values the one with the smaller index comes first.",
        lambda parts, k: merge(parts, k, order=lambda v, i: v.topk(k, dim=1).indices),
    ),
    (
        "The values are right; where they tie, torch.topk takes any of them, and so does a sort that is not stable. Of "
        "equal values the one with the smaller index comes first.",
        lambda *case: merge(*case, order=lambda v, i: v.argsort(dim=1, descending=True)),
    ),
    (
        NOT_STABLE,
        _two_sorts(lambda values, k: values.sort(dim=1, descending=True)),
    ),
    (
        NOT_STABLE,
        _two_sorts(lambda values, k: values.topk(k, dim=1)),
    ),
    (
        "Of equal values you took the larger index first; the smaller comes first.",
        lambda *case: merge(*case, order=lambda v, i: _order(v, -i)),
    ),
    (
        "You nudged the values by a little of their index to break ties. Two values may differ by less than your "
        "nudge, and then the wrong one wins: sort by two keys instead.",
        lambda *case: merge(*case, order=lambda v, i: (v - 1e-6 * i).argsort(dim=1, descending=True)),
    ),
    (
        "Your indices are positions in the joined table; take the indices that stand there, with `gather`.",
        _positions,
    ),
    (
        "You merged the values, but took the indices in another order: take both at the same places.",
        _values_only,
    ),
    (
        "You took the smallest values; the k largest are wanted.",
        lambda *case: merge(*case, order=lambda v, i: _order(-v, i)),
    ),
    (
        "The k best come in the wrong order: you sorted them by index in the end; the largest value comes first.",
        _by_index,
    ),
    (
        "You took an equal share from each shard. One shard may hold all of the k best: merge everything that they "
        "sent.",
        _sum_of_shares,
    ),
    (
        "You returned (indices, values); (values, indices) is wanted.",
        lambda *case: merge(*case)[::-1],
    ),
    (
        "You returned everything in order; only the k best are wanted.",
        lambda parts, k: merge(parts, sum(values.shape[1] for values, _ in parts)),
    ),
]
