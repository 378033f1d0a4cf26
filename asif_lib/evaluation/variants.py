"""ASIF among the baselines, and one change of it at a time: each is an ablation, and none is on by default.

All changes look at the fitted pairs only, so that a picture has the same scores alone and in a batch. A score is still
a sum over named anchors.
"""

from typing import ClassVar

import torch

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P, NEAREST
from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows, whitening
from asif_lib.sparse import (
    SparseVectors,
    hub_offsets,
    power_and_normalise,
    sparse_relative_representation,
    sparsify,
)

from .baselines import Method

ASKED_OF_THE_BANK = 2_000
"""The number of the bank's own items, evenly spaced, that are asked to correct scores by them."""
SHARES, POWERS = (0.02, 0.05, 0.1, 0.15, 0.2), (1, 2, 4, 8)


class SparseAnchors(Method):
    """ASIF, with the face of a baseline: ``ASIF(bank, k, p)`` of the fitted pairs, with k = `share` · n."""

    GRID: ClassVar = {"share": SHARES, "p": POWERS}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P):
        self.share, self.p = share, p

    def _fit(self, image, text):
        self.k = min(len(image), max(1, round(self.share * len(image))))

    def similarity(self, image, text):
        return self._vectors("image", image).similarity(self._vectors("text", text))

    def _vectors(self, kind, z) -> SparseVectors:
        anchors, mean = (self.image, self.image_mean) if kind == "image" else (self.text, self.text_mean)
        return sparse_relative_representation(z, anchors, self.k, self.p, mean=mean)

    def kept(self, image) -> torch.Tensor:
        """Return the k anchors that each of the pictures `image` (q, d_image) keeps, (q, k) int64."""
        return self._vectors("image", image).indices.long()

    def bank_to_texts(self, text):
        return self._own("image").similarity(self._vectors("text", text))

    def bank_to_pictures(self, image):
        return self._own("text").similarity(self._vectors("image", image))

    def _own(self, kind) -> SparseVectors:
        """Represent items of the bank by the others: an item is never its own anchor."""
        anchors, mean = (self.image, self.image_mean) if kind == "image" else (self.text, self.text_mean)
        rows, asked = unit_rows(anchors, mean), _evenly(len(anchors), ASKED_OF_THE_BANK)
        return sparsify(_without_own(rows[asked] @ rows.T, asked), self.k, self.p)


class _Variant(SparseAnchors):
    """Whiten the pictures, or change the anchors' cosines, (q, n), or the weights of the anchors, (n,)."""

    shrinkage = None
    """Of the covariance with which pictures are whitened; None: they are not."""

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = None
        self.whitening = None if self.shrinkage is None else whitening(image, self.shrinkage)
        self.anchors = {"image": self._whitened(image), "text": text}
        self.offsets = {kind: torch.zeros(len(image)) for kind in self.anchors}

    def _whitened(self, image):
        return image if self.whitening is None else unit_rows(image @ self.whitening)

    def _own_cosines(self, kind, asked):
        return _without_own(self.anchors[kind][asked] @ self.anchors[kind].T, asked)

    def _vectors(self, kind, z):
        rows = self._whitened(self._rows(z, self.text[:1])[0]) if kind == "image" else self._rows(self.image[:1], z)[1]
        return self._sparse(kind, rows @ self.anchors[kind].T)

    def _own(self, kind):
        return self._sparse(kind, self._own_cosines(kind, _evenly(len(self.image), ASKED_OF_THE_BANK)))

    def _sparse(self, kind, cosines):
        values, indices = (cosines - self.offsets[kind]).topk(self.k, dim=1)
        vectors = power_and_normalise(values, indices, self.p, len(self.image))
        if self.weights is None:
            return vectors
        weighted = torch.nn.functional.normalize(vectors.values * self.weights[indices], dim=1)
        return SparseVectors(vectors.indices, weighted, vectors.n)

    def _everyone(self):
        return {
            kind: self._sparse(kind, self._own_cosines(kind, torch.arange(len(self.image)))) for kind in self.anchors
        }


