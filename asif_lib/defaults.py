"""Every default of the method and of the command, once. Change it here, and code, help texts and chapters follow."""

from dataclasses import dataclass

DEFAULT_K_SHARE = 0.1
"""k as a share of the anchors; like `DEFAULT_P` chosen on the validation split of the stamps (chapter 05)."""
LARGEST_DEFAULT_K = 800
"""The paper's k, which the default never exceeds."""
DEFAULT_P = 2
DEFAULT_TEMPLATE = "a photo of a {}."
DEFAULT_BANK = "stamps"


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
