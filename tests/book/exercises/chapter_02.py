"""Solutions of chapter 02, anchors, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F


def by_chance_one_by_one(n, k):
    return sum(1 / (n - 1) for _ in range(k))


def lists(similarity, k, itself=False):
    similarity = similarity.clone()
    if not itself:
        similarity.fill_diagonal_(-torch.inf)
    return [set(row) for row in similarity.topk(k, dim=1).indices.tolist()]


def mutual(a, b, k):
    shared = zip(lists(a, k), lists(b, k), strict=True)
    return torch.tensor([len(x & y) / k for x, y in shared])


def correlation(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    upper = np.triu_indices(len(a), 1)
    return float(np.corrcoef(a[upper], b[upper])[0, 1])


def shuffled(a, b, order):
    return correlation(a, b[order][:, order])


def both_at_once(a, b, order):
    shuffled = b[order, order]
    rows, columns = torch.triu_indices(len(a), len(a), offset=1)
    return torch.corrcoef(torch.stack([a[rows, columns], shuffled[rows, columns]]))[0, 1]


def coverage_one_by_one(z, a):
    mean = a.mean(dim=0)
    return torch.stack([F.cosine_similarity(row - mean, a - mean, dim=1).max() for row in z])


def farthest(similarity, count, first):
    chosen = [first]
    for _ in range(count - 1):
        best = similarity[:, chosen].max(dim=1).values
        best[chosen] = torch.inf
        chosen.append(best.argmin().item())
    return torch.tensor(chosen)


def disagreement_of_rows(image, text):
    scores = []
    for i in range(len(image)):
        others = torch.arange(len(image)) != i
        scores.append(-torch.corrcoef(torch.stack([image[i, others], text[i, others]]))[0, 1])
    return torch.stack(scores)


def few_common_neighbours(image, text, k=10):
    return 1 - mutual(image, text, k)


RIGHT = {
    "02.1": [by_chance_one_by_one], "02.2": [mutual], "02.3": [shuffled], "02.4": [coverage_one_by_one],
    "02.5": [farthest], "02.6": [disagreement_of_rows, few_common_neighbours],
}  # fmt: skip
WRONG = {
    "02.3": [(both_at_once, "first the rows, then the columns")],
    "02.6": [
        (lambda i, t: (i * t).sum(dim=1), "other way round"),
        (lambda i, t: i.diagonal() - t.diagonal().clamp_max(1), "itself"),
        (lambda i, t: -t.mean(dim=1), "With other pictures"),
        (lambda i, t: -i.fill_diagonal_(-1).max(dim=1).values, "changed its input"),
        (lambda i, t: i.clone().fill_diagonal_(-torch.inf).sum(dim=1) - t.sum(dim=1), "NaN or infinite"),
        (lambda i, t: (i.mean(dim=1) - t.mean(dim=1)).abs(), "0.5 is guessing"),
        (lambda i, t: (i - t).abs().mean(dim=1), "all differences count alike"),
        (lambda i, t: few_common_neighbours(i, t, 1), "only a few different values"),
        (lambda i, t: (i - t).abs().amax(dim=1), "which end of the cloud was flat"),
        (lambda i, t: disagreement_of_rows(i, t).argsort(descending=True)[:10], "one score for each pair"),
    ],
}
