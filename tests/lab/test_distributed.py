"""Two real worker processes: the same answers as one machine, also where one of them is killed in the middle."""

import os
import shutil
import signal
import time
from collections import Counter

import dask
import distributed as dask_distributed
import numpy as np
import pytest
import torch
from distributed.utils import get_mp_context
from made_banks import make, without

from asif_lab.cluster import distributed
from asif_lab.cluster import workers as cluster
from asif_lab.cluster.distributed import distributed_represent, distributed_top_anchors
from asif_lab.cluster.workers import ClusterError, connect
from asif_lib import ASIF, AnchorBank
from asif_lib.errors import BankError, ParameterError
from asif_lib.search import exact as search

pytestmark = pytest.mark.complete
D_IMAGE, D_TEXT = 24, 16


def made_up(first, last):
    """A bank in memory of pairs number `first` to `last`, every fourth of them a double of another one."""
    bank = make(first, last, torch.float16, {"image": ("image", D_IMAGE), "text": ("text", D_TEXT)}, "made up")
    bank.image[torch.arange(first, last) % 4 == 3] = 1
    return bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Three parts of 900, 500 and 700 pairs, some of each removed; 1,992 pairs are left."""
    folder = made_up(0, 900).save(tmp_path_factory.mktemp("bank") / "made-up")
    bank = AnchorBank.load(folder).add(made_up(900, 1400)).add(made_up(1400, 2100))
    return without(bank, sorted({*range(0, 2100, 25), *range(880, 905)}))


@pytest.fixture(scope="module")
def queries():
    queries = torch.randn(70, D_IMAGE, generator=torch.Generator().manual_seed(1))
    queries[3] = 1  # as near as can be to 525 anchors at once: the order is by index alone
    return queries


@pytest.fixture(scope="module", autouse=True)
def forked_workers():
    """Worker processes are forked from one that has loaded PyTorch and this package.

    Fifteen seconds after a kill, Dask would give up a worker that is away because of the next kill.
    """
    late = {"distributed.deploy.lost-worker-timeout": "10 minutes"}
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver", **late}):
        get_mp_context().set_forkserver_preload(["asif_lab.cluster.distributed"])  # the first call sets its own
        yield


@pytest.fixture(scope="module")
def client():
    with connect(workers=2) as client:
        yield client


@pytest.fixture
def whole(client):
    """The client, with both workers there before and after."""
    client.wait_for_workers(2, timeout=60)
    yield client
    client.wait_for_workers(2, timeout=60)


class Kill(dask_distributed.SchedulerPlugin):
    """Kill the other worker, with SIGKILL, when the `after`-th task of that name has finished; count the finished."""

    def __init__(self, client, name, after):
        self.scheduler, self.name_of_task, self.after = client.cluster.scheduler, name, after
        self.pids = client.run(os.getpid)
        self.finished, self.lost, self.kept = [], [], []
        self.scheduler.add_plugin(self, name="kill")

    def transition(self, key, start, finish, *args, worker=None, **more):
        if not str(key).startswith(self.name_of_task) or (start, finish) != ("processing", "memory"):
            return
        self.finished.append(key)
        if len(self.finished) == self.after:
            (other,) = set(self.pids) - {worker}
            self.lost = [task.key for task in self.scheduler.workers[other].processing]
            self.kept = [task.key for task in self.scheduler.workers[other].has_what]
            os.kill(self.pids[other], signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.scheduler.remove_plugin("kill")


def equal(found, expected):
    return all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


# -- search ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 30, 400, 1992])  # also more than a shard, and all there are
@pytest.mark.parametrize("shard", [97, 700, 5000])
def test_search_equals_one_machine_in_blocks_of_queries(client, bank, queries, k, shard, monkeypatch):
    monkeypatch.setattr(distributed, "QUERIES", 30)
    anchors, mean = bank.searchable("image")
    expected = search.top_anchors(queries, anchors, k, mean=mean)
    assert equal(distributed_top_anchors(client, queries, bank, "image", k, shard=shard, progress=False), expected)


def test_text_halves_and_no_queries(client, bank):
    queries = torch.randn(5, D_TEXT).to(torch.bfloat16)
    expected = search.top_anchors(queries, bank.rows("text"), 7, mean=bank.text_mean)
    assert equal(distributed_top_anchors(client, queries, bank, "text", 7, progress=False), expected)
    values, indices = distributed_top_anchors(client, queries[:0], bank, "text", 7, progress=False)
    assert values.shape == indices.shape == (0, 7)


def test_prepared_copy_is_used_and_changes_nothing(client, bank, queries, tmp_path):
    copy = AnchorBank.load(bank.save(tmp_path / "copy"))
    before = distributed_top_anchors(client, queries, copy, "image", 30, shard=300, progress=False)
    copy.prepare(progress=False)
    assert equal(distributed_top_anchors(client, queries, copy, "image", 30, shard=300, progress=False), before)
    (copy.index_folder / "image-prepared.safetensors").write_bytes(b"damaged")
    with pytest.raises(BankError, match="prepared copy"):
        distributed_top_anchors(client, queries, copy, "image", 30, progress=False)


def test_represent_is_what_the_model_makes(client, bank, queries):
    model = ASIF(bank, k=40, p=3, device="cpu")
    ours = distributed_represent(client, queries, bank, "image", 40, 3, progress=False)
    theirs = model.images(queries)
    assert ours.n == theirs.n and torch.equal(ours.indices, theirs.indices)
    assert torch.equal(ours.values, theirs.values)
    texts = torch.randn(3, D_TEXT)
    assert model.similarity(ours, texts).shape == (70, 3)


def test_every_task_has_one_thread(client):
    def threads():
        import faiss

        with cluster.working(cluster.library()):
            return torch.get_num_threads(), faiss.omp_get_max_threads()

    assert set(client.run(threads).values()) == {(1, 1)}


# -- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"k": 1993}, ParameterError, "k = 1993.*1992 anchors"),
        ({"side": "text"}, ParameterError, "not of one space"),
        ({"queries": torch.full((70, 24), torch.nan)}, ParameterError, "row 0 .* NaN"),
        ({"shard": 0}, ClusterError, "shard = 0"),
        ({"bank": made_up(0, 9)}, BankError, "in memory only"),
        ({"method": "guess"}, ParameterError, "method = 'guess'"),  # this one is raised on the workers
    ],
)
def test_search_refuses_what_it_cannot_answer(client, bank, queries, change, error, words):
    how = {"queries": queries, "bank": bank, "side": "image", "k": 5, **change}
    positional = [how.pop(name) for name in ("queries", "bank", "side", "k")]
    with pytest.raises(error, match=words):
        distributed_top_anchors(client, *positional, progress=False, **how)


def test_bank_that_changed_meanwhile(client, queries, tmp_path):
    old = AnchorBank.load(made_up(0, 300).save(tmp_path / "changing"))
    distributed_top_anchors(client, queries, old, "image", 5, progress=False)
    new = without(old, [1])
    with pytest.raises(BankError, match="was changed since it was opened; load it again"):
        distributed_top_anchors(client, queries, old, "image", 5, progress=False)
    assert distributed_top_anchors(client, queries, new, "image", 5, progress=False)[0].shape == (70, 5)
    task = (queries, (old.index_folder, "image", True), range(9), {"k": 3}, cluster.library())
    client.run(forget_banks)  # as when it changes before a worker's first task
    with pytest.raises(BankError, match="was changed since it was opened"):
        client.submit(distributed._search, *task, pure=False).result()
    shutil.rmtree(tmp_path / "changing")
    words = r"worker tcp://\S+ does not see .*changing; put the bank on a disk that all"
    with pytest.raises(ClusterError, match=words):
        client.submit(distributed._search, *task, pure=False).result()


def forget_banks():
    from asif_lab.cluster import distributed

    distributed._held.cache_clear()


@pytest.mark.parametrize(
    "where, options, words",
    [
        ("tcp://127.0.0.1:9", {"timeout": 0.5}, r"no scheduler answers at 'tcp://127.0.0.1:9' within 0.5 s"),
        ("lokal", {"timeout": 0.5}, "no scheduler answers at 'lokal'.*or take .local"),
        ("tcp://127.0.0.1:9", {"workers": 5}, "leave out the options"),
    ],
)
def test_scheduler_that_is_not_there(where, options, words):
    with pytest.raises(ClusterError, match=words):
        connect(where, **options)


def test_existing_scheduler(client, bank, queries):
    expected = search.top_anchors(queries, bank.rows("image"), 5)
    with connect(client.scheduler.address) as guest:
        assert equal(distributed_top_anchors(guest, queries, bank, "image", 5, center=False, progress=False), expected)
    assert len(client.nthreads()) == 2  # they are not the guest's, and go on


def test_scheduler_without_workers():
    with (
        dask_distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(ClusterError, match="no worker came within 3 s"),
    ):
        connect(empty.scheduler_address, timeout=3)  # enough for the scheduler to answer, also on a busy machine


def pretend(version):
    """Say of this worker that it has this version of NumPy, in the dictionary that it keeps."""
    from asif_lab.cluster.workers import library

    library()["numpy"] = version


@pytest.fixture
def another_version(client):
    """The address of a worker that says that it has another version of NumPy."""
    worker, *_ = client.nthreads()
    client.run(pretend, "99.0", workers=[worker])
    yield worker
    client.run(pretend, cluster.library()["numpy"], workers=[worker])


def test_a_worker_of_another_version_is_named_before_the_search_and_if_it_joins_later(
    client, bank, queries, another_version
):
    expected = rf"worker {another_version} has numpy 99.0, this process {np.__version__}; install the same versions"
    with pytest.raises(ClusterError, match=expected) as error:
        distributed_top_anchors(client, queries, bank, "image", 5, progress=False)
    assert str(error.value).count("worker tcp") == 1  # the other one is as it should be
    task = (queries, (bank.index_folder, "image", True), range(9), {"k": 3}, cluster.library())
    with pytest.raises(ClusterError, match=f"worker {another_version} has numpy 99.0, the client {np.__version__}"):
        client.submit(distributed._search, *task, pure=False, workers=[another_version]).result()


def test_workers_keep_memory_that_they_need_again_and_this_process_is_as_before(client):
    for name, value in cluster.KEEP.items():
        assert set(client.run(os.environ.get, name).values()) == {value}
    assert dask.config.get("distributed.nanny.pre-spawn-environ").keys().isdisjoint({"MALLOC_MMAP_THRESHOLD_"})


# -- workers that are lost -------------------------------------------------------------------------------


@pytest.fixture
def many_queries():
    return torch.randn(600, D_IMAGE, generator=torch.Generator().manual_seed(2))


def test_search_goes_on_without_a_worker(whole, bank, many_queries):
    expected = search.top_anchors(many_queries, bank.rows("image"), 30)
    with Kill(whole, "_search", after=20) as kill:
        found = distributed_top_anchors(whole, many_queries, bank, "image", 30, center=False, shard=50, progress=False)
    assert equal(found, expected)
    assert kill.lost  # it was at work
    repeated = {key for key, times in Counter(kill.finished).items() if times > 1}
    assert repeated <= {*kill.kept, *kill.lost}  # what it had finished and not yet sent, or was finishing
    assert len(set(kill.finished)) == 40


def test_task_that_takes_its_workers_down(whole, monkeypatch):
    monkeypatch.setattr(whole.cluster.scheduler, "allowed_failures", 0)
    futures = [whole.submit(os._exit, 1, pure=False)]
    with pytest.raises(ClusterError, match=r"took down 1 workers in a row, at last .*tcp://"):
        list(cluster.collect(whole, futures, False, ""))


def test_results_that_were_cancelled_are_an_error(client, tmp_path):
    def wait_for(file):
        while not os.path.exists(file):
            time.sleep(0.05)

    futures = [client.submit(wait_for, str(file), pure=False) for file in (tmp_path, tmp_path / "over")]
    found = cluster.collect(client, futures, False, "")
    assert next(found) == (futures[0], None)
    client.cancel(futures[1])  # as when the scheduler that knew it is gone
    with pytest.raises(ClusterError, match="no scheduler is left.*connect again"):
        next(found)
    (tmp_path / "over").touch()


def test_cluster_that_lost_all_its_workers_and_then_its_scheduler(queries, bank, monkeypatch):
    monkeypatch.setattr(cluster, "GIVE_UP", {"distributed.scheduler.no-workers-timeout": 1})
    client = connect(workers=1)
    futures = [client.submit(time.sleep, s, pure=False) for s in (0, 60)]
    found = cluster.collect(client, futures, False, "")
    assert next(found) == (futures[0], None)
    client.cluster.scale(0)
    with pytest.raises(ClusterError, match="no worker or no scheduler is left"):
        next(found)
    while client.nthreads():
        time.sleep(0.05)
    with pytest.raises(ClusterError, match="has no worker, or none any more"):
        distributed_top_anchors(client, queries, bank, "image", 5, progress=False)
    found = cluster.collect(client, [client.submit(time.sleep, 60, pure=False)], False, "")
    client.cluster.close()
    with pytest.raises(ClusterError, match="no scheduler is left.*connect again"):
        next(found)
    client.close()
