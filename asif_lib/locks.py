"""Locks of files, so that simultaneous changes lose nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None

from filelock import FileLock, Timeout

from asif_lib.errors import AsifError

LOCK_SECONDS = 10


class LockedError(AsifError):
    """Another process keeps a file locked, or the file system locks no files."""


@contextmanager
def locked(path) -> Iterator[None]:
    """Hold the lock of a file, ``NAME.lock`` beside it.

    It excludes other threads too, and ends with its process. Raises `LockedError` if another process keeps the lock for
    `LOCK_SECONDS` seconds, or at once if the file system refuses locks, and `OSError` if the folder is read-only.
    """
    path = Path(path)
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=LOCK_SECONDS)
    _check_locks(lock.lock_file)
    try:
        held = lock.acquire()
    except Timeout:
        raise LockedError(f"{lock.lock_file} is held by another process; let it end, and repeat.") from None
    with held:
        yield


def _check_locks(file):
    """Raise `LockedError` if the file system refuses a lock: filelock takes this for the lock of another process."""
    if not hasattr(fcntl, "flock"):  # Windows, a browser
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)  # as filelock does
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process that is forked now inherits no lock
    except BlockingIOError:  # another process holds it, and may release it
        pass
    except OSError as error:
        fault = f"the file system does not lock files ({error.strerror}); put the folder on another disk"
        raise LockedError(f"{file}: {fault}") from None
    finally:
        os.close(descriptor)
