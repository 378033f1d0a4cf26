"""Load an encoder of any kind, by its name or as a bank names it."""

import pkgutil
import sys

from asif_lib.errors import EncoderError, IdentityError

LOADERS = {"image": "asif_lib.encoders.image:load_image_encoder", "text": "asif_lib.encoders.text:load_text_encoder"}
"""The function that loads an encoder of each kind, imported when it is used."""


def load_encoder(kind, name, *, device="auto", expected=None):
    """Load the encoder of a kind that is called `name`.

    Raises `EncoderError` or `IdentityError` as for `load_image_encoder`, or if no encoders of this kind can be loaded.

    Parameters
    ----------
    kind : str
        A key of `LOADERS`: ``"image"`` or ``"text"``.
    name : str or Path
    device : {"auto", "cpu", "cuda", "mps"}
    expected : EncoderIdentity, optional
        Compared with the weights and settings before they are loaded.
    """
    if kind not in LOADERS:
        raise EncoderError(f"{name}: encoders of kind {kind!r} cannot be loaded by a name; known: {', '.join(LOADERS)}")
    if sys.stderr.isatty():
        print(f"loading {name} …", file=sys.stderr, flush=True)
    return pkgutil.resolve_name(LOADERS[kind])(name, device=device, expected=expected)


def load_encoder_of(identity, *, device="auto"):
    """Load the encoder that a bank names by its identity, after a comparison of weights and settings.

    Raises `IdentityError` if these are others, and `EncoderError` if the encoder cannot be loaded, or lies in a folder
    that the user never named and does not confirm.
    """
    if identity.is_external:
        ways = "of new captions with --text-embedding FILE (--text-embeddings of a review), of others in Python"
        raise EncoderError(f"the encoder {identity} cannot be loaded by its name; bring its embeddings, {ways}")
    encoder = load_encoder(identity.kind, identity.locator, device=device, expected=identity)
    if encoder.identity != identity:
        raise IdentityError(f"the encoder {identity} computes in another way now; build the bank again with it")
    return encoder
