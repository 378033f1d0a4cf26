"""The checks of the exercises: what they say to right, wrong, unfinished and badly behaved solutions."""

import random
import sys
import time

import numpy as np
import pytest
import torch
from exercises import RIGHT, WRONG

from asif_lib.course.checks import EXERCISES, compare, sandbox
from asif_lib.course.checks import judging as core
from asif_lib.course.editions import NOT_ATTEMPTED

CASES = [
    pytest.param(number, *case, id=f"{number}-{i}") for number in sorted(WRONG) for i, case in enumerate(WRONG[number])
]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_PROGRESS", str(tmp_path / "progress.json"))


def test_every_exercise_has_right_and_wrong_solutions():
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)
    few = {number: len(WRONG[number]) for number in EXERCISES if len(WRONG[number]) < 5}
    assert not few, few


@pytest.mark.parametrize("number", sorted(EXERCISES))
def test_right_solutions_pass(number):
    for solution in RIGHT[number]:
        verdict = EXERCISES[number](solution)
        assert verdict.status == "right", verdict
        assert verdict.exercise == f"Exercise {number}"


@pytest.mark.parametrize(("number", "solution", "message"), CASES)
def test_wrong_solution_fails_with_the_message_that_fits(number, solution, message, wrong_solutions):
    wrong_solutions["tried"] += 1
    verdict = EXERCISES[number](solution)
    assert verdict.status == "wrong", verdict
    assert message in verdict.message, verdict
    wrong_solutions["caught, with the message that fits"] += 1


@pytest.mark.parametrize("number", sorted(EXERCISES))
def test_a_stub_is_not_attempted(number):
    def stub(*arguments):
        exec(NOT_ATTEMPTED)

    assert EXERCISES[number](stub).status == "not attempted"


def forever(*arguments):
    while True:
        try:  # noqa: SIM105
            time.sleep(0.01)
        except Exception:  # what a student may write
            pass


def generator(*arguments):
    yield 1.0


def leaves(*arguments):
    raise SystemExit


def recursive(*arguments):
    return recursive(*arguments)


BAD = {
    "None": (lambda *a: None, "did you forget"),
    "generator": (generator, "generator"),
    "raises": (lambda *a: 1 / 0, "ZeroDivisionError"),
    "leaves": (leaves, "SystemExit"),
    "recursive": (recursive, "RecursionError"),
    "text": (lambda *a: "text", ""),
    "not a number": (lambda *a: torch.tensor(torch.nan), ""),
    "function": (lambda *a: len, ""),
    "no function": (7, "give it your function itself"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("number", sorted(EXERCISES))
def test_bad_results_are_answered_in_words(number, kind):
    solution, message = BAD[kind]
    verdict = EXERCISES[number](solution)
    assert verdict.status == "wrong"
    assert message in verdict.message, verdict
    assert "Traceback" not in str(verdict)


@pytest.mark.parametrize("number", sorted(EXERCISES))
def test_an_endless_loop_is_stopped(number, monkeypatch):
    monkeypatch.setattr(sandbox, "TIME_LIMIT", 0.2)
    verdict = EXERCISES[number](forever)
    assert verdict.status == "wrong"
    assert "still running" in verdict.message


ROWS = torch.arange(6.0).reshape(2, 3)
DOUBLE = (lambda x: 2 * x, [(ROWS,)])


def test_a_bare_except_does_not_keep_an_endless_loop_alive(monkeypatch):
    monkeypatch.setattr(sandbox, "TIME_LIMIT", 0.2)

    def stubborn(x):
        while True:
            try:
                time.sleep(0.001)
            except:  # noqa: E722
                continue

    assert "still running" in compare(stubborn, *DOUBLE).message
    assert sys.gettrace() is None


def test_the_alarm_is_off_afterwards(monkeypatch):
    monkeypatch.setattr(sandbox, "TIME_LIMIT", 0.2)
    assert compare(*DOUBLE[:1], *DOUBLE).status == "right"
    time.sleep(0.5)


def test_a_flood_of_prints_is_cut_and_counted():
    def chatty(x):
        for i in range(30_000):
            print("line", i)
        return 2 * x

    verdict = core.judge(compare, chatty, *DOUBLE)
    assert verdict.status == "right"
    assert "line 0" in verdict.printed
    assert "30,000 lines" in verdict.printed
    assert len(verdict.printed) < 3_000
    assert "<details>" in verdict._repr_html_()


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        (lambda x: (2 * x).tolist(), "returned a list"),
        (lambda x: (2 * x).numpy(), "returned an ndarray"),
        (lambda x: 2 * x.requires_grad_(), "gradients"),
        (lambda x: (2 * x).double(), "dtype float64; float32 is wanted"),
        (lambda x: (2 * x).to("meta"), "is on meta"),
        (lambda x: (2 * x).T, "Rows and columns are swapped"),
        (lambda x: 2 * x / 0 * 0, "NaN"),
        (lambda x: 2 * x.flatten(), "shape (6,); expected (2, 3)"),
        (lambda x: x.mul_(2), "changed its input"),
        (lambda x: 2 * x + 1, "off by up to 1"),
        (lambda x: x.no_such_method(), "in the line `(lambda x: x.no_such_method()"),
        (lambda x, y: x, "TypeError"),
        (lambda x: x.max(dim=1), "take .values or .indices"),
    ],
)
def test_compare_names_what_is_wrong_with_the_form(solution, message):
    verdict = compare(solution, *DOUBLE)
    assert verdict.status == "wrong"
    assert message in verdict.message, verdict


