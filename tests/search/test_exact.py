"""Exact search: every method, in any blocks, threads and layouts, gives the answer by definition, bit for bit."""

import itertools
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.files import ROOT
from asif_lib.search import certified, passes
from asif_lib.search.exact import METHODS, PreparedAnchors, plan_search, prepare, top_anchors
from asif_lib.search.passes import centred_unit, merge_top, rerank
from asif_lib.search.rows import Rows

N, D, Q, K = 4_000, 24, 20, 50


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def picks(seed, high, *shape):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def lengths_from_denormal_to_huge():
    lengths = torch.logspace(-44, 37, N)[torch.randperm(N, generator=torch.Generator().manual_seed(7))]
    anchors = randn(2, N, D) * lengths[:, None]
    anchors[5:40] = 0
    return randn(1, Q, D) * 1e-42, anchors


CENTRES, DIRECTION = randn(5, 20, D), randn(8, 1, D)
CASES = {
    "plain": lambda: (randn(1, Q, D), randn(2, N, D)),
    # 80 copies of each anchor: the index decides which of them are among the best
    "duplicates": lambda: (randn(1, Q, D), randn(2, 50, D)[picks(3, 50, N)]),
    "near ties": lambda: (randn(1, Q, D), randn(2, 50, D)[picks(3, 50, N)] + 1e-5 * randn(4, N, D)),
    "clustered": lambda: [CENTRES[picks(i, 20, n)] + 0.1 * randn(i, n, D) for i, n in ((6, Q), (3, N))],
    "denormal to huge": lengths_from_denormal_to_huge,
    "all negative": lambda: (-DIRECTION + 0.1 * randn(1, Q, D), DIRECTION + 0.3 * randn(2, N, D)),
    "far from the origin": lambda: (5 + 0.01 * randn(1, Q, D), 5 + 0.01 * randn(2, N, D)),
    "equal up to the last bit": lambda: (
        randn(1, Q, D), torch.where(picks(3, 2, N, D).bool(), DIRECTION, DIRECTION.nextafter(torch.tensor(torch.inf))),
    ),
}  # fmt: skip
by_method = pytest.mark.parametrize("method", METHODS)


def by_hand(z, anchors, k, mean=None):
    """The definition: all cosines in double precision, rounded to float32, sorted, ties by the index."""
    cosines = (centred_unit(z, mean) @ centred_unit(anchors, mean).T).astype(np.float32)
    order = np.stack([np.lexsort((np.arange(len(row)), -row))[:k] for row in cosines])
    return torch.from_numpy(np.take_along_axis(cosines, order, axis=1)), torch.from_numpy(order)


def assert_same(found, expected):
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


@by_method
@pytest.mark.parametrize("case", CASES)
def test_every_method_in_any_blocks_threads_and_shards_gives_the_exact_answer(case, method, set_threads):
    z, anchors = CASES[case]()
    mean = anchors.mean(dim=0)
    expected, centred = by_hand(z, anchors, K), by_hand(z, anchors, K, mean)
    for threads, memory in ((1, None), (3, 400_000)):
        set_threads(threads)
        assert_same(top_anchors(z, anchors, K, method=method, memory=memory), expected)
        assert torch.get_num_threads() == threads
    assert_same(top_anchors(z, anchors, K, mean=mean, method=method), centred)
    assert_same(top_anchors(z, prepare(anchors, mean), K, method=method), centred)
    keep = np.flatnonzero(np.random.default_rng(0).random(1_500) < 0.7)
    pieces = [anchors[:1_500], anchors[1_500:1_500], anchors[1_500:1_510], anchors[1_510:]]
    rows, whole = Rows(pieces, [keep, None, None, None]), torch.cat([anchors[:1_500][keep], anchors[1_500:]])
    assert_same(top_anchors(z, rows, K, method=method, memory=400_000), by_hand(z, whole, K))


@by_method
def test_more_ties_than_a_fast_pass_has_room_for_and_k_near_their_number(monkeypatch, method):
    """All anchors as good as the k-th: the first k by index are the answer, found by comparing with all."""
    z, (_, anchors) = randn(1, 5, D), CASES["equal up to the last bit"]()
    for k in (1, 298, 300):
        assert_same(top_anchors(z, anchors[:300], k, method=method), by_hand(z, anchors[:300], k))
    monkeypatch.setattr(passes, "MOST_CANDIDATES", 500)
    monkeypatch.setattr(passes, "most_kept", lambda k: 2 * k)
    anchors = randn(2, 1, D).expand(N, D)
    assert_same(top_anchors(z, anchors, K, method=method), by_hand(z, anchors, K))


