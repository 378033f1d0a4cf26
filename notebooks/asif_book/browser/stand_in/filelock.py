"""A browser's Python is one process, so that nothing needs a lock."""

import contextlib


class Timeout(OSError):
    """Never raised here."""


class FileLock:
    """The lock of a file, which is always free."""

    def __init__(self, lock_file, timeout=-1):
        self.lock_file = str(lock_file)

    def acquire(self):
        """Return the context in which the lock is held."""
        return contextlib.nullcontext()
