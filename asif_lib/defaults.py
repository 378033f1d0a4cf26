"""Every default of the method and of the command, once. Change it here; code, help texts and chapters follow."""

from dataclasses import dataclass

from asif_lib.errors import ParameterError

DEFAULT_K_SHARE = 0.1
"""k as a share of the anchors. Like `DEFAULT_P`, it was chosen on the validation split of the stamps (chapter 05)."""
LARGEST_DEFAULT_K = 800
"""The paper's k. The default k never exceeds it."""
DEFAULT_K_WORDS = f"{DEFAULT_K_SHARE:.0%} of the anchors, at most {LARGEST_DEFAULT_K}"
"""The default k, for help texts."""
AUDIT_K_SHARE = 0.2
"""k of an audit as a share of the anchors, chosen by captions that were planted for this purpose (chapter 06)."""
AUDIT_K_WORDS = f"{AUDIT_K_SHARE:.0%} of the anchors, at most {LARGEST_DEFAULT_K}"
"""The default k of an audit, for help texts."""
DEFAULT_P = 2
NEAREST = 10
"""The mean cosine with this number of nearest anchors says how much of a hub an anchor is (CSLS has 10 as well)."""
TASKS = "same kind", "another kind"
"""The pictures that will be asked, compared with those of a bank, for `recommend`."""

DEFAULT_TEMPLATE = "a photo of a {}."
"""The prompt template for class names, which data sets give without an article: "cat"."""
BARE_TEMPLATE = "a photo of {}."
"""The prompt template for labels that a user types, with their article where they need one: "a cat", "two cats"."""

HUB = "hub:"
"""Stands before the name of a data set of the hub."""
TRANSFORMERS = "transformers:"
"""Stands before the name of a model that was trained on pairs, such as CLIP, where the name of a method is expected."""
LINEAR_PROBE = "linear probe"
"""Among the methods of a benchmark: a classifier of the image encoder that is fitted on labelled pictures."""
DEFAULT_BANK = "stamps"
"""The default data set, and the name of its bank."""
CELL_SECONDS = 600
"""Time limit for one cell of a chapter, unless the chapter's opening cell sets its own."""


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


def check_k(k, n):
    """Raise `ParameterError` unless 1 ≤ k ≤ n is a whole number."""
    if isinstance(k, bool) or not 1 <= k <= n or k != int(k):
        raise ParameterError(f"k = {k}: the entries to keep must be a whole number from 1 to the {n} anchors")


def check_k_p(k, p, n):
    """Raise `ParameterError` unless 1 ≤ k ≤ n is whole and p > 0 is finite."""
    check_k(k, n)
    if not 0 < p < float("inf"):
        raise ParameterError(f"p = {p}: the exponent must be positive and finite")


def check_hub_share(hubs):
    """Raise `ParameterError` unless the share `hubs` is from 0 to 1."""
    if not 0 <= hubs <= 1:
        raise ParameterError(f"hubs = {hubs}: the share of a mean cosine that is subtracted is from 0 to 1")


def check_hubs(hubs, n):
    """Raise `ParameterError` unless the share `hubs` is from 0 to 1, and n anchors are enough to find hubs."""
    check_hub_share(hubs)
    if hubs and n <= NEAREST:
        raise ParameterError(f"{n} anchors are too few: their hubs are found among {NEAREST} others; take hubs = 0")


def check_hubs_whiten(hubs, whiten, center, n):
    """Raise `ParameterError` unless `ASIF` can correct the cosines with n anchors in this way."""
    check_hubs(hubs, n)
    if whiten is not None and not (0 < whiten <= 1 and center):
        raise ParameterError(
            f"whiten = {whiten}, center = {center}: pictures that are centred are whitened, with a shrinkage "
            f"above 0 and at most 1"
        )
