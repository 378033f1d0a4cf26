"""Call a student's function in the notebook's own process: on copies, with a time limit, and without a trace.

The alarm rings in the main thread of Linux and macOS, where cells run. Elsewhere, and within one call of C such as
``sum(range(10**12))``, the user interrupts the cell.
"""

import contextlib
import copy
import io
import math
import random
import signal
import threading
import time

import numpy as np
import torch

TIME_LIMIT = 5
"""Seconds that one call of a student's function may compute."""
WAIT = 12
"""How many times as long the call may take by the clock, where the machine is busy or the function waits."""
READABLE = 2_000
"""Characters of what a function printed that are kept."""


class OutOfTime(BaseException):
    """Raised inside a function that must end; no `Exception`, so that ``except Exception`` lets it pass."""


@contextlib.contextmanager
def alarm(seconds):
    """Raise `OutOfTime` in what runs inside after some seconds of computing, or many of waiting."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    computed, began = time.thread_time(), time.monotonic()

    def ring(*_):
        if time.thread_time() - computed > seconds or time.monotonic() - began > WAIT * seconds:
            raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    # again and again, since a function may catch the first
    timer = signal.setitimer(signal.ITIMER_REAL, min(seconds, 0.2), 0.2)
    try:
        yield
    finally:
        seconds = math.inf  # a late ring must not raise
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)  # somebody else's, such as that of a test


@contextlib.contextmanager
def settings_kept():
    """What runs inside finds PyTorch's default settings, and the notebook's stand again afterwards."""
    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float32)
        with torch.enable_grad(), np.errstate():
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextlib.contextmanager
def random_states_kept():
    """What runs inside may draw or set seeds, and the notebook's random numbers go on as before."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


class Printed(io.TextIOBase):
    """A file that keeps the beginning of what is written to it, and counts the rest."""

    def __init__(self):
        self.kept, self.length, self.lines = "", 0, 0

    def write(self, text):
        self.kept += text[: READABLE - len(self.kept)]
        self.length, self.lines = self.length + len(text), self.lines + text.count("\n")
        return len(text)

    def __str__(self):
        if self.length <= READABLE:
            return self.kept
        return f"{self.kept}\n… and so on: {self.lines:,} lines, {self.length:,} characters in all."


def copies(arguments) -> list:
    """Return arguments with copies in place of Tensors, arrays, pictures, lists, tuples and dictionaries."""

    def one(a):
        if isinstance(a, torch.Tensor):
            return a.clone()
        return copy.deepcopy(a) if isinstance(a, list | tuple | dict) or hasattr(a, "tobytes") else a

    return [one(a) for a in arguments]


def unchanged(now, before) -> bool:
    """Return whether a function left its argument as it was; that it asked for gradients is no change."""
    if isinstance(before, torch.Tensor):
        return now.shape == before.shape and torch.allclose(now.detach(), before, rtol=0, atol=0, equal_nan=True)
    if hasattr(before, "tobytes"):
        return now.tobytes() == before.tobytes()
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(unchanged(now[key], before[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(unchanged, now, before))
    return now == before if isinstance(before, str | int | float) else True


def copied(result):
    """Return a result as the checks compare it: a copy, with Python's numbers, lists and tuples in place of others."""
    if isinstance(result, torch.Tensor):
        return result.clone()
    if isinstance(result, np.generic):
        return result.item()
    if isinstance(result, tuple):  # also that of topk
        return tuple(map(copied, result))
    if isinstance(result, list | range):
        return list(map(copied, result))
    return {copied(key): copied(value) for key, value in result.items()} if isinstance(result, dict) else result
