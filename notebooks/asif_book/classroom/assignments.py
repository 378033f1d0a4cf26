"""Export the chapters as assignments for nbgrader, and look over and judge what was handed in.

No submission is run. A `Grader` takes the cells that a solution needs to a process of their own, which computes; what
it gives back is compared here. Nothing that a student writes into a notebook reaches the comparison.
"""

import ast
import contextlib
import re
import stat
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from asif_book.checks.progress import VARIABLE
from asif_book.checks.quiz import LETTERS, QUESTIONS
from asif_book.classroom.copies import alike
from asif_book.classroom.overview import ClassError, check_chapters, written_name
from asif_lib.errors import first_line
from asif_lib.files import ROOT, read_file, write_whole

NBGRADER_SCHEMA = 3
"""Version of nbgrader's cell metadata, as nbgrader 0.9 reads and writes it."""
MOST_CELLS = 1_000
"""A chapter has about a hundred cells; a submission with more than this is not run."""
MOST_BYTES = 20 << 20
"""Of a submitted notebook: it has no outputs that matter."""
_USUAL = (
    r"(?:(?:collections|contextlib|copy|dataclasses|functools|heapq|IPython|itertools|math|matplotlib"
    r"|numpy|operator|PIL|random|re|scipy|sklearn|statistics|string|time|torch|typing)\b[\w.]*)"
)
_CHECKS = r"(?:asif_book\.checks import (?:(?:check_\w+|\w+Task)(?:, |$))+$)"
SUSPICIOUS = re.compile(
    rf"^ *(from (?!{_USUAL} |{_CHECKS}).*|import (?!(?:{_USUAL}(?: as \w+)?(?:, |$))+$).*)"
    r"|\b(open|exec|eval|compile|getattr|vars|globals|locals|getsource\w*|_getframe|os|_?sys|modules|builtins|importlib"
    r"|import_module|inspect|ctypes|gc|linecache|subprocess|socket|pathlib|parents?|r?glob|listdir|scandir|kill\w*|_exit"
    r"|getppid|EXERCISES|get_ipython|gradebook|memmap|(?:from_?file|read|load|genfrom)\w*|__(?!init|call|name)\w*"
    r"|asif_(?!book\.checks )\w+|chapter_\d\d|solutions)\b|(/proc|\.ipynb|\.py)\b"
)
"""What a solution needs to get at the grader or at files, and seldom for itself."""
_TEST = """\
verdict = {check}
print(verdict)
assert verdict.solved, verdict.message"""


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
    from asif_book.figures.templates import filled

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
    config = filled("templates/nbgrader_config.py.j2", variable=VARIABLE)
    (folder / "nbgrader_config.py").write_text(config + "\n", encoding="utf-8")
    marks = {name: map(_marks, notebook.cells) for name, notebook in notebooks.items()}
    points = {name: {m["grade_id"]: m["points"] for m in own if "points" in m} for name, own in marks.items()}
    return {"folder": str(folder), "assignments": points}


def assignment(source: Path | str):
    """Make the notebook of one chapter with nbgrader's metadata.

    Raises `ClassError` if a check is not the one call that an autograded test is made from, or an exercise has no
    card, and `SourceError` if the source breaks a convention of the editions.
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
            cell.source = _test(cell.source, source.name)
            cell.metadata["tags"].append("raises-exception")  # "Run All" goes on after an unsolved exercise
            roles = {"grade": True, "locked": True, "points": card.difficulty}
            cell.metadata["nbgrader"] = _metadata(f"check-{card.number}", **roles)
    return notebook


def _metadata(name, **marks):
    grade_id = name.replace(".", "-")  # ids hold letters, digits, _ and -
    roles = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    return {"schema_version": NBGRADER_SCHEMA, "grade_id": grade_id} | roles | marks


def _test(check, where):
    statements = ast.parse(check).body
    call = getattr(statements[0], "value", None) if len(statements) == 1 else None
    if not isinstance(call, ast.Call) or call.keywords or not all(isinstance(name, ast.Name) for name in call.args):
        raise ClassError(f"{where}: the check `{first_line(check)}` must be one call of a check with names.")
    return _TEST.format(check=check)


class Grader:
    """Judges the solutions of one assignment by their source, each in a fresh process.

    Parameters
    ----------
    released : path
        The notebook under ``source/``: it says what is tested, and makes the tasks of investigations.
    """

    def __init__(self, released):
        import nbformat

        self.notebook, self._tasks = nbformat.read(released, as_version=4), {}
        tests = {_marks(cell)["grade_id"]: cell for cell in self.notebook.cells if "points" in _marks(cell)}
        self.points = {test: _marks(cell)["points"] for test, cell in tests.items()}
        """Of each test, by its id ``check-00-1``."""
        calls = {test: ast.parse(cell.source).body[0].value for test, cell in tests.items()}
        self._names = {test: [name.id for name in call.args] for test, call in calls.items()}
        self._cards = {name: ast.get_docstring(one) for name, one in _functions(self.notebook).items()}

    def verdict(self, notebook, test):
        """Judge a submitted notebook's solution for one test; `sandbox.SetupError` if nothing can be judged here."""
        from asif_book.checks import EXERCISES
        from asif_book.checks.exercise import judge
        from asif_book.checks.judging import wrong
        from asif_book.checks.sandbox import Lost, OutOfTime, fresh

        number = test.removeprefix("check-").replace("-", ".")
        name, *task = self._names[test]
        task = [self._task(test, one) for one in task]
        try:
            with fresh(_cells_before(notebook, test), name) as function:
                function.__doc__ = self._cards[name]  # may ask for a dtype
                verdict = judge(EXERCISES[number].verdict, function, *task)
        except (Lost, OutOfTime) as error:
            verdict = wrong(f"The cells of your function {error}")
        return replace(verdict, exercise=f"Exercise {number}")

    def _task(self, test, name):
        from asif_book.checks.sandbox import SetupError
        from asif_book.checks.student import Printed, run

        if test not in self._tasks:
            with contextlib.redirect_stdout(Printed()):
                self._tasks[test], error = run(_cells_before(self.notebook, test), name)
            if self._tasks[test] is None:
                why = first_line(error or "no cell does")
                raise SetupError(f"The course's own cells make no `{name}` for {test}: {why}.")
        return getattr(self._tasks[test], "afresh", lambda: self._tasks[test])()


