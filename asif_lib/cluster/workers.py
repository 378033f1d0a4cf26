"""A cluster of Dask workers: open it, see that every worker computes what this process would, collect results."""

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import logging
import shutil
from concurrent.futures import CancelledError
from pathlib import Path

import dask
import numba
import torch
from distributed import Client, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.scheduler import NoWorkerError
from packaging.version import Version
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from asif_lib.errors import AsifError, first_line

PACKAGES = (
    "numpy", "torch", "faiss-cpu", "numba",  # the search
    "pillow", "timm", "torchvision", "sentence-transformers", "transformers", "tokenizers",  # the encoders
)  # fmt: skip
"""Packages whose version can change a number."""
EXTRAS = {"slurm": ("dask-jobqueue", "cluster"), "cuda": ("dask-cuda", "cuda")}
"""What kinds of cluster need beyond the library's own packages: the package, and the extra that holds it."""
QUIET = {f"DASK_DISTRIBUTED__WORKER__MEMORY__{key}": "False" for key in ("TARGET", "SPILL", "PAUSE", "TERMINATE")}
"""Dask counts the pages of a mapped bank as the worker's memory, though the system takes them back when it likes."""
KEEP = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Bytes that glibc keeps when they are freed. Dask has its workers give back every block, and the next one comes anew,
page by page."""
GIVE_UP = {"distributed.scheduler.no-workers-timeout": 300}
"""Seconds without any worker after which a run ends: a worker that starts again takes some of them, and one whose time
in a queue is over does not come back."""


class ClusterError(AsifError):
    """A cluster that is not there, or whose workers do not fit this process; no partial result is returned."""


class ClusterClient(Client):
    """A Dask client that closes the cluster which was opened for it."""

    def close(self, *args, **options):
        """Close the client, then its cluster. Workers of an existing scheduler go on."""
        cluster = self.cluster
        super().close(*args, **options)
        if cluster is not None:
            cluster.close()


def connect(where="local", *, workers=2, timeout=30, **options) -> ClusterClient:
    """Open a cluster, or join one, and wait for its first worker.

    In a notebook the client shows a link to Dask's dashboard; `client.dashboard_link` is its address.

    Parameters
    ----------
    where : str
        ``"local"``: processes on this machine. ``"slurm"``: jobs in the queue of a SLURM cluster, through
        dask-jobqueue. ``"cuda"``: one process for each GPU of this machine, through dask-cuda. Else the address of a
        scheduler that runs already, ``"tcp://node17:8786"``.
    workers : int
        Worker processes, of one thread each. The scheduler of an address has those that it has; of a machine with
        GPUs all are used.
    timeout : float
        Seconds to wait for the scheduler and for the first worker; in a queue that may be long.
    options
        For `LocalCluster`, `SLURMCluster` (such as ``queue="short", account="…", memory="8GB", walltime="02:00:00"``)
        or `LocalCUDACluster`.

    Raises
    ------
    ClusterError
        If a package is missing, there is no such scheduler, or no worker comes.

    Examples
    --------
    >>> with connect(workers=2) as client:                               # doctest: +SKIP
    ...     values, indices = distributed_top_anchors(client, queries, bank, "image", k=800)
    """
    kinds = {"local": _local, "slurm": _slurm, "cuda": _cuda}
    if where in kinds:
        environment = {**dask.config.get("distributed.nanny.pre-spawn-environ"), **KEEP}
        own = {**GIVE_UP, "distributed.nanny.pre-spawn-environ": environment}
        with contextlib.ExitStack() as undo, dask.config.set(own):
            cluster = undo.enter_context(kinds[where](workers, options))
            client = undo.enter_context(ClusterClient(cluster))
            _wait(client, where, timeout)
            undo.pop_all()
        return client
    if workers != 2 or options:
        raise ClusterError(f"{where}: the workers of a scheduler that runs already are its own; leave out the options")
    try:
        client = ClusterClient(where, timeout=timeout)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {where!r} within {timeout} s ({first_line(error)}); start one there (dask "
            f"scheduler), or choose one of: {', '.join(kinds)}"
        ) from None
    with contextlib.ExitStack() as undo:
        undo.enter_context(client)
        _wait(client, where, timeout)
        undo.pop_all()
    return client


def _wait(client, where, timeout):
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        raise ClusterError(
            f"{where}: no worker came within {timeout} s; see what holds them up (a queue, a job's log, a firewall), "
            f"or wait longer (timeout=…)"
        ) from None


def _local(workers, options):
    own = {"threads_per_worker": 1, "processes": True, "memory_limit": 0, "dashboard_address": "localhost:0",
           "silence_logs": logging.CRITICAL}  # fmt: skip
    return LocalCluster(n_workers=workers, **{**own, **options})


def _slurm(workers, options):
    module = _import("slurm", "dask_jobqueue")
    if shutil.which("sbatch") is None:
        raise ClusterError("slurm: there is no sbatch on this machine; run this where you submit your jobs")
    settings = [f"export {key}={value}" for key, value in {**QUIET, **KEEP}.items()]
    prologue = [*settings, *options.pop("job_script_prologue", ())]
    cluster = module.SLURMCluster(
        **{"cores": 1, "processes": 1, "memory": "4GB", "job_script_prologue": prologue, **options}
    )
    cluster.scale(workers)
    return cluster


def _cuda(workers, options):
    module = _import("cuda", "dask_cuda")
    if not torch.cuda.is_available():
        raise ClusterError("cuda: PyTorch sees no GPU on this machine; choose where='local'")
    return module.LocalCUDACluster(**{"threads_per_worker": 1, "memory_limit": 0, **options})


def _import(where, module):
    package, extra = EXTRAS[where]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ClusterError(
            f'where={where!r} needs the package {package} ({error}); run: pip install -e ".[{extra}]"'
        ) from None


# -- the same library everywhere -------------------------------------------------------------------------


WITHOUT_NUMBERS = ("figures", "widgets", "explore", "course", "cli")
"""Wings whose code changes no number that a worker computes."""


@functools.cache
def library() -> dict:
    """Return what can change a number here: the versions of `PACKAGES`, and a digest of this library's own code.

    A version is that of the release; how it was compiled, for CPU or for CUDA, may differ among workers.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).parent.parent
    for file in sorted(folder.rglob("*.py")):
        wing = file.relative_to(folder).parts[0]
        if wing not in WITHOUT_NUMBERS:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return {"asif_lib": f"code {digest.hexdigest()[:12]}", **{name: _version(name) for name in PACKAGES}}


