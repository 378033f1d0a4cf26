"""Tools for teachers: the progress files of a class, and the chapters as assignments of nbgrader."""

import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from asif_lib import cli
from asif_lib.course import classroom
from asif_lib.course.classroom import ClassError, assignment, export
from asif_lib.files import ROOT

SOURCES = ROOT / "notebooks" / "source"


def entry(status="right", tries=1, wrong=0, minute=5):
    time = f"2025-03-01T14:{minute:02}:00Z"
    first_right = time if status == "right" else None
    return {"status": status, "tries": tries, "wrong": wrong, "first_right": first_right, "last": time}


def hand_in(path, version=1, **exercises):
    """A progress file; exercise 04.1 is called e041."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbered = {f"{name[1:3]}.{name[3:]}": fields for name, fields in exercises.items()}
    path.write_text(json.dumps({"exercises": numbered, "format": "asif-progress", "version": version}))


@pytest.fixture(autouse=True)
def exercises(monkeypatch, request):
    """A workbook of two chapters with three exercises."""
    if "real_exercises" not in request.fixturenames:
        check = SimpleNamespace(title="An exercise")
        monkeypatch.setattr("asif_lib.course.checks.EXERCISES", dict.fromkeys(["00.1", "00.2", "04.1"], check))


@pytest.fixture
def folder(tmp_path):
    """Two students: one handed in a file, one two assignments as nbgrader collects them."""
    folder = tmp_path / "submitted"
    hand_in(folder / "Anna.json", e001=entry(), e002=entry("wrong", 3, 3, 9), e041=entry())
    hand_in(folder / "Zoë" / "00_start_here" / "my_progress.json", e001=entry(tries=4, wrong=2))
    hand_in(folder / "Zoë" / "04_sparsification" / "my_progress.json", e041=entry("wrong", 1, 1, 7))
    return folder


def asif(capsys, *arguments):
    status = cli.main(["class", *map(str, arguments)])
    return status, capsys.readouterr()


def test_table_of_a_class(folder, capsys):
    status, printed = asif(capsys, folder)
    assert status == 0
    assert [line.split() for line in printed.out.splitlines()] == [
        ["chapter", "00", "04", "solved", "tries", "last", "activity"],
        ["Anna", "1/2", "1/1", "2/3", "5", "2025-03-01T14:09:00Z"],
        ["Zoë", "1/2", "0/1", "1/3", "5", "2025-03-01T14:07:00Z"],
    ]


def test_class_as_json(folder, capsys):
    status, printed = asif(capsys, folder, "--json")
    result = json.loads(printed.out)
    assert (status, result["ok"], result["unreadable"], result["remarks"]) == (0, True, [], [])
    assert result["students"][1] == {
        "student": "Zoë",
        "solved": 1,
        "of": 3,
        "tries": 5,
        "last": "2025-03-01T14:07:00Z",
        "chapters": {"00": {"solved": 1, "of": 2}, "04": {"solved": 0, "of": 1}},
    }


def test_csv_has_a_row_for_each_student_and_exercise(folder, tmp_path, capsys):
    file = tmp_path / "progress.csv"
    status, _ = asif(capsys, folder, "--csv", file)
    assert status == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")  # Excel takes a file without it for Latin-1
    table = pd.read_csv(file)
    assert len(table) == 6
    assert table.iloc[1].to_dict() == {
        "student": "Anna",
        "chapter": "chapter 00",
        "exercise": "exercise 00.2",
        "status": "wrong",
        "tries": 3,
        "wrong": 3,
        "first_right": pytest.approx(float("nan"), nan_ok=True),
        "last": "2025-03-01 14:09:00",
    }
    assert table.query("student == 'Zoë'").status.tolist() == ["right", "not attempted", "wrong"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "\t=1+1", '"=1+1', "Ann;=1+1", "Ann,=1+1"])
def test_no_name_becomes_a_formula(tmp_path, capsys, name):
    hand_in(tmp_path / "class" / name / "my_progress.json", e001=entry())
    asif(capsys, tmp_path / "class", "--csv", tmp_path / "progress.csv")
    text = (tmp_path / "progress.csv").read_text(encoding="utf-8-sig")
    for separator in ",;\t":  # a spreadsheet's list separator depends on its language
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            assert not any(cell.startswith(tuple("=+-@＝\t")) for cell in row)


def test_files_that_cannot_be_read_are_named_and_the_others_counted(folder, capsys):
    (folder / "Bob.json").write_text('{"format": "asif-progr')
    (folder / "Cem.json").touch()
    hand_in(folder / "Dana" / "my_progress.json", version=2)
    (folder / "Eve" / "empty").mkdir(parents=True)
    (folder / "Finn" / "my_progress.json").mkdir(parents=True)
    (folder / "Gil.zip").touch()
    (folder / "notes.txt").touch()
    (folder / ".DS_Store").touch()
    (folder / "__MACOSX").mkdir()
    status, printed = asif(capsys, folder)
    assert status == 1
    table, unread, remarks = printed.out.rstrip("\n").split("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["Anna", "Zoë"]
    assert unread.splitlines() == [
        "Not read:",
        "  Bob.json is damaged, or no progress file of this workbook.",
        "  Cem.json is damaged, or no progress file of this workbook.",
        "  Dana/my_progress.json is of version 2 and this workbook knows version 1; use the workbook that wrote it, or "
        "rename it to begin a new one.",
        "  Eve: there is no my_progress.json in this folder.",
        "  Finn/my_progress.json cannot be read: Is a directory.",
        "  Gil.zip: an archive; unpack it.",
    ]
    assert remarks.splitlines() == ["Remarks:", "  notes.txt: no progress file; left alone."]
    result = json.loads(asif(capsys, folder, "--json")[1].out)
    assert (result["ok"], len(result["unreadable"]), len(result["students"])) == (False, 6, 2)


def test_a_class_of_unreadable_files_alone_still_writes_its_csv(tmp_path, capsys):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "Bob.json").write_text("{")
    status, printed = asif(capsys, tmp_path / "class", "--csv", tmp_path / "progress.csv")
    assert (status, printed.out.splitlines()[0]) == (1, "Not read:")
    assert (tmp_path / "progress.csv").read_text(encoding="utf-8-sig").startswith('"student","chapter"')


def test_a_student_with_two_files_is_one_student_and_the_teacher_is_told(folder, capsys):
    hand_in(folder / "Anna" / "my_progress.json", e002=entry(minute=1), e041=entry("wrong", 9, 9, 59))
    status, printed = asif(capsys, folder, "--json")
    result = json.loads(printed.out)
    assert status == 0
    assert [(s["student"], s["solved"], s["tries"]) for s in result["students"]] == [("Anna", 3, 3), ("Zoë", 1, 5)]
    (remark,) = result["remarks"]
    assert remark.startswith("Anna: Anna.json is not the only file with exercise 00.2, 04.1;")


def test_one_name_in_two_spellings_of_its_accent_is_one_student(folder, capsys):
    hand_in(folder / (unicodedata.normalize("NFD", "Zoë") + ".json"), e002=entry())
    result = json.loads(asif(capsys, folder, "--json")[1].out)
    assert [(s["student"], s["solved"]) for s in result["students"]] == [("Anna", 2), ("Zoë", 2)]


def test_progress_of_the_solved_notebooks_is_not_the_students(folder, capsys):
    hand_in(folder / "Zoë" / "handed in" / "solutions" / "my_progress.json", e002=entry())
    status, printed = asif(capsys, folder, "--json")
    result = json.loads(printed.out)
    assert (status, result["students"][1]["solved"]) == (0, 1)
    assert "Zoë/handed in/solutions/my_progress.json: does not count" in result["remarks"][0]


def test_an_exercise_that_the_workbook_lacks_is_told_and_stands_in_the_csv(folder, tmp_path, capsys):
    hand_in(folder / "Bob.json", e991=entry())
    status, printed = asif(capsys, folder, "--csv", tmp_path / "progress.csv")
    assert status == 0
    assert "Bob: this workbook has no exercise 99.1; the table leaves it out." in printed.out
    assert printed.out.splitlines()[2].split()[:4] == ["Bob", "0/2", "0/1", "0/3"]
    assert "exercise 99.1" in (tmp_path / "progress.csv").read_text()


def test_names_that_a_terminal_would_obey_or_no_encoding_holds_are_spelt_out(tmp_path, capsys):
    hand_in(tmp_path / "class" / "Bob\x1b[2J.json", e001=entry())
    hand_in(tmp_path / "class" / os.fsdecode(b"Zo\xeb.json"), e001=entry())
    status, printed = asif(capsys, tmp_path / "class", "--csv", tmp_path / "progress.csv")
    assert status == 0
    assert "Bob\\x1b[2J " in printed.out and "Zo\\udceb " in printed.out


def test_a_folder_without_a_class_is_an_error(tmp_path, capsys):
    assert asif(capsys, tmp_path / "missing")[1].err == f"asif: {tmp_path / 'missing'}: there is no such folder.\n"
    status, printed = asif(capsys, tmp_path)
    assert status == 1 and "holds no progress" in printed.err


# Assignments for nbgrader ---------------------------------------------------------------------------------

CHAPTER = '''\
# %% [markdown]
# # 00 · Tiny
#
# Next: [01 · Encoders](01_encoders.ipynb#start).

# %%
import torch

from asif_lib.course.checks import check_cosine

# %% [markdown]
# ### Exercise 00.1 · Cosine
#
# **Difficulty** ●●●○○ · **Minutes** 4
#
# Write it.

# %% tags=["exercise"]
def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Cosine of two vectors (d,)."""
    ### BEGIN SOLUTION
    lengths = float(a.norm() * b.norm())
    return float(a @ b) / lengths if lengths else 0.0
    ### END SOLUTION

