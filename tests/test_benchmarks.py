"""The benchmarks at tiny sizes: peers that give the engine's answers, results in their shape, no claim about time."""

import argparse
import importlib
import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch

from asif_lib.files import ROOT
from asif_lib.search.exact import top_anchors
from asif_lib.search.inverted import indexed_scores
from asif_lib.settings import Settings
from asif_lib.sparse import represent

sys.path.insert(0, str(ROOT / "benchmarks"))

import exactness
import paper_scale
import peers
import scale
import timing
from made_up import World

pytestmark = pytest.mark.complete
BENCHMARKS = ROOT / "benchmarks"
WORLD = World(20, widths=(48, 32))


@pytest.fixture(scope="module")
def searched():
    """Anchors, queries, and the engine's 30 best."""
    anchors, queries = WORLD.pictures(900, seed=1)[0], WORLD.pictures(40, seed=0)[0]
    return anchors, queries, top_anchors(queries, anchors, 30)


@pytest.mark.parametrize("chunk, budget", [(900, 2**30), (250, 2**30), (20, 2**30), (250, 4 * 250 * 7), (None, None)])
def test_the_searches_of_the_peers_find_what_the_engine_finds(searched, chunk, budget):
    anchors, queries, (values, indices) = searched
    how = {"chunk": chunk, "budget": budget} if chunk else {}
    found, where = (peers.author_top if chunk else peers.faiss_top)(queries, anchors, 30, **how)
    np.testing.assert_allclose(found, values, atol=1e-6)
    assert np.array_equal(np.sort(where), indices.sort(dim=1)[0])


@pytest.fixture(scope="module")
def compared():
    """Sparse vectors of pictures and prompts, and the engine's scores."""
    pictures, captions = WORLD.pairs(500, seed=1)
    images = represent(WORLD.pictures(25, seed=0)[0], pictures, Settings(40, 8, center=False))
    texts = represent(WORLD.prompts(3), captions, Settings(40, 8, center=False))
    return images, texts, indexed_scores(images, texts)


def test_similarities_of_the_peers_are_those_of_the_engine(compared):
    images, texts, scores = compared
    assert (scores > 0).any() and (scores == 0).any()
    torch.testing.assert_close(peers.author_similarity(images, texts), scores, atol=1e-6, rtol=1e-5)
    csr = images.to_csr(), texts.to_csr()
    np.testing.assert_allclose(peers.scipy_similarity(*csr), scores, atol=1e-6)
    tensors = scale.csr_tensor(csr[0]), scale.csr_tensor(csr[1].T.tocsr())
    torch.testing.assert_close(peers.torch_similarity(*tensors), scores, atol=1e-6, rtol=1e-5)


def test_recall_counts_values_and_each_anchor_once():
    true = np.array([[0.9, 0.5, 0.5, 0.1, 0.5 - 2**-26]])
    for answer, recall in (([0, 1], 1), ([0, 2], 1), ([2, 1], 1), ([0, 4], 1), ([0, 3], 0.5), ([0, 0], 0.5)):
        assert exactness.recall_by_value(np.array([answer]), true) == recall


def test_a_search_that_loses_anchors_is_seen(monkeypatch):
    def lossy(queries, anchors, k, **how):
        values, indices = top_anchors(queries, anchors, k + 1, **how)
        return values[:, 1:], indices[:, 1:]

    monkeypatch.setattr(exactness, "top_anchors", lossy)
    result = exactness.measure(n=300, queries=4, k=20)
    missed = {row["what"] for row in result["compared"] if not row["met"]}
    assert {f"recall by value, clustered, engine, {way}" for way in ("float32", "bf16", "torch")} <= missed


def test_targets_judge_the_ratio_of_medians():
    met = timing.ratio("a over b", [9.0, 2.0, 3.0], [1.0, 1.5, 2.0], at_least=2)
    assert met == {"what": "a over b", "value": 2.0, "at_least": 2, "met": True, "of_minima": 2.0}
    assert not timing.ratio("a over b", [1.0], [2.0], at_least=0.6)["met"]
    assert not timing.target("slope", 1.06, at_least=0.95, at_most=1.05)["met"]
    assert json.loads(json.dumps(timing.target("slope", np.float64(1), at_most=1.05)))["met"] is True
    assert "met" not in timing.target("a figure", 3)


@pytest.fixture
def run_script(monkeypatch, capsys):
    """Call ``main()`` of a script in this process, and return the JSON that it prints."""

    def run(module, *arguments):
        monkeypatch.setattr(sys, "argv", [module.__name__, "--json", *arguments])
        module.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_the_fit_of_growth_finds_the_fixed_cost_and_the_slope():
    assert scale.growth([1, 2, 4, 8, 16], [4.0, 5.0, 7.0, 11.0, 19.0]) == pytest.approx((3, 1), abs=1e-3)
    fixed, slope = scale.growth([1_000, 2_000, 5_000, 10_000], [0.9, 0.2, 0.8, 0.3])  # another program disturbed it
    assert 0 <= fixed < 1 and 0.1 <= slope <= 3


