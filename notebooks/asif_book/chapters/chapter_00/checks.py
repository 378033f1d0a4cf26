"""Checks of chapter 00, start here."""

import torch
import torch.nn.functional as F

from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import random_tensor


def cosine(a, b):
    return F.normalize(a, dim=0) @ F.normalize(b, dim=0)


cases = [
    (random_tensor(5, seed=1), random_tensor(5, seed=2)),
    (torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])),
    (7 * random_tensor(5, seed=1), -0.5 * random_tensor(5, seed=1)),
    (random_tensor(384, seed=3), random_tensor(384, seed=4)),
    (torch.zeros(5), random_tensor(5, seed=2)),
    (random_tensor(5, seed=2), torch.zeros(5)),
    (torch.zeros(3), torch.zeros(3)),
    (torch.tensor([1.0, -2.0, 3.0]), torch.tensor([2.0, -2.0, -2.0])),
]
mistakes = {
    "A vector of zeros has no direction (0/0); we define its cosine as 0.": lambda a, b: a @ b / (a.norm() * b.norm()),
    "This is the dot product: it grows with the lengths; divide by both lengths.": lambda a, b: a @ b,
    "You divided by the squared lengths; a length is the square root.": lambda a, b: a @ b / (a @ a * (b @ b)),
    "You divided by the length of the first vector only.": lambda a, b: a @ b / a.norm(),
    "You divided by the length of the second vector only.": lambda a, b: a @ b / b.norm(),
    "You used one vector's length twice; divide by the length of each.": (
        lambda a, b: a @ b / (a @ a),
        lambda a, b: a @ b / (b @ b),
    ),
    "You added a number to the lengths, which changes every cosine; treat vectors of zeros apart.": (
        *(lambda a, b, e=e: a @ b / (a.norm() * b.norm() + e) for e in (1, 0.1, 1e-2, 1e-3)),
        lambda a, b: a @ b / ((a.norm() + 1) * (b.norm() + 1)),
    ),
    "You took the sum of the sizes of the entries for the length; a length is the root of the sum of squares.": (
        lambda a, b: a @ b / (a.abs().sum() * b.abs().sum())
    ),
    "You subtracted the means, which gives a correlation; a cosine compares the vectors as they are.": lambda a, b: (
        cosine(a - a.mean(), b - b.mean())
    ),
    "You divided by one length and multiplied by the other: the product of the lengths needs brackets.": (
        lambda a, b: a @ b / a.norm() * b.norm(),
        lambda a, b: a @ b / b.norm() * a.norm(),
    ),
    "You added the two lengths; divide by their product.": lambda a, b: a @ b / (a.norm() + b.norm()),
    "You took the mean of the products; a dot product is their sum.": lambda a, b: (
        (a * b).mean() / (a.norm() * b.norm())
    ),
    "This comes from a distance, which depends on the lengths; take the cosine of the angle.": (
        lambda a, b: (a - b).norm(),
        lambda a, b: 1 - (a - b).norm(),
        lambda a, b: 1 / (1 + (a - b).norm()),
    ),
    "You took the root of the product of the lengths; divide by the product itself.": lambda a, b: (
        a @ b / (a.norm() * b.norm()).sqrt()
    ).nan_to_num(),
}
check_cosine = Exercise("00.1", "Cosine", cosine, cases, mistakes)


def shares(image, text):
    return image * text / (image @ text).clamp_min(torch.finfo(torch.float32).tiny)


def added_where_shared(x, y):
    sums = torch.where((x > 0) & (y > 0), x + y, 0)
    return sums / sums.sum()


def sparse(*entries):
    """Return a vector (6,) of length 1 with these (place, entry)."""
    vector = torch.zeros(6)
    for place, entry in entries:
        vector[place] = entry
    return vector / vector.norm()


cases = [
    (sparse((0, 3), (2, 4), (5, 1)), sparse((0, 1), (3, 2), (5, 2))),
    (sparse((1, 1), (2, 2)), sparse((1, 2), (2, 1), (4, 5))),
    (sparse((3, 1)), sparse((3, 1))),
    (F.normalize(random_tensor(50, seed=1).abs(), dim=0), F.normalize(random_tensor(50, seed=2).abs(), dim=0)),
    (sparse((0, 1), (1, 1)), sparse((2, 1), (3, 1))),
]
mistakes = {
    "Two vectors without a common anchor gave 0/0; then every share is 0.": lambda x, y: x * y / (x @ y),
    "These are the contributions; divide them by their sum. (Dividing by the lengths changes nothing: they are "
    "1.)": lambda x, y: x * y,
    "You added the entries; multiply them: both sides must keep an anchor.": lambda x, y: (x + y) / (x + y).sum(),
    "You added the entries of the shared anchors; multiply them.": added_where_shared,
    "You gave every common anchor the same share; a share is its contribution, divided by the sum.": lambda x, y: (
        (both := ((x > 0) & (y > 0)).float()) / both.sum().clamp_min(1)
    ),
    "You used softmax; a share is a contribution, divided by the sum of all.": lambda x, y: (x * y).softmax(dim=0),
    "Without a common anchor the score is 0, and so is every share.": lambda x, y: (
        shares(x, y) if x @ y else torch.full_like(x, 1 / len(x))
    ),
    "You took the smaller of the two entries; a contribution is their product.": lambda x, y: (
        (smaller := torch.minimum(x, y)) / smaller.sum().clamp_min(1e-9)
    ),
    "You divided by the largest contribution; shares add up to 1.": lambda x, y: x * y / (x * y).max(),
    "You divided by the number of anchors; divide by the sum of the contributions.": lambda x, y: x * y / len(x),
    "You divided by the sum of the entries of the picture, not of the contributions.": lambda x, y: x * y / x.sum(),
    "You divided by the sum of the entries of the text, not of the contributions.": lambda x, y: x * y / y.sum(),
    "These are the shares of the picture's own entries; the text has no say in them.": lambda x, y: x / x.sum(),
}
notes = {5: "no common anchor, so every share is 0"}
check_shares = Exercise("00.2", "Shares of a score", shares, cases, mistakes, notes=notes)
