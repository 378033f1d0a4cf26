"""Helpers of chapter 11: a folder that everybody has, and what was measured before."""

from pathlib import Path

import numpy as np

from asif_book.chapters.classes import inverted
from asif_book.chapters.measuring import stored_table
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.pictures import open_picture
from asif_lib.evaluation.measures import Measure

CLOTHES = "dress", "sandal", "bag", "ankle boot"
PHOTOGRAPHS = "airplane", "cat", "frog", "ship"
EMOJI = "cat", "clock", "hand", "heart"
"""The classes of each example; an emoji belongs to the class whose name is a word of its caption."""
EACH = 10
"""Pictures of a class in an example: forty in all."""


def your_folder(own, example, home) -> Path:
    """Return the folder of class folders `own` if it is there; else write an example below `home`, and return that.

    The example is "clothing", "photographs" (CIFAR-10, fetched once) or "emoji" (drawn from a font, fetched once).
    """
    if Path(own).is_dir():
        return Path(own)
    folder = Path(home) / "my_pictures"
    for name, pictures in _example(example).items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, picture in enumerate(pictures):
            open_picture(picture).save(folder / name / f"{i:02}.png")
    return folder


def _example(name) -> dict:
    """Return `EACH` pictures of each class of an example."""
    if name == "emoji":
        pairs = load_pairs("emoji")
        words = [caption.split() for caption in pairs.captions]
        rows = {kind: [i for i, own in enumerate(words) if kind in own] for kind in EMOJI}
        return {kind: [pairs.pictures[i] for i in own[:EACH]] for kind, own in rows.items()}
    data, kinds = ("cifar10", PHOTOGRAPHS) if name == "photographs" else ("fashion_mnist", CLOTHES)
    part = load_labelled(data).split("train")
    rows = {kind: np.flatnonzero(part.labels == part.classes.index(kind))[:EACH] for kind in kinds}
    found = {kind: [part.pictures[i] for i in own] for kind, own in rows.items()}
    return found if name == "photographs" else {kind: list(map(inverted, own)) for kind, own in found.items()}


def measured_before(name) -> dict:
    """Read what ``benchmarks/accuracy/forty.py`` measured: way → size → `Measure`, and the accuracy of each draw.

    The `name` is "photographs" or "clothing".
    """
    table, found = stored_table("forty"), {}
    for row in table[table["set"] == name].itertuples():
        draws = [float(share) for share in str(row.draws).split()]
        found.setdefault(row.way, {})[row.size] = Measure(row.value, row.low, row.high, row.n), draws
    return found
