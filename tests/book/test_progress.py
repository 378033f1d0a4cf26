"""A student's progress file: what is kept, and what happens to it in a crash, beside another kernel, on a full disk."""

import errno
import json
import multiprocessing
import os
import signal
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from pages import contrast

from asif_book.checks import progress
from asif_book.checks.own_progress import show_progress
from asif_book.checks.progress import RESULT, load_progress, note
from asif_lib import files
from asif_lib.errors import ParameterError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder where the kernel runs, with no progress yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def clock(monkeypatch):
    """Times that pass a minute with each entry."""

    class Clock(progress.datetime):
        minute = 0

        @classmethod
        def now(cls, zone):
            cls.minute += 1
            return progress.datetime(2025, 3, 1, 14, cls.minute, tzinfo=zone)

    monkeypatch.setattr(progress, "datetime", Clock)


def test_tries_are_counted_and_what_was_solved_stays_solved(folder, clock):
    assert [note("04.1", status) for status in ("wrong", "right", "wrong", "right")] == [""] * 4
    entry = load_progress(folder / "my_progress.json").exercises["04.1"]
    assert (entry.status, entry.tries, entry.wrong) == ("right", 2, 1)
    assert (entry.first_right, entry.last) == ("2025-03-01T14:02:00Z", "2025-03-01T14:04:00Z")


def test_a_result_without_proof_counts_as_solved_and_may_become_a_proof(folder, clock):
    tries, best = ("wrong", RESULT, "wrong", "right", RESULT), ("wrong", RESULT, RESULT, "right", "right")
    for status, kept in zip(tries, best, strict=True):
        note("05.6", status)
        assert load_progress(folder / "my_progress.json").exercises["05.6"].status == kept
    entry = load_progress(folder / "my_progress.json").exercises["05.6"]
    assert (entry.tries, entry.wrong, entry.first_right) == (2, 1, "2025-03-01T14:02:00Z")


def test_an_exercise_that_was_not_attempted_leaves_no_trace(folder):
    assert note("04.1", "not attempted") == ""
    assert list(folder.iterdir()) == []
    note("04.1", "right")
    before = (folder / "my_progress.json").read_bytes()
    assert note("04.1", "not attempted") == ""
    assert (folder / "my_progress.json").read_bytes() == before


def test_the_file_names_its_format_and_stands_alone_beside_its_hidden_lock(folder):
    note("04.1", "wrong", "x" * 2_000)
    assert load_progress("my_progress.json").exercises["04.1"].message == "x" * 1_000
    data = json.loads((folder / "my_progress.json").read_text())
    assert (data["format"], data["version"], list(data["exercises"])) == ("asif-progress", 5, ["04.1"])
    assert {path.name for path in folder.iterdir()} == {"my_progress.json", ".my_progress.json.lock"}


