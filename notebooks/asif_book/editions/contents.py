"""Make the lists of chapters: the README's table, and the links to neighbours."""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from asif_book.editions.outline import NEIGHBOURS, QUIZ_MINUTES, Chapter
from asif_lib.errors import AsifError

BEGIN, END = "<!-- chapters:begin -->", "<!-- chapters:end -->"
PICTURES = "drawings/*.svg"


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
    metadata = {"tags": [NEIGHBOURS], "slideshow": {"slide_type": "skip"}}
    return new_markdown_cell(" · ".join(links), metadata=metadata, id=NEIGHBOURS)


def with_core_path(chapter: Chapter, opening: str) -> str:
    """Put the sections of the core path at the end of a chapter's opening cell, in its folded part if it has one."""
    if not chapter.core:
        return opening
    sections = f"section{'s' * (len(chapter.core) > 1)} {', '.join(chapter.core)}"
    line = f"**Core path:** {sections}; {chapter.core_minutes} minutes. The sections marked *deeper* are folded."
    return re.sub(r"(\n\n</details>)?\s*\Z", lambda end: f"\n\n{line}{end[1] or ''}", opening, count=1)


def chapters_table(chapters: list[Chapter]) -> str:
    """Make the README's table of chapters: notebook and question."""
    rows = ["| notebook | question |", "|---|---|"]
    for chapter in chapters:
        question = chapter.question.replace("|", "\\|")
        rows.append(f"| [{chapter.title}](notebooks/{chapter.name}.ipynb) | {question} |")
    if core := [chapter for chapter in chapters if chapter.core]:
        steps = [f"[{c.name[:2]}](notebooks/{c.name}.ipynb) §{', '.join(c.core)}" for c in core]
        total = sum(chapter.core_minutes for chapter in core)
        more = f"{total} minutes with its exercises, {2 * QUIZ_MINUTES} more with both tests"
        rows += ["", f"**Core path**, {more}: {' → '.join(steps)}. The rest goes deeper."]
    return "\n".join(rows)
