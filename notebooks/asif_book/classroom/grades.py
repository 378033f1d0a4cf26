"""Grade files of an nbgrader course, in which "not marked" differs from 0."""

from pathlib import Path

from asif_book.classroom.assignments import Grader, look_over
from asif_book.classroom.overview import ClassError, names_on, written_name
from asif_lib.files import write_whole
from asif_lib.texts import csv_text

NOT_MARKED = "not marked"


def write_grades(course: Path | str, *, moodle=None, canvas=None, roster=None) -> tuple[dict, str]:
    """Judge the submissions of a course, and write a grade file: as JSON, and as text.

    A student with nothing that can be marked has an empty cell, which neither system counts as 0, and a reason. Raises
    `ClassError` without a submission, if a file is there already, or a name of the roster is not clear.

    Parameters
    ----------
    course : path
        With ``source/`` and ``submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb``.
    moodle, canvas : path, optional
        Gets a table as Moodle (Grades, Import, CSV file) or Canvas (Grades, Import) takes it.
    roster : path, optional
        Students who have a row in any case: see `names_on`. Its other columns, such as an email or Canvas's IDs, go
        into the grade files, since Moodle and Canvas know a student by these.
    """
    roster = names_on(roster) if roster else {}
    for file in filter(None, (moodle, canvas)):
        if Path(file).exists():
            raise ClassError(f"{file} is there already, and may hold marks; name another file.")
    result, _ = look_over(course, marks=True)
    if faults := [f"{name}: {fault}" for name, fault in result["problems"].items() if name.startswith("source/")]:
        raise ClassError(f"{' '.join(faults)} No grade is written.")
    handed_in = {folder.name for folder in Path(course).glob("submitted/*/*")}
    sources = (file for file in sorted(Path(course).glob("source/*/*.ipynb")) if file.stem in handed_in)
    most = {file.stem: sum(Grader(file).points.values()) for file in sources}  # points of all its exercises
    folders = {written_name(folder.name) for folder in Path(course).glob("submitted/*") if folder.is_dir()}
    students = sorted({*folders, *roster})
    more = list(dict.fromkeys(column for columns in roster.values() for column in columns if column not in most))
    grades, why = {}, {}
    for student in students:
        for assignment in most:
            name = f"{student}/{assignment}"
            if name in result["points"]:
                grades[name] = sum(result["points"][name].values())
            else:
                why[name] = result["problems"].get(name, "nothing was handed in")
    titles = {assignment: f"{assignment} (of {points:g})" for assignment, points in most.items()}
    if moodle:
        told = {name: f"{NOT_MARKED}: {reason}" for name, reason in why.items()}
        columns = ["student", *more, *(f"{title}{what}" for title in titles.values() for what in ("", ", feedback"))]
        rows = []
        for s in students:
            about = [roster.get(s, {}).get(column) for column in more]
            names = [f"{s}/{assignment}" for assignment in most]
            rows.append([s, *about, *(cell for name in names for cell in (grades.get(name), told.get(name)))])
        write_whole(moodle, csv_text(columns, rows).encode("utf-8-sig"))
    if canvas:
        known = ["ID", "SIS User ID", "SIS Login ID", "Section"]
        rows = [["Points Possible", *[""] * len(known), *most.values()]]
        for s in students:
            ids = [roster.get(s, {}).get(column, "") for column in known]
            rows.append([s, *ids, *(grades.get(f"{s}/{assignment}") for assignment in most)])
        write_whole(canvas, csv_text(["Student", *known, *most], rows).encode("utf-8-sig"))
    lines = [f"{name}: {points:g} of {most[name.partition('/')[2]]:g} points" for name, points in grades.items()]
    lines += [f"{name}: {NOT_MARKED}, {reason}" for name, reason in why.items()]
    if roster and folders - roster.keys():
        lines.append(f"not on the roster: {', '.join(sorted(folders - roster.keys()))}")
    lines += result["remarks"]
    lines += [f"written: {file}; an empty cell is {NOT_MARKED}, and no 0" for file in (moodle, canvas) if file]
    return {"grades": grades, "not_marked": why, "most": most, "remarks": result["remarks"]}, "\n".join(lines)
