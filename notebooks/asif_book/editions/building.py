"""Editions of the workbook from one source: the student's, the solved one, a browser's, and a teacher's guide.

A chapter is written once, as ``notebooks/source/NN_topic.py`` in jupytext's percent format. In a cell tagged
``exercise`` the lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (nbgrader's markers) belong to the solved
edition only. Where no code stands there, but only a comment with the idea, the solution is the reference of the
exercise's check, and a usual mistake that the check knows follows the comment. Cells tagged ``teacher`` go into the
guide only. A cell tagged ``full`` stays out of the browser's edition, and of a section that begins with one only the
exercises stay. The code of a cell tagged ``hide-input`` is folded but for its first line, a comment. One cell sets a
chapter up, also on Colab: it is tagged ``parameters``, and begins with them. Each notebook gets one more cell, which
links the chapters before and after, and in its opening cell the sections of the core path. The README's table of
chapters is made from the sources too. ``{minutes}`` in an opening cell becomes the chapter's minutes. A cell tagged
``core`` begins a section of the core path, and ``open`` one of another chapter; JupyterLab folds the other numbered
sections of the chapter, and ``jupyter nbconvert --to slides`` passes them over.

The line that begins the opening cell may hold settings of the chapter:

    # %% [markdown] cell_seconds=3600 alone=true

``cell_seconds`` limits the time of a cell, and ``alone`` lets nothing run beside it.

    python -m asif_book.editions build
    python -m asif_book.editions check
"""

import argparse
import ast
import hashlib
import inspect
import itertools
import os
import re
import sys
import textwrap
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_raw_cell

from asif_book.editions import contents
from asif_book.editions.outline import (
    AFTER_A_CLICK,
    CELL_SECONDS,
    CORE,
    DEEPER,
    FOLDED,
    NEIGHBOURS,
    OPEN,
    PROGRESS,
    QUIZ,
    QUIZ_MINUTES,
    SETTINGS,
    WHAT_YOU_SEE,
    Chapter,
    heading,
    is_deeper,
    label_of,
    minutes,
    sections_of,
    tags_of,
)
from asif_book.figures.templates import TEMPLATES, filled
from asif_lib.errors import AsifError
from asif_lib.files import ROOT, write_whole

WIDTH = 82  # characters of a comment in a solution, whose lines have 88 at most
NOT_ATTEMPTED = 'raise NotImplementedError("your turn")'
CHAPTERS = "[0-9][0-9]_*"
BROWSER_CHAPTERS = ("00", "03", "04", "06", "07", "90")
"""Chapters of the edition that runs in a browser."""
NO_SLIDE = {"parameters", "exercise", "check", PROGRESS, QUIZ, NEIGHBOURS}
"""Tags of cells that a slide does not show."""
FULL = "full"
"""Tag of a cell that only the full workbook can run."""
GUIDE = "teachers_guide.md"
OWN = ("cell_seconds", "alone")
"""Settings of a chapter in its opening cell."""
_BEGIN, _END = (rf"^[ \t]*#+[ \t]*{which}[ \t]+SOLUTION\b.*$" for which in ("BEGIN", "END"))
_SOLUTION = re.compile(rf"(?=(?P<indent>[ \t]*)){_BEGIN}\n(?P<lines>(?:(?!{_BEGIN}|{_END}).*\n)*){_END}\n?", re.M)
_EMPTY = re.compile(rf"{_BEGIN}\n((?!{_END})[ \t]*#.*\n)*(?P<end>{_END})", re.M)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
BROWSER_KERNEL = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
IN_BROWSER = """**In this browser** NumPy computes under PyTorch's names; elsewhere the course uses PyTorch.
To run a cell, select the cell and press ▶ at the top, or Shift+Enter. Your notebooks and `my_progress.json` are kept in
this browser alone: to take one home, select it in the list of files (File, Open…), and press *Download*.
"""
_HIDDEN = {"source_hidden": True}
"""What JupyterLab folds; it shows the first line."""


class SourceError(AsifError):
    """A chapter's source is missing or breaks a convention; the message names file and cell."""


