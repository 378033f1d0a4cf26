"""Measure what the chapters report: seconds, memory, the cost of growing banks, and a cluster that loses a worker."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

import numpy as np
import psutil
from scipy.optimize import minimize_scalar, nnls

from asif_lib.evaluation.measures import ranks


def timed(run):
    """Return the result of ``run()`` and the seconds that it took."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


class PeakMemory:
    """Watch the memory of this process while a block runs: `bytes` is the peak beyond what it held `before`.

    It looks every `every` seconds. On Linux, pages of mapped files do not count. Other systems cannot tell them apart.
    """

    def __init__(self, every=0.002):
        self.every = every

    def __enter__(self):
        if sys.platform == "linux":  # return freed memory to the system, so that taking it again counts
            with contextlib.suppress(AttributeError):  # only glibc keeps it
                ctypes.CDLL(None).malloc_trim(0)
        self._process, self._stop, self.bytes = psutil.Process(), threading.Event(), 0
        self.before = self._now()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._watcher.join()
        self._look()

    def _watch(self):
        while not self._stop.wait(self.every):
            self._look()

    def _look(self):
        self.bytes = max(self.bytes, self._now() - self.before)

    def _now(self):
        memory = self._process.memory_info()
        return memory.rss - getattr(memory, "shared", 0)


def recall_of_pairs(scores, same) -> np.ndarray:
    """Return for each pair the mean of R@1 and R@10 over both directions, (q,).

    scores: (q, q), pictures against captions; same: (q, q) bool, the right ones.
    """
    return np.mean([ranks(s, same) < top for s in (scores, scores.T) for top in (1, 10)], axis=0)


def search_costs(search, sizes):
    """Call ``search(n)`` for m sizes: the seconds of the fastest of three rounds, and the largest peak in bytes, (m,).

    Every round takes all sizes in turn, so that another program on the machine disturbs all of them alike. More than
    200,000 anchors are searched once.
    """
    runs = {n: [] for n in sizes}
    for n in [*sizes, *(n for n in 2 * list(sizes) if n <= 200_000)]:
        with PeakMemory() as peak:
            _, seconds = timed(lambda n=n: search(n))
        runs[n].append((seconds, peak.bytes))
    return np.array([min(s for s, _ in runs[n]) for n in sizes]), np.array([max(b for _, b in runs[n]) for n in sizes])


def fixed_and_per_anchor(sizes, seconds):
    """Fit seconds = fixed + per anchor · n, neither below 0, by least squares of the relative errors."""
    fixed, rate, _ = _fit(np.asarray(sizes), np.asarray(seconds), slope=1)
    return fixed, rate


def growth(sizes, seconds):
    """Fit seconds = fixed + rate · n ** slope, by relative errors; return ``fixed, slope``.

    Fixed is the time for any number of anchors. The slope is that of a plot of log(seconds - fixed) over log(n).

    Examples
    --------
    >>> fixed, slope = growth([1, 2, 4, 8, 16], [4.0, 5.0, 7.0, 11.0, 19.0])
    >>> round(fixed, 3), round(slope, 3)
    (3.0, 1.0)
    """
    n, t = np.asarray(sizes) / sizes[-1], np.asarray(seconds)
    options = {"bounds": (0.1, 3), "method": "bounded", "options": {"xatol": 1e-6}}
    slope = minimize_scalar(lambda slope: _fit(n, t, slope)[2], **options).x
    return float(_fit(n, t, slope)[0]), float(slope)


def _fit(n, seconds, slope):
    """Return ``fixed, rate``, neither below 0, and the length of the relative errors."""
    columns = np.stack([1 / seconds, n**slope / seconds], axis=1)  # (m, 2)
    (fixed, rate), error = nnls(columns, np.ones(len(seconds)))
    return fixed, rate, error


def kill_when_busy(client, after):
    """Kill the first worker of a local cluster `after` seconds after it begins to work.

    Returns a dict and the thread that waits. At the kill the dict gets ``worker``, its address, and ``at``, the time.
    """
    scheduler = client.cluster.scheduler
    (address, pid), *_ = sorted(client.run(os.getpid).items())
    killed = {}

    def watch():
        while not scheduler.workers[address].processing:
            time.sleep(0.005)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        killed.update(worker=address, at=time.time())

    thread = threading.Thread(target=watch)
    thread.start()
    return killed, thread


def timeline(tasks, killed):
    """Return the searches of a task stream as (worker, number, start, stop), and (worker, second) of the kill."""
    searches = [task for task in tasks if task["key"].startswith("_search") and task["status"] == "OK"]
    searches.sort(key=lambda task: task["startstops"][0]["start"])
    begin = min(part["start"] for task in searches for part in task["startstops"])
    workers = {w: i for i, w in enumerate(dict.fromkeys([killed["worker"], *(t["worker"] for t in searches)]), 1)}
    rows = [
        (workers[task["worker"]], number, part["start"] - begin, part["stop"] - begin)
        for number, task in enumerate(searches, 1)
        for part in task["startstops"]
        if part["action"] == "compute"
    ]
    return rows, (workers[killed["worker"]], killed["at"] - begin)
