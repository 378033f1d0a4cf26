"""Which encoder made an embedding, and on which device it runs."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

BFLOAT16 = ":bfloat16"
"""Ends the name of a text encoder whose linear layers compute in bfloat16."""


@dataclass(frozen=True)
class EncoderIdentity:
    """What makes two encoders the same: weights, preprocessing and dimension, whatever they are called."""

    kind: str
    """``"image"`` or ``"text"``."""
    name: str = field(compare=False)
    """What it was asked for by; like `source` not part of the comparison."""
    source: str = field(compare=False)
    """Where the weights came from."""
    checksum: str
    """SHA-256 of the weights."""
    preprocessing: str
    dim: int

    @property
    def locator(self) -> str:
        """What to call the encoder by to load it again: its name, or the folder it came from."""
        if not self.source.startswith("folder "):
            return self.name
        precision = BFLOAT16 if self.name.endswith(BFLOAT16) else ""
        return self.source.removeprefix("folder ") + precision

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with anything that changes an embedding."""
        parts = {key: value for key, value in asdict(self).items() if key not in ("name", "source")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self):
        return f"{self.name} ({self.source}, sha256 {self.checksum[:8]}, {self.dim} dimensions)"
