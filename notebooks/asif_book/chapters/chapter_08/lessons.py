"""Helpers of chapter 08: the cost of growing banks, and a cluster that loses a worker."""

import os
import signal
import threading
import time

import numpy as np

from asif_book.chapters.measuring import PeakMemory, timed


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


def kill_when_busy(client, after):
    """Kill the first worker of a cluster `after` seconds after it begins to work; return the thread that waits."""
    scheduler = client.cluster.scheduler
    (address, pid), *_ = sorted(client.run(os.getpid).items())

    def watch():
        while not scheduler.workers[address].processing:
            time.sleep(0.005)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
