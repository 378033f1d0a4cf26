"""Checks of chapter 02, anchors."""

import torch

from ..alignment import mutual_neighbours, nearest, neighbour_mask, pair_correlation, shuffled_correlation
from ..relative import relative_representation, unit_rows
from .core import Verdict, compare, exercise, random_tensor
from .encoders import ZERO_DIAGONAL


def farthest_first(similarity, count, first) -> torch.Tensor:
    """Choose `count` of n items, from `first` on always the one least similar to all that are chosen.

    Gonzalez's greedy choice of centres (1985).

    Parameters
    ----------
    similarity : Tensor of shape (n, n)
    count : int
        1 ≤ count ≤ n.
    first : int

    Returns
    -------
    Tensor of shape (count,), int64
        Positions in the order of choice.
    """
    chosen, best = [first], similarity[first]  # best: similarity of each item to the chosen one nearest to it
    while len(chosen) < count:
        chosen.append(int(best.argmin()))
        best = torch.maximum(best, similarity[chosen[-1]])
    return torch.tensor(chosen, device=similarity.device)


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
    ]
    return compare(function, lambda n, k: k / (n - 1), cases, mistakes)


@exercise("02.2", "Neighbours in common")
def check_mutual_neighbours(function) -> Verdict:
    """The share of common neighbours of each stamp."""
    a, b = (_similarities(30, 6, seed) for seed in (0, 1))
    c = _similarities(12, 3, 2)
    # A 0 on the diagonal is found by the fourth case, a dropped first place by the fifth only.
    cases = [(a, b, 5), (a, b, 1), (c, c, 4), (_similarities(12, 3, 3), c, 11), (-c, c, 11)]

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
    a, b = _similarities(20, 5, 4), _similarities(20, 5, 5)
    moved = torch.arange(20).roll(7)
    mixed = torch.randperm(20, generator=torch.Generator().manual_seed(6))
    cases = [(a, b, mixed), (a, a, moved), (a, b, torch.arange(20)), (a, a, torch.arange(20).flip(0))]

    def with_diagonal(x, y, order):
        rows, columns = torch.triu_indices(*x.shape)
        return torch.corrcoef(torch.stack([x[rows, columns], y[order][:, order][rows, columns]]))[0, 1]

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
    ]
    return compare(function, shuffled_correlation, cases, mistakes)


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
    ]
    return compare(
        function,
        lambda z, a: relative_representation(z, a, mean=a.mean(0)).amax(dim=1),
        cases,
        mistakes,
    )


@exercise("02.5", "Farthest first")
def check_farthest_first(function) -> Verdict:
    """Anchors chosen one after the other, always where coverage is worst."""
    a, b = _similarities(25, 5, 20), _similarities(12, 3, 21)
    cases = [(a, 6, 3), (b, 12, 7), (a, 1, 24), (b, 2, 0)]

    def greedy(s, count, first, pick=torch.argmin, over=torch.amax, taken=torch.inf):
        chosen = [first]
        while len(chosen) < count:
            score = over(s[chosen], dim=0).clone()
            score[chosen] = taken
            chosen.append(int(pick(score)))
        return torch.tensor(chosen)

    mistakes = [
        (
            "You add the stamp that the chosen ones cover best; add the one that they cover worst.",
            lambda s, count, first: greedy(s, count, first, torch.argmax, torch.amax, -torch.inf),
        ),
        (
            "You go by the least similar chosen stamp; a stamp is covered by the most similar one, so take the largest "
            "of its similarities to the chosen ones.",
            lambda s, count, first: greedy(s, count, first, over=torch.amin),
        ),
        (
            "You go by the least similar chosen stamp, and a stamp can be chosen twice; take the largest of its "
            "similarities to the chosen ones.",
            lambda s, count, first: greedy(s, count, first, over=torch.amin, taken=1),
        ),
        (
            "You go by the mean similarity to the chosen stamps; one near anchor is enough to be covered, so take "
            "the largest.",
            lambda s, count, first: greedy(s, count, first, over=torch.mean),
        ),
        (
            "You look only at the stamp that was chosen last; all that are chosen so far cover.",
            _least_similar_to_the_last,
        ),
        (
            "You take those least similar to `first`, all at once; after each choice look again at what is covered.",
            lambda s, count, first: torch.cat([torch.tensor([first]), s[first].argsort()[: count - 1]]),
        ),
        (
            "You choose `count` stamps besides `first`; `first` is one of them.",
            lambda s, count, first: greedy(s, min(count + 1, len(s)), first),
        ),
        (
            "You left `first` out of the result; it is the first that is chosen.",
            lambda s, count, first: greedy(s, min(count + 1, len(s)), first)[1:],
        ),
        (
            "You left `first` out of the result; it is the first that is chosen.",
            lambda s, count, first: greedy(s, count, first)[1:],
        ),
        (
            "You always begin with stamp 0; begin with `first`.",
            lambda s, count, first: greedy(s, count, 0),
        ),
        (
            "You put the chosen stamps into ascending order; keep the order in which they were chosen.",
            lambda s, count, first: greedy(s, count, first).sort().values,
        ),
    ]
    return compare(function, farthest_first, cases, mistakes)


def _least_similar_to_the_last(similarity, count, first):
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(similarity[chosen[-1]].argmin()))
    return torch.tensor(chosen)


def _similarities(n, d, seed):
    rows = unit_rows(random_tensor(n, d, seed=seed))
    return rows @ rows.T
