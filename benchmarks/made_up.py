"""Made-up embeddings: what two encoders, which know nothing of each other, make of the same captioned pictures.

A class has a centre in a latent space, near to those of a few other classes. A picture of it lies around the centre;
its caption lies around the picture, since it says less than the picture shows, and other things. Each encoder sees
the latent vector through a random matrix of its own, adds noise of its own, and a part that all its vectors share, as
the vectors of real encoders do. So neighbours mean something, and an accuracy does.
"""

import numpy as np
import torch

from asif_lib import EncoderIdentity
from asif_lib.relative import unit_rows

IMAGE = EncoderIdentity("image", "made up", "seed", "0" * 64, "none", 768)
TEXT = EncoderIdentity("text", "made up", "seed", "1" * 64, "none", 384)
LATENT = 64


class World:
    """Classes, and how the two encoders see them; the same for the same arguments, on every machine.

    Parameters
    ----------
    classes : int
    spread : float
        How far pictures lie from their class's centre. With 0.5 classes are clusters; with 1 they overlap, and the
        neighbours of a picture are of many classes.
    widths : tuple of int
        Dimensions of the image and of the text encoder.
    """

    def __init__(self, classes=1_000, spread=1.0, widths=(IMAGE.dim, TEXT.dim)):
        rng = np.random.default_rng(0)
        self.spread, self.classes = spread, classes
        self.scale = np.arange(1, LATENT + 1, dtype=np.float32) ** -0.5  # few directions count much
        groups = _normal(rng, max(1, classes // 10), LATENT)
        own = _normal(rng, classes, LATENT)
        self.centres = (groups[np.arange(classes) % len(groups)] + 0.5 * own) * self.scale
        self.see = [_normal(rng, LATENT, width) for width in widths]
        self.common = [2 * _normal(rng, 1, width) for width in widths]

    def pairs(self, count, seed):
        """Unit embeddings of `count` pictures (count, 768) and of their captions (count, 384), float32."""
        pictures, latent, rng, _ = self._pictures(count, seed)
        return pictures, self._embed(1, latent + 0.7 * _normal(rng, count, LATENT) * self.scale, rng)

    def pictures(self, count, seed):
        """Unit embeddings of new pictures, and the class of each."""
        pictures, _, _, labels = self._pictures(count, seed)
        return pictures, labels

    def _pictures(self, count, seed):
        rng = np.random.default_rng([1, seed])
        labels = rng.integers(0, self.classes, count)
        latent = self.centres[labels] + self.spread * _normal(rng, count, LATENT) * self.scale
        return self._embed(0, latent, rng), latent, rng, labels

    def prompts(self, templates):
        """Unit embeddings of the classes' names in `templates` prompt templates, class by class."""
        rng = np.random.default_rng(2)
        wordings = _normal(rng, templates, LATENT) * self.scale
        latent = self.centres[:, None] + 0.5 * wordings
        return self._embed(1, latent.reshape(-1, LATENT), rng)

    def _embed(self, encoder, latent, rng):
        seen = latent @ self.see[encoder] + self.common[encoder]
        return unit_rows(torch.from_numpy(seen + 0.3 * _normal(rng, *seen.shape)))


def _normal(rng, rows, columns):
    return rng.standard_normal((rows, columns), dtype=np.float32)
