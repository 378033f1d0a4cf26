"""Helpers of chapter 07: what a lesson brings."""

import functools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from asif_lib.defaults import DEFAULT_P
from asif_lib.evaluation.choosing import sweep
from asif_lib.explain.contribution import contributions
from asif_lib.machine import for_small_matrices
from asif_lib.settings import Settings
from asif_lib.zeroshot import ASIF


def enlarged(picture):
    """Return a small picture with sides of 96 pixels, for a reader and not for an encoder."""
    return picture.resize((96, 96))


def answers_of(banks, pictures, z, prompts, labels):
    """Let growing banks answer for one picture: by the number of added pairs, the answer and its contributions.

    The dict is as `figures.best_anchors` draws it.

    Parameters
    ----------
    banks : dict of AnchorBank
        By the number of added pairs, rising from 0; each begins with the pairs of the bank before it.
    pictures : list of n pictures
        Of the pairs of the largest bank.
    z : Tensor of shape (1, d_image)
    prompts : Tensor of shape (c, d_text)
    labels : list of c str
    """
    stages = {}
    for added, bank in banks.items():
        model = ASIF(bank, device="cpu")
        image, texts = model.images(z), model.texts(prompts)
        best = int(image.similarity(texts).argmax())
        reasons = contributions(image, texts[[best]], bank.pairs)
        reasons["picture"] = [pictures[anchor] for anchor in reasons.anchor]
        stages[added] = labels[best], reasons.assign(arrived=reasons.anchor >= len(banks[min(banks)]))
    return stages


def files_hold(folder, item) -> bool:
    """Return whether any file below a folder holds a text, or the bytes of an embedding (d,)."""
    needle = item.encode() if isinstance(item, str) else item.numpy().tobytes()
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    tables = [pq.read_table(file).to_pandas().astype(str) for file in files if file.suffix == ".parquet"]
    in_tables = isinstance(item, str) and any(item in cell for table in tables for cell in table.to_numpy().ravel())
    return in_tables or any(needle in file.read_bytes() for file in files)


@for_small_matrices()
def learning_sweep(banks, prompts, validation, test, fractions, powers):
    """Choose k/n and p on validation questions for several banks of one size, and ask them the test questions.

    Parameters
    ----------
    banks : list of AnchorBank
    prompts : Tensor of shape (c, d_text)
    validation, test : (Tensor of shape (q, d_image), ndarray of shape (q,))
        Pictures and their classes.
    fractions, powers : sequences of float
        The k/n and the p to choose from.

    Returns
    -------
    chosen : (float, float)
        k/n and p.
    right, kept : ndarrays of shape (banks, q), bool
        Which test pictures get their class: with the choice, and with the default k/n and p.
    """
    table = switch_sweep(banks, prompts, validation, fractions, powers)
    best = table.loc[table.value.idxmax()]

    def answers(k, p):
        found = [ASIF(bank, k, p, device="cpu").similarity(test[0], prompts).argmax(dim=1).numpy() for bank in banks]
        return np.stack(found) == test[1]  # (banks, q)

    return (float(best.fraction), float(best.p)), answers(int(best.k), best.p), answers(None, DEFAULT_P)


@for_small_matrices()
def switch_sweep(banks, prompts, validation, fractions, powers, hubs=(0,), whitens=(None,)):
    """Ask several banks of one size the validation questions, with every k/n, p, ``hubs`` and ``whiten`` of `ASIF`.

    Returns the table of `sweep` with the columns ``hubs`` and ``whiten``; its value is the accuracy, the mean over the
    banks.

    Parameters
    ----------
    banks, prompts, validation, fractions, powers
        As in `learning_sweep`.
    hubs, whitens : sequences of float
        The values of ``hubs`` and ``whiten`` to try; None does not whiten.
    """
    n, models = len(banks[0]), [ASIF(bank, device="cpu") for bank in banks]
    texts = [model.anchors("text").cosines(prompts, n, hubs=any(hubs)) for model in models]

    @functools.lru_cache(maxsize=1)
    def pictures(whiten):
        sides = [model.anchors("image") for model in models]
        sides = [side.whitened(whiten) for side in sides] if whiten else sides
        return [side.cosines(validation[0], n, hubs=any(hubs)) for side in sides]

    def right(k, p, whiten, hubs):
        settings = Settings(k, p, hubs=hubs)
        both = zip(pictures(whiten), texts, strict=True)
        scores = (image.sparse(settings).similarity(text.sparse(settings)) for image, text in both)
        return np.mean([one.argmax(dim=1).numpy() == validation[1] for one in scores])

    return sweep(right, fractions, powers, n, whiten=whitens, hubs=hubs)
