"""Three editions of the workbook from one source: the student's, the solved one, and a teacher's guide.

A chapter is written once, as ``notebooks/source/NN_topic.py`` in jupytext's percent format. In a cell
tagged ``exercise`` the lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (nbgrader's
markers) belong to the solved edition only. Cells tagged ``teacher`` go into the guide only. A cell that
sets up Colab is added to each notebook.

    python -m asif_lib.course.editions build
    python -m asif_lib.course.editions check
"""

import argparse
import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from asif_lib.errors import AsifError
from asif_lib.files import ROOT, write_whole

from . import cards

NOT_ATTEMPTED = 'raise NotImplementedError("your turn")'
CHAPTERS = "[0-9][0-9]_*"
GUIDE = "teachers_guide.md"
COLAB = """\
# On Colab this cell installs the workbook, in the versions of its pyproject.toml, and fetches the data.
# Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    from google.colab import output

    %pip install --quiet "git+{repository}"
    !asif data stamps fashion_mnist
    output.enable_custom_widget_manager()"""
_MARKER = re.compile(r"^(?P<indent>\s*)#+\s*(?P<which>BEGIN|END)\s+SOLUTION\b")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


class SourceError(AsifError):
    """A chapter's source is missing or breaks a convention; the message names file and cell."""


def editions(source: Path | str) -> tuple[NotebookNode, NotebookNode]:
    """The student and the solved notebook of one source file.

    Both have the same cells with the same ids, no outputs, and nothing that depends on the machine.

    Raises
    ------
    SourceError
        A solution marker is unbalanced or misplaced, or an exercise has none.
    """
    source = Path(source)
    parsed = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    seen: Counter[tuple[str, str]] = Counter()
    student, solved = [], []
    for number, cell in enumerate(parsed.cells, start=1):
        if _is_for_teachers(cell):
            continue
        is_exercise = "exercise" in cell.metadata.get("tags", [])
        unsolved, complete = _split(cell.source, is_exercise, f"{source.name}, cell {number}")
        identity = (cell.cell_type, cell.source)
        cell_id = _cell_id(source.stem, *identity, seen[identity])
        seen[identity] += 1
        metadata = {k: v for k, v in cell.metadata.items() if not k.startswith("lines_to_")}
        for cells, text in ((student, unsolved), (solved, complete)):
            make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
            cells.append(make(source=text, metadata=metadata, id=cell_id))
        if len(student) == 1:
            for cells in (student, solved):
                cells.append(_colab_cell(source.stem))
    title = next((t for cell in parsed.cells if cell.cell_type == "markdown" and (t := heading(cell.source))), "")
    metadata = _METADATA | {"title": title or source.stem}
    return _notebook(student, metadata), _notebook(solved, metadata)


def teacher_text(source: Path | str) -> str:
    """Markdown of the cells tagged ``teacher`` of one source file."""
    parsed = jupytext.reads(Path(source).read_text(encoding="utf-8"), fmt="py:percent")
    return "\n\n".join(cell.source for cell in parsed.cells if _is_for_teachers(cell))


def heading(markdown: str) -> str:
    """Text of the first heading in a Markdown text, or an empty string.

    >>> heading("# Sparsification\\n\\nWhy?")
    'Sparsification'
    """
    match = re.search(r"^#+\s+(.+?)\s*#*$", markdown, flags=re.MULTILINE)
    return match[1] if match else ""


