"""Assemble the teacher's guide from the chapters: timing, exercises, usual mistakes, discussion, solutions."""

from pathlib import Path

import jinja2

from .cards import cards

GUIDE_TEMPLATE = Path(__file__).parent / "templates" / "guide.md.j2"


def guide(preface: str, chapters) -> str:
    """Write the whole guide as Markdown.

    Parameters
    ----------
    preface : str
        The text before the chapters, in Markdown.
    chapters : list of (Chapter, student notebook, solved notebook, Markdown for teachers)
    """
    template = jinja2.Template(
        GUIDE_TEMPLATE.read_text(encoding="utf-8"), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    material = [(chapter, cards(student, solved), teacher) for chapter, student, solved, teacher in chapters]
    return template.render(preface=preface, chapters=material)
