"""Solutions of chapter 02, anchors, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from asif_lib.relative import relative_representation as relative


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


def mutual_with_itself(a, b, k):
    shared = zip(lists(a, k, True), lists(b, k, True), strict=True)
    return torch.tensor([len(x & y) / k for x, y in shared])


def mutual_in_place(a, b, k):
    a.fill_diagonal_(-torch.inf)
    b.fill_diagonal_(-torch.inf)
    return mutual(a, b, k)


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


def centred(z, a):
    return relative(z - a.mean(0), a - a.mean(0))


def coverage(z, a):
    return centred(z, a).max(dim=1).values


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


def greedy_by(over, pick=min):
    def choose(similarity, count, first):
        chosen = [first]
        while len(chosen) < count:
            left = [i for i in range(len(similarity)) if i not in chosen]
            chosen.append(pick(left, key=lambda i: over([float(similarity[i, c]) for c in chosen])))
        return torch.tensor(chosen)

    return choose


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
    "02.1": [lambda n, k: k / (n - 1), by_chance_one_by_one],
    "02.2": [mutual, mutual_by_sorting],
    "02.3": [shuffled, shuffled_by_formula],
    "02.4": [coverage, coverage_one_by_one],
    "02.5": [farthest, farthest_in_lists],
    "02.6": [
        disagreement_of_rows,
        captions_of_neighbours,
        few_common_neighbours,
        dot_product,
    ],
}
WRONG = {
    "02.1": [
        (lambda n, k: k / n, "not its own neighbour"),
        (lambda n, k: 1 / (n - 1), "the list has k places"),
        (lambda n, k: None, "return line"),
    ],
    "02.2": [
        (mutual_with_itself, "its own nearest neighbour"),
        (lambda a, b, k: mutual(a, b, k).round(), "rounded: keep the fractions"),
        (lambda a, b, k: mutual(a, b, k)[:-1], "`a` − 1; as many as the number of rows"),
        (lambda a, b, k: mutual(a, b, k).tolist(), "returned a list"),
        (mutual_in_place, "changed its input"),
        (lambda a, b, k: a.topk(k, dim=1), ".indices"),
    ],
    "02.3": [
        (lambda a, b, order: correlation(a, b), "order has no effect"),
        (both_at_once, "first the rows, then the columns"),
        (lambda a, b, order: None, "return"),
    ],
    "02.4": [
        (lambda z, a: relative(z, a).amax(1), "did not subtract the anchors' mean"),
        (lambda z, a: centred(z, a).max(1), ".values or .indices"),
        (lambda z, a: coverage(z.sub_(a.mean(0)), a), "changed its input"),
    ],
    "02.5": [
        (greedy_by(max, max), "cover best"),
        (lambda s, count, first: farthest(s, count, first).tolist(), "returned a list"),
        (lambda s, count, first: farthest(s, count, first).float(), "dtype"),
    ],
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
