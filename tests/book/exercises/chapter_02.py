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


def mutual_by_sorting(a, b, k):
    shares = []
    for i in range(len(a)):
        others = [j for j in range(len(a)) if j != i]
        first = sorted(others, key=lambda j: -float(a[i, j]))[:k]
        second = sorted(others, key=lambda j: -float(b[i, j]))[:k]
        shares.append(sum(j in second for j in first) / k)
    return torch.tensor(shares)


def correlation(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    upper = np.triu_indices(len(a), 1)
    return float(np.corrcoef(a[upper], b[upper])[0, 1])


def shuffled(a, b, order):
    return correlation(a, b[order][:, order])


def shuffled_by_formula(a, b, order):
    n = len(order)
    x, y = [], []
    for i in range(n):
        for j in range(i):
            x.append(a[i, j])
            y.append(b[order[i], order[j]])
    x, y = torch.stack(x) - torch.stack(x).mean(), torch.stack(y) - torch.stack(y).mean()
    return (x @ y / (x.norm() * y.norm())).item()


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


def farthest_in_lists(similarity, count, first):
    chosen = [first]
    while len(chosen) < count:
        left = [i for i in range(len(similarity)) if i not in chosen]
        chosen.append(min(left, key=lambda i: max(float(similarity[i, c]) for c in chosen)))
    return torch.tensor(chosen)


def disagreement_of_rows(image, text):
    scores = []
    for i in range(len(image)):
        others = torch.arange(len(image)) != i
        scores.append(-torch.corrcoef(torch.stack([image[i, others], text[i, others]]))[0, 1])
    return torch.stack(scores)


def captions_of_neighbours(image, text):
    near = image.clone().fill_diagonal_(-torch.inf).topk(10, dim=1).indices
    return 1 - text.gather(1, near).mean(dim=1)


def few_common_neighbours(image, text, k=10):
    return 1 - mutual(image, text, k)


def dot_product(image, text):
    return -(image * text).sum(dim=1)


RIGHT = {
    "02.1": [by_chance_one_by_one],
    "02.2": [mutual, mutual_by_sorting],
    "02.3": [shuffled, shuffled_by_formula],
    "02.4": [coverage_one_by_one],
    "02.5": [farthest, farthest_in_lists],
    "02.6": [disagreement_of_rows, captions_of_neighbours, few_common_neighbours, dot_product],
}
WRONG = {
    "02.2": [
        (lambda a, b, k: mutual(a, b, k).round(), "rounded: keep the fractions"),
        (lambda a, b, k: mutual(a, b, k)[:-1], "`a` − 1; as many as the number of rows"),
    ],
    "02.3": [(both_at_once, "first the rows, then the columns")],
    "02.6": [
        (lambda i, t: (i * t).sum(dim=1), "other way round"),
        (lambda i, t: i.diagonal() - t.diagonal().clamp_max(1), "itself"),
        (lambda i, t: -t.mean(dim=1), "With other pictures"),
        (lambda i, t: -i.fill_diagonal_(-1).max(dim=1).values, "changed its input"),
        (lambda i, t: (i - t).abs(), "one score for each pair"),
        (lambda i, t: i.clone().fill_diagonal_(-torch.inf).sum(dim=1) - t.sum(dim=1), "NaN or infinite"),
        (lambda i, t: (i.mean(dim=1) - t.mean(dim=1)).abs(), "0.5 is guessing"),
        (lambda i, t: (i - t).abs().mean(dim=1), "all differences count alike"),
        (lambda i, t: few_common_neighbours(i, t, 1), "only a few different values"),
        (lambda i, t: (i - t).abs().amax(dim=1), "which end of the cloud was flat"),
        (lambda i, t: disagreement_of_rows(i, t).argsort(descending=True)[:10], "one score for each pair"),
    ],
}
