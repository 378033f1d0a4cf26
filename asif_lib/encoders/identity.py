"""The identity of an encoder: embeddings are compared only within one identity."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

BFLOAT16 = ":bfloat16"
"""The ending of a text encoder's name if its linear layers compute in bfloat16."""


@dataclass(frozen=True)
class EncoderIdentity:
    """Kind, weights, preprocessing and dimension of an encoder. Two encoders with the same four are the same."""

    kind: str
    """``"image"`` or ``"text"``."""
    name: str = field(compare=False)
    """The name it was loaded by; like `source` not part of the comparison."""
    source: str = field(compare=False)
    """The package, folder or hub repository of the weights."""
    checksum: str
    """SHA-256 of the weights."""
    preprocessing: str
    dim: int

    @property
    def locator(self) -> str:
        """The name or folder that loads this encoder again."""
        if not self.source.startswith("folder "):
            return self.name
        precision = BFLOAT16 if self.name.endswith(BFLOAT16) else ""
        return self.source.removeprefix("folder ") + precision

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits. They change with everything that changes an embedding."""
        parts = {key: value for key, value in asdict(self).items() if key not in ("name", "source")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self):
        return f"{self.name} ({self.source}, sha256 {self.checksum[:8]}, {self.dim} dimensions)"
