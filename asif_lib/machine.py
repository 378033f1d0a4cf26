"""What this machine computes with: its devices, its instructions for bfloat16, its threads."""

import contextlib
import numbers
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch

from asif_lib.errors import EncoderError, ParameterError

AHEAD = 16
"""Pieces of work for each thread that may wait to be taken: enough that one slow picture stops no other thread."""


def resolve_device(device="auto") -> torch.device:
    """Return the device of that name; ``"auto"`` is cuda, else mps, else cpu.

    Raises
    ------
    EncoderError
        If PyTorch does not see such a device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(f"device {str(device)!r} is not available here ({reason}); use cpu or auto") from None


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies matrices in bfloat16 by instructions of its own."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def chunks_of(items, size) -> list:
    """Cut `items` (a range or a list) into pieces of that size; the last may be shorter.

    Raises
    ------
    ParameterError
        If the size is not a whole number, 1 or more.
    """
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        raise ParameterError(f"batch_size = {size}: must be a whole number, 1 or more")
    return [items[i : i + size] for i in range(0, len(items), size)]


def in_order(pool, function, items, ahead):
    """Yield ``function(item)`` for each of the items, in their order, computed by the threads of `pool`.

    At most `ahead` results are computed or in work that nobody has taken yet, so that memory does not grow with
    the items. Where the caller stops, or an item fails, what has not begun is not begun.
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

    On a CPU, PyTorch then uses a single thread in each of them. Threads that each compute a batch of their own need
    not wait for each other, as they must where every layer is spread over all cores; and while one decodes a
    picture, another runs the model.
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cpu":
            workers = stack.enter_context(one_thread())
            pool = stack.enter_context(single_threads(workers))
        else:
            workers = min(torch.get_num_threads(), 8)
            pool = stack.enter_context(ThreadPoolExecutor(workers))
        yield lambda function, items: in_order(pool, function, items, AHEAD * workers)


def single_threads(count) -> ThreadPoolExecutor:
    """Return a pool of threads in each of which PyTorch uses one; for use within `one_thread`.

    A new thread learns how many it may use at its first loop over several, and oneDNN, which multiplies matrices in
    bfloat16 and convolves, does not ask: it would take all cores in each of them.
    """
    return ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))


_lock, _inside = threading.Lock(), []
_threads = 1  # that PyTorch had before the first of those that are inside came in


@contextlib.contextmanager
def one_thread():
    """Let PyTorch use one thread meanwhile, and yield how many it had.

    Streams may overlap, and end in any order. PyTorch keeps the number for each thread of the program, and one for
    those to come: the last stream to leave a thread gives it back what the first of all found.
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
