"""Checks of chapter 03, relative representations."""

import torch
import torch.nn.functional as F

from ..relative import relative_representation, unit_rows
from .core import Verdict, compare, exercise, random_tensor


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
            "You took the k most similar items of each anchor (topk down the columns), so every anchor gets k; take "
            "the k nearest anchors of each item, and count then.",
            lambda s, k: torch.full((s.shape[1],), k),
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


@exercise("03.5", "Find the caption")
def check_best_caption(function) -> Verdict:
    """For each picture the caption whose description by anchors is most like its own."""

    def best(z, t, za, ta, *, means=None, dim=1, compare_by=relative_representation):
        means = (za.mean(0), ta.mean(0)) if means is None else means
        pictures = relative_representation(z, za, mean=means[0])
        captions = relative_representation(t, ta, mean=means[1])
        return compare_by(pictures, captions).argmax(dim=dim)

    def pairs(seed, q, t, n):
        hidden = random_tensor(max(q, t) + n, 4, seed=seed)
        picture = hidden @ random_tensor(4, 12, seed=seed + 1) + random_tensor(len(hidden), 12, seed=seed + 2) + 2
        caption = hidden @ random_tensor(4, 7, seed=seed + 3) + random_tensor(len(hidden), 7, seed=seed + 4) + 2
        return picture[n : n + q], caption[n : n + t], picture[:n], caption[:n]

    cases = [pairs(30, 40, 40, 25), pairs(40, 30, 50, 15), pairs(50, 50, 20, 30), pairs(60, 1, 9, 10)]
    negative = (lambda a, b: a @ b.T), (lambda a, b: -relative_representation(a, b))
    mistakes = [
        (
            "You left the common part in: take the mean of the anchors' pictures off the pictures, that of the "
            "anchors' captions off the captions.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(None, None)),
        ),
        (
            "You took the means of the new pictures and captions off; take the anchors' means.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(z.mean(0), t.mean(0))),
        ),
        (
            "You took the mean off on one side only; the captions have a common part as well.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(za.mean(0), None)),
        ),
        (
            "You took the mean off on one side only; the pictures have a common part as well.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(None, ta.mean(0))),
        ),
        (
            "You compared the two descriptions by dot products: captions with long descriptions win. Take their "
            "cosines.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=negative[0]),
        ),
        (
            "You give the best picture for each caption; the best caption for each picture is asked for.",
            lambda z, t, za, ta: best(z, t, za, ta, dim=0),
        ),
        (
            "You give the caption that fits least.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=negative[1]),
        ),
        (
            "You give the row of the nearest anchor; compare whole descriptions, and give the row of a new caption.",
            lambda z, t, za, ta: relative_representation(z, za, mean=za.mean(0)).argmax(1),
        ),
        (
            "You took the new caption nearest to the caption of the nearest anchor; compare whole descriptions.",
            lambda z, t, za, ta: relative_representation(
                ta[relative_representation(z, za, mean=za.mean(0)).argmax(1)], t, mean=ta.mean(0)
            ).argmax(1),
        ),
        (
            "You took distances between the descriptions; take their cosines.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=lambda a, b: -torch.cdist(a, b)),
        ),
    ]
    return compare(function, best, cases, mistakes)
