"""Simple ways from pictures to texts on the same pairs, to hold the method against.

Each is fitted on the bank's (n, d_image) and (n, d_text) embeddings and gives (q, t) scores for new ones,
so any of them can stand where ``ASIF.similarity`` stands.
"""

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from asif_lib.relative import relative_representation, unit_rows


class NearestAnchorCaption:
    """The caption of the most similar anchor stands for the picture.

    It is ASIF's limit for large p on the picture's side alone; with the power on both sides, as ASIF has it, one
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


class Procrustes:
    """The rotation that best carries pictures onto texts, both cut to their main `dim` directions."""

    def __init__(self, dim=128):
        self.dim = dim

    def fit(self, image, text):
        dim = min(self.dim, *image.shape, *text.shape)
        self.image_pca, self.text_pca = PCA(dim, random_state=0), PCA(dim, random_state=0)
        a = self.image_pca.fit_transform(unit_rows(image).numpy())
        b = self.text_pca.fit_transform(unit_rows(text).numpy())
        self.rotation, _ = orthogonal_procrustes(a, b)
        return self

    def similarity(self, image, text):
        a = self.image_pca.transform(unit_rows(image).numpy()) @ self.rotation
        b = self.text_pca.transform(unit_rows(text).numpy())
        return unit_rows(torch.from_numpy(a)) @ unit_rows(torch.from_numpy(b)).T


class CanonicalCorrelation:
    """Directions in which pictures and texts correlate most, after cutting both to `dim` by PCA."""

    def __init__(self, dim=64, components=32):
        self.dim, self.components = dim, components

    def fit(self, image, text):
        dim = min(self.dim, *image.shape, *text.shape)
        self.image_pca, self.text_pca = PCA(dim, random_state=0), PCA(dim, random_state=0)
        a = self.image_pca.fit_transform(unit_rows(image).numpy())
        b = self.text_pca.fit_transform(unit_rows(text).numpy())
        self.cca = CCA(min(self.components, dim), max_iter=2_000).fit(a, b)
        return self

    def similarity(self, image, text):
        a = self.image_pca.transform(unit_rows(image).numpy())
        b = self.text_pca.transform(unit_rows(text).numpy())
        # scikit-learn transforms the second block only together with a first one, which it does not use
        a, b = self.cca.transform(a), self.cca.transform(np.zeros((len(b), a.shape[1])), b)[1]
        return unit_rows(torch.from_numpy(a)) @ unit_rows(torch.from_numpy(b)).T
