"""Make the questions and lessons of the chapters: stamps with a class, captioned clothing, and what a lesson brings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import ImageOps

from asif_lib.datasets.pairs import Pairs
from asif_lib.defaults import DEFAULT_P, DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import sweep
from asif_lib.explain.contribution import contributions
from asif_lib.settings import Settings
from asif_lib.zeroshot import ASIF

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


def with_classes(pairs, positions, classes):
    """Return the positions of pairs in one of the classes, and the number of each pair's class, (m,) int64."""
    kept = [i for i in positions if class_of(pairs.groups[i]) in classes]
    return kept, np.array([classes.index(class_of(pairs.groups[i])) for i in kept])


def inverted(picture):
    """Return a white-on-black picture as black on white."""
    return ImageOps.invert(picture)


def framed(picture):
    """Return a white-on-black picture as black on white, with a white frame of two pixels."""
    return ImageOps.expand(inverted(picture), border=2, fill=255)


def enlarged(picture):
    """Return a small picture with sides of 96 pixels, for a reader and not for an encoder."""
    return picture.resize((96, 96))


def captioned(labelled, view=inverted) -> Pairs:
    """Return labelled pictures as pairs: each picture as `view` shows it, its caption the template with its class."""
    names = [labelled.classes[label] for label in labelled.labels]
    return Pairs(
        labelled.name,
        [view(picture) for picture in labelled.pictures],
        [DEFAULT_TEMPLATE.replace("{}", name) for name in names],
        [f"{labelled.name}/{i:04}" for i in range(len(labelled))],
        [f"{labelled.name}/{name}" for name in names],
        {},
        labelled.licence,
    )


def first_corrected(banks, pictures, z, prompts, labels, classes):
    """Find the first picture that the smallest bank gets wrong and the largest gets right, and each bank's reasons.

    Parameters
    ----------
    banks : dict of AnchorBank
        By the number of added pairs, rising from 0; each begins with the pairs of the bank before it.
    pictures : list of n pictures
        Of the pairs of the largest bank.
    z : Tensor of shape (q, d_image)
    prompts : Tensor of shape (c, d_text)
    labels : ndarray of shape (q,)
        The right ones of the `classes`, c names.

    Returns
    -------
    int
        The row of the picture.
    dict
        By the number of added pairs, the answer and its contributions, as `figures.best_anchors` draws them.

    Raises
    ------
    ParameterError
        If there is no such picture.
    """
    models = {added: ASIF(bank, device="cpu") for added, bank in banks.items()}
    texts = {added: model.texts(prompts) for added, model in models.items()}
    given = {added: model.images(z).similarity(texts[added]).argmax(dim=1).numpy() for added, model in models.items()}
    corrected = (given[min(banks)] != labels) & (given[max(banks)] == labels)
    if not corrected.any():
        raise ParameterError(
            "no picture goes from a wrong label to its right one: show more pictures, or add more pairs"
        )
    row, stages = int(corrected.argmax()), {}
    for added, model in models.items():
        label = int(given[added][row])
        reasons = contributions(model.images(z[[row]]), texts[added][[label]], model.bank.pairs)
        reasons["picture"] = [pictures[anchor] for anchor in reasons.anchor]
        stages[added] = classes[label], reasons.assign(arrived=reasons.anchor >= len(banks[min(banks)]))
    return row, stages


def files_hold(folder, item) -> bool:
    """Return whether any file below a folder holds a text, or the bytes of an embedding (d,)."""
    needle = item.encode() if isinstance(item, str) else item.numpy().tobytes()
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    tables = [pq.read_table(file).to_pandas().astype(str) for file in files if file.suffix == ".parquet"]
    in_tables = isinstance(item, str) and any(item in cell for table in tables for cell in table.to_numpy().ravel())
    return in_tables or any(needle in file.read_bytes() for file in files)


def learning_sweep(banks, prompts, validation, test, fractions, powers):
    """Choose k/n and p on validation questions for several banks of one size, and ask them the test questions.

    `prompts` is (c, d_text); `validation` and `test` are pictures (q, d_image) and their classes (q,). `fractions` are
    the k/n and `powers` the p to choose from.

    Returns
    -------
    table : DataFrame
        Of `sweep`; its value is the mean over the banks.
    chosen : (float, float)
        k/n and p.
    right, kept : ndarrays of shape (banks, q), bool
        Which test pictures get their class: with the choice, and with the default k/n and p.
    """
    table = switch_sweep(banks, prompts, validation, fractions, powers)
    best = table.loc[table.value.idxmax()]

    def answers(k, p):
        given = [ASIF(bank, k, p, device="cpu").similarity(test[0], prompts).argmax(dim=1).numpy() for bank in banks]
        return np.stack(given) == test[1]

    return table, (float(best.fraction), float(best.p)), answers(int(best.k), best.p), answers(None, DEFAULT_P)


def switch_sweep(banks, prompts, validation, fractions, powers, hubs=(0,), whitens=(None,)):
    """Ask several banks of one size the validation questions, with every k/n, p, ``hubs`` and ``whiten`` of `ASIF`.

    The parameters are those of `learning_sweep`. Returns the table of `sweep` with the columns ``hubs`` and ``whiten``;
    its value is the accuracy, the mean over the banks.
    """
    tables, n = [], len(banks[0])
    texts = [ASIF(bank, device="cpu").anchors("text").cosines(prompts, n, hubs=any(hubs)) for bank in banks]
    for whiten in whitens:
        models = [ASIF(bank, whiten=whiten, device="cpu") for bank in banks]
        pictures = [model.anchors("image").cosines(validation[0], n, hubs=any(hubs)) for model in models]
        for share in hubs:

            def right(k, p, pictures=pictures, share=share):
                settings = Settings(k, p, hubs=share)
                both = zip(pictures, texts, strict=True)
                answers = [
                    image.sparse(settings).similarity(text.sparse(settings)).argmax(dim=1) for image, text in both
                ]
                return np.mean([one.numpy() == validation[1] for one in answers])

            table = sweep(right, fractions, powers, n, progress=False)
            tables.append(table.assign(hubs=share, whiten=pd.Series([whiten] * len(table), dtype=object)))
    return pd.concat(tables, ignore_index=True)
