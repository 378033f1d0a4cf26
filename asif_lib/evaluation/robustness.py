"""Damage pictures as the web does, to see how far the answers hold: JPEG, blur, and few pixels."""

import io
from itertools import islice

import torch
from PIL import Image, ImageFilter

from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import PictureBytes, open_picture
from asif_lib.errors import ParameterError, guess
from asif_lib.machine import progress_bar

RANGES = {"jpeg": (1, 95), "blur": (0.1, 100), "resize": (8, 10_000)}
"""Kind of damage → smallest and largest amount: JPEG quality, radius of a Gaussian blur in pixels, and the length in
pixels of the longer side, beyond which nothing is enlarged."""
AT_A_TIME = 256  # damaged pictures in memory


def read_damages(text) -> list:
    """Read ``"jpeg:50,blur:2"`` as a list of (kind, amount), each once.

    Raises `ParameterError` if a kind is not one of `RANGES`, or an amount is out of its range.

    >>> read_damages("jpeg:50, blur:2")
    [('jpeg', 50.0), ('blur', 2.0)]
    """
    damages = []
    for part in text.split(","):
        kind, _, amount = part.strip().partition(":")
        if kind not in RANGES:
            raise ParameterError(f"the damage {kind!r} is not known; known: {', '.join(RANGES)}{guess(kind, RANGES)}")
        low, high = RANGES[kind]
        try:
            value = float(amount)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ParameterError(
                f"{part.strip()}: {kind} takes a number from {low:g} to {high:g}, as in {kind}:{low:g}"
            )
        damages.append((kind, value))
    return [*dict.fromkeys(damages)]


def damaged(picture, kind, amount) -> PictureBytes:
    """Return a damaged copy of a picture. Raises as `open_picture`.

    Parameters
    ----------
    picture : as for `open_picture`
    kind, amount : str, float
        As in `RANGES`.

    Examples
    --------
    >>> open_picture(damaged(Image.new("RGB", (64, 32)), "resize", 16)).size
    (16, 8)
    """
    image, file = open_picture(picture), io.BytesIO()
    if kind == "resize":
        image.thumbnail((amount, amount), Image.Resampling.BICUBIC)
    elif kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(amount))
    options = {"format": "JPEG", "quality": round(amount)} if kind == "jpeg" else {"format": "PNG"}
    image.save(file, **options)
    return PictureBytes(file.getvalue(), f"{picture}, {kind}:{amount:g}")


def embed_damaged(encoder, pictures, kind, amount):
    """Return the embeddings of damaged copies of q pictures, (q, d) float32.

    Parameters
    ----------
    encoder : image encoder
    pictures : sequence of q pictures
    kind, amount : as for `damaged`
    """
    copies = (damaged(picture, kind, amount) for picture in progress_bar(pictures, desc=f"{kind}:{amount:g}"))
    parts = iter(lambda: list(islice(copies, AT_A_TIME)), [])
    return torch.cat([embed(encoder, part, progress=False) for part in parts])