def test_torch_is_not_mistaken_for_a_stub():
    def unsupported(x):
        raise NotImplementedError("Could not run 'aten::foo' with arguments from the 'Meta' backend.")

    assert compare(unsupported, *DOUBLE).status == "wrong"


def test_a_check_leaves_the_random_states_alone():
    def careless(x):
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
        return 2 * x

    def draws():
        return torch.rand(1).item(), np.random.rand(), random.random()

    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = draws()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    compare(careless, *DOUBLE)
    assert draws() == expected


class Mute(Exception):
    def __str__(self):
        raise ValueError


def raises(error):
    def run(*arguments):
        raise error

    return run


@pytest.mark.parametrize("number", sorted(EXERCISES))
@pytest.mark.parametrize("error", [KeyError(), Mute(), KeyError(torch.ones(1))], ids=["bare", "mute", "tensor"])
def test_no_exception_of_a_student_gets_into_the_notebook(number, error):
    assert type(error).__name__ in EXERCISES[number](raises(error)).message


def test_what_a_check_cannot_judge_is_said():
    verdict = core.judge(lambda function: function() + 1, lambda: "text")
    assert verdict.status == "wrong"
    assert "cannot judge" in verdict.message
    assert core.judge(compare, lambda x: x.to_sparse(), *DOUBLE).status == "wrong"


def test_the_librarys_own_function_is_no_solution():
    from asif_lib.relative import relative_representation

    assert "library's own" in EXERCISES["03.1"](relative_representation).message


def test_a_changed_list_is_noticed():
    def pops(items):
        items.pop()
        return 1.0

    assert "changed its input" in compare(pops, lambda items: 1.0, [([1, 2],)]).message


def test_a_named_mistake_gets_its_message_and_the_first_that_fits_wins():
    mistakes = [("never", lambda x: x[:, 5]), ("first", lambda x: 3 * x), ("second", lambda x: 3 * x)]
    assert compare(lambda x: 3 * x, *DOUBLE, mistakes).message == "first"


def test_a_verdict_speaks_in_colour_symbol_and_words_and_escapes_html():
    verdict = core.Verdict("Exercise 09.9", "wrong", "<b>")
    page = verdict._repr_html_()
    assert "#D55E00" in page
    assert "✘" in page
    assert "wrong" in page
    assert "&lt;b&gt;" in page
    assert "✘" in str(verdict)


def test_two_checks_of_one_exercise_are_refused():
    with pytest.raises(ValueError, match="has two checks"):
        core.exercise("04.1", "Another")(lambda function: None)


def test_progress_is_kept(tmp_path):
    from asif_lib.course.progress import load_progress

    number = "04.1"
    EXERCISES[number](WRONG[number][0][0])
    EXERCISES[number](RIGHT[number][0])
    entry = load_progress(tmp_path / "progress.json").exercises[number]
    assert entry.status == "right"
    assert entry.tries == 2


def test_exit_in_a_solution_does_not_end_the_notebooks_kernel(monkeypatch):
    class Shell:
        def ask_exit(self):
            raise AssertionError("the kernel ends")

    shell = Shell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert "SystemExit" in compare(lambda x: shell.ask_exit(), *DOUBLE).message


def test_where_a_result_fails_the_input_is_named():
    cases = [(ROWS,), (0 * ROWS,)]
    verdict = compare(lambda x: 2 * x if x.any() else 0, DOUBLE[0], cases, notes={2: "all zeros"})
    assert verdict.message.startswith("On input 2 (all zeros): your function returned an int; a Tensor of shape (2, 3)")


@pytest.mark.parametrize("number", ["05.6", "06.6", "07.6"])
def test_a_task_that_was_overwritten_is_no_try(number):
    verdict = EXERCISES[number](RIGHT[number][0], "something else")
    assert verdict.status == "not attempted"
    assert "`task` is a str now, no longer what its cell made" in verdict.message
