"""A student's progress: what the checks said, kept in a small file beside the notebook.

The file is ``my_progress.json`` in the folder where the kernel runs, or the one that ``$ASIF_PROGRESS`` names;
with ``ASIF_PROGRESS=""`` no progress is kept. Only this machine holds it, and deleting it does no harm.
"""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from asif_lib.errors import AsifError
from asif_lib.files import locked, parse_json, put_aside, read_file, write_json

VERSION = 5
KEPT = ("00.2", "03.1", "03.2", "03.3", "04.1", "04.2")
"""Exercises whose solutions chapter 07 makes the reader's own ASIF of."""
OWN_ASIF = "07.7"  # the number under which this counts; it has no card
RESULT = "a result, not a proof"
"""What a check says of an honest investigation that gains nothing sure: it counts as solved."""
SOLVED = ("right", RESULT)
FILE = "my_progress.json"
MOST_BYTES, MOST_EXERCISES = 5 << 20, 500
"""Of a progress file; one with all exercises of the book has about 20,000 bytes."""
LONGEST = 1_000
"""Characters of a message that are kept; the longest of a check has 600."""
VARIABLE = "ASIF_PROGRESS"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class ProgressError(AsifError):
    """A progress file that cannot be read."""


class DamagedProgressError(ProgressError):
    """A file that is not what `note` writes."""


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise; times are in UTC, ``"2025-03-01T14:05:00Z"``."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    status: Literal["right", RESULT, "wrong"]  # once right, it stays right; a result may become a proof
    tries: Annotated[int, Field(ge=0, le=10**6)]  # runs of the check until it was first right, that one included
    wrong: int  # how many of these were wrong
    first_right: str | None
    last: str  # when the check last ran
    message: Annotated[str, Field(max_length=LONGEST)] = ""  # of the last wrong try
    solution: Annotated[str, Field(max_length=5_000)] = ""  # code in a file of an earlier edition: nothing uses it

    def __post_init__(self):
        if not 0 <= self.wrong <= self.tries:
            raise ValueError(f"{self.wrong} of {self.tries} tries were wrong")
        if (self.status in SOLVED) != (self.first_right is not None):
            raise ValueError(f"status {self.status!r}, first right: {self.first_right}")
        for time in filter(None, (self.first_right, self.last)):
            if datetime.strptime(time, _TIME).strftime(_TIME) != time:
                raise ValueError(f"{time!r} is not written like {_TIME}")


@dataclass(frozen=True)
class Answers:
    """The answers to the test before or after the core path: a letter for each answered question, by its name."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    edition: Annotated[str, Field(max_length=20)]  # of the questions
    answers: Annotated[dict[Annotated[str, Field(max_length=40)], Literal["a", "b", "c", "d"]], Field(max_length=50)]
    handed_in: Annotated[str | None, Field(max_length=20)] = None  # in UTC; until then the answers may change


@dataclass(frozen=True)
class Progress:
    """A progress file: an `Entry` for each exercise that was tried, by its number (``"04.1"``), and both tests."""

    exercises: Annotated[
        dict[Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]{1,3}$")], Entry], Field(max_length=MOST_EXERCISES)
    ] = field(default_factory=dict)
    tests: dict[Literal["before", "after"], Answers] = field(default_factory=dict)
    no_tests: bool = False  # whether the reader leaves them out
    format: Literal["asif-progress"] = "asif-progress"
    version: Literal[VERSION] = VERSION


@dataclass(frozen=True)
class _Head:
    """What every version of the file has."""

    format: Literal["asif-progress"]
    version: Any = None


def progress_path() -> Path | None:
    """The progress file of this kernel, or None where no progress is kept."""
    name = os.environ.get(VARIABLE, FILE)
    return Path(os.path.expanduser(name)) if name else None  # where ~name is nobody, no such folder


def note(exercise: str, status: str, message: str = "") -> str:
    """Write down what a check said, and return a remark for the student where something is amiss; see `change`.

    `exercise` is a number, ``"04.1"``; `status` is that of an `Entry`, or "not attempted", which changes nothing;
    `message` is the message of the verdict.
    """

    def entered(progress):
        entry = _after(progress.exercises.get(exercise), status, message)
        return replace(progress, exercises=progress.exercises | {exercise: entry})

    return "" if status == "not attempted" else change(entered, "The verdict stands, but your progress was not saved.")


def change(changed, not_saved: str) -> str:
    """Write ``changed(progress)`` into the progress file, and return a remark for the student if something is amiss.

    It never raises. A damaged file is put aside under another name and a new one begun, one of another version is
    left as it is, and two kernels at once do not lose each other's entries. `not_saved` begins the remark where
    nothing could be written.
    """
    path, remark = progress_path(), ""
    if path is None:
        return ""
    try:
        path.parent.stat()  # a lock would make a folder that is missing
        with locked(path.with_name(f".{path.name}")):  # file browsers hide the lock
            if path.exists() and not path.stat().st_mode & 0o222:
                raise ProgressError(f"{path.name} is read-only.")
            progress = Progress()
            try:
                progress = load_progress(path) if path.exists() else progress
            except DamagedProgressError:
                kept = put_aside(path).name
                remark = f"{path.name} was damaged: it now stands as {kept}, and your progress starts afresh."
            progress = changed(progress)
            parse_json(
                TypeAdapter(Progress).dump_json(progress), Progress
            )  # what `load_progress` refuses is not written
            write_json(path, progress)
    except Exception as error:  # whatever happened to the file, the student must be answered
        reason = f"{path.name}: {error.strerror}." if isinstance(error, OSError) else str(error)
        remark += f" {not_saved} {reason}"
    return remark.strip()


def load_progress(path: Path | str) -> Progress:
    """Read a progress file.

    Raises `DamagedProgressError` if the file is not what `note` writes, and its base `ProgressError` if another version
    of the workbook wrote it, it is missing or it cannot be read.
    """
    path = Path(path)
    version = _read(path, _Head).version
    if version != VERSION:
        raise ProgressError(
            f"{path} is of version {version!r:.20} and this workbook knows version {VERSION}; "
            "use the workbook that wrote it, or rename it to begin a new one."
        )
    return _read(path, Progress)


def _read(path, kind):
    try:
        content = read_file(os.path.realpath(path), MOST_BYTES)  # a student may keep the file elsewhere
    except (OSError, ValueError) as error:
        raise ProgressError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    try:
        text = content.decode(json.detect_encoding(content))  # editors add marks, or use UTF-16
        return parse_json(text.encode(), kind)
    except ValueError:
        fault = "is damaged, or no progress file of this workbook" if content.strip() else "is empty"
        raise DamagedProgressError(f"{path} {fault}.") from None


def now() -> str:
    """Return the time, in UTC, as an `Entry` and `Answers` write it."""
    return datetime.now(UTC).strftime(_TIME)


def in_order(number: str) -> tuple[int, ...]:
    """Sort key of an exercise's number: 04.10 comes after 04.9."""
    return tuple(map(int, number.split(".")))


def _after(entry, status, message):
    """Return the entry after a check with this status and message."""
    time, solved = now(), status in SOLVED
    entry = entry or Entry("wrong", 0, 0, None, time)
    if entry.first_right:  # running all cells once more is no further try
        status = "right" if "right" in (status, entry.status) else RESULT
        return replace(entry, status=status, last=time, solution="")
    last_wrong = entry.message if solved else message[:LONGEST]
    when = time if solved else None, time
    return Entry(status, entry.tries + 1, entry.wrong + (not solved), *when, last_wrong)