def editions(source: Path | str) -> tuple[NotebookNode, NotebookNode]:
    """Make the student and the solved notebook of one source file.

    Both have the same cells with the same ids, no outputs, and nothing that depends on the machine. Raises
    `SourceError` if a solution marker is unbalanced or misplaced, or an exercise has none.
    """
    source = Path(source)
    written = written_cells(source)
    settings = {name: cell.metadata.pop(name) for cell in written[:1] for name in OWN if name in cell.metadata}
    headings = (heading(cell.source) for cell in written if cell.cell_type == "markdown")
    title = next(filter(None, headings), source.stem)
    metadata = _METADATA | {"title": title, SETTINGS: {"cell_seconds": CELL_SECONDS} | settings}
    student, solved = new_notebook(metadata=metadata), new_notebook(metadata=metadata)
    seen: Counter[tuple[str, str]] = Counter()
    asked = ()
    for number, cell in enumerate(written, start=1):
        if "teacher" in tags_of(cell):
            continue
        texts = _split(cell.source, "exercise" in tags_of(cell), f"{source.name}, cell {number}")
        if cell.cell_type == "markdown":
            text, asked = _folded_answers(cell.source, asked)
            texts = text, text
        identity = (cell.cell_type, cell.source)
        cell |= {"id": _cell_id(source.stem, *identity, seen[identity])}
        cell.metadata = {k: v for k, v in cell.metadata.items() if not k.startswith("lines_to_")}
        if FOLDED in tags_of(cell):
            if not label_of(cell):
                raise SourceError(f"{source.name}, cell {number}: a folded cell begins with a comment: what it does.")
            cell.metadata["jupyter"] = _HIDDEN
        seen[identity] += 1
        for notebook, text in zip((student, solved), texts, strict=True):
            text = _with_colab(text) if published_at() and "parameters" in tags_of(cell) else text
            notebook.cells.append(nbformat.from_dict(cell | {"source": text}))
    for notebook in (student, solved):
        _mark_the_core_path(notebook, source.name)
        _mark_slides(notebook)
    return student, solved


def written_cells(source: Path | str) -> list[NotebookNode]:
    """Read the cells of a source, with the reference of its check in each exercise that holds no solution itself.

    Raises `SourceError` if there is no such reference.
    """
    cells, number = jupytext.read(source, fmt="py:percent").cells, ""
    for at, cell in enumerate(cells, start=1):
        number = ([number] + [found for found, _ in _CARD.findall(cell.source)])[-1]
        if "exercise" in tags_of(cell) and _EMPTY.search(cell.source):
            from asif_book.checks import EXERCISES

            reference = getattr(EXERCISES.get(number), "reference", None)
            if reference is None:
                lacks = f"no solution between the markers, and the check of exercise {number} has no reference"
                raise SourceError(f"{Path(source).name}, cell {at}: {lacks}.")
            end, code = _EMPTY.search(cell.source).start("end"), [*_usual(EXERCISES[number]), body_of(reference), ""]
            cell.source = cell.source[:end] + "\n".join(code) + cell.source[end:]
    return cells


def _usual(check) -> list[str]:
    """Return a comment with the first mistake of a check that needs no more than two lines."""
    found = (textwrap.wrap(f"Usual mistake. {message}", WIDTH) for message in getattr(check, "mistakes", ()))
    return [f"    # {line}" for line in next((lines for lines in found if len(lines) < 3), [])]


def body_of(function) -> str:
    """Return the lines of a function below its docstring."""
    code = inspect.getsource(function)
    steps = ast.parse(code).body[0].body
    first = steps[1] if ast.get_docstring(ast.parse(code).body[0]) else steps[0]
    return "\n".join(code.splitlines()[first.lineno - 1 :])


