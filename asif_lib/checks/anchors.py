"""Checks of chapter 02, anchors, and the measures of agreement that it uses."""

import torch

from ..relative import relative_representation, unit_rows
from .core import Verdict, compare, random_tensor
from .encoders import ZERO_DIAGONAL


def mutual_neighbours(image_similarity, text_similarity, k) -> torch.Tensor:
    """Return for each of n stamps the share of its k nearest pictures that are among its k nearest captions.

    `image_similarity` and `text_similarity` are (n, n); no stamp is its own neighbour. The result is (n,).
    """
    near = [_neighbour_mask(similarity, k) for similarity in (image_similarity, text_similarity)]
    return (near[0] & near[1]).sum(dim=1) / k


def pair_correlation(image_similarity, text_similarity) -> float:
    """Return Pearson's correlation of two (n, n) similarities over the n (n - 1) / 2 pairs of two items."""
    upper = _upper(image_similarity), _upper(text_similarity)
    return float(torch.corrcoef(torch.stack(upper))[0, 1])


def shuffled_correlation(image_similarity, text_similarity, order) -> float:
    """Return `pair_correlation` after picture i has been given caption ``order[i]``."""
    return pair_correlation(image_similarity, text_similarity[order][:, order])


def check_mutual_neighbours(function) -> Verdict:
    """Exercise 02.1: the share of common neighbours of each stamp."""
    a, b = (_similarities(30, 6, seed) for seed in (0, 1))
    c = _similarities(12, 3, 2)
    # A 0 on the diagonal is found by the fourth case, a dropped first place by the fifth only.
    cases = [(a, b, 5), (a, b, 1), (c, c, 4), (_similarities(12, 3, 3), c, 11), (-c, c, 11)]

    def common(x, y, k, itself):
        return (_neighbour_mask(x, k, itself) & _neighbour_mask(y, k, itself)).sum(1)

    def without_first(similarity, k):
        nearest = similarity.topk(k + 1, dim=1).indices[:, 1:]
        return torch.zeros(similarity.shape, dtype=torch.bool).scatter_(1, nearest, True)

    def zero_diagonal(similarity, k):
        return _neighbour_mask(similarity.clone().fill_diagonal_(0), k, True)

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
            lambda x, y, k: (_neighbour_mask(x, k, True) & _neighbour_mask(y, k, True)).sum(1) / k,
        ),
        (
            "You took the k least similar; neighbours are the k largest similarities of each row.",
            lambda x, y, k: mutual_neighbours(-x, -y, k),
        ),
        (
            "You compare the lists place by place; a neighbour counts wherever it stands in the other list.",
            lambda x, y, k: (_nearest(x, k) == _nearest(y, k)).sum(1) / k,
        ),
        (
            "You give the number of common neighbours; divide it by k.",
            lambda x, y, k: k * mutual_neighbours(x, y, k),
        ),
        (
            "You divide by the number of different neighbours in both lists; divide by k.",
            lambda x, y, k: (
                (_neighbour_mask(x, k) & _neighbour_mask(y, k)).sum(1)
                / (_neighbour_mask(x, k) | _neighbour_mask(y, k)).sum(1)
            ),
        ),
        (
            "You give one mean; return one share for each stamp, n numbers.",
            lambda x, y, k: mutual_neighbours(x, y, k).mean(),
        ),
    ]
    return compare("Exercise 02.1", function, mutual_neighbours, cases, mistakes)


def check_shuffled_correlation(function) -> Verdict:
    """Exercise 02.2: the correlation over all pairs once the captions have been dealt out anew."""
    a, b = _similarities(20, 5, 4), _similarities(20, 5, 5)
    moved = torch.arange(20).roll(7)
    mixed = torch.randperm(20, generator=torch.Generator().manual_seed(6))
    cases = [(a, b, mixed), (a, a, moved), (a, b, torch.arange(20)), (a, a, torch.arange(20).flip(0))]

    def with_diagonal(x, y, order):
        rows, columns = torch.triu_indices(*x.shape)
        return torch.corrcoef(torch.stack([x[rows, columns], y[order][:, order][rows, columns]]))[0, 1]

    mistakes = [
        (
            "The order has no effect: you did not use it, or you moved pictures and captions alike, and then every "
            "picture keeps its caption.",
            lambda x, y, order: pair_correlation(x, y),
        ),
        (
            "You moved only the rows (or only the columns): caption i then lost its own similarities. Put "
            "rows and columns of the caption matrix into the new order.",
            lambda x, y, order: pair_correlation(x, y[order]),
        ),
        (
            "You moved only the rows (or only the columns): caption i then lost its own similarities. Put "
            "rows and columns of the caption matrix into the new order.",
            lambda x, y, order: pair_correlation(x, y[:, order]),
        ),
        (
            "You used the whole matrices: the diagonal compares each stamp with itself, and has no place here.",
            lambda x, y, order: torch.corrcoef(torch.stack([x.ravel(), y[order][:, order].ravel()]))[0, 1],
        ),
        (
            "You took the diagonal in: it compares each stamp with itself. Start above it, with offset=1.",
            with_diagonal,
        ),
    ]
    return compare("Exercise 02.2", function, shuffled_correlation, cases, mistakes)


def check_coverage(function) -> Verdict:
    """Exercise 02.3: the nearest anchor of each vector, and its similarity."""
    anchors = random_tensor(9, 4, seed=7) + 1
    cases = [
        (random_tensor(6, 4, seed=8), anchors),
        (anchors[2:5] * 3, anchors),
        (random_tensor(1, 4, seed=9), anchors),
        (-anchors, 2 * anchors),
    ]
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
    ]
    return compare(
        "Exercise 02.3",
        function,
        lambda z, a: relative_representation(z, a, mean=a.mean(0)).amax(dim=1),
        cases,
        mistakes,
    )


def _similarities(n, d, seed):
    rows = unit_rows(random_tensor(n, d, seed=seed))
    return rows @ rows.T


def _nearest(similarity, k, itself=False):
    similarity = similarity if itself else similarity.clone().fill_diagonal_(-torch.inf)
    return similarity.topk(k, dim=1).indices


def _neighbour_mask(similarity, k, itself=False):
    nearest = _nearest(similarity, k, itself)
    return torch.zeros(similarity.shape, dtype=torch.bool).scatter_(1, nearest, True)


def _upper(similarity):
    rows, columns = torch.triu_indices(*similarity.shape, offset=1)
    return similarity[rows, columns].double()
