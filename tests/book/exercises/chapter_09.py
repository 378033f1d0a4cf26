"""Solutions of chapter 09, the paper, as students write them."""

import torch


def holm_in_a_loop(p_values):
    values, m, largest = p_values.tolist(), len(p_values), 0.0
    corrected = [0.0] * m
    for rank, place in enumerate(sorted(range(m), key=lambda i: values[i])):
        value = min(1.0, (m - rank) * values[place])
        largest = max(largest, value)
        corrected[place] = largest
    return torch.tensor(corrected)


def offsets_in_a_loop(cosines, m, share):
    near = torch.zeros(len(cosines))
    for i, row in enumerate(cosines.tolist()):
        near[i] = sum(sorted(row[:i] + row[i + 1 :])[-m:]) / m
    return share * near - share * near.mean()


def by_mean_of_exponentials(scores, bank, beta):
    largest = (beta * bank).max(dim=0).values
    return beta * scores - largest - (beta * bank - largest).exp().mean(dim=0).log()


def row_by_row(weights):
    columns = weights.sum(dim=0)
    return torch.stack([row / columns / (row / columns).sum() for row in weights])


def investigates_in_a_loop(rivals, sizes, measure):
    best, chosen = 0.0, None
    for n in sizes[::-1]:
        for rival in rivals:
            gap = measure(rival, n).sum().item()
            if gap > best:
                best, chosen = gap, [rival, n]
    return chosen


def looks_for_the_loser(rivals, sizes, measure):
    return min(((r, n) for r in rivals for n in sizes), key=lambda s: measure(*s).mean().item())


RIGHT = {
    "09.1": [holm_in_a_loop], "09.2": [offsets_in_a_loop], "09.3": [by_mean_of_exponentials],
    "09.4": [row_by_row], "09.5": [investigates_in_a_loop],
}  # fmt: skip

WRONG = {
    "09.4": [(lambda w: w / w.sum(0), "divided by the sum of each column of `w`")],
    "09.5": [
        (lambda rivals, sizes, measure: (rivals[0], sizes[0]), "measured 0 settings"),
        (looks_for_the_loser, "not ahead"),
        (lambda rivals, sizes, measure: ("CLIP", sizes[0]), "'CLIP' is not one of"),
        (lambda rivals, sizes, measure: (rivals[0], 7), "7 is not one of"),
        (lambda rivals, sizes, measure: rivals[0], "a rival's name and a number"),
    ],
}
