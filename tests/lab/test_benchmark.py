"""asif benchmark: one file in, the same parquet after a kill, and what fails is reported while the rest is done."""

import itertools
import json
import os
import re
import runpy
import shutil
import signal
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from forks import run_forked
from hub_formats import png, write_clip, write_clip_benchmark, write_siglip, write_webdataset
from PIL import Image, ImageDraw

from asif_book.report.benchmark_page import benchmark_page
from asif_book.report.page import loads_from_elsewhere
from asif_lab import streaming
from asif_lab.baselines import LinearProbe
from asif_lab.benchmark import resuming as running
from asif_lab.benchmark.comparing import compare_paired, holm, resampled_means, tidy_table
from asif_lab.benchmark.configuration import (
    Configuration,
    RetrievalTask,
    ZeroShotTask,
    known_methods,
    read_configuration,
)
from asif_lab.benchmark.control_encoders import BagOfWords, ColourHistogram, load_any_encoder
from asif_lab.benchmark.duplicates import showing
from asif_lab.benchmark.resuming import run_benchmark
from asif_lab.benchmark.tasks import HeldOut, PaperASIF, Probe, labelled_of_task, prepare_task, redrawn_pairs
from asif_lab.contrastive import load_contrastive
from asif_lab.methods import METHODS, SparseAnchors
from asif_lab.paper import TABLE_1, TASKS, paper_table
from asif_lib import AnchorBank, load_pairs
from asif_lib.cli import main
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import Pairs, fixed_splits
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import DataError
from asif_lib.evaluation.measures import mean_recall, same_text
from asif_lib.evaluation.similarity import resampled_counts
from asif_lib.files import ROOT

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 200), "white": (250, 250, 250)}
FILE = """
title = "Colours"
methods = ["ASIF", "ridge"]
sizes = [10, "all"]
seeds = 2
validation = "{pairs}"
image_encoders = ["colour histogram"]
text_encoders = ["bag of words"]
[banks]
colours = ["{pairs}"]
[grids.ASIF]
share = [0.1, 0.3]
p = [1]
[grids.ridge]
alpha = [1.0]
[tasks.find]
kind = "retrieval"
pairs = "{pairs}"
[tasks.name]
kind = "zero-shot"
data = "{labelled}"
"""


def paint(colour, seed):
    """A picture of one colour, and some pixels of any."""
    random = np.random.default_rng(seed)
    pixels = np.full((24, 24, 3), COLOURS[colour], np.uint8)
    pixels[random.random((24, 24)) < 0.2] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


@pytest.fixture
def folders(tmp_path):
    """Forty captioned pictures, and sixteen in class folders; the configuration with both, to be changed and read."""
    pairs, labelled = tmp_path / "pairs", tmp_path / "labelled"
    pairs.mkdir()
    rows = ["file_name,caption,split"]
    for i in range(40):
        colour = list(COLOURS)[i % 4]
        paint(colour, i).save(pairs / f"{i}.png")
        rows.append(f"{i}.png,a {colour} picture {i // 4},{('train', 'train', 'train', 'validation', 'test')[i // 8]}")
    (pairs / "metadata.csv").write_text("\n".join(rows))
    for colour in COLOURS:
        (labelled / colour).mkdir(parents=True)
        for i in range(4):
            paint(colour, 100 + i).save(labelled / colour / f"{i}.png")

    def configure(*changes):
        file, text = tmp_path / "colours.toml", FILE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        if '"ridge"' not in text:  # nor may its grid be
            text = text.replace("[grids.ridge]\nalpha = [1.0]\n", "")
        file.write_text(text.format(pairs=pairs, labelled=labelled))
        return file

    return configure


@pytest.fixture
def measured(folders, tmp_path):
    """Run the configuration with some changes."""
    return lambda *changes: run_benchmark(read_configuration(folders(*changes)), tmp_path / "out", progress=False)


def test_a_benchmark_measures_every_method_on_the_same_items(measured, tmp_path):
    outcome = measured()
    table = outcome.table
    assert outcome.failures == []
    assert len(table) == 2 * 2 * 4  # methods, sizes, measures
    assert set(table["n"][table["task"] == "name"]) == {16} and set(table["n"][table["task"] == "find"]) == {8}
    assert table.set_index("size")["seeds"].to_dict() == {10: 2, 32: 1}  # all: train and validation
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    asif = table[(table["method"] == "ASIF") & (table["measure"] == "accuracy") & (table["size"] == 32)].iloc[0]
    assert asif["value"] > 0.9 and asif["chance"] == 0.25
    assert set(json.loads(asif["settings"])) == {"share", "p"}
    assert pd.read_parquet(tmp_path / "out" / "results.parquet").equals(table)
    assert [outcome.answers[row[1:8]].mean() for row in table.itertuples()] == pytest.approx(table["value"].tolist())


def test_settings_are_chosen_on_validation_pairs(measured, monkeypatch):
    seen = []

    def spy(make, image, text, splits, relevant, grid):
        seen.append((len(image), [tuple(map(len, split)) for split in splits], int(relevant.sum())))
        return original(make, image, text, splits, relevant, grid)

    original = running.choose
    monkeypatch.setattr(running, "choose", spy)
    measured()
    assert seen == [(18, [(10, 8)], 8), (32, [(24, 8)], 8)]  # of ASIF; ridge has one combination


def test_splits_are_drawn_again_and_each_asks_its_own_pairs(measured, monkeypatch):
    drawn = []
    original = running.redrawn_pairs
    monkeypatch.setattr(running, "redrawn_pairs", lambda *asked: drawn.append(original(*asked)) or drawn[-1])
    outcome = measured(("seeds = 2", "seeds = 2\nsplits = 3"), ('sizes = [10, "all"]', 'sizes = ["all"]'))
    splits = {json.dumps(pairs.splits) for pairs in drawn}
    assert outcome.failures == [] and len(splits) == 3
    for one in map(json.loads, splits):
        assert sorted(i for rows in one.values() for i in rows) == list(range(40)) and len(one["test"]) == 8
    asked = len({i for one in map(json.loads, splits) for i in one["test"]})
    table = outcome.table.set_index(["task", "method", "measure"])
    assert set(table.loc["find"]["n"]) == {asked} and 8 < asked <= 24 and set(table["seeds"]) == {3}
    assert set(table.loc["name"]["n"]) == {16}  # labelled pictures are not drawn again
    settings = json.loads(table.loc["find", "ridge", "mean recall"]["settings"])
    assert settings == {"alpha": 1.0, "chosen in": "3 of 3 splits"}


