"""Read the opening cell of a chapter: title, question, goals, minutes, and the settings of its run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode  # a browser has none

CELL_SECONDS = 600
"""Time limit for one cell of a chapter, unless the chapter's opening cell sets its own."""
SETTINGS = "asif"
"""Key of a notebook's metadata with the settings of its run, which the opening cell of the source brings."""
WHAT_YOU_SEE = "<details><summary>Open this after the run</summary>\n\n", "\n\n</details>"
"""Around the paragraph that answers a guess, in a notebook."""
AFTER_A_CLICK = WHAT_YOU_SEE[0].replace("run", "click"), WHAT_YOU_SEE[1]
"""Around the paragraph that tells what a click does, in a notebook and in the report."""
FOLDED = "hide-input"
"""Tag of a cell whose code only plumbs. A comment in its first line says what it does; the other lines are folded."""
CORE = "core"
"""Tag of the cell that begins a section of the core path. The other numbered sections of its chapter are deeper."""
OPEN = "open"
"""Tag of the same cell in a chapter beside the core path."""
DEEPER = " · deeper"
"""Behind the heading of such a section, in a notebook."""
NEIGHBOURS = "neighbours"
"""Tag and id of the last cell of a notebook, which the build adds; the report has links of its own."""
PROGRESS = "progress"
"""Tag of the cells that show a student's own progress, which a report has not."""
QUIZ, QUIZ_MINUTES = "quiz", 8
"""Tag of the cell with the test before or after the core path, and its minutes."""


@dataclass(frozen=True)
class Chapter:
    """A chapter, as its opening cell describes it; a part that is missing is empty."""

    name: str  # of the notebook, without ending: "01_encoders"
    title: str  # with the number, also where the notebook has none: "01 · Encoders"
    question: str  # Markdown
    minutes: str  # as the chapter says it, perhaps with words
    goals: list[str]  # Markdown of what a reader can do afterwards
    alone: bool = False  # it measures time or memory, so nothing else may run beside it
    core: tuple[str, ...] = ()  # the numbers of its sections on the core path: ("1", "2")
    core_minutes: int = 0  # to read these sections and do their exercises, without the test

    @classmethod
    def read(cls, path: Path) -> Chapter:
        """Read a notebook file, executed or not."""
        import nbformat

        return cls.of(path.stem, nbformat.read(path, as_version=4))

    @classmethod
    def of(cls, name: str, notebook: NotebookNode) -> Chapter:
        markdown = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"] or [""]
        title = notebook.metadata.get("title") or next(filter(None, map(heading, markdown)), name)
        if name[:2].isdigit() and not re.match(r"\d\d\s*·", title):
            title = f"{name[:2]} · {title}"
        settings = notebook.metadata.get(SETTINGS, {})
        about = question(notebook), _minutes(markdown[0]), _goals(markdown[0])
        core = [cells for cells in sections_of(notebook) if CORE in tags_of(cells[0])]
        numbers = tuple(heading(cells[0].source).split(" ")[0] for cells in core)
        others = {NEIGHBOURS, QUIZ}  # a build changes the one, and a reader may leave out the other
        path = [cell for cell in core_path(notebook)[1:] if not others.intersection(tags_of(cell))]
        return cls(name, title, *about, settings.get("alone", False), numbers, sum(minutes(path)) if core else 0)


def sections_of(notebook: NotebookNode) -> list[list[NotebookNode]]:
    """Cut a notebook before each cell that begins with ``## ``; the first part is the opening."""
    parts: list[list[NotebookNode]] = [[]]
    for cell in notebook.cells:
        if parts[-1] and cell.cell_type == "markdown" and cell.source.startswith("## "):
            parts.append([])
        parts[-1].append(cell)
    return parts


def is_deeper(section: list[NotebookNode]) -> bool:
    """Say whether a section has a number, and begins with no cell tagged ``core`` or ``open``."""
    return bool(re.match(r"## \d", section[0].source)) and not {CORE, OPEN}.intersection(tags_of(section[0]))


