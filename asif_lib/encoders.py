"""Frozen encoders: pictures or sentences in, one float32 row vector each out.

Both kinds are known by name. The weights are verified against a SHA-256 and loaded without executing
pickled code, and each encoder carries an `EncoderIdentity`, so that embeddings of two encoders are never
compared by mistake.
"""

from .encoder_identity import EncoderIdentity, resolve_device
from .encoder_weights import MINILM_PACKAGE, MINILM_SHA256, MPNET_PACKAGES, MPNET_SHA256, REGISTRY_IMAGE_ENCODERS
from .image_encoders import ImageEncoder, load_image_encoder
from .image_graphs import frozen_graph
from .text_encoders import TextEncoder, check_strings, load_text_encoder

__all__ = [
    "MINILM_PACKAGE",
    "MINILM_SHA256",
    "MPNET_PACKAGES",
    "MPNET_SHA256",
    "REGISTRY_IMAGE_ENCODERS",
    "EncoderIdentity",
    "ImageEncoder",
    "TextEncoder",
    "check_strings",
    "frozen_graph",
    "load_encoder",
    "load_image_encoder",
    "load_text_encoder",
    "resolve_device",
]


def load_encoder(kind, name, *, device="auto"):
    """Load the image or text encoder called `name`, as an `EncoderIdentity` names it."""
    return (load_image_encoder if kind == "image" else load_text_encoder)(name, device=device)
