"""ASIF among the baselines, its variants, every method by name, and the choice of settings on validation pairs.

A variant is one change of ASIF: each is an ablation, and none is on by default. All of them look at the fitted pairs
only, so that a picture has the same scores alone and in a batch. A score is still a sum over named anchors.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_recall
from asif_lib.evaluation.recommending import combinations, measure_settings
from asif_lib.explain.audit import cosines_with_others
from asif_lib.relative import unit_rows
from asif_lib.settings import Settings
from asif_lib.sparse import SideAnchors, SparseVectors

from . import baselines, kernels
from .baselines import Method

ASKED_OF_THE_BANK = 2_000  # the number of the bank's own items, evenly spaced, that are asked to correct scores by them
SHARES, POWERS = (0.02, 0.05, 0.1, 0.15, 0.2), (1, 2, 4, 8)


@dataclass(eq=False)
class SparseAnchors(Method):
    """ASIF, with the face of a baseline: ``ASIF(bank, k, p, hubs=…, whiten=…)`` of the fitted pairs.

    k is the `share` of the n anchors.
    """

    GRID: ClassVar = {"share": SHARES, "p": POWERS}
    share: float = DEFAULT_K_SHARE
    p: float = DEFAULT_P
    hubs: float = 0.0
    whiten: float | None = None

    def _fit(self, image, text):
        if not 0 < self.share <= 1:
            raise ParameterError(f"share = {self.share}: k is a share of the anchors, above 0 and at most 1")
        self.k = max(1, round(self.share * len(image)))
        self.settings = Settings(self.k, self.p, hubs=self.hubs, whiten=self.whiten).checked(len(image))
        self.sides = {"image": self._once(SideAnchors, image), "text": self._once(SideAnchors, text)}  # centred
        if self.whiten:
            self.sides["image"] = self._once(SideAnchors.whitened, self.sides["image"], self.whiten)

    def similarity(self, image, text):
        return self._vectors("image", image).similarity(self._vectors("text", text))

    def _vectors(self, side, z) -> SparseVectors:
        anchors, unit = self.sides[side], self._unit(side, z)
        if self.common is None:
            return anchors.vectors(unit, self.settings)
        most = max(self.k, round(max(SHARES) * len(anchors)))  # one search for every k, p and hubs of the grid
        kept = self._once(SideAnchors.cosines, anchors, unit, most)
        return replace(kept, hubness=anchors.hubness if self.hubs else None).sparse(self.settings)

    def kept(self, image) -> torch.Tensor:
        """Return the k anchors that each of the pictures `image` (q, d_image) keeps, (q, k) int64."""
        return self._vectors("image", image).indices.long()

    def bank_to_texts(self, text):
        return self._own("image", ASKED_OF_THE_BANK).similarity(self._vectors("text", text))

    def bank_to_pictures(self, image):
        return self._own("text", ASKED_OF_THE_BANK).similarity(self._vectors("image", image))

    def _own(self, side, most) -> SparseVectors:
        """Represent at most `most` items of the bank by the others: an item is never its own anchor."""
        anchors = self.sides[side]
        rows = unit_rows(anchors.anchors)  # (n, d)
        asked = torch.linspace(0, len(rows) - 1, min(len(rows), most)).round().long()  # (q,)
        kept = cosines_with_others(rows, self.k, asked=asked)
        return replace(kept, hubness=anchors.hubness if self.hubs else None).sparse(self.settings)

    def _all_own(self) -> list:
        return [self._own(side, len(self.image)) for side in self.sides]


def variant(**tried):
    """Return a maker of `SparseAnchors` whose `GRID` tries these settings too: it can stand in `METHODS`.

    >>> make = variant(hubs=(0.25, 0.5))
    >>> make(p=4), list(make.GRID)
    (SparseAnchors(share=0.1, p=4, hubs=0.25, whiten=None), ['share', 'p', 'hubs'])
    """
    corrections = {name: values[0] for name, values in tried.items() if name not in SparseAnchors.GRID}
    make = functools.partial(SparseAnchors, **corrections)
    make.GRID, make.transductive = {**SparseAnchors.GRID, **tried}, False
    return make


@dataclass(eq=False)
class WithoutHubs(SparseAnchors):
    """Remove the share `removed` of the anchors that are most often in a top k of the bank's own items."""

    GRID: ClassVar = {**SparseAnchors.GRID, "removed": (0.02, 0.05)}
    removed: float = 0.02

    def _fit(self, image, text):
        super()._fit(image, text)
        self.common = None  # the anchors are this fit's own
        gone = _occurrences(self._all_own()).topk(round(self.removed * len(image))).indices
        # a row of zeros has the cosine 0 with everything, which counts for nothing
        self.sides = {side: SideAnchors(anchors.anchors.index_fill(0, gone, 0)) for side, anchors in self.sides.items()}


