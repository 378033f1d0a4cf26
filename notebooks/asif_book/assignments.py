"""Export the chapters as assignments for nbgrader, and look over what was handed in.

A check of an assignment runs in a process of its own (`referee`). A cell that replaces the check in the notebook does
not reach it. An attack on the grading process itself can still succeed: read the solutions.
"""

import ast
import re
from pathlib import Path

from asif_lib.defaults import CELL_SECONDS
from asif_lib.errors import first_line
from asif_lib.files import ROOT

from .classroom import ClassError, check_chapters
from .progress import VARIABLE

NBGRADER_SCHEMA = 3
"""Version of nbgrader's cell metadata, as nbgrader 0.9 reads and writes it."""
MOST_CELLS = 1_000
"""A chapter has about a hundred cells; a submission with more than this is not run."""
_TEST = """\
import subprocess
import sys

import cloudpickle

# The check runs in a process of its own: a check that a cell above has replaced does not count.
referee = [sys.executable, "-I", "-m", "asif_book.referee", "{number}"]
judged = subprocess.run(referee, input=cloudpickle.dumps(({arguments},)), capture_output=True)
print(judged.stdout.decode())
assert judged.returncode == 0 and judged.stdout.decode().startswith("✔ Exercise {number}"), judged.stderr.decode()"""


def export(folder: Path | str, chapters: list[str] | None = None, sources: Path | str | None = None) -> dict:
    """Write an nbgrader course with one assignment for each chapter, and return their tests with the points.

    The notebooks under ``source/`` are the solved edition with nbgrader's markers around the solutions. Each
    exercise is a solution cell, and its check an autograded test, worth as many points as the exercise card has
    dots for its difficulty.

    Raises `ClassError` if the folder holds something, there is no such chapter, or a source breaks a convention.

    Parameters
    ----------
    folder
        New or empty.
    chapters
        Numbers such as ``["01", "02"]``, default all.
    sources
        The folder of the sources, by default the checkout's.
    """
    import nbformat

    from asif_book.figures.templates import filled

    from .editions import CHAPTERS

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ClassError(f"{folder} holds something already; name a new folder.")
    sources = Path(sources or ROOT / "notebooks" / "source")
    by_number = {source.name[:2]: source for source in sorted(sources.glob(f"{CHAPTERS}.py"))}
    if not by_number:
        raise ClassError(f"{sources} holds no chapter; export from a checkout of the workbook.")
    check_chapters(chapters, by_number)
    picked = [by_number[chapter] for chapter in sorted(set(chapters or by_number))]
    notebooks = {source.stem: assignment(source) for source in picked}

    for name, notebook in notebooks.items():
        path = folder / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    config = filled("templates/nbgrader_config.py.j2", seconds=CELL_SECONDS, variable=VARIABLE)
    (folder / "nbgrader_config.py").write_text(config + "\n", encoding="utf-8")
    marks = {name: map(_marks, notebook.cells) for name, notebook in notebooks.items()}
    points = {name: {m["grade_id"]: m["points"] for m in own if "points" in m} for name, own in marks.items()}
    return {"folder": str(folder), "assignments": points}


