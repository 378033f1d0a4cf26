"""A student's progress: what the checks said, kept in a small file beside the notebook.

The file is ``my_progress.json`` in the folder where the kernel runs, or the one that ``$ASIF_PROGRESS`` names;
with ``ASIF_PROGRESS=""`` no progress is kept. Only this machine holds it, and deleting it does no harm.
"""

import html
import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from asif_lib.errors import AsifError, ParameterError
from asif_lib.files import locked, put_aside, write_whole

FORMAT, VERSION = "asif-progress", 1
FILE = "my_progress.json"
VARIABLE = "ASIF_PROGRESS"
WORDS = {"right": "solved", "wrong": "not solved yet", "not attempted": "not attempted"}
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class ProgressError(AsifError):
    """A progress file that cannot be read."""


class OtherVersionError(ProgressError):
    """A progress file written by another version of the workbook."""


class DamagedProgressError(ProgressError):
    """A file that is not what `note` writes."""


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise.

    Attributes
    ----------
    status : {"right", "wrong"}
        Once right, it stays right.
    tries : int
        Runs of the check until it was first right, that one included.
    wrong : int
        How many of these were wrong.
    first_right : str or None
        When it was first right, in UTC: ``"2025-03-01T14:05:00Z"``.
    last : str
        When the check last ran, likewise.
    """

    status: str
    tries: int
    wrong: int
    first_right: str | None
    last: str


@dataclass(frozen=True)
class Progress:
    """A progress file: an `Entry` for each exercise that was tried, by its number (``"04.1"``)."""

    exercises: dict[str, Entry] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION


def progress_path() -> Path | None:
    """The progress file of this kernel, or None where no progress is kept."""
    name = os.environ.get(VARIABLE, FILE)
    return Path(name).expanduser() if name else None


def note(exercise: str, status: str) -> str:
    """Write down what a check said, and return a remark for the student where something is amiss.

    It never raises. A damaged file is put aside under another name and a new one begun, one of another version is
    left as it is, and two kernels at once do not lose each other's entries.

    Parameters
    ----------
    exercise : str
        Its number: ``"04.1"``.
    status : {"right", "wrong", "not attempted"}
        The last changes nothing.

    Returns
    -------
    str
        Empty where all is well.
    """
    if status == "not attempted":
        return ""
    remarks, path = [], progress_path()
    try:
        if path is not None:
            with locked(path.with_name(f".{path.name}")):  # file browsers hide the lock
                if path.exists() and not path.stat().st_mode & 0o222:
                    raise ProgressError(f"{path.name} is read-only.")
                progress, remark = _read_or_start_afresh(path)
                remarks.append(remark)
                progress.exercises[exercise] = _after(progress.exercises.get(exercise), status)
                write_whole(path.resolve(), (json.dumps(asdict(progress), indent=2) + "\n").encode())
    except Exception as error:  # whatever happened to the file, the verdict must reach the student
        reason = f"{path.name}: {error.strerror}." if isinstance(error, OSError) else str(error)
        remarks.append(f"The verdict stands, but your progress was not saved. {reason}")
    return " ".join(filter(None, remarks))


def load_progress(path: Path | str) -> Progress:
    """Read a progress file.

    Raises
    ------
    OtherVersionError
        Another version of the workbook wrote it.
    DamagedProgressError
        It is not what `note` writes.
    ProgressError
        The base of both; also raised where the file is missing or the system does not let it be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProgressError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DamagedProgressError(f"{path} is damaged, or no progress file of this workbook.")
    if data.get("version") != VERSION:
        raise OtherVersionError(
            f"{path} is of version {data.get('version')} and this workbook knows version {VERSION}; "
            "use the workbook that wrote it, or rename it to begin a new one."
        )
    try:
        entries = {number: Entry(**fields) for number, fields in data["exercises"].items()}
        sound = all(_plausible(*item) for item in entries.items())
    except (TypeError, AttributeError, KeyError):
        sound = False
    if not sound:
        raise DamagedProgressError(f"{path} is damaged: its entries are not those that the checks write.")
    return Progress(entries)


def exercise_titles() -> dict[str, str]:
    """What each exercise of the workbook asks for, by its number, in order."""
    from .checks import EXERCISES

    return {number: EXERCISES[number].title for number in sorted(EXERCISES, key=in_order)}


def in_order(number: str) -> tuple[int, ...]:
    """Sort key of an exercise's number: 04.10 comes after 04.9."""
    return tuple(map(int, number.split(".")))