def test_the_variable_names_the_file_or_says_that_none_is_kept(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.setenv(progress.VARIABLE, "elsewhere/anna.json")
    assert note("04.1", "right") == ""
    assert list(load_progress("elsewhere/anna.json").exercises) == ["04.1"]
    monkeypatch.setenv(progress.VARIABLE, "")
    assert note("04.2", "right") == ""
    assert not (folder / "my_progress.json").exists()
    assert "No progress is kept" in str(show_progress())


def test_the_check_of_an_exercise_writes_it_down():
    from asif_book.checks import check_cosine

    assert check_cosine(lambda a, b: 2.0).status == "wrong"
    assert load_progress("my_progress.json").exercises["00.1"].status == "wrong"


TIME = "2025-03-01T14:05:00Z"
ENTRY = {"status": "right", "tries": 2, "wrong": 1, "first_right": TIME, "last": TIME}


def stored(number="04.1", **changes):
    exercises = {number: ENTRY | changes}
    return json.dumps({"exercises": exercises, "format": "asif-progress", "version": 5}).encode()


@pytest.mark.parametrize(
    "content",
    [
        stored()[:-30], b"", b"\x89PNG\r\n\x1a\n\xff\xfe", b"[" * 100_000, b"[]", b'{"exercises": {}}',
        b'{"format": "another", "version": 5, "exercises": {}}',
        b'{"format": "asif-progress", "version": 5, "exercises": ["04.1"]}', stored(number="four"), stored(tries="2"),
        stored(tries=0), stored(status="wrong"), stored(first_right=None), stored(last="yesterday"), stored(points=3),
    ],
)  # fmt: skip
def test_a_damaged_file_is_put_aside_whole_and_a_new_one_begun(folder, content):
    (folder / "my_progress.json").write_bytes(stored())  # which the damage is made of
    assert load_progress("my_progress.json").exercises == {"04.1": progress.Entry(**ENTRY)}
    (folder / "my_progress.json").write_bytes(content)
    (folder / "my_progress.damaged-1.json").write_bytes(b"an earlier one")
    words = rf"my_progress\.json is {'damaged' if content else 'empty'}"
    with pytest.raises(progress.DamagedProgressError, match=words):
        load_progress("my_progress.json")
    now = "it now stands as my_progress.damaged-2.json, and your progress starts afresh."
    assert note("04.2", "right") == f"my_progress.json was damaged: {now}"
    assert (folder / "my_progress.damaged-2.json").read_bytes() == content
    assert (folder / "my_progress.damaged-1.json").read_bytes() == b"an earlier one"
    assert list(load_progress("my_progress.json").exercises) == ["04.2"]
    assert note("04.2", "right") == ""


@pytest.mark.parametrize("version", [6, 4, 1, "5"])
def test_a_file_of_another_version_is_left_as_it_is(folder, version):
    content = json.dumps({"format": "asif-progress", "version": version, "pupils": []}).encode()
    (folder / "my_progress.json").write_bytes(content)
    remark = note("04.1", "right")
    assert f"your progress was not saved. my_progress.json is of version {version!r} and" in remark
    assert (folder / "my_progress.json").read_bytes() == content
    assert {path.name for path in folder.iterdir()} == {"my_progress.json", ".my_progress.json.lock"}
    assert "rename it to begin a new one" in show_progress("04")._repr_html_()
    with pytest.raises(progress.ProgressError, match="this workbook knows version 5"):
        load_progress("my_progress.json")


def test_where_the_system_refuses_the_verdict_stands_and_the_reason_is_told(folder, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, "missing/anna.json")
    assert note("04.1", "right").endswith("was not saved. anna.json: No such file or directory.")
    monkeypatch.setenv(progress.VARIABLE, "~nobody.here/x")
    assert note("04.1", "right").endswith("was not saved. x: No such file or directory.") and show_progress()
    (folder / "my_progress.json").mkdir()
    monkeypatch.delenv(progress.VARIABLE)
    assert "was not saved. my_progress.json cannot be read: my_progress.json is a pipe, dev" in note("04.1", "right")
    assert (folder / "my_progress.json").is_dir()
    with pytest.raises(progress.ProgressError, match="only a regular file is read"):
        load_progress("my_progress.json")


def test_a_read_only_file_or_folder_is_told_and_stays_as_it_is(folder, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    note("04.1", "right")
    path = folder / "my_progress.json"
    before = path.read_bytes()
    path.chmod(0o444)
    assert note("04.2", "right").endswith("was not saved. my_progress.json is read-only.")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o444)
    path.chmod(0o644)
    path.write_bytes(b"{")
    monkeypatch.setattr(files.os, "replace", refuse)
    assert note("04.1", "right").endswith("was not saved. my_progress.json: Read-only file system.")
    assert path.read_bytes() == b"{"


@pytest.mark.parametrize("exercises", [
    {"04.1": ENTRY | {"status": "wrong", "first_right": None, "tries": 10**6}},
    {f"10.{n}": ENTRY for n in range(progress.MOST_EXERCISES)},
])  # fmt: skip
def test_what_could_not_be_read_again_is_not_written(folder, exercises):
    file = folder / "my_progress.json"
    file.write_text(json.dumps({"exercises": exercises, "format": "asif-progress", "version": 5}))
    before = load_progress(file)
    assert "your progress was not saved. exercises" in note("04.1", "wrong") and load_progress(file) == before


def test_a_linked_file_stays_a_link(folder):
    (folder / "synced").mkdir()
    (folder / "my_progress.json").symlink_to("synced/mine.json")
    assert note("04.1", "right") == ""
    assert (folder / "my_progress.json").is_symlink()
    assert list(load_progress("synced/mine.json").exercises) == ["04.1"]


def killed():
    def die(descriptor):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    assert note("04.1", "right") == ""
    os.fsync = die
    note("04.2", "right")


def test_a_kernel_killed_in_the_middle_of_a_write_loses_that_entry_alone(folder):
    kernel = multiprocessing.get_context("fork").Process(target=killed)
    kernel.start()
    kernel.join(timeout=120)
    assert kernel.exitcode == -signal.SIGKILL
    assert list(load_progress("my_progress.json").exercises) == ["04.1"]
    assert note("04.3", "wrong") == ""  # its lock went with it
    assert list(load_progress("my_progress.json").exercises) == ["04.1", "04.3"]


def many(chapter, barrier):
    barrier.wait()
    for i in range(1, 26):
        assert note(f"{chapter}.{i}", "right") == ""


def test_two_kernels_at_once_lose_nothing(folder):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    kernels = [context.Process(target=many, args=(chapter, barrier)) for chapter in ("01", "02")]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(timeout=120)
    assert [kernel.exitcode for kernel in kernels] == [0, 0]
    assert len(load_progress("my_progress.json").exercises) == 50


@pytest.fixture
def exercises(monkeypatch):
    """A workbook of two chapters with four exercises."""
    titles = {"04.10": "Last", "04.2": "Second <b>", "04.1": "First", "05.1": "Other"}
    registry = {number: SimpleNamespace(title=title) for number, title in titles.items()}
    monkeypatch.setattr("asif_book.checks.EXERCISES", registry)


def test_overview_of_a_chapter_in_words(exercises):
    for number, status in (("04.1", "wrong"), ("04.1", "right"), ("04.2", "wrong"), ("09.9", "right")):
        note(number, status)
    assert str(show_progress("04")) == (
        "Chapter 04: 1 of 3 exercises solved\n"
        "  ✔ 04.1  solved, 2 tries: First\n"
        "  ✘ 04.2  not solved yet, 1 try: Second <b>\n"
        "  ○ 04.10  not attempted: Last\n\n"
        "All chapters\n"
        "  04  1 of 3 solved, 3 tries\n"
        "  05  0 of 1 solved\n\n"
        "my_progress.json also holds exercises that this workbook does not have: 09.9."
    )
    assert str(show_progress()).startswith("All chapters\n")
    with pytest.raises(ParameterError, match=r"chapter '7'; the chapters are 04, 05"):
        show_progress("7")


def test_overview_in_a_notebook_is_readable_by_eye_and_by_ear(exercises):
    note("04.1", "right")
    note("04.2", "wrong")
    page = BeautifulSoup(show_progress("04")._repr_html_(), "html.parser")
    assert [th["scope"] for th in page.find_all("th")] == ["col"] * 4 + ["row"] * 3 + ["col"] * 3 + ["row"] * 2
    assert page.caption.get_text() == "Chapter 04: 1 of 3 exercises solved"
    cells = [cell.get_text() for cell in page.find_all(["th", "td"])]
    assert [cell for cell in cells if cell[:1] in set("✔✘○")] == ["✔ solved", "✘ not solved yet", "○ not attempted"]
    assert "Second <b>" in cells
    styles = [dict(part.split(": ") for part in tag["style"].split("; ")) for tag in page.find_all(style=True)]
    assert len(styles) == 3  # elsewhere text and background are the theme's own
    assert all(contrast(style["color"], style["background"]) >= 4.5 for style in styles)


def test_overview_of_a_damaged_file_shows_and_touches_nothing(folder, exercises):
    (folder / "my_progress.json").write_bytes(b"{")
    assert "0 of 3 exercises solved" in str(show_progress("04"))
    assert "my_progress.json is damaged" in str(show_progress("04"))
    assert [path.name for path in folder.iterdir()] == ["my_progress.json"]
