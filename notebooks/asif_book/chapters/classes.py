"""Pictures with a class, about which several chapters ask: stamps by their folder, and captioned clothing."""

import numpy as np
from PIL import ImageOps

from asif_lib.datasets.pairs import Pairs
from asif_lib.defaults import DEFAULT_TEMPLATE


def without_article(caption) -> str:
    """Remove the article and the full stop of a caption.

    >>> without_article("A sleeping capybara.")
    'sleeping capybara'
    """
    for article in ("A ", "An ", "The "):
        caption = caption.removeprefix(article)
    return caption.rstrip(".")


STAMP_CLASSES = {
    "animals/birds": "bird",
    "animals/insects": "insect",
    "animals/mammals": "mammal",
    "clothes/hats": "hat",
    "food/fruit": "fruit",
    "household/tools": "tool",
    "people/body_parts": "part of the body",
    "plants/flowers": "flower",
    "symbols/math": "mathematical symbol",
    "symbols/money": "coin",
    "town/monuments": "monument",
    "town/roadsigns": "road sign",
    "vehicles": "vehicle",
}
"""Name of the class, in plain words, of each folder of the stamps that is one."""


def class_of(group):
    """Return the class of a stamp's folder, or None.

    >>> class_of("animals/birds/songbirds"), class_of("animals")
    ('bird', None)
    """
    return next((name for folder, name in STAMP_CLASSES.items() if f"{group}/".startswith(folder + "/")), None)


def class_names(pairs) -> list:
    """Return the class of each pair's stamp, or None; of pairs that are no stamps, the caption as `without_article`."""
    names = [class_of(group) for group in pairs.groups]
    return names if any(names) else [without_article(caption) for caption in pairs.captions]


def classes_of(pairs) -> list:
    """List the classes that the chapters ask for: of the stamps, or the captions of the pairs that are no anchors."""
    names, asked = class_names(pairs), pairs.splits["validation"] + pairs.splits["test"]
    return sorted({names[i] for i in asked} - {None})


def with_classes(pairs, positions, classes):
    """Return the positions of pairs in one of the classes, and the number of each pair's class, (m,) int64."""
    names = class_names(pairs)
    kept = [i for i in positions if names[i] in classes]
    return kept, np.array([classes.index(names[i]) for i in kept])


def inverted(picture):
    """Return a white-on-black picture as black on white."""
    return ImageOps.invert(picture)


def captioned(labelled) -> Pairs:
    """Return labelled pictures as pairs, black on white; the caption is the template with the picture's class."""
    names = [labelled.classes[label] for label in labelled.labels]
    return Pairs(
        labelled.name,
        [inverted(picture) for picture in labelled.pictures],
        [DEFAULT_TEMPLATE.replace("{}", name) for name in names],
        [f"{labelled.name}/{i:04}" for i in range(len(labelled))],
        [f"{labelled.name}/{name}" for name in names],
        {},
        labelled.licence,
    )
