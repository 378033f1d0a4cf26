"""Shared by the benchmarks: ways that take turns, memory of a process of its own, ratios with their targets."""

import contextlib
import importlib.metadata
import multiprocessing
import os
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest.mock import patch

import torch
from tqdm.auto import tqdm

from asif_book.chapters.measuring import PeakMemory

MB = 1e6
SAMPLING = 0.02
"""Seconds between two samples of the process's own memory; the system records the peak of all memory."""


def interleaved(ways, rounds, what=""):
    """Time several ways to do the same, in turns, so that a busy minute of the machine affects all of them.

    Parameters
    ----------
    ways : dict of str to callable
        Without arguments. Each round begins with another way, so that the order changes.
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
    """Return the seconds of one call; for every way, they include the release of the result."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def summary(seconds):
    """Return the fastest and the median round of each way."""
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
    """Return a figure to report, with its target and whether it is met."""
    value = float(value)  # with numpy's numbers, `met` would be no bool for JSON
    reported = {"what": what, "value": round(value, 3)}
    bounds = {key: bound for key, bound in (("at_least", at_least), ("at_most", at_most)) if bound is not None}
    if bounds:
        met = bounds.get("at_least", value) <= value <= bounds.get("at_most", value)
        reported |= {**bounds, "met": met}
    return reported


def without_targets(result):
    """Return a result of small sizes without the targets, which hold for the full sizes."""
    if isinstance(result, dict):
        return {key: without_targets(v) for key, v in result.items() if key not in ("at_least", "at_most", "met")}
    return [without_targets(part) for part in result] if isinstance(result, list) else result


def lines_of(result, where=""):
    """Yield a line for each figure in a result, at any depth: figures with `what` and `value`, ratios, verdicts."""
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


def in_child(function, *arguments, environment=None):
    """Return the value of a function that runs in a new process, which returns its memory at its end.

    The process gets the variables of the dictionary `environment` besides those of this process.
    """
    context = multiprocessing.get_context("spawn")
    with patch.dict(os.environ, environment or {}), ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


class Memory:
    """Memory of the process while a block runs, in bytes.

    Attributes
    ----------
    before : int
        Resident when the block begins.
    peak : int
        The peak of the resident set, pages of mapped files included.
    anonymous : int
        The peak of the process's own memory. Pages of mapped files do not count: the system can drop them.
    """

    def __init__(self):
        self.before = self.peak = resident("VmRSS")
        self.anonymous = resident("RssAnon")

    @property
    def extra(self):
        """The peak minus the resident set before."""
        return self.peak - self.before


@contextlib.contextmanager
def peak_memory():
    """Watch the memory of this process (Linux); yields a `Memory`, which is complete when the block ends."""
    with PeakMemory(SAMPLING) as own:
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest value so far
        memory = Memory()
        try:
            yield memory
        finally:
            memory.peak = resident("VmHWM")
    memory.anonymous = own.before + own.bytes


def resident(key):
    """Return a line of Linux' account of this process, in bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def need_memory(size, what):
    """Exit with a sentence unless `size` bytes are free: a machine that swaps measures its disk."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    if free < size:
        sys.exit(f"{what} needs {size / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; choose a smaller size")


# -- the machine -----------------------------------------------------------------------------------------


def machine():
    """Describe the machine: processor, cores, memory, versions, and its load before the run."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    packages = ("torch", "torchvision", "timm", "sentence-transformers", "faiss-cpu", "numba", "scipy", "numpy")
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
