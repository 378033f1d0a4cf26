"""Helpers of chapter 00: its first task, and rivals of a caption."""

import torch

from asif_book.chapters.classes import without_article
from asif_book.chapters.opening import STRANGER

STAMP_NOUNS = {"animals": "kangaroo", "clothes": "cowboy hat", "food": "green pepper", "hobbies": "drum"}
STAMP_NOUNS |= {"household": "mallet", "people": "man in a suit", "plants": "desert rose", "vehicles": "sailboat"}
"""Noun in the caption of the first test picture of each of eight groups of stamps."""


def first_task(pairs) -> tuple[list[int], list[str]]:
    """Return the positions of eight test pictures and a label for each: for the stamps, those of `STAMP_NOUNS`.

    Of other pairs it takes the first test pictures, at most eight with different captions, which are the labels.
    """
    test, first = pairs.splits["test"], {}
    if STRANGER in pairs.ids:
        first = {noun: next(i for i in test if pairs.groups[i].split("/")[0] == g) for g, noun in STAMP_NOUNS.items()}
    else:
        for i in test:
            first.setdefault(without_article(pairs.captions[i]), i)
    return [*first.values()][:8], [*first][:8]


def draw_rivals(captions, count, rng) -> torch.Tensor:
    """Draw for each of q `captions` the rows of `count` others that differ from it, (q, count) int64."""
    rows = range(len(captions))
    shuffled = ((own, rng.permutation(len(captions)).tolist()) for own in rows)
    drawn = [[j for j in order if captions[j] != captions[own]][:count] for own, order in shuffled]
    return torch.tensor(drawn, dtype=torch.int64)
