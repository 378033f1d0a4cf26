"""The teacher's guide, assembled from the chapters: timing, exercises, usual mistakes, discussion, solutions."""

import html
import re

from .cards import cards


def guide(preface: str, chapters) -> str:
    """The whole guide as Markdown.

    Parameters
    ----------
    preface : str
        What stands before the chapters, in Markdown.
    chapters : list of (name, student notebook, solved notebook, Markdown for teachers)
    """
    parts = [preface.strip(), *(_chapter(*chapter) for chapter in chapters)]
    return "\n\n".join(parts) + "\n"


def _chapter(name, student, solved, teacher):
    opening = student.cells[0].source
    title = re.search(r"^# (.+)$", opening, re.M)
    question = re.search(r"^> \*\*Question\.\*\* ((?:.+\n?(?:> ?)?)+?)(?=\n\n|\Z)", opening, re.M)
    parts = [f"## {title[1] if title else name}"]
    if question:
        parts.append(f"*{' '.join(question[1].replace('>', ' ').split())}*")
    parts.append(f"[student]({name}.ipynb) · [solved](solutions/{name}.ipynb)")
    found = cards(student, solved)
    if found:
        total = sum(card.minutes for card in found)
        parts.append(f"### Exercises: {len(found)}, {total} minutes")
        parts.append("\n".join(["| exercise | difficulty | minutes |", "|---|---|---:|", *map(_row, found)]))
    if teacher:
        parts.append(teacher.strip())
    if found:
        parts += ["### Solutions", *map(_solution, found)]
    return "\n\n".join(parts)


def _row(card):
    dots = "●" * card.difficulty + "○" * (5 - card.difficulty)
    return f"| {card.number} · {card.title} | {dots} | {card.minutes} |"


def _solution(card):
    markers = r"^\s*### (?:BEGIN|END) SOLUTION\n?"
    code = re.sub(markers, "", card.solution, flags=re.M).strip()
    summary = html.escape(f"{card.number} · {card.title}")
    return f"<details><summary>{summary}</summary>\n\n```python\n{code}\n```\n\n</details>"
