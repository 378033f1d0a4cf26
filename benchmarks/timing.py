"""What the benchmarks share: ways that take turns, memory of a process of its own, ratios with their targets."""

import contextlib
import ctypes
import importlib.metadata
import multiprocessing
import os
import platform
import statistics
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from tqdm.auto import tqdm

MB = 1e6
SAMPLING = 0.02
"""Seconds between two looks at how much of the memory is the process's own; its peak as a whole needs no looks."""


def interleaved(ways, rounds, what=""):
    """Time each of several ways to do the same, in turns, so that a busy minute of the machine is shared by all.

    Parameters
    ----------
    ways : dict of str to callable
        Without arguments. Each round begins with the next of them, so that none always follows the same one.
    rounds : int
    what : str
        For the progress bar.

    Returns
    -------
    dict of str to list of float
        Seconds of each round.
    """
    names, seconds = list(ways), {name: [] for name in ways}
    with tqdm(total=rounds * len(names), desc=what, unit="run", leave=False, disable=not sys.stderr.isatty()) as bar:
        for turn in range(rounds):
            for i in range(len(names)):
                name = names[(turn + i) % len(names)]
                bar.set_postfix_str(name)
                seconds[name].append(seconds_of(ways[name]))
                bar.update()
    return seconds


def seconds_of(way):
    """Seconds of one call; freeing what it returns is part of it, for every way alike."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def summary(seconds):
    """The fastest and the median round of each way."""
    return {
        name: {"min": round(min(times), 4), "median": round(statistics.median(times), 4), "rounds": len(times)}
        for name, times in seconds.items()
    }


def ratio(what, numerator, denominator, *, at_least=None, at_most=None):
    """Compare the seconds (lists) of two ways: the ratio of the medians, beside it that of the fastest rounds.

    Examples
    --------
    >>> ratio("a over b", [2.0, 4.0, 3.0], [1.0, 1.0, 2.0], at_least=2.5)["met"]
    True
    """
    of_medians, of_minima = (of(numerator) / of(denominator) for of in (statistics.median, min))
    return target(what, of_medians, at_least=at_least, at_most=at_most) | {"of_minima": round(of_minima, 3)}


def target(what, value, *, at_least=None, at_most=None):
    """A figure to report, what it must reach, and whether it does."""
    value = float(value)  # of numpy's numbers, what is judged would be no bool that JSON knows
    reported = {"what": what, "value": round(value, 3)}
    bounds = {key: bound for key, bound in (("at_least", at_least), ("at_most", at_most)) if bound is not None}
    if bounds:
        met = bounds.get("at_least", value) <= value <= bounds.get("at_most", value)
        reported |= {**bounds, "met": met}
    return reported


def without_targets(result):
    """The result of small sizes, for which the targets were not set."""
    if isinstance(result, dict):
        return {key: without_targets(v) for key, v in result.items() if key not in ("at_least", "at_most", "met")}
    return [without_targets(part) for part in result] if isinstance(result, list) else result


def lines_of(result, where=""):
    """Yield a line for each figure in a result, however deep: those with `what` and `value`, ratios, verdicts."""
    if isinstance(result, list):
        for part in result:
            yield from lines_of(part, where)
    if not isinstance(result, dict):
        return
    if {"what", "value"} <= result.keys():
        bounds = [f"{word} {result[key]}" for key, word in (("at_least", "≥"), ("at_most", "≤")) if key in result]
        met = "" if result.get("met", True) else "  MISSED"
        yield f"{result['what']:84} {result['value']:10.3f}   {' and '.join(bounds)}{met}"
        return
    where = " ".join([where, *(str(result[key]) for key in ("data", "kind", "k", "pairs") if key in result)]).strip()
    for key, value in result.items():
        if key.startswith("ratio") and not isinstance(value, dict | list):
            yield f"{f'{where} {key}'.strip():84} {value:10.3f}"
        elif key == "verdict":
            yield f"{where} {value}"
        else:
            yield from lines_of(value, where if key in ("machine", "compared") else f"{where} {key}".strip())


# -- memory ----------------------------------------------------------------------------------------------


def in_child(function, *arguments):
    """Return the value of a function that runs in a fresh process, which gives all its memory back when it ends."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


class Memory:
    """What the process holds while a block runs, in bytes.

    Attributes
    ----------
    before : int
        Resident when the block begins.
    peak : int
        The most that was resident at a time, pages of mapped files included.
    anonymous : int
        The most that was the process's own and no mapped file's, which a system short of memory cannot just drop.
    """

    def __init__(self):
        self.before = self.peak = resident("VmRSS")
        self.anonymous = resident("RssAnon")

    @property
    def extra(self):
        """The peak less what was there before."""
        return self.peak - self.before


@contextlib.contextmanager
def peak_memory():
    """Watch the memory of this process (Linux); yields a `Memory`, which is complete when the block ends."""
    done = threading.Event()

    def look():
        while not done.wait(SAMPLING):
            memory.anonymous = max(memory.anonymous, resident("RssAnon"))

    with contextlib.suppress(OSError, AttributeError):  # glibc keeps what was freed; taken again it would not count
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest value so far
    memory = Memory()
    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield memory
    finally:
        done.set()
        watch.join()
        memory.peak = resident("VmHWM")


def resident(key):
    """A line of Linux' account of this process, in bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def need_memory(size, what):
    """End with a sentence unless `size` bytes are free: a machine that swaps measures its disk."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    if free < size:
        sys.exit(f"{what} needs {size / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; choose a smaller size")


# -- the machine -----------------------------------------------------------------------------------------


def machine():
    """What the figures hold for: processor, cores, memory, versions; and how busy it was before."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    packages = ("torch", "faiss-cpu", "numba", "scipy", "numpy")
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
