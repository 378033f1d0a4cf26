"""Checks of chapter 03, relative representations."""

import functools

import torch
import torch.nn.functional as F

from asif_lib.relative import relative_representation, unit_rows

from .judging import Verdict, compare, exercise, random_tensor


def largest_change(z, anchors, matrix) -> float:
    """Return the largest absolute change of the relative representation when `matrix` acts on both."""
    return float(
        (relative_representation(z @ matrix, anchors @ matrix) - relative_representation(z, anchors)).abs().max()
    )


@exercise("03.1", "Relative representation")
def check_relative_representation(function) -> Verdict:
    """Cosines with the anchors."""
    z, anchors = random_tensor(5, 4, seed=10), random_tensor(7, 4, seed=11)
    cases = [
        (z, anchors),
        (100 * z[:1], 0.01 * anchors),
        (torch.eye(3), torch.tensor([[3.0, 4.0, 0.0], [-2.0, 0.0, 0.0]])),
        (random_tensor(6, 6, seed=12), random_tensor(6, 6, seed=13)),
    ]
    mistakes = [
        (
            "You took dot products: scale the rows of `z` and of `anchors` to length 1 first.",
            lambda z, a: z @ a.T,
        ),
        (
            "You scaled the rows of `z`, not those of the anchors.",
            lambda z, a: unit_rows(z) @ a.T,
        ),
        (
            "You scaled the rows of the anchors, not those of `z`.",
            lambda z, a: z @ unit_rows(a).T,
        ),
        (
            "You normalised columns, not rows: each vector is a row.",
            lambda z, a: F.normalize(z, dim=0) @ F.normalize(a, dim=0).T,
        ),
        (
            "Your result is transposed: row i belongs to z_i, column j to anchor j.",
            lambda z, a: relative_representation(a, z),
        ),
        (
            "You took distances; entry (i, j) is a cosine, 1 for the same direction.",
            torch.cdist,
        ),
        (
            "You divided by the squared lengths; a cosine divides by the lengths.",
            lambda z, a: z @ a.T / (z.square().sum(1)[:, None] * a.square().sum(1)),
        ),
    ]
    return compare(function, relative_representation, cases, mistakes)


@exercise("03.2", "Test the invariance")
def check_largest_change(function) -> Verdict:
    """How far a matrix moves the relative representation."""
    z, anchors = random_tensor(6, 5, seed=14), random_tensor(8, 5, seed=15)
    rotation = torch.linalg.qr(random_tensor(5, 5, seed=16)).Q
    stretch = torch.diag(torch.tensor([1.0, 1.0, 3.0, 1.0, 0.2]))
    shrink = torch.diag(torch.tensor([1.0, 0.1, 1.0, 1.0, 1.0]))
    cases = [
        (z, anchors, rotation),
        (z, anchors, stretch),
        (z, anchors, shrink @ rotation),
        (z[:1], anchors[:1], rotation @ stretch),
        (z, anchors, -torch.eye(5)),
    ]

    def change(z, a, m):
        return relative_representation(z @ m, a @ m) - relative_representation(z, a)

    mistakes = [
        (
            "You applied the matrix to `z` alone; the anchors live in the same space and must move along.",
            lambda z, a, m: (relative_representation(z @ m, a) - relative_representation(z, a)).abs().max(),
        ),
        (
            "You applied the matrix to the anchors alone; `z` lives in the same space and must move along.",
            lambda z, a, m: (relative_representation(z, a @ m) - relative_representation(z, a)).abs().max(),
        ),
        (
            "You turned the anchors the other way round than `z`: apply the same matrix, on the same side.",
            lambda z, a, m: (relative_representation(z @ m, a @ m.T) - relative_representation(z, a)).abs().max(),
        ),
        (
            "You applied the transpose: vectors are rows here, and each row v becomes v @ matrix, not v @ matrix.T.",
            lambda z, a, m: change(z, a, m.T).abs().max(),
        ),
        (
            "Your function always gives 0, but not every matrix leaves the representation alone: measure it.",
            lambda z, a, m: 0.0,
        ),
        (
            "You took the mean; the largest absolute change is asked for.",
            lambda z, a, m: change(z, a, m).abs().mean(),
        ),
        (
            "You forgot the absolute value: a large change downwards counts as well.",
            lambda z, a, m: change(z, a, m).max(),
        ),
        (
            "You compare dot products; compare relative representations, which are cosines.",
            lambda z, a, m: ((z @ m) @ (a @ m).T - z @ a.T).abs().max(),
        ),
        (
            "You compare the largest entry before with the largest after; take the difference of each entry first, "
            "then the largest.",
            lambda z, a, m: (relative_representation(z @ m, a @ m).max() - relative_representation(z, a).max()).abs(),
        ),
        (
            "You give how far the vectors of `z` move; the change of the relative representation is asked for.",
            lambda z, a, m: (z @ m - z).abs().max(),
        ),
        (
            "You took the norm of all changes together; the largest single one is asked for.",
            lambda z, a, m: change(z, a, m).norm(),
        ),
    ]
    return compare(function, largest_change, cases, mistakes)


