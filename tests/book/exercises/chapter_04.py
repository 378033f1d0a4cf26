"""Solutions of chapter 04, sparsification, as students write them."""

import heapq

import numpy as np
import torch
import torch.nn.functional as F

from asif_lib.sparse import sparsify

# 04.1 clamp and power


def relu_power(relative, p):
    return F.relu(relative).pow(p)


def masked_power(relative, p):
    kept = torch.where(relative > 0, relative, torch.zeros_like(relative))
    return kept**p


# 04.2 the four steps


def kept(relative, k, *, largest=True, dim=1):
    indices = relative.topk(min(k, relative.shape[dim]), dim=dim, largest=largest).indices
    return torch.zeros_like(relative).scatter(dim, indices, relative.gather(dim, indices))


def four_steps(relative, k, p):
    return F.normalize(kept(relative, k).clamp_min(0) ** p, dim=1)


def row_by_row(relative, k, p):
    result = torch.zeros_like(relative)
    for i, row in enumerate(relative):
        order = row.argsort(descending=True)[:k]
        values = row[order].clamp(min=0) ** p
        length = (values**2).sum().sqrt()
        if length > 0:
            result[i, order] = values / length
    return result


def by_threshold(relative, k, p):
    smallest = relative.topk(k, dim=1).values[:, -1:]
    return F.normalize((relative * (relative >= smallest)).clamp_min(0) ** p, dim=1)


# 04.3 the choice of k and p


def one_standard_error(evaluate, ks, ps):
    found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
    best, error = max(found.values(), key=lambda pair: pair[0])
    k, p = min(setting for setting, (value, _) in found.items() if value >= best - error)
    return k, p, evaluate(k, p, "test")[0]


def one_standard_error_in_loops(evaluate, ks, ps):
    best, error = -1, 0
    for k in ks:
        for p in ps:
            value, e = evaluate(k, p, "validation")
            if value > best:
                best, error = value, e
    for k in sorted(ks):
        for p in sorted(ps):
            if evaluate(k, p, "validation")[0] >= best - error:
                return k, p, evaluate(k, p, "test")[0]


def settings(evaluate, ks, ps, split="validation"):
    return {(k, p): evaluate(k, p, split) for k in ks for p in ps}


def peeks_and_chooses_well(evaluate, ks, ps):
    tests = settings(evaluate, ks, ps, "test")
    k, p, _ = one_standard_error(evaluate, ks, ps)
    return k, p, tests[k, p][0]


def highest(evaluate, ks, ps):
    found = settings(evaluate, ks, ps)
    k, p = max(found, key=lambda s: found[s][0])
    return k, p, evaluate(k, p, "test")[0]


def wrong_split_name(evaluate, ks, ps):
    return settings(evaluate, ks, ps, "val")


# 04.4 a trap for a missing clamp


def trap(n):
    image, captions = torch.zeros(n), torch.zeros(2, n)
    image[0], image[1] = 0.5, -0.8
    captions[0, 0], captions[1, 1] = 0.5, -0.8
    return image, captions


def dense_trap(n):
    image = torch.full((n,), -0.6)
    image[0] = 0.4
    first, second = torch.full((n,), 0.0), torch.full((n,), -0.9)
    first[0] = 1.0
    return image, torch.stack([first, second])


def trap_with(image, first, second):
    def build(n):
        pad = torch.zeros(n - 3)
        rows = [torch.cat([torch.tensor(row), pad]) for row in (image, first, second)]
        return rows[0], torch.stack(rows[1:])

    return build


# 04.5 top k in blocks


def running_top_k(queries, blocks, k):
    values = torch.full((len(queries), k), -torch.inf)
    indices = torch.zeros((len(queries), k), dtype=torch.int64)
    start = 0
    for block in blocks:
        tile = queries @ block.T
        here = torch.arange(start, start + len(block)).expand(len(queries), -1)
        joined, places = torch.cat([values, tile], 1), torch.cat([indices, here], 1)
        values, order = joined.topk(k, dim=1)
        indices = places.gather(1, order)
        start += len(block)
    return values, indices