def test_splits_are_drawn_of_the_three_and_need_all_of_them():
    splits = {"train": [0, 2, 4, 6, 8], "validation": [1, 3], "test": [5, 7], "other": [9]}
    pairs = Pairs("p", list(range(10)), [*"abcdefghij"], [*"0123456789"], 10 * [""], splits)
    for one in (redrawn_pairs(pairs, draw).splits for draw in (1, 2)):
        assert {name: len(rows) for name, rows in one.items()} == {"train": 5, "validation": 2, "test": 2}
        assert sorted(itertools.chain(*one.values())) == list(range(9))
    for name in ("train", "validation", "test"):
        lacking = replace(pairs, splits={other: rows for other, rows in splits.items() if other != name})
        with pytest.raises(DataError, match=f"p has no split '{name}'; it has: "):
            redrawn_pairs(lacking, 1)


def test_a_pair_counts_in_the_splits_that_ask_it():
    values = np.array([[[1, 0, np.nan], [np.nan, 1, 1]], [[0, 0, np.nan], [np.nan, 0, 1]]])  # methods, splits, pairs
    table = compare_paired(values)
    assert table["value"].tolist() == [0.75, 0.25] and table["difference"].tolist() == [0, -0.5]
    seeds, items = (resampled_counts((5_000, n), seed) for seed, n in enumerate((2, 3)))
    means = []
    for of_seeds, of_items in zip(seeds.astype(int), items.astype(int), strict=True):  # one after another
        weights = of_items * ~np.isnan(values[0])  # (splits, pairs)
        each = [
            np.average(v, weights=w) if w.sum() else 0 for v, w in zip(np.nan_to_num(values[1]), weights, strict=True)
        ]
        means.append(np.average(each, weights=of_seeds))
    assert resampled_means(values)[:, 1] == pytest.approx(means)


def test_a_stored_bank_has_no_splits_to_draw(folders, tmp_path):
    file = folders(('colours = ["{pairs}"]', 'colours = "mine"'), ("seeds = 2", "seeds = 2\nsplits = 3"))
    with pytest.raises(DataError, match="splits: the stored bank 'mine' has none; name its data sets"):
        run_benchmark(read_configuration(file), tmp_path / "out", progress=False)


OWN = [
    ('colours = ["{pairs}"]', 'colours = "mine"'), ('validation = "{pairs}"', 'validation = "mine"'),
    ('pairs = "{pairs}"', 'pairs = "mine"'), ("seeds = 2", "splits = 3"), ('[10, "all"]', '["all"]'),
    ("[0.1, 0.3]", "[1.0]"), ("alpha = [1.0]", "alpha = [1.0, 9.0]"),
]  # fmt: skip


def import_mine(folder, n):
    """Import n pairs, the texts a noisy turn of the pictures, of which ten stand twice; return both matrices."""
    random = np.random.default_rng(0)
    image = random.normal(size=(n, 8))[np.arange(n) % (n - 10)]
    sides = image, image @ random.normal(size=(8, 6)) + random.normal(size=(n, 6))
    words = ["--replace", "--captions", str(folder / "c.csv")]
    (folder / "c.csv").write_text("\n".join(["caption", *(f"caption {i}" for i in range(n))]))
    for side, z in zip(("image", "text"), sides, strict=True):
        np.save(folder / f"{side}.npy", z)
        words += [f"--{side}-embeddings", str(folder / f"{side}.npy")]
    assert main(["bank", "import", "mine", *words]) == 0
    return sides


@pytest.mark.parametrize("external", [True, False])
def test_splits_of_own_embeddings_are_drawn_and_no_encoder_is_loaded(
    measured, tmp_path, tmp_cache, monkeypatch, external
):
    monkeypatch.setattr(EncoderIdentity, "is_external", external)
    monkeypatch.setattr(running, "load_encoder_of", lambda *_, **__: 1 / 0)
    sides, outcome = import_mine(tmp_path, 60), measured(*OWN)
    table, right = outcome.table.set_index(["method", "measure"]), []
    failed = [(what, "its bank its own pairs only" in why) for what, why in outcome.failures]
    assert failed == [("task name", external)] and set(table.loc["ridge"]["seeds"]) == {3}
    for draw in range(3):
        train, chooses, test = fixed_splits(60 * [""], *((12, 12) if draw else (0.2, 0.25)), seed=draw).values()
        seen = {i % 50 for i in test}, {i % 50 for i in test + chooses}  # a copy of a question is no anchor
        anchors = [i for i in train if i % 50 not in seen[1]] + [i for i in chooses if i % 50 not in seen[0]]
        vectors = []
        for z in (z - z[anchors].mean(axis=0) for z in sides):
            z /= np.linalg.norm(z, axis=1, keepdims=True)
            kept = (z[test] @ z[anchors].T).clip(0)  # k is the number of anchors, and p = 1
            vectors.append(kept / np.linalg.norm(kept, axis=1, keepdims=True))
        right += list((vectors[0] @ vectors[1].T).argmax(axis=1) == np.arange(12))
        assert draw or 0 < 48 - len(anchors) == set(table["left_out"]).pop()
    assert table.loc["ASIF", "R@1, picture → text"]["value"] == pytest.approx(np.mean(right)) and np.mean(right) > 0.2


