"""What several modules do with files: know them by checksum, write them whole, lock them, put them aside."""

import fcntl
import hashlib
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AsifError

LOCK_SECONDS = 10


class LockedError(AsifError):
    """Another process keeps a file locked."""


def sha256_of(path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal. Raises `OSError` if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody ever sees half of it."""
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def put_aside(path) -> Path:
    """Rename a damaged file to ``NAME.damaged-1.json`` (or -2, …) beside it, and return its new path."""
    path = Path(path)
    numbered = (path.with_suffix(f".damaged-{i}{path.suffix}") for i in itertools.count(1))
    kept = next(candidate for candidate in numbered if not candidate.exists())
    os.replace(path, kept)
    return kept


@contextmanager
def locked(path) -> Iterator[None]:
    """Hold the lock of a file, ``NAME.lock`` beside it: two processes that change it at once must not lose anything.

    The system releases the lock of a process that ends, however it ends.

    Raises
    ------
    LockedError
        Another process kept the lock for `LOCK_SECONDS` seconds.
    """
    path = Path(path)
    deadline = time.monotonic() + LOCK_SECONDS
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(f"{lock.name} is held by another process; let it end, and repeat.") from None
                time.sleep(0.02)
        yield