def build(source_dir: Path | str, out_dir: Path | str) -> list[Path]:
    """Write both editions of every chapter and return their paths.

    Student notebooks and the teacher's guide go into ``out_dir``, solved notebooks into ``out_dir/solutions``.

    Raises
    ------
    SourceError
        ``source_dir`` holds no chapter, a source breaks a convention, or a notebook that would be overwritten
        holds outputs, and so perhaps a reader's work; nothing is written then.
    """
    texts = dict(_expected(Path(source_dir), Path(out_dir)))
    worked_in = [path.name for path in texts if path.suffix == ".ipynb" and path.exists() and _has_outputs(path)]
    if worked_in:
        raise SourceError(
            f"{', '.join(worked_in)}: holds outputs, and perhaps somebody's work; save it under another name, "
            f"delete this one, and build again."
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    return list(texts)


def check(source_dir: Path | str, out_dir: Path | str) -> dict[Path, str]:
    """Notebooks, or the guide, that are not what their source makes, each with the reason; empty when all are.

    Raises
    ------
    SourceError
        ``source_dir`` holds no chapter, or a source breaks a convention.
    """
    out_dir = Path(out_dir)
    expected = dict(_expected(Path(source_dir), out_dir))
    wrong = {}
    for path, text in expected.items():
        if not path.exists():
            wrong[path] = "is missing"
        elif path.read_bytes() != text:
            wrong[path] = "differs from its source"
    for folder in (out_dir, out_dir / "solutions"):
        for path in sorted(folder.glob(f"{CHAPTERS}.ipynb")):
            if path not in expected:
                wrong[path] = "has no source"
    return wrong


def lint(source_dir: Path | str, checks: dict) -> list[str]:
    """What is wrong with the exercises, a sentence each: see `asif_lib.course.cards.lint`.

    Raises
    ------
    SourceError
        ``source_dir`` holds no chapter, or a source breaks a convention.
    """
    sources = _sources(Path(source_dir))
    chapters = {source.stem[:2] for source in sources}
    homeless = [f"The check of exercise {number} has no chapter." for number in checks if number[:2] not in chapters]
    return homeless + [
        problem
        for source in sources
        for problem in cards.lint(source.stem, cards.cards(*editions(source)), teacher_text(source), checks)
    ]


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_lib.course.editions build|check``: exit status 1 when a notebook or a lint is not in order."""
    from .checks import EXERCISES

    parser = argparse.ArgumentParser(prog="python -m asif_lib.course.editions", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("--source", type=Path, default=ROOT / "notebooks" / "source")
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.action == "build":
            for path in build(options.source, options.out):
                print(path)
        wrong = check(options.source, options.out)
        problems = lint(options.source, EXERCISES)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    for path, reason in wrong.items():
        print(f"{path} {reason}; if it holds your own work, rename it, then run: make notebooks", file=sys.stderr)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if wrong or problems else 0


def _has_outputs(path: Path) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    return any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def _is_for_teachers(cell: NotebookNode) -> bool:
    return "teacher" in cell.metadata.get("tags", [])


def repository() -> str:
    """Address of the workbook's repository, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def _colab_cell(chapter: str) -> NotebookNode:
    text = COLAB.format(repository=repository())
    metadata = {"tags": ["colab"], "jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(source=text, metadata=metadata, id=_cell_id(chapter, "colab", "", 0))


def _sources(source_dir: Path) -> list[Path]:
    sources = sorted(source_dir.glob(f"{CHAPTERS}.py"))
    if not sources:
        raise SourceError(f"{source_dir} holds no chapter: a source is called NN_topic.py.")
    return sources


def _expected(source_dir: Path, out_dir: Path) -> Iterator[tuple[Path, bytes]]:
    from .guide import guide

    chapters = []
    for source in _sources(source_dir):
        student, solved = editions(source)
        chapters.append((source.stem, student, solved, teacher_text(source)))
        yield out_dir / f"{source.stem}.ipynb", _text(student)
        yield out_dir / "solutions" / f"{source.stem}.ipynb", _text(solved)
    preface = source_dir / GUIDE
    if preface.exists():
        yield out_dir / GUIDE, guide(preface.read_text(encoding="utf-8"), chapters).encode()


def _text(notebook: NotebookNode) -> bytes:
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _notebook(cells: list[NotebookNode], metadata: dict) -> NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def _cell_id(chapter: str, cell_type: str, source: str, occurrence: int) -> str:
    identity = "\0".join([chapter, cell_type, source, str(occurrence)])
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def _split(text: str, is_exercise: bool, where: str) -> tuple[str, str]:
    """The unsolved and the complete text of a cell."""
    unsolved, complete, inside, regions = [], [], False, 0
    for line in text.split("\n"):
        marker = _MARKER.match(line)
        if marker is None:
            complete.append(line)
            if not inside:
                unsolved.append(line)
            continue
        if not is_exercise:
            raise SourceError(f"{where}: a solution marker stands outside a cell tagged exercise.")
        if inside == (marker["which"] == "BEGIN"):
            missing = "END" if inside else "BEGIN"
            raise SourceError(f"{where}: {marker['which']} SOLUTION without {missing} SOLUTION before it.")
        inside = not inside
        if inside:
            regions += 1
            unsolved.append(marker["indent"] + NOT_ATTEMPTED)
    if inside:
        raise SourceError(f"{where}: BEGIN SOLUTION without END SOLUTION after it.")
    if is_exercise and not regions:
        raise SourceError(f"{where}: an exercise without BEGIN SOLUTION and END SOLUTION.")
    return "\n".join(unsolved), "\n".join(complete)


if __name__ == "__main__":
    sys.exit(main())