def _cells_before(notebook, test):
    end = next(i for i, cell in enumerate(notebook.cells) if _marks(cell).get("grade_id") == test)
    return [cell.source for cell in notebook.cells[:end] if cell.cell_type == "code"]


def mark(notebook, grader):
    """Give each test of a notebook the output that says what the grader found; nbgrader makes points of it."""
    from nbformat.v4 import new_output

    for cell in notebook.cells:
        if _marks(cell).get("grade_id") in grader.points:
            verdict = grader.verdict(notebook, _marks(cell)["grade_id"])
            failed = new_output("error", ename="AssertionError", evalue=verdict.message, traceback=[str(verdict)])
            passed = new_output("stream", name="stdout", text=f"{verdict}\n")
            cell.outputs = [passed if verdict.solved else failed]


# What was handed in ---------------------------------------------------------------------------------------


def look_over(course: Path | str, *, marks=False) -> tuple[dict, str]:
    """List the submissions of a course that cannot be marked, and what to read in the others: as JSON, and as text.

    Nothing of a submission is run but for its `marks`. The grader is tried on a solution of each chapter's own.
    Submissions are ``submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb``. Raises `ClassError` without them. The list
    ``remarks`` has what the text says of the submissions that can be marked.
    """
    from asif_book.checks.sandbox import hides_files

    course = Path(course)
    folders = sorted(path for path in course.glob("submitted/*/*") if path.is_dir())
    if not folders:
        raise ClassError(f"{course} has no submissions: they stand in submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.")
    problems, suspicious, remarks, points, graders, solutions = {}, {}, [], {}, {}, defaultdict(dict)
    for folder in folders:
        name, released = f"{folder.parent.name}/{folder.name}", course / "source" / folder.name / f"{folder.name}.ipynb"
        problems[name], notebook = _read_submission(folder, released)
        if problems[name]:
            continue
        if folder.name not in graders:
            graders[folder.name] = Grader(released)
            problems[f"source/{folder.name}"] = _trial(graders[folder.name])
        grader = graders[folder.name]
        solutions[folder.name][written_name(folder.parent.name)] = _functions(notebook)
        if lines := suspicious_lines(notebook, grader.notebook):
            suspicious[written_name(name)] = lines
        if changed := _changed_tests(notebook, grader.notebook):
            remarks.append(f"{written_name(name)}: the test {', '.join(changed)} was changed, which earns no point")
        if marks:
            right = {test: grader.verdict(notebook, test).solved for test in grader.points}
            points[written_name(name)] = {test: grader.points[test] * right[test] for test in right}
    loose = [path for pattern in ("submitted/*.ipynb", "submitted/*/*.ipynb") for path in sorted(course.glob(pattern))]
    advice = "is not in a folder STUDENT/ASSIGNMENT, and nbgrader does not see it; move it there."
    problems |= {path.relative_to(course / "submitted").as_posix(): advice for path in loose}
    problems = {written_name(name): written_name(problem) for name, problem in problems.items() if problem}
    total = len(folders) + len(loose)
    lines = [f"{total - len(problems)} of {total} submissions can be marked"]
    lines += [f"{name}: {problem}" for name, problem in problems.items()]
    for name, words in suspicious.items():
        shown = "".join(f"\n    {line}" for line in dict.fromkeys(words.values()))
        remarks.append(f"{name}: read this one, it names {', '.join(words)}{shown}")
    copies = {name: alike(each, _functions(graders[name].notebook)) for name, each in solutions.items()}
    for name, groups in copies.items():
        for students, functions in groups.items():
            same = f"{name}: {', '.join(students)} have the same {', '.join(functions)}, but for names; ask them"
            remarks.append(same)
    if not hides_files():
        remarks.append("a solution can read the files of this computer, as this system hides none: see what it names")
    lines += remarks + [f"{name}: {sum(tests.values()):g} points" for name, tests in points.items()]
    result = {"ok": not problems, "submissions": total, "problems": problems, "suspicious": suspicious}
    result["alike"] = [[name, *group] for name, groups in copies.items() for group in groups.items()]
    return result | {"remarks": remarks} | ({"points": points} if marks else {}), "\n".join(lines)


