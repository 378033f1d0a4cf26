"""Helpers of chapter 05: wrong captions, made of right ones by a rule, and how often a model prefers them."""

import re

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.model_selection import KFold

from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError
from asif_lib.machine import for_small_matrices
from asif_lib.zeroshot import ASIF

COLOURS = ["black", "white", "red", "green", "blue", "yellow", "orange", "brown", "grey", "pink", "purple", "silver"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]
_THING = re.compile(r"(an? [\w -]{2,25})[.!]?", re.I)


def side_by_side(pictures, captions) -> tuple[list, list, list]:
    """Put two pictures on one white canvas, and say which stands on the left: canvases, right and wrong captions.

    Each thing stands on the left once, in the order of the captions; a caption names a thing if it is an article and a
    few words, as “A red hat.” is. Raises `DataError` if fewer than two captions are.

    >>> white = Image.new("RGB", (9, 9), "white")
    >>> side_by_side([white, white, white], ["A cat.", "It is old.", "A hat."])[1]
    ['a cat to the left of a hat.', 'a hat to the left of a cat.']
    """
    things = {i: found[1] for i, caption in enumerate(captions) if (found := _THING.fullmatch(caption))}
    if len(things) < 2:
        fault = f"of {len(captions)} captions {len(things)} name one thing, as “A red hat.” does"
        raise DataError(f"{fault}; to swap roles, two are needed: bring other captions")
    canvases, right, wrong, rows = [], [], [], list(things)
    for pair in zip(rows, rows[1:] + rows[:1], strict=True):
        canvases.append(Image.new("RGB", (448, 448), "white"))
        for place, i in enumerate(pair):
            canvases[-1].paste(ImageOps.pad(open_picture(pictures[i]), (224, 224), color="white"), (224 * place, 112))
        left, other = (things[i][0].lower() + things[i][1:] for i in pair)
        right.append(f"{left} to the left of {other}.")
        wrong.append(f"{other} to the left of {left}.")
    return canvases, right, wrong


def next_of(words):
    """Return a rule: the one word of a caption that is among `words` becomes the next of them, in a circle.

    >>> next_of(["red", "green"])("A red hat."), next_of(["red", "green"])("A hat.")
    ('A green hat.', None)
    """

    def change(caption):
        found = [word for word in re.findall(r"\w+", caption.lower()) if word in words]
        if len(found) != 1:  # of two colours, one may be the other's next
            return None
        new = words[(words.index(found[0]) + 1) % len(words)]
        spelled = re.search(rf"\b{found[0]}\b", caption, re.I)
        new = new.capitalize() if spelled[0].istitle() else new
        return caption[: spelled.start()] + new + caption[spelled.end() :]

    return change


def negate(caption) -> str | None:
    """Put “No” in the place of the article at the beginning of a caption with one sentence."""
    found = re.fullmatch(r"(?:an?|the) ([^.!?]+[.!]?)", caption, re.I)
    return found and f"No {found[1]}"


def turn_round(caption) -> str | None:
    """Write three to twelve words from the last to the first."""
    words = re.findall(r"[\w'-]+", caption)
    return " ".join(words[::-1]) if 3 <= len(words) <= 12 else None


CHANGES = {
    "colour": (next_of(COLOURS), "A red hat."),
    "number": (next_of(NUMBERS), "Two hats."),
    "negation": (negate, "A hat."),
    "word order": (turn_round, "A cat on a boat."),
}
"""What a rule changes → the rule, which returns None for a caption that it cannot change, and an example."""


def wrong_captions(captions, what) -> dict[int, str]:
    """Change captions by the rule of `CHANGES`: position → the wrong caption, where the rule finds something.

    Raises `DataError` if no caption can be changed.
    """
    rule, example = CHANGES[what]
    changed = {i: wrong for i, caption in enumerate(captions) if (wrong := rule(caption)) and wrong != caption}
    if not changed:
        fault = f"none of {len(captions)} captions has a {what} to change, as “{example}” has"
        raise DataError(f"{fault}; leave {what!r} out, or bring other captions")
    return changed


@for_small_matrices()
def wrong_wins(bank, rows, wrong, seed=0) -> np.ndarray:
    """Return whether the wrong caption has at least the score of the own caption, (m,) bool.

    Each picture is asked with four fifths of the bank as anchors, which do not hold its pair.

    Parameters
    ----------
    bank : AnchorBank of n pairs
    rows : list of m int
        The pairs that are asked.
    wrong : Tensor of shape (m, d_text)
        Embeddings of their wrong captions.
    seed : int, of the folds
    """
    rows, wins = np.asarray(rows), np.zeros(len(rows), bool)
    for anchors, fifth in KFold(5, shuffle=True, random_state=seed).split(range(len(bank))):
        asked = np.flatnonzero(np.isin(rows, fifth))
        if len(asked):
            model, own = ASIF(bank.subset(anchors.tolist()), device="cpu"), rows[asked].tolist()
            captions = torch.stack([bank.text[own], wrong[asked.tolist()]])  # (2, a, d_text)
            images = model.images(bank.image[own])
            right, changed = (images.similarity(model.texts(z)).diagonal() for z in captions)  # (a,) each
            wins[asked] = (changed >= right).numpy()
    return wins
