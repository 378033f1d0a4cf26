"""Solutions of chapter 10, any two strangers, as students write them."""

import itertools

import torch
import torch.nn.functional as F


def pairs_in_a_loop(mine, other):
    other = other.tolist()
    found = [(i, other.index(number)) for i, number in enumerate(mine.tolist()) if number in other]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 2)


def pairs_without_a_shape(mine, other):
    return torch.tensor([(i, j) for i, m in enumerate(mine) for j, o in enumerate(other) if m == o], dtype=torch.int64)


def back_in_a_loop(scores):
    best = [int(row.argmax()) for row in scores]
    return torch.tensor([int(scores[:, j].argmax()) == i for i, j in enumerate(best)])


def cosines_with_own_mean(z, mean, anchors):
    return F.normalize(z - mean, dim=1) @ F.normalize(anchors - anchors.mean(dim=0), dim=1).T


def bridges_in_a_loop(first, second):
    arrived = one = two = 0
    for i in range(len(first)):
        english = int(first[i].argmax())
        if int(second[english].argmax()) == i:
            arrived += 1
        elif english != i:
            one += 1
        else:
            two += 1
    return torch.tensor([arrived, one, two]) / len(first)


def best_pair(languages, measure):
    pairs = [list(pair) for pair in itertools.combinations(languages, 2)]
    return max(pairs, key=lambda pair: float(measure(pair).mean()))


RIGHT = {
    "10.1": [pairs_in_a_loop], "10.2": [back_in_a_loop], "10.3": [cosines_with_own_mean], "10.4": [bridges_in_a_loop],
    "10.5": [best_pair],
}  # fmt: skip

WRONG = {
    "10.1": [
        (pairs_without_a_shape, "On input 3 (where no stamp is in both): the values are right, but in the shape (0,)")
    ],
    "10.5": [
        (lambda languages, measure: languages[:2], "measured 0 choices"),
        (lambda languages, measure: languages[: len([measure(languages[:n]) for n in (2, 1)]) - 1], "not ahead"),
        (lambda languages, measure: ["Klingon"], "'Klingon' is not one of"),
        (lambda languages, measure: [languages[0]] * 2, "occurs twice"),
        (lambda languages, measure: 3, "a list"),
    ],
}
