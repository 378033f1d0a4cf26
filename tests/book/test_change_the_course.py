"""The steps of `change_the_course.md`: one more exercise is green, and the paths that it names are there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

import pytest

from asif_lib.files import ROOT

PAGE = (ROOT / "notebooks" / "change_the_course.md").read_text(encoding="utf-8")
CARD, CHECK, SOLUTIONS = (textwrap.dedent(block) for block in re.findall(r"```python\n(.+?)```", PAGE, re.S))
(TESTS,) = re.findall(r"-m pytest (.+right_and_wrong.+)", PAGE)
BUILD_AND_TEST = f"""
import pytest, sys
from asif_book.editions import building as editions
assert editions.main(["build"]) == editions.main(["check"]) == 0
sys.exit(pytest.main({[*shlex.split(TESTS), "-q"]}))
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


def test_the_steps_of_the_page_make_an_exercise_that_is_green(house):
    edited(house / "notebooks/source/00_start_here.py", with_another_exercise)
    edited(house / "notebooks/asif_book/chapters/chapter_00/checks.py", lambda text: f"{text}\n\n{CHECK}")
    edited(house / "tests/book/exercises/chapter_00.py", lambda text: f"{text}\n{SOLUTIONS}")
    run = subprocess.run(
        [sys.executable, "-c", BUILD_AND_TEST], cwd=house, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{house / 'notebooks'}"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^(\d+) passed", run.stdout, re.M)
    assert "### Exercise 00.3" in (house / "notebooks" / "00_start_here.ipynb").read_text()


def test_the_paths_of_the_page_are_there():
    paths = re.findall(r"(?:notebooks|tests)/[\w/.*]*[\w*]", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if "NN" not in path and not any(ROOT.glob(path))] == []
