"""The commands of the book, where the extra that they need is missing."""

import sys

import pytest

from asif_lib.cli import main
from asif_lib.files import ROOT

CONFIGURATION = str(ROOT / "benchmarks" / "accuracy" / "learning_curve.toml")


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["class", "check", "course"], "nbformat"),
        (["benchmark", CONFIGURATION], "bs4"),
        (["benchmark", CONFIGURATION], "IPython"),
        (["explain", "cat.png", "--labels", "a,b", "--page", "why.html"], "jinja2"),
    ],
)
def test_without_its_extra_a_command_names_it(monkeypatch, tmp_path, capsys, command, module):
    monkeypatch.chdir(tmp_path)
    for name in {module, *(name for name in sys.modules if name.startswith(f"{module}."))}:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(command) == 1
    sentence = f"asif: `{module}` is not installed; it comes with the extra workbook: pip install "
    sentence += "'asif-workbook[workbook]'"
    assert capsys.readouterr().err.splitlines() == [sentence]
    assert list(tmp_path.iterdir()) == []
