"""Helpers of chapter 09: how many pairs a rival needs, and what the nearest anchors decide."""

import numpy as np
import torch

from asif_lib.evaluation.measures import Measure
from asif_lib.relative import relative_representation
from asif_lib.sparse import represent, sparsify


def share_of_pairs(curves, size) -> dict[str, Measure]:
    """Divide the pairs of ASIF, `size`, by the pairs with which each rival reaches the same recall; 0 if none do.

    `curves` has for each method, ASIF first, and each number of pairs the recall of q questions, (draws, q). It is read
    on lines in log n. A rival that reaches it before the smallest number counts as if it needed this number: the ratio
    is then a lower bound. Draws and questions are resampled together for all methods.
    """
    from asif_lab.benchmark.comparing import resampled_means

    sizes = sorted(curves["ASIF"])
    values = [np.stack([curve[n] for curve in curves.values()]) for n in sizes]  # of each size (m, draws, q)

    def shares(means):  # (m, sizes) to (m,)
        wanted, rising = means[0, sizes.index(size)], np.maximum.accumulate(means, axis=1)
        return [size / np.exp(np.interp(wanted, curve, np.log(sizes), right=np.inf)) for curve in rising]

    whole = shares(np.stack([v.mean(axis=(1, 2)) for v in values], axis=1))
    resampled = [shares(means) for means in np.stack([resampled_means(v) for v in values], axis=2)]
    found = zip(curves, whole, *np.quantile(resampled, [0.025, 0.975], axis=0), strict=True)
    return {name: Measure(*share, values[0].shape[2]) for name, *share in found if name != "ASIF"}


def asked_without(fitted, image, text, nearby) -> dict[str, torch.Tensor]:
    """Score pictures (q, d_image) by all anchors, the nearest alone, and those whose cosine is not above `nearby`.

    `fitted` is the method "ASIF", and `text` (t, d_text); the scores are (q, t).
    """
    cosines = relative_representation(image, fitted.image, mean=fitted.image_mean)  # (q, n)
    texts, far = represent(text, fitted.text, fitted.settings), cosines.masked_fill(cosines > nearby, -1)
    ways = {"all anchors": (cosines, fitted.k), "the nearest alone": (cosines, 1), "none nearby": (far, fitted.k)}
    return {name: sparsify(*way, fitted.p).similarity(texts) for name, way in ways.items()}


def verdict_of(gap, method: str, draws) -> str:
    """Say what may be claimed of a paired difference, a `Measure`, that one split of the pairs measured.

    "one split only": its interval excludes 0; "undecided": it does not. If the `draws` of `over_draws` have the
    `method`, their difference follows; one that excludes 0 "holds" if theirs has the same sign and is real after Holm's
    correction.
    """
    decided = gap.low > 0 or gap.high < 0
    if method not in draws.index:
        return "one split only" if decided else "undecided"
    row = draws.loc[method]
    holds = decided and row["verdict"] != "undecided" and row["gap"].value * gap.value > 0
    claim = "holds" if holds else "one split only;" if decided else "undecided on this split;"
    value, low, high = (f"{100 * end:z.1f}" for end in (row["gap"].value, *row["gap"].ci))
    return f"{claim} over {row['seeds']} draws: {value} ({low} to {high})"