def _mark_the_core_path(notebook: NotebookNode, source: str) -> None:
    """Write the minutes into the opening cell, and fold the sections that go deeper."""
    read, more = minutes(notebook.cells)
    said = f"{read} to read" + (f", {more} for exercises and tries" if more else "")
    for opening in notebook.cells[:1]:
        opening.source = opening.source.replace("{minutes}", said)
    parts = sections_of(notebook)
    if any({CORE, OPEN}.intersection(tags_of(part[0])) for part in parts):
        for found in (re.search(r"\n## (.+)", cell.source) for cell in notebook.cells if cell.cell_type == "markdown"):
            if found:
                raise SourceError(f"{source}: begin a new cell for the section {found[1]!r}, so that it can be folded.")
        for first in (part[0] for part in parts if is_deeper(part)):
            first.source = re.sub("$", DEEPER, first.source, count=1, flags=re.M)
            first.metadata["jp-MarkdownHeadingCollapsed"] = True


def _mark_slides(notebook: NotebookNode) -> None:
    """Set the slide of each cell as Jupyter does: chapter and sections of the core path, below them figures, exercises.

    What goes deeper, code that only plumbs, and a student's own work are no slides.
    """
    for section in sections_of(notebook):
        for at, cell in enumerate(section):
            tags, draws = {*tags_of(cell)}, re.match(r"# *Draw|(.*\n)*draw\.(?!use_style)", cell.source)
            if is_deeper(section) or tags & NO_SLIDE or (FOLDED in tags and not draws):
                kind = "skip"
            elif at == 0:
                kind = "slide"
            elif (cell.cell_type == "code" and draws) or cell.source.startswith("### Exercise"):
                kind = "subslide"
            else:
                continue
            cell.metadata["slideshow"] = {"slide_type": kind}


def teacher_text(source: Path | str) -> str:
    """Read the Markdown of the cells tagged ``teacher`` of one source file."""
    written = jupytext.read(source, fmt="py:percent").cells
    return "\n\n".join(cell.source for cell in written if "teacher" in tags_of(cell))


def build(source_dir: Path | str, out_dir: Path | str) -> list[Path]:
    """Write both editions of every chapter and return their paths.

    Student notebooks and the teacher's guide go into ``out_dir``, solved notebooks into ``out_dir/solutions``. The
    table of chapters goes into the ``README.md`` beside ``out_dir``, if there is one.

    Raises `SourceError` if ``source_dir`` holds no chapter, a source breaks a convention, or a notebook that would be
    overwritten holds outputs, and so perhaps a reader's work; nothing is written then.
    """
    texts = dict(_expected(Path(source_dir), Path(out_dir)))
    if worked_in := [path.name for path in texts if path.suffix == ".ipynb" and path.exists() and _has_outputs(path)]:
        advice = "save it under another name, delete this one, and build again"
        raise SourceError(f"{', '.join(worked_in)}: holds outputs, and perhaps your work; {advice}.")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    return list(texts)


def check(source_dir: Path | str, out_dir: Path | str) -> dict[Path, str]:
    """Compare notebooks, guide and README with what the sources make: file → what is wrong; empty if nothing is.

    Raises `SourceError` if ``source_dir`` holds no chapter, or a source breaks a convention.
    """
    expected = dict(_expected(Path(source_dir), Path(out_dir)))
    wrong = {}
    for path, text in expected.items():
        if not path.exists():
            wrong[path] = "is missing"
        elif path.read_bytes() != text:
            wrong[path] = "differs from its source"
    return wrong | {path: "has no source" for path in notebooks_in(Path(out_dir)) if path not in expected}


def browser_edition(notebook: NotebookNode, chapters: Iterable[str]) -> NotebookNode:
    """Return a student's chapter as it runs in a browser: without the cells tagged ``full``.

    Of a section that begins with such a cell only the exercises stay. Links to notebooks that are not among `chapters`,
    and to pages, become plain text.
    """

    def without_dead_links(text):
        kept = "|".join(f"{name}\\.ipynb" for name in chapters)
        return re.sub(rf"\[([^\]]+)\]\((?!(?:{kept})[)#])\w+\.(?:ipynb|md)[^)]*\)", r"\1", text)

    cells = []
    for section in sections_of(notebook):
        cells += _exercises_in(section) if FULL in tags_of(section[0]) else section
    cells = [cell for cell in cells if FULL not in tags_of(cell)]
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = without_dead_links(cell.source)
    cells[0].source = cells[0].source.replace("<details>", f"{IN_BROWSER}\n<details>", 1)
    return new_notebook(metadata=notebook.metadata | {"kernelspec": BROWSER_KERNEL}, cells=cells)


