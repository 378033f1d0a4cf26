"""The command: exit status, what it prints where, what it imports, and what it adds to the functions that it calls."""

import importlib.metadata
import re
import shlex
import shutil
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from asif_lib import ASIF, AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.cli.command import check_targets
from asif_lib.cli.machine_check import check_machine
from asif_lib.datasets.labelled import load_labelled
from asif_lib.defaults import BARE_TEMPLATE, DEFAULT_TEMPLATE
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError
from asif_lib.settings import Settings


@pytest.fixture
def loaded_once(monkeypatch, image_encoder, text_encoder):
    """The encoders of the session in place of those that each command would load again."""
    encoders = {"image": image_encoder, "text": text_encoder}
    monkeypatch.setattr("asif_lib.encoders.identity.load_encoder", lambda kind, *_, **__: encoders[kind])
    for kind, encoder in encoders.items():
        load = f"asif_lib.encoders.{kind}.load_{kind}_encoder"
        monkeypatch.setattr(load, lambda *_, encoder=encoder, **__: encoder)


@pytest.fixture
def run(loaded_once, stamps_bank_saved, run_command):
    """The command, with the encoders of the session and the bank of the stamps."""
    return run_command


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
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
                  ["bank", "import", "mine", "--captions", "c.csv"],
                  ["bank", "remove", "stamps", "--id", "1", "--where", "2"]],
)  # fmt: skip
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("Usage: asif") and "Error: " in output.err


def test_a_warning_is_one_line_on_stderr(monkeypatch, capsys):
    monkeypatch.setattr("asif_lib.cli.machine_check.check_machine", lambda: warnings.warn("odd", stacklevel=1) or [])
    assert main(["check"]) == 0
    assert capsys.readouterr() == ("\n", "asif: odd\n")


def test_a_plug_in_that_cannot_be_imported_stops_no_other_command(monkeypatch, capsys):
    broken = importlib.metadata.EntryPoint("broken", "no_such_module", "asif.commands")
    monkeypatch.setattr("asif_lib.cli.entry_points", lambda group: [broken])
    assert main(["--help"]) == 0
    assert "of no_such_module cannot be loaded (No module named 'no_such_module')" in capsys.readouterr().err


# Answers ---------------------------------------------------------------------------------------------


def test_evaluate_prints_one_json_object_and_writes_a_row_a_picture(clothes, run, tmp_path):
    file = tmp_path / "each.csv"
    status, result, said = run("evaluate", clothes, "--predictions", file)
    expected = {
        "n": 40, "classes": ["ankle boot", "bag", "sandal", "trousers"], "chance": 0.25, "bank": "stamps",
        "k": 79, "p": 2, "hubs": 0, "whiten": None, "center": True, "left_out": 0, "undecided": 0,
        "image_encoder": "efficientnet_lite0", "text_encoder": "all-MiniLM-L6-v2", "folder": str(clothes),
        "templates": [DEFAULT_TEMPLATE], "device": "cpu", "anchors_asked": 0,
    }  # fmt: skip
    assert {key: result[key] for key in expected} == expected
    each, classes = pd.read_csv(file), pd.DataFrame(result["per_class"])
    assert status == 0 and said.count("rows in") == 1
    assert (each.predicted == each.true).mean() == pytest.approx(result["accuracy"]) and result["accuracy"] > 0.25
    assert [*each][:3] == ["picture", "true", "predicted"] and [*each][-1] == "familiarity"
    assert each.filter(like="score ").idxmax(axis=1).str.removeprefix("score ").equals(each.predicted)
    shares = (each.predicted == each.true).groupby(each.true).mean()
    assert classes.set_index("class").accuracy.to_dict() == pytest.approx(shares.to_dict())
    confusion = pd.DataFrame(result["confusion"])
    assert confusion.sum(axis=1).tolist() == classes.n.tolist()
    assert sum(confusion[i][i] for i in range(4)) == pytest.approx(40 * result["accuracy"])


