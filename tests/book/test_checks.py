"""The checks of the exercises: what they say to right, wrong, unfinished and badly behaved solutions."""

import functools
import os
import random
import signal
import threading
import time
import types

import numpy as np
import pytest
import torch
from exercises import RIGHT, WRONG

from asif_book.checks import EXERCISES, calling, judging
from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, discover, investigation, judge
from asif_book.checks.judging import Ended, ask, random_tensor, refuse, right
from asif_book.checks.progress import RESULT
from asif_book.checks.proof import lowest, prove
from asif_book.editions.building import NOT_ATTEMPTED

# The exercises of the book


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    monkeypatch.setenv("ASIF_PROGRESS", "")


def right_ones(number):
    """Right solutions: the reference, and those of the tests."""
    reference = getattr(EXERCISES[number], "reference", None)
    return [*([lambda *case: reference(*case)] if reference else []), *RIGHT.get(number, ())]


NAMED = [
    pytest.param(check, message, way, id=f"{number}-{i}")
    for number, check in sorted(EXERCISES.items())
    for i, (message, way) in enumerate(getattr(check, "named", ()))
]
CASES = [
    pytest.param(number, *case, id=f"{number}-{i}") for number in sorted(WRONG) for i, case in enumerate(WRONG[number])
]


def test_every_exercise_has_right_and_wrong_solutions():
    assert {*RIGHT, *WRONG} <= set(EXERCISES)
    for number, check in EXERCISES.items():
        assert right_ones(number) and len(WRONG.get(number, ())) + len(getattr(check, "named", ())) > 1, number


@pytest.mark.parametrize("number", sorted(EXERCISES))
def test_right_solutions_pass_and_a_stub_is_not_attempted(number):
    def stub(*arguments):
        exec(NOT_ATTEMPTED)

    for solution in right_ones(number):
        verdict = EXERCISES[number](solution)
        assert (verdict.status, verdict.exercise) == ("right", f"Exercise {number}"), verdict
    assert EXERCISES[number](stub).status == "not attempted"


@pytest.mark.parametrize(("number", "solution", "message"), CASES)
def test_wrong_solution_fails_with_the_message_that_fits(number, solution, message):
    verdict = EXERCISES[number](solution)
    assert verdict.status == "wrong" and message in verdict.message, verdict


@pytest.mark.parametrize(("check", "message", "way"), NAMED)
def test_every_named_mistake_gets_its_own_message(check, message, way):
    """A mistake that answers like another one on all inputs would never be named."""
    assert check(lambda *case: way(*case)).message.startswith(message)


# What goes wrong in a student's function


def raises(error):
    def run(*arguments):
        raise error

    return run


def forever(*arguments):
    while True:
        try:  # noqa: SIM105
            len(arguments)
        except Exception:  # what a student may write
            pass


def generator(*arguments):
    yield 1.0


def recursive(*arguments):
    return recursive(*arguments)


class Mute(Exception):
    def __str__(self):
        raise ValueError


BAD = {
    "None": (lambda *a: None, "did you forget"),
    "generator": (generator, "generator"),
    "raises": (lambda *a: 1 / 0, "ZeroDivisionError"),
    "leaves": (raises(SystemExit()), "SystemExit"),
    "recursive": (recursive, "RecursionError"),
    "mute": (raises(Mute()), "Mute"),
    "key": (raises(KeyError()), "KeyError"),
    "tensor as key": (raises(KeyError(torch.ones(1))), "Tensors as dictionary keys are never equal"),
    "not a number": (lambda *a: torch.tensor(torch.nan), ""),
    "function": (lambda *a: len, ""),
    "no function": (7, "give it your function itself"),
    "endless": (forever, "was still running"),
}


def compare(function, *arguments, **options):
    return judge(functools.partial(judging.compare, **options), function, *arguments)


ROWS = torch.arange(6.0).reshape(2, 3)
DOUBLE = (lambda x: 2 * x, [(ROWS,)])


def double(x):
    return 2 * x


SHARED = Exercise("99.1", "Double", *DOUBLE)
OWN_WAY = [
    check
    for _, check in sorted(EXERCISES.items())
    if not isinstance(check, Exercise) or any((check.before, check.after, check.also, check.explain, check.view))
]
"""The checks that do more than the shared mechanism."""


