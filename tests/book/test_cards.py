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
    check,
    editions,
    lint,
    main,
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
        ("### Exercise 04.1 · Twice", "### Exercise 04.2 · Twice", "headed '### Exercise 04.1 · Title'"),
        ("04.1 · Twice", "04.1 · Double", "titled 'Twice', its card 'Double'"),
        ("●●○○○", "●●○○", "no difficulty"),
        (" · **Minutes** 5", "", "no difficulty"),
        ("# Double it.\n", "#\n", "no task"),
        ("<summary>Hint</summary>", "<summary>Tip</summary>", "no folded 'Hint'"),
        ("x: Tensor)", "x)", "need types"),
        ("Twice x, (n,) to (n,).", "Twice x.", "tells no shapes"),
        ("(x: Tensor)", "(x: Tensor, p: float)", "does not use the stub's parameter p"),
        ("def twice", "import os\n\ndef twice", "one function each"),
        ("check_twice(twice)", "check_twice(double)", "does not give twice to check_twice"),
        ("check_twice(twice)", "check_thrice(twice)", "does not call check_twice"),
        (' tags=["check"]', "", "no cell tagged check"),
        ("# ### Timing\n", "# ### When\n", "nothing under ### Timing"),
    ],
)
def test_the_lint_refuses(house, old, new, message):
    assert any(message in problem for problem in problems(house, old, new))


def test_the_lint_refuses_checks_without_exercise_and_exercises_without_check_and_no_whole_exercise(house):
    assert problems(house) == []
    for numbers, said in (
        (["04.1", "04.7"], "belongs to exercise 04.7, which is not there"),
        ([], "no check is registered"),
        (["04.1", "06.1"], "exercise 06.1 has no chapter"),
    ):
        assert said in " ".join(problems(house, checks=dict.fromkeys(numbers, check_twice)))


def test_the_lint_refuses_a_link_to_a_chapter_that_is_not_there(house):
    found = problems(house, "Some words.", "Some words: [08 ·\n# Scaling](08_scaling.ipynb#part).")
    assert found == ["04_sparsification.py links to 08_scaling, which is not there."]
    (house[0] / GUIDE).write_text("[One](04_sparsification.ipynb), [two](05_zero_shot.ipynb)", encoding="utf-8")
    assert problems(house) == [f"{GUIDE} links to 05_zero_shot, which is not there."]


def test_the_lint_names_the_chapters_that_the_core_path_lacks(house):
    card = "# %% [markdown]\n# ### Exercise 04.1"
    found = problems(house, card, f'# %% [markdown] tags=["core"]\n# ## 1 · Part\n\n{card}')
    lacking = [f"The core path needs chapter {number}" for number in ("00", "03", "06", "07")]
    assert [problem.split(",")[0] for problem in found] == lacking


def test_the_workbooks_own_exercises_pass_and_are_as_many_as_a_course_needs():
    assert lint(ROOT / "notebooks" / "source", EXERCISES) == []
    for chapter in {number[:2] for number in EXERCISES if "01" <= number < "90"}:
        assert 3 <= sum(number.startswith(chapter) for number in EXERCISES) <= 7, chapter
    for source in (ROOT / "notebooks" / "source").glob(f"{CHAPTERS}.py"):
        assert "**Minutes** {minutes}" in source.read_text(encoding="utf-8")  # the build adds the cards up


def test_the_guide_holds_question_exercises_and_solutions(house):
    build(*house)
    for path in (house[1] / "04_sparsification.ipynb", house[1] / "solutions" / "04_sparsification.ipynb"):
        assert "Why two?" not in path.read_text()
    text = (house[1] / GUIDE).read_text()
    assert text.startswith("# Guide\n\n## 04 · Sparsification\n") and "Why two?" in text
    assert "*Why forget most of the similarities?*" in text
    assert "| 04.1 · Twice | ●●○○○ | 5 |" in text
    assert "Exercises: 1, 5 minutes" in text
    solution = re.search(r"```python\n(.+?)```", text, re.S)[1]
    assert "return 2 * x" in solution and "SOLUTION" not in solution


def test_a_guide_that_was_edited_is_noticed_and_a_lint_stops_the_build(house, capsys, monkeypatch):
    monkeypatch.setattr("asif_book.checks.EXERCISES", {"04.1": check_twice})
    arguments = ["--source", str(house[0]), "--out", str(house[1])]
    assert main(["build", *arguments]) == 0
    assert main(["check", *arguments]) == 0
    (house[1] / GUIDE).write_text("mine")
    assert list(check(*house)) == [house[1] / GUIDE]
    assert main(["check", *arguments]) == 1
    monkeypatch.setattr("asif_book.checks.EXERCISES", {})
    assert main(["build", *arguments]) == 1
    assert "no check is registered" in capsys.readouterr().err


def test_an_exercise_number_used_twice_is_one_sentence(house):
    exercise = SOURCE[SOURCE.index("# %% [markdown]\n# ###") : SOURCE.index('# %% [markdown] tags=["teacher"]')]
    said = "04_sparsification: the exercise number 04.1 is used twice; give 'Twice' the number 04.2."
    assert problems(house, exercise, exercise * 2) == [said]
