"""The command as a user runs it: a process, its exit status, what it prints where."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image, ImageOps

from asif_lib.bank.anchors import bank_dir
from asif_lib.cli import main
from asif_lib.datasets.pairs import load_labelled
from asif_lib.encoders.pictures import open_picture


def asif(*arguments, **environment):
    command = [sys.executable, "-m", "asif_lib.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


@pytest.fixture(scope="session")
def stamps_bank_saved(stamps_bank):
    """The bank `stamps` where the command looks for it."""
    if not (bank_dir("stamps") / "bank.json").exists():
        stamps_bank.save(bank_dir("stamps"))
    return bank_dir("stamps")


@pytest.fixture(scope="module")
def class_folders(tmp_path_factory, stamps_bank_saved):
    """Forty Fashion-MNIST pictures of four classes as PNG files in class folders."""
    folder = tmp_path_factory.mktemp("clothes")
    data = load_labelled("fashion_mnist").split("validation").sample(100)
    for i, (picture, label) in enumerate(zip(data.pictures, data.labels, strict=True)):
        name = data.classes[label].replace(" ", "_")
        if name in ("trousers", "bag", "sandal", "ankle_boot"):
            (folder / name).mkdir(exist_ok=True)
            ImageOps.invert(picture).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    "command", [[], ["data"], ["bank", "build"], ["bank", "info"], ["classify"], ["search"], ["evaluate"], ["check"]]
)
def test_help_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "examples:\n  asif " in capsys.readouterr().out


def test_evaluate_prints_one_json_object(class_folders):
    run = asif("evaluate", class_folders, "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["n"] == 40
    assert result["classes"] == ["ankle boot", "bag", "sandal", "trousers"]
    assert result["ci95"][0] <= result["accuracy"] <= result["ci95"][1]
    assert result["accuracy"] > result["chance"] == 0.25
    assert (result["bank"], result["image_encoder"], result["text_encoder"]) == (
        "stamps",
        "efficientnet_lite0",
        "all-MiniLM-L6-v2",
    )
    assert (result["k"], result["p"]) == (79, 2.0)
    assert result["seconds"] > 0


def test_k_and_p_reach_the_model(class_folders, capsys):
    assert main(["evaluate", str(class_folders), "--json", "--k", "5", "--p", "8"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["k"], result["p"]) == (5, 8.0)


def test_classify_names_label_and_deciding_anchors(stamps_bank_saved, stamps, capsys):
    hen = next(p for p, i in zip(stamps.pictures, stamps.ids, strict=True) if i == "animals/birds/hen.png")
    assert main(["classify", str(hen), "--labels", "a hen, a ship", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["best"] == "a hen"
    assert list(row["scores"]) == ["a hen", "a ship"]
    assert len(row["anchors"]) == 3
    assert 0 < sum(anchor["share"] for anchor in row["anchors"]) <= 1


def test_search_finds_pictures_in_the_bank(stamps_bank_saved, capsys):
    assert main(["search", "a sail boat", "--top", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2
    assert all("boat" in row["caption"] for row in rows)


def test_search_finds_pictures_in_a_folder(stamps_bank_saved, stamps, tmp_path, capsys):
    for i, picture in zip(stamps.ids, stamps.pictures, strict=True):
        if i in ("animals/birds/hen.png", "vehicles/ship/sail_boat1.png", "animals/mammals/rodents/beaver.png"):
            open_picture(picture).save(tmp_path / i.rsplit("/")[-1])
    assert main(["search", "a boat on the sea", "--in", str(tmp_path), "--top", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["picture"].endswith("sail_boat1.png") and "caption" not in row


def test_data_and_bank_info_say_licence_and_counts(stamps_bank_saved, capsys):
    assert main(["data", "stamps", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["licence"] == "GPL-2" and row["folder"]
    assert main(["bank", "info", "stamps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["anchors"] == 793


def test_bank_of_your_own_folder(tmp_path, tmp_cache, capsys):
    folder = tmp_path / "cards"
    folder.mkdir()
    lines = ["file_name,caption"]
    for colour in ("red", "green", "blue", "yellow"):
        Image.new("RGB", (40, 30), colour).save(folder / f"{colour}.png")
        lines.append(f"{colour}.png,A {colour} card.")
    (folder / "metadata.csv").write_text("\n".join(lines))
    assert main(["bank", "build", "cards", "--from", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["anchors"] == 4
    picture = str(folder / "blue.png")
    assert (
        main(["classify", picture, "--labels", "a blue card,a red card", "--bank", "cards", "--k", "2", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)[0]["best"] == "a blue card"


def test_a_missing_bank_of_the_catalogue_is_built_and_said_so(class_folders, tmp_path):
    """With a cache that has the data but no bank, a first `search` builds it; stdout stays pure JSON."""
    from asif_lib.files import cache_dir

    for folder in ("datasets", "embeddings"):
        (tmp_path / folder).symlink_to(cache_dir().resolve() / folder)
    run = asif("search", "a cat", "--top", "1", "--json", ASIF_CACHE=str(tmp_path))
    assert run.returncode == 0, run.stderr
    assert len(json.loads(run.stdout)) == 1
    assert "building it" in run.stderr


def broken_folder(class_folders, tmp_path):
    folder = tmp_path / "mixed"
    (folder / "bag").mkdir(parents=True)
    (folder / "sandal").mkdir()
    good = next((class_folders / "bag").iterdir())
    (folder / "bag" / "good.png").write_bytes(good.read_bytes())
    (folder / "sandal" / "good.png").write_bytes(next((class_folders / "sandal").iterdir()).read_bytes())
    (folder / "bag" / "cut.png").write_bytes(good.read_bytes()[:200])
    (folder / "sandal" / "notes.txt").write_text("no picture")
    return folder


def test_broken_pictures_are_listed_and_left_out_only_when_asked(class_folders, tmp_path):
    folder = broken_folder(class_folders, tmp_path)
    run = asif("evaluate", folder, "--json")
    assert run.returncode == 1 and run.stdout == ""
    assert "cut.png" in run.stderr and "notes.txt" in run.stderr and "--skip-broken" in run.stderr
    assert "Traceback" not in run.stderr
    run = asif("evaluate", folder, "--json", "--skip-broken")
    assert run.returncode == 0
    result = json.loads(run.stdout)
    assert (result["n"], result["left_out"]) == (2, 2)
    assert "cut.png" in run.stderr and "notes.txt" in run.stderr


def bad_inputs(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    hollow = tmp_path / "hollow"
    (hollow / "cat").mkdir(parents=True)
    picture = tmp_path / "picture.png"
    Image.new("RGB", (20, 20), "red").save(picture)
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    labels = ["--labels", "a cat,a dog"]
    return {
        "missing picture": (["classify", tmp_path / "no.png", *labels], "there is no such file"),
        "one pixel": (["classify", dot, *labels], "1 × 1"),
        "bomb": (["classify", bomb, *labels], "pixels"),
        "empty label": (["classify", picture, "--labels", "a cat,,a dog"], "label 2 of 3 is empty"),
        "duplicate label": (["classify", picture, "--labels", "a cat,a cat"], "twice"),
        "template": (["classify", picture, *labels, "--template", "a photo"], "{}"),
        "k of 0": (["classify", picture, *labels, "--k", "0"], "k = 0"),
        "k too large": (["classify", picture, *labels, "--k", "794"], "793 anchors"),
        "p of 0": (["classify", picture, *labels, "--p", "0"], "p = 0"),
        "no such folder": (["evaluate", tmp_path / "none"], "no such folder"),
        "empty folder": (["evaluate", empty], "no class folders"),
        "class without a picture": (["evaluate", hollow], "cat"),
        "empty search folder": (["search", "a cat", "--in", empty], "no pictures"),
        "no such bank": (["search", "a cat", "--bank", "nothing"], "asif bank build nothing"),
        "no such data set": (["data", "imagenet"], "no such data set"),
        "no such device": (["search", "a cat", "--device", "abacus"], "abacus"),
    }


@pytest.mark.parametrize("case", [
    "missing picture", "one pixel", "bomb", "empty label", "duplicate label", "template", "k of 0", "k too large",
    "p of 0", "no such folder", "empty folder", "class without a picture", "empty search folder", "no such bank",
    "no such data set", "no such device",
])  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_status_1(case, tmp_path, stamps_bank_saved, capsys):
    arguments, words = bad_inputs(tmp_path)[case]
    assert main([str(a) for a in arguments]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-1].startswith(("asif: ", "  ")) and words in output.err


def test_bank_of_another_encoder_is_an_error(tmp_path, stamps_bank, capsys):
    from dataclasses import replace

    other = replace(stamps_bank.image_encoder, checksum="0" * 64)
    bank = stamps_bank.subset([0, 1, 2])
    bank.image_encoder = other
    bank.save(tmp_path / "other")
    assert main(["search", "a cat", "--in", str(tmp_path), "--bank", str(tmp_path / "other"), "--k", "1"]) == 1
    assert "cannot be compared" in capsys.readouterr().err


def test_check_says_what_is_missing_and_exits_non_zero(tmp_cache):
    run = asif("check", ASIF_CACHE=str(tmp_cache))
    assert run.returncode == 1
    assert "FAIL data set stamps" in run.stdout and "asif data stamps" in run.stdout
    assert "OK   image encoder" in run.stdout


def test_a_reader_that_stops_early_is_no_error(stamps_bank_saved):
    command = f"{sys.executable} -m asif_lib.cli search 'a cat' --top 700 | head -1"
    run = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and run.stdout.count("\n") == 1
    assert "Traceback" not in run.stderr and "Broken" not in run.stderr


@pytest.mark.parametrize("templates, reduce", [(["a photo of {}"], "mean"), (["{}", "a toy {}"], "mean")])
def test_shares_of_the_deciding_anchors_are_of_the_printed_score(stamps_bank, stamps, templates, reduce):
    """Over several templates the score is a mean, and so is what each anchor gives to it."""
    from asif_lib.cli import _deciding_anchors
    from asif_lib.explain.contribution import contributions
    from asif_lib.zeroshot import ASIF, make_prompts

    model = ASIF(stamps_bank, device="cpu")
    vector = model.images(stamps_bank.image[[150]])
    prompts = model.texts(make_prompts(["a bird"], templates))
    answer = _deciding_anchors(model, vector, prompts, reduce)
    score = float(vector.similarity(prompts).mean())
    tables = [contributions(vector, prompts[[row]]).set_index("anchor").contribution for row in range(len(templates))]
    for found in answer:
        anchor = stamps_bank.pairs.index[stamps_bank.pairs.id == found["id"]][0]
        given = sum(table.get(anchor, 0.0) for table in tables) / len(templates)
        assert found["share"] == pytest.approx(given / score, abs=1e-5)


@pytest.mark.parametrize("text", ["", "   ", "\udcff"])
def test_a_text_that_cannot_be_searched_is_refused(text, stamps_bank_saved, capsys):
    assert main(["search", text]) == 1
    assert capsys.readouterr().err.startswith("asif: ")


def test_check_without_a_package_says_which(tmp_path):
    """With timm hidden, `asif check` still prints its table instead of a stack trace."""
    (tmp_path / "timm.py").write_text("raise ModuleNotFoundError(\"No module named 'timm'\", name='timm')\n")
    run = asif("check", PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "FAIL image encoder: No module named 'timm'" in run.stdout