def test_a_stored_bank_that_cannot_be_asked_its_own_pairs_is_one_sentence(measured, tmp_path, tmp_cache):
    import_mine(tmp_path, 60)
    with pytest.raises(DataError, match="asks the train pairs of mine, which are anchors or choose the settings"):
        measured(*OWN, ('pairs = "mine"', 'pairs = "mine"\nsplit = "train"'))
    words = r"\[banks\] colours names a row of the tables; .* bank 'mine': .* write \"mine\""
    with pytest.raises(DataError, match=words):
        measured(*OWN, ('pairs = "mine"', 'pairs = "colours"'))
    words = 'mine: is a stored bank, which stands in .banks. without brackets: mine = "mine"'
    with pytest.raises(DataError, match=words):
        measured(*OWN, ('colours = "mine"', 'colours = ["mine"]'))
    other = ('colours = "mine"', 'mine = "mine"\ncolours = ["{pairs}"]')
    assert any("not by colour histogram (external, 64 dim" in why for _, why in measured(*OWN, other).failures)
    import_mine(tmp_path, 19)
    words = "the stored bank 'mine' has 19 pairs; to draw splits, 20 are needed"
    assert ("task find", words) in measured(*OWN).failures


def test_holms_correction_goes_over_the_family_that_the_file_names(measured):
    narrow, wide = (measured(("seeds = 2", f'seeds = 2\nfamily = "{family}"')).table for family in ("column", "file"))
    assert narrow["p"].equals(wide["p"]) and narrow["p"].notna().sum() == 8
    assert wide["p_holm"].dropna().tolist() == pytest.approx(holm(narrow["p"].dropna()).tolist())
    assert narrow["p_holm"].dropna().tolist() == narrow["p"].dropna().tolist()  # a column has one comparison


KILLED = """
import os, signal
from pathlib import Path
from asif_lib.cli import main

parts = []

def die(descriptor):
    path = Path(os.readlink(f"/proc/self/fd/{{descriptor}}"))
    parts.extend([path] if path.parent.name == "parts" else [])
    if len(parts) == 3:
        os.ftruncate(descriptor, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = die
main(["benchmark", {!r}, "--out", {!r}])
"""


def test_after_a_kill_the_parquet_is_the_same_bit_for_bit(folders, tmp_path):
    file = folders(("sizes = [10, ", "sizes = [5, 10, 15, 20, "))
    assert run_forked(KILLED.format(str(file), str(tmp_path / "killed")), tmp_path).returncode == -signal.SIGKILL
    stored = {part: part.stat().st_mtime_ns for part in (tmp_path / "killed" / "parts").glob("*.json")}
    assert len(stored) == 2 and not (tmp_path / "killed" / "results.parquet").exists()
    for name in ("killed", "whole"):
        assert run_benchmark(read_configuration(file), tmp_path / name, progress=False).failures == []
    assert all(part.stat().st_mtime_ns == time for part, time in stored.items())
    killed, whole = ((tmp_path / name / "results.parquet").read_bytes() for name in ("killed", "whole"))
    assert killed == whole


def test_a_part_of_older_code_is_computed_again(folders, tmp_path, monkeypatch):
    configuration, parts = read_configuration(folders()), tmp_path / "out" / "parts"
    run_benchmark(configuration, tmp_path / "out", progress=False)
    old = {part: part.stat().st_mtime_ns for part in parts.iterdir()}
    monkeypatch.setattr(running, "_code", lambda: "another")
    run_benchmark(configuration, tmp_path / "out", progress=False)
    assert len(list(parts.iterdir())) == 2 * len(old)
    assert all(part.stat().st_mtime_ns == time for part, time in old.items())


DAMAGES = [
    lambda part, other: part.write_bytes(part.read_bytes()[:-50]),
    lambda part, other: part.write_bytes(re.sub(rb"\b0\.0\b", b"1.0", part.read_bytes(), count=1)),
    lambda part, other: part.write_bytes(re.sub(rb'("size": )\d+', rb"\1null", part.read_bytes())),
    lambda part, other: part.write_bytes(b""),
    lambda part, other: part.write_bytes(b"{}"),
    lambda part, other: part.write_text(json.dumps(json.loads(part.read_bytes())["rows"])),
    lambda part, other: part.write_bytes(other.read_bytes()),
    lambda part, other: (part.unlink(), part.symlink_to(other)),
    lambda part, other: (part.unlink(), os.mkfifo(part)),
]


def test_a_part_that_is_not_what_was_stored_is_measured_again_and_that_is_said(folders, tmp_path):
    configuration, parts = read_configuration(folders()), tmp_path / "out" / "parts"
    table = run_benchmark(configuration, tmp_path / "out", progress=False).table
    whole = {part: part.read_bytes() for part in parts.iterdir()}
    for damage in DAMAGES:
        damaged, other = sorted(whole)[:2]
        damage(damaged, other)
        with pytest.warns(UserWarning, match=f"{damaged.name}.* this part is measured again") as said:
            again = run_benchmark(configuration, tmp_path / "out", progress=False)
        assert len(said) == 1 and again.failures == [] and again.table.equals(table)
        assert {part: part.read_bytes() for part in parts.iterdir()} == whole


