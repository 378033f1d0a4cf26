"""The chapters as a course of nbgrader: what is exported, what is refused, and the points that nbgrader gives."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from traitlets.config import PyFileConfigLoader

from asif_book.checks import EXERCISES
from asif_book.checks.progress import VARIABLE
from asif_book.classroom.export import NBGRADER_SCHEMA, assignment, export
from asif_book.classroom.overview import ClassError

CARD = """
# %% [markdown]
# ### Exercise 00.{number} · {title}
#
# **Difficulty** {dots} · **Minutes** 4
#
# Write it.

# %% tags=["exercise"]
def {name}(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    \"\"\"Of two vectors (d,).\"\"\"
    ### BEGIN SOLUTION
    return {solution}
    ### END SOLUTION

# %% tags=["check"]
check_{name}({name})
"""
COSINE = {"number": 1, "title": "Cosine", "dots": "●●●○○", "name": "cosine"}
SHARES = {"number": 2, "title": "Shares", "dots": "●●○○○", "name": "shares"}
CHAPTER = f"""\
# %% [markdown]
# # 00 · Tiny
#
# Next: [01 · Encoders](01_encoders.ipynb#start).

# %%
import torch

from asif_book.checks import check_cosine, check_shares
{CARD.format(solution="a @ b / (a.norm() * b.norm()).clamp_min(1e-30)", **COSINE)}
{CARD.format(solution="a * b / (a @ b).clamp_min(1e-30)", **SHARES)}
# %%
print("the chapter goes on")
"""


@pytest.fixture
def tiny(tmp_path):
    """A folder of sources with one small chapter, `00_tiny`."""
    sources = tmp_path / "source"
    sources.mkdir()
    (sources / "00_tiny.py").write_text(CHAPTER)
    return sources


def test_exercise_and_check_become_solution_and_test(tiny):
    notebook = assignment(tiny / "00_tiny.py")
    solution, test, *_ = (cell for cell in notebook.cells if "nbgrader" in cell.metadata)
    assert "### BEGIN SOLUTION" in solution.source and "a @ b" in solution.source
    assert (solution.metadata.nbgrader.grade_id, solution.metadata.nbgrader.solution) == ("exercise-00-1", True)
    marks = test.metadata.nbgrader
    assert (marks.grade_id, marks.grade, marks.locked, marks.solution) == ("check-00-1", True, True, False)
    assert marks.points == 3  # three dots on the card
    assert test.source.startswith("verdict = check_cosine(cosine)\n")
    assert "(../01_encoders/01_encoders.ipynb#start)" in notebook.cells[0].source


@pytest.mark.parametrize("old, new", [("●●●○○", ""), ('# %% tags=["check"]', "# %%")])
def test_a_chapter_that_breaks_a_convention_is_named(tiny, old, new):
    (tiny / "00_tiny.py").write_text(CHAPTER.replace(old, new, 1))
    with pytest.raises(ClassError, match=r"00_tiny\.py.*lacks a card before it or a check after it"):
        assignment(tiny / "00_tiny.py")


def test_export_of_what_is_not_there_is_an_error(tmp_path, tiny):
    with pytest.raises(ClassError, match=r"no chapter '07'; the chapters are 00"):
        export(tmp_path / "course", ["07"], sources=tiny)
    with pytest.raises(ClassError, match="holds no chapter"):
        export(tmp_path / "course", sources=tmp_path)
    assert not (tmp_path / "course").exists()


def test_the_command_makes_a_course_of_the_whole_book_and_overwrites_nothing(tmp_path, asif):
    course = tmp_path / "course"
    status, result = asif("export", course, "--json")
    tests = {test for made in result["assignments"].values() for test in made}
    assert status == 0 and tests == {f"check-{number.replace('.', '-')}" for number in EXERCISES}
    files = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    for taken in (course, course / "nbgrader_config.py"):
        with pytest.raises(ClassError, match="holds something already"):
            export(taken)
    assert files == {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    nbgraderformat = pytest.importorskip("nbgrader.nbgraderformat", reason="nbgrader is not installed")
    assert nbgraderformat.SCHEMA_VERSION == NBGRADER_SCHEMA
    for path in course.rglob("*.ipynb"):
        nbgraderformat.MetadataValidator().validate_nb(nbformat.read(path, as_version=4))


def test_a_hand_in_in_the_wrong_place_is_named_by_the_configuration(tmp_path, tiny, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, "mine.json")  # which nbgrader's configuration sets
    export(course := tmp_path / "course", sources=tiny)
    wrong = "00_tiny.ipynb", "Bob/00_Tiny/00_tiny.ipynb", "Cem/00_tiny.ipynb", "Dana/00_tiny/00_Tiny.ipynb"
    for place in (*wrong, "Ana/00_tiny/00_tiny.ipynb", "Ana/00_tiny/scratch.ipynb", "Eve/other.ipynb"):
        (course / "submitted" / place).parent.mkdir(parents=True, exist_ok=True)
        (course / "submitted" / place).touch()
    PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    put = "is not read there; put it at submitted/STUDENT/00_tiny/00_tiny.ipynb"
    assert capsys.readouterr().out.splitlines() == [f"submitted/{place} {put}" for place in wrong]


@pytest.mark.complete
def test_nbgrader_gives_a_right_solution_its_points_and_a_wrong_one_none(tmp_path, tiny, monkeypatch):
    apps = pytest.importorskip("nbgrader.apps", reason="nbgrader is not installed")
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory

    monkeypatch.setenv(VARIABLE, "mine.json")  # which nbgrader's configuration sets
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # nbgrader calls alembic by name
    course = tmp_path / "course"
    export(course, sources=tiny)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    nbgrader = apps.NbGraderAPI(CourseDirectory(config=config), config=config)
    assert nbgrader.generate_assignment("00_tiny")["success"]
    notebook = nbformat.read(course / "release/00_tiny/00_tiny.ipynb", as_version=4)
    stub = 'raise NotImplementedError("your turn")'
    cosine, shares = (cell for cell in notebook.cells if stub in cell.source)
    cosine.source = cosine.source.replace(stub, "return torch.cosine_similarity(a, b, dim=0)")
    shares.source = shares.source.replace(stub, "return a * b")
    (course / "submitted/Ana/00_tiny").mkdir(parents=True)
    nbformat.write(notebook, course / "submitted/Ana/00_tiny/00_tiny.ipynb")
    assert nbgrader.autograde("00_tiny", "Ana")["success"]
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission("00_tiny", "Ana")
        assert (submission.score, submission.max_score) == (3, 5)
    assert not [*course.rglob("*.json")]  # grading is no try
