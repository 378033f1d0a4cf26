"""Every chapter, in both editions, runs from start to end; and the README tells what the run recorded."""

import copy
import os
import re

import nbformat
import pytest

from asif_lib.course.editions import CHAPTERS
from asif_lib.course.report import render, run_notebook
from asif_lib.course.results import BEGIN, END, load_results, result_cells
from asif_lib.files import ROOT, build_dir

pytestmark = pytest.mark.notebooks

NOTEBOOKS = [
    path.relative_to(ROOT / "notebooks").as_posix()
    for folder in ("notebooks", "notebooks/solutions")
    for path in sorted((ROOT / folder).glob(f"{CHAPTERS}.ipynb"))
]
PARAMETERS = {"device": os.environ.get("DEVICE", "auto"), "profile": "offline", "seed": 0}
"""Whether a chapter is `fast` stays as it says itself: chapter 08 is small unless a reader asks for more."""


@pytest.fixture(scope="module")
def run_folder(stamps_bank):
    """What the runs write goes beside a reader's own results, not over them."""
    folder = build_dir() / "tests"
    before = os.environ.get("ASIF_BUILD")
    os.environ["ASIF_BUILD"] = str(folder)
    (folder / "results.json").unlink(missing_ok=True)
    yield folder
    if before is None:
        del os.environ["ASIF_BUILD"]
    else:
        os.environ["ASIF_BUILD"] = before


def test_both_editions_of_all_chapters_are_there():
    chapters = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("*.py"))
    assert [name[:2] for name in chapters] == [f"{number:02d}" for number in range(9)]
    assert [f"{name}.ipynb" for name in chapters] + [f"solutions/{name}.ipynb" for name in chapters] == NOTEBOOKS


def with_checks_once_more(notebook, folder):
    """A copy of a notebook with its check cells once more at the end, as a student comes back to them."""
    twice = nbformat.read(notebook, as_version=4)
    for cell in [cell for cell in twice.cells if "check" in cell.metadata.get("tags", [])]:
        again = copy.deepcopy(cell)
        again.id = f"again-{cell.id}"
        twice.cells.append(again)
    nbformat.write(twice, folder / notebook.name)
    return folder / notebook.name


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, run_folder, tmp_path):
    output = run_folder / "notebooks" / name
    run_notebook(with_checks_once_more(ROOT / "notebooks" / name, tmp_path), output, PARAMETERS)
    executed = nbformat.read(output, as_version=4)
    verdicts = [
        data["text/plain"]
        for cell in executed.cells
        if "check" in cell.metadata.get("tags", [])
        for result in cell.outputs
        if "text/html" in (data := result.get("data", {}))
    ]
    assert verdicts or name.endswith("00_start_here.ipynb")
    expected = "right" if name.startswith("solutions/") else "not attempted"
    assert all(f": {expected}." in verdict for verdict in verdicts), verdicts
    first, again = verdicts[: len(verdicts) // 2], verdicts[len(verdicts) // 2 :]
    assert first == again  # no cell in between has changed what a check needs
    printed = [o.text for cell in executed.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert not any("Warning" in text for text in printed), printed
    assert "<img" in render(output)


def test_readme_and_results_agree(run_folder):
    """Runs after the notebooks; another processor may move a figure by an item or two, not by more."""
    results = load_results(run_folder / "results.json")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index(BEGIN) : readme.index(END)]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if line[:1] == "|"
    ]
    printed = {row[0]: row[1] for row in rows[2:]}
    measured = {what: value for what, value, *_ in (result_cells(*item) for item in results.items())}
    assert set(printed) == set(measured)
    for what, value in measured.items():
        slack = 1.5 if "%" in value or "points" in value else 0.02
        assert number(printed[what]) == pytest.approx(number(value), rel=0.05, abs=slack), what


def number(cell):
    return float(re.match(r"[\d.,−-]+", cell).group().replace("−", "-").replace(",", ""))
