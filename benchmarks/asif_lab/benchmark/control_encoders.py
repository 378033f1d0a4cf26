"""Encoders that know little: controls for the real ones, and thumbnails, by which copies of a picture are found.

One drawing may be in two data sets, with two captions, so an anchor can show a picture that is asked. Thumbnails find
such anchors, in the same way for every encoder.
"""

import hashlib
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageChops
from sklearn.feature_extraction.text import HashingVectorizer

from asif_lib.encoders.embeddings import embed_readable
from asif_lib.encoders.identity import EncoderIdentity, external_identity
from asif_lib.encoders.image import PictureEncoder, load_image_encoder
from asif_lib.encoders.loading import load_encoder
from asif_lib.encoders.pictures import open_picture
from asif_lib.encoders.text import load_text_encoder
from asif_lib.relative import unit_rows

RANDOM = ":random"
"""The ending of an encoder's name for the same architecture with random weights."""
SIDE = 16
"""Pixels of a thumbnail's side."""
SAME_DRAWING = 0.955
"""The correlation of two thumbnails from which they show one drawing. Between stamps, clip art and emoji, the drawings
that are in two of them have more, and so have a few pairs of plain discs, such as coins. They cost some anchors."""
NEARLY_WHITE = 16
"""The largest difference to white of a pixel that is background, out of 255."""
BLOCK = 1_024


class ColourHistogram:
    """An image encoder that only counts colours: 4 × 4 × 4 of them, (64,), each count under a square root."""

    identity = external_identity("image", "colour histogram", 64)

    def encode(self, pictures):
        """Return (n, 64) float32."""
        rows = [np.sqrt(colour_histogram(picture)) for picture in pictures]
        return torch.from_numpy(np.array(rows, np.float32).reshape(-1, 64))


def colour_histogram(picture) -> np.ndarray:
    """Count 4 × 4 × 4 colours in a small copy of the picture, (64,)."""
    levels = np.asarray(open_picture(picture).resize((64, 64))) // 64
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
    """Load an encoder, or a control.

    Parameters
    ----------
    kind : {"image", "text"}
    name : str
        The name of an encoder; the same with the ending `RANDOM`, for random weights; or a name in `CONTROLS`.
    device : {"auto", "cpu", "cuda", "mps"}
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


class Thumbnail(PictureEncoder):
    """The picture without its white margin, in `SIDE` × `SIDE` pixels: rows whose product is their correlation."""

    def __init__(self):
        preprocessing = f"no margin of white ± {NEARLY_WHITE}, {SIDE} × {SIDE}, without mean colour, length 1"
        identity = EncoderIdentity("image", "thumbnail", "asif_lib", "none", preprocessing, 3 * SIDE * SIDE)
        super().__init__(identity, torch.device("cpu"), batch_size=16)

    def prepare(self, image):
        """Return the pixels of an RGB PIL image, (3 · SIDE²,)."""
        image.thumbnail((256, 256), Image.Resampling.BILINEAR)
        apart = ImageChops.difference(image, Image.new("RGB", image.size, "white")).convert("L")
        drawn = apart.point(lambda value: 255 * (value > NEARLY_WHITE)).getbbox()
        small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=drawn)
        pixels = np.asarray(small, np.float32).reshape(-1, 3)
        return torch.from_numpy((pixels - pixels.mean(axis=0)).ravel())

    def _embed(self, batch):
        return unit_rows(batch)


def showing(pictures, asked, progress=False) -> np.ndarray:
    """Return which of n pictures show the same drawing as a picture that is asked, (n,) bool.

    Parameters
    ----------
    pictures, asked : sequences of n and q pictures
        A picture that cannot be read shows nothing.
    progress : bool
    """
    shows = np.zeros(len(pictures), bool)
    if len(pictures) and len(asked):
        rows, kept, _ = embed_readable(Thumbnail(), pictures, progress=progress)  # (m, 768), their m positions
        questions, _, _ = embed_readable(Thumbnail(), asked, progress=progress)  # (q, 768)
        for part, block in zip(torch.tensor(kept).split(BLOCK), rows.split(BLOCK), strict=True):
            shows[part.numpy()] = ((block @ questions.T) >= SAME_DRAWING).any(dim=1).numpy()
    return shows


def identical(anchors, asked) -> np.ndarray:
    """Return which of the embeddings `anchors` (n, d) are bit for bit among those `asked` (q, d), (n,) bool."""
    known = {row.tobytes() for row in _bytes(asked.to(anchors.dtype))}
    return np.array([row.tobytes() in known for block in anchors.split(BLOCK) for row in _bytes(block)])


def _bytes(rows):
    return rows.contiguous().view(torch.uint8).numpy()
