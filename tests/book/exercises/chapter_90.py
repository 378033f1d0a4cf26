"""Right and wrong solutions of chapter 90."""

import torch
import torch.nn.functional as F


def elsewhere_in_a_loop(scores, column):
    found = []
    for row in scores.tolist():
        found.append(max((j for j in range(len(row)) if j != column), key=row.__getitem__))
    return torch.tensor(found)


RIGHT = {
    "90.1": [lambda z: F.normalize(z), lambda z: z / z.square().sum(1).sqrt()[:, None]],
    "90.2": [elsewhere_in_a_loop],
}

WRONG = {}
