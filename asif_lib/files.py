"""Two things that several modules do with files: know them by checksum, and write them whole or not at all."""

import hashlib
import os
from pathlib import Path


def sha256_of(path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal. Raises `OSError` if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody ever sees half of it."""
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)
