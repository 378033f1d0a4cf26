"""Tools for teachers: the progress of a class, and the chapters as assignments for nbgrader."""

import ast
import csv
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from asif_lib.defaults import CELL_SECONDS
from asif_lib.errors import AsifError, first_line
from asif_lib.files import ROOT, write_whole

from .overview import exercise_titles
from .progress import FILE, VARIABLE, Entry, ProgressError, in_order, load_progress

NBGRADER_SCHEMA = 3
"""Version of nbgrader's cell metadata, as nbgrader 0.9 reads and writes it."""

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


class ClassError(AsifError):
    """A folder that holds no class, or an export that cannot be made."""


# The progress of a class ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassProgress:
    """The progress files of a class."""

    students: dict[str, dict[str, Entry]] = field(default_factory=dict)  # an entry for each exercise that was tried
    unreadable: list[str] = field(default_factory=list)  # a sentence for each hand-in that could not be read
    remarks: list[str] = field(default_factory=list)  # a sentence for each thing that the teacher should know


def read_class(folder: Path | str) -> ClassProgress:
    """Read ``NAME.json`` and ``NAME/**/my_progress.json`` of every student in a folder.

    A student may hand in several files, for example one for each assignment. If two of them hold the same exercise,
    the solved one counts, otherwise the later; a remark says so. Raises `ClassError` if there is no such folder, or
    nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ClassError(f"{folder}: there is no such folder.")
    found = ClassProgress()
    for item in sorted(folder.iterdir()):
        name = _printable(item.name)
        if item.name.startswith((".", "__MACOSX")):  # what systems leave in folders and archives
            continue
        if item.is_dir():
            files = sorted(item.rglob(FILE))
            if not files:
                found.unreadable.append(f"{name}: there is no {FILE} in this folder.")
            for file in files:
                if "solutions" in file.relative_to(item).parts:
                    where = _printable(str(file.relative_to(folder)))
                    found.remarks.append(f"{where}: does not count, since it belongs to the solved notebooks.")
                else:
                    _add(found, name, file, folder)
        elif item.suffix.lower() == ".json":
            _add(found, name[: -len(".json")], item, folder)
        elif item.name.lower().endswith(_ARCHIVES):
            found.unreadable.append(f"{name}: an archive; unpack it.")
        else:
            found.remarks.append(f"{name}: no progress file; left alone.")
    if not (found.students or found.unreadable):
        raise ClassError(f"{folder} holds no progress: it should hold NAME.json or NAME/{FILE} for every student.")
    return found


def class_frame(found: ClassProgress, numbers: list[str]):
    """Make a DataFrame with one row for each student and exercise.

    Columns: student, chapter, exercise, status ("right", "wrong" or "not attempted"), tries, wrong (how many of
    them were), first_right and last (UTC, or None). An exercise that only a student's file holds has a row too.
    """
    blank = {"status": "not attempted", "tries": 0, "wrong": 0, "first_right": None, "last": None}
    rows = [
        {"student": student, "chapter": number[:2], "exercise": number}
        | (vars(entries[number]) if number in entries else blank)
        for student, entries in found.students.items()
        for number in sorted({*numbers, *entries}, key=in_order)
    ]
    return pd.DataFrame(rows, columns=["student", "chapter", "exercise", *blank])


def class_progress(folder: Path | str, csv_file: Path | str | None = None) -> tuple[dict, str]:
    """Summarise a class for ``asif class FOLDER``: as a JSON value, and as text. Raises as `read_class`."""
    found, numbers = read_class(folder), list(exercise_titles())
    frame = class_frame(found, numbers)
    for student, others in frame[~frame.exercise.isin(numbers)].groupby("student"):
        lacks = f"this workbook has no exercise {', '.join(others.exercise)}"
        found.remarks.append(f"{student}: {lacks}; the table leaves it out.")
    if csv_file is not None:
        if not Path(csv_file).absolute().parent.is_dir():
            raise ClassError(f"{csv_file}: there is no such folder to write to; make it first.")
        write_whole(csv_file, csv_text(frame).encode("utf-8-sig"))  # the mark tells spreadsheets that it is UTF-8
    known = frame[frame.exercise.isin(numbers)]
    students = [_summary(student, rows) for student, rows in known.groupby("student")]
    problems = {"unreadable": found.unreadable, "remarks": found.remarks}
    result = {"ok": not found.unreadable, "folder": str(folder), "students": students} | problems
    parts = [_table(students)] if students else []
    told = {"Not read:": found.unreadable, "Remarks:": found.remarks}
    parts += ["\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in told.items() if lines]
    return result, "\n\n".join(parts)


def csv_text(frame) -> str:
    """Write the rows of `class_frame` as csv for spreadsheets.

    Chapters and exercises become ``chapter 04`` and ``exercise 04.1``, since a spreadsheet would read 04.10 as the
    number 4.1; times are in UTC. A student's name that would begin a formula gets an apostrophe before it, and
    every text is quoted, so that a semicolon in a name does not end its field either.
    """
    frame = frame.assign(
        student=frame.student.str.replace(r"^(?=[=+\-@＝＋－＠])", "'", regex=True),
        chapter="chapter " + frame.chapter,
        exercise="exercise " + frame.exercise,
        **{column: frame[column].str.replace("T", " ").str.rstrip("Z") for column in ("first_right", "last")},
    )
    return frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)


def _add(found, student, file, folder):
    name = _printable(str(file.relative_to(folder)))
    try:
        entries = load_progress(file).exercises
    except ProgressError as error:
        found.unreadable.append(str(error).replace(str(file), name))
        return
    known = found.students.setdefault(student, {})
    twice = sorted(known.keys() & entries.keys(), key=in_order)
    if twice:
        rule = "of each, the solved one counts, or else the later"
        found.remarks.append(f"{student}: {name} is not the only file with exercise {', '.join(twice)}; {rule}.")
    for number, entry in entries.items():
        known[number] = max(known.get(number, entry), entry, key=lambda e: (e.status == "right", e.last))


def _printable(name):
    """Escape the characters of a file's name that a terminal cannot print; macOS and Linux spell é differently."""
    name = unicodedata.normalize("NFC", name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _summary(student, rows):
    right = rows.status == "right"
    last = rows["last"].dropna()
    return {
        "student": student,
        "solved": int(right.sum()),
        "of": len(rows),
        "tries": int(rows.tries.sum()),
        "last": last.max() if len(last) else None,
        "chapters": {c: {"solved": int(part.sum()), "of": len(part)} for c, part in right.groupby(rows.chapter)},
    }


def _table(students):
    columns = {
        row["student"]: {c: f"{part['solved']}/{part['of']}" for c, part in row["chapters"].items()}
        | {"solved": f"{row['solved']}/{row['of']}", "tries": row["tries"], "last activity": row["last"] or "none"}
        for row in students
    }
    with pd.option_context("display.unicode.east_asian_width", True):
        return pd.DataFrame.from_dict(columns, orient="index").rename_axis(columns="chapter").to_string()


# Assignments for nbgrader ---------------------------------------------------------------------------------


def export(folder: Path | str, chapters: list[str] | None = None, sources: Path | str | None = None) -> dict:
    """Write an nbgrader course with one assignment for each chapter, and return their tests with the points.

    The notebooks under ``source/`` are the solved edition with nbgrader's markers around the solutions. Each
    exercise is a solution cell, and its check an autograded test, worth as many points as the exercise card has
    dots for its difficulty.

    The `folder` is new or empty, `chapters` are numbers such as ``["01", "02"]``, default all, and `sources` is the
    folder of the sources, default that of the checkout.

    Raises `ClassError` if the folder holds something, there is no such chapter, or a source breaks a convention.
    """
    import nbformat

    from asif_lib.figures.templates import filled

    from .editions import CHAPTERS

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ClassError(f"{folder} holds something already; name a new folder.")
    sources = Path(sources or ROOT / "notebooks" / "source")
    by_number = {source.name[:2]: source for source in sorted(sources.glob(f"{CHAPTERS}.py"))}
    if not by_number:
        raise ClassError(f"{sources} holds no chapter; export from a checkout of the workbook.")
    for chapter in chapters or ():
        if chapter not in by_number:
            raise ClassError(f"There is no chapter {chapter!r}; the chapters are {', '.join(by_number)}.")
    picked = [by_number[chapter] for chapter in sorted(set(chapters or by_number))]
    notebooks = {source.stem: assignment(source) for source in picked}

    for name, notebook in notebooks.items():
        path = folder / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    config = filled("course/templates/nbgrader_config.py.j2", seconds=CELL_SECONDS, variable=VARIABLE)
    (folder / "nbgrader_config.py").write_text(config + "\n", encoding="utf-8")
    return {"folder": str(folder), "assignments": {name: _points(notebook) for name, notebook in notebooks.items()}}


def assignment(source: Path | str):
    """Make the notebook of one chapter with nbgrader's metadata.

    Raises `ClassError` if a check is not the one call that an autograded test is made from, or an exercise has no
    card, and `SourceError` if the source breaks a convention of the editions.
    """
    import jupytext

    from .cards import cards
    from .chapters import tags_of
    from .editions import editions

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
            cell.source = _test(cell.source, source.name)
            cell.metadata["tags"].append("raises-exception")  # "Run All" goes on after an unsolved exercise
            roles = {"grade": True, "locked": True, "points": card.difficulty}
            cell.metadata["nbgrader"] = _metadata(f"check-{card.number}", **roles)
    return notebook


def _points(notebook):
    """Points of each autograded test, by its id."""
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    return {test["grade_id"]: test["points"] for test in marks if "points" in test}


def _metadata(name, **marks):
    grade_id = name.replace(".", "-")  # ids hold letters, digits, _ and -
    roles = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    return {"schema_version": NBGRADER_SCHEMA, "grade_id": grade_id} | roles | marks


def _test(check, where):
    statements = ast.parse(check).body
    if len(statements) != 1 or not isinstance(statements[0], ast.Expr):
        raise ClassError(f"{where}: the check `{first_line(check)}` must be one call.")
    return f'verdict = {check}\ndisplay(verdict)\nassert verdict.status == "right", verdict.message'
