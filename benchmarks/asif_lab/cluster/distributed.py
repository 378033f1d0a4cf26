"""Search with many machines: each worker searches its rows of the bank, and the client merges the k best.

The result equals the result of `asif_lib.search.top_anchors` on one machine, bit for bit. (1) The value of a query and
an anchor does not depend on other rows. (2) The k best of a set are among the k best of its parts. This holds for
machines of one kind. Another model of processor may sum in another order, and a float64 sum may then differ in its last
bit (at most 1.2e-16 was seen). Rounded to float32, 20,000 of 20,000 values agreed, which is no guarantee.
"""

import functools
import math

import torch
from distributed import get_worker

from asif_lib.bank.anchors import AnchorBank
from asif_lib.errors import BankError
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.search.exact import top_anchors as search
from asif_lib.search.passes import merge_top
from asif_lib.settings import Settings, check_k
from asif_lib.sparse import KeptCosines, SparseVectors

from .workers import ClusterError, check_workers, collect, library, working

QUERIES = 4_096  # the most queries of one task. They travel with the task, so that a lost worker does not lose them
ROWS = (65_536, 262_144)  # the fewest and the most rows of a task by default. Each task compares its k best exactly
TASKS = 8  # tasks for a block of queries. With more tasks a lost worker loses less


def distributed_top_anchors(
    client, queries, bank, side, k, *, center=True, method="auto", device="cpu", shard=None, progress=True
):
    """Return the k largest cosines of each query with the anchors of a bank on disk, computed by a cluster.

    Raises `ClusterError` if workers have another version of the library, do not see the folder, or are lost again and
    again. Raises `BankError` if the bank is in memory only, or was changed since it was opened. Raises `ParameterError`
    if k is out of range, the dimensions differ, or a vector holds NaN.

    Parameters
    ----------
    client : distributed.Client
        As `connect` gives it. All its workers must see the bank's folder under the same path.
    queries : Tensor of shape (q, d)
        Any floating dtype.
    bank : AnchorBank
        Opened with `load`; the newest version of its folder.
    side : str, such as ``"image"``
    k : int
        1 ≤ k ≤ n; it may be larger than a shard.
    center : bool
        Subtract the bank's mean from both.
    method, device : as for `asif_lib.search.top_anchors`
        Each task searches on this device of its worker, from the prepared copy (`AnchorBank.prepare`) if there is one.
    shard : int, optional
        Rows of a task, which are lost with a worker. Default: `TASKS` tasks of a size within `ROWS`, and the same
        number of tasks for each thread of the workers.

    Returns
    -------
    values, indices : Tensor of shape (q, k), float32 and int64
        As from `top_anchors`; indices are positions in the bank.
    """
    version, n = bank.index_folder.absolute(), len(bank)
    check_k(k, n)
    check_dimensions(queries, bank.unread(side))
    unit_rows(queries)  # refuses NaN here, where the number of the row is right
    _opened(version)  # refuses a bank that was changed
    check_workers(client)
    shard = _shard(shard, n, client)
    ranges = [range(first, min(first + shard, n)) for first in range(0, n, shard)]
    how = {"k": int(k), "method": method, "device": str(device)}
    futures = {}  # future → first query of its block
    for first in range(0, len(queries), QUERIES):
        # float32, since Dask sends no bfloat16; the result of a task, since scattered data is lost with its worker
        asked = client.submit(torch.Tensor.clone, queries[first : first + QUERIES].float().clone(), pure=False)
        futures |= dict.fromkeys(_submitted(client, asked, (version, side, center), ranges, how), first)
    best = {}
    for future, part in collect(client, futures, progress, f"searching on {len(client.nthreads())} workers"):
        first = futures[future]
        best[first] = _best([best[first], part], k) if first in best else part
    values, indices = torch.empty(len(queries), int(k)), torch.empty(len(queries), int(k), dtype=torch.int64)
    for first, (largest, where) in best.items():
        values[first : first + QUERIES], indices[first : first + QUERIES] = largest, where
    return values, indices


def distributed_represent(client, queries, bank, side, k, p, *, center=True, **options) -> SparseVectors:
    """Return the sparse relative representations of `queries` (q, d), computed by a cluster.

    The result is the same as by `ASIF(bank, k, p, center=center)` on one machine, which takes it as pictures or texts:
    ``model.classify(distributed_represent(client, queries, model.bank, "image", model.k, model.p), labels)``.

    Parameters
    ----------
    client, queries, bank, side, k, center, options : as for `distributed_top_anchors`
    p : float, the exponent, as for `ASIF`
    """
    settings = Settings(k, p, center).checked(len(bank))
    kept = distributed_top_anchors(client, queries, bank, side, settings.k, center=center, **options)
    return KeptCosines(*kept, len(bank)).sparse(settings)


def _shard(shard, n, client):
    if shard is None:
        threads = sum(client.nthreads().values())
        tasks = max(min(TASKS, n // ROWS[0]), math.ceil(n / ROWS[1]), 1)
        return math.ceil(n / (threads * math.ceil(tasks / threads)))
    if isinstance(shard, bool) or shard != int(shard) or shard < 1:
        raise ClusterError(f"shard = {shard}: a task takes a whole number of rows, 1 or more")
    return int(shard)


def _submitted(client, asked, where, ranges, how):
    """Submit the search of all ranges for one block of queries, and return its futures."""
    workers = sorted(client.nthreads())  # each reads its own part of the bank; if it is lost or late, another takes it
    return [
        client.submit(_search, asked, where, rows, how, library(), pure=False,
                      workers=[workers[i % len(workers)]], allow_other_workers=True)
        for i, rows in enumerate(ranges)
    ]  # fmt: skip


def _best(parts, k):
    """Return the k best of several parts, or all if there are fewer."""
    return merge_top(parts, min(k, sum(values.shape[1] for values, _ in parts)))


# The rest runs on the workers.


def _search(queries, where, positions, how, expected):
    version, side, center = where
    with working(expected):
        if not version.parent.is_dir():
            fault = f"worker {get_worker().address} does not see {version.parent}"
            raise ClusterError(f"{fault}; put the bank on a disk that all machines see under the same path")
        anchors, mean = _held(version).searchable(side, center=center, part=positions)
        values, indices = search(queries, anchors, mean=mean, **{**how, "k": min(how["k"], len(anchors))})
        return values, indices + positions.start


def _opened(version):
    """Open a bank by the index folder of its newest version."""
    bank = AnchorBank.load(version.parent)
    if bank.index_folder != version:
        raise BankError(f"{version.parent}: the bank was changed since it was opened; load it again, and repeat")
    return bank


_held = functools.lru_cache(maxsize=4)(_opened)  # a view of a version stays as it was
