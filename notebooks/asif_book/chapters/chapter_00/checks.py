"""Checks of chapter 00, start here."""

import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import random_tensor


def cosine(a, b):
    lengths = a.norm() * b.norm()
    return a @ b / lengths if lengths > 0 else torch.tensor(0.0)


cases = [
    (random_tensor(5, seed=1), random_tensor(5, seed=2)),
    (torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])),
    (7 * random_tensor(5, seed=1), -0.5 * random_tensor(5, seed=1)),
    (random_tensor(384, seed=3), random_tensor(384, seed=4)),
    (torch.zeros(5), random_tensor(5, seed=2)),
    (random_tensor(5, seed=2), torch.zeros(5)),
    (torch.zeros(3), torch.zeros(3)),
    (torch.tensor([1.0, -2.0, 3.0]), torch.tensor([2.0, -2.0, -2.0])),
    (torch.tensor([1.0, -1.0]), torch.tensor([3.0, -4.0])),
    (torch.tensor([3.0, -2.0]), torch.tensor([2.0, -2.0])),
    (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])),
]
mistakes = {
    "A zero vector has no direction (0/0); its cosine is 0 here.": but(" if lengths > 0 else torch.tensor(0.0)", ""),
    "A vector is zero only if all of its entries are 0; you looked for any 0.": but(
        "lengths > 0", "a.all() and b.all()"
    ),
    "You tested the sum for 0, where 1 and −1 cancel; test the length.": but("lengths > 0", "a.sum() and b.sum()"),
    "This is the dot product: it grows with the lengths; divide by both lengths.": lambda a, b: a @ b,
    "You divided by the squared lengths; a length is the square root.": lambda a, b: a @ b / (a @ a * (b @ b)),
    "You divided by one length only.": (lambda a, b: a @ b / a.norm(), lambda a, b: a @ b / b.norm()),
    "You used one length twice.": (lambda a, b: a @ b / (a @ a), lambda a, b: a @ b / (b @ b)),
    "A length is the root of the sum of squares.": lambda a, b: a @ b / (a.abs().sum() * b.abs().sum()),
    "You subtracted the means: that is a correlation.": lambda a, b: cosine(a - a.mean(), b - b.mean()),
    "The product of the lengths needs brackets.": lambda a, b: a @ b / a.norm() * b.norm(),
    "You added the two lengths; divide by their product.": lambda a, b: a @ b / (a.norm() + b.norm()),
    "Take the cosine, no distance.": (lambda a, b: (a - b).norm(), lambda a, b: 1 / (1 + (a - b).norm())),
}
check_cosine = Exercise("00.1", "Cosine", cosine, cases, mistakes)


def shares(image, text):
    contribution = image * text
    score = contribution.sum()
    return contribution / score if score > 0 else contribution


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
    "Two vectors without a common anchor gave 0/0; then every share is 0.": but(" if score > 0 else contribution", ""),
    "These are the contributions; divide them by their sum. (Dividing by the lengths changes nothing: they are "
    "1.)": lambda x, y: x * y,
    "You added the entries; multiply them: both sides must keep an anchor.": but("image * text", "image + text"),
    "You added the shared entries; multiply them.": but("image * text", "(image + text) * (image * text > 0)"),
    "You gave every shared anchor the same share.": but("image * text", "(image * text > 0).float()"),
    "These are shares of the picture's own length, in which the text has no part.": (
        lambda x, y: x**2,
        lambda x, y: x**2 if (x * y).any() else x * 0,
    ),
    "You took a softmax; divide by the sum.": lambda x, y: (x * y).softmax(dim=0),
    "Without a common anchor every share is 0.": but("else contribution", "else contribution + 1 / len(image)"),
    "You divided by the number of anchors; divide by the sum of the contributions.": lambda x, y: x * y / len(x),
    "Divide by the contributions' sum, not the entries'.": (lambda x, y: x * y / x.sum(), lambda x, y: x * y / y.sum()),
}
notes = {5: "no common anchor, so every share is 0"}
check_shares = Exercise("00.2", "Shares of a score", shares, cases, mistakes, notes=notes)
