"""The steps of `change_the_course.md`: a chapter from the template and one more exercise are green."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

import pytest

from asif_book.editions.new_chapter import ChapterError, begin_chapter, main
from asif_lib.files import ROOT

PAGE = (ROOT / "notebooks" / "change_the_course.md").read_text(encoding="utf-8")
CARD, CHECK, SOLUTIONS = (textwrap.dedent(block) for block in re.findall(r"```python\n(.+?)```", PAGE, re.S))
(NEW,) = re.findall(r"-m asif_book\.editions\.new_chapter (.+)", PAGE)
(TESTS,) = re.findall(r"-m pytest (.+right_and_wrong.+)", PAGE)
NUMBER, TOPIC = NEW.split()
FILES = {
    f"notebooks/source/{NUMBER}_{TOPIC}.py",
    f"notebooks/asif_book/chapters/chapter_{NUMBER}/__init__.py",
    f"notebooks/asif_book/chapters/chapter_{NUMBER}/checks.py",
    f"tests/book/exercises/chapter_{NUMBER}.py",
}
BUILD_AND_TEST = f"""
import pytest, sys
from asif_book.editions import building as editions
from asif_book.editions import new_chapter
assert new_chapter.main({NEW.split()}) == 0
assert editions.main(["build"]) == editions.main(["check"]) == 0
sys.exit(pytest.main({[*shlex.split(TESTS.replace("00.3 or", f"00.3 or {NUMBER}. or")), "-q"]}))
"""


@pytest.fixture
def house(tmp_path):
    """A copy of the workbook in which chapter 00 is the only one."""
    for folder in ("asif_lib", "notebooks/asif_book", "notebooks/source", "tests/book/exercises"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*ROOT.glob("tests/*.py"), ROOT / "tests/book/test_checks.py", ROOT / "pyproject.toml"]:
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
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
        path.write_text(text.replace('"core"', '"open to all"'))
    return tmp_path


def files(house):
    return {path.relative_to(house).as_posix() for path in house.rglob("*") if path.is_file()}


def edited(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_another_exercise(source):
    """Follow steps 1 and 2 of the page in a source: a copy of exercise 00.2 becomes 00.3."""
    begin = source.index("# %% [markdown]\n# ### Exercise 00.2")
    end = source.index("# %% [markdown]", source.index("What you should see", begin))
    (title,) = re.findall(r'Exercise\("00.3", "(.+?)"', CHECK)
    card = re.sub("00.2 · .+", f"00.3 · {title}", source[begin:end])
    card = card[: card.index("# %% tags")] + CARD + card[card.index("\n# %% [markdown]\n# <details>") :]
    return f"{source[:end]}{card}{source[end:]}".replace(", check_shares\n", ", check_shares, check_winner\n", 1)


def test_the_steps_of_the_page_make_an_exercise_and_a_chapter_that_are_green(house):
    before = files(house)
    made = [path.relative_to(house).as_posix() for path in begin_chapter(NUMBER, TOPIC, house)]
    assert set(made) == FILES == files(house) - before
    assert max(map(len, (house / made[0]).read_text().splitlines())) <= 88
    for path in made:
        (house / path).unlink()
    edited(house / "notebooks/source/00_start_here.py", with_another_exercise)
    edited(house / "notebooks/asif_book/chapters/chapter_00/checks.py", lambda text: f"{text}\n\n{CHECK}")
    edited(house / "tests/book/exercises/chapter_00.py", lambda text: f"{text}\n{SOLUTIONS}")
    run = subprocess.run(
        [sys.executable, "-c", BUILD_AND_TEST], cwd=house, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{house / 'notebooks'}"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^(\d+) passed", run.stdout, re.M) and (house / "notebooks" / f"{NUMBER}_{TOPIC}.ipynb").exists()
    assert "### Exercise 00.3" in (house / "notebooks" / "00_start_here.ipynb").read_text()


def test_the_paths_of_the_page_are_there_and_the_number_of_its_new_chapter_is_free():
    paths = re.findall(r"(?:notebooks|tests)/[\w/.*]*[\w*]", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if "NN" not in path and path not in FILES and not any(ROOT.glob(path))] == []
    assert not any(ROOT.glob(f"notebooks/source/{NUMBER}_*"))


@pytest.mark.parametrize(
    ("number", "topic", "message"),
    [
        ("00", "again", "Chapter 00 exists already, in notebooks/source/00_start_here.py: take another number."),
        ("9", "calibration", "'9' is no number of a chapter: give two digits, like 09."),
        ("09", "Fair Shares", "'Fair Shares' is no topic: use small letters, and underscores between words."),
    ],
)
def test_what_cannot_be_a_chapter_is_refused_in_one_sentence(number, topic, message, capsys):
    assert main([number, topic]) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_checks_of_that_number_are_not_overwritten(tmp_path):
    folder = tmp_path / "notebooks/asif_book/chapters/chapter_09"
    folder.mkdir(parents=True)
    (folder / "checks.py").touch()
    with pytest.raises(ChapterError, match="exists already, in notebooks/asif_book/chapters/chapter_09/checks.py"):
        begin_chapter("09", "calibration", tmp_path)
