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


def with_zero(scores, column):
    return (scores * (torch.arange(scores.shape[1]) != column)).argmax(dim=1)


def with_a_minus_one(scores, column):
    return scores.masked_fill(torch.arange(scores.shape[1]) == column, -1.0).argmax(dim=1)


def largest_down(scores, column):
    return scores.masked_fill(torch.arange(scores.shape[1]) == column, -torch.inf).max(dim=0).indices


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
        (lambda z: z / z.square().sum().sqrt(), "one length for the whole matrix"),
        (lambda z: z / (z**2).sum(dim=1)[:, None], "the squared length"),
        (lambda z: z / z.sum(dim=1, keepdim=True), "the sum of the row"),
        (lambda z: z / z.norm(p=1, dim=1, keepdim=True), "the absolute values"),
        (lambda z: z / z.max(dim=1, keepdim=True).values, "the largest entry of each row"),
        (lambda z: z * z.norm(dim=1, keepdim=True), "multiplied"),
        (lambda z: z / z.mean(dim=1, keepdim=True), "the mean of the row"),
        (lambda z: z.norm(dim=1), "These are the lengths"),
        (in_place, "changed its input"),
    ],
    "90.2": [
        (lambda scores, column: scores.argmax(dim=1), "left no column out"),
        (lambda scores, column: columns_but(scores, column).argmax(dim=1), "moved by one"),
        (with_zero, "not small enough"),
        (with_a_minus_one, "not small enough"),
        (largest_down, "down the columns"),
        (lambda scores, column: columns_but(scores, column).amax(dim=1), "positions are wanted"),
        (lambda scores, column: (-scores).argmax(dim=1), "smallest"),
        (lambda scores, column: scores.argsort(dim=1)[:, -2], "second largest"),
        (lambda scores, column: masked(scores, column) + 1, "begin at 0"),
        (lambda scores, column: masked(scores, column)[:, None], "kept the dimension"),
        (overwritten, "changed its input"),
    ],
}  # fmt: skip
