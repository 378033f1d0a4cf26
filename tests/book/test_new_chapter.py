"""A chapter begun from the template needs three files, and is green as it comes."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from asif_book.new_chapter import ChapterError, begin_chapter, main
from asif_lib.files import ROOT

FILES = {
    "notebooks/source/09_fair_shares.py",
    "notebooks/asif_book/chapters/chapter_09/__init__.py",
    "notebooks/asif_book/chapters/chapter_09/checks.py",
    "tests/book/exercises/chapter_09.py",
}
BUILD_AND_TEST = """
import pytest, sys
from asif_book import editions, new_chapter
assert new_chapter.main(["09", "fair_shares"]) == 0
assert editions.main(["build"]) == 0
sys.exit(pytest.main(["tests/book/test_checks.py", "-q", "-k", "09. or has_right_and_wrong"]))
"""


@pytest.fixture
def house(tmp_path):
    """A copy of the workbook in which chapter 00 is the only one."""
    for folder in ("asif_lib", "notebooks/asif_book", "notebooks/source", "tests/book/exercises"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("tests/conftest.py", "tests/chromium.py", "tests/book/test_checks.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / file)
    kept = {"00_start_here.py", "chapter_00", "chapter_00.py"}
    for folder, pattern in (
        ("notebooks/source", "[0-9][0-9]_*"),
        ("notebooks/asif_book/chapters", "chapter_*"),
        ("tests/book/exercises", "chapter_*"),
    ):
        for path in (tmp_path / folder).glob(pattern):
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ("00_start_here.py", "teachers_guide.md"):  # without links to the others, and without a core path
        path = tmp_path / "notebooks/source" / name
        text = re.sub(r"\]\(\d\d_\w+\.ipynb", "](00_start_here.ipynb", path.read_text())
        path.write_text(text.replace(' tags=["core"]', ""))
    return tmp_path


def files(house):
    return {path.relative_to(house).as_posix() for path in house.rglob("*") if path.is_file()}


def test_a_new_chapter_is_green_and_takes_three_files_and_its_package(house):
    before = files(house)
    made = [path.relative_to(house).as_posix() for path in begin_chapter("09", "fair_shares", house)]
    assert set(made) == FILES == files(house) - before
    source = house / "notebooks/source/09_fair_shares.py"
    assert max(map(len, source.read_text().splitlines())) <= 88
    for path in made:
        (house / path).unlink()
    run = subprocess.run(
        [sys.executable, "-c", BUILD_AND_TEST], cwd=house, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{house / 'notebooks'}"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "passed" in run.stdout
    assert (house / "notebooks" / "09_fair_shares.ipynb").exists()


@pytest.mark.parametrize(
    ("number", "topic", "message"),
    [
        ("00", "again", "Chapter 00 exists already, in notebooks/source/00_start_here.py: take another number."),
        ("9", "calibration", "'9' is no number of a chapter: give two digits, like 09."),
        ("09", "Fair Shares", "'Fair Shares' is no topic: use small letters, and underscores between words."),
    ],
)
def test_what_cannot_be_a_chapter_is_refused_in_one_sentence(number, topic, message, capsys):
    with pytest.raises(ChapterError):
        begin_chapter(number, topic)
    assert main([number, topic]) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_checks_of_that_number_are_not_overwritten(tmp_path):
    folder = tmp_path / "notebooks/asif_book/chapters/chapter_09"
    folder.mkdir(parents=True)
    (folder / "checks.py").touch()
    with pytest.raises(ChapterError, match="exists already, in notebooks/asif_book/chapters/chapter_09/checks.py"):
        begin_chapter("09", "calibration", tmp_path)
