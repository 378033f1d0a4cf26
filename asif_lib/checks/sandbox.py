"""Run a student's function so that it cannot hang the notebook, flood it, or move its random numbers."""

import contextlib
import io
import signal
import threading

import torch

TIME_LIMIT = 5
"""Seconds that one call of a student's function may take."""
READABLE = 2_000
"""Characters of what it printed that are kept."""


class OutOfTime(BaseException):
    """Raised inside a function that ran too long; no `Exception`, so that ``except Exception`` lets it pass."""


class Printed(io.TextIOBase):
    """A file that keeps the beginning of what is written to it and counts the rest."""

    def __init__(self):
        self.kept, self.length, self.lines = "", 0, 0

    def write(self, text):
        self.kept += text[: max(0, READABLE - len(self.kept))]
        self.length += len(text)
        self.lines += text.count("\n")
        return len(text)

    def __str__(self):
        if self.length <= READABLE:
            return self.kept
        return f"{self.kept}\n… and so on: {self.lines:,} lines, {self.length:,} characters in all."


@contextlib.contextmanager
def sandbox(printed):
    """What runs inside prints into `printed`, draws from random numbers of its own, and is stopped in time.

    Raises
    ------
    OutOfTime
        After `TIME_LIMIT` seconds, and again and again, should a bare ``except`` swallow it. Only the main
        thread, in which a notebook's cells run, can be interrupted.
    """
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), torch.random.fork_rng([]):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT, 0.2)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _stop(*_):
    raise OutOfTime
