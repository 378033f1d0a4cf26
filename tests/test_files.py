"""Files are written whole, damaged ones are put aside, and a lock is held by one thread of one process at a time."""

import csv
import errno
import io
import multiprocessing
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hostile import FORMULAS, formulas
from pydantic import BaseModel

from asif_lib import files
from asif_lib.errors import AsifError
from asif_lib.files import (
    build_dir,
    cache_dir,
    locked,
    put_aside,
    read_json,
    write_json,
    write_whole,
)
from asif_lib.texts import csv_text


@dataclass
class Entry:
    name: str
    count: int


class Record(BaseModel):
    entries: list[Entry]
    share: float = 0.5


# -- written whole ---------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "notes.json"
    write_whole(file, b"one")
    write_whole(str(file), b"two")
    assert file.read_bytes() == b"two"
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"three")
    assert file.read_bytes() == b"two"
    assert [f.name for f in tmp_path.iterdir()] == ["notes.json"]


def test_a_written_file_keeps_its_rights_and_its_links(tmp_path):
    file, link, lost = tmp_path / "deep" / "notes.json", tmp_path / "link", tmp_path / "lost"
    file.parent.mkdir()
    file.write_bytes(b"one")
    file.chmod(0o600)
    link.symlink_to("deep/notes.json")
    lost.symlink_to("deep/new.json")
    write_whole(link, b"two")
    write_whole(lost, b"three")
    assert link.is_symlink() and lost.is_symlink() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {f.name: f.read_bytes() for f in file.parent.iterdir()} == {"notes.json": b"two", "new.json": b"three"}
    write_whole(tmp_path / ("ü" * 126), b"a name as long as a file system allows")


def test_devices_pipes_and_folders_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null", "."):
        with pytest.raises(OSError, match="is no regular file; name another"):
            write_whole(tmp_path / name, b"nothing")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["null", "pipe"] and Path("/dev/null").is_char_device()


def test_damaged_files_are_put_aside_beside_each_other(tmp_path):
    file = tmp_path / "notes.json"
    for number in (1, 2):
        file.write_text(f"damage {number}")
        kept = put_aside(file)
        assert kept.name == f"notes.damaged-{number}.json"
        assert kept.read_text() == f"damage {number}"
        assert not file.exists()