@dataclass(eq=False)
class _Weighted(SparseAnchors):
    """Weigh each anchor by a quantity of the bank's own items to a power, `strength`."""

    GRID: ClassVar = {**SparseAnchors.GRID, "strength": (0.25, 0.5)}
    strength: float = 0.25
    weights = None  # (n,); None while they are computed

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = self._weigh(*self._all_own())

    def _vectors(self, side, z):
        return self._weighed(super()._vectors(side, z))

    def _own(self, side, most):
        return self._weighed(super()._own(side, most))

    def _weighed(self, vectors):
        if self.weights is None:
            return vectors
        weighted = torch.nn.functional.normalize(vectors.values * self.weights[vectors.indices.long()], dim=1)
        return SparseVectors(vectors.indices, weighted, vectors.n)


class InverseHubness(_Weighted):
    """Weigh each anchor by (1 + N)^-`strength`, where N counts how often it is in a top k of the bank's own items."""

    def _weigh(self, images, texts):
        return (1 + _occurrences([images, texts])) ** -self.strength


class WeightedByAgreement(_Weighted):
    """Weigh each anchor by its agreement to the power `strength`: its own leave-one-out score (chapter 06)."""

    def _weigh(self, images, texts):
        agreement = torch.from_numpy(images.to_csr().multiply(texts.to_csr()).sum(axis=1)).float()
        return agreement.clamp_min(1e-3) ** self.strength


def _occurrences(vectors):
    used = torch.cat([v.indices[v.values > 0] for v in vectors])
    return torch.bincount(used, minlength=vectors[0].n).float()


@dataclass(eq=False)
class WithKernelRidge(SparseAnchors):
    """Add `weight` times the scores of kernel ridge regression to those of ASIF, and divide by 1 + `weight`."""

    GRID: ClassVar = {
        "share": (0.05, 0.1, 0.2),
        "p": (2, 4),
        "hubs": (0.25, 0.5),
        "whiten": (0.5, 0.8, 0.9),
        "weight": (0.25, 0.5, 1.0),
    }
    weight: float = 0.5

    def fit(self, image, text, validation=None):
        self.ridge = self._once(_kernel_ridge, image, text)
        return super().fit(image, text, validation)

    def similarity(self, image, text):
        of_ridge = self._once(self.ridge.similarity, image, text)  # (q, t)
        return (super().similarity(image, text) + self.weight * of_ridge) / (1 + self.weight)


def _kernel_ridge(image, text):
    return kernels.KernelRidge().fit(image, text)


