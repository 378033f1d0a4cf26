"""What a few pictures of each class are worth: a bank joined with them, and other ways to learn from the same ones."""

import numpy as np
import torch

from asif_lib.bank.joining import concatenate
from asif_lib.evaluation.measures import Measure
from asif_lib.machine import for_small_matrices
from asif_lib.relative import unit_rows
from asif_lib.zeroshot import ASIF

from .baselines import linear_probe
from .benchmark.comparing import compare_paired
from .benchmark.tasks import FOLDS, fitted_probe

BANK, ALONE, MEANS, NEAREST, PROBE = (
    "ASIF, the stamps and yours", "ASIF, yours alone", "class means", "nearest picture", "linear probe",
)  # fmt: skip


@for_small_matrices()
def answers_by_way(stamps, own, labels, asked, prompts, settings) -> dict:
    """Answer q questions by each way from the m pictures that it was given: way → classes, (q,) int64.

    Parameters
    ----------
    stamps, own : AnchorBank
        A bank of other pairs, and the m pictures with their captions; None for no picture, which only a bank can use.
    labels : ndarray of shape (m,)
        The classes of `own`, 0 to c - 1.
    asked, prompts : Tensors of shape (q, d_image) and (c, d_text)
    settings : dict
        Keywords of `ASIF` for the joined bank. The m pictures alone keep k = those of a class.
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
        ALONE: asif(own, k=int(np.bincount(labels).min())),  # of its captions, those of one class tie
        MEANS: (q @ centres.T).argmax(dim=1).numpy(),
        NEAREST: labels[(q @ z.T).argmax(dim=1).numpy()],
        PROBE: _probe(own.image.numpy(), labels).predict(asked.numpy()),
    }


def _probe(image, labels):
    """Fit a linear probe whose C is chosen by cross-validation; with one picture of a class there is no choice."""
    folds = min(FOLDS, np.bincount(labels).min())
    return fitted_probe(image, labels, folds) if folds > 1 else linear_probe().fit(image, labels)


def by_repeated_splits(stamps, own, labels, prompts, sizes, settings, draws=10, questions=None, seed=0):
    """Measure each way with growing numbers of pictures: way → size → `Measure` of accuracy, and that of each draw.

    In each draw, `sizes` pictures of each class are drawn at random, the larger sizes holding the smaller ones. The
    other pictures of `own` are asked, or the `questions`. The interval is over draws and pictures together. A
    second dict, way → size → `Measure`, holds the paired gap to the first way.

    Parameters
    ----------
    stamps, own, labels, prompts, settings : as for `answers_by_way`
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
            for way, given in answers_by_way(stamps, some, labels[rows], asked, prompts, settings).items():
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
