"""Kills: an operation ends with SIGKILL before each opening, renaming or deleting of a file, one after another.

Afterwards the old or the new state opens and agrees with its checksums, and the operation, done again, leads to the new
one. The next edit of a bank leaves nothing of what was killed.
"""

import os
import signal
import sys

import pytest
import targets as t
from conftest import card_folder
from hub_formats import write_webdataset
from made_banks import make

from asif_lib import AnchorBank, load_pairs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the processes and limits of Linux")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect")


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
    """Run an operation; return the number of its changes. With `last`, the process ends before this one."""
    changes = 0

    def hook(event, arguments):  # Python tells it before it does what the event says
        nonlocal changes
        if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            changes += 1
            if changes == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    operation(folder)
    return changes


def check(folder, operation, state, old, new):
    """Compare the state that a kill left, and do the operation again where it was not done. Return whether it was."""
    found = state(folder)
    assert found in (old, new), "neither the old state nor the new one"
    if found != new:
        operation(folder)
        assert state(folder) == new, "done again, it leads elsewhere"
    if (folder / "toy").exists():
        record = t.toy(folder).add(make(300, 301)).disk.record
        named = {part.name for part in record.parts} | {version.state for version in record.history}
        left = {file.name for file in (folder / "toy").glob("[!i]*")} - named - {"bank.json", "bank.json.lock"}
        assert not left, f"the next edit leaves {left}"
    return found == new


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_leaves_the_old_state_or_the_new_one_and_the_work_goes_on(name, tmp_path, tiny):
    t.ENCODERS |= dict(zip(("image", "text"), tiny, strict=True))
    make_state, operation, state = OPERATIONS[name]
    t.made(tmp_path, make_state)

    def child(function, *arguments):
        return t.in_child(function, *arguments, outcome=tmp_path / "outcome")

    case = t.fresh(tmp_path)
    (old, _), (changes, fault), (new, _) = child(state, case), child(counted, operation, case), child(state, case)
    assert fault is None and changes > 3
    done = []
    for last in range(1, changes + 1):
        case = t.fresh(tmp_path)
        assert child(counted, operation, case, last)[1] == "ends with status -9"
        is_done, fault = child(check, case, operation, state, old, new)
        assert fault is None, f"before change {last} of {changes}: {fault}"
        done.append(is_done)
    assert done == sorted(done), "once done, always done"
