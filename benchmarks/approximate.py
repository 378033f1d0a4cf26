"""Approximate against exact search: when does it pay, counted in decisions and not only in anchors found?

The bank is made up: captioned pictures of concepts that lie in groups, some groups nearer to each other than others.
Two encoders (768 and 384 dimensions) see them and share only the concept's latent vector. The zero-shot task is to name
the concept of new pictures among a hundred. The names are the concepts' own vectors as the text encoder sees them.
There are two kinds of data. In `clustered`, pictures lie close around their concept. In `weak`, they spread as far as
the groups are apart, and their neighbours come from many concepts.

The benchmark reports the seconds to build an index and its size. For each setting of its knob, it reports recall@k, the
share of decisions that stay the same, the accuracy lost with its 95 % interval, and the time of exact search over the
time of approximate search. The times include the exact cosines of the candidates. The peers are `top_anchors`, in turn
with the index, and `faiss.knn` on a float32 matrix in memory, timed before and after. FAISS runs the fastest kernel
that its OpenBLAS has for this processor. "Pays back" is the number of queries after which the index has saved the time
of its building, at the cheapest setting that loses less than the margin.

    python benchmarks/approximate.py                          (20,000 pairs, some minutes on 2 cores)
    python benchmarks/approximate.py --n 1600000 --json       (14 GB of disk, 12 GB of memory, an hour)
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import torch

from asif_lab import ValidationSet, build_index, choose_effort, measure_efforts
from asif_lib import AnchorBank, EncoderIdentity
from asif_lib.relative import unit_rows
from peers import faiss_kernel, fastest_kernel
from timing import in_child

IMAGE = EncoderIdentity("image", "made up", "seed", "0" * 64, "none", 768)
TEXT = EncoderIdentity("text", "made up", "seed", "1" * 64, "none", 384)
SPREAD = {"clustered": 0.5, "weak": 1.0}
CLASSES, LATENT, BLOCK = 100, 64, 50_000


class World:
    """Concepts with latent vectors, and two encoders that see them."""

    def __init__(self, spread, concepts):
        rng = np.random.default_rng(0)
        self.scale = (
            np.arange(1, LATENT + 1, dtype=np.float32) ** -0.5
        )  # few directions count much, as in real encoders
        groups = rng.standard_normal((concepts // 10, LATENT), dtype=np.float32)
        own = rng.standard_normal((concepts, LATENT), dtype=np.float32)
        self.centres = (groups[np.arange(concepts) % len(groups)] + 0.5 * own) * self.scale
        self.see = {i.kind: rng.standard_normal((LATENT, i.dim), dtype=np.float32) for i in (IMAGE, TEXT)}
        self.spread = spread

    def pairs(self, count, seed, classes=None):
        """Return embeddings of `count` pictures and captions of random concepts, and the concepts."""
        rng = np.random.default_rng([1, seed])
        concept = rng.integers(0, classes or len(self.centres), count)
        latent = self.centres[concept] + self.spread * self._noise(rng, count)
        caption = latent + 0.5 * self._noise(rng, count)  # a caption omits some things and adds others
        return self.embed("image", latent, rng), self.embed("text", caption, rng), concept

    def embed(self, kind, latent, rng):
        seen = latent @ self.see[kind]
        return torch.from_numpy(seen + 0.3 * rng.standard_normal(seen.shape, dtype=np.float32))

    def _noise(self, rng, count):
        return rng.standard_normal((count, LATENT), dtype=np.float32) * self.scale

    def bank(self, folder, n):
        """Make a bank on disk in half precision, block by block."""
        for first in range(0, n, BLOCK):
            image, text, _ = self.pairs(min(BLOCK, n - first), seed=first + 1)
            numbers = range(first, first + len(image))
            table = pd.DataFrame({"id": [str(i) for i in numbers], "caption": "made up", "picture": "", "group": ""})
            new = AnchorBank("made up", *(unit_rows(z).half() for z in (image, text)), table, IMAGE, TEXT)
            if first:
                AnchorBank.load(folder).add(new)
            else:
                new.save(folder)
        return AnchorBank.load(folder).compact()

    def validation(self, count):
        pictures, _, labels = self.pairs(count, seed=0, classes=CLASSES)
        prompts = self.embed("text", self.centres[:CLASSES], np.random.default_rng(2))
        return ValidationSet(pictures, prompts, labels)


class Knn:
    """Return the peer: `faiss.knn` over the same centred unit rows, as float32 in memory."""

    def __init__(self, bank, queries):
        mean, self.rows = bank.image_mean, torch.empty(bank.rows("image").shape)
        for start, block in bank.rows("image").blocks(BLOCK):
            self.rows[start : start + len(block)] = unit_rows(block, mean)
        self.queries = unit_rows(queries, mean)

    def seconds(self, k, rounds):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            faiss.knn(self.queries.numpy(), self.rows.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
            times.append(time.perf_counter() - start)
        return times


def measure(arguments, data, folder):
    """Return the results on one kind of data: a list, for each k."""
    world = World(SPREAD[data], max(CLASSES, arguments.n // 200))
    bank, validation = world.bank(folder / data, arguments.n), world.validation(arguments.queries)
    knn, results = Knn(bank, validation.pictures), []
    start = time.perf_counter()
    index = build_index(bank, "image", progress=sys.stderr.isatty())
    build = time.perf_counter() - start
    index.search(validation.pictures[:10], 10, index.efforts(10)[0])  # compile and map before the clock runs
    for k in arguments.k:
        before = knn.seconds(k, arguments.rounds)
        table = measure_efforts(index, validation, k, 8, rounds=arguments.rounds, progress=sys.stderr.isatty())
        seconds = statistics.median(before + knn.seconds(k, arguments.rounds))
        table["speedup_knn"] = seconds / table["seconds"]
        chosen = choose_effort(table, arguments.margin)
        result = {"data": data, "n": arguments.n, "k": k, "build_seconds": round(build, 2)}
        megabytes = index.index.ntotal * index.index.code_size / 1e6
        result |= {"megabytes": round(megabytes, 1), "lists": index.index.nlist}
        attrs = {("queries" if key == "n" else key): value for key, value in table.attrs.items()}
        result |= {"knn_seconds": seconds, "knn_kernel": faiss_kernel(), **attrs}
        result |= {"chosen": chosen}
        result["pays_back_after"] = pays_back(table, chosen, build, seconds)
        results.append(result | {"settings": table.to_dict("records")})
        if not arguments.json:
            show(results[-1])
    return results


def pays_back(table, chosen, build, knn_seconds):
    """Return the number of queries after which the index has saved the time of its building; None if never."""
    if chosen is None:
        return None
    seconds = table.set_index("effort").loc[chosen, "seconds"]
    exact = min(knn_seconds, table.attrs["exact_seconds"])
    return round(build / (exact - seconds) * table.attrs["n"]) if seconds < exact else None


def show(result):
    made = f"built in {result['build_seconds']} s, {result['megabytes']} MB, {result['lists']} lists"
    print(f"\n{result['data']}, n = {result['n']:,}, k = {result['k']}: {made}")
    exact = f"exact: accuracy {result['exact_accuracy']:.1%}, top_anchors {result['exact_seconds']:.3f} s"
    print(f"  {exact}, faiss.knn ({result['knn_kernel']}) {result['knn_seconds']:.3f} s, {result['queries']} queries")
    print(f"  {result['knob']:>9}  recall   short  agreement  accuracy: points [95 %]     × top_anchors  × faiss.knn")
    for row in result["settings"]:
        lost = f"{100 * row['difference']:+6.2f} [{100 * row['low']:+6.2f}, {100 * row['high']:+6.2f}]"
        shares = f"{row['recall']:6.1%}  {row['short']:6.1%}  {row['agreement']:9.1%}  {lost:26}"
        print(f"  {row['effort']:9}  {shares} {row['speedup']:14.2f} {row['speedup_knn']:12.2f}")
    after = result["pays_back_after"]
    paid = "never pays back" if after is None else f"pays back after {after:,} queries"
    print(f"  chosen: {result['chosen']}; {paid}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000, help="pairs in the bank")
    parser.add_argument("--k", type=int, nargs="+", default=[50, 800])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--data", nargs="+", choices=SPREAD, default=list(SPREAD))
    parser.add_argument("--margin", type=float, default=1, help="points of accuracy that may be lost")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where there is space; what is made there is deleted")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results, kernel = [], fastest_kernel()
    for data in arguments.data:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            results += in_child(measure, arguments, data, Path(folder), environment=kernel)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    if arguments.json:
        print(json.dumps({"machine": f"{machine}, faiss {faiss.__version__}", "results": results}, indent=2))


if __name__ == "__main__":
    main()
