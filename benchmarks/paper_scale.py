"""The paper's scale from end to end: a bank of 1.6 million pairs, 10,000 pictures, 1,000 classes, an accuracy.

The embeddings are made up (`made_up.py`), of 768 and 384 dimensions. Everything else is the library in normal use:

1. The bank is written to disk in half precision, part by part, with a rounded copy for fast search beside it.
2. 10,000 pictures, and 1,000 classes in 7 prompt templates, become sparse vectors, k = 800, p = 8.
3. An inverted index computes the scores, with the mean over templates.
4. The accuracy gets its bootstrap interval.

The bank is memory-mapped, and released between the stages. Of each stage, the benchmark prints seconds and memory:
`peak_gib` is the peak of the resident set, with pages of mapped files; `anonymous_gib` is the process's own memory.
Making up the data takes a large part of the time and is no work of the library: `seconds_made_up` says how much, and
the target is for the rest.

    python benchmarks/paper_scale.py                          (7.7 GB of disk, 8 GiB of memory; minutes on 2 cores)
    python benchmarks/paper_scale.py --n 100000 --pictures 1000
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from asif_lib import ASIF, AnchorBank
from asif_lib.evaluation import accuracy
from asif_lib.files import build_dir
from asif_lib.search import indexed_scores
from made_up import IMAGE, TEXT, World
from timing import machine, peak_memory, target, without_targets

CLASSES, TEMPLATES, K, P = 1_000, 7, 800, 8
FULL = 1_600_000, 10_000, K
"""Pairs, pictures and k, for which the targets hold on 2 cores."""
PART = 50_000
BYTES_PER_PAIR = 2 * 2 * (IMAGE.dim + TEXT.dim) + 60


class Stages:
    """Measure seconds and memory of one stage after the other."""

    def __init__(self):
        self.done, self.made_up = [], 0.0

    def make_up(self, make, *arguments, **how):
        """Return made-up data, and add its seconds to `made_up`."""
        start = time.perf_counter()
        value = make(*arguments, **how)
        self.made_up += time.perf_counter() - start
        return value

    def __call__(self, name, step):
        """Run the function `step`; return its value."""
        start = time.perf_counter()
        with peak_memory() as memory:
            value = step()
        stage = {"name": name, "seconds": round(time.perf_counter() - start, 2)}
        stage |= {"peak_gib": gib(memory.peak), "anonymous_gib": gib(memory.anonymous)}
        self.done.append(stage)
        print(f"{name:34} {stage['seconds']:7.1f} s {stage['peak_gib']:6.2f} GiB", file=sys.stderr)
        return value


def gib(size):
    return round(size / 2**30, 3)


def write(world, folder, n, make_up):
    """Make a bank of `n` pairs in half precision, with one part in memory at a time."""
    for first in tqdm(range(0, n, PART), desc="bank", unit="part", leave=False, disable=not sys.stderr.isatty()):
        count = min(PART, n - first)
        image, text = (z.half() for z in make_up(world.pairs, count, seed=first + 1))
        numbers = range(first, first + count)
        table = {"id": [f"{i:09}.jpg" for i in numbers], "caption": [f"made up, number {i}" for i in numbers]}
        part = AnchorBank("made up", image, text, pd.DataFrame(table | {"picture": "", "group": ""}), IMAGE, TEXT)
        if first:
            AnchorBank.load(folder).add(part)
        else:
            part.save(folder)


def run(folder, n, pictures, k, progress):
    """Run all stages with the bank in `folder`; return the result without the machine."""
    start, stages = time.perf_counter(), Stages()
    world = World(CLASSES)

    def model():
        return ASIF(AnchorBank.load(folder), k, P, device="cpu")  # opened again: its mapped pages go with it

    stages("make up and write the bank", lambda: write(world, folder, n, stages.make_up))
    stages("round a copy for search", lambda: AnchorBank.load(folder).prepare(progress=progress) and None)
    new, labels = stages("make up pictures", lambda: stages.make_up(world.pictures, pictures, seed=0))
    images = stages(f"sparse vectors, {pictures:,} pictures", lambda: model().images(new, progress=progress))
    prompts = stages.make_up(world.prompts, TEMPLATES)
    texts = stages(f"sparse vectors, {len(prompts):,} prompts", lambda: model().texts(prompts, progress=progress))
    scores = stages("index and scores", lambda: indexed_scores(images, texts, TEMPLATES))
    found = stages("accuracy and its interval", lambda: accuracy(scores.argmax(dim=1), labels))
    size, total = sum(file.stat().st_size for file in folder.rglob("*")), time.perf_counter() - start
    peak = max(stage["peak_gib"] for stage in stages.done)
    result = {
        "pairs": n, "pictures": pictures, "classes": CLASSES, "templates": TEMPLATES, "k": k, "p": P,
        "disk_gb": round(size / 1e9, 2),
        "seconds_total": round(total, 1),
        "seconds_made_up": round(stages.made_up, 1),
        "peak_gib": peak,
        "anonymous_gib": max(stage["anonymous_gib"] for stage in stages.done),
        "stages": stages.done,
        "accuracy": {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "chance": 1 / CLASSES},
        "compared": [
            target("paper scale: seconds, without making up data", total - stages.made_up, at_most=110),
            target("paper scale: GiB, mapped files included", peak, at_most=6),
        ],
    }  # fmt: skip
    return result if (n, pictures, k) == FULL else without_targets(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=FULL[0], help="pairs in the bank")
    parser.add_argument("--pictures", type=int, default=FULL[1])
    parser.add_argument("--k", type=int, default=K)
    parser.add_argument("--folder", type=Path, default=build_dir() / "benchmarks", help="what is made there is deleted")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(arguments.folder).free, arguments.n * BYTES_PER_PAIR
    if free < needed:
        parser.error(f"{arguments.folder} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed")
    where = machine()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="paper-scale-") as folder:
        result = run(Path(folder) / "bank", arguments.n, arguments.pictures, arguments.k, sys.stderr.isatty())
    if arguments.json:
        print(json.dumps({"machine": where, **result}, indent=2))
        return
    made_up = f"{result['seconds_made_up']} s of them to make up data"
    memory = f"{result['peak_gib']} GiB ({result['anonymous_gib']} GiB its own)"
    total = f"{result['seconds_total']} s ({made_up}), at most {memory}"
    share = result["accuracy"]
    print(f"{result['pairs']:,} pairs, {result['disk_gb']} GB on disk: {total}")
    print(f"accuracy {share['value']:.1%} [{share['low']:.1%}, {share['high']:.1%}], n = {share['n']:,}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; what was made is deleted")