def _exercises_in(section) -> list:
    """Return the cells of a section's exercises: card, stub, check, and help."""
    kept, within = [], False
    for cell in section:
        if _CARD.search(_markdown(cell)):
            within = True
        elif within and kept and not {"exercise", "check"}.intersection(tags_of(cell)):
            within = cell.cell_type == "markdown" and cell.source.startswith("<details>")
        if within or PROGRESS in tags_of(cell):
            kept.append(cell)
    return kept


def notebooks_in(folder: Path) -> list[Path]:
    """List the chapters in a folder, and their solutions below it."""
    return sorted([*folder.glob(f"{CHAPTERS}.ipynb"), *folder.glob(f"solutions/{CHAPTERS}.ipynb")])


def lint(source_dir: Path | str, checks: dict) -> list[str]:
    """List the problems of all exercises (see `card_problems`), checks without one, and links to missing chapters.

    Raises `SourceError` if ``source_dir`` holds no chapter, or a source breaks a convention.
    """
    problems, numbers, sources = [], set(), _sources(Path(source_dir))
    for source in sources:
        found = cards(*editions(source))
        problems += card_problems(source.stem, found, teacher_text(source), checks)
        numbers |= {card.number for card in found}
    problems += [f"The check of exercise {number} has no exercise." for number in checks if number not in numbers]
    names = {source.stem for source in sources}
    for text in [*sources, *Path(source_dir).glob(GUIDE)]:
        linked = re.findall(r"\]\((\d\d_\w+)\.ipynb", text.read_text(encoding="utf-8"))
        problems += [f"{text.name} links to {name}, which is not there." for name in sorted({*linked} - names)]
    return problems


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_book.editions build|check``: exit status 1 if something is stale or wrong."""
    try:
        from asif_book.checks import EXERCISES
    except ModuleNotFoundError as error:
        print(
            f"{error.name} is not there, and checks of another chapter import it: move what they need", file=sys.stderr
        )
        return 1

    parser = argparse.ArgumentParser(
        prog="python -m asif_book.editions", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("--source", type=Path, default=ROOT / "notebooks" / "source")
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.action == "build":
            for path in build(options.source, options.out):
                print(path)
        advice = "if it holds your own work, rename it, then run: make notebooks"
        problems = [f"{path} {fault}; {advice}" for path, fault in check(options.source, options.out).items()]
        problems += lint(options.source, EXERCISES)
    except (SourceError, contents.MarkersError) as error:
        problems = [error]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _has_outputs(path: Path) -> bool:
    return any(c.get("outputs") or c.get("execution_count") for c in nbformat.read(path, as_version=4).cells)


def repository() -> str:
    """Read the address of the workbook's repository from pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def published_at() -> str | None:
    """Return the address of the workbook's repository, or None where pyproject.toml is missing or names no owner."""
    address = repository() if (ROOT / "pyproject.toml").exists() else "/OWNER/"
    return None if "/OWNER/" in address else address


def _with_colab(set_up: str) -> str:
    """Put the installation on Colab behind the first lines of the cell that sets up a chapter, its parameters."""
    parameters, _, rest = set_up.partition("\n\n")
    colab = filled("templates/colab.py.j2", repository=repository())
    return "\n\n".join(filter(None, [parameters, colab.strip(), rest]))


def _sources(source_dir: Path) -> list[Path]:
    sources = sorted(source_dir.glob("*.py"))
    if not sources:
        raise SourceError(f"{source_dir} holds no chapter: a source is called NN_topic.py.")
    numbers: dict[str, Path] = {}
    for source in sources:
        if not source.match(f"{CHAPTERS}.py"):
            raise SourceError(f"{source} has no chapter number: call it NN_{source.stem}.py, with two digits.")
        if (other := numbers.setdefault(source.name[:2], source)) != source:
            raise SourceError(f"{source} and {other.name} have the same chapter number: rename one of them.")
    return sources


