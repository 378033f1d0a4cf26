"""asif benchmark: one file in, a table out; what is done is stored, and what fails is one sentence."""

import itertools
import json
import re
import runpy
import sys
from dataclasses import replace
from importlib.machinery import PathFinder
from sysconfig import get_path

import numpy as np
import pandas as pd
import pytest
import torch
from hub_formats import write_clip_benchmark
from PIL import Image, ImageDraw

from asif_lab.baselines import linear_probe
from asif_lab.benchmark import running
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
from asif_lab.benchmark.running import run_benchmark
from asif_lab.benchmark.tasks import HeldOut, PaperASIF, Probe, labelled_of_task, prepare_task, redrawn_pairs
from asif_lab.methods import METHODS, SparseAnchors
from asif_lab.paper import TABLE_1, TASKS, paper_table
from asif_lib import AnchorBank, load_pairs
from asif_lib.cli import main
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import DataError
from asif_lib.evaluation.measures import resampled_counts
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


def test_splits_are_drawn_again_and_each_asks_its_own_pairs(measured, tmp_path):
    outcome = measured(("seeds = 2", "seeds = 2\nsplits = 3"), ('sizes = [10, "all"]', 'sizes = ["all"]'))
    pairs = load_pairs(tmp_path / "pairs")
    asked = len({i for draw in range(3) for i in redrawn_pairs(pairs, draw).splits["test"]})
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


NO_CLASSES = ('[tasks.name]\nkind = "zero-shot"\ndata = "{labelled}"\n', "")


def test_a_run_that_stopped_goes_on_and_gives_the_same_table(folders, tmp_path, monkeypatch):
    """A part that fails is named; after the fault is mended, what was done is not done again."""
    configuration, fitted = read_configuration(folders()), []

    def fit(self, image, text, validation=None):
        fitted.append(len(image))
        if broken and len(image) == 32:
            raise np.linalg.LinAlgError("SVD did not converge\nmore")
        return original(self, image, text, validation)

    original, broken = METHODS["ridge"].fit, True
    monkeypatch.setattr(METHODS["ridge"], "fit", fit)
    with pytest.raises(DataError, match="bag of words, ridge, all pairs: LinAlgError: SVD did not converge$"):
        run_benchmark(configuration, tmp_path / "stopped", progress=False)
    assert fitted == [10, 10, 32] and not (tmp_path / "stopped" / "results.parquet").exists()
    broken = False
    again = run_benchmark(configuration, tmp_path / "stopped", progress=False).table
    assert fitted == [10, 10, 32, 32]
    assert run_benchmark(configuration, tmp_path / "whole", progress=False).table.equals(again)


