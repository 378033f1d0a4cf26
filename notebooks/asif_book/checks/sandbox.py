"""Run a student's function so that it cannot hang the notebook, flood it, or move its random numbers."""

import contextlib
import io
import random
import signal
import sys
import threading
from unittest import mock

import numpy as np
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
def sandbox(printed, patience=1):
    """What runs inside prints into `printed`, moves no random numbers outside, and is stopped in time.

    Raises `OutOfTime` after `patience` times `TIME_LIMIT` seconds, also where the function catches everything with a
    bare except (one, not one within another). Only the main thread, in which cells run, can be interrupted.
    """
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _random_states(), _kernel_stays():
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        owner = sys._getframe(2)  # 0 is this frame, 1 contextlib's, 2 that of the with statement
        with _alarm(owner, patience * TIME_LIMIT):
            yield


def _kernel_stays():
    """In a notebook, `exit` raises nothing and ends the kernel after the cell; inside, let it raise as elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    return mock.patch.object(shell, "ask_exit", side_effect=SystemExit) if shell else contextlib.nullcontext()


@contextlib.contextmanager
def _random_states():
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextlib.contextmanager
def _alarm(owner, seconds):
    def stop(_, event, __):
        if event == "line":
            raise OutOfTime
        return stop

    def ring(_, frame):
        # A bare except swallows what is raised here. So the next line of each frame that is running raises another:
        # that line stands in the handler, where the same except cannot catch it.
        while frame is not None and frame is not owner:
            frame.f_trace = stop
            frame = frame.f_back
        sys.settrace(lambda *_: None)
        raise OutOfTime

    trace, before = sys.gettrace(), signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)  # again and again: the first may fall into a handler
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, before)
