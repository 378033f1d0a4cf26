"""Make the lists of chapters: the README's table, the strip of the method's steps, and the links to neighbours."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from asif_book.editions.outline import NEIGHBOURS, QUIZ_MINUTES, Chapter
from asif_book.figures.templates import filled
from asif_lib.errors import AsifError
from asif_lib.files import ROOT

BEGIN, END = "<!-- chapters:begin -->", "<!-- chapters:end -->"
METHOD = "drawings/method.svg"
"""Picture of the method, below the notebooks; ``method_04.svg`` is the same in small, with the part of chapter 04."""
PICTURES = "drawings/method*.svg"
METHOD_ALT = (
    "The method in one picture: a picture and a sentence are compared with the same anchors; the products of their "
    "similarities add up to the score."
)


class MarkersError(AsifError):
    """A page without the markers between which a generated table stands."""


def put_between(text: str, begin: str, end: str, table: str) -> str:
    """Put a table between two markers of `text` and leave the rest as it is.

    Raises `MarkersError` if the text does not hold each marker once, in order.
    """
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise MarkersError(f"The text must hold {begin} once and, after it, {end} once.")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def neighbours(chapters: list[Chapter], at: int) -> NotebookNode:
    """Make the last cell of chapter `at`: links to the chapters before and after, and to the next of the core path."""
    before, after = chapters[max(at - 1, 0) : at], chapters[at + 1 : at + 2]
    links = [f"[← {chapter.title}]({chapter.name}.ipynb)" for chapter in before]
    links += [f"[{chapter.title} →]({chapter.name}.ipynb)" for chapter in after]
    here, *core = [chapter for chapter in chapters[at:] if chapter.core or chapter is chapters[at]] or [None]
    links += [f"core path: [{c.title} →]({c.name}.ipynb)" for c in core[:1] if here.core and c not in after]
    return new_markdown_cell(" · ".join(links), metadata={"tags": [NEIGHBOURS]}, id=NEIGHBOURS)


def picture_of(chapter: Chapter, folder: Path) -> tuple[Path, str] | None:
    """Find the small picture of the method for a chapter in a folder: its file, and its words."""
    picture = folder / METHOD.replace(".svg", f"_{chapter.name[:2]}.svg")
    return (picture, ElementTree.parse(picture).findtext("{*}title")) if picture.exists() else None


def with_path(chapters: list[Chapter], at: int, opening: str, picture: str = "", alt: str = "") -> str:
    """Put the strip of the method's steps at the end of a chapter's opening cell, in its folded part if it has one.

    Each step links to its chapter, and the steps of chapter `at` are marked. `picture` is the path of a picture of the
    method, which stands below the strip, with the words `alt`.
    """
    shown = {"chapters": chapters, "here": chapters[at], "picture": picture, "alt": alt}
    strip = filled("templates/thread.md.j2", **shown)
    return re.sub(r"(\n\n</details>)?\s*\Z", lambda end: f"\n\n{strip.strip()}{end[1] or ''}", opening, count=1)


def chapters_table(chapters: list[Chapter]) -> str:
    """Make the README's table of chapters: notebook, question, code and folder, tests."""
    rows = ["| notebook | question | code | tests |", "|---|---|---|---|"]
    for chapter in chapters:
        code = [f"benchmarks/asif_{path}" if path == "lab/" else f"asif_lib/{path}" for path in chapter.code or [""]]
        folder = f"notebooks/asif_book/chapters/chapter_{chapter.name[:2]}/"
        notebook = f"[{chapter.title}](notebooks/{chapter.name}.ipynb)"
        question = chapter.question.replace("|", "\\|")
        rows.append(f"| {notebook} | {question} | {_links([*code, folder])} | {_links(map(_test_of, chapter.code))} |")
    if core := [chapter for chapter in chapters if chapter.core]:
        steps = [f"[{c.name[:2]}](notebooks/{c.name}.ipynb) §{', '.join(c.core)}" for c in core]
        total = sum(chapter.core_minutes for chapter in core)
        more = f"{total} minutes with its exercises, {2 * QUIZ_MINUTES} more with both tests"
        rows += ["", f"**Core path**, {more}: {' → '.join(steps)}. The rest goes deeper."]
    return "\n".join(rows)


def _links(paths: Iterable[str]) -> str:
    """Links to those of the paths that are there, without the beginning that most of them share."""
    begin = re.compile(r"^(notebooks/asif_book/|asif_lib/(?=.)|benchmarks/|tests/)")
    return ", ".join(f"[{begin.sub('', path)}]({path})" for path in paths if (ROOT / path).exists())


def _test_of(code: str) -> str:
    """
    >>> _test_of("sparse.py"), _test_of("search/"), _test_of("search/exact.py")
    ('tests/test_sparse.py', 'tests/search/', 'tests/search/test_exact.py')
    """
    path = Path("tests", code)
    return f"{path}/" if code.endswith("/") else path.with_name(f"test_{path.name}").as_posix()