def test_the_settings_reach_the_model(clothes, run):
    options = "--k", 5, "--p", 8, "--hubs", 0.25, "--whiten", 0.8, "--template", "{}", "--template", "a {}"
    status, result, _ = run("evaluate", clothes, *options)
    assert (status, result["k"], result["p"], result["templates"]) == (0, 5, 8.0, ["{}", "a {}"])
    assert (result["hubs"], result["whiten"], result["center"]) == (0.25, 0.8, True)
    assert run("evaluate", clothes, "--no-center")[1]["center"] is False


def test_the_recommended_line_can_be_run_and_the_advice_be_kept(stamps_bank, clothes, run, tmp_path, capsys):
    few = AnchorBank.load(stamps_bank.subset(range(0, 793, 6)).save(tmp_path / "my few"))
    few.keep_settings(p=1, hubs=0.25, whiten=0.8)  # which the line overrules
    _, (one,), _ = run("bank", "recommend", tmp_path / "my few", "--task", "same kind")
    status, result, said = run(*(clothes if word == "FOLDER" else word for word in shlex.split(one["command"])[1:]))
    assert status == 0, said
    assert {key: result[key] for key in one["settings"]} == one["settings"]
    assert one["python"].startswith(f"ASIF(AnchorBank.load('{tmp_path / 'my few'}'), k={result['k']}, p=")
    assert eval(one["python"], {"ASIF": ASIF, "AnchorBank": AnchorBank}).settings == Settings(**one["settings"])
    assert AnchorBank.load(tmp_path / "my few").settings.hubs == 0.25  # not kept, unasked
    assert main(["bank", "recommend", str(tmp_path / "my few"), "--task", "same kind", "--keep"]) == 0
    assert capsys.readouterr().out.endswith("kept with the bank\n")
    assert run("bank", "info", tmp_path / "my few")[1]["settings"] == one["settings"]


def test_kept_settings_are_those_of_every_command_unless_it_says_otherwise(
    stamps_bank, clothes, stamps, run, tmp_path, capsys
):
    folder, advised = tmp_path / "few", {"k": 9, "p": 4, "center": True, "hubs": 0, "whiten": 0.8}
    stamps_bank.subset(range(0, 793, 6)).keep_settings(**advised).save(folder)
    assert main(["evaluate", str(clothes), "--bank", str(folder)]) == 0
    assert "k=9, p=4.0, center=True, whiten=0.8) (settings kept with the bank), " in capsys.readouterr().out
    for options, changed in (
        (["--k", 5, "--p", 3], {"k": 5, "p": 3}),
        (["--whiten", 1, "--no-center"], {"whiten": None, "center": False}),
    ):
        assert run("evaluate", clothes, "--bank", folder, *options)[1].items() >= (advised | changed).items()
    asked, model = (stamps.pictures[0], "--labels", "a hen,a ship", "--bank", folder), ASIF(AnchorBank.load(folder))
    score = model.classify(stamps.pictures[:1], ["a hen", "a ship"], templates=[BARE_TEMPLATE]).scores[0, 0].item()
    (of_classify,), of_explain = (run(name, *asked)[1] for name in ("classify", "explain"))
    assert of_classify["scores"]["a hen"] == pytest.approx(score) == of_explain["scores"]["a hen"]
    (found,) = run("search", "a hen", "--top", 1, "--bank", folder)[1]
    assert found["score"] == pytest.approx(model.search_pictures("a hen", top=1)[1][0])
    assert "k = 200: the entries to keep" in run("search", "a hen", "--bank", folder, "--k", 200)[2]