# %% tags=["check"]
check_cosine(cosine)

# %%
print("the chapter goes on")
'''


@pytest.fixture
def tiny(tmp_path):
    """A folder of sources with one small chapter, `00_tiny`."""
    sources = tmp_path / "source"
    sources.mkdir()
    (sources / "00_tiny.py").write_text(CHAPTER)
    return sources


def test_exercise_and_check_become_solution_and_test(tiny):
    notebook = assignment(tiny / "00_tiny.py")
    solution, test = (cell for cell in notebook.cells if "nbgrader" in cell.metadata)
    assert "### BEGIN SOLUTION" in solution.source and "a @ b" in solution.source
    assert (solution.metadata.nbgrader.grade_id, solution.metadata.nbgrader.solution) == ("exercise-00-1", True)
    marks = test.metadata.nbgrader
    assert (marks.grade_id, marks.grade, marks.locked, marks.solution) == ("check-00-1", True, True, False)
    assert marks.points == 3  # three dots on the card
    assert test.source.startswith("verdict = check_cosine(cosine)\n")
    assert "(../01_encoders/01_encoders.ipynb#start)" in notebook.cells[0].source


def test_export_makes_a_course_of_the_chapters_that_were_asked_for(tmp_path, capsys, real_exercises):
    course = tmp_path / "course"
    status, printed = asif(capsys, "export", course, "--chapters", "04, 00", "--json")
    assert status == 0
    result = json.loads(printed.out)
    assert list(result["assignments"]) == ["00_start_here", "04_sparsification"]
    assert set(result["assignments"]["04_sparsification"]) >= {"check-04-1", "check-04-2"}
    assert {path.relative_to(course).as_posix() for path in course.rglob("*") if path.is_file()} == {
        "nbgrader_config.py",
        "source/00_start_here/00_start_here.ipynb",
        "source/04_sparsification/04_sparsification.ipynb",
    }


@pytest.fixture
def real_exercises():
    """The exercises of the workbook itself."""


def test_every_check_of_the_workbook_becomes_a_test(tmp_path, real_exercises):
    from asif_lib.course.checks import EXERCISES

    made = export(tmp_path / "course")["assignments"]
    assert {test for tests in made.values() for test in tests} == {
        f"check-{number.replace('.', '-')}" for number in EXERCISES
    }


def test_a_folder_called_export_is_read_when_its_path_is_spelt_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "export" / "Anna.json", e001=entry())
    status, printed = asif(capsys, "./export")
    assert status == 0 and "Anna" in printed.out
    status, printed = asif(capsys, "export")
    assert status == 2
    assert "Usage: asif class export" in printed.err


@pytest.mark.parametrize("command", [["class"], ["class", "export"]])
def test_help_shows_examples(command, capsys):
    assert cli.main([*command, "--help"]) == 0
    assert "examples:\n    asif class " in capsys.readouterr().out


def test_export_overwrites_nothing(tmp_path, tiny):
    course = tmp_path / "course"
    course.mkdir()
    (course / "gradebook.db").write_text("marks")
    with pytest.raises(ClassError, match="holds something already"):
        export(course, sources=tiny)
    assert [path.name for path in course.iterdir()] == ["gradebook.db"]
    with pytest.raises(ClassError, match="holds something already"):
        export(course / "gradebook.db", sources=tiny)


def test_export_of_what_is_not_there_is_an_error(tmp_path, tiny):
    with pytest.raises(ClassError, match=r"no chapter '07'; the chapters are 00"):
        export(tmp_path / "course", ["07"], sources=tiny)
    with pytest.raises(ClassError, match="holds no chapter"):
        export(tmp_path / "course", sources=tmp_path)
    assert not (tmp_path / "course").exists()


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("●●●○○", "", "lacks a card before it or a check after it"),
        ('# %% tags=["check"]', "# %%", "lacks a card before it or a check after it"),
        ("check_cosine(cosine)\n", "given = cosine\ncheck_cosine(given)\n", "must be one call"),
    ],
)
def test_a_chapter_that_breaks_a_convention_is_named(tiny, old, new, complaint):
    (tiny / "00_tiny.py").write_text(CHAPTER.replace(old, new))
    with pytest.raises(ClassError, match=rf"00_tiny\.py.*{complaint}"):
        assignment(tiny / "00_tiny.py")


def test_metadata_is_as_nbgrader_wants_it(tmp_path, real_exercises):
    nbgraderformat = pytest.importorskip("nbgrader.nbgraderformat", reason="nbgrader is not installed")
    assert nbgraderformat.SCHEMA_VERSION == classroom.NBGRADER_SCHEMA
    export(tmp_path / "course")
    notebooks = sorted((tmp_path / "course").rglob("*.ipynb"))
    assert len(notebooks) >= 6
    for path in notebooks:
        nbgraderformat.MetadataValidator().validate_nb(nbformat.read(path, as_version=4))


def nbgrader(course, *arguments):
    command = [sys.executable, "-m", "nbgrader", *arguments]
    run = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


@pytest.mark.notebooks
def test_nbgrader_fails_the_unsolved_and_passes_the_solved_chapter(tmp_path, tiny, monkeypatch):
    api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # nbgrader calls alembic by name
    course = tmp_path / "course"
    export(course, sources=tiny)
    nbgrader(course, "generate_assignment", "00_tiny")
    released = (course / "release" / "00_tiny" / "00_tiny.ipynb").read_text()
    stub = 'raise NotImplementedError(\\"your turn\\")'
    assert stub in released and "a @ b" not in released

    solution = "n = float(a.norm() * b.norm())\\n    return float(a @ b) / n if n else 0.0"
    for student, text in {"Una": released, "Sol": released.replace(stub, solution)}.items():
        file = course / "submitted" / student / "00_tiny" / "00_tiny.ipynb"
        hand_in(file.with_name("my_progress.json"), e001=entry())
        file.write_text(text)
    nbgrader(course, "autograde", "00_tiny")

    with api.Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        scores = {s.student_id: (s.score, s.max_score) for s in gradebook.assignment_submissions("00_tiny")}
    assert scores == {"Una": (0.0, 3.0), "Sol": (3.0, 3.0)}
    graded = nbformat.read(course / "autograded" / "Una" / "00_tiny" / "00_tiny.ipynb", as_version=4)
    (error,) = (o for cell in graded.cells for o in cell.get("outputs", []) if o.output_type == "error")
    assert (error.ename, error.evalue) == (
        "AssertionError",
        "Replace the line that raises NotImplementedError by your own.",
    )
    assert graded.cells[-1].outputs[0].text == "the chapter goes on\n"
    progress = course / "autograded" / "Sol" / "00_tiny" / "my_progress.json"
    assert json.loads(progress.read_text())["exercises"]["00.1"]["tries"] == 1  # grading is no try