def test_paper_scale_goes_from_pairs_to_the_accuracy_of_the_plain_method(tmp_path, monkeypatch, run_script):
    monkeypatch.setattr(paper_scale, "PART", 1_000)
    sizes = {"--n": 2_500, "--pictures": 80, "--k": 50, "--folder": tmp_path}
    result = run_script(paper_scale, *(str(part) for size in sizes.items() for part in size))
    assert {"seconds_total", "peak_gib", "anonymous_gib", "machine", "disk_gb"} <= result.keys()
    assert 0 < result["seconds_made_up"] < result["seconds_total"]
    assert not any("met" in figure for figure in result["compared"])  # a target is for the full size
    assert result["peak_gib"] == max(stage["peak_gib"] for stage in result["stages"]) > 0.1
    assert not list(tmp_path.iterdir())
    measured = result["accuracy"]
    assert measured["low"] <= measured["value"] <= measured["high"] and measured["value"] > 10 * measured["chance"]


def test_a_disk_that_is_too_small_is_said_first(tmp_path, run_script, capsys):
    with pytest.raises(SystemExit):
        run_script(paper_scale, "--n", str(10**12), "--folder", str(tmp_path))
    assert "are needed" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_scale_compares_every_way_in_every_section(monkeypatch, run_script):
    environments = {}

    def in_child(section, *sizes, environment):
        environments[section.__name__] = environment
        return section(*sizes)

    monkeypatch.setattr(scale, "in_child", in_child)
    monkeypatch.setattr(scale, "fastest_kernel", dict)
    monkeypatch.setattr(scale.platform, "machine", lambda: "x86_64")
    result = run_script(scale, "--quick")
    assert [name for name, own in environments.items() if own] == ["avx2"]
    assert {"processor", "cores", "torch", "load_before"} <= result["machine"].keys()
    assert result["quick"] and {"search", "avx2", "large", "exactness", "similarity"} <= result.keys()
    for section in (*result["search"]["data"], *result["avx2"]["data"], result["large"], result["similarity"]):
        assert section["seconds"].keys() == section["extra_mb"].keys() and len(section["compared"]) >= 3
        assert all(way["min"] <= way["median"] for way in section["seconds"].values())
    assert result["large"]["curve"]["sizes"] == [2_500, 5_000, 10_000, 20_000]
    answers, compared = result["exactness"]["answers"], result["exactness"]["compared"]
    assert len(compared) == 5 * 5 and all(figure["met"] for figure in compared)
    assert {row["way"] for row in answers if row["data"] == "ties"} >= {"author", "engine, bf16, prepared"}
    assert all(row["largest_error"] < exactness.ULP for row in answers if row["way"].startswith("engine"))
    assert f"over faiss.knn ({peers.faiss_kernel()})" in str(result["search"]["data"][0]["compared"])
    assert "met" not in result["large"]["compared"][0]  # small sizes are judged for exactness only


def test_one_command_stores_each_result_prints_its_figures_and_names_what_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path))
    every = runpy.run_path(str(BENCHMARKS / "__main__.py"))
    figure = timing.target("author over engine", 2.345, at_least=2)

    def run(command, **_):
        failed = "paper_scale.py" in command[1]
        return subprocess.CompletedProcess(command, failed, "" if failed else json.dumps({"compared": [figure]}))

    monkeypatch.setattr(subprocess, "run", run)
    folder = tmp_path / "benchmarks" / "quick"
    folder.mkdir(parents=True)
    (folder / "paper_scale.json").write_text("{}")  # that of an earlier run
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", "scale", "paper_scale"])
    with pytest.raises(SystemExit, match="no result of paper_scale"):
        every["main"]()
    assert [file.name for file in folder.iterdir()] == ["scale.json"]
    assert json.loads((folder / "scale.json").read_text()) == {"compared": [figure]}
    output = capsys.readouterr().out
    assert "author over engine" in output and "2.345   ≥ 2" in output and "paper_scale  FAILED" in output


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", ["encoding", "scale", "paper_scale", "cluster", "streaming", "editing"])
def test_every_script_takes_the_arguments_of_the_one_command(name, quick, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser):
        parse(parser)
        raise StopIteration  # in place of what comes after the arguments are read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    every = runpy.run_path(str(BENCHMARKS / "__main__.py"))
    assert name in every["QUICK"]
    monkeypatch.setattr(sys, "argv", [name, *every["arguments_of"](name, quick)])
    with pytest.raises(StopIteration):
        importlib.import_module(name).main()
