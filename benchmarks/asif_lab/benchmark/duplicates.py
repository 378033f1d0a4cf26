"""Find anchors that show a picture that is asked.

One drawing may be in two data sets, with two captions. Thumbnails find it in the same way for every encoder.
"""

import numpy as np
import torch
from PIL import Image, ImageChops

from asif_lib.encoders.embeddings import embed_readable
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.encoders.image import PictureEncoder
from asif_lib.relative import unit_rows

SIDE = 16  # pixels of a thumbnail's side
SAME_DRAWING = 0.955
"""The correlation of two thumbnails from which they show one drawing. Between stamps, clip art and emoji, the drawings
that are in two of them have more, and so have a few pairs of plain discs, such as coins. They cost some anchors."""
NEARLY_WHITE = 16  # the largest difference to white of a pixel that is background, out of 255
BLOCK = 1_024


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
    """Return which of n pictures show the same drawing as one of the q pictures `asked`, (n,) bool.

    Parameters
    ----------
    pictures, asked : sequences of pictures; one that cannot be read shows nothing
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
