"""The identity of an encoder: embeddings are compared only within one identity."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from asif_lib.errors import EncoderError

from .registry import SHIPPED

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
