"""Is the exact search exact? On hard data, against a brute force in double precision.

- clustered: pictures close around the centres of their classes; weakly clustered: classes that overlap
- ties: each vector a hundred times
- near-ties: a hundred vectors around each of few directions, so close that cosines differ in the last bits of float32
- tiny norms: lengths from 1e-44 to 1e-10, most components below the smallest normal float32, and some zero rows

Recall is by value: the share of the k returned anchors, each counted once, whose true cosine reaches the k-th largest
true cosine, within `ULP`. A peer may return any of several equal anchors. The engine must return the same bits with
every method.
"""

import numpy as np
import torch

from asif_lib.relative import unit_rows
from asif_lib.search import centred_unit, prepare, top_anchors
from made_up import World
from peers import author_top, faiss_top
from timing import target

ULP = 2.0**-24
"""The distance of neighbouring float32 numbers below 1; the answer cannot tell nearer cosines apart."""


def hard_data(n, queries, width=768):
    """Yield the name of the data, n anchors and the queries, float32."""
    for name, spread in (("clustered", 0.5), ("weakly clustered", 1.0)):
        world = World(100, spread, widths=(width, 1))
        yield name, world.pictures(n, seed=1)[0], world.pictures(queries, seed=0)[0]
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    few = normal(-(-n // 100), width).repeat_interleave(100, dim=0)[:n]
    yield "ties", few[torch.randperm(n, generator=generator)], normal(queries, width)
    yield "near-ties", few * (1 + 1e-6 * normal(n, width)), normal(queries, width)
    lengths = 10 ** (34 * torch.rand(n, 1, generator=generator, dtype=torch.double) - 44)
    tiny = (normal(n, width).double() * lengths).float()
    tiny[::97] = 0
    yield "tiny norms", tiny, 1e-30 * normal(queries, width)


def true_cosines(queries, anchors):
    """Return all cosines, (q, n) float64."""
    return centred_unit(queries) @ centred_unit(anchors).T


def recall_by_value(indices, true):
    """Return the share of `indices` (q, k) that is among the k best of the `true` cosines (q, n), or as good."""
    k = indices.shape[1]
    least = np.partition(true, -k, axis=1)[:, -k] - ULP
    good = [len(np.unique(row[of[row] >= bound])) for row, of, bound in zip(indices, true, least, strict=True)]
    return sum(good) / indices.size


def measure(n, queries, k):
    """Return recall by value and the largest error of a value, for each kind of data and each way to search."""
    found, compared = [], []
    for name, anchors, questions in hard_data(n, queries):
        true, unit, unit_questions = true_cosines(questions, anchors), unit_rows(anchors), unit_rows(questions)
        answers = {
            "author": author_top(unit_questions, unit, k),
            "faiss.knn": [torch.from_numpy(x) for x in faiss_top(unit_questions, unit, k)],
            "engine, float32": top_anchors(questions, anchors, k, method="float32"),
            "engine, bf16": top_anchors(questions, anchors, k, method="bf16"),
            "engine, bf16, prepared": top_anchors(questions, prepare(anchors), k, method="bf16"),
            "engine, torch": top_anchors(questions, anchors, k, method="torch"),
        }
        one = answers["engine, torch"]
        for way, (values, indices) in answers.items():
            errors = np.abs(values.numpy() - np.take_along_axis(true, indices.numpy(), axis=1))
            recall = recall_by_value(indices.numpy(), true)
            found.append({"data": name, "way": way, "recall": recall, "largest_error": float(errors.max())})
            if way.startswith("engine"):
                compared.append(target(f"recall by value, {name}, {way}", recall, at_least=1))
        same = all(
            torch.equal(a, b) for w in answers if w.startswith("engine") for a, b in zip(answers[w], one, strict=True)
        )
        compared.append(target(f"all methods return the same bits, {name}", int(same), at_least=1))
    return {"n": n, "queries": queries, "k": k, "answers": found, "compared": compared}
