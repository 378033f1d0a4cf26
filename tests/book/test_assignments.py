"""The chapters as assignments of nbgrader: what is exported, what is refused, and marks that cannot be forged."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from interpreter import PYTHON

from asif_book.checks import EXERCISES
from asif_book.checks.sandbox import fresh, hides_files
from asif_book.checks.student import landlock, run
from asif_book.classroom.assignments import NBGRADER_SCHEMA, Grader, assignment, export, suspicious_lines
from asif_book.classroom.overview import ClassError
from asif_lib.files import ROOT

CHAPTER = '''\
# %% [markdown]
# # 00 · Tiny
#
# Next: [01 · Encoders](01_encoders.ipynb#start).

# %%
import torch

from asif_book.checks import check_cosine

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


@pytest.fixture
def course(tmp_path, tiny):
    """The course of the chapter."""
    export(tmp_path / "course", sources=tiny)
    return tmp_path / "course"


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


def test_export_makes_a_course_of_the_chapters_that_were_asked_for_and_overwrites_nothing(tmp_path, asif):
    course = tmp_path / "course"
    status, result = asif("export", course, "--chapters", "04, 00", "--json")
    assert status == 0 and list(result["assignments"]) == ["00_start_here", "04_sparsification"]
    assert set(result["assignments"]["04_sparsification"]) >= {"check-04-1", "check-04-2"}
    files = {path.relative_to(course).as_posix(): path.read_bytes() for path in course.rglob("*") if path.is_file()}
    notebooks = ("source/00_start_here/00_start_here.ipynb", "source/04_sparsification/04_sparsification.ipynb")
    assert set(files) == {"nbgrader_config.py", *notebooks}
    for taken in (course, course / "nbgrader_config.py"):
        with pytest.raises(ClassError, match="holds something already"):
            export(taken)
    assert files == {name: (course / name).read_bytes() for name in files} and len([*course.iterdir()]) == 2


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


def test_every_check_of_the_workbook_becomes_a_test_with_metadata_as_nbgrader_wants_it(tmp_path):
    made = export(tmp_path / "course")["assignments"]
    tests = {test for tests in made.values() for test in tests}
    assert tests == {f"check-{number.replace('.', '-')}" for number in EXERCISES}
    nbgraderformat = pytest.importorskip("nbgrader.nbgraderformat", reason="nbgrader is not installed")
    assert nbgraderformat.SCHEMA_VERSION == NBGRADER_SCHEMA
    notebooks = sorted((tmp_path / "course").rglob("*.ipynb"))
    assert len(notebooks) >= 6
    for path in notebooks:
        nbgraderformat.MetadataValidator().validate_nb(nbformat.read(path, as_version=4))


def nbgrader(course, *arguments, status=0):
    command = [*PYTHON, "-m", "nbgrader", *arguments]
    run = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300)
    assert run.returncode == status, run.stderr
    return run.stdout + run.stderr


def released_and(submitted, course, student, name="00_tiny"):
    """Hand in a notebook."""
    file = course / "submitted" / student / name / f"{name}.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(submitted, file)
    return file


def without_graded_cells(notebook):
    notebook.cells = [cell for cell in notebook.cells if "nbgrader" not in cell.metadata]
    return notebook


def test_submissions_that_cannot_be_marked_are_named_before_anything_runs(tmp_path, tiny, course, asif):
    def handed_in(student, name="00_tiny", change=lambda notebook: None):
        notebook = assignment(tiny / "00_tiny.py")
        change(notebook)
        return released_and(notebook, course, student, name)

    new_code_cell = nbformat.v4.new_code_cell
    test = lambda cell: cell.metadata.get("nbgrader", {}).get("grade_id") == "check-00-1"  # noqa: E731
    handed_in("Anna", change=lambda n: n.cells.append(new_code_cell("import inspect\nget_ipython()")))
    handed_in("Bob", change=lambda n: n.cells.extend(new_code_cell("1") for _ in range(10_000)))
    handed_in("Cem", change=without_graded_cells)
    handed_in("Dana", change=lambda n: n.cells.remove(next(filter(test, n.cells))))
    renamed = handed_in("Eve")
    renamed.rename(renamed.with_name("my copy.ipynb"))
    handed_in("Finn").write_text("{")
    handed_in("Gil", "09_unknown")
    handed_in("Hal", change=lambda n: n.cells.append(next(filter(test, n.cells))))
    endless = handed_in("Ida")
    endless.unlink()
    endless.symlink_to("/dev/zero")
    os.mkfifo(handed_in("Joe").with_name("data.csv"))
    handed_in("Lea").write_text(" \n")
    handed_in("Mia").unlink()
    handed_in("Kim", change=lambda n: n.cells[-1].metadata.update(nbgrader={"grade_id": "\x1b[2J"}))
    (course / "submitted" / "00_tiny.ipynb").write_text("{}")
    status, result = asif("check", course, "--json")
    assert (status, result["ok"], result["submissions"]) == (1, False, 14)
    assert result["problems"] == {
        "Bob/00_tiny": "the notebook has 10,006 cells, more than 1,000; it was not run.",
        "Cem/00_tiny": "2 of 2 graded cells are missing: it was not made from this release; ask for the notebook "
        "again.",
        "Dana/00_tiny": "1 of 2 graded cells are missing: it lacks check-00-1; ask for the notebook again.",
        "Eve/00_tiny": "there is no 00_tiny.ipynb, but my copy.ipynb; rename it, or ask for the notebook again.",
        "Finn/00_tiny": "00_tiny.ipynb is no notebook that can be read (Notebook does not appear to be JSON); ask for "
        "it again.",
        "Gil/09_unknown": "the course has no assignment 09_unknown; rename the folder.",
        "Hal/00_tiny": "check-00-1: the release has this graded cell once, or not at all; remove the other.",
        "Ida/00_tiny": "00_tiny.ipynb is a link or a device; remove it, or ask for the file itself.",
        "Joe/00_tiny": "data.csv is a link or a device; remove it, or ask for the file itself.",
        "Kim/00_tiny": "\\x1b[2J: the release has this graded cell once, or not at all; remove the other.",
        "Lea/00_tiny": "00_tiny.ipynb is empty; ask for it again.",
        "Mia/00_tiny": "there is no 00_tiny.ipynb; ask for the notebook.",
        "00_tiny.ipynb": "is not in a folder STUDENT/ASSIGNMENT, and nbgrader does not see it; move it there.",
    }
    found = {"get_ipython": "get_ipython()", "import inspect": "import inspect"}
    assert result["suspicious"] == {"Anna/00_tiny": found}
    assert asif("check", tmp_path / "other")[1].err.startswith(f"asif: {tmp_path / 'other'} has no submissions")


HONEST = """
import math as m
from torch.linalg import norm
%matplotlib inline
class Lengths:
    of = staticmethod(norm)
