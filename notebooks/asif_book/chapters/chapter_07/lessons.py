"""Helpers of chapter 07: what a lesson brings."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter, ImageOps

from asif_lib.defaults import DEFAULT_P
from asif_lib.evaluation.measures import auc_with_interval, share_with_interval
from asif_lib.evaluation.recommending import sweep
from asif_lib.explain.contribution import contributions, with_columns
from asif_lib.machine import for_small_matrices
from asif_lib.settings import Settings
from asif_lib.zeroshot import ASIF

from .checks import found

ALARM = 0.05
"""Share of the other pictures that a visitor may take for anchors."""


def enlarged(picture):
    """Return a small picture with sides of 96 pixels, for a reader and not for an encoder."""
    return picture.resize((96, 96))


def to_teach(pairs, row):
    """Return the caption that is taught with the mirror image of a pair, a template, and six labels, the right first.

    They are those of chapter 00 for its red kangaroo, and captions of training pairs for any other pair.
    """
    if pairs.captions[row] == "A red kangaroo.":
        labels = ["kangaroo", "dog", "deer", "marsupial", "Australia", "something that jumps"]
        return "A kangaroo.", "a photo of a {}.", labels
    captions = [pairs.captions[i] for i in [row, *pairs.splits["train"]]]
    return captions[0], "{}", list(dict.fromkeys(captions))[:6]


def answers_of(banks, pictures, z, prompts, labels):
    """Let growing banks answer for one picture: by the number of added pairs, the answer and its contributions.

    `banks` are by the number of added pairs, rising from 0, and each begins with the pairs of the bank before it; the n
    `pictures` are those of the largest bank. The dict is as `figures.best_anchors` draws it.
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
    import pyarrow.parquet as pq  # only for the files of a bank

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
    n, models = len(banks[0]), [ASIF(bank, device="cpu") for bank in banks]
    texts = [model.anchors("text").cosines(prompts, n) for model in models]

    def asker(z, labels):
        images = [model.anchors("image").cosines(z, n) for model in models]

        def right(k, p):
            settings = Settings(k, p).checked(n)
            both = zip(images, texts, strict=True)
            scores = (image.sparse(settings).similarity(text.sparse(settings)) for image, text in both)
            return np.stack([one.argmax(dim=1).numpy() for one in scores]) == labels  # (banks, q)

        return right

    tried, asked = asker(*validation), asker(*test)
    table = sweep(lambda k, p: tried(k, p).mean(), fractions, powers, n)
    best = table.loc[table.value.idxmax()]
    return (float(best.fraction), float(best.p)), asked(int(best.k), best.p), asked(None, DEFAULT_P)


def as_jpeg(picture):
    """Return a picture as a JPEG file of low quality shows it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=10)
    return Image.open(file).convert("RGB")


COPIES = {
    "JPEG, quality 10": as_jpeg,
    "edges cut off": lambda picture: ImageOps.crop(picture, round(0.15 * min(picture.size))),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(0.02 * max(picture.size))),
}
"""Name → how a copy of an RGB picture is damaged."""


def parts_of_auc(values, joined) -> np.ndarray:
    """Return what each of q items adds to the AUC of their `values`, (q,), if half of them `joined`, (q,) bool.

    The sum of both halves is for `auc_of_parts`.
    """
    members, others, parts = values[joined], values[~joined], np.zeros(len(values))
    ahead = (members[:, None] > others).double() + (members[:, None] == others).double() / 2
    parts[joined], parts[~joined] = ((ahead.mean(dim=way) - ahead.mean() / 2).numpy() for way in (1, 0))
    return parts


def auc_of_parts(parts):
    """Return the AUC of two halves, the mean of `parts` (q,), with its interval: exact if none of either is missed."""
    return share_with_interval(parts > 0.5, "exact") if np.allclose(parts, 1) else auc_with_interval(parts)


@for_small_matrices()
def remembered(old, asked, copies, draws) -> pd.DataFrame:
    """Let pairs join a bank, and ask which pictures are anchors, before and after the removal of these pairs.

    In each of the `draws` both halves of the q `asked` pairs join `old` in turn: a bank that tells nothing has the AUC
    0.5. Visitors bring `copies`, embeddings (q, d_image) by name. One sees the cosine of the nearest anchor, the other
    only the score of the own caption. The columns are ``bank`` ("joined" or "removed"), ``sees``, ``copy``, ``auc``, a
    `Measure` over pictures, and ``found``: the share of the anchors that are found with `ALARM` false alarms.
    """
    told, shares = {}, {}
    for draw in range(2 * draws):
        joined = np.random.default_rng(draw // 2).permutation(len(asked)) % 2 == draw % 2  # (q,) bool
        full = old.add(asked.subset(np.flatnonzero(joined).tolist()))
        gone = full.remove(ids=full.pairs.id[len(old) :].tolist())
        for name, model in (("joined", ASIF(full, device="cpu")), ("removed", ASIF(gone, device="cpu"))):
            texts = model.texts(asked.text)
            for copy, z in copies.items():
                nearest = model.anchors("image").cosines(z, 1).values[:, 0]  # (q,)
                score = model.images(z).similarity(texts).diagonal()  # (q,)
                for sees, values in (("nearest anchor", nearest), ("score", score)):
                    parts = told.setdefault((name, sees, copy), np.zeros(len(asked)))  # their mean becomes the AUC
                    parts += parts_of_auc(values, joined) / draws
                    shares.setdefault((name, sees, copy), []).append(found(values[joined], values[~joined], ALARM))
    rows = [(*key, auc_of_parts(parts), np.mean(shares[key])) for key, parts in told.items()]
    return pd.DataFrame(rows, columns=["bank", "sees", "copy", "auc", "found"])


def mean_contributions(images, prompts, labels, against, pairs) -> pd.DataFrame:
    """Return by how much each anchor speaks for one label and against another, as a mean over q pictures.

    `labels` and `against` (q,) are positions among the c `prompts`, and `pairs` is the bank's table. The result has a
    row for each anchor in the top k of a picture, the largest contribution first: ``anchor``, ``contribution`` (they
    add up to the mean difference of the scores), and the columns of `pairs`.
    """
    vectors, entries = prompts.to_csr().astype(np.float64), images.to_csr().astype(np.float64)
    mean = entries.multiply(vectors[labels] - vectors[against]).sum(axis=0) / len(images)  # (n,)
    table = pd.DataFrame({"anchor": np.arange(images.n), "contribution": mean})[(entries > 0).sum(axis=0) > 0]
    table = table.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)
    return with_columns(table, pairs, images.n)
