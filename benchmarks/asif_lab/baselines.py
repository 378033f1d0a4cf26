"""Compare the method with simple ways from pictures to texts, which are fitted on the same pairs.

Each baseline is fitted on the bank's (n, d_image) and (n, d_text) embeddings and gives (q, t) scores for new ones. So
a baseline can replace ``ASIF.similarity``. Its settings are chosen on validation pairs, as k and p are: `GRID` lists
the values that `asif_lab.methods.choose` tries.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as LinearRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_recall
from asif_lib.relative import check_dimensions, main_directions, unit_rows, whitening

DIM, BATCH = 256, 1_024  # dimensions of a trained head, and pairs in a batch
RATE, WEIGHT_DECAY = 1e-2, 0.1
PATIENCE = 15  # training stops after this number of epochs without a better recall of the validation pairs


def _centred(z):
    mean = z.mean(dim=0)
    return mean, unit_rows(z, mean)


def _directions(rows):
    return main_directions(len(rows), [rows])


class Method:
    """A way from pictures to texts: fit it on pairs, then ask for scores.

    Both sides are centred by the fitted means, and scaled to length 1: a subclass's ``_fit`` and ``_scores`` get these.
    """

    GRID: ClassVar = {}
    """The values of each setting that are tried on validation pairs; the first are the simplest."""
    transductive = False
    """Whether the score of a picture depends on the other pictures that are asked with it."""
    epochs = None
    """Passes over the pairs, of a method that is trained."""
    common = None
    """A dictionary of what all settings have in common on the same pairs; `choose` hands it on."""

    def fit(self, image, text, validation=None):
        """Fit on pairs, and return the method.

        Raises `ParameterError` if the numbers of rows differ, or a setting does not fit the pairs.

        Parameters
        ----------
        image, text : Tensors of shape (n, d_image) and (n, d_text)
        validation : pair of such Tensors, optional
            By their recall, a training stops early: `epochs` becomes the best epoch, and the heads are those of it.
        """
        if len(image) != len(text) or not len(image):
            raise ParameterError(f"{len(image)} pictures and {len(text)} texts are not pairs; row i of both is a pair")
        self.image, self.text, self.validation = image.float(), text.float(), validation
        (self.image_mean, image), (self.text_mean, text) = (self._once(_centred, z) for z in (self.image, self.text))
        self._fit(image, text)
        return self

    def _once(self, function, *arguments):
        """Return ``function(*arguments)``, computed once for the same objects and numbers while `common` is shared."""
        if self.common is None:
            return function(*arguments)
        key = function, *((id(one) if hasattr(one, "__len__") else one) for one in arguments)
        if key not in self.common:
            self.common[key] = function(*arguments), arguments  # which keep their ids as long as they are held
        return self.common[key][0]

    def _unit(self, kind, z):
        check_dimensions(z, getattr(self, kind))
        return self._once(unit_rows, z, getattr(self, f"{kind}_mean"))

    def _fit(self, image, text):
        """Keep what the scores need: the rows of the pairs, as anchors, unless a subclass needs something else."""
        self.anchors = image, text

    def similarity(self, image, text) -> torch.Tensor:
        """Return the (q, t) float32 scores of pictures `image` (q, d_image) and texts `text` (t, d_text)."""
        return self._scores(self._unit("image", image), self._unit("text", text))

    def label_scores(self, image, text, templates, reduce) -> torch.Tensor:
        """Return the (q, t / templates) scores of labels, whose prompts follow one another.

        Parameters
        ----------
        image, text : Tensors of shape (q, d_image) and (t, d_text)
        templates : int, prompts of a label
        reduce : {"mean", "max"}, of the scores of a label's prompts
        """
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

    This is ASIF with a large p for pictures only. On both sides, as in ASIF, one shared anchor decides (chapter 04).
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
        return self._transfer(image, *self.anchors) @ text.T

    def _transfer(self, z, anchors, others):
        """Return the mean of the `others` (n, d) that belong to the anchors nearest to each row of z, of length 1."""
        nearest = (z @ anchors.T).topk(min(self.k, len(anchors)), dim=1)
        weights = nearest.values.clamp_min(0) ** self.p
        return unit_rows((others[nearest.indices] * weights[:, :, None]).sum(dim=1))


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
        directions = [self._once(_directions, z)[0][:, :dim] for z in (image, text)]
        reduced = ((z @ m).numpy() for z, m in zip((image, text), directions, strict=True))
        rotation, _ = orthogonal_procrustes(*reduced)
        self.maps = directions[0] @ torch.from_numpy(rotation), directions[1]


@dataclass(eq=False)
class CanonicalCorrelation(_Projected):
    """Project both sides onto the pairs of directions that correlate most: CCA with shrinkage.

    The covariance of each side is (1 - s) · C + s · (trace C / d) · 1, with the shrinkage s. Without it, n pairs in
    more than n dimensions correlate perfectly along directions that mean nothing. Hardoon, Szedmak and Shawe-Taylor,
    Canonical correlation analysis, Neural Computation 2004; De Bie and De Moor, On the regularization of canonical
    correlation analysis, ICA 2003.

    Raises `ParameterError` from ``fit``, if the shrinkage is not above 0 and at most 1.

    Parameters
    ----------
    shrinkage : float
        0 < s ≤ 1. With 1 no side is whitened, and the directions are those of the largest covariance.
    components : int
        Pairs of directions that are kept, at most as many as the smaller side has.
    """

    GRID: ClassVar = {"components": (32, 64, 128, 256, 384), "shrinkage": (1.0, 0.98, 0.9, 0.8, 0.5)}
    components: int = 128
    shrinkage: float = 0.8

    def _fit(self, image, text):
        if not 0 < self.shrinkage <= 1:
            raise ParameterError(f"shrinkage = {self.shrinkage}: it is above 0 and at most 1")
        directions = [self._once(_directions, z) for z in (image, text)]
        *maps, correlations = self._once(_canonical, image, text, *directions, self.shrinkage)
        kept = min(self.components, int((correlations > 1e-6 * correlations[0]).sum()))  # n pairs span n directions
        self.correlations = correlations[:kept]
        self.maps = tuple(m[:, :kept] for m in maps)


def _canonical(image, text, of_image, of_text, shrinkage):
    """Return r directions of each side, (d_image, r) and (d_text, r), and their correlations, the largest first."""
    whiten = [whitening(*directions, shrinkage) for directions in (of_image, of_text)]
    white_image, white_text = ((z - z.mean(dim=0)) @ m for z, m in zip((image, text), whiten, strict=True))
    left, correlations, right = torch.linalg.svd(white_image.T @ white_text / len(image), full_matrices=False)
    return whiten[0] @ left, whiten[1] @ right.T, correlations


class CanonicalSimilarity(CanonicalCorrelation):
    """CSA: as `CanonicalCorrelation`, and weight each component of the cosine by its correlation.

    The weights are divided by the largest, so that no score exceeds 1. This changes no order. Li, Chinchali and Topcu,
    CSA: Data-efficient mapping of unimodal features to multimodal features, ICLR 2025.
    """

    def _fit(self, image, text):
        super()._fit(image, text)
        self.weights = self.correlations / self.correlations[0].clamp_min(1e-12)


class RelativeRepresentation(Method):
    """Compare the dense relative representations: the cosines of both sides with all anchors, and no sparsification.

    Moschella et al., Relative representations enable zero-shot latent space communication, ICLR 2023.
    """

    def _scores(self, image, text):
        image, text = (unit_rows(z @ a.T) for z, a in zip((image, text), self.anchors, strict=True))
        return image @ text.T


def linear_probe(C=10.0):
    """Return a classifier of pictures: logistic regression on centred unit rows (scikit-learn).

    `C` is the inverse strength of the regularisation. The probe is a ceiling, since it needs labels.
    """
    return make_pipeline(StandardScaler(with_std=False), Normalizer(), LogisticRegression(C=C, max_iter=2_000))


@dataclass(eq=False)
class _Trained(Method):
    """See what training buys: linear heads on the frozen embeddings, the idea of a large model at the size of a bank.

    The heads are trained so that each picture is most similar to its own text, and each text to its own picture. The
    loss is CLIP's: the cross-entropy of the right partner in the batch, in both directions, at a trained temperature.
    Pairs with the same text as the right one do not count as wrong. In each step the share `dropout` of the embeddings'
    entries is set to 0. There are `epochs` passes over the pairs, or fewer if ``fit`` gets validation pairs.
    """

    GRID: ClassVar = {"dropout": (0.0, 0.5, 0.8)}
    dropout: float = 0.5
    epochs: int = 200

    def _fit(self, image, text):
        if len(image) < 2:
            raise ParameterError("a head cannot be trained on one pair: there is no wrong partner to tell it from")
        random = torch.Generator().manual_seed(0)
        self.heads = self._first_heads(image, text, random)
        scale = torch.tensor(math.log(20.0), requires_grad=True)
        trained = [self.heads[side].requires_grad_() for side in self.trained]
        optimiser = torch.optim.AdamW([{"params": trained, "weight_decay": WEIGHT_DECAY}, {"params": [scale]}], lr=RATE)
        best, best_epoch, best_heads = -1.0, 0, None
        alike = _alike(text) if len(text) <= BATCH else None  # (n, n), once for all epochs
        for epoch in range(1, self.epochs + 1):
            for rows in torch.randperm(len(image), generator=random).split(BATCH):
                same = _alike(text[rows]) if alike is None else alike[rows][:, rows]
                self._step(image[rows], text[rows], same, scale, optimiser, random)
            if self.validation is not None:
                with torch.no_grad():
                    scores = self.similarity(*self.validation)
                recall = mean_recall((scores, scores.T), torch.eye(len(scores), dtype=torch.bool))
                if recall > best:
                    best, best_epoch, best_heads = recall, epoch, self._copy()
                elif epoch - best_epoch >= PATIENCE:
                    break
        if best_heads is not None:
            self.heads, self.epochs = best_heads, best_epoch
        self.heads = self._copy()

    def _step(self, image, text, same, scale, optimiser, random):
        kept = [torch.rand(z.shape, generator=random) >= self.dropout for z in (image, text)]
        image, text = (self._head(z * mask, i) for i, (z, mask) in enumerate(zip((image, text), kept, strict=True)))
        logits = (scale.exp() * image @ text.T).masked_fill(same, -torch.inf)
        own = torch.arange(len(logits))
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def _copy(self):
        return [head.detach().clone() for head in self.heads]

    def _head(self, z, side):
        return unit_rows(z @ self.heads[side])

    def _scores(self, image, text):
        return self._head(image, 0) @ self._head(text, 1).T


class TextHead(_Trained):
    """Lock the pictures, and train a head from texts to pictures: the idea of LiT.

    The space is that of the pictures' `DIM` main directions, which makes training fast. Zhai et al., LiT: Zero-shot
    transfer with locked-image text tuning, CVPR 2022.
    """

    trained = (1,)

    def _first_heads(self, image, text, random):
        locked = self._once(_directions, image)[0][:, :DIM]
        return [locked, _random_head(text, locked.shape[1], random)]


class TwoHeads(_Trained):
    """Train a head on both sides, into one space of `DIM` dimensions: the idea of CLIP.

    Radford et al., Learning transferable visual models from natural language supervision, ICML 2021.
    """

    trained = 0, 1

    def _first_heads(self, image, text, random):
        return [_random_head(rows, DIM, random) for rows in (image, text)]


def _alike(text):
    """Return which texts (b, d) are equal to another one, (b, b) bool."""
    return (text @ text.T > 1 - 1e-5).fill_diagonal_(False)


def _random_head(rows, dim, random):
    return torch.randn(rows.shape[1], dim, generator=random) / rows.shape[1] ** 0.5
