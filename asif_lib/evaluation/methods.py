"""Name every way from pictures to texts, and choose its settings on validation pairs, for each in the same way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import ParameterGrid

from asif_lib.errors import ParameterError

from .baselines import (
    CanonicalCorrelation,
    CanonicalSimilarity,
    LabelTransfer,
    Method,
    NearestAnchorCaption,
    Procrustes,
    RelativeRepresentation,
    Ridge,
)
from .measures import mean_recall
from .trained import TextHead, TwoHeads
from .variants import InverseHubness, SparseAnchors, WeightedByAgreement, WithoutHubs, variant

METHODS: dict[str, Callable[..., Method]] = {
    "ASIF": SparseAnchors,
    "nearest anchor": NearestAnchorCaption,
    "label transfer": LabelTransfer,
    "relative": RelativeRepresentation,
    "ridge": Ridge,
    "Procrustes": Procrustes,
    "CCA": CanonicalCorrelation,
    "CSA": CanonicalSimilarity,
    "LiT head": TextHead,
    "CLIP heads": TwoHeads,
    "ASIF, hub-corrected anchors": variant(hubs=(0.25, 0.5)),
    "ASIF, inverse hubness": InverseHubness,
    "ASIF, without hubs": WithoutHubs,
    "ASIF, weighted by agreement": WeightedByAgreement,
    "ASIF, pictures whitened": variant(whiten=(0.5, 0.8)),
    "ASIF, whitened and hub-corrected": variant(
        share=(0.05, 0.1, 0.2), p=(2, 4), hubs=(0.25, 0.5), whiten=(0.5, 0.8, 0.9)
    ),
}
"""Name → class. Each is a `Method`: `GRID`, ``fit``, ``similarity``, ``both_ways``; its settings are keywords."""


@dataclass(frozen=True)
class Chosen:
    """The choice of `choose`."""

    settings: dict
    """Keywords of the method; with the epochs, if its training stops early."""
    value: float
    """Mean recall of the validation pairs with these settings, over the splits."""
    table: pd.DataFrame
    """One row for each combination: its settings, and ``value``."""


def choose(make, image, text, splits, relevant=None, **fixed) -> Chosen:
    """Choose the settings of a method by the mean recall of validation pairs (`mean_recall`).

    Every combination of ``make.GRID`` is fitted on the first positions of each split, and asked the second. Among equal
    combinations the first wins. The test split has no part in it.

    Parameters
    ----------
    make : class or function with ``GRID``
        One of `METHODS`.
    image, text : Tensors of shape (n, d_image) and (n, d_text)
    splits : iterable of (positions, positions)
        One fixed split, or folds: ``KFold(5, shuffle=True, random_state=0).split(image)`` of scikit-learn.
    relevant : Tensor of shape (n, n), bool, optional
        Which pictures and texts belong together, as `same_text` of the captions; default: pair i, and no other.
    fixed : optional
        Settings that are not tried, such as those that were chosen for a method before its correction.

    Raises
    ------
    ParameterError
        If there is no split, or one without pairs.

    Examples
    --------
    >>> image = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    >>> choose(Procrustes, image, image.flip(1), [(range(40), range(40, 60))]).settings
    {'dim': 32}
    """
    splits = [tuple(torch.as_tensor(np.asarray(part), dtype=torch.int64) for part in split) for split in splits]
    if not splits or not all(len(part) for split in splits for part in split):
        raise ParameterError("settings are chosen on splits that hold pairs to fit and pairs to ask; give at least one")
    relevant = torch.eye(len(image), dtype=torch.bool) if relevant is None else relevant
    grid, rows = {**make.GRID, **{key: (value,) for key, value in fixed.items()}}, []
    for one in ParameterGrid(grid):
        settings = {key: one[key] for key in grid}  # in the order of the grid
        answers = [_answer(make(**settings), image, text, relevant, *split) for split in splits]
        values, epochs = zip(*answers, strict=True)
        stopped = {} if epochs[0] is None else {"epochs": max(1, round(float(np.mean(epochs))))}
        rows.append({**settings, **stopped, "value": float(np.mean(values))})
    best = max(range(len(rows)), key=lambda i: rows[i]["value"])
    settings = {key: value for key, value in rows[best].items() if key != "value"}
    return Chosen(settings, rows[best]["value"], pd.DataFrame(rows))


def _answer(method, image, text, relevant, fitted, asked):
    """Return the mean recall of the pairs asked, and the epochs of a training that stops early."""
    pairs = image[asked], text[asked]
    if method.stops_early:
        method.fit(image[fitted], text[fitted], validation=pairs)
    else:
        method.fit(image[fitted], text[fitted])
    recall = mean_recall(method.both_ways(*pairs), relevant[asked][:, asked])
    return recall, method.epochs if method.stops_early else None
