"""CLIP and SigLIP beside the methods, by the same file and on the same items; a model that fails stops nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hub_formats import png, write_clip, write_siglip
from test_benchmark import folders  # noqa: F401

from asif_lib import load_pairs
from asif_lib.cli import main
from asif_lib.encoders.contrastive import load_contrastive
from asif_lib.errors import DataError
from asif_lib.evaluation.benchmark import resuming as running
from asif_lib.evaluation.benchmark.configuration import check_configuration, read_configuration
from asif_lib.evaluation.benchmark.resuming import run_benchmark
from asif_lib.evaluation.measures import mean_recall, same_text


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return write_clip(folder / "clip"), write_siglip(folder / "siglip")


def methods(*models):
    return '["ASIF", "ridge"]', json.dumps(["ASIF", *(f"transformers:{model}" for model in models)])


def test_yardsticks_stand_beside_the_methods_on_the_same_items(folders, models, tmp_path):  # noqa: F811
    outcome = run_benchmark(read_configuration(folders(methods(*models))), tmp_path / "out", progress=False)
    table = outcome.table
    assert outcome.failures == []
    assert len(table) == 3 * 2 * 4  # methods, sizes, measures
    assert table.groupby(["task", "measure", "size"])["n"].nunique().eq(1).all()
    found = table[(table["measure"] == "mean recall") & table["method"].str.endswith("clip")]
    image, text = load_contrastive(models[0], device="cpu")
    pairs = load_pairs(tmp_path / "pairs").split("test")
    encoded = image.encode(pairs.pictures, progress=False), text.encode(pairs.captions, progress=False)
    rows = [torch.nn.functional.normalize(z, dim=1) for z in encoded]
    scores = rows[0] @ rows[1].T
    expected = mean_recall((scores, scores.T), same_text(pairs.captions, pairs.captions))
    np.testing.assert_allclose(found["value"], expected)  # for every size: nothing is fitted
    assert pd.read_parquet(tmp_path / "out" / "results.parquet").equals(table)


def test_a_second_run_computes_no_part_of_a_yardstick_again(folders, models, tmp_path, monkeypatch):  # noqa: F811
    file = folders(methods(models[0]))
    first = run_benchmark(read_configuration(file), tmp_path / "out", progress=False)
    monkeypatch.setattr(running, "_computed", None)
    assert run_benchmark(read_configuration(file), tmp_path / "out", progress=False).table.equals(first.table)


@pytest.mark.parametrize("lost", ["/no/such/folder", "someone/none"])
def test_a_model_that_is_not_there_is_reported_once_and_the_rest_is_done(
    folders, models, tmp_path, capsys, monkeypatch, lost  # noqa: F811
):  # fmt: skip
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    file = folders(methods(lost, models[0]))
    assert main(["benchmark", str(file), "--out", str(tmp_path / "out"), "--json"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if lost in line]
    assert len(said) == 1 and said[0].startswith(f"asif: transformers:{lost}: {lost}: ")
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert set(table["method"]) == {"ASIF", f"transformers:{models[0]}"} and len(table) == 2 * 2 * 4


def test_a_yardstick_has_no_settings_and_a_mistyped_name_is_one_sentence(folders, models):  # noqa: F811
    changed = methods(models[0])
    grid = "[grids.ridge]\nalpha = [1.0]", f'[grids."transformers:{models[0]}"]\nalpha = [1.0]'
    with pytest.raises(DataError, match="the method 'transformers:.*/clip' is not known"):
        check_configuration(read_configuration(folders(changed, grid)))
    with pytest.raises(DataError, match="'clip:x' is not known; known: 'ASIF', .*, 'transformers:MODEL'"):
        check_configuration(read_configuration(folders(('"ridge"]', '"clip:x"]'))))


@pytest.mark.parametrize(
    "names, broken, words",
    [
        (["red"], {}, "made: has one class, 'red', so there is nothing to decide"),
        (["red", "green", "grey"], {}, "made: 4 pictures leave classes without one: grey"),
        (["red", "green"], {2: b"cut"}, "row 2: is not a picture"),
    ],
)
def test_a_spoilt_data_set_of_the_hub_stops_no_other(folders, tmp_path, names, broken, words, monkeypatch):  # noqa: F811
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    cells = [{"bytes": broken.get(i, png(i)), "path": None} for i in range(4)]
    rows = {"image": cells, "label": [i % min(2, len(names)) for i in range(4)]}
    (tmp_path / "made" / "data").mkdir(parents=True)
    table = datasets.Dataset.from_dict(rows, features=features)
    table.to_parquet(tmp_path / "made" / "data" / "test-00000-of-00001.parquet")
    task = f"[tasks.find]\nkind = 'zero-shot'\ndata = 'hub:{tmp_path}/made'\n[tasks.found]"
    outcome = run_benchmark(read_configuration(folders(("[tasks.find]", task))), tmp_path / "out", progress=False)
    ((what, why),) = outcome.failures
    assert what == "task find" and words in why
    assert set(outcome.table["task"]) == {"found", "name"}
