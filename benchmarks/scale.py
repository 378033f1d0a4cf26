"""The engine against its peers: exact search, sparse similarity, and the growth of their cost.

Five sections run in a process of their own each, which returns its memory. In each section the ways take turns, a
ratio is a ratio of medians, and a way with a target reports whether it is met. The peers (`peers.py`) are the
algorithm that the method's authors published, `faiss.knn`, the bare matrix product in float32 or bfloat16, and scipy.
All get the same unit rows in float32 in memory. FAISS runs the fastest kernel that its OpenBLAS has for this processor
(`fastest_kernel`), and the ratios name the kernel. "float32" is the engine of a processor without bfloat16, "prepared"
gets a copy in bfloat16 besides, as `AnchorBank.prepare` makes it. The embeddings are made up (`made_up.py`); the first
two sections also use embeddings without structure, uniform on the sphere.

- exact search, 200,000 anchors of 768 dimensions, 1,000 queries, k = 800
- the same in a process whose libraries may use AVX2 and nothing newer, as on most laptops (x86 only)
- exact search, 1.6 million anchors, 256 queries; and the engine's cost with 10,000 anchors and up
- exactness: the share of the answer that a brute force in double precision confirms, on hard data
- sparse similarity, 10,000 pictures and 7,000 captions over 200,000 anchors

Memory is the peak of the resident set minus the resident set before the first call of a way. The curve over n shows the
least of five calls, since the number of free pages that a call touches besides is chance. A slope below 1 is the fixed
cost of a call, not a fault.

    python benchmarks/scale.py                                (9 GB of memory; minutes on 2 cores)
    python benchmarks/scale.py --quick                        (small sizes, as a test of the script; judges no target)
    python benchmarks/scale.py --only exactness similarity
"""

import argparse
import json
import platform
import sys
import warnings

import numpy as np
import torch
from scipy.optimize import minimize_scalar, nnls

import exactness
from asif_lib.machine import has_fast_bfloat16
from asif_lib.relative import unit_rows
from asif_lib.search import PreparedAnchors, Rows, indexed_scores, prepare, round_rows, top_anchors
from asif_lib.settings import Settings
from asif_lib.sparse import represent
from made_up import World
from peers import (
    author_similarity,
    author_top,
    faiss_kernel,
    faiss_top,
    fastest_kernel,
    products_alone,
    scipy_similarity,
    torch_similarity,
)
from timing import (
    MB,
    in_child,
    interleaved,
    lines_of,
    machine,
    need_memory,
    peak_memory,
    ratio,
    summary,
    target,
    without_targets,
)

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_OPT_LEVEL": "avx2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt",
}
"""The variables by which PyTorch, its libraries, FAISS and Numba take a processor for one of 2013."""
TEMPLATES = 7
BLOCK = 50_000
SIZES = {
    "full": {
        "search": {"n": 200_000, "queries": 1_000, "k": 800, "rounds": 5},
        "avx2": {"n": 200_000, "queries": 1_000, "k": 800, "rounds": 5},
        "large": {"n": 1_600_000, "queries": 256, "k": 800, "rounds": 5, "smallest": 10_000},
        "exactness": {"n": 20_000, "queries": 100, "k": 800},
        "similarity": {"n": 200_000, "pictures": 10_000, "classes": 1_000, "k": 800, "rounds": 5},
    },
    "quick": {
        "search": {"n": 5_000, "queries": 100, "k": 50, "rounds": 2},
        "avx2": {"n": 5_000, "queries": 100, "k": 50, "rounds": 2},
        "large": {"n": 20_000, "queries": 64, "k": 50, "rounds": 2, "smallest": 2_500},
        "exactness": {"n": 2_000, "queries": 20, "k": 50},
        "similarity": {"n": 5_000, "pictures": 200, "classes": 50, "k": 50, "rounds": 2},
    },
}


def embeddings(n, queries, structure=True, width=768):
    """Make unit anchors (n, width) and queries (queries, width), float32."""
    anchors = torch.empty(n, width)
    if structure:
        world = World()
        for i, block in enumerate(anchors.split(BLOCK)):
            block[:] = world.pictures(len(block), seed=i + 1)[0]
        return anchors, world.pictures(queries, seed=0)[0]
    generator = torch.Generator().manual_seed(0)
    for block in anchors.split(BLOCK):
        block[:] = unit_rows(torch.randn(block.shape, generator=generator))
    return anchors, unit_rows(torch.randn(queries, width, generator=generator))


def memory_of(ways):
    """Return the megabytes of a call of each way."""
    taken = {}
    for name, way in ways.items():
        with peak_memory() as memory:
            way()
        taken[name] = round(memory.extra / MB, 1)
    return taken


# -- exact search ----------------------------------------------------------------------------------------


