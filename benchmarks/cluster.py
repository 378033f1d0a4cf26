"""Search by two worker processes of one thread each against one, and the cost of a worker that is killed.

The bank is made up of clusters that overlap. It is on disk, in half precision, and the workers map it. Each answer is
compared, bit for bit, with the answer of this process. The ways take turns. In the runs with a loss, one worker is
killed (SIGKILL) after half the time of a run, and Dask starts another in its place. The start takes seconds at any
size of the search, and dominates runs much shorter than the default. Two workers need two idle cores.

    python benchmarks/cluster.py --json > cluster.json                                     (8 minutes, 0.5 GB of disk)
    python benchmarks/cluster.py --quick                  (small sizes, as a test; judges only the answers)
"""

import argparse
import functools
import json
import os
import signal
import statistics
import tempfile
import threading
from pathlib import Path

import pandas as pd
import torch

from asif_lab.cluster import connect, distributed_top_anchors, library
from asif_lib import AnchorBank, EncoderIdentity
from asif_lib.search import top_anchors as search
from made_up import World
from timing import interleaved, lines_of, machine, ratio, seconds_of, summary, target, without_targets

WIDTHS = (384, 16)
QUICK = {"pairs": 20_000, "queries": 200, "k": 20, "rounds": 1}
ENCODERS = [
    EncoderIdentity(kind, "made up", "seed", digit * 64, "none", dim)
    for kind, digit, dim in zip(("image", "text"), "01", WIDTHS, strict=True)
]


def make(folder, count):
    """Make a bank of `count` pairs in four parts, as additions make it."""
    world, bank = World(spread=1.0, widths=WIDTHS), None
    for number in range(4):
        image, text = (z.half() for z in world.pairs(count // 4, number))
        ids = [f"{number}-{i}" for i in range(len(image))]
        table = pd.DataFrame({"id": ids, "caption": "made up", "picture": "", "group": ""})
        part = AnchorBank("made up", image, text, table, *ENCODERS)
        bank = AnchorBank.load(part.save(folder)) if bank is None else bank.add(part)
    return bank


def equal(found, expected):
    return all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def measure(bank, queries, k, rounds):
    expected = search(queries, bank.rows("image"), k, mean=bank.image_mean)
    same = []

    def run(client):
        same.append(equal(distributed_top_anchors(client, queries, bank, "image", k, progress=False), expected))

    with connect(workers=1) as one, connect(workers=2) as two:
        ways = {"one worker": functools.partial(run, one), "two workers": functools.partial(run, two)}
        for way in ways.values():
            way()  # workers import and compile at their first task
        seconds = interleaved(ways, rounds, "one or two workers")
    with connect(workers=2) as two:
        run(two)
        half = statistics.median(seconds["two workers"]) / 2
        lost = [run_with_loss(two, lambda: run(two), half) for _ in range(rounds)]
        undisturbed, disturbed = ([pair[i] for pair in lost] for i in (0, 1))
    extra = statistics.median(disturbed) / statistics.median(undisturbed) - 1
    return {
        "runs": summary({**seconds, "undisturbed": undisturbed, "one of two killed": disturbed}),
        "compared": [
            ratio("two workers: times the work of one", seconds["one worker"], seconds["two workers"], at_least=1.7),
            target("a worker killed in the middle: time lost, as a share of the run", extra, at_most=0.3),
            target(
                "answers that equal the single machine's, bit for bit, as a share", sum(same) / len(same), at_least=1
            ),
        ],
    }


def run_with_loss(client, way, after):
    """Return the seconds of a run, and of a run with a worker killed `after` seconds; wait until it is back."""
    undisturbed = seconds_of(way)
    victim = sorted(client.run(os.getpid).values())[0]
    timer = threading.Timer(after, os.kill, (victim, signal.SIGKILL))
    timer.start()
    disturbed = seconds_of(way)
    timer.join()
    client.wait_for_workers(2)
    client.run(library)
    return undisturbed, disturbed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where there is space; what is made there is deleted")
    parser.add_argument("--pairs", type=int, default=400_000)
    parser.add_argument("--queries", type=int, default=8_000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes, whose ratios mean nothing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    result = {"machine": machine(), "pairs": arguments.pairs, "queries": arguments.queries, "k": arguments.k}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bank = make(Path(folder) / "bank", arguments.pairs)
        queries = World(spread=1.0, widths=WIDTHS).pictures(arguments.queries, 100)[0]
        result |= measure(bank, queries, arguments.k, arguments.rounds)
    if arguments.quick:  # the last figure judges the answers, at any size
        result["compared"][:-1] = without_targets(result["compared"][:-1])
    print(json.dumps(result, indent=2) if arguments.json else "\n".join(lines_of(result)))


if __name__ == "__main__":
    main()
