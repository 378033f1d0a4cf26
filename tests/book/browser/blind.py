"""Forty wrong solutions, written in one go as second-year students err, for a comparison of the two roads."""

import math

import numpy as np
import torch
import torch.nn.functional as F

RIGHT = {}


def loops_forget_the_root(a, b):
    dot = length_a = length_b = 0
    for x, y in zip(a, b, strict=True):
        dot, length_a, length_b = dot + x * y, length_a + x**2, length_b + y**2
    return dot / (length_a * length_b)


def max_of_shares(image, text):
    shares = image * text
    return shares / shares.max()


def centred_in_place(z, anchors):
    z -= anchors.mean(dim=0)
    anchors -= anchors.mean(dim=0)
    return F.normalize(z) @ F.normalize(anchors).T


def first_only(z_image, z_text, image_anchors, text_anchors):
    for picture in z_image:
        return F.cosine_similarity(picture[None], z_text).argmax()


def counts_rows(similarity, k):
    order = similarity.argsort(dim=1, descending=True)[:, :k]
    return torch.tensor([(row == i).sum() for i, row in enumerate(order)])


def rows_of_numpy(relative, k, p):
    array = np.maximum(relative.numpy(), 0) ** p
    for row in array:
        row[np.argsort(row)[:k]] = 0
    return torch.from_numpy(array / np.linalg.norm(array, axis=1, keepdims=True))


def every_setting(evaluate, ks, ps):
    best = max((evaluate(k, p, "validation"), k, p) for k in ks for p in ps)
    return best[1], best[2], best[0]


def big_block(queries, blocks, k):
    best = [queries @ block.T for block in blocks]
    return torch.stack(best).topk(k, dim=1)


def last_block(queries, blocks, k):
    for block in blocks:
        values, indices = (queries @ block.T).topk(k)
    return values, indices


def zero_instead(image, texts, anchor, k, p):
    image[anchor] = 0
    vector = image.topk(k).values.clamp(min=0) ** p
    return texts[:, :k] @ (vector / vector.norm())


def most_similar(image, texts, k, p):
    return (image * texts[0]).argmax()


def by_hand(scores, wrong):
    wins = 0
    for bad in scores[wrong]:
        wins += (scores[~wrong] > bad).sum()
    return wins / len(scores)


def joined(image, text, new_image, new_text, partner):
    text = torch.cat([text, new_text[partner]], dim=1)
    return torch.cat([image, new_image]), text, image.mean(0), len(image) // 10


def sure(before, after, margin):
    return "changed" if abs(after.mean() - before.mean()) > margin else "unchanged"


def limit_of_quantile(members, others, alarm):
    return (members >= others.quantile(alarm)).float().mean()


def harm_by_counting(images, prompts, labels):
    given = (images @ prompts.T).argmax(0)
    return images[given != labels].sum(0)


def first_ones(image, labels, per_class):
    return torch.cat([torch.where(labels == c)[0][:per_class] for c in range(1, 5)])


WRONG = {
    "00.1": [
        (loops_forget_the_root, ""),
        (lambda a, b: math.cos((a @ b).item()), ""),
        (lambda a, b: torch.dot(a, b) / math.sqrt(a.sum() ** 2 * b.sum() ** 2), ""),
        (lambda a, b: (F.normalize(a) * F.normalize(b)).sum(), ""),
    ],
    "00.2": [(max_of_shares, ""), (lambda image, text: image * text / torch.sum(image), "")],
    "03.1": [
        (lambda z, a: z @ a / (z.norm() * a.norm()), ""),
        (lambda z, a: torch.tensor([[torch.dot(x, y) for y in a] for x in z]), ""),
        (lambda z, a: F.cosine_similarity(z, a), ""),
        (lambda z, a: (z @ a.T) / (z.norm(dim=0) * a.norm(dim=0)), ""),
    ],
    "03.2": [(centred_in_place, ""), (lambda z, a: torch.corrcoef(torch.cat([z, a]))[: len(z), len(z) :], "")],
    "03.3": [(first_only, ""), (lambda zi, zt, ia, ta: (zi @ ia.T @ ta @ zt.T).argmax(dim=1), "")],
    "03.4": [(counts_rows, ""), (lambda s, k: (s > s.sort(dim=1).values[:, -k - 1]).sum(dim=0), "")],
    "03.5": [(lambda z, a, m: (z @ m - z).max(), ""), (lambda z, a, m: torch.linalg.det(m).abs(), "")],
    "04.1": [(lambda r, p: torch.clamp(r, 0, p), ""), (lambda r, p: [max(0, x) ** p for x in r], "")],
    "04.2": [(rows_of_numpy, ""), (lambda r, k, p: F.softmax(r.topk(k).values ** p, dim=1), "")],
    "04.3": [(every_setting, "")],
    "04.4": [(lambda n: (torch.ones(n), torch.stack([torch.ones(n), -torch.ones(n)])), "")],
    "04.5": [(big_block, ""), (last_block, "")],
    "06.1": [(lambda x, y: x * y, ""), (lambda x, y: x @ y.mean(), "")],
    "06.2": [(lambda x, a, b, top: (x * a - x * b).sort().indices[:top], "")],
    "06.3": [(zero_instead, "")],
    "06.4": [(most_similar, "")],
    "06.5": [(by_hand, ""), (lambda s, w: (s[w] < s[~w]).mean(), "")],
    "07.1": [(joined, "")],
    "07.2": [(lambda m, n, a, r: torch.cat([a, r]).mean(0) + m, ""), (lambda m, n, a, r: (m * n + a - r) / n, "")],
    "07.3": [(sure, "")],
    "07.4": [(limit_of_quantile, "")],
    "07.5": [(harm_by_counting, "")],
    "07.6": [(first_ones, "")],
    "90.1": [(lambda z: z / torch.sqrt(z * z), ""), (lambda z: z / z.sum(dim=1), "")],
    "90.2": [(lambda s, c: s[:, c].argmax(), ""), (lambda s, c: s.index_fill(1, c, -math.inf).argmax(1), "")],
}