@exercise("03.3", "Centring")
def check_centred_representation(function) -> Verdict:
    """Take the common part off, then take cosines."""
    z, anchors = random_tensor(5, 4, seed=17) + 2, random_tensor(7, 4, seed=18) + 2
    cases = [
        (z, anchors),
        (z[:1], anchors),
        (z + 100, anchors + 100),
        (anchors, 5 * anchors + 1),
    ]
    mistakes = [
        (
            "You left the common part in: take the anchors' mean off first.",
            relative_representation,
        ),
        (
            "You took the mean off `z` only; the anchors have it too.",
            lambda z, a: relative_representation(z - a.mean(0), a),
        ),
        (
            "You took the mean off the anchors only; `z` has it too.",
            lambda z, a: relative_representation(z, a - a.mean(0)),
        ),
        (
            "You took the mean of `z` off both; take the anchors' mean: a single new picture has no mean but itself.",
            lambda z, a: relative_representation(z, a, mean=z.mean(0)),
        ),
        (
            "`anchors.mean()` without dim=0 is one number; the mean is a vector, with one entry for each coordinate.",
            lambda z, a: relative_representation(z - a.mean(), a - a.mean()),
        ),
        (
            "You took the mean off and did not scale to length 1: these are dot products, not cosines.",
            lambda z, a: (z - a.mean(0)) @ (a - a.mean(0)).T,
        ),
        (
            "You scaled to length 1 before the mean was taken off, and again afterwards; take the mean of the anchors "
            "as they are off, and scale once, at the end.",
            lambda z, a: relative_representation(unit_rows(z), unit_rows(a), mean=unit_rows(a).mean(0)),
        ),
        (
            "You took each set's own mean off. Use the anchors' mean for both: a single new picture has no mean "
            "but itself.",
            lambda z, a: relative_representation(z - z.mean(0), a - a.mean(0)),
        ),
        (
            "You scaled to length 1 first and took the mean off afterwards: the results are no cosines.",
            lambda z, a: (unit_rows(z) - unit_rows(a).mean(0)) @ (unit_rows(a) - unit_rows(a).mean(0)).T,
        ),
        (
            "You took the mean over the coordinates of each row; the mean is one over the anchors, for each "
            "coordinate.",
            lambda z, a: relative_representation(z - z.mean(1, keepdim=True), a - a.mean(1, keepdim=True)),
        ),
    ]
    return compare(
        function,
        lambda z, a: relative_representation(z, a, mean=a.mean(0)),
        cases,
        mistakes,
        atol=1e-4,
    )


def times_nearest(similarity, k) -> torch.Tensor:
    """Return how many of q items have each of n anchors among their k nearest, (n,) int64.

    The k-occurrence of Radovanović, Nanopoulos and Ivanović ("Hubs in space", JMLR 2010); an anchor with a
    large one is a hub. `similarity` is (q, n); the counts add up to q · k.
    """
    near = similarity.topk(k, dim=1).indices
    return torch.bincount(near.ravel(), minlength=similarity.shape[1])


