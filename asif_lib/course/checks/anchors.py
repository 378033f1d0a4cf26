"""Checks of chapter 02, anchors."""

from dataclasses import replace

import torch

from asif_lib.evaluation.neighbours import (
    mutual_neighbours,
    nearest,
    neighbour_mask,
    pair_correlation,
    shuffled_correlation,
)
from asif_lib.relative import relative_representation, unit_rows

from .encoders import ZERO_DIAGONAL
from .judging import Verdict, compare, exercise, random_tensor


@exercise("02.1", "What chance would give")
def check_share_by_chance(function) -> Verdict:
    """What share of common neighbours chance would give."""
    cases = [(793, 10), (5, 4), (101, 1), (21, 5)]
    mistakes = [
        ("A stamp is not its own neighbour: how many stamps can be?", lambda n, k: k / n),
        (
            "You give the number of common neighbours to expect; the share is that number divided by k.",
            lambda n, k: k * k / (n - 1),
        ),
        (
            "You give the number of common neighbours to expect, and count the stamp itself; give the share, and "
            "leave it out.",
            lambda n, k: k * k / n,
        ),
        (
            "That is the chance that one other stamp is one certain neighbour; the list has k places.",
            lambda n, k: 1 / (n - 1),
        ),
        (
            "You ask that a stamp be in both lists by chance. One list is given: ask only about the other.",
            lambda n, k: (k / (n - 1)) ** 2,
        ),
        ("You give percent; give a share between 0 and 1.", lambda n, k: 100 * k / (n - 1)),
        ("`//` throws the remainder away; a share is a fraction, so divide with `/`.", lambda n, k: k // (n - 1)),
        ("Upside down: a share is at most 1.", lambda n, k: (n - 1) / k),
        ("You took the share that is not in common.", lambda n, k: 1 - k / (n - 1)),
        (
            "A stamp is not its own neighbour, so one stamp less can be drawn, not one more.",
            lambda n, k: k / (n + 1),
        ),
        (
            "You divide by all different stamps of the two lists; divide by k.",
            lambda n, k: k / (2 * (n - 1) - k),
        ),
        (
            "You leave the k stamps of the first list out of the draw; any stamp but the one itself can be drawn.",
            lambda n, k: k / (n - k),
        ),
    ]
    return compare(function, lambda n, k: k / (n - 1), cases, mistakes)


@exercise("02.2", "Neighbours in common")
def check_mutual_neighbours(function) -> Verdict:
    """The share of common neighbours of each stamp."""
    a, b = (similarities(30, 6, seed) for seed in (0, 1))
    c = similarities(12, 3, 2)
    # A 0 on the diagonal is found by the fourth case, a dropped first place by the fifth only.
    cases = [(a, b, 5), (a, b, 1), (c, c, 4), (similarities(12, 3, 3), c, 11), (-c, c, 11)]

    def common(x, y, k, itself):
        return (neighbour_mask(x, k, itself) & neighbour_mask(y, k, itself)).sum(1)

    def without_first(similarity, k):
        others = similarity.topk(k + 1, dim=1).indices[:, 1:]
        return torch.zeros(similarity.shape, dtype=torch.bool).scatter_(1, others, True)

    def zero_diagonal(similarity, k):
        return neighbour_mask(similarity.clone().fill_diagonal_(0), k, True)

    one_too_many = "You look at k + 1 neighbours; take k."
    itself_too = (
        "You look at k + 1 places, and the stamp itself is among them and counts as common; set the diagonal to −inf "
        "and take k."
    )
    mistakes = [
        (
            "You dropped the first place as if it were always the stamp itself; it need not be. Set the diagonal to "
            "−inf instead.",
            lambda x, y, k: (without_first(x, k) & without_first(y, k)).sum(1) / k,
        ),
        (ZERO_DIAGONAL, lambda x, y, k: (zero_diagonal(x, k) & zero_diagonal(y, k)).sum(1) / k),
        (itself_too, lambda x, y, k: common(x, y, k + 1, True) / k),
        (itself_too, lambda x, y, k: common(x, y, k + 1, True) / (k + 1)),
        (one_too_many, lambda x, y, k: common(x, y, k + 1, False) / k),
        (one_too_many, lambda x, y, k: common(x, y, k + 1, False) / (k + 1)),
        (
            "You count each stamp as its own nearest neighbour; its similarity to itself must not take part.",
            lambda x, y, k: (neighbour_mask(x, k, True) & neighbour_mask(y, k, True)).sum(1) / k,
        ),
        (
            "You took the k least similar; neighbours are the k largest similarities of each row.",
            lambda x, y, k: mutual_neighbours(-x, -y, k),
        ),
        (
            "You compare the lists place by place; a neighbour counts wherever it stands in the other list.",
            lambda x, y, k: (nearest(x, k) == nearest(y, k)).sum(1) / k,
        ),
        (
            "You give the number of common neighbours; divide it by k.",
            lambda x, y, k: k * mutual_neighbours(x, y, k),
        ),
        (
            "You divide by k twice, as a mean over all k × k comparisons does; add them up and divide by k once.",
            lambda x, y, k: mutual_neighbours(x, y, k) / k,
        ),
        (
            "You divide by the number of different neighbours in both lists; divide by k.",
            lambda x, y, k: (
                (neighbour_mask(x, k) & neighbour_mask(y, k)).sum(1)
                / (neighbour_mask(x, k) | neighbour_mask(y, k)).sum(1)
            ),
        ),
        (
            "You give one mean; return one share for each stamp, n numbers.",
            lambda x, y, k: mutual_neighbours(x, y, k).mean(),
        ),
    ]
    return compare(function, mutual_neighbours, cases, mistakes)


@exercise("02.3", "A correlation without a cause")
def check_shuffled_correlation(function) -> Verdict:
    """The correlation over all pairs once the captions have been dealt out anew."""
    a, b = similarities(20, 5, 4), similarities(20, 5, 5)
    moved = torch.arange(20).roll(7)
    mixed = torch.randperm(20, generator=torch.Generator().manual_seed(6))
    cases = [(a, b, mixed), (a, a, moved), (a, b, torch.arange(20)), (a, a, torch.arange(20).flip(0))]

    def with_diagonal(x, y, order):
        rows, columns = torch.triu_indices(*x.shape)
        return torch.corrcoef(torch.stack([x[rows, columns], y[order][:, order][rows, columns]]))[0, 1]

    def both(x, y, order):
        rows, columns = torch.triu_indices(*x.shape, offset=1)
        return torch.stack([x[rows, columns], y[order][:, order][rows, columns]])

    only_one_side = (
        "You moved only the rows (or only the columns): caption i then lost its own similarities. Put "
        "rows and columns of the caption matrix into the new order."
    )
    mistakes = [
        (
            "The order has no effect: you did not use it, or you moved pictures and captions alike, and then every "
            "picture keeps its caption.",
            lambda x, y, order: pair_correlation(x, y),
        ),
        (only_one_side, lambda x, y, order: pair_correlation(x, y[order])),
        (only_one_side, lambda x, y, order: pair_correlation(x, y[:, order])),
        (
            "You used the whole matrices: the diagonal compares each stamp with itself, and has no place here.",
            lambda x, y, order: torch.corrcoef(torch.stack([x.ravel(), y[order][:, order].ravel()]))[0, 1],
        ),
        (
            "You took the diagonal in: it compares each stamp with itself. Start above it, with offset=1.",
            with_diagonal,
        ),
        (
            "You return the whole 2 × 2 matrix of correlations; the correlation of the two is outside its diagonal.",
            lambda x, y, order: torch.tensor([[1, r := shuffled_correlation(x, y, order)], [r, 1]]),
        ),
        (
            "You gave caption i to picture order[i]; picture i gets caption order[i]. (Moving the pictures by `order`, "
            "and not the captions, does the same.)",
            lambda x, y, order: shuffled_correlation(x, y, order.argsort()),
        ),
        (
            "You return the covariance; a correlation is the covariance divided by both standard deviations.",
            lambda x, y, order: torch.cov(both(x, y, order))[0, 1],
        ),
        (
            "You left the two means in: that is a cosine. For Pearson's correlation each series loses its mean first.",
            lambda x, y, order: torch.cosine_similarity(*both(x, y, order), dim=0),
        ),
    ]
    verdict = compare(function, shuffled_correlation, cases, mistakes)
    if "too many indices" in verdict.message:
        picked = "`matrix[order, order]` picks n single entries; take first the rows, then the columns."
        return replace(verdict, message=f"{verdict.message} {picked}")
    return verdict


SCALED_FIRST = (
    "You scaled to length 1 first and took the mean off afterwards: the rows are not of length 1 any more, and the "
    "results are no cosines."
)


@exercise("02.4", "Coverage")
def check_coverage(function) -> Verdict:
    """The nearest anchor of each vector, and its similarity."""
    anchors = random_tensor(9, 4, seed=7) + 1
    cases = [
        (random_tensor(6, 4, seed=8), anchors),
        (anchors[2:5] * 3, anchors),
        (random_tensor(1, 4, seed=9), anchors),
        (-anchors, 2 * anchors),
    ]

    def scaled_first(z, a, mean):
        return (unit_rows(z) - mean) @ (unit_rows(a) - mean).T

    mistakes = [
        (
            "You compared along the wrong axis: return one similarity for each row of `z`, not for each anchor.",
            lambda z, a: relative_representation(z, a, mean=a.mean(0)).amax(dim=0),
        ),
        (
            "You did not take the anchors' mean off.",
            lambda z, a: relative_representation(z, a).amax(dim=1),
        ),
        (
            "You took the mean of `z` off `z`; take the anchors' mean off both, so that a vector means the same "
            "whatever stands beside it.",
            lambda z, a: (unit_rows(z, z.mean(0)) @ unit_rows(a, a.mean(0)).T).amax(dim=1),
        ),
        (
            "You did not scale the rows to length 1: these are dot products, not cosines.",
            lambda z, a: ((z - a.mean(0)) @ (a - a.mean(0)).T).amax(dim=1),
        ),
        (
            "You took the mean over the anchors; coverage asks for the nearest one.",
            lambda z, a: relative_representation(z, a, mean=a.mean(0)).mean(dim=1),
        ),
        (
            "You return which anchor is nearest; return how similar it is.",
            lambda z, a: relative_representation(z, a, mean=a.mean(0)).argmax(dim=1),
        ),
        (
            "You took the least similar anchor; coverage asks for the nearest one.",
            lambda z, a: relative_representation(z, a, mean=a.mean(0)).amin(dim=1),
        ),
        (
            "You took the mean off `z` only; take it off the anchors as well.",
            lambda z, a: relative_representation(z - a.mean(0), a).amax(dim=1),
        ),
        (
            "You took the mean off the anchors only; take it off `z` as well.",
            lambda z, a: relative_representation(z, a - a.mean(0)).amax(dim=1),
        ),
        (SCALED_FIRST, lambda z, a: scaled_first(z, a, unit_rows(a).mean(0)).amax(dim=1)),
        (SCALED_FIRST, lambda z, a: scaled_first(z, a, a.mean(0)).amax(dim=1)),
    ]
    return compare(
        function,
        lambda z, a: relative_representation(z, a, mean=a.mean(0)).amax(dim=1),
        cases,
        mistakes,
    )


def similarities(n, d, seed) -> torch.Tensor:
    """Return the (n, n) cosines of n random vectors in d dimensions."""
    rows = unit_rows(random_tensor(n, d, seed=seed))
    return rows @ rows.T
