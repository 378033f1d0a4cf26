"""ASIF among the baselines, and one change of it at a time: each is an ablation, and none is on by default.

All changes look at the fitted pairs only, so that a picture has the same scores alone and in a batch. A score is still
a sum over named anchors.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows
from asif_lib.settings import Settings
from asif_lib.sparse import KeptCosines, Side, SparseVectors

from .baselines import Method

ASKED_OF_THE_BANK = 2_000
"""The number of the bank's own items, evenly spaced, that are asked to correct scores by them."""
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
        self.sides = {"image": Side(image), "text": Side(text)}  # the rows are centred already
        if self.whiten:
            self.sides["image"] = self.sides["image"].whitened(self.whiten)

    def similarity(self, image, text):
        return self._vectors("image", image).similarity(self._vectors("text", text))

    def _vectors(self, side, z) -> SparseVectors:
        return self.sides[side].represent(self._unit(side, z), self.settings)

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
        cosines = rows[asked] @ rows.T
        cosines[torch.arange(len(asked)), asked] = -torch.inf
        hubness = anchors.hubness if self.hubs else None
        return KeptCosines(*cosines.topk(self.k, dim=1), len(rows), hubness).sparse(self.settings)

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
    make.GRID, make.transductive, make.stops_early = {**SparseAnchors.GRID, **tried}, False, False
    return make


@dataclass(eq=False)
class WithoutHubs(SparseAnchors):
    """Remove the share `removed` of the anchors that are most often in a top k of the bank's own items."""

    GRID: ClassVar = {**SparseAnchors.GRID, "removed": (0.02, 0.05)}
    removed: float = 0.02

    def _fit(self, image, text):
        super()._fit(image, text)
        gone = _occurrences(self._all_own()).topk(round(self.removed * len(image))).indices
        # a row of zeros has the cosine 0 with everything, which counts for nothing
        self.sides = {side: Side(anchors.anchors.index_fill(0, gone, 0)) for side, anchors in self.sides.items()}


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
