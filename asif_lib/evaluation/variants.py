"""ASIF among the baselines, and one change of it at a time: each is an ablation, and none is on by default.

All changes look at the fitted pairs only, so that a picture has the same scores alone and in a batch. A score is still
a sum over named anchors.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows, whitening
from asif_lib.sparse import (
    SparseVectors,
    anchor_offsets,
    sparse_relative_representation,
    sparsify,
)

from .baselines import Method

ASKED_OF_THE_BANK = 2_000
"""The number of the bank's own items, evenly spaced, that are asked to correct scores by them."""
SHARES, POWERS = (0.02, 0.05, 0.1, 0.15, 0.2), (1, 2, 4, 8)


@dataclass(eq=False)
class SparseAnchors(Method):
    """ASIF, with the face of a baseline: ``ASIF(bank, k, p)`` of the fitted pairs, with k = `share` · n.

    A variant whitens the pictures, or changes the anchors, their offsets or their weights.
    """

    GRID: ClassVar = {"share": SHARES, "p": POWERS}
    share: float = DEFAULT_K_SHARE
    p: float = DEFAULT_P
    matrix = weights = None
    """What whitens the pictures, (d, d), and the weights of the anchors, (n,); None: nothing does."""

    def _fit(self, image, text):
        if not 0 < self.share <= 1:
            raise ParameterError(f"share = {self.share}: k is a share of the anchors, above 0 and at most 1")
        self.k = max(1, round(self.share * len(image)))
        self.anchors, self.offsets = {"image": image, "text": text}, {"image": None, "text": None}

    def similarity(self, image, text):
        return self._vectors("image", image).similarity(self._vectors("text", text))

    def _vectors(self, kind, z) -> SparseVectors:
        rows = self._unit(kind, z)
        if kind == "image" and self.matrix is not None:
            rows = rows @ self.matrix
        anchors, offsets = self.anchors[kind], self.offsets[kind]
        return self._weighed(sparse_relative_representation(rows, anchors, self.k, self.p, offsets=offsets))

    def _weighed(self, vectors):
        if self.weights is None:
            return vectors
        weighted = torch.nn.functional.normalize(vectors.values * self.weights[vectors.indices.long()], dim=1)
        return SparseVectors(vectors.indices, weighted, vectors.n)

    def kept(self, image) -> torch.Tensor:
        """Return the k anchors that each of the pictures `image` (q, d_image) keeps, (q, k) int64."""
        return self._vectors("image", image).indices.long()

    def bank_to_texts(self, text):
        return self._own("image", ASKED_OF_THE_BANK).similarity(self._vectors("text", text))

    def bank_to_pictures(self, image):
        return self._own("text", ASKED_OF_THE_BANK).similarity(self._vectors("image", image))

    def _own(self, kind, most) -> SparseVectors:
        """Represent at most `most` items of the bank by the others: an item is never its own anchor."""
        rows = unit_rows(self.anchors[kind])
        asked = torch.linspace(0, len(rows) - 1, min(len(rows), most)).round().long()
        cosines = rows[asked] @ rows.T
        cosines[torch.arange(len(asked)), asked] = -torch.inf
        return self._weighed(sparsify(cosines, self.k, self.p, self.offsets[kind]))

    def _everyone(self):
        return {kind: self._own(kind, len(self.image)) for kind in self.anchors}


@dataclass(eq=False)
class WhitenedPictures(SparseAnchors):
    """Whiten the pictures with a shrunk covariance of the bank's pictures: ``ASIF(bank, whiten=shrinkage)``."""

    GRID: ClassVar = {**SparseAnchors.GRID, "shrinkage": (0.5, 0.8)}
    shrinkage: float = 0.5

    def _fit(self, image, text):
        super()._fit(image, text)
        self.matrix = whitening(image, self.shrinkage)
        self.anchors["image"] = image @ self.matrix


@dataclass(eq=False)
class HubCorrectedAnchors(SparseAnchors):
    """Subtract what `anchor_offsets` says from the k largest cosines: ``ASIF(bank, hubs=…)``.

    An anchor in a dense region is near to many questions and says little. This is the idea of CSLS (Lample et al., ICLR
    2018), which has hubs = 0.5.
    """

    GRID: ClassVar = {**SparseAnchors.GRID, "hubs": (0.25, 0.5)}
    hubs: float = 0.5

    def _fit(self, image, text):
        super()._fit(image, text)
        self.offsets = {kind: anchor_offsets(rows, self.hubs) for kind, rows in self.anchors.items()}


@dataclass(eq=False)
class WhitenedHubCorrected(HubCorrectedAnchors, WhitenedPictures):
    """Whiten the pictures, then correct the anchors: ``ASIF(bank, hubs=…, whiten=shrinkage)``."""

    GRID: ClassVar = {"share": (0.05, 0.1, 0.2), "p": (2, 4), "hubs": (0.25, 0.5), "shrinkage": (0.5, 0.8, 0.9)}
    shrinkage: float = 0.8


@dataclass(eq=False)
class _Weighted(SparseAnchors):
    """Weigh each anchor by a quantity to a power, `strength`."""

    GRID: ClassVar = {**SparseAnchors.GRID, "strength": (0.25, 0.5)}
    strength: float = 0.25


class InverseHubness(_Weighted):
    """Weigh each anchor by (1 + N)^-`strength`, where N counts how often it is in a top k of the bank's own items."""

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = (1 + _occurrences(self._everyone())) ** -self.strength


@dataclass(eq=False)
class WithoutHubs(SparseAnchors):
    """Remove the share `removed` of the anchors that are most often in a top k of the bank's own items."""

    GRID: ClassVar = {**SparseAnchors.GRID, "removed": (0.02, 0.05)}
    removed: float = 0.02

    def _fit(self, image, text):
        super()._fit(image, text)
        hubs = _occurrences(self._everyone()).topk(round(self.removed * len(image))).indices
        for kind, rows in self.anchors.items():
            self.anchors[kind] = rows.index_fill(0, hubs, 0)  # the cosine 0 counts for nothing, as a negative one


class WeightedByAgreement(_Weighted):
    """Weigh each anchor by its agreement to the power `strength`: its own leave-one-out score (chapter 06)."""

    def _fit(self, image, text):
        super()._fit(image, text)
        images, texts = (side.to_csr() for side in self._everyone().values())
        agreement = torch.from_numpy(images.multiply(texts).sum(axis=1)).float()
        self.weights = agreement.clamp_min(1e-3) ** self.strength


def _occurrences(vectors):
    used = torch.cat([v.indices[v.values > 0] for v in vectors.values()])
    return torch.bincount(used, minlength=len(vectors["image"])).float()
