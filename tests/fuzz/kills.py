"""Kills: ``python -m tests.fuzz --kills 200`` ends operations with SIGKILL at random moments.

A moment is the n-th call of a function, in Python or out of it. Afterwards the old or the new state opens and agrees
with its checksums, and the same operation, done again, leads to the new one.
"""

import os
import random
import shutil
import signal
import sys
import threading
from collections import Counter

import pandas as pd
import torch
from conftest import card_folder
from hub_formats import write_webdataset
from made_banks import make

from asif_lib import AnchorBank, load_pairs

from . import targets as t


def whole(folder, name="toy"):
    """What the verified bank holds, and its version; None without a bank."""
    if (folder / name / "bank.json").exists():
        bank = AnchorBank.load(folder / name, verify=True)
        return t.content(bank), bank.version
    return None


def make_cards(folder):
    t.make_bank(folder)
    card_folder(folder / "cards", ["red", "green"])


def make_questions(folder):
    t.make_parts(folder)
    shutil.rmtree(folder / "parts"), (folder / "results.parquet").unlink()


def build(folder):
    AnchorBank.build(load_pairs(folder / "cards"), *t.ENCODERS.values(), progress=False).save(folder / "toy")


def results(folder):
    file = folder / "results.parquet"
    return pd.read_parquet(file).to_csv() if file.exists() else None


def embeddings(folder):
    return [torch.tensor(t.cached(kind)(folder)).round(decimals=3).tolist() for kind in t.ENCODERS]


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
    "benchmark": (make_questions, t.measure, results),
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


def run(names, folder, seed, number, in_child):
    """Kill operations in turn; return how many kills left something else."""
    case, states, killed, failures = folder / "work" / "case", {}, Counter(), 0

    def child(function, *arguments):
        return in_child(function, *arguments, file=folder / "outcome", limited=False)

    for name in names:
        make_state, operation, state = OPERATIONS[name]
        case.mkdir(parents=True)
        child(make_state, case)
        shutil.copytree(case, folder / "states" / name)
        told = [child(state, case), child(counted, operation, case), child(state, case)]
        assert all(kind == "answer" for kind, _ in told), f"{name}, without a kill: {told}"
        states[name] = [value for _, value in told]
        shutil.rmtree(case)
    for i in range(number):
        name = names[i % len(names)]
        (_, operation, state), (old, calls, new) = OPERATIONS[name], states[name]
        last = random.Random(f"{seed} {name} {i}").randrange(1, calls)
        shutil.copytree(folder / "states" / name, case)
        killed[name] += child(counted, operation, case, last)[0] == "fault"
        kind, fault = child(check, case, operation, state, old, new)
        if kind != "answer":
            failures += 1
            print(f"FAILS {name}, seed {seed}, kill {i}, at call {last:,} of {calls:,}: {fault}", flush=True)
        shutil.rmtree(case)
    print(f"{killed.total()} kills with seed {seed}, {failures} failed: {dict(killed)}")
    return failures
