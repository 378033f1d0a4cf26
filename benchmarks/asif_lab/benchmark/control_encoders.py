"""Encoders that know little: controls for the real ones."""

import hashlib
from dataclasses import replace

import numpy as np
import torch
from sklearn.feature_extraction.text import HashingVectorizer

from asif_lib.encoders.identity import external_identity, load_encoder
from asif_lib.encoders.image import load_image_encoder
from asif_lib.encoders.pictures import open_picture, white_square
from asif_lib.encoders.text import load_text_encoder

RANDOM = ":random"  # the ending of an encoder's name for the same architecture with random weights


class ColourHistogram:
    """An image encoder that only counts colours: 4 × 4 × 4 of them, (64,), each count under a square root."""

    identity = external_identity("image", "colour histogram", 64)

    def encode(self, pictures):
        """Return (n, 64) float32."""
        rows = [np.sqrt(colour_histogram(picture)) for picture in pictures]
        return torch.from_numpy(np.array(rows, np.float32).reshape(-1, 64))


def colour_histogram(picture) -> np.ndarray:
    """Count 4 × 4 × 4 colours in a small copy of the picture, (64,)."""
    levels = np.asarray(white_square(open_picture(picture)).resize((64, 64))) // 64
    return np.bincount((levels @ np.array([16, 4, 1])).ravel(), minlength=64)


class BagOfWords:
    """A text encoder that only sees which words occur (scikit-learn's `HashingVectorizer`), (2048,)."""

    identity = external_identity("text", "bag of words", 2_048)

    def encode(self, texts):
        """Return (n, 2048) float32."""
        vectorizer = HashingVectorizer(n_features=2_048, alternate_sign=False, dtype=np.float32)
        return torch.from_numpy(vectorizer.transform([*texts, ""]).toarray()[:-1])  # it refuses an empty list


CONTROLS = {("image", "colour histogram"): ColourHistogram, ("text", "bag of words"): BagOfWords}


def load_any_encoder(kind, name, *, device="auto"):
    """Load an encoder by its name, or by a name with the ending `RANDOM`, for random weights; or one of `CONTROLS`.

    Parameters
    ----------
    kind : {"image", "text"}
    name, device : as for `load_encoder`
    """
    if (kind, name) in CONTROLS:
        return CONTROLS[kind, name]()
    if not name.endswith(RANDOM):
        return load_encoder(kind, name, device=device)
    name = name.removesuffix(RANDOM)
    if kind == "image":
        return load_image_encoder(name, random_seed=0, device=device)
    return _with_random_weights(load_text_encoder(name, device=device, backend="torch"))


def _with_random_weights(encoder):
    """Draw other weights for a text encoder: matrices as its makers did, norms and biases as they begin."""
    random = torch.Generator().manual_seed(0)
    digest = hashlib.sha256()
    with torch.no_grad():
        for key, weight in encoder.model.named_parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn(weight.shape, generator=random) * 0.02)
            else:
                weight.fill_(float(key.endswith("weight")))
            digest.update(key.encode() + weight.cpu().numpy().tobytes())
    name = f"{encoder.identity.name} with random weights"
    encoder.identity = replace(encoder.identity, name=name, checksum=digest.hexdigest(), source="seed 0")
    return encoder
