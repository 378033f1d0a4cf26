"""The benchmarks at tiny sizes: peers that give the engine's answers, results in their shape, no claim about time."""

import argparse
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from asif_lib.files import ROOT
from asif_lib.search.exact import top_anchors
from asif_lib.search.inverted import InvertedIndex
from asif_lib.sparse import sparse_relative_representation

sys.path.insert(0, str(ROOT / "benchmarks"))

import exactness
import paper_scale
import peers
import scale
import timing
from made_up import World

BENCHMARKS = ROOT / "benchmarks"
WORLD = World(20, widths=(48, 32))


@pytest.fixture(scope="module")
def searched():
    """Anchors, queries, and the engine's 30 best."""
    anchors, queries = WORLD.pictures(900, seed=1)[0], WORLD.pictures(40, seed=0)[0]
    return anchors, queries, top_anchors(queries, anchors, 30)


@pytest.mark.parametrize("chunk, budget", [(900, 2**30), (250, 2**30), (20, 2**30), (250, 4 * 250 * 7)])
def test_the_authors_search_finds_what_the_engine_finds(searched, chunk, budget):
    anchors, queries, (values, indices) = searched
    found, where = peers.author_top(queries, anchors, 30, chunk=chunk, budget=budget)
    torch.testing.assert_close(found, values, atol=1e-6, rtol=0)
    assert torch.equal(where.sort(dim=1)[0], indices.sort(dim=1)[0])


def test_faiss_finds_what_the_engine_finds(searched):
    anchors, queries, (values, indices) = searched
    found, where = peers.faiss_top(queries, anchors, 30)
    np.testing.assert_allclose(found, values, atol=1e-6)
    assert np.array_equal(np.sort(where), indices.sort(dim=1)[0])


def test_the_product_alone_computes_every_tile(searched, monkeypatch):
    anchors, queries, _ = searched
    shapes, multiply = [], torch.mm

    def mm(a, b, out):
        shapes.append((len(a), b.shape[1]))
        return multiply(a, b, out=out)

    monkeypatch.setattr(peers.torch, "mm", mm)
    last = peers.products_alone(queries, anchors, tile=(16, 400))
    assert sum(m * n for m, n in shapes) == 40 * 900
    torch.testing.assert_close(last, queries[32:] @ anchors[800:].T)


@pytest.fixture(scope="module")
def compared():
    """Sparse vectors of pictures and prompts, and the engine's scores."""
    pictures, captions = WORLD.pairs(500, seed=1)
    images = sparse_relative_representation(WORLD.pictures(25, seed=0)[0], pictures, 40, 8)
    texts = sparse_relative_representation(WORLD.prompts(3), captions, 40, 8)
    return images, texts, InvertedIndex(texts).scores(images)


def test_similarities_of_the_peers_are_those_of_the_engine(compared):
    images, texts, scores = compared
    assert (scores > 0).any() and (scores == 0).any()
    torch.testing.assert_close(peers.author_similarity(images, texts), scores, atol=1e-6, rtol=1e-5)
    csr = images.to_csr(), texts.to_csr()
    np.testing.assert_allclose(peers.scipy_similarity(*csr), scores, atol=1e-6)
    tensors = scale.csr_tensor(csr[0]), scale.csr_tensor(csr[1].T.tocsr())
    torch.testing.assert_close(peers.torch_similarity(*tensors), scores, atol=1e-6, rtol=1e-5)


def test_the_authors_vectors_have_unit_length(compared):
    images, _, _ = compared
    vectors = peers.author_sparse(3 * images.values, images.indices, images.n).to_dense()
    torch.testing.assert_close(vectors, images.to_dense(), atol=1e-6, rtol=0)


# -- exactness -------------------------------------------------------------------------------------------


def test_recall_counts_values_and_each_anchor_once():
    true = np.array([[0.9, 0.5, 0.5, 0.1, 0.5 - 2**-26]])
    for answer, recall in (([0, 1], 1), ([0, 2], 1), ([2, 1], 1), ([0, 4], 1), ([0, 3], 0.5), ([0, 0], 0.5)):
        assert exactness.recall_by_value(np.array([answer]), true) == recall