def numpy_top_k(queries, blocks, k):
    q = queries.numpy()
    values, indices, start = np.empty((len(q), 0), np.float32), np.empty((len(q), 0), int), 0
    for block in blocks:
        values = np.concatenate([values, q @ block.numpy().T], 1)
        indices = np.concatenate([indices, np.tile(np.arange(start, start + len(block)), (len(q), 1))], 1)
        order = np.argsort(-values, 1)[:, :k]
        values, indices = np.take_along_axis(values, order, 1), np.take_along_axis(indices, order, 1)
        start += len(block)
    return torch.from_numpy(values), torch.from_numpy(indices)


def heap_top_k(queries, blocks, k):
    heaps, start = [[] for _ in queries], 0
    for block in blocks:
        for heap, row in zip(heaps, (queries @ block.T).tolist(), strict=True):
            for i, value in enumerate(row):
                if len(heap) < k:
                    heapq.heappush(heap, (value, start + i))
                elif value > heap[0][0]:
                    heapq.heapreplace(heap, (value, start + i))
        start += len(block)
    found = [sorted(heap, reverse=True) for heap in heaps]
    return torch.tensor([[v for v, _ in h] for h in found]), torch.tensor([[i for _, i in h] for h in found])


def joins_the_blocks(queries, blocks, k):
    values, indices = (queries @ torch.cat(list(blocks)).T).topk(k, dim=1)
    return values, indices


def joins_the_tiles(queries, blocks, k):
    return tuple(torch.cat([queries @ block.T for block in blocks], dim=1).topk(k, dim=1))


def joins_in_numpy(queries, blocks, k):
    scores = np.concatenate([queries.numpy() @ block.numpy().T for block in blocks], axis=1)
    order = np.argsort(-scores, axis=1)[:, :k]
    return torch.from_numpy(np.take_along_axis(scores, order, 1)), torch.from_numpy(order)


def joins_lists(queries, blocks, k):
    rows = [[] for _ in queries]
    for block in blocks:
        for row, more in zip(rows, (queries @ block.T).tolist(), strict=True):
            row += more
    found = [heapq.nlargest(k, enumerate(row), key=lambda pair: pair[1]) for row in rows]
    return torch.tensor([[v for _, v in f] for f in found]), torch.tensor([[i for i, _ in f] for f in found])


def merging(queries, blocks, k, *, offset="count", first=-torch.inf, narrow=True, merge=True):
    values, indices = torch.full((len(queries), k), first), torch.zeros((len(queries), k), dtype=torch.int64)
    start = 0
    for number, block in enumerate(blocks):
        best, where = (queries @ block.T).topk(min(k, len(block)) if narrow else k, dim=1)
        where = where + {"count": start, "none": 0, "number": number * len(block), "index": number}[offset]
        values, order = torch.cat([values, best], 1).topk(k, dim=1)
        indices = torch.cat([indices, where], 1).gather(1, order) if merge else where
        start += len(block)
    return values, indices


def counts_first(queries, blocks, k):
    n = sum(len(block) for block in blocks)
    scores = torch.zeros(len(queries), n)
    for block in blocks:
        scores += queries @ block.T
    return tuple(scores.topk(k, dim=1))


def indexes_with_the_order(queries, blocks, k):
    values, indices, start = torch.zeros(len(queries), 0), torch.zeros(len(queries), 0, dtype=torch.int64), 0
    for block in blocks:
        values = torch.cat([values, queries @ block.T], 1)
        indices = torch.cat([indices, torch.arange(start, start + len(block)).repeat(len(queries), 1)], 1)
        values, order = values.topk(min(k, values.shape[1]))
        indices = indices[:, order]  # (q, q, k): gather is wanted
        indices = indices.reshape(len(queries), -1)[:, : values.shape[1]]
        start += len(block)
    return values, indices


def doubled_shape(queries, blocks, k):
    values, indices = running_top_k(queries, blocks, k)
    return values, indices[:, torch.arange(k).expand(len(queries), -1)]


# 04.6 the cosine of sparse vectors


def sparse_dict(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b.tolist(), values_b.tolist(), strict=True))
    return sum(v * other.get(i, 0.0) for i, v in zip(indices_a.tolist(), values_a.tolist(), strict=True))


