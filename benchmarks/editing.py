"""Editing a bank on disk: add, remove and undo 10,000 pairs against building the bank again from its embeddings.

The bank is made up: random embeddings of 768 and 384 dimensions in half precision. Each edit and the rebuild run in a
process of their own, with their input in the page cache, and wait until their output is on the disk. For two sizes of
the bank, the benchmark reports seconds, memory, and the ratio to the rebuild. Memory is the highest resident set minus
the resident set of the same process before the edit. The rebuild is ``AnchorBank.save`` of the edited bank. Pairs are
removed by their ids, and by their group, which has a hundred values. ``copy`` only copies the bank's files, a bound
that no rebuild can beat. ``open`` loads the bank, and ``verify`` compares all files with their checksums; ``read`` only
reads the files, a bound for both.

    python benchmarks/editing.py --folder /path/with/space --pairs 1600000        (needs 2.5 times the bank, 9.5 GB)
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from asif_lib import AnchorBank
from made_up import IMAGE, TEXT
from timing import resident

BYTES_PER_PAIR = 2 * (IMAGE.dim + TEXT.dim) + 60


def pairs(first, last):
    """Make a bank in memory of the pairs number `first` to `last`."""
    generator = torch.Generator().manual_seed(first)
    image, text = (torch.randn(last - first, i.dim, generator=generator) for i in (IMAGE, TEXT))
    image, text = ((z / z.norm(dim=1, keepdim=True)).half() for z in (image, text))
    numbers = range(first, last)
    table = {
        "id": [f"shard-{i // 10_000:05}/{i:09}.jpg" for i in numbers],
        "caption": [f"a made up caption of picture number {i}" for i in numbers],
        "picture": "",
        "group": [f"group {i % 100}" for i in numbers],
    }
    return AnchorBank("made up", image, text, pd.DataFrame(table), IMAGE, TEXT)


def make(folder, count, block=50_000):
    """Make a bank of `count` pairs in `folder`, block by block, so that it may be larger than memory."""
    pairs(0, min(block, count)).save(folder)
    bank = AnchorBank.load(folder)
    for first in range(block, count, block):
        bank = bank.add(pairs(first, min(first + block, count)))
    bank.compact()


# -- one step, in its own process ------------------------------------------------------------------------


def prepare(what, folder, count, edited):
    """Prepare the new pairs, or the choice of pairs to remove, before the clock runs; return the step."""
    bank, other = AnchorBank.load(folder), folder.with_name("again")
    if what == "add":
        new = pairs(count, count + edited)
        return lambda: AnchorBank.load(folder).add(new)
    chosen = np.random.default_rng(0).choice(count, edited, replace=False)
    ids = [f"shard-{i // 10_000:05}/{i:09}.jpg" for i in chosen]
    return {
        "remove": lambda: AnchorBank.load(folder).remove(ids),
        "remove where": lambda: AnchorBank.load(folder).remove(group="group 7"),
        "open": lambda: AnchorBank.load(folder),
        "verify": lambda: bank.verify(progress=False),
        "read": lambda: read(folder),
        "undo": lambda: AnchorBank.load(folder).undo(),
        "compact": lambda: AnchorBank.load(folder).compact(),
        "rebuild": lambda: bank.save(other),
        "copy": lambda: copy(folder, other),
    }[what]


def read(folder):
    block = bytearray(2**20)
    for file in filter(Path.is_file, folder.rglob("*")):
        with open(file, "rb", buffering=0) as source:
            while source.readinto(block):
                pass


def copy(folder, other):
    shutil.copytree(folder, other)
    for file in filter(Path.is_file, other.rglob("*")):
        with open(file, "rb") as copied:
            os.fsync(copied.fileno())


def measured(what, folder, count, edited):
    """Return the seconds of a step, and its resident memory beyond that of the process before it, in MB."""
    step = prepare(what, folder, count, edited)
    os.sync()  # earlier writes must not count as this step's
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the highest value
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "memory_mb": (resident("VmHWM") - before) / 2**20}


def in_process(function, *arguments):
    """Return the value of a function that runs in a fork of this process, which stays small and warm."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writing, json.dumps(function(*arguments)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as pipe:
        value = pipe.read()
    if os.waitpid(process, 0)[1]:
        sys.exit(f"{function.__name__}{arguments} failed")
    return json.loads(value)


# -- all of them -----------------------------------------------------------------------------------------


def measure(folder, count, edited, runs):
    """Return seconds and memory of each step at one size, for the edits the median of `runs`."""
    bank = folder / f"bank-{count}"

    def run(what):
        shutil.rmtree(folder / "again", ignore_errors=True)
        return in_process(measured, what, bank, count, edited)

    in_process(make, bank, count)
    steps = {"rebuild": [], "copy": [], "add": [], "undo": [], "remove": [], "remove where": []}
    steps["rebuild"].append(run("rebuild"))
    steps["copy"].append(run("copy"))
    for step in ("open", "verify", "read"):
        steps[step] = [run(step) for _ in range(runs)]
    for _ in range(runs):
        for edit in ("add", "remove", "remove where"):
            steps[edit].append(run(edit))
            steps["undo"].append(run("undo"))
    run("remove")
    steps["compact"] = [run("compact")]
    shutil.rmtree(folder / "again", ignore_errors=True)
    size = sum(file.stat().st_size for file in bank.rglob("*"))
    shutil.rmtree(bank)
    result = {"pairs": count, "gigabytes": round(size / 1e9, 2)}
    for what, runs in steps.items():
        medians = {key: statistics.median(m[key] for m in runs) for key in ("seconds", "memory_mb")}
        result[what] = {"seconds": round(medians["seconds"], 3), "memory_mb": round(medians["memory_mb"], 1)}
    for what in ("add", "remove", "remove where", "undo"):
        for peer in ("rebuild", "copy"):
            result[what][f"ratio_to_{peer}"] = round(result[peer]["seconds"] / result[what]["seconds"], 1)
    for what in ("open", "verify"):
        result[what]["ratio_to_read"] = round(result["read"]["seconds"] / result[what]["seconds"], 2)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, required=True, help="a folder with enough space; what is made is deleted"
    )
    parser.add_argument("--pairs", type=int, default=1_600_000)
    parser.add_argument("--edited", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads and forks do not mix
    arguments.folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(arguments.folder).free, 2.5 * arguments.pairs * BYTES_PER_PAIR
    if free < needed:
        parser.error(f"{arguments.folder} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed")
    sizes = [arguments.pairs // 4, arguments.pairs]
    result = {
        "edited": arguments.edited,
        "runs": arguments.runs,
        "machine": f"{platform.machine()}, torch {torch.__version__}",
        "sizes": [measure(arguments.folder, count, arguments.edited, arguments.runs) for count in sizes],
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for size in result["sizes"]:
        print(f"{size['pairs']:,} pairs, {size['gigabytes']} GB; {arguments.edited:,} edited")
        for what, found in size.items():
            if isinstance(found, dict):
                ratios = [f"{found[key]:8.1f} × {key[9:]}" for key in found if key.startswith("ratio")]
                print(f"  {what:13} {found['seconds']:8.3f} s {found['memory_mb']:8.1f} MB  {'  '.join(ratios)}")


if __name__ == "__main__":
    main()
