"""Export the chapters as an nbgrader course, and the questions of the book as a quiz for Moodle."""

import re
from pathlib import Path

from asif_book.checks.progress import VARIABLE
from asif_book.checks.quiz import LETTERS, QUESTIONS
from asif_book.classroom.overview import ClassError, check_chapters
from asif_lib.errors import first_line
from asif_lib.files import ROOT, write_whole

NBGRADER_SCHEMA = 3
"""Version of nbgrader's cell metadata, as nbgrader 0.9 reads and writes it."""
_TEST = """\
verdict = {check}
print(verdict)
assert verdict.solved, verdict.message"""
_CONFIG = f"""\
import os
from pathlib import Path

c = get_config()
c.CourseDirectory.course_id = "asif"
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("your turn")'}}
os.environ["{VARIABLE}"] = ""  # grading leaves the students' own progress files alone
course = Path(__file__).parent
for chapter in sorted(path.name for path in course.glob("source/*")):
    for path in sorted(course.glob("submitted/**/*.ipynb")):  # nbgrader passes over one in another place in silence
        path = path.relative_to(course)
        right = course / "submitted" / path.parts[1] / chapter / (chapter + ".ipynb")
        if chapter in (path.stem.casefold(), path.parent.name.casefold()) and not right.exists():
            print(f"{{path}} is not read there; put it at submitted/STUDENT/{{chapter}}/{{right.name}}")
"""


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

    from asif_book.editions.building import CHAPTERS

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
    (folder / "nbgrader_config.py").write_text(_CONFIG, encoding="utf-8")
    marks = {name: [cell.metadata.get("nbgrader", {}) for cell in made.cells] for name, made in notebooks.items()}
    points = {name: {m["grade_id"]: m["points"] for m in own if "points" in m} for name, own in marks.items()}
    return {"folder": str(folder), "assignments": points}


def assignment(source: Path | str):
    """Make the notebook of one chapter with nbgrader's metadata.

    Raises `ClassError` if an exercise has no card or no check, and `SourceError` if the source breaks a convention of
    the editions.
    """
    from asif_book.editions.building import cards, editions, written_cells
    from asif_book.editions.outline import tags_of

    source = Path(source)
    student, notebook = editions(source)
    # the solved cells once more, with the markers around their solutions, which nbgrader knows
    marked = [cell for cell in written_cells(source) if "exercise" in tags_of(cell)]
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
            cell.source = _TEST.format(check=cell.source)
            cell.metadata["tags"].append("raises-exception")  # "Run All" goes on after an unsolved exercise
            roles = {"grade": True, "locked": True, "points": card.difficulty}
            cell.metadata["nbgrader"] = _metadata(f"check-{card.number}", **roles)
    return notebook


def _metadata(name, **marks):
    grade_id = name.replace(".", "-")  # ids hold letters, digits, _ and -
    roles = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    return {"schema_version": NBGRADER_SCHEMA, "grade_id": grade_id} | roles | marks


def moodle_file(file: Path | str, source_dir: Path) -> tuple[dict, str]:
    """Write the test before and after, and the exit questions of each chapter, as a file in Moodle's XML format.

    Raises `ClassError` if the sources of the chapters are not in `source_dir`, as in a student's copy.
    """
    from asif_book.editions.building import CHAPTERS, teacher_text
    from asif_book.figures.templates import filled

    exits = {source.stem: exit_questions(teacher_text(source)) for source in sorted(source_dir.glob(f"{CHAPTERS}.py"))}
    if not exits:
        raise ClassError(f"{source_dir} holds no chapters: the exit questions come only with the teacher's copy.")
    text = filled("templates/quiz.xml.j2", questions=QUESTIONS, letters=LETTERS, exits=exits)
    Path(file).parent.mkdir(parents=True, exist_ok=True)  # the build folder
    write_whole(file, text.encode())
    about = {"file": str(file), "test": len(QUESTIONS), "exit_questions": sum(map(len, exits.values()))}
    return about, "{file}: {test} questions of the test, {exit_questions} exit questions; format: Moodle XML".format(
        **about
    )


def exit_questions(teacher: str) -> list[tuple[str, str]]:
    """Return the exit questions in a chapter's Markdown for teachers, each with its answer.

    >>> exit_questions("### Exit questions\\n\\n1. Why\\n   so?\\n\\n   > **Answer.** For\\n   > luck.\\n")
    [('Why so?', 'For luck.')]
    """
    asked = teacher.partition("### Exit questions")[2]
    found = re.findall(r"^\d+\. (.+?)\n\n\s*> \*\*Answer\.\*\* (.+?)(?=\n\n|\n*\Z)", asked, re.M | re.S)
    return [tuple(re.sub(r"\s*\n\s*(> )?", " ", text).strip() for text in pair) for pair in found]