def test_hard_data_are_hard():
    data = {name: (anchors, queries) for name, anchors, queries in exactness.hard_data(1_000, 5, width=64)}
    assert len(torch.unique(data["ties"][0], dim=0)) == 10
    true = np.sort(exactness.true_cosines(*reversed(data["near-ties"])))[:, ::-1]
    gaps = -np.diff(true[:, :50])
    assert 0 < np.median(gaps) < 10 * exactness.ULP
    tiny = data["tiny norms"][0]
    assert (tiny == 0).all(dim=1).any() and 0 < tiny[tiny != 0].abs().min() < torch.finfo(torch.float32).tiny
    assert exactness.true_cosines(*reversed(data["clustered"])).max() > 0.5


def test_exactness_is_judged_for_every_method_and_kind_of_data():
    result = exactness.measure(n=600, queries=6, k=20)
    assert {row["way"] for row in result["answers"] if row["data"] == "ties"} >= {"author", "engine, bf16, prepared"}
    assert len(result["compared"]) == 5 * 5
    assert all(row["met"] for row in result["compared"])
    assert all(row["largest_error"] < exactness.ULP for row in result["answers"] if row["way"].startswith("engine"))


def test_a_search_that_loses_anchors_is_seen(monkeypatch):
    def lossy(queries, anchors, k, **how):
        values, indices = top_anchors(queries, anchors, k + 1, **how)
        return values[:, 1:], indices[:, 1:]

    monkeypatch.setattr(exactness, "top_anchors", lossy)
    result = exactness.measure(n=300, queries=4, k=20)
    missed = {row["what"] for row in result["compared"] if not row["met"]}
    assert {f"recall by value, clustered, engine, {way}" for way in ("faiss", "bf16", "torch")} <= missed


# -- what the benchmarks share ---------------------------------------------------------------------------


def test_ways_take_turns():
    calls = []
    ways = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = timing.interleaved(ways, 3)
    assert calls == list("abcbcacab")
    assert [len(times) for times in seconds.values()] == [3, 3, 3]


def test_targets_judge_the_ratio_of_medians():
    met = timing.ratio("a over b", [9.0, 2.0, 3.0], [1.0, 1.5, 2.0], at_least=2)
    assert met == {"what": "a over b", "value": 2.0, "at_least": 2, "met": True, "of_minima": 2.0}
    assert not timing.ratio("a over b", [1.0], [2.0], at_least=0.6)["met"]
    assert not timing.target("slope", 1.06, at_least=0.95, at_most=1.05)["met"]
    assert json.loads(json.dumps(timing.target("slope", np.float64(1), at_most=1.05)))["met"] is True
    assert "met" not in timing.target("a figure", 3)


def test_lines_name_what_is_missed_and_find_ratios_of_other_results():
    result = {"one": [timing.target("slope", 2, at_most=1)], "add": {"ratio_to_copy": 3.5}, "machine": {"cores": 2}}
    slope, add = timing.lines_of(result)
    assert "slope" in slope and slope.endswith("≤ 1  MISSED")
    assert add.split() == ["add", "ratio_to_copy", "3.500"]


def test_memory_of_a_block_is_measured():
    with timing.peak_memory() as memory:
        taken = np.ones(8_000_000)
        time.sleep(3 * timing.SAMPLING)
        del taken
    assert 60e6 < memory.extra < 90e6
    assert memory.anonymous > 60e6


def test_a_child_returns_its_value_and_raises_its_errors():
    assert timing.in_child(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        timing.in_child(divmod, 7, 0)


@pytest.mark.parametrize("power", [0.9, 1.0, 1.2])
def test_growth_is_found_beyond_a_fixed_cost(power):
    sizes = [10_000 * 2**i for i in range(8)]
    fixed, slope = scale.growth(sizes, [0.3 + 1e-6 * n**power for n in sizes])
    assert fixed == pytest.approx(0.3, rel=1e-3) and slope == pytest.approx(power, rel=1e-3)


# -- the scripts -----------------------------------------------------------------------------------------


def script(name, *arguments, **options):
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, **options)


def test_paper_scale_goes_from_pairs_to_accuracy(tmp_path):
    done = script("paper_scale.py", "--json", "--n", "6000", "--pictures", "60", "--k", "20", "--folder", str(tmp_path))
    result = json.loads(done.stdout)
    assert {"seconds_total", "peak_gib", "anonymous_gib", "machine", "disk_gb"} <= result.keys()
    assert sum(stage["seconds"] for stage in result["stages"]) == pytest.approx(result["seconds_total"], abs=1)
    assert result["peak_gib"] == max(stage["peak_gib"] for stage in result["stages"]) > 0.1
    assert result["accuracy"]["low"] <= result["accuracy"]["value"] <= result["accuracy"]["high"]
    assert result["accuracy"]["value"] > 10 * result["accuracy"]["chance"]
    assert not list(tmp_path.iterdir())


