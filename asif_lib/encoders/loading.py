"""Load an encoder of either kind."""

from .image import load_image_encoder
from .text import load_text_encoder


def load_encoder(kind, name, *, device="auto"):
    """Load the image or text encoder called `name`, as an `EncoderIdentity` names it."""
    return (load_image_encoder if kind == "image" else load_text_encoder)(name, device=device)
