"""The machine: its devices and instructions, work in several threads, and the bars that report progress."""

import contextlib
import functools
import numbers
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import ThreadpoolController
from tqdm.std import tqdm as terminal_tqdm

from asif_lib.errors import EncoderError, ParameterError, first_line

AHEAD = 16
"""Results for each thread that may wait for the caller: with 16, one slow picture stops no other thread."""
WORTH_A_LINE = 1.0
"""Seconds of work from which a bar is shown, where many are short."""
IN_A_LOG = {"mininterval": 30, "delay": 30, "miniters": 1, "ncols": 0}
"""A log keeps every redrawing of a bar, so it gets the state twice a minute."""


def progress_bar(iterable=None, *, progress=True, **options) -> terminal_tqdm:
    """Return tqdm's bar in a terminal and in a notebook; elsewhere as `IN_A_LOG`.

    A bar goes when its work is done, and no bar is shown without `progress`; the rest is as for `tqdm.tqdm`.
    """
    from tqdm.auto import tqdm as any_tqdm  # it asks, when it is imported, whether this is a notebook

    in_notebook = any(base.__module__ == "tqdm.notebook" for base in any_tqdm.__mro__)
    options = {"leave": False, "disable": not progress, **options}
    return any_tqdm(iterable, **(options if in_notebook or sys.stderr.isatty() else options | IN_A_LOG))


def resolve_device(device="auto") -> torch.device:
    """Return the device of that name; ``"auto"`` is cuda, else mps, else cpu. Raises `EncoderError` without it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        found = torch.empty(0, device=device).device
        if found.type == "meta" or (found.type == "cpu" and found.index):
            raise RuntimeError("there is no such device")
        return found
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error)
        raise EncoderError(f"device {str(device)!r} is not available here ({reason}); use cpu or auto") from None


def has_fast_bfloat16() -> bool:
    """Return whether this processor has instructions that multiply matrices in bfloat16."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def chunks_of(items, size) -> list:
    """Cut a range or a list into pieces of that size; the last may be shorter. `ParameterError` if it is no count."""
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        raise ParameterError(f"batch_size = {size}: must be a whole number, 1 or more")
    return [items[i : i + size] for i in range(0, len(items), size)]


@contextlib.contextmanager
def for_small_matrices():
    """Use one thread inside the block, in PyTorch, OpenMP and BLAS: with little work, threads wait for each other."""
    with one_thread(), _pools(len(sys.modules)).limit(limits=1):
        yield


@functools.lru_cache(maxsize=1)
def _pools(modules):  # to look for the libraries takes milliseconds; a new one comes with a module
    return ThreadpoolController()


_lock, _inside = threading.Lock(), []
_threads = 1  # PyTorch's number of threads before the first block was entered


@contextlib.contextmanager
def one_thread():
    """Let PyTorch use one thread inside the block, and yield the number that it used before.

    Blocks may overlap, and end in any order. PyTorch keeps a number for each thread of the program, and one for new
    threads. The last block to leave a thread restores the number that the first block found.
    """
    global _threads
    me = threading.get_ident()
    with _lock:
        if not _inside:
            _threads = torch.get_num_threads()
        _inside.append(me)
        torch.set_num_threads(1)
    try:
        yield _threads
    finally:
        with _lock:
            _inside.remove(me)
            if me not in _inside:
                torch.set_num_threads(_threads)


def map_in_order(pool, function, items, ahead):
    """Yield ``function(item)`` for each of the items, in their order, computed by the threads of a pool.

    If the caller stops, or an item fails, no further item is begun. At most `ahead` items are in work or wait for the
    caller, so that memory does not grow with their number.
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
