"""Every default of the method and of the command, once. Change it here; code, help texts and chapters follow."""

from dataclasses import dataclass

DEFAULT_K_SHARE = 0.1
"""k as a share of the anchors. Like `DEFAULT_P`, it was chosen on the validation split of the stamps (chapter 04)."""
LARGEST_DEFAULT_K = 800
"""The paper's k. The default k never exceeds it."""
DEFAULT_K_WORDS = f"{DEFAULT_K_SHARE:.0%} of the anchors, at most {LARGEST_DEFAULT_K}"
"""The default k, for help texts."""
AUDIT_K_SHARE = 0.2
"""k of an audit as a share of the anchors, chosen by captions that were planted for this purpose (chapter 06)."""
DEFAULT_P = 2
NEAREST = 10
"""The mean cosine with this number of nearest anchors says how much of a hub an anchor is (CSLS has 10 as well)."""
MANY = 10_000
"""Anchors among which the search for hubs takes seconds, so that a bar says how many."""
TASKS = "same kind", "another kind"
"""The pictures that will be asked, compared with those of a bank, for `recommend`."""

DEFAULT_TEMPLATE = "a photo of a {}."
"""The prompt template for class names, which data sets give without an article: "cat"."""
BARE_TEMPLATE = "a photo of {}."
"""The prompt template for labels that a user types, with their article where they need one: "a cat", "two cats"."""

DEFAULT_BANK = "stamps"
"""The default data set, and the name of its bank."""


@dataclass(frozen=True)
class Profile:
    """The encoders of a run, by name."""

    image_encoder: str
    text_encoder: str


PROFILES = {
    "offline": Profile("efficientnet_lite0", "all-MiniLM-L6-v2"),
    "hub": Profile("vit_base_patch16_224.augreg_in21k_ft_in1k", "all-mpnet-base-v2"),
}
"""``offline`` installs from the Python package registry; ``hub`` is larger and needs the network once."""
DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER = PROFILES["offline"].image_encoder, PROFILES["offline"].text_encoder