def test_paper_scale_has_the_accuracy_of_the_plain_method(tmp_path, monkeypatch):
    monkeypatch.setattr(paper_scale, "PART", 1_000)
    result = paper_scale.run(tmp_path / "bank", 2_500, 80, 50, progress=False)
    world = World(paper_scale.CLASSES)
    parts = [world.pairs(count, seed) for count, seed in ((1_000, 1), (1_000, 1_001), (500, 2_001))]
    image, text = (torch.cat(kind).half().float() for kind in zip(*parts, strict=True))
    new, labels = world.pictures(80, seed=0)
    vectors = [
        sparse_relative_representation(z, anchors, 50, 8, mean=anchors.mean(dim=0)).to_dense()
        for z, anchors in ((new, image), (world.prompts(7), text))
    ]
    scores = (vectors[0] @ vectors[1].T).reshape(80, -1, 7).mean(dim=2)
    right = (scores.argmax(dim=1).numpy() == labels).mean()
    assert result["accuracy"]["value"] == pytest.approx(right, abs=1.5 / 80)


def test_an_interrupted_run_leaves_nothing(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "paper_scale.py"), "--n", "400000", "--folder", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(tmp_path.rglob("part-*")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 1 and not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_said_first(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "paper_scale.py"), "--n", str(10**12), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "are needed" in done.stderr and not list(tmp_path.iterdir())


def test_one_command_stores_results_and_prints_their_figures(tmp_path):
    environment = os.environ | {"ASIF_BUILD": str(tmp_path)}
    done = script("", "--quick", "--only", "scale", env=environment)
    result = json.loads((tmp_path / "benchmarks" / "quick" / "scale.json").read_text())
    assert not (tmp_path / "benchmarks" / "scale.json").exists()  # of the sizes that count
    assert {"processor", "cores", "torch", "load_before"} <= result["machine"].keys()
    assert result["quick"] and {"search", "large", "exactness", "similarity"} <= result.keys()
    for name in ("search", "large", "similarity"):
        section = result[name]["data"][0] if name == "search" else result[name]
        assert section["seconds"].keys() == section["extra_mb"].keys() and len(section["compared"]) >= 3
        assert all(way["min"] <= way["median"] for way in section["seconds"].values())
    assert result["large"]["curve"]["sizes"] == [2_500, 5_000, 10_000, 20_000]
    for figure in (result["large"]["compared"][0], result["exactness"]["compared"][0]):
        assert figure["what"] in done.stdout and f"{figure['value']:.3f}" in done.stdout
    assert "MISSED" not in done.stdout  # small sizes are judged for exactness only


def test_one_command_says_what_failed(tmp_path):
    command = [sys.executable, str(BENCHMARKS), "--only", "paper_scale"]
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "paper_scale.json").write_text("{}")
    # the script does not find the modules beside it then, and fails at once
    environment = os.environ | {"ASIF_BUILD": str(tmp_path), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "paper_scale" in done.stderr
    assert not (tmp_path / "benchmarks" / "paper_scale.json").exists()  # that of an earlier run


class Parsed(Exception):
    """Raised in place of what comes after the arguments are read."""


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", ["encoding", "scale", "paper_scale", "approximate", "cluster", "streaming", "editing"])
def test_every_script_takes_the_arguments_of_the_one_command(name, quick, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser):
        raise Parsed(parse(parser))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    every = runpy.run_path(str(BENCHMARKS / "__main__.py"))
    assert name in every["QUICK"]
    monkeypatch.setattr(sys, "argv", [name, *every["arguments_of"](name, quick)])
    with pytest.raises(Parsed):
        importlib.import_module(name).main()


def test_the_quick_run_of_a_cluster_judges_its_answers_only(monkeypatch, capsys):
    cluster = importlib.import_module("cluster")
    compared = [timing.target("seconds", 1, at_least=2), timing.target("answers that equal", 1, at_least=1)]
    monkeypatch.setattr(cluster, "make", lambda folder, count: None)
    monkeypatch.setattr(cluster, "measure", lambda *sizes: {"compared": list(compared)})
    for quick in ([], ["--quick"]):
        monkeypatch.setattr(sys, "argv", ["cluster", "--queries", "100", "--json", *quick])
        cluster.main()
        result = json.loads(capsys.readouterr().out)
        assert ["met" in figure for figure in result["compared"]] == [not quick, True]
    assert result["pairs"] == 20_000