@pytest.mark.parametrize("check", [SHARED, *OWN_WAY], ids=lambda check: check.number)
def test_bad_results_are_answered_in_words(check, monkeypatch):
    alarm, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    for solution, message in BAD.values():
        if solution is forever:  # a busy machine may be slow in any other call
            monkeypatch.setattr(calling, "TIME_LIMIT", 0.05)
        verdict = check(solution)
        assert verdict.status == "wrong" and message in verdict.message, verdict
        assert "Traceback" not in str(verdict)
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getitimer(signal.ITIMER_REAL) == pytest.approx(timer, abs=60)


def test_the_limit_counts_computing_and_not_waiting(monkeypatch):
    monkeypatch.setattr(calling, "TIME_LIMIT", 0.1)

    def waits(x):
        time.sleep(0.4)
        return 2 * x

    assert compare(waits, *DOUBLE).status == "right"


def test_the_users_own_interrupt_reaches_the_user(request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the job of a shell's background ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        compare(forever, *DOUBLE)


def test_a_check_works_without_an_alarm(monkeypatch):
    monkeypatch.delattr(signal, "setitimer")  # as on Windows and in a browser
    assert [compare(lambda x: i * x, *DOUBLE).status for i in (2, 3)] == ["right", "wrong"]  # noqa: B023


def test_what_a_solution_sets_or_draws_is_put_back():
    def careless(x):
        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return 2 * x

    def state():
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        verdict = compare(careless, *DOUBLE)
        drawn = torch.rand(1).item(), np.random.rand(), random.random()
        return verdict.status, torch.get_default_dtype(), torch.is_grad_enabled(), drawn

    expected = state()
    assert expected[:3] == ("right", torch.float32, True)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    assert expected[3] == (torch.rand(1).item(), np.random.rand(), random.random())


def test_a_flood_of_prints_is_cut_and_counted():
    def chatty(x):
        for i in range(30_000):
            print("line", i)
        return 2 * x

    verdict = compare(chatty, *DOUBLE)
    assert verdict.status == "right" and len(verdict.printed) < 3_000
    assert "line 0" in verdict.printed and "30,000 lines" in verdict.printed
    assert "<details>" in verdict._repr_html_()


@pytest.mark.parametrize(
    "argument", [ROWS, [1, 2], {"a": [1.0]}, np.arange(3), (torch.ones(2), [3])], ids=lambda a: type(a).__name__
)
def test_a_changed_input_is_noticed_in_a_copy(argument):
    def changes(thing):
        thing = thing if not isinstance(thing, tuple) else thing[0]
        thing.update(b=1) if isinstance(thing, dict) else thing.__setitem__(0, 9)
        return 1.0

    before = repr(argument)
    assert "changed its input" in compare(changes, lambda thing: 1.0, [(argument,)]).message
    assert repr(argument) == before


# What the checks say


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        (lambda x: (2 * x).tolist(), "returned a list"),
        (lambda x: (2 * x).numpy(), "returned an ndarray"),
        (lambda x: 2 * x.requires_grad_(), "gradients"),
        (lambda x: (2 * x).long(), "dtype int64; float32 is wanted"),
        (lambda x: (2 * x).to("meta"), "is on meta"),
        (lambda x: (2 * x).T, "rows and columns are swapped"),
        (lambda x: 2 * x / 0 * 0, "NaN"),
        (lambda x: 2 * x.flatten(), "shape (6,); (2, 3) is wanted"),
        (lambda x: x.no_such_method(), "in the line `(lambda x: x.no_such_method()"),
        (lambda x: raises(NotImplementedError("Could not run 'aten::foo' with arguments from"))(), "Could not run"),
        (lambda x: x.max(dim=1), "take .values or .indices"),
    ],
)
def test_compare_names_what_is_wrong_with_the_form(solution, message):
    verdict = compare(solution, *DOUBLE)
    assert verdict.status == "wrong"
    assert message in verdict.message, verdict


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda r: -r, "the negatives of the right ones"),
        (abs, "the absolute values of"),
        (lambda r: r.clamp_min(0), "with 0 in the place of negative"),
        (lambda r: 1 - r, "1 minus the right ones"),
        (lambda r: 1 / r, "numerator and denominator"),
        (lambda r: r.flip(-1), "opposite order, along the last"),
        (lambda r: r.sort(-1).values, "sorted: keep their places"),
        (lambda r: r.cumsum(-1), "running sums"),
        (lambda r: 0.2 * r, "the right ones times 0.2"),
        (lambda r: r + 1, "each of your values is 1 too large"),
        (lambda r: 0 * r, "all 0"),
        (lambda r: r / r.norm(), "divided by the length of the right ones"),
        (lambda r: r / r.norm(dim=-1, keepdim=True), "divided by the length of each row"),
        (lambda r: r - r.mean(0), "minus the mean of each column"),
    ],
)
def test_a_relation_that_holds_on_every_input_is_told(wrong, told):
    cases = [(random_tensor(4, 5, seed=seed),) for seed in (1, 2)]
    verdict = compare(lambda x: wrong(2 * x), lambda x: 2 * x, cases)
    assert verdict.message.startswith("On input 1") is False and told in verdict.message
    assert told not in compare(lambda x: wrong(2 * x) + x**3, lambda x: 2 * x, cases).message
    message = compare(lambda x: wrong(2 * x), lambda x: 2 * x, cases, related=False).message
    assert told not in message or "all 0" in told or "`x` with 0 in the place of negative" in message


