"""Right and wrong solutions of chapter 90."""

import torch
import torch.nn.functional as F


def rows_in_a_loop(z):
    return torch.stack([row / (row @ row).sqrt() for row in z])


def elsewhere_in_a_loop(scores, column):
    found = []
    for row in scores.tolist():
        found.append(max((j for j in range(len(row)) if j != column), key=row.__getitem__))
    return torch.tensor(found)


def masked(scores, column):
    return scores.masked_fill(torch.arange(scores.shape[1]) == column, -torch.inf).argmax(dim=1)


RIGHT = {
    "90.1": [lambda z: F.normalize(z), lambda z: z / z.square().sum(1).sqrt()[:, None], rows_in_a_loop],
    "90.2": [elsewhere_in_a_loop, masked],
}

WRONG = {
    "90.1": [
        
        
        
    ],
    "90.2": [
        
        
        
    ],
}  # fmt: skip