def test_no_input_of_a_call_and_no_file_that_is_no_table_is_written_over(clothes, run, tmp_path, monkeypatch):
    picture, there = next(clothes.glob("bag/*.png")), tmp_path / "thesis.csv"
    (tmp_path / "link").symlink_to(bank_dir("stamps") / "bank.json")
    there.write_text("chapter,words\n1,2,3\n")
    (tmp_path / "review.csv").write_text("id,decision\nowl.png,drop\n")
    for written, words in [
        (tmp_path / "link", "link: this command reads"),
        (bank_dir("stamps") / "bank.json", "bank.json: this command reads"),
        (bank_dir("stamps") / "new.csv", "new.csv: this command reads"),
        (there, "thesis.csv: is there, and no table"),
        (shutil.copy(picture, tmp_path / "own.png"), "is there, and no table"),
        (picture, "bag; name a file elsewhere"),
        (picture.with_name("each.csv"), "each.csv: this command reads"),
        (tmp_path / "review.csv", "review.csv: holds the decisions of a review; name another file"),
    ]:
        before = written.read_bytes() if written.exists() else None
        status, _, error = run("evaluate", clothes, "--predictions", written)
        assert status == 1 and words in error and error.count("\n") == 1
        assert (written.read_bytes() if written.exists() else None) == before
    with monkeypatch.context() as patch, pytest.raises(ParameterError, match="new.csv: cannot be written"):
        patch.setattr("os.access", lambda *_: False)  # root may write everywhere
        check_targets(csv=tmp_path / "new.csv")


TWO = ["--template", "{}", "--template", "a photo of {}."]


def test_explain_names_both_sides(stamps, run, capsys):
    file = stamps.pictures[stamps.ids.index("animals/marsupials/kangaroo.png")]
    arguments = ["explain", file, "--labels", "kangaroo,deer"]
    status, row, _ = run(*arguments, "--top", 3, *TWO)
    assert (status, row["best"], row["against"]) == (0, "kangaroo", "deer")
    assert len(row["for"]) == len(row["other"]) == 3 and row["for"][0]["caption"] == "A red kangaroo."
    assert main([*map(str, arguments)]) == 0
    text = capsys.readouterr().out
    assert "for kangaroo and against deer:" in text and "of the anchors the answer is deer" in text