DOWN_THE_COLUMNS = "You took the k most similar items of each anchor (topk down the columns),"
EACH_ITEM = "take the k nearest anchors of each item, and count then."


@exercise("03.4", "Who is everybody's neighbour?")
def check_times_nearest(function) -> Verdict:
    """How often each anchor is among the nearest."""
    cases = [
        (random_tensor(30, 9, seed=20), 2),
        (
            random_tensor(6, 40, seed=21).sort(dim=1, descending=True).values,
            3,
        ),  # the last anchors are nobody's neighbours
        (random_tensor(20, 20, seed=22), 1),
        (-random_tensor(12, 5, seed=23).abs(), 5),
        (torch.ones(7, 4).fill_diagonal_(2) + 0.1 * random_tensor(7, 4, seed=24), 2),
    ]

    def chosen(s, k, largest=True):
        return torch.zeros_like(s).scatter_(1, s.topk(k, dim=1, largest=largest).indices, 1.0)

    def count_items(s, k, minlength):
        return torch.bincount(s.topk(k, dim=0).indices.ravel(), minlength=minlength(s))

    mistakes = [
        (
            "Anchors that are nobody's neighbour are missing: return one count for each anchor, 0 among them.",
            lambda s, k: torch.bincount(s.topk(k, dim=1).indices.ravel()),
        ),
        (
            "Anchors that are nobody's neighbour are missing: return one count for each anchor, 0 among them.",
            lambda s, k: s.topk(k, dim=1).indices.unique(return_counts=True)[1],
        ),
        (
            f"{DOWN_THE_COLUMNS} so every anchor gets k; {EACH_ITEM}",
            lambda s, k: torch.full((s.shape[1],), k),
        ),
        *(
            (f"{DOWN_THE_COLUMNS} and counted items; {EACH_ITEM}", functools.partial(count_items, minlength=minlength))
            for minlength in (lambda s: s.shape[1], len, lambda s: 0)
        ),
        (
            "The number of counts is that of the items; give one count for each anchor, so many as similarity has "
            "columns.",
            lambda s, k: torch.bincount(s.topk(k, dim=1).indices.ravel(), minlength=len(s)),
        ),
        (
            "You set the diagonal to −inf. Items and anchors are two sets here; the diagonal is nothing special.",
            lambda s, k: times_nearest(s.clone().fill_diagonal_(-torch.inf), k),
        ),
        (
            "You took k + 1 neighbours. Items and anchors are two sets here: no item is its own neighbour; take k.",
            lambda s, k: times_nearest(s, k + 1),
        ),
        (
            "You dropped the nearest anchor of each item. Items and anchors are two sets here: no item is its own "
            "neighbour; keep the first k.",
            lambda s, k: torch.bincount(s.topk(k + 1, dim=1).indices[:, 1:].ravel(), minlength=s.shape[1]),
        ),
        (
            "You counted along the rows: there every item has k neighbours. Count for each anchor.",
            lambda s, k: torch.full((s.shape[0],), k),
        ),
        ("You took the k least similar anchors; the nearest have the largest cosines.",
         lambda s, k: chosen(s, k, False).sum(0).long()),
        ("You counted only the nearest one; an anchor counts whenever it is among the k nearest.",
         lambda s, k: times_nearest(s, 1)),
        ("You give shares; give how many, as whole numbers.", lambda s, k: times_nearest(s, k) / len(s)),
        ("You give shares of all places; give how many, as whole numbers.",
         lambda s, k: times_nearest(s, k) / (len(s) * k)),
        ("You added up the similarities; count the items.", lambda s, k: (chosen(s, k) * s).sum(0)),
        ("You sorted the counts; entry j belongs to anchor j.",
         lambda s, k: times_nearest(s, k).sort(descending=True).values),
        ("You sorted the counts; entry j belongs to anchor j.", lambda s, k: times_nearest(s, k).sort().values),
    ]  # fmt: skip
    return compare(function, times_nearest, cases, mistakes)
