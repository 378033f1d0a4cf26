"""Every chapter, in both editions, runs from start to end; and the page of results tells what the run recorded.

The solved edition runs as a reader runs it. The student edition shares all cells but the exercises with it, so it runs
with small samples (``fast``). As many notebooks run at a time as the machine has cores. The student editions begin, so
that a browser looks at the report of them while the solved ones run.
"""

import copy
import os
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from interpreter import SOCKET

from asif_book.editions import notebooks_in
from asif_book.report import render, run_notebook
from asif_book.report.running import left_out
from asif_book.report.schedule import cores, jobs_for, thread_limits
from asif_book.results import load_results, results_table, settled
from asif_lib.files import ROOT, build_dir

# a test waits for its notebook, and so for the notebooks that run before it
pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(1_800)]

NOTEBOOKS = [
    path.relative_to(ROOT / "notebooks").as_posix()
    for path in sorted(notebooks_in(ROOT / "notebooks"), key=lambda path: (path.parent.name, -int(path.name[:2])))
]
"""Of each edition the later chapters first: they take longer, and at the end no core waits for a long one."""
PARAMETERS = {"device": os.environ.get("DEVICE", "auto"), "profile": "offline", "seed": 0}
"""In the solved edition `fast` stays as the chapter says: chapter 08 is small unless a reader asks for more."""


@pytest.fixture(scope="session")
def run_folder():
    """A folder beside a reader's own results."""
    return build_dir() / "tests"


@pytest.fixture(scope="session")
def runs(request, stamps_bank, run_folder, tmp_path_factory, kernels):
    """The runs of all notebooks that are tested, by name; they begin at once.

    The kernel of chapter 00 starts as a reader's does; the others are forked from one that has loaded PyTorch.
    """
    names = [item.callspec.params["name"] for item in request.session.items if "name" in names_of(item)]
    jobs = jobs_for(max(1, len(names)))
    limits = thread_limits(max(1, cores() // jobs))
    (run_folder / "results.json").unlink(missing_ok=True)

    def run(name):
        solved = name.startswith("solutions/")
        notebook = with_checks_once_more(ROOT / "notebooks" / name, tmp_path_factory.mktemp("twice"))
        parameters = PARAMETERS if solved else PARAMETERS | {"fast": True}
        variables = limits | {"ASIF_BUILD": str(run_folder if solved else run_folder / "fast")}  # for its numbers
        variables |= {SOCKET: ""} if "00" in name else {}
        run_notebook(notebook, run_folder / "notebooks" / name, parameters, variables)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(jobs) as pool:
        patch.setenv("JUPYTER_PATH", kernels)
        yield {name: pool.submit(run, name) for name in names}
        pool.shutdown(cancel_futures=True)


def names_of(item):
    return item.callspec.params if item.fspath == __file__ and hasattr(item, "callspec") else ()


def test_both_editions_of_all_chapters_are_there():
    chapters = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("*.py"))
    assert sorted(NOTEBOOKS) == [f"{folder}{name}.ipynb" for folder in ("", "solutions/") for name in chapters]


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
def test_notebook_runs(name, runs, run_folder):
    runs[name].result()
    output = run_folder / "notebooks" / name
    executed = nbformat.read(output, as_version=4)
    if left_out(executed):
        pytest.skip("an extra that the chapter needs is not installed")
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
    page = render(output, folder=(ROOT / "notebooks" / name).parent)
    assert "<img" in page or "asif-drawn" in page


def test_the_page_of_results_agrees_with_the_runs(runs, run_folder):
    for run in runs.values():
        run.result()
    table = results_table(load_results(run_folder / "results.json"))
    page = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")
    assert len(table.splitlines()) > 40 and set(settled(table, page).splitlines()) <= set(page.splitlines())
