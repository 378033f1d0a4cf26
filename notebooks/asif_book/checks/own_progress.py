"""Show a student's progress in the notebook: a line for each exercise, and a row for every chapter."""

from dataclasses import dataclass

from asif_book import checks
from asif_book.checks import progress
from asif_book.checks.judging import STYLES
from asif_book.checks.progress import (
    RESULT,
    SOLVED,
    VARIABLE,
    Entry,
    ProgressError,
    in_order,
    load_progress,
    progress_path,
)
from asif_lib.errors import ParameterError

WORDS = {"right": "solved", RESULT: f"solved: {RESULT}", "wrong": "not solved yet", "not attempted": "not attempted"}


def exercise_titles() -> dict[str, str]:
    """Return the title of each exercise of the workbook by its number, in order; one's own ASIF counts as one."""
    titles = {number: check.title for number, check in checks.EXERCISES.items()}
    if titles.keys() >= {*progress.KEPT}:  # what it is made of
        titles[progress.OWN_ASIF] = "Your own ASIF"
    return {number: titles[number] for number in sorted(titles, key=in_order)}


def show_progress(chapter: str | None = None) -> "Overview":
    """Show the solved exercises: a line for each exercise of a chapter, and a row for every chapter.

    `chapter` is a number, ``"04"``; without it, the chapters only. Raises `ParameterError` if the workbook has no
    exercises in such a chapter.
    """
    titles = exercise_titles()
    chapters = sorted({number[:2] for number in titles})
    if chapter is not None and chapter not in chapters:
        raise ParameterError(
            f"There are no exercises in a chapter {chapter!r}; the chapters are {', '.join(chapters)}."
        )
    path, entries, remark = progress_path(), {}, ""
    if path is None:
        remark = f"No progress is kept here, since {VARIABLE} is empty."
    else:
        try:
            entries = load_progress(path).exercises if path.exists() else {}
        except (OSError, ProgressError) as error:
            remark = str(error)
    unknown = sorted(entries.keys() - titles.keys(), key=in_order)
    if unknown:
        remark = f"{path.name} also holds exercises that this workbook does not have: {', '.join(unknown)}."
    return Overview(chapter, titles, entries, remark)


@dataclass(frozen=True)
class Overview:
    """The tables of `show_progress`, in a notebook and as text."""

    chapter: str | None
    titles: dict[str, str]
    entries: dict[str, Entry]
    remark: str

    def __str__(self):
        lines = []
        if self.chapter:
            lines.append(self.heading())
            for number, _, symbol, words, tries, title in self.exercises():
                lines.append(f"  {symbol} {number}  {', '.join(filter(None, (words, tries)))}: {title}")
            lines.append("")
        lines.append("All chapters")
        for chapter, solved, tries in self.chapters():
            lines.append(f"  {chapter}  {', '.join(filter(None, (f'{solved} solved', tries)))}")
        return "\n".join([*lines, "", self.remark] if self.remark else lines)

    __repr__ = __str__

    def _repr_html_(self):
        from asif_book.figures.templates import filled  # jinja2 is in an extra that `asif class` has no need of

        return filled("templates/overview.html.j2", overview=self)

    def heading(self):
        solved, of, _ = self._counts(self.chapter)
        return f"Chapter {self.chapter}: {solved} of {of} exercises solved"

    def exercises(self):
        for number, title in self.titles.items():
            if number.startswith(self.chapter):
                entry = self.entries.get(number)
                status = entry.status if entry else "not attempted"
                yield number, *STYLES[status], WORDS[status], _tries(entry.tries if entry else 0), title

    def chapters(self):
        for chapter in sorted({number[:2] for number in self.titles}):
            solved, of, tries = self._counts(chapter)
            yield chapter, f"{solved} of {of}", _tries(tries)

    def _counts(self, chapter):
        """Exercises solved, exercises and tries of a chapter."""
        numbers = [number for number in self.titles if number.startswith(chapter)]
        entries = [self.entries[number] for number in numbers if number in self.entries]
        return sum(e.status in SOLVED for e in entries), len(numbers), sum(e.tries for e in entries)


def _tries(count):
    return "" if not count else f"{count} {'try' if count == 1 else 'tries'}"
