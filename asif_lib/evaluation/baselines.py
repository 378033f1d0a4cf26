"""Compare the method with simple ways from pictures to texts, which are fitted on the same pairs.

Each baseline is fitted on the bank's (n, d_image) and (n, d_text) embeddings and gives (q, t) scores for new ones. So
a baseline can replace ``ASIF.similarity``.
"""

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from asif_lib.relative import relative_representation, unit_rows


class NearestAnchorCaption:
    """Replace the picture by the caption of its most similar anchor.

    This is ASIF with a large p for pictures only. ASIF takes the power on both sides, so that with a large p one
    shared anchor decides (chapter 04).
    """

    def fit(self, image, text):
        self.image, self.text = image, text
        self.image_mean, self.text_mean = image.mean(dim=0), text.mean(dim=0)
        return self

    def similarity(self, image, text):
        nearest = relative_representation(image, self.image, mean=self.image_mean).argmax(dim=1)
        return relative_representation(self.text[nearest], text, mean=self.text_mean)


class Ridge:
    """Predict the text embedding from the image embedding by ridge regression (scikit-learn)."""

    def fit(self, image, text):
        self.image_mean, self.text_mean = image.mean(dim=0), text.mean(dim=0)
        targets = unit_rows(text, self.text_mean)
        alphas = [0.1, 1.0, 10.0, 100.0]  # chosen by leave-one-out on the anchors
        self.model = RidgeCV(alphas).fit(unit_rows(image, self.image_mean).numpy(), targets.numpy())
        return self

    def similarity(self, image, text):
        predicted = self.model.predict(unit_rows(image, self.image_mean).numpy())
        return unit_rows(torch.from_numpy(predicted)).float() @ unit_rows(text, self.text_mean).T


class _Reduced:
    """Reduce both sides to `dim` dimensions by PCA, and map them into one space."""

    def fit(self, image, text):
        dim = min(self.dim, *image.shape, *text.shape)
        self.pca = PCA(dim, random_state=0), PCA(dim, random_state=0)
        self._fit(*(p.fit_transform(unit_rows(z).numpy()) for p, z in zip(self.pca, (image, text), strict=True)))
        return self

    def similarity(self, image, text):
        reduced = (p.transform(unit_rows(z).numpy()) for p, z in zip(self.pca, (image, text), strict=True))
        image, text = (unit_rows(torch.from_numpy(z)) for z in self._align(*reduced))
        return image @ text.T


class Procrustes(_Reduced):
    """Rotate pictures onto texts, both reduced by PCA (scipy)."""

    def __init__(self, dim=128):
        self.dim = dim

    def _fit(self, image, text):
        self.rotation, _ = orthogonal_procrustes(image, text)

    def _align(self, image, text):
        return image @ self.rotation, text


class CanonicalCorrelation(_Reduced):
    """Project pictures and texts, both reduced by PCA, onto the directions that correlate most (scikit-learn)."""

    def __init__(self, dim=64, components=32):
        self.dim, self.components = dim, components

    def _fit(self, image, text):
        self.cca = CCA(min(self.components, image.shape[1]), max_iter=2_000).fit(image, text)

    def _align(self, image, text):
        # scikit-learn transforms texts only together with pictures, which it does not use for them
        return self.cca.transform(image), self.cca.transform(np.zeros((len(text), image.shape[1])), text)[1]