def show_progress(chapter: str | None = None) -> "Overview":
    """What is solved: a line for each exercise of a chapter, and a row for every chapter.

    Parameters
    ----------
    chapter : str, optional
        Its number, ``"04"``; without it, the chapters only.

    Raises
    ------
    ParameterError
        The workbook has no such chapter, or it has no exercises.
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
    elif path.exists():
        try:
            entries = load_progress(path).exercises
        except ProgressError as error:
            remark = str(error)
    unknown = sorted(entries.keys() - titles.keys(), key=in_order)
    if unknown:
        remark = f"{path.name} also holds exercises that this workbook does not have: {', '.join(unknown)}."
    return Overview(chapter, titles, entries, remark)


@dataclass(frozen=True)
class Overview:
    """What `show_progress` shows, in a notebook and as text."""

    chapter: str | None
    titles: dict[str, str]
    entries: dict[str, Entry]
    remark: str

    def __str__(self):
        parts = []
        if self.chapter:
            lines = [
                f"  {symbol} {number}  {words}{', ' + tries if tries else ''}: {title}"
                for number, _, symbol, words, tries, title in self._exercises()
            ]
            parts.append("\n".join([self._heading(), *lines]))
        lines = [
            f"  {chapter}  {solved} solved{', ' + tries if tries else ''}"
            for chapter, solved, tries in self._chapters()
        ]
        parts.append("\n".join(["All chapters", *lines]))
        return "\n\n".join([*parts, self.remark] if self.remark else parts)

    __repr__ = __str__

    def _repr_html_(self):
        parts = []
        if self.chapter:
            # Black on the colours of the verdicts is readable whatever the theme; on a theme's background they are not.
            rows = [
                f'<tr><th scope="row">{number}</th><td><span style="background: {colour}; color: #000; '
                f'padding: 0 0.4em; border-radius: 0.2em">{symbol}</span> {words}</td><td>{tries}</td>'
                f"<td>{html.escape(title)}</td></tr>"
                for number, colour, symbol, words, tries, title in self._exercises()
            ]
            parts.append(_table(self._heading(), ("Exercise", "Status", "Tries", "What it asks for"), rows))
        rows = [
            f'<tr><th scope="row">{chapter}</th><td>{solved}</td><td>{tries}</td></tr>'
            for chapter, solved, tries in self._chapters()
        ]
        parts.append(_table("All chapters", ("Chapter", "Solved", "Tries"), rows))
        if self.remark:
            parts.append(f"<p>{html.escape(self.remark)}</p>")
        return "".join(parts)

    def _heading(self):
        solved, of, _ = self._counts(self.chapter)
        return f"Chapter {self.chapter}: {solved} of {of} exercises solved"

    def _exercises(self):
        from .checks.judging import STYLES

        for number, title in self.titles.items():
            if number.startswith(self.chapter):
                entry = self.entries.get(number)
                status = entry.status if entry else "not attempted"
                yield number, *STYLES[status], WORDS[status], _tries(entry.tries if entry else 0), title

    def _chapters(self):
        for chapter in sorted({number[:2] for number in self.titles}):
            solved, of, tries = self._counts(chapter)
            yield chapter, f"{solved} of {of}", _tries(tries)

    def _counts(self, chapter):
        """Exercises solved, exercises and tries of a chapter."""
        numbers = [number for number in self.titles if number.startswith(chapter)]
        entries = [self.entries[number] for number in numbers if number in self.entries]
        solved = sum(entry.status == "right" for entry in entries)
        return solved, len(numbers), sum(entry.tries for entry in entries)


def _read_or_start_afresh(path):
    if not path.exists():
        return Progress(), ""
    try:
        return load_progress(path), ""
    except DamagedProgressError:
        kept = put_aside(path)
        return Progress(), f"{path.name} was damaged: it now stands as {kept.name}, and your progress starts afresh."


def _after(entry, status):
    """The entry once a check has said `status`."""
    now = datetime.now(UTC).strftime(_TIME)
    entry = entry or Entry("wrong", 0, 0, None, now)
    right = status == "right"
    if entry.first_right:  # running all cells once more is no further try
        return replace(entry, last=now)
    return Entry(
        status=status,
        tries=entry.tries + 1,
        wrong=entry.wrong + (not right),
        first_right=now if right else None,
        last=now,
    )


def _plausible(number, entry):
    counts = type(entry.tries) is int and type(entry.wrong) is int and 0 <= entry.wrong <= entry.tries
    solved = entry.first_right is not None and _is_time(entry.first_right)
    status = entry.status == "right" if solved else (entry.status, entry.first_right) == ("wrong", None)
    return bool(re.fullmatch(r"[0-9]{2}\.[0-9]{1,3}", number)) and counts and status and _is_time(entry.last)


def _is_time(text):
    try:
        return datetime.strptime(text, _TIME).strftime(_TIME) == text
    except (TypeError, ValueError):
        return False


def _tries(count):
    return "" if not count else f"{count} {'try' if count == 1 else 'tries'}"


def _table(caption, columns, rows):
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
