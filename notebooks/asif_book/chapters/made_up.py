"""Make up embeddings: two encoders that share nothing see the same captioned pictures.

A concept has a centre in a latent space, near the centres of a few other concepts. A picture lies around the centre of
its concept, and its caption lies around the picture. Each encoder sees the latent vector through a random matrix of
its own. So neighbours have a meaning, and an accuracy has one too.
"""

import numpy as np
import pandas as pd
import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.encoders.identity import EncoderIdentity

LATENT = 64
SCALE = np.arange(1, LATENT + 1, dtype=np.float32) ** -0.5
"""Standard deviation of each latent direction: a few directions count for most, as in real encoders."""


def normal(rng, rows, columns):
    """Draw a (rows, columns) float32 array from the standard normal distribution."""
    return rng.standard_normal((rows, columns), dtype=np.float32)


def concept_centres(rng, concepts):
    """Draw the centres of concepts, (concepts, LATENT); ten concepts on average share a group."""
    groups, own = normal(rng, max(1, concepts // 10), LATENT), normal(rng, concepts, LATENT)
    return (groups[np.arange(concepts) % len(groups)] + 0.5 * own) * SCALE


class World:
    """Concepts in groups, and two encoders that see them: the same for the same arguments, on every machine."""

    def __init__(self, d_image=256, d_text=128, concepts=200, seed=0):
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.centres = concept_centres(rng, concepts)
        self.eyes = {kind: normal(rng, LATENT, d) for kind, d in (("image", d_image), ("text", d_text))}

    def pairs(self, count, number, concepts=None):
        """Return made-up pairs: embeddings (count, d_image) and (count, d_text), and the concept of each, (count,).

        Another `number` draws other pairs; `concepts` limits the draw to the first ones.
        """
        rng = np.random.default_rng([self.seed + 1, number])
        concept = rng.integers(0, concepts or len(self.centres), count)
        picture = self.centres[concept] + normal(rng, count, LATENT) * SCALE
        caption = picture + 0.5 * normal(rng, count, LATENT) * SCALE
        return self._see("image", picture, rng), self._see("text", caption, rng), concept

    def names(self, count, number):
        """Return the text embeddings of the names of the first concepts, (count, d_text)."""
        return self._see("text", self.centres[:count], np.random.default_rng(number))

    def _see(self, kind, latent, rng):
        eye = self.eyes[kind]
        return torch.from_numpy(latent @ eye + 0.3 * normal(rng, len(latent), eye.shape[1]))


def save_bank(folder, image, text) -> AnchorBank:
    """Save made-up embeddings (n, d_image), (n, d_text) in half precision, and open the bank from the disk."""
    identities = (
        EncoderIdentity(kind, "made up", "seed", "0" * 64, "none", z.shape[1])
        for kind, z in (("image", image), ("text", text))
    )
    table = pd.DataFrame({"id": map(str, range(len(image))), "caption": "made up", "picture": "", "group": ""})
    return AnchorBank.load(AnchorBank(folder.name, image.half(), text.half(), table, *identities).save(folder))
