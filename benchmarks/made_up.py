"""Made-up embeddings: two encoders, which share nothing, see the same captioned pictures.

A class has a centre in a latent space, near the centres of a few other classes. A picture of the class lies around the
centre. Its caption lies around the picture, since a caption omits some things and adds others. Each encoder sees the
latent vector through a random matrix of its own and adds its own noise. It also adds one vector to all embeddings, as
real encoders do. So neighbours have a meaning, and so has an accuracy.
"""

import numpy as np
import torch

from asif_book.chapters.made_up import LATENT, SCALE, concept_centres, normal
from asif_lib import EncoderIdentity
from asif_lib.relative import unit_rows

IMAGE = EncoderIdentity("image", "made up", "seed", "0" * 64, "none", 768)
TEXT = EncoderIdentity("text", "made up", "seed", "1" * 64, "none", 384)


class World:
    """Classes, and two encoders that see them; the same for the same arguments, on every machine.

    Parameters
    ----------
    classes : int
    spread : float
        The distance of pictures from their class's centre. With 0.5, classes are clusters. With 1 they overlap, and
        the neighbours of a picture belong to many classes.
    widths : tuple of int
        Dimensions of the image and of the text encoder.
    """

    def __init__(self, classes=1_000, spread=1.0, widths=(IMAGE.dim, TEXT.dim)):
        rng = np.random.default_rng(0)
        self.spread, self.classes = spread, classes
        self.centres = concept_centres(rng, classes)
        self.see = [normal(rng, LATENT, width) for width in widths]
        self.common = [2 * normal(rng, 1, width) for width in widths]

    def pairs(self, count, seed):
        """Return unit embeddings of `count` pictures (count, 768) and of their captions (count, 384), float32."""
        pictures, latent, rng, _ = self._pictures(count, seed)
        return pictures, self._embed(1, latent + 0.7 * normal(rng, count, LATENT) * SCALE, rng)

    def pictures(self, count, seed):
        """Return unit embeddings of new pictures, and the class of each."""
        pictures, _, _, labels = self._pictures(count, seed)
        return pictures, labels

    def _pictures(self, count, seed):
        rng = np.random.default_rng([1, seed])
        labels = rng.integers(0, self.classes, count)
        latent = self.centres[labels] + self.spread * normal(rng, count, LATENT) * SCALE
        return self._embed(0, latent, rng), latent, rng, labels

    def prompts(self, templates):
        """Return unit embeddings of the classes' names in `templates` prompt templates, class by class."""
        rng = np.random.default_rng(2)
        wordings = normal(rng, templates, LATENT) * SCALE
        latent = self.centres[:, None] + 0.5 * wordings
        return self._embed(1, latent.reshape(-1, LATENT), rng)

    def _embed(self, encoder, latent, rng):
        seen = latent @ self.see[encoder] + self.common[encoder]
        return unit_rows(torch.from_numpy(seen + 0.3 * normal(rng, *seen.shape)))
