"""Compare the method with simple ways from pictures to texts, which are fitted on the same pairs.

Each baseline is fitted on the bank's (n, d_image) and (n, d_text) embeddings and gives (q, t) scores for new ones. So
a baseline can replace ``ASIF.similarity``. Its settings are chosen on validation pairs, as k and p are: `GRID` lists
the values that `asif_lib.evaluation.methods.choose` tries.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as LinearRidge

from asif_lib.errors import ParameterError
from asif_lib.relative import check_dimensions, main_directions, unit_rows, whitening


class Method:
    """A way from pictures to texts: fit it on pairs, then ask for scores.

    Both sides are centred by the means of the fitted pairs, and scaled to length 1. A subclass has ``_fit`` and
    ``_scores``, which receive these rows.
    """

    GRID: ClassVar = {}
    """The values of each setting that are tried on validation pairs; the first are the simplest."""
    transductive = False
    """Whether the score of a picture depends on the other pictures that are asked with it."""
    stops_early = False
    """Whether ``fit`` takes ``validation`` pairs, and sets `epochs` by them."""

    def fit(self, image, text):
        """Fit on the pairs `image` (n, d_image) and `text` (n, d_text), and return the method.

        Raises
        ------
        ParameterError
            If the numbers of rows differ, or a setting does not fit the pairs.
        """
        if len(image) != len(text) or not len(image):
            raise ParameterError(
                f"{len(image)} pictures and {len(text)} texts are not pairs; give row i of both as pair i"
            )
        self.image, self.text = image.float(), text.float()
        self.image_mean, self.text_mean = self.image.mean(dim=0), self.text.mean(dim=0)
        self._fit(*self._rows(image, text))
        return self

    def _rows(self, image, text):
        return self._unit("image", image), self._unit("text", text)

    def _unit(self, kind, z):
        check_dimensions(z, getattr(self, kind))
        return unit_rows(z, getattr(self, f"{kind}_mean"))

    def _fit(self, image, text):
        """Keep what the scores need: the rows of the pairs, as anchors, unless a subclass needs something else."""
        self.anchors = image, text

    def similarity(self, image, text) -> torch.Tensor:
        """Return the (q, t) float32 scores of pictures `image` (q, d_image) and texts `text` (t, d_text)."""
        return self._scores(*self._rows(image, text))

    def label_scores(self, image, text, templates, reduce) -> torch.Tensor:
        """Return the (q, t / templates) scores of labels, whose prompts follow one another: their mean or max."""
        scores = self.similarity(image, text)
        scores = scores.reshape(len(scores), -1, templates)
        return scores.amax(dim=2) if reduce == "max" else scores.mean(dim=2)

    def both_ways(self, image, text):
        """Return the scores for the search of texts, (q, t), and for the search of pictures, (t, q)."""
        scores = self.similarity(image, text)
        return scores, scores.T

    def bank_to_texts(self, text) -> torch.Tensor:
        """Return the (n, t) scores of the fitted pictures and texts `text` (t, d_text)."""
        return self.similarity(self.image, text)

    def bank_to_pictures(self, image) -> torch.Tensor:
        """Return the (n, q) scores of the fitted texts and pictures `image` (q, d_image)."""
        return self.similarity(image, self.text).T


class NearestAnchorCaption(Method):
    """Replace the picture by the caption of its most similar anchor.

    This is ASIF with a large p for pictures only. ASIF takes the power on both sides, so that with a large p one
    shared anchor decides (chapter 04).
    """

    def _scores(self, image, text):
        pictures, captions = self.anchors
        return captions[(image @ pictures.T).argmax(dim=1)] @ text.T


@dataclass(eq=False)
class LabelTransfer(Method):
    """Replace the picture by the mean caption embedding of its `k` most similar anchors.

    The weight of an anchor is its cosine with the picture to the power `p`; with p = 0 all k count the same. Only the
    pictures choose anchors here, while ASIF chooses them from both sides.
    """

    GRID: ClassVar = {"k": (1, 3, 5, 10, 20, 50), "p": (0, 2, 4)}
    k: int = 20
    p: float = 4

    def _scores(self, image, text):
        pictures, captions = self.anchors
        nearest = (image @ pictures.T).topk(min(self.k, len(pictures)), dim=1)
        weights = nearest.values.clamp_min(0) ** self.p
        return unit_rows((captions[nearest.indices] * weights[:, :, None]).sum(dim=1)) @ text.T


@dataclass(eq=False)
class Ridge(Method):
    """Predict the embedding of one side from the other by ridge regression (scikit-learn).

    The map goes from pictures to texts, or from texts to pictures. The second makes fewer hubs: Shigeto et al., Ridge
    regression, hubness, and zero-shot learning, ECML 2015.
    """

    GRID: ClassVar = {"towards": ("text", "image"), "alpha": (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)}
    alpha: float = 3.0
    towards: str = "text"

    def _fit(self, image, text):
        source, target = (image, text) if self.towards == "text" else (text, image)
        self.model = LinearRidge(self.alpha).fit(source.numpy(), target.numpy())

    def _scores(self, image, text):
        source, target = (image, text) if self.towards == "text" else (text, image)
        predicted = unit_rows(torch.from_numpy(self.model.predict(source.numpy())))
        return predicted @ target.T if self.towards == "text" else target @ predicted.T


class _Projected(Method):
    """Project both sides into one space by two matrices, and compare by the cosine."""

    weights = 1.0

    def _scores(self, image, text):
        image, text = (unit_rows(z @ m) for z, m in zip((image, text), self.maps, strict=True))
        return (image * self.weights) @ text.T


@dataclass(eq=False)
class Procrustes(_Projected):
    """Rotate pictures onto texts, both reduced to their `dim` main directions (scipy)."""

    GRID: ClassVar = {"dim": (32, 64, 128, 256, 384)}
    dim: int = 256

    def _fit(self, image, text):
        dim = min(self.dim, len(image), image.shape[1], text.shape[1])
        directions = [main_directions(z)[0][:, :dim] for z in (image, text)]
        reduced = ((z @ m).numpy() for z, m in zip((image, text), directions, strict=True))
        rotation, _ = orthogonal_procrustes(*reduced)
        self.maps = directions[0] @ torch.from_numpy(rotation), directions[1]


@dataclass(eq=False)
class CanonicalCorrelation(_Projected):
    """Project both sides onto the pairs of directions that correlate most: CCA with shrinkage.

    The covariance of each side is (1 - s) · C + s · (trace C / d) · 1, with the shrinkage s. Without it, n pairs in
    more than n dimensions correlate perfectly along directions that mean nothing.

    Parameters
    ----------
    shrinkage : float
        0 < s ≤ 1. With 1 no side is whitened, and the directions are those of the largest covariance.
    components : int
        Pairs of directions that are kept, at most as many as the smaller side has.

    Raises
    ------
    ParameterError
        From ``fit``, if the shrinkage is not above 0 and at most 1.

    References
    ----------
    Hardoon, Szedmak and Shawe-Taylor, Canonical correlation analysis, Neural Computation 2004; De Bie and De Moor, On
    the regularization of canonical correlation analysis, ICA 2003.
    """

    GRID: ClassVar = {"components": (32, 64, 128, 256, 384), "shrinkage": (1.0, 0.98, 0.9, 0.8, 0.5)}
    components: int = 128
    shrinkage: float = 0.8

    def _fit(self, image, text):
        if not 0 < self.shrinkage <= 1:
            raise ParameterError(f"shrinkage = {self.shrinkage}: it is above 0 and at most 1")
        whiten = [whitening(*main_directions(z), self.shrinkage) for z in (image, text)]
        white_image, white_text = ((z - z.mean(dim=0)) @ m for z, m in zip((image, text), whiten, strict=True))
        left, correlations, right = torch.linalg.svd(white_image.T @ white_text / len(image), full_matrices=False)
        kept = min(self.components, int((correlations > 1e-6 * correlations[0]).sum()))  # n pairs span n directions
        self.correlations = correlations[:kept]
        self.maps = tuple(w @ m[:, :kept] for w, m in zip(whiten, (left, right.T), strict=True))


class CanonicalSimilarity(CanonicalCorrelation):
    """CSA: as `CanonicalCorrelation`, and weight each component of the cosine by its correlation.

    The weights are divided by the largest, so that no score exceeds 1. This changes no order.

    References
    ----------
    Li, Chinchali and Topcu, CSA: Data-efficient mapping of unimodal features to multimodal features, ICLR 2025.
    """

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = self.correlations / self.correlations[0].clamp_min(1e-12)


class RelativeRepresentation(Method):
    """Compare the dense relative representations: the cosines of both sides with all anchors, and no sparsification.

    References
    ----------
    Moschella et al., Relative representations enable zero-shot latent space communication, ICLR 2023.
    """

    def _scores(self, image, text):
        image, text = (unit_rows(z @ a.T) for z, a in zip((image, text), self.anchors, strict=True))
        return image @ text.T


@dataclass(eq=False)
class LinearProbe:
    """Classify pictures by logistic regression on their embeddings (scikit-learn): a ceiling, since it needs labels.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    """

    GRID: ClassVar = {"C": (0.1, 1.0, 10.0, 100.0)}
    C: float = 10.0

    def fit(self, image, labels):
        """Fit on pictures `image` (n, d_image) with `labels` (n,), and return the probe.

        Raises
        ------
        ParameterError
            If all labels are the same.
        """
        if len(set(map(int, labels))) < 2:
            raise ParameterError("all labels are the same; a linear probe needs at least two classes")
        self.mean = image.float().mean(dim=0)
        self.model = LogisticRegression(C=self.C, max_iter=2_000)
        self.model.fit(unit_rows(image, self.mean).numpy(), [int(label) for label in labels])
        return self

    def predict(self, image):
        """Return the labels of pictures `image` (q, d_image), (q,) int64."""
        return self.model.predict(unit_rows(image, self.mean).numpy())
