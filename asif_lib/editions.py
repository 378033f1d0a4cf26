"""Two editions of a chapter from one source: the student's, with exercises to solve, and the solved one.

A chapter is written once, as ``notebooks/source/NN_topic.py`` in jupytext's percent format. In a cell
tagged ``exercise`` the lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (nbgrader's
markers) belong to the solved edition only.

    python -m asif_lib.editions build
    python -m asif_lib.editions check
"""

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from .errors import AsifError
from .files import write_whole
from .paths import ROOT

NOT_ATTEMPTED = 'raise NotImplementedError("your turn")'
CHAPTERS = "[0-9][0-9]_*"
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
        is_exercise = "exercise" in cell.metadata.get("tags", [])
        unsolved, complete = _split(cell.source, is_exercise, f"{source.name}, cell {number}")
        identity = (cell.cell_type, cell.source)
        cell_id = _cell_id(source.stem, *identity, seen[identity])
        seen[identity] += 1
        metadata = {k: v for k, v in cell.metadata.items() if not k.startswith("lines_to_")}
        for cells, text in ((student, unsolved), (solved, complete)):
            make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
            cells.append(make(source=text, metadata=metadata, id=cell_id))
    title = next((t for cell in parsed.cells if cell.cell_type == "markdown" and (t := heading(cell.source))), "")
    metadata = _METADATA | {"title": title or source.stem}
    return _notebook(student, metadata), _notebook(solved, metadata)


def heading(markdown: str) -> str:
    """Text of the first heading in a Markdown text, or an empty string.

    >>> heading("# Sparsification\\n\\nWhy?")
    'Sparsification'
    """
    match = re.search(r"^#+\s+(.+?)\s*#*$", markdown, flags=re.MULTILINE)
    return match[1] if match else ""


def build(source_dir: Path | str, out_dir: Path | str) -> list[Path]:
    """Write both editions of every chapter and return their paths.

    Student notebooks go into ``out_dir``, solved ones into ``out_dir/solutions``.

    Raises
    ------
    SourceError
        ``source_dir`` holds no chapter, a source breaks a convention, or a notebook that would be overwritten
        holds outputs, and so perhaps a reader's work; nothing is written then.
    """
    texts = dict(_expected(Path(source_dir), Path(out_dir)))
    worked_in = [path.name for path in texts if path.exists() and _has_outputs(path)]
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
    """Notebooks that are not what their source makes, each with the reason; empty when all are.

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


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_lib.editions build|check``: exit status 1 when a notebook is not as its source."""
    parser = argparse.ArgumentParser(prog="python -m asif_lib.editions", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("--source", type=Path, default=ROOT / "notebooks" / "source")
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.action == "build":
            for path in build(options.source, options.out):
                print(path)
            return 0
        wrong = check(options.source, options.out)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    for path, reason in wrong.items():
        print(f"{path} {reason}; if it holds your own work, rename it, then run: make notebooks", file=sys.stderr)
    return 1 if wrong else 0


def _has_outputs(path: Path) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    return any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def _expected(source_dir: Path, out_dir: Path) -> Iterator[tuple[Path, bytes]]:
    sources = sorted(source_dir.glob(f"{CHAPTERS}.py"))
    if not sources:
        raise SourceError(f"{source_dir} holds no chapter: a source is called NN_topic.py.")
    for source in sources:
        student, solved = editions(source)
        yield out_dir / f"{source.stem}.ipynb", _text(student)
        yield out_dir / "solutions" / f"{source.stem}.ipynb", _text(solved)


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
