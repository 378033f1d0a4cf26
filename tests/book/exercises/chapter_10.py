"""Solutions of chapter 10, any two strangers, as students write them."""

import itertools

import torch
import torch.nn.functional as F


def pairs_in_a_loop(mine, other):
    other = other.tolist()
    found = [(i, other.index(number)) for i, number in enumerate(mine.tolist()) if number in other]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 2)


def pairs_by_broadcasting(mine, other):
    return torch.stack(torch.where(mine[:, None] == other), dim=1)


def back_in_a_loop(scores):
    best = [int(row.argmax()) for row in scores]
    return torch.tensor([int(scores[:, j].argmax()) == i for i, j in enumerate(best)])


def back_by_index(scores):
    return scores.argmax(0)[scores.argmax(1)] == torch.arange(len(scores))


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


def bridges_at_once(first, second):
    own, english = torch.arange(len(first)), first.argmax(1)
    here, over = second[english].argmax(1) == own, english == own
    return torch.stack([here, ~here & ~over, ~here & over]).float().mean(1)


def bridges_apart(first, second):
    own = torch.arange(len(first))
    one, two = first.argmax(1) == own, second.argmax(1) == own
    return torch.stack([one & two, ~one, one & ~two]).float().mean(1)


def best_pair(languages, measure):
    pairs = [list(pair) for pair in itertools.combinations(languages, 2)]
    return max(pairs, key=lambda pair: float(measure(pair).mean()))


def greedily(languages, measure):
    chosen, best = [], 0.0
    while rest := [name for name in languages if name not in chosen]:
        found = {name: measure([*chosen, name]).mean().item() for name in rest}
        name = max(found, key=found.get)
        if found[name] <= best:
            break
        chosen, best = [*chosen, name], found[name]
    return chosen


def returns_another(languages, measure):
    measure(languages[:2]), measure(languages[:3])
    return languages


def lost_though_arrived(first, second):
    found = bridges_at_once(first, second)
    found[1] = (first.argmax(dim=1) != torch.arange(len(first))).float().mean()
    return found


RIGHT = {
    "10.1": [pairs_in_a_loop, pairs_by_broadcasting],
    "10.2": [back_in_a_loop, back_by_index],
    "10.3": [cosines_with_own_mean],
    "10.4": [bridges_in_a_loop, bridges_at_once],
    "10.5": [best_pair, greedily],
}

WRONG = {
    "10.1": [
        (lambda m, o: torch.arange(min(len(m), len(o))).repeat(2, 1).T, "row i with row i"),
        (lambda m, o: pairs_in_a_loop(o, m).flip(1), "the order of `other`"),
        (lambda m, o: torch.where(m[:, None] == o)[0], "only the positions in `mine`"),
        (lambda m, o: torch.stack(torch.where(m[:, None] == o)), "."),
        (lambda m, o: pairs_in_a_loop(m, o).flip(1), "swapped"),
        (lambda m, o: torch.stack([torch.isin(m, o).nonzero()[:, 0], torch.isin(o, m).nonzero()[:, 0]], 1), "belong"),
        (lambda m, o: pairs_in_a_loop(m, o)[m[pairs_in_a_loop(m, o)[:, 0]].argsort()], "sorted by the number"),
    ],
    "10.2": [
        (lambda s: s.argmax(1) == torch.arange(len(s)), "needs the truth"),
        (lambda s: s.argmax(1)[s.argmax(0)] == torch.arange(s.shape[1]), "from the columns"),
        (lambda s: s.argmax(0) == torch.arange(s.shape[1]), "."),
        (lambda s: s.argmax(0)[s.argmax(1)], "int64"),
        (lambda s: back_by_index(s).float().mean(), "."),
    ],
    "10.3": [
        (lambda z, m, a: cosines_with_own_mean(z, a.mean(0), a), "on both sides. The questions"),
        (lambda z, m, a: F.normalize(z - m, dim=1) @ F.normalize(a - m, dim=1).T, "on both sides. The anchors"),
        (lambda z, m, a: cosines_with_own_mean(z, z.mean(0), a), "A single question"),
        (lambda z, m, a: (z - m) @ (a - a.mean(0)).T, "dot products"),
        (lambda z, m, a: F.normalize(z, dim=1) @ F.normalize(a, dim=1).T, "no mean"),
        (lambda z, m, a: cosines_with_own_mean(z, m, a).T, "the transpose"),
    ],
    "10.4": [
        (bridges_apart, "two errors may cancel"),
        (lost_though_arrived, "more than 1"),
        (lambda a, b: bridges_in_a_loop(a, b) * len(a), "divide by the number"),
        (lambda a, b: bridges_in_a_loop(b, a), "in the other order"),
        (lambda a, b: bridges_at_once(a, b)[[0, 2, 1]], "exchanged"),
        (lambda a, b: bridges_at_once(a, b).flip(0), "."),
        (lambda a, b: bridges_at_once(a.T, b.T), "down the columns"),
    ],
    "10.5": [
        (lambda languages, measure: languages[:2], "measured 0 choices"),
        (returns_another, "did not measure"),
        (lambda languages, measure: languages[: len([measure(languages[:n]) for n in (2, 1)]) - 1], "not ahead"),
        (lambda languages, measure: ["Klingon"], "'Klingon' is not one of"),
        (lambda languages, measure: [languages[0]] * 2, "occurs twice"),
        (lambda languages, measure: 3, "a list"),
    ],
}
