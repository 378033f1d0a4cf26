"""Helpers of chapter 05: two pictures side by side, and how often a model prefers a wrong caption."""

import re

import numpy as np
from PIL import Image, ImageOps
from sklearn.model_selection import KFold

from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError
from asif_lib.machine import for_small_matrices
from asif_lib.zeroshot import ASIF

_THING = re.compile(r"(an? [\w -]{2,25})[.!]?", re.I)


def side_by_side(pictures, captions) -> tuple[list, list, list]:
    """Put pairs of pictures side by side, and say which is on the left: canvases, right captions, and wrong ones.

    A caption names one thing if it is an article and some words. Each thing stands on the left once. Raises `DataError`
    if fewer than two captions name one.

    >>> white = Image.new("RGB", (9, 9), "white")
    >>> side_by_side([white, white, white], ["A cat.", "It is old.", "A hat."])[1]
    ['a cat to the left of a hat.', 'a hat to the left of a cat.']
    """
    things = {i: "a" + found[1][1:] for i, text in enumerate(captions) if (found := _THING.fullmatch(text))}
    if len(things) < 2:
        fault = f"of {len(captions)} captions {len(things)} name one thing, as “A red hat.” does"
        raise DataError(f"{fault}; to swap roles, two are needed: bring other captions")
    canvases, right, wrong, rows = [], [], [], list(things)
    for left, other in zip(rows, rows[1:] + rows[:1], strict=True):
        canvases.append(Image.new("RGB", (448, 448), "white"))
        for x, i in ((0, left), (224, other)):
            canvases[-1].paste(ImageOps.pad(open_picture(pictures[i]), (224, 224), color="white"), (x, 112))
        right.append(f"{things[left]} to the left of {things[other]}.")
        wrong.append(f"{things[other]} to the left of {things[left]}.")
    return canvases, right, wrong


@for_small_matrices()
def wrong_wins(bank, rows, wrong) -> np.ndarray:
    """Return whether the wrong captions of m pairs, `rows` of a bank, score at least as high as their own, (m,) bool.

    `wrong` (m, d_text) are embeddings. The anchors are four fifths of the bank, without the pair that is asked.
    """
    rows, wins = np.asarray(rows), np.zeros(len(rows), bool)
    for anchors, fifth in KFold(5, shuffle=True, random_state=0).split(range(len(bank))):
        asked = np.flatnonzero(np.isin(rows, fifth)).tolist()
        if asked:
            model, own = ASIF(bank.subset(anchors.tolist()), device="cpu"), rows[asked].tolist()
            images = model.images(bank.image[own])
            right, copy = (images.similarity(model.texts(z)).diagonal() for z in (bank.text[own], wrong[asked]))  # (a,)
            wins[asked] = (copy >= right).numpy()
    return wins