METHODS: dict[str, Callable[..., Method]] = {
    "ASIF": SparseAnchors,
    "nearest anchor": baselines.NearestAnchorCaption,
    "label transfer": baselines.LabelTransfer,
    "relative": baselines.RelativeRepresentation,
    "ridge": baselines.Ridge,
    "Procrustes": baselines.Procrustes,
    "CCA": baselines.CanonicalCorrelation,
    "CSA": baselines.CanonicalSimilarity,
    "label transfer, both ways": kernels.LabelTransferBothWays,
    "kernel ridge, both ways": kernels.KernelRidge,
    "relative + ridge, both ways": kernels.RelativeRidge,
    "kernel CCA": kernels.KernelCanonicalCorrelation,
    "LiT head": baselines.TextHead,
    "CLIP heads": baselines.TwoHeads,
    "ASIF, hub-corrected anchors": variant(hubs=(0.25, 0.5)),
    "ASIF, inverse hubness": InverseHubness,
    "ASIF, without hubs": WithoutHubs,
    "ASIF, weighted by agreement": WeightedByAgreement,
    "ASIF, pictures whitened": variant(whiten=(0.5, 0.8)),
    "ASIF, whitened and hub-corrected": variant(
        share=(0.05, 0.1, 0.2), p=(2, 4), hubs=(0.25, 0.5), whiten=(0.5, 0.8, 0.9)
    ),
    "ASIF, whitened and hub-corrected, + kernel ridge": WithKernelRidge,
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


def choose(make, image, text, splits, relevant=None, grid=None, **fixed) -> Chosen:
    """Choose the settings of a method by the mean recall of validation pairs (`mean_recall`).

    Every combination of the grid is fitted on the first positions of each split, and asked the second. Among equal
    combinations the first wins. The test split has no part in it.

    Raises `ParameterError` if there is no split, or one without pairs.

    Parameters
    ----------
    make : class or function with ``GRID``
        One of `METHODS`.
    image, text : Tensors of shape (n, d_image) and (n, d_text)
    splits : iterable of (positions, positions)
        One fixed split, or folds: ``KFold(5, shuffle=True, random_state=0).split(image)`` of scikit-learn.
    relevant : Tensor of shape (n, n), bool, optional
        Which pictures and texts belong together, as `same_text` of the captions; default: pair i, and no other.
    grid : dict, optional
        Setting → values to try; default: ``make.GRID``.
    fixed : optional
        Settings that are not tried, such as those that were chosen for a method before its correction.

    Examples
    --------
    >>> image = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    >>> choose(baselines.Procrustes, image, image.flip(1), [(range(40), range(40, 60))]).settings
    {'dim': 32}
    """
    splits = [tuple(torch.as_tensor(np.asarray(part), dtype=torch.int64) for part in split) for split in splits]
    if not splits or not all(len(part) for split in splits for part in split):
        raise ParameterError("settings are chosen on splits that hold pairs to fit and pairs to ask; give at least one")
    relevant = torch.eye(len(image), dtype=torch.bool) if relevant is None else relevant
    grid, epochs = {**(grid or make.GRID), **{key: (value,) for key, value in fixed.items()}}, []
    tried = [{key: one[key] for key in grid} for one in combinations(dict(sorted(grid.items())))]
    asks = (_asker(make, (image, text), relevant, *split, epochs.append) for split in splits)
    found = measure_settings(tried, asks)
    table, best = found.table(), found.best()
    if epochs[0] is not None:
        means = np.reshape(epochs, (len(splits), len(tried))).mean(axis=0)
        table.insert(len(grid), "epochs", [max(1, round(mean)) for mean in means.tolist()])
    stopped = {"epochs": int(table["epochs"][best])} if epochs[0] is not None else {}
    return Chosen(tried[best] | stopped, float(table["value"][best]), table)


def _asker(make, pairs, relevant, fitted, asked, tell_epochs):
    """Return a function of the settings: fit a method with them on a part of the pairs, and ask it another part."""
    anchors, questions, common = [z[fitted].float() for z in pairs], [z[asked] for z in pairs], {}

    def ask(**settings):
        method = make(**settings)
        method.common = common
        method.fit(*anchors, validation=questions)
        tell_epochs(method.epochs)
        return mean_recall(method.both_ways(*questions), relevant[asked][:, asked])

    return ask