def searches(anchors, queries, k, prepared):
    """Return the ways to search, peers first; those in bfloat16 where the processor multiplies it."""
    ways = {
        "author": lambda: author_top(queries, anchors, k),
        "faiss.knn": lambda: faiss_top(queries, anchors, k),
        "float32 product alone": lambda: products_alone(queries, anchors),
        "engine, float32": lambda: top_anchors(queries, anchors, k, method="float32"),
    }
    if has_fast_bfloat16():
        rounded = round_rows(queries).rows
        ways |= {
            "bf16 product alone": lambda: products_alone(rounded, prepared.rounded),
            "engine, bf16": lambda: top_anchors(queries, anchors, k, method="bf16"),
            "engine, bf16, prepared": lambda: top_anchors(queries, prepared, k, method="bf16"),
        }
    return ways


def warm_up(k):
    """Compile and load the code of each way, on a few anchors."""
    anchors, queries = embeddings(4 * k, 8, structure=False)
    for way in searches(anchors, queries, k, prepare(anchors)).values():
        way()


def search(n, queries, k, rounds, of_product=1.2):
    """Run the first section: small enough for every way, with and without structure in the data.

    The engine in float32 may take `of_product` times the product in float32.
    """
    warm_up(k)
    found = {"n": n, "queries": queries, "k": k, "bfloat16": has_fast_bfloat16(), "data": []}
    bounds = [
        ("engine, float32", "float32 product alone", {"at_most": of_product}),
        ("engine, float32", "faiss.knn", {"at_most": 1.2}),
        ("author", "engine, float32", {"at_least": 1.2}),
        ("engine, bf16", "float32 product alone", {"at_most": 0.8}),
        ("engine, bf16, prepared", "bf16 product alone", {"at_most": 1.25}),
        ("author", "engine, bf16, prepared", {"at_least": 2.8}),
    ]
    for structure in (True, False):
        name = "made-up classes" if structure else "uniform on the sphere"
        anchors, questions = embeddings(n, queries, structure)
        ways = searches(anchors, questions, k, prepare(anchors))
        memory, seconds = memory_of(ways), interleaved(ways, rounds, f"{n:,} anchors, {name}")
        ratios = [
            ratio(f"{n:,} anchors, {name}: {one} over {named(other)}", seconds[one], seconds[other], **bound)
            for one, other, bound in bounds
            if {one, other} <= seconds.keys()
        ]
        found["data"].append({"name": name, "seconds": summary(seconds), "extra_mb": memory, "compared": ratios})
    return found


def named(way):
    """Return the name of a way to search, with the kernel that FAISS runs in this process."""
    return f"{way} ({faiss_kernel()})" if way == "faiss.knn" else way


