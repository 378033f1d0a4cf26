"""Solutions of chapter 08, scaling, as students write them."""

import numpy as np
import torch

from asif_lib.evaluation.measures import mean_with_interval, paired_difference
from asif_lib.evaluation.tuning import compare_decisions

# 08.1 bytes


def total_bytes(q, n, b, k):
    return 4 * q * n, 4 * q * b + 12 * q * k


def bytes_of_tensors(q, n, b, k):
    number, position = torch.zeros(1).element_size(), torch.zeros(1, dtype=torch.int64).element_size()
    return [q * n * number, q * (b * number + k * (number + position))]


# 08.2 merge


def joined(parts):
    return torch.cat([v for v, _ in parts], dim=1), torch.cat([i for _, i in parts], dim=1)


def by_lexsort(parts, k):
    values, indices = joined(parts)
    order = torch.from_numpy(np.lexsort((indices.numpy(), -values.numpy()))[:, :k].copy())
    return values.gather(1, order), indices.gather(1, order)


def by_two_sorts(parts, k):
    values, indices = joined(parts)
    indices, order = indices.sort(dim=1)
    values, again = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values[:, :k], indices.gather(1, again)[:, :k]


def by_python(parts, k):
    rows = []
    for query in range(len(parts[0][0])):
        pairs = [pair for v, i in parts for pair in zip(v[query].tolist(), i[query].tolist(), strict=True)]
        rows.append(sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:k])
    return torch.tensor([[v for v, _ in row] for row in rows]), torch.tensor([[i for _, i in row] for row in rows])


def by_two_sorts_one_of_them_not_stable(parts, k):
    values, indices = joined(parts)
    indices, order = indices.sort(dim=1)
    values, again = values.gather(1, order).sort(dim=1, descending=True)
    return values[:, :k], indices.gather(1, again)[:, :k]


def by_a_sort_and_topk(parts, k):
    values, indices = joined(parts)
    by_index = indices.argsort(dim=1)
    values, best = values.gather(1, by_index).topk(k, dim=1)
    return values, indices.gather(1, by_index).gather(1, best)


def by_topk(parts, k):
    values, indices = joined(parts)
    values, order = values.topk(k, dim=1)
    return values, indices.gather(1, order)


def as_they_came(parts, k):
    values, indices = joined(parts)
    values, order = values.sort(dim=1, descending=True, stable=True)
    return values[:, :k], indices.gather(1, order)[:, :k]


def larger_index_first(parts, k):
    values, indices = joined(parts)
    order = torch.from_numpy(np.lexsort((-indices.numpy(), -values.numpy()))[:, :k].copy())
    return values.gather(1, order), indices.gather(1, order)


def nudged(parts, k):
    values, indices = joined(parts)
    order = (values - 1e-6 * indices).sort(dim=1, descending=True).indices[:, :k]
    return values.gather(1, order), indices.gather(1, order)


def forgets_to_gather(parts, k):
    values, indices = joined(parts)
    order = np.lexsort((indices.numpy(), -values.numpy()))[:, :k].copy()
    return values.gather(1, torch.from_numpy(order)), torch.from_numpy(order)


def indices_as_they_came(parts, k):
    return by_lexsort(parts, k)[0], joined(parts)[1][:, :k]


def sorted_by_index(parts, k):
    values, indices = by_lexsort(parts, k)
    indices, order = indices.sort(dim=1)
    return values.gather(1, order), indices


def smallest(parts, k):
    values, indices = joined(parts)
    order = torch.from_numpy(np.lexsort((indices.numpy(), values.numpy()))[:, :k].copy())
    return values.gather(1, order), indices.gather(1, order)