def _expected(source_dir: Path, out_dir: Path) -> Iterator[tuple[Path, bytes]]:
    sources = _sources(source_dir)
    pairs = [editions(source) for source in sources]
    chapters = [Chapter.of(source.stem, student) for source, (student, _) in zip(sources, pairs, strict=True)]
    preface, readme = source_dir / GUIDE, out_dir.parent / "README.md"
    if preface.exists():
        written = list(zip(chapters, pairs, sources, strict=True))
        material = [(chapter, cards(*pair), teacher_text(source)) for chapter, pair, source in written]
        took = defaultdict(lambda: (0, 0))  # minutes to read "00 1", section 1 of chapter 00, and to do its exercises
        for chapter, (student, _), _ in written:
            for cells in sections_of(student):
                took[f"{chapter.name[:2]} {heading(cells[0].source).split(' ')[0]}"] = minutes(cells)
        dots = Counter({card.number: card.difficulty for _, exercises, _ in material for card in exercises})
        plans = TEMPLATES.from_string(preface.read_text(encoding="utf-8")).render(
            took=took,
            dots=dots,
            test=QUIZ_MINUTES,
            core=sum(chapter.core_minutes for chapter in chapters if chapter.core),
        )
        yield out_dir / GUIDE, filled("templates/guide.md.j2", preface=plans, chapters=material).encode()
    if readme.exists():
        table = contents.chapters_table(chapters)
        text = contents.put_between(readme.read_text(encoding="utf-8"), contents.BEGIN, contents.END, table)
        yield readme, text.encode()
    for at, (chapter, pair) in enumerate(zip(chapters, pairs, strict=True)):
        for notebook, folder in zip(pair, (out_dir, out_dir / "solutions"), strict=True):
            texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
            for cell in texts:  # the drawings stand once, for both editions
                cell.source = cell.source.replace("](drawings/", f"]({os.path.relpath(out_dir / 'drawings', folder)}/")
            if len(chapters) > 1:
                for opening in texts[:1]:
                    opening.source = contents.with_core_path(chapter, opening.source)
                notebook.cells.append(contents.neighbours(chapters, at))
            yield folder / f"{chapter.name}.ipynb", (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _cell_id(chapter: str, cell_type: str, source: str, occurrence: int) -> str:
    return hashlib.sha256("\0".join([chapter, cell_type, source, str(occurrence)]).encode()).hexdigest()[:12]


def _folded_answers(text: str, asked: tuple) -> tuple[str, tuple]:
    """Fold each "What you see" behind a guess or a click; return the text, and the fold that the next text needs."""
    parts = text.split("\n\n")
    for at, part in enumerate(parts):
        if asked and part.startswith("**What you see.**") and not part.endswith(":"):  # its list would stay open
            parts[at] = part.join(asked)
            asked = ()
        if part.startswith("#"):
            asked = ()
        for begin, fold in (("**Before you run", WHAT_YOU_SEE), ('<span class="on-screen">**Untick', AFTER_A_CLICK)):
            asked = fold if part.startswith(begin) else asked
    return "\n\n".join(parts), asked


def _split(text: str, is_exercise: bool, where: str) -> tuple[str, str]:
    """Split a cell into its unsolved and its complete text."""
    complete, regions = _SOLUTION.subn(lambda found: found["lines"], text + "\n")
    left_over = re.search(f"{_BEGIN}|{_END}", complete, re.M)
    if not is_exercise and (regions or left_over):
        raise SourceError(f"{where}: a solution marker stands outside a cell tagged exercise.")
    if left_over:
        begins = "BEGIN" in left_over[0]
        lack = "BEGIN SOLUTION without END SOLUTION after" if begins else "END SOLUTION without BEGIN SOLUTION before"
        raise SourceError(f"{where}: {lack} it.")
    if is_exercise and not regions:
        raise SourceError(f"{where}: an exercise without BEGIN SOLUTION and END SOLUTION.")
    unsolved = _SOLUTION.sub(lambda found: f"{found['indent']}{NOT_ATTEMPTED}\n", text + "\n")
    return unsolved[:-1], complete[:-1]


# The exercises of a chapter: card, stub, solution, check, hint

TEACHER_HEADINGS = ("Timing", "What students get wrong", "Discussion", "Exit questions")
_CARD = re.compile(r"^### Exercise (\d\d\.\d+) · (.+?)\s*$", re.M)
_EFFORT = re.compile(r"^\*\*Difficulty\*\* (?P<dots>●{1,5}○{0,4}) · \*\*Minutes\*\* (?P<minutes>\d+)", re.M)
_NONE = new_raw_cell()
_FOLDED = r"<details>\s*<summary>{}</summary>\s*(?!</details>)\S.*?</details>"


@dataclass(frozen=True)
class Card:
    """One exercise of a source. A missing part is empty or 0."""

    number: str
    title: str
    difficulty: int  # 1 to 5
    minutes: int
    task: str  # Markdown of the card below its head
    stub: str  # the cell as the student gets it
    solution: str  # the cell as it is solved
    check: str  # source of the cell tagged "check"
    help: str  # Markdown after the check: the folded hint and what you should see


def cards(student, solved):
    """Read the cards of a chapter from its two editions (notebooks with the same cells)."""
    found = []
    for at, cell in enumerate(student.cells):
        if "exercise" not in tags_of(cell):
            continue
        before = _markdown(student.cells[max(at - 1, 0)])
        after = itertools.dropwhile(lambda later: later.cell_type != "code", student.cells[at + 1 :])
        check, help_ = next(after, _NONE), next(after, _NONE)
        if "check" not in tags_of(check):
            check = help_ = _NONE
        number, title = (_CARD.findall(before) or [("", "")])[-1]
        difficulty, minutes, task = 0, 0, ""
        if effort := _EFFORT.search(before):
            difficulty = effort["dots"].count("●") if len(effort["dots"]) == 5 else 0
            minutes, task = int(effort["minutes"]), before[effort.end() :].strip()
        cells = cell.source, solved.cells[at].source, check.source, _markdown(help_)
        found.append(Card(number, title, difficulty, minutes, task, *cells))
    return found


def card_problems(name, chapter_cards, teacher, checks):
    """List the problems of a chapter's exercises, one sentence each.

    The chapter has a file name (``04_sparsification``), cards, and Markdown for teachers; `checks` are the checks by
    exercise number, as `asif_book.checks.EXERCISES` has them.
    """
    problems, numbers = [], [f"{name[:2]}.{position}" for position in range(1, len(chapter_cards) + 1)]
    if sorted(card.number for card in chapter_cards) != numbers:  # one that goes deeper may stand behind later ones
        heads = "'### Exercise NN.M · Title', in the cell before the stub"
        problems.append(f"{name}: number its exercises {', '.join(numbers)}, each once, with {heads}.")
    for card in chapter_cards:
        problems += [f"{name}, exercise {card.number}: {problem}." for problem in _card_problems(card, checks)]
    for title in TEACHER_HEADINGS:
        if chapter_cards and not re.search(rf"^### {title}\s*\n+(?!#)\S", teacher, re.M):
            problems.append(f"{name}: the cell for teachers has nothing under ### {title}.")
    return problems


def _card_problems(card, checks):
    parts = {"tells no difficulty (five dots, ●●○○○)": card.difficulty, "tells no minutes": card.minutes}
    yield from (f"the card {lack}" for lack, part in (parts | {"has no task": card.task}).items() if not part)
    for what in ("Hint", "What you should see"):
        if not re.search(_FOLDED.format(what), card.help, re.S):
            yield f"the cell after its check has no folded '{what}'"
    if card.number not in checks:
        yield "no check is registered for it: add one to the chapter's checks.py"
        return
    check, function = checks[card.number], "".join(re.findall(r"^def (\w+)", card.stub, re.M)[:1])
    if check.title != card.title:
        yield f"its check is titled '{check.title}', its card '{card.title}'"
    if not re.match(rf"{check.__name__}\({function}\b", card.check):
        yield f"the next cell of code should be tagged check, and begin with {check.__name__}({function}"


def _markdown(cell):
    return cell.source if cell.cell_type == "markdown" else ""