@pytest.mark.parametrize("cause", ["older code", "cut", "another number"])
def test_a_part_of_older_code_or_with_a_damaged_file_is_computed_again(folders, tmp_path, monkeypatch, cause):
    configuration, fitted = read_configuration(folders()), []
    table = run_benchmark(configuration, tmp_path, progress=False).table
    original = METHODS["ridge"].fit
    monkeypatch.setattr(METHODS["ridge"], "fit", lambda self, *z, **v: fitted.append(1) or original(self, *z, **v))
    assert run_benchmark(configuration, tmp_path, progress=False).table.equals(table) and not fitted
    if cause == "older code":
        monkeypatch.setattr(running, "_code", lambda: "another")
    for file in tmp_path.rglob("output.pkl") if cause != "older code" else ():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if cause == "another number" else content[:-20])
    assert run_benchmark(configuration, tmp_path, progress=False).table.equals(table) and len(fitted) == 3


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
        (('pairs = "', 'split = "train"\npairs = "'), "[tasks.find] asks the train pairs of "),
        (('pairs = "', 'split = "validation"\npairs = "'), "which are anchors or choose the settings; ask its test"),
        (('pairs = "{pairs}', 'split = "validation"\npairs = "{pairs}/../pairs/'), "/pairs, which are anchors"),
        (("title = ", "title "), "is no readable TOML"),
        (('data = "{labelled}"', 'data = "fashion_mnits"'), "known: fashion_mnist, cifar10; did you mean"),
        (('validation = "{pairs}"', 'validation = "fashion_mnits"'), "captioned pictures; known: stamps"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_sentence_before_any_work(folders, tmp_path, capsys, change, words):
    file = folders(change[:2], *filter(None, [change[2:]]))
    assert main(["benchmark", str(file), "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1 and not (tmp_path / "out").exists()


def test_every_method_is_in_the_list_of_the_command(folders):
    listed = " ".join((ROOT / "notebooks" / "command.md").read_text().split())
    assert [name for name in known_methods() if f'`"{name}"`' not in listed] == []
    known = ZeroShotTask.model_fields.keys() | RetrievalTask.model_fields.keys() | Configuration.model_fields.keys()
    assert [name for name in known if not re.search(rf"\b{name}\b", listed)] == []


def test_without_validation_pairs_a_method_with_several_settings_says_so(measured):
    words = 'ASIF, 10 pairs: its settings are chosen on validation pairs: name a data set or bank, validation = "…"'
    with pytest.raises(DataError, match=words):
        measured(('validation = "{pairs}"\n', ""))


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


def with_splits(folder):
    """Thirty-two labelled pictures, so that the folder has splits."""
    for i in range(16):
        paint(list(COLOURS)[i % 4], 300 + i).save(folder / list(COLOURS)[i % 4] / f"{300 + i}.png")


def test_a_linear_probe_learns_from_labelled_train_pictures_and_is_marked(measured, tmp_path):
    with_splits(tmp_path / "labelled")
    table = measured(('"ridge"]', '"linear probe"]')).table
    probe, learned = table[table["needs_labels"]], len(load_labelled(tmp_path / "labelled").split("train"))
    assert set(probe["task"]) == {"name"} and set(probe["method"]) == {"linear probe"} and len(probe) == 2
    assert probe["value"].nunique() == 1 and probe["value"].iloc[0] > 0.8 and set(probe["n"]) == {7}
    assert {json.loads(settings)["pictures"] for settings in probe["settings"]} == {learned}


@pytest.mark.parametrize(
    "changes, words",
    [
        ([], "name: labelled has no split 'train'|linear probe.*: labelled has no split 'train'"),
        ([('"{labelled}"', '"{labelled}"\nsample = 4')], "needs 3 train pictures of a class, and has at most 1"),
        ([('"{labelled}"', '"{labelled}"\nsplit = "train"')], "its train split is asked"),
        ([NO_CLASSES], "linear probe, 10 pairs: needs classes, and no task is of the kind 'zero-shot'"),
    ],
)
def test_a_linear_probe_without_pictures_to_learn_from_is_one_sentence(measured, tmp_path, changes, words):
    if changes:
        with_splits(tmp_path / "labelled")
    with pytest.raises(DataError, match=words):
        measured(('"ridge"]', '"linear probe"]'), *changes)


def test_how_strongly_a_linear_probe_is_regularised_is_chosen_on_pictures_that_it_was_not_taught():
    image = torch.randn(120, 40, generator=torch.Generator().manual_seed(0))
    noisy = (image[:, 0] + 3 * torch.randn(120, generator=torch.Generator().manual_seed(1)) > 0).int()
    labels = noisy[:90].numpy()  # a weak probe tells the noise by heart, and no better what it was not taught
    right = torch.nn.functional.one_hot(noisy[90:].long(), 2).bool()
    question = HeldOut(image[90:], torch.ones(2, 2), right, templates=1, load_train=lambda: (image[:90], labels))
    strong = linear_probe(0.1).fit(image[:90], labels).predict(image[90:]) == noisy[90:].numpy()
    weak = linear_probe(100.0).fit(image[:90], labels).predict(image[90:]) == noisy[90:].numpy()
    assert question.ask(Probe())["accuracy"].tolist() == strong.tolist() != weak.tolist()


def test_one_method_compares_encoders_with_the_first_pair(measured):
    words = '["bag of words"]', '["bag of words", "all-MiniLM-L6-v2:random"]'
    outcome = measured(('"ASIF", ', ""), ("[grids.ASIF]\nshare = [0.1, 0.3]\np = [1]\n", ""), words)
    table = outcome.table[outcome.table["measure"] == "accuracy"]
    assert table["verdict"].tolist()[::2] == ["reference"] * 2 and "reference" not in table["verdict"].tolist()[1::2]
    assert table["text_encoder"].tolist() == ["bag of words", "all-MiniLM-L6-v2:random"] * 2


def test_own_rows_of_the_papers_table_are_empty_before_the_run_and_hold_its_accuracies_after_it(tmp_path):
    assert len(paper_table()) == len(TABLE_1)
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


@pytest.mark.parametrize("name", ["linear probe", "Sinkhorn"])
def test_what_needs_labels_or_the_whole_batch_is_no_winner_and_hides_none(name):
    assert winner_of({"ASIF": 50, "ridge": 90, name: 190}, transductive=["Sinkhorn"]) == ["ridge"]
    assert winner_of({"ASIF": 50, name: 190}, transductive=["Sinkhorn"]) == []


def test_random_weights_are_another_encoder_and_always_the_same(text_encoder):
    one, two = (load_any_encoder("text", "all-MiniLM-L6-v2:random", device="cpu") for _ in range(2))
    assert one.identity == two.identity != text_encoder.identity
    texts = ["a cat", "a ship"]
    torch.testing.assert_close(one.encode(texts, progress=False), two.encode(texts, progress=False))
    assert not torch.allclose(one.encode(texts, progress=False), text_encoder.encode(texts, progress=False), atol=0.1)


def test_no_benchmark_hides_a_package_from_the_others():
    """A script's folder comes first on Python's path: a file `coverage.py` there once broke five of the benchmarks."""
    stems, packages = {path.stem for path in (ROOT / "benchmarks" / "accuracy").glob("*.py")}, [get_path("purelib")]
    assert stems and not stems & sys.stdlib_module_names
    assert not [stem for stem in stems if PathFinder.find_spec(stem, packages)]