def a_share_of_each(parts, k):
    share = -(-k // len(parts))
    return by_lexsort([(v[:, :share], i[:, :share]) for v, i in parts], k)


# 08.3 the bound


def bound(queries, rounded_queries, anchors, rounded_anchors):
    lost = (queries - rounded_queries).norm(dim=1)
    return lost + (1 + lost) * (anchors - rounded_anchors).norm(dim=1).max()


def with_the_rounded_length(queries, rounded_queries, anchors, rounded_anchors):
    largest = max(float((a - b).norm()) for a, b in zip(anchors, rounded_anchors, strict=True))
    return (queries - rounded_queries).norm(dim=1) + rounded_queries.norm(dim=1) * largest


def by_hand(queries, rounded_queries, anchors, rounded_anchors):
    e_q = ((queries - rounded_queries) ** 2).sum(1).sqrt()
    e_a = ((anchors - rounded_anchors) ** 2).sum(1).sqrt().amax()
    return e_q + e_a + e_q * e_a


def bound_of(join, query=lambda x: x.norm(dim=1), anchor=lambda x: x.norm(dim=1).max()):
    return lambda q, r, a, b: join(query(q - r), anchor(a - b))


def right_join(lost, largest):
    return lost + (1 + lost) * largest


# 08.4 who must be kept


def keep(products, k, bound):
    threshold = products.topk(k, dim=1).values[:, -1]
    return products >= (threshold - 2 * bound)[:, None]


def keep_in_loops(products, k, bound):
    mask = torch.zeros(products.shape, dtype=torch.bool)
    for i, row in enumerate(products):
        least = sorted(row.tolist(), reverse=True)[k - 1] - 2 * float(bound[i])
        for j, x in enumerate(row.tolist()):
            mask[i, j] = x >= least
    return mask


def keep_from(lowest):
    return lambda products, k, bound: products >= lowest(products.topk(k, dim=1).values[:, -1], bound)[:, None]


def exactly_k(products, k, bound):
    mask = torch.zeros_like(products, dtype=torch.bool)
    return mask.scatter(1, products.topk(k, dim=1).indices, True)


def positions(products, k, bound):
    return keep(products, k, bound).nonzero()


def one_place_off(products, k, bound):
    ordered = products.sort(dim=1, descending=True).values
    return products >= (ordered[:, min(k, products.shape[1] - 1)] - 2 * bound)[:, None]


def whole_table(products, k, bound):
    return products >= (products.flatten().topk(k).values[-1] - 2 * bound)[:, None]


# 08.5 an inverted index


def inverted(indices, values, query_indices, query_values):
    index = {}
    for caption in range(len(indices)):
        for anchor, value in zip(indices[caption].tolist(), values[caption].tolist(), strict=True):
            index.setdefault(anchor, []).append((caption, value))
    scores, looked = torch.zeros(len(indices)), 0
    for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        for caption, entry in index.get(anchor, ()):
            scores[caption] += value * entry
            looked += 1
    return scores, looked


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


def inverted_with(add=lambda score, value, entry: score + value * entry, start=0, count=None):
    def solution(indices, values, query_indices, query_values):
        index = {}
        for caption in range(len(indices)):
            for anchor, value in zip(indices[caption].tolist(), values[caption].tolist(), strict=True):
                index.setdefault(anchor, []).append((caption, value))
        scores, looked = torch.zeros(len(indices)), 0
        for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
            for caption, entry in index.get(anchor, [])[start:]:
                scores[caption] = add(scores[caption], value, entry)
                looked += 1
        return scores, count(indices, query_indices, scores, looked) if count else looked

    return solution


def one_caption_for_each(indices, values, query_indices, query_values):
    index = {}
    for caption in range(len(indices)):
        for anchor, value in zip(indices[caption].tolist(), values[caption].tolist(), strict=True):
            index[anchor] = (caption, value)
    scores, looked = torch.zeros(len(indices)), 0
    for anchor, value in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        if anchor in index:
            caption, entry = index[anchor]
            scores[caption] += value * entry
            looked += 1
    return scores, looked


def tensor_keys(indices, values, query_indices, query_values):
    index = {}
    for caption in range(len(indices)):
        for anchor, value in zip(indices[caption], values[caption], strict=True):
            index.setdefault(anchor, []).append((caption, value))
    scores, looked = torch.zeros(len(indices)), 0
    for anchor, value in zip(query_indices, query_values, strict=True):
        for caption, entry in index.get(anchor, []):
            scores[caption] += value * entry
            looked += 1
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


def same_place(indices, values, query_indices, query_values):
    k = min(values.shape[1], len(query_values))
    looked = inverted(indices, values, query_indices, query_values)[1]
    return (values[:, :k] * query_values[:k]).sum(1), looked


# 08.6 the knob


def cheapest(efforts, right, exact, margin):
    for effort, mine in sorted(zip(efforts, right, strict=True), key=lambda pair: pair[0]):
        if compare_decisions(mine, exact).low > -margin:
            return effort
    return 0


def low_by_standard_errors(mine, exact):
    difference = mine.float() - exact.float()
    return float(difference.mean() - 1.96 * difference.std() / len(exact) ** 0.5)


def knob_by(enough, pick=min, none=0):
    def solution(efforts, right, exact, margin):
        good = [e for e, mine in zip(efforts, right, strict=True) if enough(mine, exact, margin)]
        return pick(good) if good else none

    return solution


def right_test(mine, exact, margin):
    return compare_decisions(mine, exact).low > -margin


def by_standard_errors_no_shorter_than_can_be_seen(mine, exact, margin):
    loss = exact.float().mean() - mine.float().mean()
    return min(low_by_standard_errors(mine, exact), float(-loss) - 3.7 / len(exact)) > -margin


def own_intervals(mine, exact, margin):
    return mean_with_interval(mine.numpy()).low > mean_with_interval(exact.numpy()).value - margin


def best_of_all(efforts, right, exact, margin):
    if not cheapest(efforts, right, exact, margin):
        return 0
    return efforts[int(right.float().mean(dim=1).argmax())]


def its_position(efforts, right, exact, margin):
    found = cheapest(efforts, right, exact, margin)
    return efforts.index(found) if found else 0


def largest_where_none(efforts, right, exact, margin):
    return cheapest(efforts, right, exact, margin) or max(efforts)


def returns_none(efforts, right, exact, margin):
    return cheapest(efforts, right, exact, margin) or None


RIGHT = {
    "08.1": [total_bytes, bytes_of_tensors],
    "08.2": [by_lexsort, by_two_sorts, by_python],
    "08.3": [bound, with_the_rounded_length, by_hand],
    "08.4": [keep, keep_in_loops],
    "08.5": [inverted, sorted_by_anchor],
    "08.6": [cheapest, knob_by(by_standard_errors_no_shorter_than_can_be_seen)],
}

WRONG = {
    "08.1": [
        (lambda q, n, b, k: (q * n, q * b + 2 * q * k), "counted numbers"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * (b + k)), "forgot the positions"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * (b + 2 * k)), "an int64 here"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * b), "not the k best so far"),
        (lambda q, n, b, k: (4 * q * n, 12 * q * k), "not the tile"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * n + 12 * q * k), "added up all tiles"),
        (lambda q, n, b, k: (4 * q * n, 4 * b + 12 * q * k), "left out the queries"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * b + 12 * k), "k best of its own"),
        (lambda q, n, b, k: (8 * q * n, 8 * q * b + 16 * q * k), "8 bytes for a float32"),
        (lambda *case: total_bytes(*case)[::-1], "(dense, blocks) is wanted"),
        (lambda *case: tuple(x / 1e9 for x in total_bytes(*case)), "larger units"),
        (lambda *case: total_bytes(*case)[0], "2 results"),
        (lambda q, n, b, k: (4 * q * n, 4 * q * b + 12 * q * k + 1), "number 2"),
    ],
    "08.2": [
        (as_they_came, "the order in which the shards finished"),
        (by_topk, "takes any of them"),
        (by_two_sorts_one_of_them_not_stable, "only a sort with stable=True"),
        (by_a_sort_and_topk, "only a sort with stable=True"),
        (larger_index_first, "the larger index first"),
        (nudged, "differ by less than your nudge"),
        (forgets_to_gather, "positions in the joined table"),
        (indices_as_they_came, "indices in another order"),
        (sorted_by_index, "sorted them by index"),
        (smallest, "took the smallest values"),
        (a_share_of_each, "equal share from each shard"),
        (lambda *case: by_lexsort(*case)[::-1], "(values, indices) is wanted"),
        (lambda parts, k: by_lexsort(parts, 10_000), "only the k best are wanted"),
        (lambda parts, k: by_lexsort(parts[:1], k), "shape"),
        (lambda parts, k: by_lexsort(parts, k)[0], "2 results"),
    ],
    "08.3": [
        (bound_of(lambda lost, largest: lost + largest), "may be longer than 1"),
        (bound_of(lambda lost, largest: lost), "left out what the anchors lose"),
        (bound_of(lambda lost, largest: largest.expand_as(lost)), "left out what the queries lose"),
        (bound_of(lambda lost, largest: lost * largest), "you multiplied them"),
        (bound_of(right_join, anchor=lambda x: x.norm(dim=1).mean()), "took the mean"),
        (bound_of(right_join, anchor=lambda x: x.norm(dim=1).min()), "took the smallest"),
        (bound_of(right_join, lambda x: x.pow(2).sum(1), lambda x: x.pow(2).sum(1).max()), "squared lengths"),
        (bound_of(right_join, lambda x: x.abs().amax(1), lambda x: x.abs().max()), "largest component"),
        (bound_of(right_join, lambda x: x.abs().sum(1), lambda x: x.abs().sum(1).max()), "much too large"),
        (bound_of(right_join, anchor=lambda x: x.norm()), "whole table"),
        (lambda q, r, a, b: (q @ a.T - r @ b.T).abs().amax(dim=1), "You measured the largest error"),
        (lambda q, r, a, b: bound(q, r, a, b).max(), "each query has its own"),
        (
            lambda q, r, a, b: torch.stack([bound(q, r, a[i : i + 1], b[i : i + 1]) for i in range(len(a))], 1),
            "for each pair of a query and an anchor",
        ),
        (lambda q, r, a, b: 2 * bound(q, r, a, b), "the right ones times 2"),
    ],
    "08.4": [
        (keep_from(lambda t, e: t - e), "may be E less than T, and the anchor that you drop may be E better"),
        (keep_from(lambda t, e: t), "the errors count for nothing"),
        (exactly_k, "You kept exactly k"),
        (keep_from(lambda t, e: t + 2 * e), "lies above T"),
        (lambda x, k, e: x > (x.topk(k, dim=1).values[:, -1] - 2 * e)[:, None], "with >="),
        (lambda x, k, e: keep(x, k, e.max().expand(len(x))), "largest bound of all queries"),
        (one_place_off, "place k + 1"),
        (lambda x, k, e: keep(x, max(1, k - 1), e), "place k - 1"),
        (lambda x, k, e: x >= (x.amax(dim=1) - 2 * e)[:, None], "took the largest product"),
        (lambda x, k, e: x >= (x.topk(k, dim=1, largest=False).values[:, -1] - 2 * e)[:, None], "k-th smallest"),
        (whole_table, "one threshold for the whole table"),
        (lambda x, k, e: keep(x.abs(), k, e), "whatever their sign"),
        (keep_from(lambda t, e: t * (1 - 2 * e)), "nothing relative"),
        (lambda *case: ~keep(*case), "which anchors may go"),
        (lambda *case: keep(*case).float(), "bool is wanted"),
        (positions, "shape"),
        (keep_from(lambda t, e: t - 3 * e), "that cannot be"),
        (keep_from(lambda t, e: t - 1.5 * e), "you dropped"),
    ],
    "08.5": [
        (inverted_with(add=lambda score, value, entry: value * entry), "only the last counts"),
        (one_caption_for_each, "one caption for each anchor"),
        (inverted_with(add=lambda score, value, entry: score + entry), "left out the picture's values"),
        (inverted_with(add=lambda score, value, entry: score + value), "left out the captions' values"),
        (inverted_with(add=lambda score, value, entry: score + 1), "counted the shared anchors"),
        (inverted_with(add=lambda score, value, entry: score + value + entry), "not their sum"),
        (same_place, "the same place"),
        (inverted_with(count=lambda i, j, scores, looked: i.numel()), "every entry of every caption"),
        (inverted_with(count=lambda i, j, scores, looked: i.numel() * len(j)), "every entry with every anchor"),
        (inverted_with(count=lambda i, j, scores, looked: len(j)), "counted the anchors of the picture"),
        (inverted_with(count=lambda i, j, s, looked: int(torch.isin(j, i).sum())), "anchors that are in the index"),
        (inverted_with(count=lambda i, j, scores, looked: int((scores > 0).sum())), "counted the captions"),
        (tensor_keys, "dictionary keys are never equal"),
        (anchor_not_there, "not in the index"),
        (lambda *case: inverted(*case)[::-1], "a Tensor of shape"),
        (lambda *case: inverted(*case)[0], "2 results"),
    ],
    "08.6": [
        (knob_by(lambda m, e, margin: paired_difference(m, e).low > -margin), "falsely certain"),
        (knob_by(lambda m, e, margin: low_by_standard_errors(m, e) > -margin), "falsely certain"),
        (knob_by(lambda m, e, margin: (m.float() - e.float()).mean() > -margin), "without its interval"),
        (knob_by(lambda m, e, margin: paired_difference(m, e).high >= 0), "its interval holds 0"),
        (knob_by(own_intervals), "intervals of their own"),
        (knob_by(lambda m, e, margin: (m != e).float().mean() < margin), "asked for the same decisions"),
        (knob_by(lambda m, e, margin: max(map(abs, paired_difference(m, e).ci)) < margin), "are *better*"),
        (knob_by(lambda m, e, margin: paired_difference(m, e).high > -margin), "upper end"),
        (knob_by(lambda m, e, margin: paired_difference(e, m).low > -margin), "wrong way round"),
        (knob_by(lambda m, e, margin: paired_difference(m, e).low >= 0), "a loss within the margin"),
        (knob_by(lambda m, e, margin: 100 * paired_difference(m, e).low > -margin), "two points"),
        (knob_by(right_test, pick=max), "the smallest is the cheapest"),
        (knob_by(right_test, pick=lambda good: good[0]), "first in the list"),
        (best_of_all, "highest accuracy"),
        (its_position, "position in the list"),
        (largest_where_none, "You returned the largest effort"),
        (returns_none, "return 0"),
    ],
}