def core_path(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells of a chapter without its deeper sections."""
    return [cell for section in sections_of(notebook) if not is_deeper(section) for cell in section]


WORDS_A_MINUTE, LINES_A_MINUTE, GUESS = 110, 15, 1.5
"""The pace of a reader with another first language, in prose and in open code; minutes to guess, run and compare."""
LARGE, TRIES = 4, 2
"""More minutes for a drawing that fills the page or is played with, and for the failed tries at an exercise.

All are fitted to two clocks on the core path: 49, 54, 42, 37 and 25 minutes for its chapters, and 48, 61, 42, 32 and 31
(9 more with an own picture, which the path leaves free). The rule is at most 5 minutes from the mean of both."""
_LARGE = re.compile(r"^(?:draw\.(?!use_style|show\()\w+|your_picture|\w+_knobs?)\(", re.M)


def words(cells: list[NotebookNode]) -> int:
    """Count the words of Markdown cells: what stands between blanks and has a letter or a digit."""
    texts = (cell.source for cell in cells if cell.cell_type == "markdown")
    return sum(bool(re.search(r"\w", word)) for text in texts for word in text.split())


def minutes(cells: list[NotebookNode]) -> tuple[int, int]:
    """Compute the minutes to read cells, and those of their exercises.

    A minute is 110 words, or 15 lines of code that is neither folded nor an exercise; a guess takes a minute and a
    half, with the figure that answers it. A drawing that no `draw.show` shows is large, and a knob is played with:
    `LARGE` more. The card of an exercise tells the minutes of one try; `TRIES` more are for those that fail. The test
    before or after takes `QUIZ_MINUTES`.
    """
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = [cell for cell in cells if cell.cell_type == "code"]
    lines = sum(cell.source.count("\n") + 1 for cell in code if not tags_of(cell))
    large = LARGE * sum(len(_LARGE.findall(cell.source)) for cell in code)
    tests = QUIZ_MINUTES * sum(QUIZ in tags_of(cell) for cell in code)
    guesses = GUESS * prose.count("**Before you ")
    reading = words(cells) / WORDS_A_MINUTE + lines / LINES_A_MINUTE + large + guesses + tests
    tries = [int(found) + TRIES for found in re.findall(r"^\*\*Difficulty.+Minutes\*\* (\d+)", prose, re.M)]
    return max(1, round(reading)), sum(tries)


def tags_of(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell, perhaps none."""
    return cell.metadata.get("tags", [])


def label_of(cell: NotebookNode) -> str:
    """Return the comment in the first line of a cell, or an empty string.

    >>> import nbformat
    >>> label_of(nbformat.NotebookNode(source="# Draw the map.\\nshow(figure)"))
    'Draw the map.'
    """
    found = re.match(r"# *(.+)", cell.source)
    return found[1] if found else ""


def heading(markdown: str) -> str:
    """Return the first heading of a Markdown text, or an empty string.

    >>> heading("# Sparsification\\n\\nWhy?")
    'Sparsification'
    """
    match = re.search(r"^#+\s+(.+?)\s*#*$", markdown, flags=re.MULTILINE)
    return match[1] if match else ""


def question(notebook: NotebookNode) -> str:
    """Return the chapter's question as Markdown: the text after ``**Question.**``, or the first blockquote."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        marked = re.search(r"^[> ]*\*\*Question\.\*\*(.+?)(?=^[> ]*$|\Z)", cell.source, re.M | re.S)
        quoted = re.search(r"^>(.+?)(?=^[^>]|^$|\Z)", cell.source, flags=re.M | re.S)
        if found := marked or quoted:
            return " ".join(re.sub(r"^>", "", found[1], flags=re.M).split())
    return ""


def _minutes(opening: str) -> str:
    """
    >>> _minutes("**Minutes** 5 to read, 10 more\\nwith the exercises · **Before this** nothing")
    '5 to read, 10 more with the exercises'
    """
    found = re.search(r"\*\*Minutes\*\*\s*([^·]+?)\s*(?=·|\n\n|\Z)", opening)
    return " ".join(found[1].split()) if found else ""


def _goals(opening: str) -> list[str]:
    """
    >>> _goals("After this chapter you can\\n\\n- name it;\\n- say why\\n  it works.\\n\\nrest")
    ['name it;', 'say why it works.']
    """
    return [" ".join(item.split()) for item in re.findall(r"^[-*] (.+(?:\n[ \t]+\S.*)*)", opening, flags=re.M)]
