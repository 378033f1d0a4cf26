"""The stand-in for PyTorch of the browser's edition: the same imports, verdicts and numbers as with PyTorch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asif_book.chapters.results import Result
from asif_book.checks.progress import VERSION, load_progress
from asif_lib.files import read_json

pytestmark = pytest.mark.complete  # the road through a browser's Python
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SOURCES = [
    path for number in ("00", "03", "04", "06", "07", "90") for path in ROOT.glob(f"notebooks/source/{number}_*.py")
]
KNOWN = {"04.2, chapter_04, wrong 2"}
"""The wrong solution whose messages differ on the two roads: it quotes NumPy's words for shapes that do not fit."""


def python(*arguments) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, *arguments], cwd=HERE, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


def stand_in(code) -> str:
    return python("-c", f"from road import take\ntake('stand-in')\nimport torch\n{code}").strip()


@pytest.fixture(scope="module")
def roads():
    return {road: json.loads(python("road.py", road).splitlines()[-1]) for road in ("torch", "stand-in")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_a_chapter_imports_is_there_without_the_packages_that_no_browser_has(source):
    code = "\n".join(
        part.split("\n", 1)[1] for part in source.read_text().split("# %%")[1:] if "[markdown]" not in part[:12]
    )
    imports = re.findall(r"(?m)^(?:import .+|from .+ import (?:\([^)]*\)|.+))$", code)
    assert len(imports) > 3
    assert stand_in("\n".join(imports) + "\nprint(torch.__version__)") == "the browser's edition"


def test_verdicts_and_messages_are_those_of_pytorch(roads):
    real, browser = (roads[road]["verdicts"] for road in ("torch", "stand-in"))
    assert len(real) > 350 and {*real} == {*browser}
    differ = {name for name, verdict in real.items() if browser[name] != verdict}
    assert differ == KNOWN, {name: (real[name], browser[name]) for name in differ - KNOWN}
    assert len(KNOWN) <= 0.01 * len(real)
    assert all(browser[name][0] == real[name][0] for name in KNOWN)


def test_results_and_printed_tensors_are_those_of_pytorch(roads):
    real, browser = roads["torch"], roads["stand-in"]
    assert browser["texts"] == real["texts"]
    assert {*browser["numbers"]} == {*real["numbers"]}
    for name, numbers in real["numbers"].items():
        np.testing.assert_allclose(browser["numbers"][name], numbers, rtol=0, atol=1e-5, err_msg=name)


def test_progress_is_kept_and_read_without_pydantic(tmp_path):
    file = tmp_path / "progress.json"
    code = f"""
from asif_book.checks import progress
import os
os.environ["ASIF_PROGRESS"] = {str(file)!r}
told = progress.note("00.1", "wrong", "You added."), progress.note("00.1", "right")
print([*told, progress.load_progress({str(file)!r})])
os.environ["ASIF_BUILD"] = {str(tmp_path)!r}
from asif_book import record
record("one", 0.5), record("two", 0.25)
damage = open({str(file)!r}).read().replace('"tries": 2', '"tries": "two"')
open({str(file)!r}, "w").write(damage)
print(progress.note("00.2", "right"))"""
    kept, damaged = stand_in(code).splitlines()
    assert [*read_json(tmp_path / "results.json", dict[str, Result])] == ["one", "two"]
    assert kept.startswith("['', '', Progress(exercises={'00.1': Entry(status='right', tries=2, wrong=1")
    now = "it now stands as progress.damaged-1.json, and your progress starts afresh."
    assert damaged == f"progress.json was damaged: {now}"
    assert load_progress(file).exercises["00.2"].status == "right"  # by pydantic itself
    assert load_progress(file).version == VERSION


def test_a_name_that_is_missing_says_which_edition_lacks_it():
    names = ("fft", "nn.Linear", "nn.functional.conv2d", "linalg.lu", "ones(2).backward")
    tries = "\n".join(f"try: torch.{name}\nexcept AttributeError as error: print(error)" for name in names)
    told = stand_in(tries).splitlines()
    assert len(told) == len(names) and all("in the browser's edition" in each for each in told)
