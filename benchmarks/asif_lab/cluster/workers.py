"""Open a cluster of Dask workers, check that all have this process's library, and collect their results."""

import contextlib
import functools
import logging
from concurrent.futures import CancelledError
from pathlib import Path

import dask
import torch
from distributed import Client, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.scheduler import NoWorkerError
from packaging.version import Version
from threadpoolctl import threadpool_limits

import asif_lib
from asif_lib.errors import AsifError, first_line, version_of
from asif_lib.files import digest_of_files
from asif_lib.machine import progress_bar

PACKAGES = ("numpy", "torch", "numba")  # packages whose version can change a number of the search
KEEP = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Freed bytes that glibc keeps. Dask's workers return each block to the system, which maps the next page by page."""
GIVE_UP = {"distributed.scheduler.no-workers-timeout": 300}
"""Seconds without any worker that end a run. A restart takes some; a worker whose time in a queue is over is lost."""


class ClusterError(AsifError):
    """A cluster that does not answer, or whose workers do not fit this process. No partial result is returned."""


class ClusterClient(Client):
    """A Dask client that also closes its own cluster."""

    def close(self, *args, **options):
        """Close the client, then its cluster. The workers of a scheduler that was running before go on."""
        cluster = self.cluster
        super().close(*args, **options)
        if cluster is not None:
            cluster.close()


def connect(where="local", *, workers=2, timeout=30, **options) -> ClusterClient:
    """Open a cluster, or join one, and wait for its first worker.

    In a notebook the client shows a link to Dask's dashboard; `client.dashboard_link` is its address.

    Raises `ClusterError` if no such scheduler answers, or no worker comes, `MissingExtraError` if a package is missing.

    Parameters
    ----------
    where : str
        ``"local"``: processes on this machine. Or the address of a running scheduler, ``"tcp://node17:8786"``.
    workers : int
        Processes, of one thread each. A running scheduler keeps its own workers.
    timeout : float
        Seconds to wait for the scheduler and for the first worker.
    options
        For `LocalCluster`.
    """
    if where == "local":
        own = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": "localhost:0"}
        own |= {"n_workers": workers, "silence_logs": logging.CRITICAL, **options}
        environment = {**dask.config.get("distributed.nanny.pre-spawn-environ"), **KEEP}
        with dask.config.set({**GIVE_UP, "distributed.nanny.pre-spawn-environ": environment}):
            client = ClusterClient(LocalCluster(**own))
    elif workers != 2 or options:
        raise ClusterError(f"{where}: the workers of a running scheduler are its own; leave out the options")
    else:
        try:
            client = ClusterClient(where, timeout=timeout)
        except (OSError, ValueError) as error:
            fault = f"no scheduler answers at {where!r} within {timeout} s ({first_line(error)})"
            raise ClusterError(f'{fault}; start one there (dask scheduler), or take "local"') from None
    try:
        client.wait_for_workers(1, timeout=timeout)
    except BaseException as error:
        client.close()
        if not isinstance(error, TimeoutError):
            raise
        fault = f"{where}: no worker came within {timeout} s; look for the cause (a queue, a job's log, a firewall)"
        raise ClusterError(f"{fault}, or wait longer (timeout=…)") from None
    return client


@functools.cache
def library() -> dict:
    """Return the versions of `PACKAGES` and digests of the code that a task runs: all that can change a number.

    The version is the public one. Builds for CPU and for CUDA have the same.
    """
    code = {"asif_lib": _code_in(Path(asif_lib.__file__).parent), "asif_lab.cluster": _code_in(Path(__file__).parent)}
    return code | {name: Version(version_of(name)).public for name in PACKAGES}


def _code_in(folder):
    files = [file for file in folder.rglob("*.py") if file.relative_to(folder).parts[0] != "cli"]
    return f"code {digest_of_files(files, folder)[:12]}"


def check_workers(client):
    """Raise `ClusterError` unless there are workers, all with this process's library; it names the differences."""
    libraries = client.run(library, on_error="return")
    if not libraries:
        raise ClusterError("the cluster has no worker, or none any more; start some, or connect again, and repeat")
    differences = {address: _difference(theirs, library()) for address, theirs in libraries.items()}
    if wrong := "; ".join(f"worker {address} {text}" for address, text in differences.items() if text):
        raise ClusterError(f"{wrong}; install the same versions on all machines and start the workers again")


def _difference(theirs, ours):
    if isinstance(theirs, Exception):
        return f"lacks it ({first_line(theirs)})"
    both = {name: (theirs.get(name, "none"), ours.get(name, "none")) for name in {**ours, **theirs}}
    return ", ".join(f"has {name} {one}, this process {other}" for name, (one, other) in both.items() if one != other)


@contextlib.contextmanager
def working(expected):
    """Run a task with one thread, after a check that this worker has the client's library.

    A worker may join after the start of a run, so each task checks again.
    """
    if difference := _difference(library(), expected):
        raise ClusterError(f"worker {get_worker().address} {difference.replace('this process', 'the client')}")
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        stack.enter_context(threadpool_limits(1))  # OpenMP, of faiss too, and BLAS
        yield


def collect(client, futures, progress, desc):
    """Yield ``(future, result)`` in the order in which the futures finish.

    Each finished result moves to the client at once, and its worker deletes it. So a lost worker loses only unfinished
    tasks, which other workers compute again. The first task that fails ends the run.

    Raises `ClusterError` if a task took down several workers, no worker is left, or the scheduler is lost.

    Parameters
    ----------
    client : distributed.Client
    futures : collection of Future
    progress, desc : as for `asif_lib.machine.progress_bar`
    """
    try:
        done = as_completed(futures, with_results=True, loop=client.loop)
        for future, result in progress_bar(done, total=len(futures), desc=desc, unit="result", progress=progress):
            if future.cancelled():  # then its result is an exception that was not raised
                raise CancelledError
            future.release()
            yield future, result
    except KilledWorker as error:
        fault = f"one task took down {error.allowed_failures + 1} workers in a row, at last {error.last_worker}"
        raise ClusterError(f"{fault}; look into their logs: most often it is memory, so try smaller shards") from None
    except (NoWorkerError, CancelledError):
        raise ClusterError("no worker or no scheduler is left; start some, connect again, and repeat") from None
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel([*futures])