TABLE = {}
TABLE["least"] = 1e-30
from asif_book.checks import FailureTask
def helper(a, b, task: FailureTask = None):
    return float(a @ b) / m.fsum([max(float(Lengths.of(a) * Lengths.of(b)), TABLE["least"])])
raise RuntimeError("a cell of no concern")
"""
TAKEN = f"""
import os, socket, subprocess, sys, torch, asif_lib
from pathlib import Path
ROOT, CHECKS = {str(ROOT)!r}, "notebooks/asif_book/chapters/chapter_00/checks.py"
"""
TAKEN += """
def by_a_name_put_together():
    for name in [name for name in sys.modules if name.startswith("asif_book")]: del sys.modules[name]
    return __import__("asif_book." + "chapters.chapter_00." + "checks", fromlist=["cosine"]).__file__
def from_the_folder_of_the_parent():
    sys.path.insert(0, os.path.realpath(f"/proc/{os.getppid()}/cwd") + "/notebooks")
    return by_a_name_put_together()
WAYS = {
    "beside the library": lambda: (Path(asif_lib.__file__).resolve().parents[1] / CHECKS).read_text(),
    "at a known place": lambda: open(f"{ROOT}/{CHECKS}").read(),
    "where modules are searched": lambda: next(f for p in sys.path for f in Path(p).resolve().rglob("chapter_*")),
    "in the own folder": lambda: Path(CHECKS).read_text(),
    "by a name put together": by_a_name_put_together,
    "by PyTorch": lambda: torch.from_file(f"{ROOT}/{CHECKS}", size=1_000, dtype=torch.uint8),
    "by a program": lambda: subprocess.check_output(["cat", f"{ROOT}/{CHECKS}"]),
    "from the parent's folder": from_the_folder_of_the_parent,
    "in the parent's memory": lambda: open(f"/proc/{os.getppid()}/maps").read(),
    "by a signal to the parent": lambda: os.kill(os.getppid(), 0),
    "from a server": lambda: socket.create_connection(("127.0.0.1", PORT)),
}
def helper():
    found = []
    for name, way in WAYS.items():
        try:
            way()
            found.append(name)
        except (OSError, RuntimeError, ImportError, StopIteration):
            pass
    return found"""
STOLEN = {
    "the reference": "from asif_book.checks import EXERCISES\nhelper = EXERCISES['00.1'].reference",
    "the reference by its file": """