def sparse_table(indices_a, values_a, indices_b, values_b):
    same = indices_a.unsqueeze(1) == indices_b.unsqueeze(0)
    return (values_a @ same.float() @ values_b).item()


def tensor_keys(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b, values_b, strict=True))
    return sum(v * other.get(i, 0.0) for i, v in zip(indices_a, values_a, strict=True))


def failing_tensor_keys(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b, values_b, strict=True))
    return sum(v * other[i] for i, v in zip(indices_a, values_a, strict=True))


RIGHT = {
    "04.1": [relu_power, masked_power, lambda r, p: r.clamp(0) ** p],
    "04.2": [four_steps, row_by_row, lambda r, k, p: sparsify(r, k, p).to_dense()],
    "04.3": [one_standard_error, one_standard_error_in_loops],
    "04.4": [trap, dense_trap, trap_with([0.5, -0.8, 0.0], [0.5, 0.0, 0.0], [0.0, 0.8, 0.0])],
    "04.5": [running_top_k, numpy_top_k, heap_top_k, merging],
    "04.6": [sparse_dict, sparse_table],
}

WRONG = {
    "04.1": [
        (lambda r, p: torch.relu(torch.pow(r, p)), "before you set negative"),
        (lambda r, p: r.clamp_(min=0) ** p, "changed its input"),
        (lambda r, p: torch.copysign(r.abs() ** p, r), "negative values must become 0"),
        (lambda r, p: [[max(x, 0) ** p for x in row] for row in r.tolist()], "returned a list"),
    ],
    "04.2": [
        (lambda r, k, p: F.normalize(kept(r, k) ** p, dim=1), "negative"),
        (lambda r, k, p: r[:, :k], "shape"),
        (lambda r, k, p: r.topk(k, dim=1), ".values or .indices"),
        (by_threshold, "your function kept 4"),
    ],
    "04.3": [
        (peeks_and_chooses_well, "opened the test split for 16 settings"),
        (highest, "within one standard error of it"),
        (wrong_split_name, "there is no split 'val'"),
    ],
    "04.4": [
        (trap_with([0.5, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0]), "or of the second caption is negative"),
        (trap_with([0.5, -0.8, 0.0], [0.0, -0.8, 0.0], [0.5, -0.1, 0.0]), "changed places"),
        (trap_with([0.5, -0.8, 0.0], [0.0, 0.0, 0.5], [0.0, -0.8, 0.0]), "Make both more similar to one anchor"),
        (trap_with([0.8, -0.1, 0.0], [0.8, 0.0, 0.0], [0.0, -0.1, 0.0]), "without the clamp by at least"),
        (trap_with([5.0, -8.0, 0.0], [5.0, 0.0, 0.0], [0.0, -8.0, 0.0]), "between -1 and 1"),
        (lambda n: trap(3), "shapes (3,)"),
        (lambda n: trap(n)[0], "Return two tensors"),
        (lambda n: (trap(n)[0], trap(n)[1].T), "are wanted"),
        (lambda n: [t.tolist() for t in trap(n)], "Tensor of shape"),
    ],
    "04.5": [
        (joins_the_blocks, "The values are right, but with 16 pictures"),
        (joins_the_tiles, "the dense matrix has 96,000"),
        (joins_in_numpy, "let the block go"),
        (joins_lists, "let the block go"),
        (lambda q, b, k: merging(q, b, k, offset="none"), "count from 0 in each block"),
        (lambda q, b, k: merging(q, b, k, narrow=False), "fewer anchors than k"),
        (lambda q, b, k: merging(q, b, k)[0], "2 results"),
        (indexes_with_the_order, "of your 2 results, number 2: the shape is right, but"),
        (doubled_shape, "number 2: your result has shape (3, 3, 3); expected (3, 3)"),
        (
            lambda q, b, k: tuple((q @ list(b)[-1].T).topk(k, dim=1)),
            "of your 2 results, number 1: the shape is right, but the values",
        ),
        (counts_first, "of your 2 results, number 1: your values are all 0"),
    ],
    "04.6": [
        (tensor_keys, "dictionary keys are never equal"),
        (failing_tensor_keys, "dictionary keys are never equal"),
        (lambda i, v, j, w: float((v[: len(w)] * w[: len(v)]).sum()), "same position"),
    ],
}