def test_text_output_is_a_line_for_each_answer(stamps, run, capsys, tmp_path):
    assert main(["search", "a sail boat", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(re.match(r"0\.\d{3}  .*\.png  .*boat", line) for line in lines)
    assert main(["classify", str(stamps.pictures[0]), str(stamps.pictures[1]), "--labels", "a hen,a ship", *TWO]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[4].startswith(f"{stamps.pictures[1]}: a ")
    assert re.fullmatch(r"  a \w+ 0\.\d{3}, a \w+ 0\.\d{3}", lines[5]) and lines[6].startswith("  decided by ")
    assert re.match(r"  is an anchor of this bank: cosine \d\.\d\d with the most similar anchor; at most 5%", lines[7])
    for i in ("animals/birds/hen.png", "vehicles/ship/sail_boat1.png"):
        open_picture(stamps.pictures[stamps.ids.index(i)]).save(tmp_path / i.rsplit("/")[-1])
    status, (row,), _ = run("search", "a boat on the sea", "--in", tmp_path, "--top", 1)
    assert status == 0 and row["picture"].endswith("sail_boat1.png") and "caption" not in row


def test_pictures_unlike_the_bank_are_said_and_anchors_are_left_out_of_a_second_accuracy(stamps, run, capsys, tmp_path):
    x, y = np.mgrid[:64, :64]
    hen = stamps.pictures[stamps.ids.index("animals/birds/hen.png")]
    for name in ("wave", "hen"):
        (tmp_path / name).mkdir()
    wave = tmp_path / "wave" / "0.png"
    Image.fromarray(((np.sin(x / 3) * np.cos(y / 5) + 1) * 127).astype("uint8")).save(wave)
    shutil.copy(hen, tmp_path / "hen" / "the same file.png")
    open_picture(hen).save(tmp_path / "hen" / "the same pixels.bmp")
    assert main(["classify", str(wave), "--labels", "a hen,a ship"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("  unlike anything in the bank: cosine 0.")
    status, result, _ = run("evaluate", tmp_path)
    assert (status, result["n"], result["anchors_asked"], result["left_out"]) == (0, 3, 2, 0)
    assert result["unlike"] == pytest.approx(1 / 3) and result["accuracy_without_anchors"]["n"] == 1
    assert main(["evaluate", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "unlike anything in the bank: 33% of the pictures (promised: at most 5% of" in text
    assert re.search(r"\n2 of the 3 pictures are anchors of this bank; without them: accuracy .*n = 1", text)


def test_broken_pictures_are_listed_and_left_out_only_when_asked(clothes, tmp_path, run):
    for name in ("bag", "sandal"):
        (tmp_path / name).mkdir()
        shutil.copy(next((clothes / name).iterdir()), tmp_path / name / "good.png")
    (tmp_path / "bag" / "cut.png").write_bytes((tmp_path / "bag" / "good.png").read_bytes()[:200])
    status, result, error = run("evaluate", tmp_path)
    assert (status, result) == (1, None) and "cut.png" in error and "--skip-broken" in error
    status, result, error = run("evaluate", tmp_path, "--skip-broken")
    assert (status, result["n"], result["left_out"]) == (0, 2, 1) and "cut.png" in error
    (tmp_path / "sandal" / "good.png").write_bytes(b"broken")
    status, _, error = run("evaluate", tmp_path, "--skip-broken")
    assert status == 1 and "1 pictures leave classes without one: sandal" in error


BAD = [
    ("classify dot.png --labels cat,dog", "1 × 1"),
    ("evaluate empty", "no class folders"),
    ("evaluate hollow", "cat"),
    ("evaluate one", "has one class, 'bag', so there is nothing to decide"),
    ("evaluate hollow --predictions no/each.csv", "--predictions no/each.csv: cannot be written; its folder must be"),
    ("search cat --device abacus", "abacus"),
    ("search \udcff", ""),
    ("data fashion-mnist", "no such data set; known: stamps, fashion_mnist, cifar10, "),
    ("data fashion-mnist", "; did you mean 'fashion_mnist'?"),
    ("bank review stamps --csv empty", "--csv empty: is a folder"),
    ("bank recommend stamps --keep", "--keep keeps the settings for one task; name it by --task"),
    ("explain dot.png --labels a,b", "mend or remove them:"),
    ("explain picture.png --labels a", "one label has no rival"),
    ("explain picture.png --labels a,b --top 0", "--top 0: show at least one anchor"),
]


@pytest.mark.parametrize("line, words", BAD, ids=lambda text: text.encode("ascii", "replace").decode())
def test_bad_input_is_one_sentence_and_exit_status_1(
    line, words, tmp_path, stamps_bank_saved, loaded_once, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "hollow/cat", "one/bag"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("picture.png", "one/bag/1.png"):
        Image.new("RGB", (20, 20), "red").save(file)
    Image.new("RGB", (1, 1)).save("dot.png")
    assert main(line.split()) == 1
    output = capsys.readouterr()
    *_, said = lines = output.err.splitlines()
    assert (output.out, len(lines)) == ("", 1 + ("dot.png --labels" in line))
    assert said.startswith(("asif: ", "  ")) and words in output.err


# asif check ------------------------------------------------------------------------------------------


def test_check_says_what_is_missing_and_exits_non_zero(tmp_cache, loaded_once, monkeypatch, capsys):
    load = sys.modules["asif_lib.encoders.identity"].load_encoder

    def halts(kind, *arguments, **options):
        if kind == "text":
            raise ImportError("import of tokenizers halted")
        return load(kind)

    monkeypatch.setattr("asif_lib.encoders.identity.load_encoder", halts)
    assert main(["check"]) == 1
    output = capsys.readouterr().out
    assert "FAIL data set stamps" in output and "asif data stamps" in output
    assert "OK   image encoder" in output and "FAIL text encoder: import of tokenizers halted" in output


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