def suspicious_lines(notebook, released) -> dict:
    """Return what a teacher should read in the statements that are not the release's: words, each with a line."""
    known, found = {ast.dump(statement): statement for statement in _statements(released)}, {}
    imports = (
        one for one in known.values() if isinstance(one, ast.ImportFrom) and str(one.module).startswith("asif_l")
    )
    library = {alias.asname or alias.name for one in imports for alias in one.names}
    solutions = {name: _names(one) for name, one in _functions(released).items()}
    for statement in (one for one in _statements(notebook) if ast.dump(one) not in known):
        for name in library & _names(statement) - solutions.get(getattr(statement, "name", ""), set()):
            found[name] = "the library, where the course's own solution does without"
        for node in ast.walk(statement):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # a docstring
        for line in ast.unparse(statement).split("\n"):
            for word in SUSPICIOUS.finditer(line):
                near = line[max(word.start() - 50, 0) : word.end() + 50].strip()
                found.setdefault(written_name(word.group().strip()), written_name(near))
    return dict(sorted(found.items()))


def _changed_tests(notebook, released):
    tests = {_marks(cell)["grade_id"]: cell.source for cell in released.cells if "points" in _marks(cell)}
    here = {_marks(cell)["grade_id"]: cell.source for cell in notebook.cells if "grade_id" in _marks(cell)}
    return [test for test, source in tests.items() if here[test].strip() != source.strip()]


def _names(statement):
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _functions(notebook):
    return {one.name: one for one in _statements(notebook) if isinstance(one, ast.FunctionDef)}


def _statements(notebook):
    from asif_book.checks.student import parsed

    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    return [statement for cell in cells for _, statement, _ in parsed(cell, "<cell>")]


def _trial(grader):
    """Say what is wrong with a grader that finds a solution of the course wrong; an empty string if it works."""
    test = next(iter(grader.points))
    verdict = grader.verdict(grader.notebook, test)
    return "" if verdict.solved else f"the grader finds the course's own {test} wrong: {verdict.message}"


def _read_submission(folder, released):
    """Return why a submission cannot be marked, and its notebook."""
    import nbformat

    if not released.exists():
        return f"the course has no assignment {folder.name}; rename the folder.", None
    for path in (folder.parent, folder, *folder.rglob("*")):
        if not (stat.S_ISREG(mode := path.lstat().st_mode) or stat.S_ISDIR(mode)):
            return f"{path.name} is a link or a device; remove it, or ask for the file itself.", None
    path = folder / released.name
    if not path.exists():
        others = ", ".join(sorted(other.name for other in folder.glob("*.ipynb")))
        advice = f", but {others}; rename it, or ask for the notebook again" if others else "; ask for the notebook"
        return f"there is no {path.name}{advice}.", None
    try:
        text = read_file(path, MOST_BYTES).decode("utf-8-sig")
        if not text.strip():
            return f"{path.name} is empty; ask for it again.", None
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        return problem_of(notebook, released), notebook
    except Exception as error:  # nbformat raises errors of many kinds at a file that is no notebook
        why = first_line(error).partition(":")[0][:100]  # behind the colon stands the notebook
        return f"{path.name} is no notebook that can be read ({why}); ask for it again.", None


def problem_of(notebook, released: Path | str) -> str:
    """Say why a submitted notebook cannot be marked; an empty string if it can.

    It must have each cell of the notebook `released` that bears points or a solution, and at most `MOST_CELLS` cells.
    """
    import nbformat

    if len(notebook.cells) > MOST_CELLS:
        return f"the notebook has {len(notebook.cells):,} cells, more than {MOST_CELLS:,}; it was not run."
    wanted, there = _graded_cells(nbformat.read(released, as_version=4)), _graded_cells(notebook)
    if odd := sorted({name for name in there if there.count(name) > 1 or name not in wanted}):
        return f"{', '.join(odd)[:200]}: the release has this graded cell once, or not at all; remove the other."
    lost = [name for name in wanted if name not in there]
    if not lost:
        return ""
    edition = "it was not made from this release" if len(lost) == len(wanted) else f"it lacks {', '.join(lost)}"
    return f"{len(lost)} of {len(wanted)} graded cells are missing: {edition}; ask for the notebook again."


def _graded_cells(notebook):
    return [cell.metadata["nbgrader"]["grade_id"] for cell in notebook.cells if "grade_id" in _marks(cell)]


def _marks(cell):
    marks = cell.metadata.get("nbgrader")
    return marks if isinstance(marks, dict) else {}


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