def assignment(source: Path | str):
    """Make the notebook of one chapter with nbgrader's metadata.

    Raises `ClassError` if a check is not the one call that an autograded test is made from, or an exercise has no
    card, and `SourceError` if the source breaks a convention of the editions.
    """
    import jupytext

    from .chapters import tags_of
    from .editions import cards, editions

    source = Path(source)
    student, notebook = editions(source)
    # the solved cells once more, with the markers around their solutions, which nbgrader knows
    marked = [cell for cell in jupytext.read(source, fmt="py:percent").cells if "exercise" in tags_of(cell)]
    exercises = zip(cards(student, notebook), marked, strict=True)
    card = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":  # every chapter has a folder of its own
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](../\1/\1.ipynb", cell.source)
        elif "exercise" in tags_of(cell):
            card, original = next(exercises)
            if not (card.number and card.difficulty and card.check):
                lacks = "lacks a card before it or a check after it"
                raise ClassError(f"{source.name}: `{first_line(cell.source)}` {lacks}.")
            cell.source = original.source
            cell.metadata["nbgrader"] = _metadata(f"exercise-{card.number}", solution=True)
        elif card is not None and cell.source == card.check:
            cell.source = _test(cell.source, card.number, source.name)
            cell.metadata["tags"].append("raises-exception")  # "Run All" goes on after an unsolved exercise
            roles = {"grade": True, "locked": True, "points": card.difficulty}
            cell.metadata["nbgrader"] = _metadata(f"check-{card.number}", **roles)
    return notebook


def _metadata(name, **marks):
    grade_id = name.replace(".", "-")  # ids hold letters, digits, _ and -
    roles = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    return {"schema_version": NBGRADER_SCHEMA, "grade_id": grade_id} | roles | marks


def _test(check, number, where):
    statements = ast.parse(check).body
    call = getattr(statements[0], "value", None) if len(statements) == 1 else None
    if not isinstance(call, ast.Call) or call.keywords:
        raise ClassError(f"{where}: the check `{first_line(check)}` must be one call without keywords.")
    return _TEST.format(number=number, arguments=", ".join(map(ast.unparse, call.args)))


# What was handed in ---------------------------------------------------------------------------------------


def look_over(course: Path | str) -> tuple[dict, str]:
    """List the submissions of a course that cannot be marked, before anything is run: as a JSON value, and as text.

    Submissions are ``submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb``. Raises `ClassError` without them.
    """
    course = Path(course)
    folders = sorted(path for path in course.glob("submitted/*/*") if path.is_dir())
    if not folders:
        raise ClassError(f"{course} has no submissions: they stand in submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.")
    problems = {f"{path.parent.name}/{path.name}": _problem_in(path, course) for path in folders}
    loose = [path for pattern in ("submitted/*.ipynb", "submitted/*/*.ipynb") for path in sorted(course.glob(pattern))]
    advice = "is not in a folder STUDENT/ASSIGNMENT, and nbgrader does not see it; move it there."
    problems |= {path.relative_to(course / "submitted").as_posix(): advice for path in loose}
    problems = {name: problem for name, problem in problems.items() if problem}
    total = len(folders) + len(loose)
    lines = [f"{total - len(problems)} of {total} submissions can be marked"]
    lines += [f"{name}: {problem}" for name, problem in problems.items()]
    return {"ok": not problems, "submissions": total, "problems": problems}, "\n".join(lines)


def _problem_in(folder, course):
    import nbformat

    released = course / "source" / folder.name / f"{folder.name}.ipynb"
    if not released.exists():
        return f"the course has no assignment {folder.name}; rename the folder."
    path = folder / released.name
    if not path.exists():
        others = ", ".join(sorted(other.name for other in folder.glob("*.ipynb"))) or "no notebook"
        return f"there is no {path.name}, but {others}; rename it, or ask for the notebook again."
    try:
        return problem_of(nbformat.read(path, as_version=4), released)
    except Exception as error:  # nbformat raises errors of many kinds at a file that is no notebook
        return f"{path.name} is no notebook that can be read ({first_line(error)[:100]}); ask for it again."


def problem_of(notebook, released: Path | str) -> str:
    """Say why a submitted notebook cannot be marked; an empty string if it can.

    It must have each cell of the notebook `released` that bears points or a solution, and at most `MOST_CELLS` cells.
    """
    import nbformat

    if len(notebook.cells) > MOST_CELLS:
        return f"the notebook has {len(notebook.cells):,} cells, more than {MOST_CELLS:,}; it was not run."
    wanted, there = _graded_cells(nbformat.read(released, as_version=4)), _graded_cells(notebook)
    lost = [name for name in wanted if name not in there]
    if not lost:
        return ""
    edition = "it was not made from this release" if len(lost) == len(wanted) else f"it lacks {', '.join(lost)}"
    return f"{len(lost)} of {len(wanted)} graded cells are missing: {edition}; ask for the notebook again."


def _graded_cells(notebook):
    return [cell.metadata["nbgrader"]["grade_id"] for cell in notebook.cells if "grade_id" in _marks(cell)]


def _marks(cell):
    return cell.metadata.get("nbgrader", {})
