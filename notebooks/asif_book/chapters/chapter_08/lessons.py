"""A helper of chapter 08: a cluster that loses a worker."""

import os
import signal
import threading
import time


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
