"""Load an encoder of either kind, by its name or as a bank names it."""

import sys
from pathlib import Path

from asif_lib.errors import EncoderError

from .identity import BFLOAT16
from .weights import ask_about


def load_encoder(kind, name, *, device="auto", expected=None):
    """Load the image or text encoder called `name`; an expected identity is compared before the weights are loaded."""
    if sys.stderr.isatty():
        print(f"loading {name} …", file=sys.stderr, flush=True)
    # timm takes seconds to import, and a text encoder needs none of it
    if kind == "image":
        from .image import load_image_encoder as load
    else:
        from .text import load_text_encoder as load
    return load(name, device=device, expected=expected)


def load_encoder_of(identity, *, device="auto"):
    """Load the encoder that a bank names by its identity, after a comparison of weights and settings.

    Raises
    ------
    IdentityError
        If the weights or settings are others.
    EncoderError
        If the encoder cannot be loaded, or lies in a folder that the user never named and does not confirm.
    """
    if identity.is_external:
        raise EncoderError(f"the encoder {identity} cannot be loaded by its name; in Python, bring its embeddings")
    return load_encoder(identity.kind, identity.locator, device=device, expected=identity)


def ask_about_folders(*identities):
    """Ask now about the folders that a bank names for its encoders, for a process without a terminal to load them."""
    for identity in identities:
        folder = Path(identity.locator.removesuffix(BFLOAT16))
        if folder.is_dir() and not identity.is_external:
            ask_about(folder.resolve())
