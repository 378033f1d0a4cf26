"""The scripts of the library's page: a bank of one's own embeddings, and a copy that is asked and edited."""

import importlib
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.labelled import load_labelled
from asif_lib.encoders.embeddings import embed
from asif_lib.files import ROOT

PAGE = ROOT / "notebooks" / "library.md"
EACH = 20
"""Pictures of a class."""


@pytest.fixture
def script(tmp_path, monkeypatch, stamps_bank_saved):
    """The block of the page that holds a word, and a folder to run it in."""
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    return lambda word: next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.S) if word in block)


def test_each_name_of_the_page_is_imported_from_the_folder_of_its_file():
    links = re.findall(
        r"\[`(\w+)[\w.]*`\]\(\.\./(?:benchmarks/)?([\w/]+)/(\w+)\.py\)", PAGE.read_text(encoding="utf-8")
    )
    assert len(links) > 40
    for name, folder, file in links:
        package = importlib.import_module(folder.replace("/", "."))
        module = importlib.import_module(f"{package.__name__}.{file}")
        assert name in package.__all__ and getattr(package, name) is getattr(module, name), name


def test_the_script_of_the_page_runs_on_real_embeddings(script, capsys, image_encoder, text_encoder):
    data = load_labelled("fashion_mnist")
    rows = np.concatenate([np.flatnonzero(data.labels == label)[:EACH] for label in range(len(data.classes))])
    names = [data.classes[label] for label in data.labels[rows]]
    captions = [f"a photo of a {name}." for name in names]
    np.save("image.npy", embed(image_encoder, [data.pictures[i] for i in rows], progress=False).numpy())
    np.save("text.npy", embed(text_encoder, captions, progress=False).numpy())
    prompts = [f"a photo of a {name}." for name in sorted(data.classes)]
    np.save("prompts.npy", embed(text_encoder, prompts, progress=False).numpy())
    split = np.where(np.arange(len(rows)) % 2, "train", "test")
    table = {"file_name": [f"{i}.png" for i in range(len(rows))], "caption": captions, "label": names, "split": split}
    pd.DataFrame(table).to_csv("pairs.csv", index=False)

    code = script("read_csv")
    assert len(code.strip().splitlines()) <= 30
    exec(compile(code, "library.md", "exec"), {})

    out = capsys.readouterr().out
    shares = [float(share) for share in re.findall(r"\) (\d+\.\d)% \[", out)]
    assert len(shares) == 2 and min(shares) > 50  # chance is 10 %
    assert out.count("contribution") == 6 and "n = 100" in out
    assert len(AnchorBank.load("my_bank", verify=True)) == len(rows) // 2


def test_a_copy_is_asked_without_anchors_and_edited(script, capsys, red_ball):
    shutil.copy(red_ball, "otter.jpg")
    made = {}
    exec(compile(script("my_copy"), "library.md", "exec"), made)
    out = capsys.readouterr().out
    before, after = re.findall(r"tensor\((.*)\)", out)
    assert before != after and re.search(r"removed .* 790\n", out)
    stored, copy = AnchorBank.load("stamps"), AnchorBank.load("my_copy")
    assert stored.version == 1 and stored.pairs.equals(copy.pairs) and made["bank"].pairs.equals(copy.pairs)


def test_credit_names_contributors_and_a_picture_that_left_is_forgotten(script, capsys, red_ball):
    shutil.copy(red_ball, "otter.jpg")
    exec(compile(script('by="contributor"'), "library.md", "exec"), {})
    out = capsys.readouterr().out
    rows = re.findall(r"^(?:Ada|Ben) +(-?\d\.\d+) +(\d\.\d+)$", out, flags=re.M)  # missed, named
    assert len(rows) == 2 and sum(float(named) for _, named in rows) == pytest.approx(1, abs=1e-5)
    before, after = ([float(x) for x in found.split(",")] for found in re.findall(r"tensor\(\[(.*)\]\)", out))
    assert min(before) > 0.999 and max(after) < 0.99


def test_a_bank_of_two_sides_is_asked_by_their_names(script, capsys):
    exec(compile(script('sides=("whole", "half")'), "library.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.startswith("tensor([0, 1, 2, 3, 4])\n") and out.split()[5:8] == ["anchor", "whole", "half"]
    assert re.search(r"\(\[\d+, \d+, \d+\], \[0\.\d+, ", out)


def test_the_temperature_the_agreement_and_the_curves_of_the_page(script, capsys):
    exec(compile(script("fit_temperature"), "library.md", "exec"), made := {})
    out = capsys.readouterr().out
    assert 0.001 < made["temperature"] < 1 and out.split()[1:3] == ["confidence", "accuracy"]
    assert 0 < float(re.search(r"^(0\.\d+)$", out, flags=re.M)[1]) < 1
    assert out.index("deletion") < out.index("insertion")