def test_options_of_an_exercise():
    def praise(function, verdict):
        return right("well done") if verdict.status == "right" else verdict

    options = {"hints": {"No entry": "Count again."}, "view": lambda result, x: result.sum(dim=1), "after": praise}
    named = {"negative": (but("2", "-1"), lambda x: -x)}
    check = Exercise("99.1", "Double", double, lambda: [(ROWS,)], named, **options)
    assert check(lambda x: (2 * x).flip(1)).message == "well done"  # the view does not see the order
    assert check(lambda x: -x).message == "negative"
    assert check(lambda x: x**3 - x.flip(1) - 1).message.endswith("is wanted. No entry is right. Count again.")
    assert "cannot judge" in judge(lambda function: function() + 1, lambda: "text").message
    assert "That is the library's own function" in SHARED(judging.first_line).message


def module(name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    return made


def test_checks_that_cannot_be_told_apart_are_refused():
    first, second = (investigation("04.1", title)(len) for title in ("One", "Another"))
    same = module("chapter_04.b", check_first=first)
    assert list(discover([module("chapter_04.a", check_first=first), same])) == ["04.1"]
    with pytest.raises(ValueError, match="Exercise 04.1 has two checks, check_first and check_second in chapter_04.c"):
        discover([same, module("chapter_04.c", check_second=second)])
    modules = [module(f"chapter_0{i}", check_x=investigation(f"0{i}.1", "One")(len)) for i in (4, 5)]
    with pytest.raises(ValueError, match="Two checks are called check_x: give the one in chapter_05 another name"):
        discover(modules)


class Guess:
    """A task with a number to be found."""

    def __init__(self, number):
        self.number = number

    @classmethod
    def made_up(cls):
        return cls(7)


@investigation("99.2", "Guess", Guess)
def check_guess(function, task):
    found = ask(function, (), "Asked", like=0, form=lambda found: "" if isinstance(found, int) else "Give a number.")
    return right("found") if found == task.number else refuse("not found")


def test_an_investigation_gets_the_notebooks_task_or_a_made_up_one():
    assert check_guess(lambda: 7).status == "right"
    assert check_guess(lambda: 7, Guess(8)).message == "not found"
    assert check_guess(lambda: "7").message == "Asked: give a number."
    verdict = check_guess(lambda: 7, "a word")
    assert verdict.status == "not attempted"
    assert "`task` is a str now, no longer what its cell made" in verdict.message


@pytest.mark.parametrize(("shift", "status", "message"), [
    (0.5, "right", "above 0: up"), (-0.5, "wrong", "below 0: down"),
    (0.01, RESULT, "holds 0: luck The exercise counts as solved."),
    (-0.2, "wrong", "holds 0, and there is no gain: luck"),
])  # fmt: skip
def test_each_of_three_announced_looks_has_the_same_interval_and_a_fourth_has_none(shift, status, message):
    differences = np.random.default_rng(0).choice([-1, 0, 1], 200) + shift
    for look in (1, 3):
        verdict = prove(differences, look, "Test", above="up", below="down", between="luck")
        assert verdict.status == status and message in verdict.message and f"look {look} of 3." in verdict.message
        assert f"Test, difference {100 * differences.mean():+.1f} points, 98.3 % interval" in verdict.message
    with pytest.raises(Ended, match="a further choice proves nothing"):
        prove(differences, 4, "Test", above="up", below="down", between="luck")


def test_the_lowest_of_several_measured_is_named():
    assert "min for max" in lowest("a", {"a": 0.1, "b": 0.2})
    assert lowest("b", {"a": 0.1, "b": 0.2}) == lowest("a", {"a": 0.1}) == ""


def test_a_function_that_keeps_something_is_told_so():
    calls = []

    def once(x):
        calls.append(1)
        return 2 * x if len(calls) > 1 else x

    assert "Called again" in compare(once, *DOUBLE, [("never", lambda x: 3 * x)]).message


FLOATS = [(random_tensor(4, 5, seed=seed), seed + 1) for seed in (1, 2, 3)]


def times(x, k):
    return k * x


def steps(x, k):
    return (torch.relu(x) ** 2).topk(k, dim=1).values.mean(dim=1)


def asked_for_float32(x):
    """returns: float32"""
    return 2 * x.double()


TWO = [case[:1] for case in FLOATS[:2]]
ZEROS_LAST = [*TWO, (0 * ROWS,)]
GROWING = [(ROWS, 2), (torch.cat([ROWS, 0 * ROWS[:1]]), 2), (ROWS[:1], 1)]
UNEVEN = [(torch.ones(2, 3),), (2 * ROWS,), (-ROWS,)]
NEVER = ("never", lambda x: x[:, 5])
SEVERAL = {"mistakes": [NEVER, ("squared", lambda x: 2 * x**2), ("shifted", lambda x: 2 * x + 1)]}
TIMES, STEPS = (times, FLOATS, {}), (steps, FLOATS, {})
DIFFERENT = {
    "Your results stay the same with another `k`: you do not use it": (lambda x, k: 3 * x, *TIMES),
    "20 of 20 values are NaN: what do you divide by": (lambda x, k: k * x * torch.nan, *TIMES),
    "values are infinite": (lambda x, k: k * x / 0, *TIMES),
    "all rows of your result are the same": (lambda x, k: (k * x)[:1].expand(4, 5) + 1, *TIMES),
    "your result repeats the last row of the right one": (lambda x, k: (k * x)[-1:].expand(4, 5), *TIMES),
    "right ones times 100: percent, and shares are wanted": (lambda x, k: 100 * k * x, *TIMES),
    "you took the sum of each row at the end": (lambda x, k: (k * x).sum(1), *TIMES),
    "the values are right, but in the shape (4, 5, 1)": (lambda x, k: (k * x)[:, :, None], *TIMES),
    "In a matrix product the inner sizes must agree": (lambda x, k: k * x @ x, *TIMES),
    "wrong only on the diagonal": (lambda x, k: k * x + torch.eye(4, 5), *TIMES),
    "On input 1 (k = 2): row 0 of your result is [-4.051, -2.5, ": (lambda x, k: k * x + x.flip(0).sign(), *TIMES),
    "Your results are those with `amin` in the place of `mean`:": (
        lambda x, k: (torch.relu(x) ** 2).topk(k, dim=1).values.amin(1), *STEPS
    ),
    "Your results are those with `k + 1` in the place of `k`:": (
        lambda x, k: (torch.relu(x) ** 2).topk(k + 1, dim=1).values.mean(1), *STEPS
    ),
    "Your results are those with no power:": (lambda x, k: torch.relu(x).topk(k, dim=1).values.mean(1), *STEPS),
    "shifted": (lambda x: 2 * x + 1, double, UNEVEN, SEVERAL),
    "On input 2, with x = [[0, 2, 4], [6, 8, 10]]: row 0 of your result is [0, 16, 128], and [0, 4, 8] is wanted. 1 of "
    "6 values is right. On input 1 it is right.": (lambda x: 2 * x**3, double, UNEVEN, SEVERAL),
    "[0, 4, 8] is wanted. The order of its values is right.": (
        lambda x: x + 5 if (x == 2 * ROWS).all() else 2 * x**2, double, UNEVEN, SEVERAL
    ),
    "first": (lambda x: 3 * x, *DOUBLE, {"mistakes": [(name, lambda x: 3 * x) for name in ("first", "second")]}),
    "must become 0": (lambda x: x, lambda x: x.clamp_min(0), TWO, {}),
    "must become positive": (lambda x: x, lambda x: x.abs(), TWO, {}),
    "sort them": (lambda x: x, lambda x: x.sort(-1).values, TWO, {}),
    "results, number 2: On every input: your values are the negatives": (
        lambda x: (x, -x), lambda x: (x, x), TWO, {}
    ),
    "`number`: On every input: your values are the right ones times 2.": (
        lambda x, k: (x, 2 * k), lambda x, k: (x, k), FLOATS, {"parts": ("rows", "number")}
    ),
    # up to rounding all but the last are right: no relation, and no changed step
    "On input 3 (x is all zeros": (
        lambda x: x.abs() * (1 + 1e-7) / x.any(), lambda x: x.abs().clamp_min(0), ZEROS_LAST, {}
    ),
    # what no input before it had
    "On input 2 (x has a row of zeros), with x = [[0, 1, 2], [3, 4, 5], [0, 0, 0]] and k = 2: row 0": (
        lambda x, k: k * x + (len(x) == 3) * (x**2 + 1), times, GROWING, {}
    ),
    "On input 3 (x has one row and k = 1), with x = [[0, 1, 2]] and k = 1: row 0": (
        lambda x, k: k * x + (len(x) == 1) * (x**2 + 1), times, GROWING, {}
    ),
    "On input 3 (nothing there): your function returned an int; a Tensor of shape (2, 3)": (
        lambda x: 2 * x if x.any() else 0, double, ZEROS_LAST, {"notes": {3: "nothing there"}}
    ),
    "your result is [10, 14], and [2, 2] is wanted. No entry is right.": (
        lambda x: x.argmax(1) * torch.tensor([5, 7]), lambda x: x.argmax(1), [(ROWS,)],
        {"word": "positions", "related": False},
    ),
    "On input 1: the values are right, but your result has dtype float64; float32 is": (asked_for_float32, *DOUBLE, {}),
    "On input 3 (x is all zeros and x has equal rows): the values are right, but your result has dtype int64;": (
        lambda x: 2 * x if x.any() else x.long(), double, ZEROS_LAST, {}
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", DIFFERENT)
def test_what_differs_is_named_and_where(message):
    solution, reference, cases, options = DIFFERENT[message]
    found = compare(solution, reference, cases, **options)
    assert found.status == "wrong" and message in found.message, found


def test_no_step_is_named_where_more_differs_and_another_precision_is_right():
    def fewer_and_more(x, k):
        return (torch.relu(x) ** 2).topk(k, dim=1).values.amin(1) + x[:, 0] ** 3

    assert "Your results are" not in compare(fewer_and_more, steps, FLOATS).message
    assert "Your function agrees" in compare(lambda x, k: (k * x).double(), times, FLOATS).message


def test_a_mistake_is_the_code_of_the_reference_written_otherwise():
    check = Exercise("99.1", "Steps", steps, FLOATS, {"No clamp.": but("torch.relu(x)", "x", "mean", "sum")})
    assert check(lambda x, k: (x**2).topk(k, dim=1).values.sum(dim=1)).message == "No clamp."
    with pytest.raises(ValueError, match="steps has no 'clamp' that could be 'abs'"):
        but("clamp", "abs").of(steps)


def hasty(x):
    for row in x:
        return 2 * row


def test_a_return_inside_the_loop_is_named():
    assert SHARED(hasty).message.startswith("Your `return` stands inside the loop")
    assert "`return`" not in SHARED(lambda x: 3 * x).message


def test_a_loop_is_told_where_the_card_asks_for_none():
    check = Exercise("99.1", "Double", *DOUBLE, no_loop=True)
    assert "no loop" not in check(lambda x: 2 * x).message
    for loop in (
        lambda x: torch.stack([2 * row for row in x]),
        lambda x: torch.cat([x[i : i + 1] * 2 for i in range(len(x))]),
    ):
        assert check(loop).status == "right" and "yours has one" in check(loop).message
