"""The opening of a chapter: the encoders of a profile, the captioned pictures, and the bank of all of them."""

from typing import NamedTuple

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs, load_pairs
from asif_lib.defaults import DEFAULT_BANK, PROFILES
from asif_lib.encoders.image import ImageEncoder, load_image_encoder
from asif_lib.encoders.text import TextEncoder, load_text_encoder
from asif_lib.errors import ParameterError


class Opening(NamedTuple):
    """Everything that a chapter starts from; row i of `bank` is pair i of `pairs`."""

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    pairs: Pairs
    bank: AnchorBank


def open_chapter(profile="offline", device="auto") -> Opening:
    """Load the encoders of a profile and the default pairs, and build the bank of all pairs.

    Raises `ParameterError` if there is no such profile.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile = {profile!r}: the profiles are {', '.join(PROFILES)}")
    image_encoder = load_image_encoder(PROFILES[profile].image_encoder, device=device)
    text_encoder = load_text_encoder(PROFILES[profile].text_encoder, device=device)
    pairs = load_pairs(DEFAULT_BANK)
    return Opening(image_encoder, text_encoder, pairs, AnchorBank.build(pairs, image_encoder, text_encoder))