def avx2(n, queries, k, rounds):
    """Run the second section: the first one, in a process that got the variables `AVX2`."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return {"skipped": f"a processor of the kind {platform.machine()} has no AVX2"}
    found = search(n, queries, k, rounds, 1.3)
    for data in found["data"]:
        data["compared"] = [{**figure, "what": f"AVX2 only, {figure['what']}"} for figure in data["compared"]]
    return found


def large(n, queries, k, rounds, smallest):
    """Run the third section: many anchors, and the curve up to there."""
    warm_up(k)
    anchors, questions = embeddings(n, queries)
    prepared = prepare(anchors)
    ways = searches(anchors, questions, k, prepared)
    for slow in ("engine, float32", "engine, bf16"):  # the first section shows their cost
        ways.pop(slow, None)
    ways["engine, bf16, prepared"] = lambda: top_anchors(questions, prepared, k, method="bf16")
    memory, seconds = memory_of(ways), interleaved(ways, rounds, f"{n:,} anchors")
    what, engine = f"exact search, {n:,} anchors", seconds["engine, bf16, prepared"]
    ratios = [
        ratio(f"{what}: author over engine", seconds["author"], engine, at_least=3.6),
        ratio(f"{what}: {named('faiss.knn')} over engine", seconds["faiss.knn"], engine, at_least=1.5),
        ratio(f"{what}: engine over float32 product alone", engine, seconds["float32 product alone"], at_most=0.6),
    ]
    result = {"n": n, "queries": queries, "k": k, "seconds": summary(seconds), "extra_mb": memory, "compared": ratios}
    return result | {"curve": curve(prepared, questions, k, rounds, smallest)}


def curve(prepared, queries, k, rounds, smallest):
    """Return seconds and memory of the engine for the first n anchors, n doubled from `smallest` to all of them."""
    sizes = [smallest]
    while sizes[-1] * 2 < len(prepared):
        sizes.append(sizes[-1] * 2)
    sizes.append(len(prepared))
    rows, ways = prepared.rows.pieces[0], {}
    for n in sizes:
        part = PreparedAnchors(Rows([rows[:n]]), None, prepared.rounded[:n], prepared.error)
        ways[f"{n}"] = lambda part=part: top_anchors(queries, part, k, method="bf16")
    calls = [memory_of(ways) for _ in range(5)]
    memory = {way: min(call[way] for call in calls) for way in ways}
    seconds = interleaved(ways, 6 * rounds, "curve")  # many rounds, since the small sizes take milliseconds
    fixed, slope = growth(sizes, [min(seconds[way]) for way in ways])
    most = max(memory.values())
    return {
        "sizes": sizes,
        "seconds": summary(seconds),
        "least_extra_mb": memory,
        "fixed_seconds": round(fixed, 4),
        "compared": [
            target("search: log-log slope of seconds against n", slope, at_most=1.05),
            target(f"search: MB beside {sizes[0]:,} to {sizes[-1]:,} anchors, at most", most, at_most=50),
        ],
    }


def growth(sizes, seconds):
    """Fit seconds = fixed + rate · n ** slope, by relative errors; return ``fixed, slope``.

    Fixed is the time for any number of anchors. The slope is that of a plot of log(seconds - fixed) over log(n).

    Examples
    --------
    >>> fixed, slope = growth([1, 2, 4, 8, 16], [4.0, 5.0, 7.0, 11.0, 19.0])
    >>> round(fixed, 3), round(slope, 3)
    (3.0, 1.0)
    """
    n, t = np.asarray(sizes) / sizes[-1], np.asarray(seconds)
    options = {"bounds": (0.1, 3), "method": "bounded", "options": {"xatol": 1e-6}}
    slope = minimize_scalar(lambda slope: _fit(n, t, slope)[2], **options).x
    return float(_fit(n, t, slope)[0]), float(slope)


def _fit(n, seconds, slope):
    """Return ``fixed, rate``, neither below 0, and the length of the relative errors."""
    columns = np.stack([1 / seconds, n**slope / seconds], axis=1)  # (m, 2)
    (fixed, rate), error = nnls(columns, np.ones(len(seconds)))
    return fixed, rate, error


# -- sparse similarity -----------------------------------------------------------------------------------


def similarity(n, pictures, classes, k, rounds):
    """Run the fifth section: sparse vectors of pictures and captions, compared all with all."""
    images, texts = sparse_pair(n, pictures, classes, k)
    csr = [vectors.to_csr() for vectors in (images, texts)]
    tensors = csr_tensor(csr[0]), csr_tensor(csr[1].T.tocsr())
    ways = {
        "author": lambda: author_similarity(images, texts),
        "scipy": lambda: scipy_similarity(*csr),
        "torch, CSR": lambda: torch_similarity(*tensors),
        "engine": lambda: indexed_scores(images, texts),
        "engine, mean of templates": lambda: indexed_scores(images, texts, TEMPLATES, "mean"),
        "engine, largest of templates": lambda: indexed_scores(images, texts, TEMPLATES, "max"),
    }
    indexed_scores(images[:1], texts[:TEMPLATES])  # compiles, or loads what was compiled
    memory, seconds = memory_of(ways), interleaved(ways, rounds, "similarity")
    what, engine = f"similarity, {len(images):,} x {len(texts):,} over {n:,}", seconds["engine"]
    return {
        "n": n, "pictures": len(images), "captions": len(texts), "k": k,
        "seconds": summary(seconds),
        "extra_mb": memory,
        "compared": [
            ratio(f"{what}: author over engine", seconds["author"], engine, at_least=9),
            ratio(f"{what}: scipy over engine", seconds["scipy"], engine, at_least=3),
            ratio(f"{what}: torch CSR over engine", seconds["torch, CSR"], engine),
            target(f"{what}: MB, result and index included", memory["engine"], at_most=400),
        ],
    }  # fmt: skip


def csr_tensor(matrix):
    """Convert a scipy CSR array to torch."""
    parts = (torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "in beta state"
        return torch.sparse_csr_tensor(*parts, matrix.shape, check_invariants=False)


def sparse_pair(n, pictures, classes, k):
    """Make sparse vectors, p = 8, of new pictures and of the names of classes in templates."""
    world = World(classes)
    parts = [world.pairs(min(BLOCK, n - first), seed=first + 1) for first in range(0, n, BLOCK)]
    new = world.pictures(pictures, seed=0)[0], world.prompts(TEMPLATES)
    found = []
    for queries, rows in zip(new, (Rows(list(kind)) for kind in zip(*parts, strict=True)), strict=True):
        found.append(represent(queries, rows, Settings(k, 8), progress=sys.stderr.isatty()))
    return found


# -- all of them -----------------------------------------------------------------------------------------

SECTIONS = {"search": search, "avx2": avx2, "large": large, "exactness": exactness.measure, "similarity": similarity}


def run(sizes, only):
    """Return the result of each section, by name."""
    found, kernel = {}, fastest_kernel()
    for name in only:
        found[name] = in_child(SECTIONS[name], *sizes[name].values(), environment=AVX2 if name == "avx2" else kernel)
        if sizes is SIZES["quick"] and name != "exactness":
            found[name] = without_targets(found[name])
        for line in lines_of(found[name]):
            print(line, file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--large", type=int, help="anchors of the second section, if 1.6 million are too many")
    parser.add_argument("--quick", action="store_true", help="small sizes, whose ratios mean nothing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes = SIZES["quick" if arguments.quick else "full"]
    if arguments.large:
        sizes["large"]["n"] = arguments.large
    if "large" in arguments.only:
        need_memory(1.2 * sizes["large"]["n"] * 768 * 6, f"a search among {sizes['large']['n']:,} anchors")
    result = {"machine": machine(), "quick": arguments.quick, **run(sizes, arguments.only)}
    if arguments.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