@pytest.mark.once
@pytest.mark.complete
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have no AVX2")
def test_a_processor_without_avx2_gives_the_same(tmp_path):
    """Numba, PyTorch and oneDNN use what the first processors of this kind had."""
    old = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "NUMBA_CPU_FEATURES": "+sse2"}
    environment = {**os.environ, **old, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CACHE_DIR": str(tmp_path)}
    test = [*["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k"], "gives_the_exact_answer and plain", __file__]
    subprocess.run([sys.executable, *test], cwd=ROOT, env=environment, check=True)


def test_a_processor_without_bfloat16_gives_the_same(monkeypatch):
    z, anchors = CASES["clustered"]()
    monkeypatch.setattr(certified, "has_fast_bfloat16", lambda: False)
    assert_same(top_anchors(z, anchors, K, method="bf16"), by_hand(z, anchors, K))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_read_exactly_also_where_denormals_are_flushed(dtype):
    z = randn(1, Q, D)
    halves = torch.arange(2**15, dtype=torch.int16).view(dtype)
    halves = halves[halves.isfinite()][-1_320 * D :].view(-1, D) * torch.tensor([1, -1]).repeat(D // 2).to(dtype)
    expected = by_hand(z, halves.float(), K)
    torch.set_flush_denormal(True)
    try:
        found = rerank(z, halves, np.tile(np.arange(len(halves)), (Q, 1)), K)
    finally:
        torch.set_flush_denormal(False)
    assert_same(found, expected)


def test_the_bound_follows_a_block_that_was_rounded_more():
    """The first piece is in bfloat16 as it is; of the second the rounding takes what makes it the best."""
    width, step = 257, 1 / 16
    z = torch.zeros(1, width)
    z[0, :256] = step
    best = torch.zeros(1, width, dtype=torch.float64)
    best[0, :140], best[0, 140:254] = step * (1 + 2**-8 - 2**-13), -step * (1 + 2**-8 + 2**-13)
    best[0, 256] = (1 - best.square().sum()).sqrt()
    others = torch.zeros(3, width)
    for i in range(3):
        others[i, : 141 - i], others[i, 141 - i : 256] = step, -step
    for method in METHODS:
        assert top_anchors(z, Rows([others, best.float()]), 1, method=method)[1].tolist() == [[3]]


@by_method
def test_what_the_caller_allows_pytorch_does_not_matter(method):
    """Products in bfloat16 or TF32 would break the bound on the error of those in float32."""
    z, anchors = randn(1, 64, 64), randn(3, 1, 64) + 1e-3 * randn(2, N, 64)
    expected = by_hand(z, anchors, K)
    torch.set_float32_matmul_precision("medium")
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = top_anchors(z, anchors.clone().requires_grad_(), float(K), method=method)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.set_default_dtype(torch.float32)
    assert_same(found, expected)
    assert found[0].dtype == torch.float32


# -- the steps of the proof ------------------------------------------------------------------------------


def unit(seed, rows, d=D):
    return certified.round_rows(torch.nn.functional.normalize(randn(seed, rows, d)))


def test_products_are_rounded_once_and_to_the_nearest():
    """The bound rests on it."""
    for q, n, d in ((1, 300, 24), (33, 2_048, 768), (200, 77, 3_000)):
        z, anchors = unit(1, q, d), unit(2, n, d)
        products = certified._product(z.rows, anchors.rows, torch.empty(q, n, dtype=torch.bfloat16))
        true, slack = z.rows.double() @ anchors.rows.double().T, certified.Sieve(z, 1, 1).slack
        assert ((true - slack).bfloat16() <= products).all() and (products <= (true + slack).bfloat16()).all()


# -- the exact comparison --------------------------------------------------------------------------------


def test_rerank_takes_the_best_of_what_it_is_given():
    z, anchors = CASES["plain"]()
    candidates = np.full((Q, 6), -1)
    candidates[:, :3] = [9, 4, 2]
    values, indices = rerank(z, anchors, candidates, 5)
    assert torch.equal(values[:, :3], top_anchors(z, anchors[[2, 4, 9]], 3)[0])
    assert (values[:, 3:] == 0).all()
    assert (indices[:, 3:] == torch.tensor([0, 1])).all()  # named, but with an entry of zero
    every = [np.arange(200)] * Q
    assert_same(rerank(z, anchors, every, K, memory=1), rerank(z, anchors, every, K))


def sums_of_nothing_but_errors(q, n):
    """Orthogonal vectors: what their cosines in double precision are is decided by the order of adding up."""
    scrambled = torch.randperm(256, generator=torch.Generator().manual_seed(9))
    z, anchors = randn(1, q, 128), randn(2, n, 128)
    return torch.cat([z, -z], dim=1)[:, scrambled], torch.cat([anchors, anchors], dim=1)[:, scrambled]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cosine_is_the_same_in_whatever_company(dtype):
    z, anchors = sums_of_nothing_but_errors(3, 40)
    anchors = anchors.to(dtype)
    alone = torch.cat([rerank(z, anchors, [np.array([j])] * 3, 1)[0] for j in range(40)], dim=1)
    assert 0 < alone.abs().max() < 1e-15
    for m in (1, 7, 8, 9, 23, 40):
        some = [np.random.default_rng(i).permutation(40)[:m] for i in range(3)]
        values, indices = rerank(z, anchors, some, m)
        assert indices.sort(dim=1).values.tolist() == [sorted(own.tolist()) for own in some]
        assert torch.equal(values, alone.gather(1, indices))


@by_method
def test_a_cosine_is_the_same_however_vectors_lie_in_memory(method):
    z, anchors = sums_of_nothing_but_errors(5, 90)
    expected = rerank(z, anchors, [np.arange(90)] * 5, 30)
    for other in (lambda x: x.repeat_interleave(2, dim=0)[::2], lambda x: x.T.contiguous().T):
        assert not other(anchors).is_contiguous()
        assert_same(top_anchors(other(z), Rows([other(anchors[:50]), anchors[50:]]), 30, method=method), expected)


# -- what is refused, and what it takes ------------------------------------------------------------------


@by_method
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_and_infinity_are_found_in_queries_and_in_any_block(method, bad):
    for which, row in ((1, 3_333), (0, 7)):
        given = CASES["plain"]()
        given[which][row, 1] = bad
        with pytest.raises(ParameterError, match=rf"row {row} .* NaN or infinity"):
            top_anchors(*given, 3, method=method, memory=400_000)
    with pytest.raises(ParameterError, match="row 7 .* NaN or infinity"):
        prepare(given[0])


def test_what_cannot_be_searched_is_refused_in_a_sentence():
    z, anchors = CASES["plain"]()
    mean, one, found = anchors.mean(dim=0), prepare(anchors[:30]), top_anchors(z, anchors, 10)
    for call, words in (
        (lambda: top_anchors(z[:, :5], anchors, K), "not of one space"),
        (lambda: top_anchors(z.long(), anchors, K), "vectors are torch.int64"),
        (lambda: Rows([anchors, anchors.half()]), "shard 1 is torch.float16"),
        (lambda: top_anchors(z, anchors, K, method="magic"), "method = 'magic'"),
        *((lambda k=k: top_anchors(z, anchors, k), f"k = {k}: .* a whole number") for k in (0, N + 1, 2.5, True, None)),
        (lambda: top_anchors(z, anchors, K, mean=mean * torch.nan), "the mean holds NaN"),
        (lambda: top_anchors(torch.full((2, D), 3e38), anchors, K, mean=torch.full((D,), -3e38)), "beyond float32"),
        (lambda: PreparedAnchors(Rows([anchors]), None, one.rounded, one.error), "not one of anchors of shape"),
        (lambda: top_anchors(z, one, 3, mean=mean), "prepared with a mean of their own"),
        (lambda: merge_top([found], K), "gave 10 anchors together"),
        (lambda: merge_top([found, (found[0][:1], found[1][:1])], 20), "different numbers of queries"),
        (lambda: rerank(z, anchors[:10], [np.arange(9)] * Q, 11), "k = 11 of 10 anchors"),
        (lambda: plan_search(1, 2**32, 8, 1), "4,294,967,296 anchors: .* merge_top"),
        (lambda: plan_search(5, 800, 768, 80, device="meta", method="bf16"), "on meta take 'torch'"),
    ):
        with pytest.raises(ParameterError, match=words):
            call()
    assert top_anchors(torch.empty(0, D), anchors, 3)[1].shape == (0, 3)
    assert top_anchors(z[:2].numpy(), anchors[:1], 1)[1].tolist() == [[0], [0]]


def test_a_memory_below_one_tile_says_what_it_takes_and_vectors_fit_into_more():
    for q, n, d, k, method in itertools.product((1, 500), (1, 70_000), (1, 768), (1, 800), METHODS):
        with pytest.raises(ParameterError, match="does not hold one tile") as error:
            plan_search(q, n, d, k, method=method, memory=10)
        enough = int(str(error.value).split("give ")[1].split(" ")[0].replace(",", ""))
        for memory in (enough, 3 * enough, 2**32):
            plan = plan_search(q, n, d, k, method=method, memory=memory)
            assert 1 <= plan.queries <= q and 1 <= plan.anchors <= n
            assert 4 * d * (plan.queries + plan.anchors) <= memory  # in float32, and that is the least


MEASURE = """
import resource, torch
from asif_lib.search.exact import METHODS, top_anchors
n, q, d = 100_000, 2_000, 8
z, anchors = torch.randn(q, d), torch.randn(n, d)
for method in METHODS:
    top_anchors(z[:9], anchors[:20_000], 50, method=method)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for method in METHODS:
    assert top_anchors(z, anchors, 50, method=method, memory=2**27)[1].shape == (q, 50)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.once
def test_the_dense_matrix_never_exists_whole(tmp_path):
    """2,000 × 100,000 cosines would take 763 MB."""
    run = subprocess.run([sys.executable, "-c", MEASURE], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and float(run.stdout) < 300, run.stderr