def test_a_part_that_fails_is_reported_and_the_rest_is_done(folders, tmp_path, monkeypatch, capsys):
    def fit(self, *pairs, validation=None):
        raise np.linalg.LinAlgError("SVD did not converge\nmore")

    with monkeypatch.context() as broken:
        broken.setattr(METHODS["ridge"], "fit", fit)
        status = main(["benchmark", str(folders()), "--out", str(tmp_path / "out"), "--json"])
    output = capsys.readouterr()
    answer = json.loads(output.out)
    assert status == 1 and answer["ok"] is False and answer["rows"] == 8
    assert "ridge, 10 pairs: LinAlgError: SVD did not converge\n" in output.err
    page = (tmp_path / "out" / "index.html").read_text()
    assert "What failed" in page and "SVD did not converge" in page
    assert main(["benchmark", str(folders()), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 16


@pytest.mark.parametrize(
    "change, words",
    [
        (("seeds =", "sead ="), "the key sead is not known; known: title, banks, tasks, methods, sizes, seeds"),
        (("data =", "date ="), "the key tasks.name.date is not known; known: kind, data, split, label, rename"),
        (('kind = "zero-shot"', 'kind = "zero"'), "tasks.name: Input tag 'zero' found using 'kind' does not match"),
        (('"ridge"]', '"rigde"]'), "the method 'rigde' is not known; known: 'ASIF', 'nearest anchor', "),
        (("alpha =", "alfa ="), "[grids.ridge] the key 'alfa' is not known; known: towards, alpha; did you mean"),
        (("[grids.ridge]\nalpha", "[grids.CSA]\ndim"), "[grids.CSA] 'CSA' is not among the methods, so nothing"),
        (("colours = [", 'more = ["emoji", "emoji"]\nlike = ['), "banks.more: Value error, 'emoji' stands twice"),
        (('"zero-shot"', '"zero-shot"\nlabel = "fine"'), "[tasks.name] label goes with a data set of the hub"),
        (('pairs = "', 'split = "train"\npairs = "'), "[tasks.find] asks the train pairs of "),
        (('pairs = "', 'split = "validation"\npairs = "'), "which are anchors or choose the settings; ask its test"),
        (('pairs = "{pairs}', 'split = "validation"\npairs = "{pairs}/../pairs/'), "/pairs, which are anchors"),
        (("title = ", "title "), "is no readable TOML"),
        (("title = ", f"x = {5_000 * '['}{5_000 * ']'}\ntitle = "), "is no readable TOML"),
        (
            ('"ridge"]', '"linear probe"]', 'kind = "zero-shot"\ndata = ', 'kind = "retrieval"\npairs = '),
            "the method 'linear probe' needs classes, and no task is of the kind 'zero-shot'\n",
        ),
        (('data = "{labelled}"', 'data = "fashion_mnits"'), "known: fashion_mnist, cifar10; did you mean"),
        (('validation = "{pairs}"', 'validation = "fashion_mnits"'), "captioned pictures; known: stamps"),
        (("[banks]", '[streams]\nmine = "x"\n[banks]'), "[streams] 'mine' is no stored bank of this file; name it"),
        (("[banks]", '[streams]\nmine = "\'x"\n[banks]'), "streams.mine: Value error, No closing quotation"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_sentence_before_any_work(folders, tmp_path, capsys, change, words):
    file = folders(change[:2], *filter(None, [change[2:]]))
    assert main(["benchmark", str(file), "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_bank_that_cannot_be_made_and_a_size_that_none_has_stop_nothing(measured, tmp_path):
    (tmp_path / "empty").mkdir()
    lost = f'[banks]\nlost = ["{tmp_path / "empty"}"]\n'
    outcome = measured(("[banks]\n", lost), ("sizes = [10, ", "sizes = [10, 500, "))
    assert [what for what, _ in outcome.failures] == ["bank lost, colour histogram × bag of words", "500 pairs"]
    assert len(outcome.table) == 16
    outcome = measured(('[banks]\ncolours = ["{pairs}"]\n', lost))
    assert [what for what, _ in outcome.failures] == ["bank lost, colour histogram × bag of words"]  # no size is blamed
    page = benchmark_page("Colours", outcome.table, outcome.failures)
    assert "Nothing was measured." in page and "needs one captions table" in page and "difference to" not in page


def test_every_method_is_in_the_list_of_the_command(folders):
    listed = " ".join((ROOT / "notebooks" / "command.md").read_text().split())
    assert [name for name in known_methods() if f'`"{name}"`' not in listed] == []
    known = ZeroShotTask.model_fields.keys() | RetrievalTask.model_fields.keys() | Configuration.model_fields.keys()
    assert [name for name in known if not re.search(rf"\b{name}\b", listed)] == []


@pytest.mark.parametrize("spoilt", ["one class", "a cut picture"])
def test_a_task_that_cannot_be_asked_stops_no_other(measured, tmp_path, spoilt):
    labelled, change, words = tmp_path / "labelled", (), "has one class, 'red', so there is nothing to decide"
    if spoilt == "one class":
        for name in ("green", "blue", "white"):
            shutil.rmtree(labelled / name)
    else:
        (labelled / "red" / "0.png").write_bytes(b"cut")
        change = ("colour histogram", "efficientnet_lite0")
        words = r"1 of the pictures cannot be read, for example .*0\.png: .*; mend or remove them$"
    outcome = measured(*filter(None, [change]))
    ((what, why),) = outcome.failures
    assert what == "task name" and re.search(words, why)
    assert set(outcome.table["task"]) == {"find"} and len(outcome.table) == 12


def test_without_validation_pairs_a_method_with_several_settings_says_so(measured):
    outcome = measured(('validation = "{pairs}"\n', ""))
    (why,) = {why for _, why in outcome.failures}
    assert why == 'its settings are chosen on validation pairs: name a data set or bank, validation = "…"'
    assert set(outcome.table["method"]) == {"ridge"}


def drawing(bottom, *line):
    picture = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(picture).ellipse((20, 10, 180, bottom), "blue", "red", 12)
    ImageDraw.Draw(picture).line((20, 190, *line), "black", 16)
    return picture


def moved(picture):
    """The same drawing on a larger sheet."""
    sheet = Image.new("RGB", (500, 300), "white")
    sheet.paste(picture, (250, 50))
    return sheet


def copied_drawings(tmp_path):
    """Ten other pictures, and two drawings that `folders` asks, with other margins, pixels and captions."""
    (tmp_path / "other").mkdir()
    rows = ["file_name,caption,split"]
    for i in range(10):
        paint("green", 500 + i).save(tmp_path / "other" / f"{i}.png")
        rows.append(f"{i}.png,leaf {i},{'train' if i < 6 else 'validation'}")
    for name, asked, split in (("of-the-test", 33, "train"), ("of-the-validation", 25, "validation")):
        picture = drawing(90 + asked, 180, 5 * asked)
        picture.resize((48, 48)).save(tmp_path / "pairs" / f"{asked}.png")
        moved(picture).save(tmp_path / "other" / f"{name}.png")
        rows.append(f"{name}.png,copy,{split}")
    (tmp_path / "other" / "metadata.csv").write_text("\n".join(rows))
    return tmp_path / "other"


def test_two_files_of_one_name_do_not_share_a_page(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path / "build"))
    first = folders()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(first.read_text().replace("title = ", f"# {folder}\ntitle = "))
    assert main(["benchmark", str(tmp_path / "one" / "mine.toml")]) == 0
    page = tmp_path / "build" / "benchmark" / "mine" / "index.html"
    written = page.stat().st_mtime_ns
    assert main(["benchmark", str(tmp_path / "two" / "mine.toml")]) == 1 and page.stat().st_mtime_ns == written
    assert f"holds the results of {tmp_path / 'one' / 'mine.toml'}; name another folder" in capsys.readouterr().err
    (tmp_path / "one").rename(tmp_path / "moved")
    assert main(["benchmark", str(tmp_path / "moved" / "mine.toml")]) == 0


def test_a_copy_shows_the_same_drawing_and_a_drawing_that_is_like_it_does_not(tmp_cache):
    asked, other = drawing(120, 180, 100), drawing(120, 60, 100)
    pictures = [asked.resize((48, 48)), moved(asked), other, Image.new("RGB", (9, 9), "white")]
    assert showing(pictures, [asked]).tolist() == [True, True, False, False]


def test_anchors_of_another_data_set_that_show_a_picture_that_is_asked_are_left_out(folders, tmp_path, capsys):
    other, folder = copied_drawings(tmp_path), tmp_path / "learning_curve"
    file = folders(("[banks]\n", f'[banks]\njoined = ["{{pairs}}", "{other}"]\n'))
    assert main(["benchmark", str(file), "--out", str(folder), "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["left_out"] == {"joined": 2, "colours": 0}
    assert "bank joined: 2 pairs show a picture that is asked, and are no anchors" in output.err
    table = pd.read_parquet(folder / "results.parquet")
    counted = table.groupby("bank", sort=False)[["size", "left_out"]].max()
    assert counted.values.tolist() == [[24 + 8 + 12 - 2, 2], [32, 0]]  # its own pairs are in other splits
    page = " ".join((folder / "index.html").read_text().split())
    assert page.count("2 pairs of the bank show a picture") == 4 == page.count(">joined</h3>")
    assert page.count(">All banks</h3>") == 4 and page.count("joined: ") == 8  # the text of each figure in two forms
    results = runpy.run_path(str(ROOT / "benchmarks" / "accuracy" / "results.py"))
    results["main"](["learning_curve", "--results", str(tmp_path), "--to", str(tmp_path / "results.md"), "--csv"])
    stored = pd.read_csv(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(stored, table[stored.columns], check_dtype=False, atol=1e-5)
    written = (tmp_path / "results.md").read_text()
    assert written.startswith("<!-- Generated by: python benchmarks/accuracy/results.py learning_curve -->")
    assert written.count("a picture that is asked: 2.") == 2 and written.count("### Bank colours, task ") == 2
    row = table[(table["method"] == "ridge") & (table["measure"] == "mean recall")].iloc[0]
    assert f"| ridge | {100 * row['value']:.1f} [{100 * row['low']:.1f},\xa0{100 * row['high']:.1f}]" in written


def test_a_stored_bank_is_fitted_without_the_pictures_that_are_asked(measured, tmp_path, tmp_cache, monkeypatch):
    encoders = {"image": ColourHistogram(), "text": BagOfWords()}
    bank = AnchorBank.build(load_pairs(tmp_path / "pairs"), *encoders.values(), progress=False, name="leak")
    bank.save(tmp_cache / "banks" / "leak")
    monkeypatch.setattr(running, "load_encoder_of", lambda identity, **_: encoders[identity.kind])
    monkeypatch.setattr(EncoderIdentity, "is_external", False)
    found = measured(('colours = ["{pairs}"]', 'colours = "leak"')).table
    assert set(found["left_out"]) == {16} and found["size"].max() == 24  # test and validation
    for file in (tmp_path / "pairs").glob("*.png"):  # without the pictures, their embeddings tell it
        file.rename(tmp_path / file.name)
    (image, _), _, left_out = running._Run(None, "cpu", False).unseen(bank, [], [bank.image[:3].clone()])
    assert left_out == 3 and torch.equal(image, bank.image[3:])


def test_a_bank_whose_pairs_are_all_asked_is_one_sentence(measured, tmp_path):
    shutil.copytree(tmp_path / "pairs", tmp_path / "copy")
    table = pd.read_csv(tmp_path / "copy" / "metadata.csv").query("split == 'test'").assign(split="train")
    table = pd.concat([table, table.tail(1).assign(file_name="0.png", split="validation")])
    table.to_csv(tmp_path / "copy" / "metadata.csv", index=False)
    outcome = measured(('colours = ["{pairs}"]', f'colours = ["{tmp_path / "copy"}"]'))
    assert "no anchor is left to fit: 8 pairs show pictures that are asked" in dict(outcome.failures).values()


def with_splits(folder):
    """Thirty-two labelled pictures, so that the folder has splits."""
    for i in range(16):
        paint(list(COLOURS)[i % 4], 300 + i).save(folder / list(COLOURS)[i % 4] / f"{300 + i}.png")


def test_captions_beside_class_folders_do_not_hide_that_a_labelled_picture_is_an_anchor(measured, tmp_path):
    labelled = tmp_path / "labelled"
    with_splits(labelled)
    files = [path.relative_to(labelled) for path in sorted(labelled.glob("*/*.png"))]
    rows = [f"{path},it is {path.parent},{'train' if i % 8 else 'validation'}" for i, path in enumerate(files)]
    (labelled / "metadata.csv").write_text("\n".join(["file_name,caption,split", *rows]))
    table = measured(('colours = ["{pairs}', 'colours = ["{labelled}')).table
    assert set(table["left_out"]) == {7} == set(table["n"][table["task"] == "name"]) and table["size"].max() == 32 - 7


def test_a_linear_probe_learns_from_labelled_train_pictures_and_is_marked(measured, tmp_path):
    """A task that has none to learn from does not stop it in another."""
    task = f'[tasks.taught]\nkind = "zero-shot"\ndata = "{tmp_path / "more"}"\n[tasks.name]'
    shutil.copytree(tmp_path / "labelled", tmp_path / "more")
    with_splits(tmp_path / "more")
    outcome = measured(("[tasks.name]", task), ('"ridge"]', '"linear probe"]'))
    (why,) = {why for _, why in outcome.failures}
    assert re.match(r"labelled has no split 'train'; it has: none: \d+ pictures are too few to split, or a part", why)
    probe = outcome.table[outcome.table["needs_labels"]]
    assert set(probe["task"]) == {"taught"} and set(probe["method"]) == {"linear probe"} and len(probe) == 2
    assert probe["value"].nunique() == 1 and probe["value"].iloc[0] > 0.8 and set(probe["n"]) == {7}
    page = benchmark_page("Colours", outcome.table, [])
    learned = len(load_labelled(tmp_path / "more").split("train"))
    assert "linear probe (needs labels)" in page and re.search(rf"C\s=\s[\d.]+, pictures\s=\s{learned}<", page)


@pytest.mark.parametrize(
    "change, words",
    [
        ("sample = 4", "needs 3 train pictures of a class, and has at most 1"),
        ('split = "train"', "its train split is asked"),
    ],
)
def test_a_linear_probe_without_pictures_to_learn_from_stops_no_other(measured, tmp_path, change, words):
    with_splits(tmp_path / "labelled")
    outcome = measured(('"ridge"]', '"linear probe"]'), ('"{labelled}"', f'"{{labelled}}"\n{change}'))
    assert len(outcome.failures) == 2 and all("linear probe" in what and words in why for what, why in outcome.failures)
    assert set(outcome.table["method"]) == {"ASIF"} and set(outcome.table["task"]) == {"find", "name"}


def test_how_strongly_a_linear_probe_is_regularised_is_chosen_on_pictures_that_it_was_not_taught():
    image = torch.randn(120, 40, generator=torch.Generator().manual_seed(0))
    noisy = (image[:, 0] + 3 * torch.randn(120, generator=torch.Generator().manual_seed(1)) > 0).int()
    labels = noisy[:90].numpy()  # a weak probe tells the noise by heart, and no better what it was not taught
    right = torch.nn.functional.one_hot(noisy[90:].long(), 2).bool()
    question = HeldOut(image[90:], torch.ones(2, 2), right, templates=1, load_train=lambda: (image[:90], labels))
    strong = LinearProbe(0.1).fit(image[:90], labels).predict(image[90:]) == noisy[90:].numpy()
    weak = LinearProbe(100.0).fit(image[:90], labels).predict(image[90:]) == noisy[90:].numpy()
    assert question.ask(Probe())["accuracy"].tolist() == strong.tolist() != weak.tolist()


def test_the_page_stands_alone_and_marks_what_is_transductive(folders, tmp_path, capsys):
    change = '"ridge"]', '"ASIF + inverted softmax", "ASIF + Sinkhorn (transductive)"]'
    assert main(["benchmark", str(folders(change)), "--out", str(tmp_path / "out")]) == 0
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    marked = table.groupby("method", sort=False)["transductive"].first().to_dict()
    assert marked == {"ASIF": False, "ASIF + inverted softmax": False, "ASIF + Sinkhorn (transductive)": True}
    page = (tmp_path / "out" / "index.html").read_text()
    assert loads_from_elsewhere(page) == []
    assert "Sinkhorn (transductive)" in page and "32 pairs" in page and "winner" in page
    assert "transformers:" not in page and 'href="search.html"' not in page  # nothing about what is not there
    assert "Encoders: colour histogram × bag of words." in page and "beta\xa0=\xa0" in page and "“all”" in page
    assert str(tmp_path / "out" / "index.html") in capsys.readouterr().out


def test_one_method_compares_encoders_with_the_first_pair(measured):
    words = '["bag of words"]', '["bag of words", "all-MiniLM-L6-v2:random"]'
    outcome = measured(('"ASIF", ', ""), ("[grids.ASIF]\nshare = [0.1, 0.3]\np = [1]\n", ""), words)
    table = outcome.table[outcome.table["measure"] == "accuracy"]
    assert table["verdict"].tolist()[::2] == ["reference"] * 2 and "reference" not in table["verdict"].tolist()[1::2]
    assert table["text_encoder"].tolist() == ["bag of words", "all-MiniLM-L6-v2:random"] * 2
    page = benchmark_page("Colours", outcome.table, [])
    assert "a row for each image encoder" in page and "colour histogram × bag of words" in page
    assert "winner</th>" not in page


STOPPED = """
import os, signal
from asif_lab import streaming
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main

streaming.build_streamed.__kwdefaults__["block"] = 16
blocks = []

def die(descriptor):
    path = os.readlink(f"/proc/self/fd/{{descriptor}}")
    blocks.extend([path] if ".building" in path and path.endswith(".part") else [])
    if len(blocks) == 5:  # three of the first bank are done, and one of the second
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = die
main({!r})
"""


@pytest.fixture
def papers_file(tmp_path, tmp_cache, datasets_cache, tiny_folders):
    """The file of the repository itself; only what it names is smaller, and lies here."""
    text = (ROOT / "benchmarks" / "accuracy" / "paper_table_1.toml").read_text()
    lists = {"classnames": COLOURS, "zeroshot_classification_templates": ["a {c} thing.", "a photo of a {c}."]}
    for name in re.findall('data = "hub:(.*)"', text):
        write_clip_benchmark(tmp_path / name, "cls", [i // 2 for i in range(2 * len(COLOURS))], **lists)
    text = re.sub("rename.*", "", text.replace("hub:", f"hub:{tmp_path}/"))  # of classes that the small copies lack
    pairs = write_webdataset(tmp_path / "pairs", 50, picture=lambda number: png(1_000 + number))
    text = text.replace("1600000", "40").replace("pixparse/cc12m-wds", str(pairs))
    for kind, folder in tiny_folders.items():
        text = re.sub(rf"--{kind}-encoder [\w.-]+", f"--{kind}-encoder {folder}", text)
    (tmp_path / "paper.toml").write_text(text)
    return tmp_path / "paper.toml"


def test_the_papers_table_is_made_in_steps_that_can_be_stopped(papers_file, tmp_path, tmp_cache, monkeypatch, capsys):
    """From the streams in the formats of the hub to the table, killed in the second bank, and whole."""
    command, found = ["benchmark", str(papers_file), "--out", str(tmp_path / "out"), "--json"], tmp_path / "out"
    steps = runpy.run_path(str(ROOT / "benchmarks" / "accuracy" / "steps.py"))["steps"]

    def listed():
        return steps(read_configuration(papers_file), found / "results.parquet", "cpu", 16)

    before = listed()
    assert before["done"].tolist() == [0, 0, 0, 0] and before["step"].tolist() == [
        "stream cc12m-supervised", "ask supervised", "stream cc12m-unsupervised", "ask unsupervised",
    ]  # fmt: skip
    assert (before["hours left"] > 0).all() and (before["GB to download"] > 0).tolist() == [True, True, True, False]
    read = sum(len(png(1_000 + number)) for number in range(40)) / 1e9
    assert before["GB to download"][0] == pytest.approx(read, rel=0.05)
    assert run_forked(STOPPED.format(command), tmp_path).returncode == -signal.SIGKILL
    between = listed()
    assert between["done"].tolist() == [40, 0, 16, 0] and between["GB to download"][2] == pytest.approx(0.6 * read, 0.1)
    monkeypatch.setitem(streaming.build_streamed.__kwdefaults__, "block", 16)
    assert main(command) == 0 and json.loads(capsys.readouterr().out)["rows"] == 2 * len(TASKS)
    assert (listed()["hours left"] == 0).all()
    table = paper_table(found / "results.parquet")
    assert table.tail(2)[list(TASKS)].notna().all(axis=None) and set(table.tail(2)["pairs"]) == {"40"}
    settings = pd.read_parquet(found / "results.parquet")["settings"]
    assert json.loads(settings[0]) == {"k": 800, "p": 8, "center": False}
    shutil.rmtree(tmp_cache / "banks"), shutil.rmtree(found)
    assert main(command) == 0 and paper_table(found / "results.parquet").equals(table)  # never killed
    papers_file.write_text(papers_file.read_text().replace("--limit 40", ""))
    with pytest.raises(DataError, match="has a stream 'cc12m-supervised' without --limit N"):
        listed()


def test_the_paper_stands_alone_without_an_own_run():
    table = paper_table()
    assert list(table.columns) == ["method", "pairs", *TASKS]
    assert len(table) == len(TABLE_1)
    assert table[table.pairs.str.startswith("1.6M")].ImageNet.tolist() == [60.9, 53.0]
    assert table.ImageNet.notna().all() and table.Pets.notna().sum() == 5


def test_own_rows_are_empty_before_the_run_and_hold_its_accuracies_after_it(tmp_path):
    file = tmp_path / "results.parquet"
    assert paper_table(file).tail(2)[list(TASKS)].isna().all(axis=None)
    rows = [
        ("supervised", "Pets", "ASIF (paper)", 1_600_000, 0.8),
        ("supervised", "Pets", "transformers:clip", 1_600_000, 0.9),
        ("supervised", "other", "ASIF (paper)", 1_600_000, 0.1),
    ]
    pd.DataFrame(rows, columns=["bank", "task", "method", "size", "value"]).to_parquet(file)
    supervised, unsupervised = paper_table(file).tail(2).to_dict("records")
    assert (supervised["pairs"], supervised["Pets"]) == ("1,600,000", 80.0)
    assert pd.isna(supervised["ImageNet"]) and pd.isna(unsupervised["Pets"])


def test_a_bank_whose_stream_fails_stops_no_other_and_ctrl_c_stops_all(papers_file, tmp_path, capsys, monkeypatch):
    text = papers_file.read_text()
    papers_file.write_text(text.replace('unsupervised = """', 'unsupervised = """/no/such', 1))
    assert main(["benchmark", str(papers_file), "--out", str(tmp_path / "out"), "--json"]) == 1
    output = capsys.readouterr()
    assert set(pd.read_parquet(tmp_path / "out" / "results.parquet")["bank"]) == {"supervised"}
    assert len(json.loads(output.out)["failures"]) == 1
    papers_file.write_text(text)
    monkeypatch.setattr(streaming, "build_streamed", Mock(side_effect=KeyboardInterrupt))
    assert main(["benchmark", str(papers_file), "--out", str(tmp_path / "stopped")]) == 130
    assert not (tmp_path / "stopped").exists()


def test_published_templates_are_used_unless_the_task_names_others(tmp_path, tmp_cache, datasets_cache):
    lists = {"classnames": ["cat", "dog"], "zeroshot_classification_templates": ["a {c}.", "the {c}.", "my {c}."]}
    write_clip_benchmark(tmp_path / "wds", "cls", [0, 1, 1], **lists)
    asked = [
        prepare_task(ZeroShotTask(kind="zero-shot", data=f"hub:{tmp_path}/wds", **own), ColourHistogram(), BagOfWords())
        for own in ({}, {"templates": ["a {}."]})
    ]
    assert [(question.templates, len(question.text)) for question in asked] == [(3, 6), (1, 2)]
    assert torch.equal(asked[0].text[::3], asked[1].text) and asked[0].relevant.tolist() == asked[1].relevant.tolist()


def test_of_two_classes_with_one_name_one_is_renamed_by_its_position(tmp_path, datasets_cache):
    write_clip_benchmark(tmp_path / "wds", "cls", [0, 1], classnames=["missile", "missile"])
    task = {"kind": "zero-shot", "data": f"hub:{tmp_path}/wds"}
    assert labelled_of_task(ZeroShotTask(**task, rename={"1": "projectile"})).classes == ["missile", "projectile"]
    with pytest.raises(DataError, match="rename: 2 is no class; they are 0 to 1"):
        labelled_of_task(ZeroShotTask(**task, rename={"0": "rocket", "2": "projectile"}))


# -- models that were trained on pairs ------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return write_clip(folder / "clip"), write_siglip(folder / "siglip")


def beside(*models):
    return '["ASIF", "ridge"]', json.dumps(["ASIF", *(f"transformers:{model}" for model in models)])


def test_yardsticks_stand_beside_the_methods_on_the_same_items(measured, models, tmp_path):
    outcome = measured(beside(*models))
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


@pytest.mark.parametrize("lost", ["/no/such/folder", "someone/none"])
def test_a_model_that_is_not_there_is_reported_once(folders, models, tmp_path, capsys, monkeypatch, lost):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    file = folders(beside(lost, models[0]))
    assert main(["benchmark", str(file), "--out", str(tmp_path / "out"), "--json"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if lost in line]
    assert len(lines) == 1 and lines[0].startswith(f"asif: transformers:{lost}: {lost}: ")
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert set(table["method"]) == {"ASIF", f"transformers:{models[0]}"} and len(table) == 2 * 2 * 4


# -- numbers ---------------------------------------------------------------------------------------------


def test_a_tie_is_not_found_and_chance_is_what_it_says():
    class Constant(SparseAnchors):
        def similarity(self, image, text):
            return torch.ones(len(image), len(text))

    question = HeldOut(torch.ones(20, 2), torch.ones(20, 2), torch.eye(20, dtype=torch.bool))
    assert all(values.sum() == 0 for values in question.ask(Constant()).values())
    assert question.chance()["R@1, picture → text"] == pytest.approx(1 / 20)
    assert question.chance()["mean recall"] == pytest.approx((1 + 5 + 10) / 60)


def test_prompts_of_a_label_are_averaged_or_the_best_counts():
    class Table(SparseAnchors):
        def similarity(self, image, text):
            return torch.tensor([[0.9, 0.0, 0.5, 0.5], [0.0, 0.9, 0.5, 0.5]])

    right = torch.tensor([[False, True], [True, False]])
    question = HeldOut(torch.ones(2, 2), torch.ones(4, 2), right, templates=2)
    assert question.ask(Table())["accuracy"].tolist() == [1, 0]
    largest = replace(question, reduce="max")
    assert largest.ask(Table())["accuracy"].tolist() == [0, 1] and largest.digest != question.digest


def test_the_papers_asif_is_that_of_the_library():
    random = torch.Generator().manual_seed(0)
    z = [torch.randn(30, 6, generator=random) for _ in range(4)]
    share, plain = 0.2, PaperASIF(k=6, p=2, center=True).fit(z[0], z[1]).similarity(z[2], z[3])
    torch.testing.assert_close(plain, SparseAnchors(share, 2).fit(z[0], z[1]).similarity(z[2], z[3]))
    assert PaperASIF().fit(z[0], z[1]).similarity(z[2], z[3]).shape == (30, 30)  # k = 800, but no more than there are


def test_a_difference_is_certain_only_after_holms_correction():
    random = np.random.default_rng(0)
    base = random.random((1, 200)) < 0.5
    slightly = base.copy()
    slightly[0, np.flatnonzero(~base[0])[:9]] = True  # nine items of 200 more
    rows = compare_paired(np.stack([base, base | (random.random((1, 200)) < 0.5), base, slightly]).astype(float))
    assert rows["verdict"].tolist()[:3] == ["reference", "better", "undecided"]
    assert rows["difference_low"][1] > 0 and rows["p_holm"][2] == 1
    alone = compare_paired(np.stack([base, slightly]).astype(float))
    many = compare_paired(np.stack([base, slightly, *[base] * 60]).astype(float))
    assert alone["verdict"][1] == "better" and many["verdict"][1] == "undecided"
    assert holm([0.01, 0.04, 0.03, 0.005]).round(4).tolist() == [0.03, 0.06, 0.06, 0.02]
    # a bootstrap of five differences, all of one sign, is surer than the five tosses of a coin that they are
    base, five_more = np.zeros((2, 1, 150))
    five_more[0, :5] = 1
    assert compare_paired(np.stack([base, five_more]))["p_holm"][1] == 2 / 2**5


def winner_of(right, transductive=()):
    """The winner among methods, of which the first `right[name]` of 200 answers are right."""
    about = {**dict.fromkeys(("bank", "image_encoder", "text_encoder", "task", "measure"), "x"), "size": 9}
    about |= {"left_out": 0, "settings": {}, "chance": 0.1}
    rows = [
        {**about, "method": name, "transductive": name in transductive, "values": [[1.0] * n + [0.0] * (200 - n)]}
        for name, n in right.items()
    ]
    table = tidy_table(rows, list(right))
    return table["method"][table["is_winner"]].tolist()


def test_a_winner_is_better_than_every_other_method_and_not_only_than_the_first():
    assert winner_of({"ASIF": 50, "ridge": 90, "CSA": 120}) == ["CSA"]
    assert winner_of({"ASIF": 50, "ridge": 119, "CSA": 120}) == []
    assert winner_of({"ASIF": 120, "ridge": 90, "CSA": 50}) == ["ASIF"]
    assert winner_of({"ASIF": 120}) == winner_of({"ASIF": 120, "ridge": 120}) == []


@pytest.mark.parametrize("name", ["linear probe", "transformers:x", "Sinkhorn"])
def test_what_needs_labels_other_pairs_or_the_whole_batch_is_no_winner_and_hides_none(name):
    assert winner_of({"ASIF": 50, "ridge": 90, name: 190}, transductive=["Sinkhorn"]) == ["ridge"]
    assert winner_of({"ASIF": 50, name: 190}, transductive=["Sinkhorn"]) == []


def test_seeds_that_differ_make_an_interval_wider():
    items = np.random.default_rng(0).random((1, 8, 300))
    shifted = items + np.linspace(-0.3, 0.3, 8)[:, None]
    widths = [np.ptp(np.quantile(resampled_means(values), [0.025, 0.975], axis=0)) for values in (items, shifted)]
    assert widths[1] > 3 * widths[0]


def test_random_weights_are_another_encoder_and_always_the_same(text_encoder):
    one, two = (load_any_encoder("text", "all-MiniLM-L6-v2:random", device="cpu") for _ in range(2))
    assert one.identity == two.identity != text_encoder.identity
    texts = ["a cat", "a ship"]
    torch.testing.assert_close(one.encode(texts, progress=False), two.encode(texts, progress=False))
    assert not torch.allclose(one.encode(texts, progress=False), text_encoder.encode(texts, progress=False), atol=0.1)