def helper(a, b):
    from asif_book.chapters.chapter_00.checks import cosine
    return cosine(a, b)""",
    "the stack": """
def helper(a, b):
    import gc, sys
    frame, found = sys._getframe(), []
    while frame:
        found += [v for k, v in frame.f_locals.items() if k in ("expected", "wanted") and isinstance(v, float)]
        frame = frame.f_back
    return found[0]""",
    "an own reply": """
def helper(a, b):
    import sys
    frame = sys._getframe()
    while "self" not in frame.f_locals: frame = frame.f_back
    replies = ["print", ["✔"], 1, 1], ["right", "✔"], ["result", 1.0, False, "right"], ["raised"]
    for reply in replies: frame.f_locals["self"].send(*reply)
    return 1.0""",
    "other comparisons": """
import torch
torch.allclose = torch.equal = torch.Tensor.__ne__ = lambda *a, **k: True
class Equal(float):
    __eq__ = __le__ = __ge__ = lambda *_: True
    __sub__ = __rsub__ = lambda *_: 0.0
def helper(a, b): return Equal(7)""",
    "pickles": """
class Result:
    def __reduce__(self): return print, ("✔ Exercise 00.1: right.",)
def helper(a, b): return Result()""",
    "no end": "def helper(a, b):\n    import os\n    os._exit(0)",
    "no end of a cell": "import os\nhelper = os._exit(0)",
    "a flood": "def helper(a, b):\n    while True: print('✔ Exercise 00.1: right.' * 10_000)",
}


def test_a_solution_reaches_no_file_no_process_and_no_server():
    if not hides_files() or landlock() < 6:
        pytest.skip("this system hides not all of these")
    server = socket.create_server(("127.0.0.1", 0))
    with server, fresh([TAKEN, f"PORT = {server.getsockname()[1]}"], "helper") as helper:
        assert helper() == []


def test_what_a_teacher_should_read_is_named_with_its_line_and_honest_code_is_not(tiny, course):
    released = assignment(tiny / "00_tiny.py")
    assert suspicious_lines(solved_by(HONEST, tiny), released) == {}
    found = suspicious_lines(solved_by(TAKEN, tiny), released)
    imports = "import os, socket, subprocess, sys, torch, asif_lib"
    assert {imports, "open", "modules", "__import__", "__file__", "parents", "asif_book", "/proc"} <= set(found)
    assert "lambda: open(f'{ROOT}/{CHECKS}').read()" in found["open"]
    checks = (f"from asif_book.checks import {name}" for name in ("chapter_00", "exercise", "Verdict", "*"))
    lines = ("import torch, urllib.request", "from asif_lib.search import top_anchors", "x = torch.os", "y = vars")
    for line in (*lines, *checks, "import asif_book.checks as checks"):
        assert list(suspicious_lines(solved_by(line, tiny), released).values()) == [line]
    borrowed = solved_by("def helper(a, b):\n    return unit_rows(a) @ b", tiny)
    for notebook in (released, borrowed):
        notebook.cells.insert(0, nbformat.v4.new_code_cell("from asif_lib.relative import unit_rows"))
    assert list(suspicious_lines(borrowed, released)) == ["unit_rows"]


def test_a_system_that_hides_no_files_is_named(tiny, course, asif, monkeypatch):
    released_and(assignment(tiny / "00_tiny.py"), course, "Anna")
    assert "can read the files" not in asif("check", course)[1].out or not hides_files()
    monkeypatch.setattr("asif_book.checks.sandbox.landlock", lambda: 0)
    assert "a solution can read the files of this computer" in asif("check", course)[1].out


def test_the_dtype_of_the_card_counts_and_not_that_of_the_solution(tiny, grader):
    asked = CHAPTER.replace("-> float", "").replace("(d,).", "(d,).\n\n    returns: float32\n    ")
    (tiny / "00_tiny.py").write_text(asked)
    code = "return torch.nn.functional.cosine_similarity(a.double(), b.double(), 0)"
    solution = solved_by(f"import torch\ndef helper(a, b):\n    {code}", tiny)
    assert grader.verdict(solution, "check-00-1").status == "right"
    nbformat.write(assignment(tiny / "00_tiny.py"), tiny / "00_tiny.ipynb")
    assert "float32 is wanted" in Grader(tiny / "00_tiny.ipynb").verdict(solution, "check-00-1").message


def solved_by(source, tiny):
    """A submission whose solution calls a helper of an earlier cell."""
    notebook = assignment(tiny / "00_tiny.py")
    place = next(i for i, cell in enumerate(notebook.cells) if "BEGIN SOLUTION" in cell.source)
    notebook.cells[place].source = "def cosine(a, b):\n    return helper(a, b)"
    notebook.cells.insert(place, nbformat.v4.new_code_cell(source))
    return notebook


@pytest.fixture
def grader(course):
    return Grader(course / "source" / "00_tiny" / "00_tiny.ipynb")


def test_a_grader_finds_what_an_honest_solution_needs(grader, tiny):
    verdict = grader.verdict(solved_by(HONEST, tiny), "check-00-1")
    assert verdict.status == "right", verdict


def test_of_a_notebook_only_that_runs_which_a_solution_rests_on(capsys):
    cells = [
        "import math, os\nn = 3\nfar = print('far')\nseen = {}",
        "%time 1\nseen['n'] = n\nprint(f(1))",
        "for i in range(2):\n    n += i",
        "def other(n):\n    return far\nclass Near:\n    least = n",
        "print('no Python",
        "def f(x, far=1):\n    os = lambda n: n + far\n    return math.floor(x) + Near.least + os(seen['n'])",
    ]
    function, failed = run(cells, "f")
    assert (function(1.5), failed, capsys.readouterr().out) == (1 + 4 + 4, None, "")
    assert isinstance(run(["x = 1 / 0"], "x")[1], ZeroDivisionError)
    assert isinstance(run(["x = await later()"], "x")[1], SyntaxError)


@pytest.mark.parametrize("kind", STOLEN)
def test_a_grader_is_told_no_verdict(grader, tiny, kind, monkeypatch):
    monkeypatch.setattr("asif_book.checks.sandbox.TIME_LIMIT", 1)
    assert grader.verdict(solved_by(STOLEN[kind], tiny), "check-00-1").status == "wrong"


def test_a_grader_that_cannot_work_says_so_and_gives_no_marks(tmp_path, tiny, course, asif, monkeypatch):
    released_and(assignment(tiny / "00_tiny.py"), course, "Anna")
    status, result = asif("check", course, "--marks", "--json")
    assert (status, result["points"]) == (0, {"Anna/00_tiny": {"check-00-1": 3}})
    for program in ("/bin/false", str(tmp_path / "missing")):
        monkeypatch.setattr(sys, "executable", program)
        status, printed = asif("check", course, "--marks")
        assert status == 1 and printed.err.startswith("asif: Nothing is judged, since no process for a solution starts")


FORGERIES = """
import sys, subprocess, types, torch, asif_book.checks
from asif_book.checks import Verdict
RIGHT = Verdict('', 'right', '')
for name in list(globals()):
    if name.startswith('check_'): globals()[name] = lambda *a: RIGHT