def _version(package):
    try:
        return Version(importlib.metadata.version(package)).public
    except importlib.metadata.PackageNotFoundError:
        return "none"


def check_workers(client):
    """Raise `ClusterError` unless there are workers, all with this process's library; it names who has what."""
    wrong, libraries = [], client.run(library, on_error="return")
    if not libraries:
        raise ClusterError("the cluster has no worker, or none any more; start some, or connect again, and repeat")
    for address, theirs in libraries.items():
        said = f"lacks it ({first_line(theirs)})" if isinstance(theirs, Exception) else _difference(theirs, library())
        if said:
            wrong.append(f"worker {address} {said}")
    if wrong:
        raise ClusterError(f"{'; '.join(wrong)}; install the same versions on all machines and start the workers again")


def _difference(theirs, ours):
    return ", ".join(
        f"has {name} {theirs[name]}, this process {ours[name]}" for name in ours if theirs[name] != ours[name]
    )


@contextlib.contextmanager
def working(expected):
    """What every task runs in: the library of the client, and one thread, for others work beside it.

    Workers may join when a run has begun, so each task checks again.
    """
    said = _difference(library(), expected)
    if said:
        raise ClusterError(f"worker {get_worker().address} {said.replace('this process', 'the client')}")
    threads, compiled = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):  # OpenMP, of faiss too, and BLAS
            yield
    finally:
        torch.set_num_threads(threads)
        numba.set_num_threads(compiled)


# -- results ---------------------------------------------------------------------------------------------


def collect(client, futures, *, sizes, progress=True, **bar):
    """Yield ``(number, result)`` of futures in the order in which they finish.

    Each result is brought here as soon as it is there and then no longer kept on its worker: a worker that is lost
    takes with it what it had not finished, which others compute again. The first task that fails ends it all.

    Parameters
    ----------
    client : Client
    futures : list of Future
    sizes : list of int
        By how much each of them moves the progress bar.
    bar
        For `tqdm`.

    Raises
    ------
    ClusterError
        If a task took down several workers, no worker is left, or the scheduler is lost.
    """
    number = {future.key: i for i, future in enumerate(futures)}
    try:
        with tqdm(disable=not progress, leave=False, **bar) as shown:
            for future, result in as_completed(futures, with_results=True, loop=client.loop):
                if future.cancelled():  # its result is then an exception, which nobody has raised
                    raise CancelledError
                future.release()
                yield number[future.key], result
                shown.update(sizes[number[future.key]])
    except KilledWorker as error:
        raise ClusterError(
            f"{error.allowed_failures + 1} workers were lost in a row, the last of them {error.last_worker}, over the "
            f"same task; look into their logs: most often it is memory, so try smaller shards"
        ) from None
    except NoWorkerError as error:
        raise ClusterError(
            f"all workers are lost, and for {error.timeout:.0f} s none came (a queue may grant no more time); start "
            f"some, or connect again, and repeat"
        ) from None
    except CancelledError:
        raise ClusterError(
            "the scheduler is gone, and with it what was not finished; connect again, and repeat"
        ) from None
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is gone cannot be told
            client.cancel(futures)
