"""Helpers of chapter 11: a folder that everybody has, and what a few pictures a class are worth, by several ways."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from asif_book.chapters.classes import inverted
from asif_book.chapters.measuring import committed
from asif_lab.baselines import linear_probe
from asif_lab.benchmark.comparing import compare_paired
from asif_lab.benchmark.tasks import FOLDS, STRENGTHS
from asif_lib.bank.joining import concatenate
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.pictures import open_picture
from asif_lib.evaluation.measures import Measure
from asif_lib.machine import for_small_matrices
from asif_lib.relative import unit_rows
from asif_lib.zeroshot import ASIF

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
    table, found = pd.read_csv(committed("forty.csv")), {}
    for row in table[table["set"] == name].itertuples():
        draws = [float(share) for share in str(row.draws).split()]
        found.setdefault(row.way, {})[row.size] = Measure(row.value, row.low, row.high, row.n), draws
    return found


BANK, ALONE, MEANS, NEAREST, PROBE = (
    "ASIF, the stamps and yours", "ASIF, yours alone", "class means", "nearest picture", "linear probe",
)  # fmt: skip


@for_small_matrices()
def answers_of(stamps, own, labels, asked, prompts, settings) -> dict:
    """Answer q questions by each way from the m pictures that it was given: way → classes, (q,) int64.

    Parameters
    ----------
    stamps, own : AnchorBank
        A bank of other pairs, and the m pictures with their captions; None for no picture, which only a bank can use.
    labels : ndarray of shape (m,)
        The classes of `own`, 0 to c - 1.
    asked, prompts : Tensors of shape (q, d_image) and (c, d_text)
    settings : dict
        Keywords of `ASIF` for the joined bank. The m pictures alone have the defaults.
    """

    def asif(bank, **more):
        return ASIF(bank, **more, device="cpu").similarity(asked, prompts).argmax(dim=1).numpy()

    if own is None:
        return {BANK: asif(stamps, **settings)}
    mean = own.image.mean(dim=0)
    z, q = unit_rows(own.image, mean), unit_rows(asked, mean)  # (m, d), (q, d)
    kinds = range(len(prompts))
    centres = unit_rows(torch.stack([z[labels == kind].mean(dim=0) for kind in kinds]))  # (c, d)
    return {
        BANK: asif(concatenate([stamps, own]), **settings),
        ALONE: asif(own),
        MEANS: (q @ centres.T).argmax(dim=1).numpy(),
        NEAREST: labels[(q @ z.T).argmax(dim=1).numpy()],
        PROBE: _probe(own.image.numpy(), labels).predict(asked.numpy()),
    }


def _probe(image, labels):
    """Fit a linear probe whose C is chosen by cross-validation; with one picture of a class there is no choice."""
    folds = min(FOLDS, np.bincount(labels).min())
    if folds < 2:
        return linear_probe().fit(image, labels)
    cut = StratifiedKFold(folds, shuffle=True, random_state=0)
    return GridSearchCV(linear_probe(), {"logisticregression__C": STRENGTHS}, cv=cut).fit(image, labels)


def by_repeated_splits(stamps, own, labels, prompts, sizes, settings, draws=10, questions=None, seed=0):
    """Measure each way with growing numbers of pictures: way → size → `Measure` of accuracy, and that of each draw.

    In each draw, `sizes` pictures of each class are drawn at random, the larger sizes holding the smaller ones. The
    other pictures of `own` are asked, or the `questions`. The interval is over draws and pictures together. A
    second dict, way → size → `Measure`, holds the paired gap to the first way.

    Parameters
    ----------
    stamps, own, labels, prompts, settings : as for `answers_of`
    sizes : sequence of int
        Fewer than the pictures of the smallest class, unless there are questions.
    draws, seed : int
    questions : Tensor of shape (q, d_image) and ndarray of shape (q,), optional
    """
    rng, right, largest = np.random.default_rng(seed), {}, max(sizes)
    for draw in range(draws):
        order = [rng.permutation(np.flatnonzero(labels == kind)) for kind in range(len(prompts))]
        rest = np.setdiff1d(np.arange(len(labels)), np.concatenate([own[:largest] for own in order]))
        asked, truth = questions or (own.image[rest.tolist()], labels[rest])
        places = np.arange(len(truth)) if questions else rest
        for size in sizes:
            rows = np.concatenate([kind[:size] for kind in order]).astype(int)
            some = own.subset(rows.tolist()) if size else None
            for way, given in answers_of(stamps, some, labels[rows], asked, prompts, settings).items():
                shape = draws, len(truth) if questions else len(labels)
                right.setdefault(size, {}).setdefault(way, np.full(shape, np.nan))[draw, places] = given == truth
    found, gaps = {}, {}
    for size, ways in right.items():
        for way, row in zip(ways, compare_paired(np.stack([*ways.values()])).itertuples(), strict=True):
            count = int((~np.isnan(ways[way])).any(axis=0).sum())
            measure, gap = (row.value, row.low, row.high), (row.difference, row.difference_low, row.difference_high)
            found.setdefault(way, {})[size] = Measure(*measure, count), np.nanmean(ways[way], axis=1)
            gaps.setdefault(way, {})[size] = Measure(*gap, count)
    return found, gaps
