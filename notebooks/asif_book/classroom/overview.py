"""Show teachers the progress of a class."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from asif_book.checks.own_progress import exercise_titles
from asif_book.checks.progress import FILE, SOLVED, Answers, Entry, ProgressError, in_order, load_progress
from asif_book.checks.quiz import class_gain
from asif_lib.errors import AsifError, first_line
from asif_lib.files import ROOT, is_hidden, read_file, write_whole
from asif_lib.texts import csv_text

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
_AROUND_A_NAME = re.compile(r"(?<=.)((_\d+)_assignsubmission_.*|(\.tar)?\.(json|ipynb|zip|tar|gz|tgz|7z|rar))$", re.I)
"""In the name of a file or folder, also as Moodle has it: Ana Díaz_12345_assignsubmission_file_my_progress.json."""


class ClassError(AsifError):
    """A folder that holds no class, or an export that cannot be made."""


@dataclass(frozen=True)
class ClassProgress:
    """The progress files of a class."""

    students: dict[str, dict[str, Entry]] = field(default_factory=dict)  # an entry for each exercise that was tried
    tests: dict[str, dict[str, Answers]] = field(default_factory=dict)  # "before" and "after", as far as taken
    unreadable: list[str] = field(default_factory=list)  # a sentence for each hand-in that could not be read
    handed_in: set[str] = field(default_factory=set)  # students from whom there is a file, of whatever kind
    remarks: list[str] = field(default_factory=list)  # a sentence for each thing that the teacher should know


def read_class(folder: Path | str) -> ClassProgress:
    """Read ``NAME.json`` and ``NAME/**/my_progress*.json`` of every student in a folder.

    Names may be those of a download from Moodle; where two students have one name, its numbers stay. In a folder
    without ``my_progress*.json`` every ``.json`` counts, and nowhere a hidden file or a damaged one that was put aside.
    A student may hand in several files, for example one for each assignment. If two of them hold the same exercise, the
    solved one counts, otherwise the later; a remark says so. Raises `ClassError` if there is no such folder, or nothing
    in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ClassError(f"{folder}: there is no such folder.")
    found = ClassProgress()
    items = {item: written_name(item.name) for item in sorted(folder.iterdir())}
    students = _students(items.values())
    chapters = {path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    for item, name in items.items():
        student = students[name]
        if item.name.startswith((".", "__MACOSX")):  # what systems leave in folders and archives
            continue
        if student.casefold() in chapters:
            found.unreadable.append(f"{name} is named as a chapter; put it into the folder of its student.")
            continue
        found.handed_in.add(student)
        if item.is_dir():
            files = [file for file in sorted(item.rglob("*.json")) if not is_hidden(file.relative_to(item))]
            files = [file for file in files if ".damaged-" not in file.name]  # put aside by a check
            downloads = [file for file in files if file.name.startswith(Path(FILE).stem)]  # and my_progress (1).json
            files = downloads or [file for file in files if file.parent == item]
            if not files:
                found.unreadable.append(f"{name}: there is no {FILE} in this folder.")
            for file in files:
                if "solutions" in file.relative_to(item).parts:
                    where = written_name(str(file.relative_to(folder)))
                    found.remarks.append(f"{where}: does not count, since it belongs to the solved notebooks.")
                else:
                    _add(found, student, file, folder)
        elif item.suffix.lower() == ".json" and student.casefold().startswith(Path(FILE).stem):
            found.unreadable.append(f"{name}: the file names no student; rename it to NAME.json.")
        elif item.suffix.lower() == ".json":
            _add(found, student, item, folder)
        elif item.name.lower().endswith(_ARCHIVES):
            found.unreadable.append(f"{name}: an archive; unpack it.")
        else:
            found.remarks.append(f"{name}: no progress file; left alone.")
    if not (found.students or found.unreadable):
        raise ClassError(f"{folder} holds no progress: it should hold NAME.json or NAME/{FILE} for every student.")
    return found


def class_frame(found: ClassProgress, numbers: list[str], chapters: list[str] | None = None):
    """Make a DataFrame with one row for each student, in alphabetical order, and exercise.

    Columns: student, chapter, exercise, status (of an `Entry`, or "not attempted"), tries, wrong (how many of
    them were), first_right and last (UTC, or None), and the message of the last wrong try. An exercise that only a
    student's file holds has a row too, unless it belongs to none of the `chapters`.
    """
    blank = {"status": "not attempted", "tries": 0, "wrong": 0, "first_right": None, "last": None, "message": ""}
    rows = [
        {"student": student, "chapter": number[:2], "exercise": number}
        | (vars(entries[number]) if number in entries else blank)
        for student, entries in sorted(found.students.items(), key=lambda item: item[0].casefold())
        for number in sorted({*numbers, *entries}, key=in_order)
        if chapters is None or number[:2] in chapters
    ]
    return pd.DataFrame(rows, columns=["student", "chapter", "exercise", *blank])


def class_progress(folder: Path | str, csv_file=None, *, chapters=None, roster=None) -> tuple[dict, str]:
    """Summarise a class for ``asif class FOLDER``: as a JSON value, and as text.

    Raises as `read_class`, and `ClassError` if there is no such chapter, or if the roster cannot be read or has a name
    twice.

    Parameters
    ----------
    folder : path
    csv_file : path, optional
        Gets the rows of `class_frame`.
    chapters : list of str, optional
        Numbers, ``["00", "01"]``; default all.
    roster : path, optional
        Has a name on each line; each of these students has a row.
    """
    found, titles = read_class(folder), exercise_titles()
    if roster is not None:
        _call(found, roster)
    for student, entries in sorted(found.students.items(), key=lambda item: item[0].casefold()):
        if others := sorted(entries.keys() - titles.keys(), key=in_order):
            found.remarks.append(f"{student}: this workbook has no exercise {_few(others)}; the table leaves it out.")
    check_chapters(chapters, {number[:2] for number in titles})
    frame = class_frame(found, list(titles), chapters)
    if csv_file is not None:
        write_whole(csv_file, _spreadsheet(frame).encode("utf-8-sig"))  # the mark tells spreadsheets that it is UTF-8
    known = frame[frame.exercise.isin(titles)]
    students = [_summary(student, rows) for student, rows in known.groupby("student", sort=False)]
    exercises = [_by_exercise(number, titles[number], rows) for number, rows in known.groupby("exercise")]
    test, told = class_gain(found.tests)
    lists = {
        "By exercise:": [_sentence(exercise) for exercise in exercises if exercise["solved"] or exercise["failed"]],
        "Test before and after the core path:": told,
        "Not read:": found.unreadable,
        "Remarks:": found.remarks,
    }
    result = {"ok": not found.unreadable, "folder": str(folder), "students": students, "exercises": exercises}
    parts = [_table(students)] if students else []
    parts += ["\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in lists.items() if lines]
    return result | {"test": test, "unreadable": found.unreadable, "remarks": found.remarks}, "\n\n".join(parts)


def check_chapters(wanted, there):
    """Raise `ClassError` unless the `wanted` chapters, numbers or None, are among those that are `there`."""
    for chapter in wanted or ():
        if chapter not in there:
            raise ClassError(f"There is no chapter {chapter!r}; the chapters are {', '.join(sorted(there))}.")


def _call(found, roster):
    """Compare the hand-ins with a list of names; a student who handed in nothing gets an empty entry."""
    names = _names_on(roster)
    strangers = [name for name in found.students if name not in names]
    absent = [name for name in names if name not in found.handed_in]
    unread = [name for name in names if name in found.handed_in - found.students.keys()]
    if strangers:
        found.remarks.append(f"Not on the roster: {', '.join(strangers)}.")
    if absent:
        found.remarks.append(f"Nothing was handed in by {', '.join(absent)}.")
    if unread:
        found.remarks.append(f"Handed in, but not read, see above: {', '.join(unread)}.")
    found.students.update({name: {} for name in [*absent, *unread]})


def _names_on(roster) -> list[str]:
    """Return the names of a roster, one on each line.

    Raises `ClassError` if the file cannot be read, or holds no name or one twice.
    """
    try:
        text = read_file(roster).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ClassError(f"{roster}: the roster cannot be read ({first_line(error)}).") from None
    names = [written_name(line.strip()) for line in text.splitlines() if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ClassError(f"{roster}: the roster has {', '.join(twice)} more than once; give each student a name.")
    if not names:
        raise ClassError(f"{roster}: the roster holds no name.")
    return names


def _spreadsheet(frame) -> str:
    """Write the rows of `class_frame` as CSV for spreadsheets.

    Chapters and exercises become ``chapter 04`` and ``exercise 04.1``, since a spreadsheet would read 04.10 as the
    number 4.1. No spreadsheet reads the Z of a time; the names of these columns say UTC instead.
    """
    frame = frame.assign(
        chapter="chapter " + frame.chapter,
        exercise="exercise " + frame.exercise,
        **{column: frame[column].str.replace("T", " ").str.rstrip("Z") for column in ("first_right", "last")},
    ).rename(columns={"first_right": "first_right_utc", "last": "last_utc"})
    return csv_text(frame.columns, frame.itertuples(index=False, name=None))


def _students(names) -> dict:
    """Return the student of each file or folder, with Moodle's number where two students have one name."""
    found = {name: (_AROUND_A_NAME.sub("", name), _AROUND_A_NAME.sub(r"\2", name)) for name in names}
    numbers = Counter(student for student, numbered in set(found.values()) if numbered != student)
    return {name: numbered if numbers[student] > 1 else student for name, (student, numbered) in found.items()}


def _add(found, student, file, folder):
    name = written_name(str(file.relative_to(folder)))
    try:
        progress = load_progress(file)
    except ProgressError as error:
        found.unreadable.append(str(error).replace(str(file), name))
        return
    tests = found.tests.setdefault(student, {})
    for which, attempt in progress.tests.items():
        if tests.get(which, attempt) != attempt:
            rule = "the attempt that was handed in first counts"
            found.remarks.append(f"{student}: {name} is not the only file with the test {which}; {rule}.")
        tests[which] = min(tests.get(which, attempt), attempt, key=lambda a: a.handed_in or "9")
    known, entries = found.students.setdefault(student, {}), progress.exercises
    twice = sorted(known.keys() & entries.keys(), key=in_order)
    if twice:
        rule = "of each, the solved one counts, or else the later"
        found.remarks.append(f"{student}: {name} is not the only file with exercise {_few(twice)}; {rule}.")
    for number, entry in entries.items():
        known[number] = max(known.get(number, entry), entry, key=lambda e: (*(e.status == s for s in SOLVED), e.last))


def _few(names):
    """
    >>> _few([f"99.{i}" for i in range(100)])
    '99.0, 99.1, 99.2, 99.3, 99.4 and 95 more'
    """
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def written_name(name):
    """Escape the characters of a file's name that a terminal cannot print; macOS and Linux spell é differently."""
    name = unicodedata.normalize("NFC", name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _by_exercise(number, title, rows):
    """Count the students of an exercise by status, and how many of those who failed heard which message last.

    If none failed, the messages are those of all.
    """
    named = (rows.message != "") & ~rows.message.str.startswith("On input")  # other messages differ in their numbers
    counts = rows.status.value_counts()
    heard = named & (rows.status == "wrong") if "wrong" in counts else named
    messages = rows.message[heard].map(written_name).value_counts()
    return {
        "exercise": number,
        "title": title,
        "solved": int(rows.status.isin(SOLVED).sum()),
        "failed": int(counts.get("wrong", 0)),
        "not_attempted": int(counts.get("not attempted", 0)),
        "because": [{"message": message, "students": int(count)} for message, count in messages.items()],
    }


def _sentence(exercise):
    """
    >>> because = [{"message": "This is the dot product.", "students": 11}, {"message": "A distance.", "students": 2}]
    >>> _sentence({"exercise": "00.1", "solved": 12, "failed": 18, "because": because})
    '00.1: 18 of 30 failed, most often because (11 students): This is the dot product.'
    """
    failed, solved = exercise["failed"], exercise["solved"]
    line = f"{failed} of {failed + solved} failed" if failed else f"{solved} of {solved} solved it"
    why = ", most often because" if failed else "; their commonest wrong try"
    if [each["students"] for each in exercise["because"][:2]] == [1, 1]:
        return f"{exercise['exercise']}: {line}, no two for the same reason."
    for first in exercise["because"][:1]:
        students = f"{first['students']} student{'s' * (first['students'] > 1)}"
        return f"{exercise['exercise']}: {line}{why} ({students}): {first['message']}"
    return f"{exercise['exercise']}: {line}."


def _summary(student, rows):
    right, last = rows.status.isin(SOLVED), rows["last"].dropna()
    return {
        "student": student,
        "solved": int(right.sum()),
        "of": len(rows),
        "tries": int(rows.tries.sum()),
        "last": last.max() if len(last) else None,
        "chapters": {c: {"solved": int(part.sum()), "of": len(part)} for c, part in right.groupby(rows.chapter)},
    }


def _table(students):
    columns = {
        row["student"]: {c: f"{part['solved']}/{part['of']}" for c, part in row["chapters"].items()}
        | {"solved": f"{row['solved']}/{row['of']}", "tries": row["tries"], "last activity": row["last"] or "none"}
        for row in students
    }
    with pd.option_context("display.unicode.east_asian_width", True):
        return pd.DataFrame.from_dict(columns, orient="index").rename_axis(columns="chapter").to_string()