class HubCorrectedAnchors(_Variant):
    """Subtract from the cosine with an anchor the share `hubs` of the anchor's own mean cosine with its neighbours.

    The mean is over the anchor's `NEAREST` anchors, and counts from its mean over the bank. An anchor in a dense region
    is near to many questions and says little. This is the idea of CSLS (Lample et al., ICLR 2018), before the k largest
    are kept: CSLS itself has hubs = 0.5. ``ASIF(bank, hubs=…)`` subtracts the same from the k largest only.
    """

    GRID: ClassVar = {**SparseAnchors.GRID, "hubs": (0.25, 0.5)}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P, hubs=0.5):
        super().__init__(share, p)
        self.hubs = hubs

    def _fit(self, image, text):
        super()._fit(image, text)
        if len(image) <= NEAREST:
            raise ParameterError(f"{len(image)} anchors are too few: their hubs are found among {NEAREST} others")
        for kind, rows in self.anchors.items():
            asked = torch.arange(len(rows)).split(ASKED_OF_THE_BANK)
            near = torch.cat([self._own_cosines(kind, part).topk(NEAREST, dim=1).values for part in asked])
            self.offsets[kind] = hub_offsets(near, self.hubs)


class _Weighted(_Variant):
    """Weigh each anchor by a quantity to a power, `strength`."""

    GRID: ClassVar = {**SparseAnchors.GRID, "strength": (0.25, 0.5)}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P, strength=0.25):
        super().__init__(share, p)
        self.strength = strength


class InverseHubness(_Weighted):
    """Weigh each anchor by (1 + N)^-`strength`, where N counts how often it is in a top k of the bank's own items."""

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = (1 + _occurrences(self._everyone())) ** -self.strength


class WithoutHubs(_Variant):
    """Remove the share `removed` of the anchors that are most often in a top k of the bank's own items."""

    GRID: ClassVar = {**SparseAnchors.GRID, "removed": (0.02, 0.05)}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P, removed=0.02):
        super().__init__(share, p)
        self.removed = removed

    def _fit(self, image, text):
        super()._fit(image, text)
        hubs = _occurrences(self._everyone()).topk(round(self.removed * len(image))).indices
        for offsets in self.offsets.values():
            offsets[hubs] = torch.inf  # never in a top k, and never above 0


class WeightedByAgreement(_Weighted):
    """Weigh each anchor by its agreement to the power `strength`: its own leave-one-out score (chapter 06)."""

    def _fit(self, image, text):
        super()._fit(image, text)
        images, texts = (side.to_csr() for side in self._everyone().values())
        agreement = torch.from_numpy(images.multiply(texts).sum(axis=1)).float()
        self.weights = agreement.clamp_min(1e-3) ** self.strength


class WhitenedPictures(_Variant):
    """Whiten the pictures with a shrunk covariance of the bank's pictures, as `CanonicalCorrelation` does."""

    GRID: ClassVar = {**SparseAnchors.GRID, "shrinkage": (0.5, 0.8)}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P, shrinkage=0.5):
        super().__init__(share, p)
        self.shrinkage = shrinkage


class WhitenedHubCorrected(HubCorrectedAnchors):
    """Whiten the pictures as `WhitenedPictures`, then correct the anchors as `HubCorrectedAnchors`."""

    GRID: ClassVar = {"share": (0.05, 0.1, 0.2), "p": (2, 4), "hubs": (0.25, 0.5), "shrinkage": (0.5, 0.8)}

    def __init__(self, share=DEFAULT_K_SHARE, p=DEFAULT_P, hubs=0.5, shrinkage=0.8):
        super().__init__(share, p, hubs)
        self.shrinkage = shrinkage


def _occurrences(vectors):
    used = torch.cat([v.indices[v.values > 0] for v in vectors.values()])
    return torch.bincount(used, minlength=len(vectors["image"])).float()


def _evenly(n, most):
    return torch.linspace(0, n - 1, min(n, most)).round().long()


def _without_own(cosines, asked):
    cosines[torch.arange(len(asked)), asked] = -torch.inf
    return cosines
