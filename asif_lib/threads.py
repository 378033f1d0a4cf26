"""Work in several threads, whose results come in order."""

import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch

from asif_lib.machine import one_thread

AHEAD = 16
"""Results for each thread that may wait for the caller: with 16, one slow picture stops no other thread."""


def map_in_order(pool, function, items, ahead):
    """Yield ``function(item)`` for each of the items, in their order, computed by the threads of a pool.

    If the caller stops, or an item fails, no further item is begun.

    Parameters
    ----------
    pool : ThreadPoolExecutor
    function : callable
    items : iterable
    ahead : int
        Items that may be in work or wait for the caller; memory does not grow with the number of items.
    """
    waiting = deque()
    try:
        for item in items:
            if len(waiting) == ahead:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextlib.contextmanager
def one_thread_per_core(device):
    """Yield ``f(function, items)``, an ordered map over one thread for each core (at most eight beside a GPU).

    On a CPU, PyTorch uses a single thread in each of them. Threads with a batch each do not wait for each other;
    threads that share every layer do. While one thread decodes a picture, another runs the model.
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cpu":
            workers = stack.enter_context(one_thread())
            pool = stack.enter_context(single_threads(workers))
        else:
            workers = min(torch.get_num_threads(), 8)
            pool = stack.enter_context(ThreadPoolExecutor(workers))
        yield lambda function, items: map_in_order(pool, function, items, AHEAD * workers)


def single_threads(count) -> ThreadPoolExecutor:
    """Return a pool of threads that each let PyTorch use one thread; for use within `one_thread`.

    A new thread reads the limit only at its first parallel loop. oneDNN, which convolves and multiplies in bfloat16,
    does not read it at all and would use all cores in each thread. So each thread sets the limit itself.
    """
    return ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