asif_book.checks.check_cosine.verdict = lambda *a: RIGHT
torch.allclose = lambda *a, **k: True
said = lambda command, **k: types.SimpleNamespace(returncode=0, stdout=f"✔ Exercise {command[-1]}: right".encode())
subprocess.run, sys.executable = said, "/bin/true"
get_ipython().input_transformers_cleanup.append(lambda lines: [] if "check" in "".join(lines) else lines)
"""
SECOND = '''
# %% [markdown]
# ### Exercise 00.2 · Shares
#
# **Difficulty** ●●○○○ · **Minutes** 4
#
# Write it.

# %% tags=["exercise"]
def shares(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Shares of the products of (n,) and (n,), (n,)."""
    ### BEGIN SOLUTION
    return a * b / (a @ b).clamp_min(1e-30)
    ### END SOLUTION

# %% tags=["check"]
check_shares(shares)

# %%
print'''


def score_of(course, notebook, student):
    api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed")
    with api.Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission(notebook, student)
        return submission.score, submission.max_score


def test_a_class_is_marked_and_no_forgery_earns_a_point(tmp_path, tiny, monkeypatch, kernels):
    """Una solves one exercise of two, by a function of hers; Fay forges the first, by all means at once, and the second
    by a function that ends the process; Emp hands in no graded cell."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # nbgrader calls alembic by name
    monkeypatch.setenv("JUPYTER_PATH", kernels)
    two = CHAPTER.replace("import check_cosine", "import check_cosine, check_shares")
    (tiny / "00_tiny.py").write_text(two.replace("\n# %%\nprint", SECOND))
    course = tmp_path / "course"
    export(course, sources=tiny)
    nbgrader(course, "generate_assignment", "00_tiny")
    released = (course / "release" / "00_tiny" / "00_tiny.ipynb").read_text()
    stub = 'raise NotImplementedError("your turn")'
    assert stub.replace('"', '\\"') in released and "a @ b" not in released

    def handed_in(student, first, extra):
        notebook = nbformat.reads(released, as_version=4)
        one, two = (cell for cell in notebook.cells if stub in cell.source)
        one.source, two.source = one.source.replace(stub, first), two.source.replace(stub, "return helper(a, b)")
        notebook.cells.insert(notebook.cells.index(one) + 1, nbformat.v4.new_code_cell(extra))
        released_and(notebook, course, student).with_name("my_progress.json").write_text("kept")
        return notebook

    una = handed_in("Una", stub, "def helper(a, b):\n    return a * b / (a @ b).clamp_min(1e-30)")
    handed_in("Fay", "return a @ b", FORGERIES + STOLEN["no end"])
    released_and(without_graded_cells(una), course, "Emp")
    run = nbgrader(course, "autograde", "00_tiny", status=1)

    assert "Emp: 4 of 4 graded cells are missing" in run
    assert {name: score_of(course, "00_tiny", name) for name in ("Una", "Fay")} == {"Una": (2, 5), "Fay": (0, 5)}
    graded = nbformat.read(course / "autograded" / "Una" / "00_tiny" / "00_tiny.ipynb", as_version=4)
    (error,) = (o for cell in graded.cells for o in cell.get("outputs", []) if o.output_type == "error")
    assert error.ename == "AssertionError"
    assert error.evalue.strip() == "Replace the line that raises NotImplementedError by your own."
    assert not graded.cells[-1].outputs  # nothing but the solutions is run
    assert (course / "autograded" / "Una" / "00_tiny" / "my_progress.json").read_text() == "kept"  # grading is no try


LONG = """\
    both = (A * B).sum()
    squares = [float((side * side).sum()) for side in (A, B)]
    lengths = (squares[0] * squares[1]) ** 0.5
    return float(both) / lengths if lengths else 0.0"""


def test_grade_files_tell_not_marked_from_0_and_copies_are_named(tmp_path, tiny, course, asif):
    """Ana and Ben have one solution under other names, Cy's is wrong, Dot's lacks the test, Eva handed in nothing, and
    Fay writes her own test."""

    def handed_in(code):
        notebook = assignment(tiny / "00_tiny.py")
        cell = next(cell for cell in notebook.cells if "BEGIN SOLUTION" in cell.source)
        cell.source = cell.source.partition("    ### BEGIN SOLUTION\n")[0] + code
        return notebook

    ana = LONG.replace("A", "a").replace("B", "b")
    released_and(handed_in(ana), course, "Ana")
    released_and(handed_in(ana.replace("squares", "s").replace("both", "x") + "  # mine"), course, "Ben")
    released_and(handed_in("    return 0.0"), course, "Cy")
    released_and(without_graded_cells(handed_in(ana)), course, "Dot")
    forged = handed_in("    return 0.0")
    next(cell for cell in forged.cells if "check_cosine(" in cell.source).source = "print('✔ Exercise 00.1: right.')"
    released_and(forged, course, "Fay")
    roster = "Student,ID,SIS Login ID\n    Points Possible,,\nAna,1,a@x\nBen,2,b@x\nCy,3,\nDot,4,\n" + '"Ng, Eva",5,\n'
    (tmp_path / "names.txt").write_text(roster)
    moodle, canvas = tmp_path / "moodle.csv", tmp_path / "canvas.csv"
    options = ("--moodle", moodle, "--canvas", canvas, "--roster", tmp_path / "names.txt")
    status, told = asif("grades", course, *options)
    assert status == 0 and "Ng, Eva/00_tiny: not marked, nothing was handed in" in told.out
    assert "Fay/00_tiny: the test check-00-1 was changed, which earns no point" in told.out
    assert "not on the roster: Fay" in told.out and "Ana, Ben have the same cosine" in told.out
    table = pd.read_csv(moodle).set_index("student")
    marks = {"Ana": 3, "Ben": 3, "Cy": 0, "Dot": -1, "Fay": 0, "Ng, Eva": -1}
    assert table["00_tiny (of 3)"].fillna(-1).to_dict() == marks and table.loc["Ana", "SIS Login ID"] == "a@x"
    assert "graded cells are missing" in table.loc["Dot", "00_tiny (of 3), feedback"]
    table = pd.read_csv(canvas).set_index("Student")
    assert table.loc["Ng, Eva", "ID"] == 5
    table = table["00_tiny"]
    assert table["Points Possible"] == 3 and table["Cy"] == 0 and table[["Dot", "Ng, Eva"]].isna().all()
    moodle.write_text("marks of mine")
    status, told = asif("grades", course, "--moodle", moodle)
    assert status == 1 and "is there already" in told.err and moodle.read_text() == "marks of mine"
    assert "cannot be written; its folder must" in asif("grades", course, "--canvas", tmp_path / "no" / "x.csv")[1].err
