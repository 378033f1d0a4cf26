"""Kills: an operation ends with SIGKILL at a random moment, which is the n-th call of a function, of Python or not.

Afterwards the old or the new state opens and agrees with its checksums, and the operation, done again, leads to the new
one. ``FUZZ_KILLS=50 FUZZ_SEED=7 pytest -m complete tests/fuzz`` tries more and other moments.
"""

import os
import random
import signal
import sys
import threading

import pytest
import targets as t
from conftest import card_folder
from hub_formats import write_webdataset
from made_banks import make

from asif_lib import AnchorBank, load_pairs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the processes and limits of Linux")
KILLS, SEED = int(os.environ.get("FUZZ_KILLS", 4)), os.environ.get("FUZZ_SEED", "1")


def whole(folder, name="toy"):
    """What the verified bank holds, and its version; None without a bank."""
    if (folder / name / "bank.json").exists():
        bank = AnchorBank.load(folder / name, verify=True)
        return t.content(bank), bank.version
    return None


def make_cards(folder):
    t.make_bank(folder)
    card_folder(folder / "cards", ["red", "green"])


def build(folder):
    AnchorBank.build(load_pairs(folder / "cards"), *t.ENCODERS.values(), progress=False).save(folder / "toy")


def embeddings(folder):
    return [t.cached(kind)(folder) for kind in ("image", "text")]


OPERATIONS = {  # how its state is made, the operation, and how its state is read
    "build": (make_cards, build, whole),
    "add": (t.make_bank, lambda folder: t.toy(folder).add(make(200, 240)), whole),
    "remove": (t.make_bank, t.BANK["remove"], whole),
    "relabel": (t.make_bank, t.BANK["relabel"], whole),
    "join": (t.make_bank, lambda folder: t.joined(folder).save(folder / "toy"), whole),
    "compact": (t.make_bank, t.BANK["compact"], whole),
    "undo": (t.make_bank, t.BANK["undo"], whole),
    "prepare": (t.make_bank, lambda f: t.toy(f).prepare(progress=False), lambda f: (whole(f), t.search(f))),
    "encode": (lambda folder: write_webdataset(folder.parent / "tars", 12), t.stream, lambda f: whole(f, "bank")),
    "cache": (t.make_cache, embeddings, embeddings),
}


def counted(operation, folder, last=None):
    """Run an operation; return the number of calls. With `last`, this call ends the process."""
    calls = 0

    def call(frame, event, _):
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(call), sys.setprofile(call)
    operation(folder)
    sys.setprofile(None), threading.setprofile(None)
    return calls


def check(folder, operation, state, old, new):
    """Compare the state that a kill left, and do the operation again where it was not done."""
    found = state(folder)
    assert found in (old, new), "neither the old state nor the new one"
    if found != new:
        operation(folder)
        assert state(folder) == new, "done again, it leads elsewhere"


@pytest.fixture(scope="module", params=OPERATIONS)
def bench(request, tmp_path_factory, tiny):
    """The name of an operation, the folder of its state, the state before and after, and the number of calls."""
    t.ENCODERS |= dict(zip(("image", "text"), tiny, strict=True))
    folder = tmp_path_factory.mktemp("kills")
    make_state, operation, state = OPERATIONS[request.param]
    t.made(folder, make_state)
    case, place = t.fresh(folder), {"outcome": folder / "outcome"}
    steps = [t.in_child(*step, **place) for step in ((state, case), (counted, operation, case), (state, case))]
    assert all(fault is None for _, fault in steps), steps
    return request.param, folder, *(value for value, _ in steps)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_leaves_the_old_state_or_the_new_one_and_the_work_goes_on(bench, number):
    name, folder, old, calls, new = bench
    _, operation, state = OPERATIONS[name]
    case, last = t.fresh(folder), random.Random(f"{SEED} {name} {number}").randrange(1, calls)
    _, fault = t.in_child(counted, operation, case, last, outcome=folder / "outcome")
    assert fault == "ends with status -9" or last > 0.9 * calls  # a run may have a few calls less
    _, fault = t.in_child(check, case, operation, state, old, new, outcome=folder / "outcome")
    assert fault is None, f"at call {last:,} of {calls:,}: {fault}"
