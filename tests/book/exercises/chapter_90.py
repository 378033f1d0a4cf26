"""Right and wrong solutions of chapter 90."""

import torch
import torch.nn.functional as F


def rows_in_a_loop(z):
    return torch.stack([row / (row @ row).sqrt() for row in z])


def in_place(z):
    z /= z.norm(dim=1, keepdim=True)
    return z


def elsewhere_in_a_loop(scores, column):
    found = []
    for row in scores.tolist():
        found.append(max((j for j in range(len(row)) if j != column), key=row.__getitem__))
    return torch.tensor(found)


def masked(scores, column):
    return scores.masked_fill(torch.arange(scores.shape[1]) == column, -torch.inf).argmax(dim=1)


def overwritten(scores, column):
    scores[:, column] = -torch.inf
    return scores.argmax(dim=1)


def columns_but(scores, column):
    return scores[:, [j for j in range(scores.shape[1]) if j != column]]


RIGHT = {
    "90.1": [lambda z: F.normalize(z), lambda z: z / z.square().sum(1).sqrt()[:, None], rows_in_a_loop],
    "90.2": [elsewhere_in_a_loop, masked],
}

WRONG = {
    "90.1": [
        (lambda z: z / z.norm(dim=1), "without keepdim=True"),
        (lambda z: z / z.norm(dim=0), "scaled the columns"),
        (in_place, "changed its input"),
    ],
    "90.2": [
        (lambda scores, column: scores.argmax(dim=1), "left no column out"),
        (lambda scores, column: columns_but(scores, column).argmax(dim=1), "moved by one"),
        (overwritten, "changed its input"),
    ],
}  # fmt: skip
