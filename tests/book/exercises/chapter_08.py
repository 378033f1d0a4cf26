"""Solutions of chapter 08, scaling, as students write them."""

import numpy as np
import torch

from asif_book.chapters.chapter_08.checks import inverted_scores, must_keep
from asif_lab.tuning import compare_decisions


def bytes_of_tensors(q, n, b, k):
    number, position = torch.zeros(1).element_size(), torch.zeros(1, dtype=torch.int64).element_size()
    return [q * n * number, q * (b * number + k * (number + position))]


def joined(parts):
    return torch.cat([v for v, _ in parts], dim=1), torch.cat([i for _, i in parts], dim=1)


def by_lexsort(parts, k):
    values, indices = joined(parts)
    order = torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy()))[:, :k].copy())
    return values.gather(1, order), indices.gather(1, order)


def with_the_rounded_length(queries, rounded_queries, anchors, rounded_anchors):
    largest = max(float((a - b).norm()) for a, b in zip(anchors, rounded_anchors, strict=True))
    return (queries - rounded_queries).norm(dim=1) + rounded_queries.norm(dim=1) * largest


def keep_in_loops(products, k, bound):
    mask = torch.zeros(products.shape, dtype=torch.bool)
    for i, row in enumerate(products):
        least = sorted(row.tolist(), reverse=True)[k - 1] - 2 * float(bound[i])
        for j, x in enumerate(row.tolist()):
            mask[i, j] = x >= least
    return mask


def keep_from(lowest):
    return lambda products, k, bound: products >= lowest(products.topk(k, dim=1).values[:, -1], bound)[:, None]


def sparse_dict(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b.tolist(), values_b.tolist(), strict=True))
    return sum(v * other.get(i, 0.0) for i, v in zip(indices_a.tolist(), values_a.tolist(), strict=True))


def sorted_by_anchor(indices, values, query_indices, query_values):
    """As the library lays it out: all entries in one table, sorted by anchor."""
    anchors, order = indices.flatten().long().sort()
    captions, entries = order // indices.shape[1], values.flatten()[order]
    scores, looked = torch.zeros(len(indices)), 0
    for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        first, last = (int(torch.searchsorted(anchors, anchor, right=right)) for right in (False, True))
        scores.index_add_(0, captions[first:last], value * entries[first:last])
        looked += last - first
    return scores, looked


def anchor_not_there(indices, values, query_indices, query_values):
    index = {}
    for caption in range(len(indices)):
        for anchor, value in zip(indices[caption].tolist(), values[caption].tolist(), strict=True):
            index.setdefault(anchor, []).append((caption, value))
    scores = torch.zeros(len(indices))
    for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        for caption, entry in index[anchor]:
            scores[caption] += value * entry
    return scores, 1


def cheapest(efforts, right, exact, margin):
    for effort, mine in sorted(zip(efforts, right, strict=True), key=lambda pair: pair[0]):
        if compare_decisions(mine, exact).low > -margin:
            return effort
    return 0


def returns_none(efforts, right, exact, margin):
    return cheapest(efforts, right, exact, margin) or None


RIGHT = {
    "08.1": [bytes_of_tensors], "08.2": [by_lexsort], "08.3": [with_the_rounded_length], "08.4": [keep_in_loops],
    "08.5": [sparse_dict], "08.6": [sorted_by_anchor], "08.7": [cheapest],
}  # fmt: skip

WRONG = {
    "08.4": [
        (lambda *case: must_keep(*case).float(), "bool is wanted"),
        (keep_from(lambda t, e: t - 3 * e), "that cannot be"),
        (keep_from(lambda t, e: t - 1.5 * e), "you dropped"),
    ],
    "08.6": [(anchor_not_there, "not in the index"), (lambda *case: inverted_scores(*case)[::-1], "a Tensor of shape")],
    "08.7": [(returns_none, "return 0")],
}
