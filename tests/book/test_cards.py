"""Exercise cards, the lint that keeps them whole, and the teacher's guide."""

import re
from types import SimpleNamespace

import pytest

from asif_book.checks import EXERCISES
from asif_book.editions.building import (
    CHAPTERS,
    GUIDE,
    SourceError,
    build,
    cards,
    editions,
    lint,
    main,
    teacher_text,
)
from asif_lib.files import ROOT

SOURCE = '''\
# %% [markdown]
# # 04 · Sparsification
#
# > **Question.** Why forget most
# > of the similarities?
#
# Some words.

# %% tags=["parameters"]
seed = 0

# %% [markdown]
# ### Exercise 04.1 · Twice
#
# **Difficulty** ●●○○○ · **Minutes** 5
#
# Double it.

# %% tags=["exercise"]
def twice(x: Tensor) -> Tensor:
    """Twice x, (n,) to (n,)."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% tags=["check"]
check_twice(twice)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Add it to itself.
#
# </details>
# <details><summary>What you should see</summary>
#
# Green.
#
# </details>

# %% [markdown] tags=["teacher"]
# ### Timing
#
# All of it.
#
# ### What students get wrong
#
# - Signs.
#
# ### Discussion
#
# Why two?
#
# ### Exit questions
#
# 1. How much is twice two?
'''


EXERCISE = SOURCE[SOURCE.index("# %% [markdown]\n# ###") : SOURCE.index('# %% [markdown] tags=["teacher"]')]


def check_twice(function):
    pass


check_twice.title = "Twice"


@pytest.fixture
def house(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "04_sparsification.py").write_text(SOURCE, encoding="utf-8")
    (source / GUIDE).write_text("# Guide\n", encoding="utf-8")
    return source, tmp_path / "out"


def problems(house, old="", new="", checks=None):
    source = house[0] / "04_sparsification.py"
    assert old in SOURCE
    source.write_text(SOURCE.replace(old, new, 1), encoding="utf-8")
    return lint(house[0], {"04.1": check_twice} if checks is None else checks)


def test_a_card_tells_all_of_its_exercise(house):
    (card,) = cards(*editions(house[0] / "04_sparsification.py"))
    assert (card.number, card.title, card.difficulty, card.minutes) == ("04.1", "Twice", 2, 5)
    assert card.task == "Double it."
    assert "your turn" in card.stub
    assert "2 * x" in card.solution and "2 * x" not in card.stub
    assert card.check == "check_twice(twice)"


def reference(x):
    """Twice x."""
    doubled = 2 * x  # (n,)
    return doubled


def test_an_exercise_without_a_solution_takes_the_reference_of_its_check(house, monkeypatch):
    source = house[0] / "04_sparsification.py"
    source.write_text(SOURCE.replace("    return 2 * x\n", ""), encoding="utf-8")
    monkeypatch.setattr("asif_book.checks.EXERCISES", {"04.1": SimpleNamespace(reference=reference)})
    (card,) = cards(*editions(source))
    assert card.solution.endswith('"""Twice x, (n,) to (n,)."""\n    doubled = 2 * x  # (n,)\n    return doubled')
    assert card.stub.endswith('raise NotImplementedError("your turn")')
    monkeypatch.setattr("asif_book.checks.EXERCISES", {})
    with pytest.raises(SourceError, match="cell 4: no solution between the markers, and the check of exercise 04.1"):
        editions(source)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("### Exercise 04.1 · Twice", "### Exercise 04.2 · Twice", "number its exercises 04.1, each once"),
        ("### Exercise 04.1 · Twice", "### Twice", "'### Exercise NN.M · Title', in the cell before the stub"),
        (EXERCISE, EXERCISE * 2, "number its exercises 04.1, 04.2, each once"),
        ("04.1 · Twice", "04.1 · Double", "titled 'Twice', its card 'Double'"),
        ("●●○○○", "●●○○", "no difficulty"),
        (" · **Minutes** 5", "", "no minutes"),
        ("# Double it.\n", "#\n", "no task"),
        ("# Add it to itself.\n", "#\n", "no folded 'Hint'"),
        ("<summary>What you should see</summary>", "", "no folded 'What you should see'"),
        ("check_twice(twice)", "check_twice(double)", "begin with check_twice(twice"),
        (' tags=["check"]', "", "should be tagged check"),
        ("# ### Timing\n", "# ### When\n", "nothing under ### Timing"),
        ("# Why two?\n", "#\n", "nothing under ### Discussion"),
    ],
)
def test_the_lint_refuses(house, old, new, message):
    assert any(message in problem for problem in problems(house, old, new))


def test_the_command_names_checks_without_exercise_and_exercises_without_check(house, capsys, monkeypatch):
    assert problems(house) == []
    monkeypatch.setattr("asif_book.checks.EXERCISES", {"06.1": check_twice})
    assert main(["build", "--source", str(house[0]), "--out", str(house[1])]) == 1
    said = capsys.readouterr().err
    assert "04_sparsification, exercise 04.1: no check is registered for it" in said
    assert "The check of exercise 06.1 has no exercise." in said


def test_the_lint_refuses_a_link_to_a_chapter_that_is_not_there(house):
    found = problems(house, "Some words.", "Some words: [08 ·\n# Scaling](08_scaling.ipynb#part).")
    assert found == ["04_sparsification.py links to 08_scaling, which is not there."]
    (house[0] / GUIDE).write_text("[One](04_sparsification.ipynb), [two](05_zero_shot.ipynb)", encoding="utf-8")
    assert problems(house) == [f"{GUIDE} links to 05_zero_shot, which is not there."]


def test_the_workbooks_own_exercises_pass_and_are_as_many_as_a_course_needs():
    assert lint(ROOT / "notebooks" / "source", EXERCISES) == []
    for chapter in {number[:2] for number in EXERCISES if "01" <= number < "11"}:  # from 11 on, beside the course
        assert 3 <= sum(number.startswith(chapter) for number in EXERCISES) <= 7, chapter
    for source in (ROOT / "notebooks" / "source").glob(f"{CHAPTERS}.py"):
        assert "**Minutes** {minutes}" in source.read_text(encoding="utf-8")  # the build adds the cards up


def test_cells_for_teachers_are_in_the_guide_only(house):
    build(*house)
    for path in (house[1] / "04_sparsification.ipynb", house[1] / "solutions" / "04_sparsification.ipynb"):
        assert "Why two?" not in path.read_text()
    assert "Why two?" in (house[1] / GUIDE).read_text()
    assert teacher_text(house[0] / "04_sparsification.py").startswith("### Timing")


def test_the_guide_holds_question_exercises_and_solutions(house):
    build(*house)
    text = (house[1] / GUIDE).read_text()
    assert text.startswith("# Guide\n\n## 04 · Sparsification\n")
    assert "*Why forget most of the similarities?*" in text
    assert "| 04.1 · Twice | ●●○○○ | 5 |" in text
    assert "Exercises: 1, 5 minutes" in text
    solution = re.search(r"```python\n(.+?)```", text, re.S)[1]
    assert "return 2 * x" in solution and "SOLUTION" not in solution