# -- JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, kind",
    [
        (Entry("ü", 3), Entry),
        (Record(entries=[Entry("a", 1)]), Record),
        ({"a": [1, 2.5, None]}, dict),
        ([1, 2], list[int]),
    ],
)
def test_what_is_written_is_read(tmp_path, value, kind):
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json", kind) == value
    assert (tmp_path / "file.json").read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"entries": [{"name": "a"}]}', r"^entries\.0\.count: Field required$"),
        ('{"entries": [{"name": "a", "count": "3"}]}', r"^entries\.0\.count: Input should be a valid integer"),
        ('{"entries": [{"name": 5, "count": 1}]}', r"^entries\.0\.name: Input should be a valid string$"),
        ("[]", "^Input should be an object$"),
        ("", "^Invalid JSON: EOF"),
        ("\xff", "^Invalid JSON: "),
    ],
)
def test_a_missing_or_mistyped_key_is_one_line_that_names_it(tmp_path, text, words):
    (tmp_path / "file.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=words) as caught:
        read_json(tmp_path / "file.json", Record)
    assert "\n" not in str(caught.value)


# -- folders ---------------------------------------------------------------------------------------------


def test_the_folders_follow_their_variables(tmp_path, monkeypatch):
    for variable, folder in (("ASIF_CACHE", cache_dir), ("ASIF_BUILD", build_dir)):
        monkeypatch.setenv(variable, str(tmp_path))
        assert folder() == tmp_path
        monkeypatch.setenv(variable, "~/somewhere")
        assert folder() == Path.home() / "somewhere"
        monkeypatch.setenv(variable, "~nosuchuser/x")
        with pytest.raises(AsifError, match=f"{variable} = ~nosuchuser/x: there is no such home"):
            folder()
        monkeypatch.delenv(variable)
    assert cache_dir() == files.ROOT / "data" / "cache"
    assert build_dir() == files.ROOT / "build"


def test_outside_a_checkout_the_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("ASIF_CACHE", raising=False)
    monkeypatch.delenv("ASIF_BUILD", raising=False)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cache_dir().name == "asif" and tmp_path not in cache_dir().parents
    assert build_dir() == tmp_path / "build"


# -- locks -----------------------------------------------------------------------------------------------


def fork(function, *arguments):
    """Start a function in a copy of this process, which ends with exit status 1 if it raises."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def status_of(process):
    process.join()
    return process.exitcode


def count(counter, times):
    for _ in range(times):
        with locked(counter):
            counter.write_text(str(int(counter.read_text()) + 1))


def test_processes_and_threads_that_count_at_once_lose_nothing(tmp_path):
    """A thread of this process takes the lock no less than another process does."""
    counter = tmp_path / "new" / "folder" / "counter"
    with locked(counter):  # which makes the folder
        counter.write_text("0")
    forks = [fork(count, counter, 25) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, [counter] * 2, [25] * 2))
    assert list(map(status_of, forks)) == [0, 0] and counter.read_text() == str(25 * 4)


def test_a_lock_that_is_not_released_is_an_error_and_not_a_wait_for_ever(tmp_path, monkeypatch):
    """It is released when the block fails."""
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    with locked(tmp_path / "file"):
        words = r"file\.lock is held by another process; let it end, and repeat"
        with pytest.raises(AsifError, match=words), locked(tmp_path / "file"):
            pass
        with locked(tmp_path / "other"):
            pass
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), locked(tmp_path / "file"):
            raise error
    with locked(tmp_path / "file"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EACCES, errno.ENOLCK])
def test_a_file_system_that_refuses_locks_is_named_at_once(tmp_path, monkeypatch, number):
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(number, os.strerror(number))))
    monkeypatch.setattr("time.sleep", None)  # nobody waits
    words = rf"file\.lock: the file system does not lock files \({os.strerror(number)}\); put"
    with pytest.raises(AsifError, match=words), locked(tmp_path / "file"):
        pass


def test_a_forked_process_does_not_inherit_the_lock(tmp_path, monkeypatch):
    """It waits like any other, although the lock was held when it began."""
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)

    def refused():
        with pytest.raises(AsifError, match="is held by another process"), locked(tmp_path / "file"):
            pass

    with locked(tmp_path / "file"):
        assert status_of(fork(refused)) == 0
        refused()  # the end of the fork did not release it


def test_in_a_read_only_folder_there_is_no_lock(tmp_path):
    tmp_path.chmod(0o555)

    def refused():
        os.chdir(tmp_path)
        if os.geteuid() == 0:  # root may write everywhere
            os.setuid(65534)
        with pytest.raises(PermissionError), locked(Path("file")):
            pass

    assert status_of(fork(refused)) == 0
    tmp_path.chmod(0o755)


def test_a_table_for_spreadsheets_holds_no_formula_and_keeps_its_numbers(tmp_path):
    rows = [[text, -0.5, text, None, -3, float("nan"), "-40", np.float64(-1e-9), True] for text in FORMULAS]
    (tmp_path / "table.csv").write_text(csv_text(["=1+1", *"bcdefgh", "@A1"], rows), "utf-8", newline="")
    assert formulas(tmp_path / "table.csv") == []
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.iloc[:, [1, 4, 6, 7]].values.tolist() == [[-0.5, -3, -40, -1e-9]] * len(rows)
    assert table.iloc[:, [3, 5]].isna().all(axis=None) and table.iloc[:, 8].all()
    assert csv_text([Path("=a")], [[pd.NA], [Path("=1+1")]]) == '"\'=a"\n"<NA>"\n"\'=1+1"\n'
    harmless = ["a red bird", "x = 1", "a - b", "'quoted'", 'say "hi"', "a, b; c", "two\nlines", "ü"]
    text = csv_text(["caption"], [[caption] for caption in harmless])
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == harmless
