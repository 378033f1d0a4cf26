"""Every chapter runs from start to end, both editions in one kernel; and the page of results tells what was recorded.

The editions share all cells but the exercises. After each check of a solution, the student's stub takes its place, and
is checked: what follows runs as in a student's notebook. As many chapters run at a time as the machine has cores.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from tolerance import moved

from asif_book.chapters.results import BEGIN, load_results, results_table
from asif_book.editions.building import CHAPTERS, notebooks_in
from asif_book.report import render, run_notebook
from asif_book.report.running import jobs, left_out, thread_limits
from asif_lib.files import ROOT, build_dir

# a test waits for its chapter, and so for the chapters that run before it
pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(1_800)]

NAMES = sorted((path.name for path in (ROOT / "notebooks").glob(f"{CHAPTERS}.ipynb")), key=lambda name: -int(name[:2]))
"""The later chapters first: they take longer, and at the end no core waits for a long one."""
PARAMETERS = {"device": os.environ.get("DEVICE", "auto"), "profile": "offline", "seed": 0}
"""`fast` stays as the chapter says, so chapter 08 is small; the workflow weekly runs all with `fast`."""


def both_editions(name):
    """The notebooks of a student and of a solved chapter."""
    return [nbformat.read(ROOT / "notebooks" / folder / name, as_version=4) for folder in ("", "solutions")]


def copy_of(cell, id):
    copy = nbformat.from_dict(cell)
    copy.id = id
    return copy


def is_check(cell):
    return "check" in cell.metadata.get("tags", [])


def merged(student, solved):
    """One notebook of both: behind each check of a solution the stub and its check, and the solutions again at the end.

    A student comes back to a check, and no cell in between may have changed what it needs.
    """
    cells, stubs, again, own = [], [], [], []
    for stub, solution in zip(student.cells, solved.cells, strict=True):
        assert stub.id == solution.id
        cells.append(solution)
        if solution.cell_type == "code" and stub.source != solution.source:
            stubs.append(copy_of(stub, f"stub-{stub.id}"))
            own.append(copy_of(solution, f"again-{solution.id}"))
        if is_check(solution):
            cells += [*stubs, copy_of(solution, f"stub-{solution.id}")]
            again += [*own, copy_of(solution, f"again-{solution.id}")]
            stubs, own = [], []
    assert not stubs
    return nbformat.v4.new_notebook(metadata=solved.metadata, cells=[*cells, *again])


def written(ran, notebook, path, edition=""):
    """Write an edition with the outputs that its cells had in the run of both."""
    found = {cell.id: cell for cell in ran.cells if cell.cell_type == "code"}
    of = {cell.id: found.get(f"{edition}-{cell.id}", found.get(cell.id, cell)) for cell in notebook.cells}
    cells = [copy_of(cell, id) for id, cell in of.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(metadata=ran.metadata, cells=cells), path)


@pytest.fixture(scope="session")
def run_folder():
    """A folder beside a reader's own results."""
    return build_dir() / "tests"


@pytest.fixture(scope="session")
def runs(request, stamps_bank, run_folder, tmp_path_factory):
    """The runs of all chapters that are tested, by name, each with its executed notebook; they begin at once."""
    names = [item.callspec.params["name"] for item in request.session.items if "name" in names_of(item)]
    at_a_time = jobs()
    limits = thread_limits(at_a_time) | {"ASIF_BUILD": str(run_folder)}  # for its numbers
    (run_folder / "results.json").unlink(missing_ok=True)

    def run(name):
        both, made = both_editions(name), tmp_path_factory.mktemp("merged") / name
        nbformat.write(merged(*both), made)
        run_notebook(made, output := run_folder / "merged" / name, PARAMETERS, limits)
        ran = nbformat.read(output, as_version=4)
        for notebook, folder, edition in zip(both, ("", "solutions"), ("stub", ""), strict=True):
            written(ran, notebook, run_folder / "notebooks" / folder / name, edition)
        return ran

    with ThreadPoolExecutor(at_a_time) as pool:
        yield {name: pool.submit(run, name) for name in names}
        pool.shutdown(cancel_futures=True)


def names_of(item):
    return item.callspec.params if item.fspath == __file__ and hasattr(item, "callspec") else ()


def test_both_editions_of_all_chapters_are_there():
    chapters = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("*.py"))
    found = sorted(path.relative_to(ROOT / "notebooks").as_posix() for path in notebooks_in(ROOT / "notebooks"))
    assert found == [f"{folder}{name}.ipynb" for folder in ("", "solutions/") for name in chapters]


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_in_both_editions(name, runs, run_folder):
    executed = runs[name].result()
    if left_out(executed):
        pytest.skip("an extra that the chapter needs is not installed")
    verdicts = {
        cell.id: data["text/plain"]
        for cell in filter(is_check, executed.cells)
        for result in cell.outputs
        if "text/html" in (data := result.get("data", {}))
    }
    assert verdicts or name == "00_start_here.ipynb"
    for where, verdict in verdicts.items():
        assert f": {'not attempted' if where.startswith('stub-') else 'right'}." in verdict, verdict
    solved = {where: verdict for where, verdict in verdicts.items() if "-" not in where}
    for edition in ("stub", "again"):  # no cell in between has changed what a check needs
        assert all(f"{edition}-{where}" in verdicts for where in solved)
    assert all(verdicts[f"again-{where}"] == verdict for where, verdict in solved.items())
    printed = [o.text for cell in executed.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert not any("Warning" in text for text in printed), printed
    for folder in ("", "solutions"):
        page = render(run_folder / "notebooks" / folder / name, folder=ROOT / "notebooks" / folder)
        assert "<img" in page or "asif-drawn" in page


def test_the_page_of_results_agrees_with_the_runs(runs, run_folder):
    for run in runs.values():
        run.result()
    table = results_table(load_results(run_folder / "results.json"))
    page = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")
    assert moved(page.partition(BEGIN)[2].partition("\n\n")[0].strip(), table) == []
