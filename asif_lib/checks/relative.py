"""Checks of chapter 03, relative representations."""

import torch
import torch.nn.functional as F

from ..relative import relative_representation, unit_rows
from .core import Verdict, compare, random_tensor


def largest_change(z, anchors, matrix) -> float:
    """Return the largest absolute change of the relative representation when `matrix` acts on both."""
    return float(
        (relative_representation(z @ matrix, anchors @ matrix) - relative_representation(z, anchors)).abs().max()
    )


def check_relative_representation(function) -> Verdict:
    """Exercise 03.1: cosines with the anchors."""
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
    ]
    return compare("Exercise 03.1", function, relative_representation, cases, mistakes)


def check_largest_change(function) -> Verdict:
    """Exercise 03.2: how far a matrix moves the relative representation."""
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
    return compare("Exercise 03.2", function, largest_change, cases, mistakes)


def check_centred_representation(function) -> Verdict:
    """Exercise 03.3: take the common part off, then take cosines."""
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
        "Exercise 03.3",
        function,
        lambda z, a: relative_representation(z, a, mean=a.mean(0)),
        cases,
        mistakes,
        atol=1e-4,
    )
