"""The overview of a class: what its progress files say, and what is said of files that cannot be read."""

import json
import os
import unicodedata
from types import SimpleNamespace

import pandas as pd
import pytest
from hostile import FORMULAS, formulas

NOT_REGULAR = "is a pipe, device or folder, and only a regular file is read; put a copy in its place."
DAMAGED = "is damaged, or no progress file of this workbook."


def entry(status="right", tries=1, wrong=0, minute=5, message=""):
    time = f"2025-03-01T14:{minute:02}:00Z"
    first_right = time if status == "right" else None
    found = {"status": status, "tries": tries, "wrong": wrong, "first_right": first_right, "last": time}
    return found | {"message": message}


def hand_in(path, version=5, **exercises):
    """A progress file; exercise 04.1 is called e041."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbered = {f"{name[1:3]}.{name[3:]}": fields for name, fields in exercises.items()}
    path.write_text(json.dumps({"exercises": numbered, "format": "asif-progress", "version": version}))


@pytest.fixture(autouse=True)
def exercises(monkeypatch):
    """A workbook of two chapters with three exercises."""
    check = SimpleNamespace(title="An exercise")
    monkeypatch.setattr("asif_book.checks.EXERCISES", dict.fromkeys(["00.1", "00.2", "04.1"], check))


@pytest.fixture
def folder(tmp_path):
    """Two students: one handed in a file, one two assignments as nbgrader collects them."""
    folder = tmp_path / "submitted"
    hand_in(folder / "Anna.json", e001=entry(), e002=entry("wrong", 3, 3, 9, message="You added."), e041=entry())
    hand_in(folder / "Zoë" / "00_start_here" / "my_progress.json", e001=entry(tries=4, wrong=2))
    hand_in(folder / "Zoë" / "04_sparsification" / "my_progress.json", e041=entry("wrong", 1, 1, 7))
    return folder


def test_table_of_a_class(folder, asif):
    status, printed = asif(folder)
    assert status == 0
    table, exercises = printed.out.split("\n\n")
    assert exercises.splitlines() == [
        "By exercise:",
        "  00.1: 2 of 2 solved it.",
        "  00.2: 1 of 1 failed, most often because (1 student): You added.",
        "  04.1: 1 of 2 failed.",
    ]
    assert [line.split() for line in table.splitlines()] == [
        ["chapter", "00", "04", "solved", "tries", "last", "activity"],
        ["Anna", "1/2", "1/1", "2/3", "5", "2025-03-01T14:09:00Z"],
        ["Zoë", "1/2", "0/1", "1/3", "5", "2025-03-01T14:07:00Z"],
    ]


def test_class_as_json(folder, asif):
    status, result = asif(folder, "--json")
    assert (status, result["ok"], result["unreadable"], result["remarks"]) == (0, True, [], [])
    chapters = {"00": {"solved": 1, "of": 2}, "04": {"solved": 0, "of": 1}}
    about = {"student": "Zoë", "solved": 1, "of": 3, "tries": 5, "last": "2025-03-01T14:07:00Z"}
    assert result["students"][1] == about | {"chapters": chapters}
    about = {"exercise": "00.2", "title": "An exercise", "solved": 0, "failed": 1, "not_attempted": 1}
    assert result["exercises"][1] == about | {"because": [{"message": "You added.", "students": 1}]}


def test_the_commonest_named_mistake_of_an_exercise_is_told(tmp_path, asif):
    solved = entry(tries=2, wrong=1, message="You added.")
    for name in ("a", "b"):
        hand_in(tmp_path / "all" / f"{name}.json", e001=solved)
    told = "  00.1: 2 of 2 solved it; their commonest wrong try (2 students): You added."
    assert told in asif(tmp_path / "all")[1].out.splitlines()
    told = ["You added.", "On input 1: off by 0.1", "On input 1: off by 0.1", "You added.", "A distance.", ""]
    for number, message in enumerate(told):
        hand_in(tmp_path / "some" / f"s{number}.json", e001=entry("wrong", 1, 1, number, message=message))
    hand_in(tmp_path / "some" / "s9.json", e001=solved)
    assert "00.1: 6 of 7 failed, most often because (2 students): You added." in asif(tmp_path / "some")[1].out


MOODLE = "_12345_assignsubmission_file_"
NAMES = {
    "a download from Moodle": (
        [f"Ana Díaz{MOODLE}my_progress.json", f"Bob O'Neil{MOODLE}/my_progress.json", f"Cem_Öz{MOODLE}/mine (2).json"],
        ["Ana Díaz", "Bob O'Neil", "Cem_Öz"],
    ),
    "two students of one name, each with two hand-ins": (
        [
            f"Anna Schmidt_{number}_assignsubmission_{kind}/my_progress.json"
            for number in (111, 222) for kind in ("file", "onlinetext")
        ],
        ["Anna Schmidt_111", "Anna Schmidt_222"],
    ),
    "two spellings of an accent": (
        [f"{unicodedata.normalize(form, 'Zoë')}.json" for form in ("NFC", "NFD")], ["Zoë"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_each_student_has_one_row(tmp_path, asif, kind):
    files, students = NAMES[kind]
    for file in files:
        hand_in(tmp_path / file, e001=entry())
    status, result = asif(tmp_path, "--json")
    assert status == 0 and [(s["student"], s["solved"]) for s in result["students"]] == [(s, 1) for s in students]


def test_a_wrong_place_is_told_and_nobody_who_handed_in_is_absent(folder, tmp_path, asif):
    (tmp_path / "names.txt").write_text("Anna\nZoë\nBob\nCem")
    hand_in(folder / "00_Start_here" / "Bob" / "my_progress.json", e001=entry())
    for name in ("00_start_here.ipynb", "Bob.ipynb", "Cem.tar.gz"):
        (folder / name).touch()
    status, result = asif(folder, "--json", "--roster", tmp_path / "names.txt")
    says = "is named as a chapter; put it into the folder of its student."
    assert status == 1 and {f"{name} {says}" for name in ("00_Start_here", "00_start_here.ipynb")} < {
        *result["unreadable"]
    }
    assert result["remarks"][1:] == ["Handed in, but not read, see above: Bob, Cem."]


def test_a_file_without_a_name_is_no_student(folder, asif):
    names = ["My_progress - Copy.json", "my_progress (1).json", "my_progress.json"]
    for name in names:
        hand_in(folder / name, e001=entry())
    status, result = asif(folder, "--json")
    assert (status, [s["student"] for s in result["students"]]) == (1, ["Anna", "Zoë"])
    says = "the file names no student; rename it to NAME.json."
    assert sorted(result["unreadable"]) == [f"{name}: {says}" for name in names]


def test_chapters_pick_the_columns_the_csv_and_the_exercises(folder, tmp_path, asif):
    status, printed = asif(folder, "--chapters", "04", "--csv", tmp_path / "progress.csv")
    columns = printed.out.splitlines()[0].split()
    assert (status, columns) == (0, ["chapter", "04", "solved", "tries", "last", "activity"])
    assert set(pd.read_csv(tmp_path / "progress.csv").exercise) == {"exercise 04.1"}
    assert "no chapter '4'; the chapters are 00, 04." in asif(folder, "--chapters", "4")[1].err


def test_a_roster_names_the_absent_and_the_strangers_and_no_one_twice(folder, tmp_path, asif):
    roster = tmp_path / "names.txt"
    roster.write_text("Zoë\nBob\nBen\nCy\n\n", encoding="utf-8-sig")
    (folder / "Cy.json").touch()
    status, printed = asif(folder, "--roster", roster)
    table, _, unread, remarks = printed.out.rstrip("\n").split("\n\n")
    students = ["Anna", "Ben", "Bob", "Cy", "Zoë"]
    assert (status, [line[:5].strip() for line in table.splitlines()[1:]]) == (1, students)
    assert unread.splitlines()[1:] == ["  Cy.json is empty."]
    told = ["  Not on the roster: Anna.", "  Nothing was handed in by Bob, Ben."]
    told += ["  Handed in, but not read, see above: Cy."]
    assert remarks.splitlines()[1:] == told
    for text, said in (
        ("Zoë\nAnna\nZoë\n", "has Zoë more than once"),
        ("\n", "the roster holds no name"),
    ):
        roster.write_text(text)
        assert said in asif(folder, "--roster", roster)[1].err
    os.mkfifo(tmp_path / "pipe")  # and is not waited for
    for no_file in (tmp_path, tmp_path / "pipe"):
        assert "roster cannot be read" in asif(folder, "--roster", no_file)[1].err


def test_csv_has_a_row_for_each_student_and_exercise(folder, tmp_path, asif):
    file = tmp_path / "progress.csv"
    assert asif(folder, "--csv", file)[0] == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")  # Excel takes a file without it for Latin-1
    table = pd.read_csv(file)
    assert len(table) == 6
    about = {"student": "Anna", "chapter": "chapter 00", "exercise": "exercise 00.2", "status": "wrong", "tries": 3}
    times = {"first_right_utc": pytest.approx(float("nan"), nan_ok=True), "last_utc": "2025-03-01 14:09:00"}
    assert table.iloc[1].to_dict() == about | {"wrong": 3, "message": "You added."} | times
    assert table.query("student == 'Zoë'").status.tolist() == ["right", "not attempted", "wrong"]


def test_no_name_and_no_message_becomes_a_formula(tmp_path, asif):
    for text in FORMULAS:
        hand_in(tmp_path / "class" / text / "my_progress.json", e001=entry("wrong", 1, 1, 1, message=text))
    asif(tmp_path / "class", "--csv", tmp_path / "progress.csv")
    assert formulas(tmp_path / "progress.csv") == []


def test_files_that_cannot_be_read_are_named_and_the_others_counted(folder, asif):
    (folder / "Bob.json").write_text('{"format": "asif-progr')
    (folder / "Cem.json").touch()
    hand_in(folder / "Dana" / "my_progress.json", version=6)
    (folder / "Eve" / "empty").mkdir(parents=True)
    (folder / "Finn" / "my_progress.json").mkdir(parents=True)
    (folder / "Gil.zip").touch()
    (folder / "notes.txt").touch()
    (folder / "__MACOSX").mkdir()
    status, printed = asif(folder)
    assert status == 1
    table, _, unread, remarks = printed.out.rstrip("\n").split("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["Anna", "Zoë"]
    assert unread.splitlines() == [
        "Not read:",
        f"  Bob.json {DAMAGED}",
        "  Cem.json is empty.",
        "  Dana/my_progress.json is of version 6 and this workbook knows version 5; use the workbook that wrote it, or "
        "rename it to begin a new one.",
        "  Eve: there is no my_progress.json in this folder.",
        f"  Finn/my_progress.json cannot be read: my_progress.json {NOT_REGULAR}",
        "  Gil.zip: an archive; unpack it.",
    ]
    assert remarks.splitlines() == ["Remarks:", "  notes.txt: no progress file; left alone."]


def test_only_regular_files_of_some_size_are_read(folder, tmp_path, asif):
    (folder / "Bob").mkdir()
    (folder / "Bob" / "my_progress.json").symlink_to("/dev/zero")
    os.mkfifo(folder / "Eve.json")
    (folder / "Finn.json").write_bytes(b" " * (6 << 20))
    hand_in(folder / "Gil.json", e001=entry("wrong", 1, 1, message="x" * 1_000_000))
    status, result = asif(folder, "--json", "--csv", tmp_path / "class.csv")
    assert (status, [student["student"] for student in result["students"]]) == (1, ["Anna", "Zoë"])
    assert (tmp_path / "class.csv").stat().st_size < 20_000
    assert result["unreadable"] == [
        f"Bob/my_progress.json cannot be read: zero {NOT_REGULAR}",
        f"Eve.json cannot be read: Eve.json {NOT_REGULAR}", "Finn.json cannot be read: Finn.json has more than 5 MB.",
        f"Gil.json {DAMAGED}",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_that_an_editor_has_saved_anew_is_read(folder, asif, encoding):
    text = (folder / "Anna.json").read_text(encoding="utf-8")
    (folder / "Anna.json").write_bytes(text.encode(encoding))
    status, printed = asif(folder)
    assert status == 0 and "Anna     1/2" in printed.out


def test_a_class_of_unreadable_files_alone_still_writes_its_csv_but_over_no_file_that_it_reads(tmp_path, asif):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "Bob.json").write_text("{")
    status, printed = asif(tmp_path / "class", "--csv", tmp_path / "progress.csv")
    assert (status, printed.out.splitlines()[0]) == (1, "Not read:")
    assert (tmp_path / "progress.csv").read_text(encoding="utf-8-sig").startswith('"student","chapter"')
    for read in ("class/Bob.json", "names.txt"):
        (tmp_path / "names.txt").write_text("Bob")
        said = asif(tmp_path / "class", "--roster", tmp_path / "names.txt", "--csv", tmp_path / read)[1].err
        assert f"this command reads {tmp_path / read}; name a file elsewhere" in said


def test_a_student_with_two_files_is_one_student_and_the_teacher_is_told(folder, asif):
    hand_in(folder / "Anna" / "my_progress.json", e002=entry(minute=1), e041=entry("wrong", 9, 9, 59))
    status, result = asif(folder, "--json")
    assert status == 0
    assert [(s["student"], s["solved"], s["tries"]) for s in result["students"]] == [("Anna", 3, 3), ("Zoë", 1, 5)]
    (remark,) = result["remarks"]
    assert remark.startswith("Anna: Anna.json is not the only file with exercise 00.2, 04.1;")


def test_each_download_of_a_student_counts_and_no_hidden_file(folder, asif):
    hand_in(folder / "Bob" / "my_progress.json", e001=entry())
    hand_in(folder / "Bob" / "my_progress (1).json", e002=entry(), e041=entry())
    (folder / "Bob" / "my_progress.damaged-1.json").write_text("{")  # put aside by the check that began a new one
    (folder / "Cem").mkdir()
    (folder / "Cem" / "mine.json").write_bytes((folder / "Bob" / "my_progress.json").read_bytes())
    for name in ("Bob/._my_progress.json", "Bob/.trash/my_progress.json", "Cem/.editions.json", "Cem/._mine.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    status, result = asif(folder, "--json")
    assert (status, result["unreadable"], result["remarks"]) == (0, [], [])
    assert [(s["student"], s["solved"]) for s in result["students"][1:3]] == [("Bob", 3), ("Cem", 1)]


def test_progress_of_the_solved_notebooks_is_not_the_students(folder, asif):
    hand_in(folder / "Zoë" / "handed in" / "solutions" / "my_progress.json", e002=entry())
    status, result = asif(folder, "--json")
    assert (status, result["students"][1]["solved"]) == (0, 1)
    assert "Zoë/handed in/solutions/my_progress.json: does not count" in result["remarks"][0]


def test_an_exercise_that_the_workbook_lacks_is_told_and_stands_in_the_csv(folder, tmp_path, asif):
    hand_in(folder / "Bob.json", **{f"e99{number}": entry() for number in range(1, 8)})
    status, printed = asif(folder, "--csv", tmp_path / "progress.csv")
    assert status == 0
    lacks = "this workbook has no exercise 99.1, 99.2, 99.3, 99.4, 99.5 and 2 more"
    assert f"  Bob: {lacks}; the table leaves it out." in printed.out.splitlines()
    assert printed.out.splitlines()[2].split()[:4] == ["Bob", "0/2", "0/1", "0/3"]
    assert "exercise 99.1" in (tmp_path / "progress.csv").read_text()


def test_words_that_a_terminal_would_obey_or_no_encoding_holds_are_spelt_out(tmp_path, asif):
    hand_in(tmp_path / "class" / "Bob\x1b[2J.json", e002=entry("wrong", 1, 1, 1, message="\x1b[2J"))
    hand_in(tmp_path / "class" / os.fsdecode(b"Zo\xeb.json"), e001=entry())
    status, printed = asif(tmp_path / "class", "--csv", tmp_path / "progress.csv")
    assert status == 0 and "\x1b" not in printed.out
    assert "Bob\\x1b[2J " in printed.out and "Zo\\udceb " in printed.out


def test_a_folder_without_a_class_is_an_error(tmp_path, asif):
    assert asif(tmp_path / "missing")[1].err == f"asif: {tmp_path / 'missing'}: there is no such folder.\n"
    status, printed = asif(tmp_path)
    assert status == 1 and "holds no progress" in printed.err
