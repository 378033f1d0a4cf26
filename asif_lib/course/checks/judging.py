"""Checks of the exercises: each runs the student's function beside a reference and says what is wrong.

A check never raises into the notebook and never shows the solution. Usual mistakes are known by name: each
is a wrong implementation, and a student's result that equals its result gets its message.

    @exercise("04.1", "Clamp, then power")
    def check_sparsify(function) -> Verdict:
        return compare(function, reference, cases, mistakes)
"""

import contextvars
import copy
import functools
import html
import inspect
import traceback
import types
from dataclasses import dataclass, replace

import numpy as np
import torch

from asif_lib.errors import first_line

from .sandbox import TIME_LIMIT, OutOfTime, Printed, sandbox

EXERCISES = {}
"""Every check by the number of its exercise: ``"04.2"`` → ``check_sparsify``; its ``title`` is that of the card."""

_printed = contextvars.ContextVar("printed")
"""Where the student's prints go while a check runs."""

TENSOR_KEYS = "Tensors as dictionary keys are never equal; use .tolist()."
STYLES = {
    "right": ("#009E73", "✔"),
    "wrong": ("#D55E00", "✘"),
    "not attempted": ("#56B4E9", "○"),
}  # Okabe–Ito


@dataclass(frozen=True)
class Verdict:
    """What a check says: in colour, symbol and words.

    Attributes
    ----------
    exercise : str
    status : {"right", "wrong", "not attempted"}
    message : str
    printed : str
        What the student's function printed, cut to a readable length.
    note : str
        A remark on the progress file, where something is amiss with it.
    """

    exercise: str
    status: str
    message: str
    printed: str = ""
    note: str = ""

    def __str__(self):
        text = f"{STYLES[self.status][1]} {self.exercise}: {self.status}. {self.message}"
        return text + "".join(f"\n{part}" for part in (self.printed, self.note) if part)

    __repr__ = __str__

    def _repr_html_(self):
        colour, symbol = STYLES[self.status]
        text = (
            f'<div role="status" style="border-left: 6px solid {colour}; padding: 0.4em 0.8em">'
            f"<b>{symbol} {html.escape(self.exercise)}: {self.status}.</b> {html.escape(self.message)}"
        )
        if self.printed:
            printed = html.escape(self.printed)
            text += f"<details><summary>What your function printed</summary><pre>{printed}</pre></details>"
        if self.note:
            text += f"<p>{html.escape(self.note)}</p>"
        return text + "</div>"


def exercise(number, title):
    """Make a function that returns a `Verdict` the check of an exercise, and have its verdicts kept as progress."""

    def register(check):
        @functools.wraps(check)
        def run(*arguments, **keywords) -> Verdict:
            from ..progress import note

            verdict = replace(judge(check, *arguments, **keywords), exercise=f"Exercise {number}")
            return replace(verdict, note=note(number, verdict.status))

        if number in EXERCISES:
            raise ValueError(f"Exercise {number} has two checks, {EXERCISES[number].__name__} and {check.__name__}.")
        run.title = title
        EXERCISES[number] = run
        return run

    return register


def judge(check, *arguments, **keywords) -> Verdict:
    """Run a check: whatever the student's function returned or printed, a verdict comes out."""
    if (getattr(arguments[0] if arguments else None, "__module__", "") or "").startswith("asif_lib."):
        return wrong("That is the library's own function; give the check the one that you wrote.")
    printed = Printed()
    token = _printed.set(printed)
    try:
        verdict = check(*arguments, **keywords)
    except Exception as error:
        verdict = wrong(
            f"The check cannot judge what your function returned ({type(error).__name__}: {_words(error)}); "
            "compare its form with the card: type, shape, order."
        )
    finally:
        _printed.reset(token)
    return replace(verdict, printed=str(printed))


def right(message) -> Verdict:
    """A verdict for a check that is more than one `compare`; `exercise` adds the number."""
    return Verdict("", "right", message)


def wrong(message) -> Verdict:
    """A verdict for a check that is more than one `compare`; `exercise` adds the number."""
    return Verdict("", "wrong", message)


def compare(function, reference, cases, mistakes=(), *, atol=1e-5, notes=None) -> Verdict:
    """Run `function` and `reference` on every case and compare what they return.

    A result must also be of the reference's kind: a Tensor of its dtype (any integer for an integer) on its
    device, without gradients; where the reference returns a number, any kind of number will do.

    Parameters
    ----------
    function : callable
        The student's.
    reference : callable
        The library's way.
    cases : sequence of tuple
        Arguments; Tensors among them are given to each function as copies.
    mistakes : sequence of (str, callable)
        Messages, each with the wrong implementation that it describes. The first that fits is told.
    atol : float
        Largest difference that counts as equal.
    notes : dict of int to str, optional
        What is special about an input, by its number from 1; told where a result fails there.
    """
    for number, case in enumerate(cases, 1):
        note = f" ({notes[number]})" if notes and number in notes else ""
        verdict = _compare_case(function, reference, case, mistakes, atol, f"On input {number}{note}")
        if verdict is not None:
            return verdict
    return right(f"Your function agrees with the library on {len(cases)} inputs.")


def no_longer(name, value, kind):
    """A verdict that counts as no try, where a variable that its cell made is something else by now; else None."""
    if isinstance(value, kind):
        return None
    return Verdict(
        "",
        "not attempted",
        f"Your function was not judged: `{name}` is {kind_of(value)} now, no longer what its cell made. Run that cell "
        "again, then this one.",
    )


def call(function, arguments, where, *, patience=1, advice="Does every loop come to an end?"):
    """Call the student's function on copies of the arguments: its result and None, or None and a `Verdict`.

    It is stopped after `patience` times `TIME_LIMIT` seconds, with some `advice`; its prints are kept for the
    verdict, and an exception becomes words.
    """
    if not callable(inspect.unwrap(function)):
        kind = kind_of(inspect.unwrap(function))
        return None, wrong(f"The check was given {kind}; give it your function itself, without calling it.")
    given = _copy(arguments)
    try:
        with sandbox(_printed.get(Printed()), patience):
            result = function(*given)
    except NotImplementedError as error:
        if str(error) in ("", "your turn"):  # torch raises NotImplementedError as well, with an explanation
            message = "Replace the line that raises NotImplementedError by your own."
            return None, Verdict("", "not attempted", message)
        return None, _raised(error, function, where)
    except OutOfTime:
        return None, wrong(
            f"{where} your function was still running after {patience * TIME_LIMIT} seconds and was stopped: it is "
            f"endless, or much too slow. {advice}"
        )
    except (Exception, SystemExit) as error:
        return None, _raised(error, function, where)
    if any(_changed(a, b) for a, b in zip(given, arguments, strict=True)):
        return None, wrong("Your function changed its input; work on a copy, or on new tensors.")
    return result, None


def _compare_case(function, reference, case, mistakes, atol, where):
    """The verdict on one input, or None where the student's result is right."""
    expected = reference(*_copy(case))
    result, verdict = call(function, case, where)
    if verdict is not None:
        return verdict
    if problem := form_problem(result, expected):
        return wrong(f"{where}: {problem[0].lower()}{problem[1:]}")
    result = _numbers(result, expected)
    if _same(result, expected, atol):
        problem = _dtype(result, expected)
        return wrong(f"The values are right, but {problem}") if problem else None
    for message, mistake in mistakes:
        if _same(result, _try(mistake, case), atol):
            return wrong(message)
    if _swapped(result, expected, atol):
        return wrong("Rows and columns are swapped: your result is the transpose of what is wanted.")
    return wrong(f"{where}: {_difference(result, expected, atol)}")


def _raised(error, function, where):
    message = f"{where} your function raised {type(error).__name__}: {_words(error)}"
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if own and own[-1].line:
        message += f" (in the line `{own[-1].line.strip()}`)"
    message += "" if message.endswith((".", "!", "?")) else "."
    if isinstance(error, KeyError) and any(isinstance(key, torch.Tensor) for key in error.args):
        message += f" {TENSOR_KEYS}"
    return wrong(message)


def _words(error):
    try:
        return first_line(error)[:300]
    except Exception:  # a student's own exception may fail even at this
        return "no message"


def _copy(case):
    def one(a):
        return a.clone() if isinstance(a, torch.Tensor) else copy.deepcopy(a) if isinstance(a, list | dict) else a

    return [one(a) for a in case]


def _changed(given, original):
    if isinstance(original, torch.Tensor):
        return not _same(given, original, 0)
    return isinstance(original, list | dict) and repr(given) != repr(original)


def _try(mistake, case):
    """A wrong implementation may fail where the right one does not; then it isn't the student's mistake."""
    try:
        return mistake(*_copy(case))
    except (RuntimeError, IndexError, ValueError, TypeError, ZeroDivisionError):
        return None


def form_problem(result, expected):
    """What is wrong with the kind of the result, whatever its values; empty where nothing is."""
    if result is None and expected is not None:
        return "Your function returned None; did you forget the return line?"
    if isinstance(result, types.GeneratorType):
        return "Your function returned a generator, which has computed nothing yet; return the finished values."
    if callable(result) and not callable(expected):
        return "Your function returned a function; did you forget the brackets that call it?"
    pair = isinstance(expected, tuple) and len(expected) == 2
    if type(result).__module__ == "torch.return_types" and hasattr(result, "indices") and not pair:
        return "max(dim=…) and topk return values and indices; take .values or .indices."
    if isinstance(expected, tuple):
        if isinstance(result, tuple | list) and len(result) == len(expected):
            parts = (form_problem(r, e) for r, e in zip(result, expected, strict=True))
            return next(filter(None, parts), "")
        return ""
    if isinstance(result, torch.Tensor) and result.requires_grad:
        return "Your result carries gradients, as if it were to be trained; nothing is trained here: use .detach()."
    if not isinstance(expected, torch.Tensor) or expected.ndim == 0:
        return ""
    if not isinstance(result, torch.Tensor):
        return f"Your function returned {kind_of(result)}; a Tensor of shape {tuple(expected.shape)} is wanted."
    if result.device != expected.device:
        return f"Your result is on {result.device}; make new tensors on the input's device, {expected.device}."
    return ""


def kind_of(thing):
    """The name of its type, with an article: ``an ndarray``."""
    name = type(thing).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


def _dtype(result, expected):
    if isinstance(expected, tuple) and isinstance(result, tuple | list):
        return next(filter(None, (_dtype(r, e) for r, e in zip(result, expected, strict=False))), "")
    if not isinstance(expected, torch.Tensor) or not isinstance(result, torch.Tensor):
        return ""
    whole = [not (t.is_floating_point() or t.is_complex() or t.dtype == torch.bool) for t in (result, expected)]
    if result.dtype == expected.dtype or all(whole):
        return ""
    return f"your result has dtype {_name(result)}; {_name(expected)} is wanted."


def _name(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _numbers(result, expected):
    """Where a tuple of numbers is wanted, numbers in a row are as good."""
    row = isinstance(expected, tuple) and all(isinstance(e, int | float) for e in expected)
    return result.tolist() if row and isinstance(result, torch.Tensor | np.ndarray) else result


def _same(result, expected, atol):
    if isinstance(expected, tuple):
        return (
            isinstance(result, tuple | list)
            and len(result) == len(expected)
            and all(_same(r, e, atol) for r, e in zip(result, expected, strict=True))
        )
    if result is None or isinstance(expected, str):
        return isinstance(result, str) and result == expected
    try:
        result, expected = torch.as_tensor(result).double(), torch.as_tensor(expected).double()
        close = result.shape == expected.shape and torch.allclose(result, expected, rtol=0, atol=atol, equal_nan=True)
    except (TypeError, ValueError, RuntimeError):
        return False
    return close


def _swapped(result, expected, atol):
    both = isinstance(result, torch.Tensor) and isinstance(expected, torch.Tensor)
    return both and result.ndim == expected.ndim == 2 and _same(result.T, expected, atol)


def _difference(result, expected, atol):
    if isinstance(expected, tuple):
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return f"your function should return {len(expected)} results, with commas between them."
        differ = [i for i, (r, e) in enumerate(zip(result, expected, strict=True)) if not _same(r, e, atol)]
        at = differ[0]
        return f"of your {len(expected)} results, number {at + 1}: {_difference(result[at], expected[at], atol)}"
    try:
        result, expected = torch.as_tensor(result), torch.as_tensor(expected)
        shape, wanted = tuple(result.shape), tuple(expected.shape)
    except (TypeError, ValueError, RuntimeError):
        return f"your function returned {kind_of(result)}, not a tensor or number."
    if wanted == () != shape:
        return f"your result has shape {shape}; one number is wanted, without a dimension."
    if shape != wanted:
        return f"your result has shape {shape}; expected {wanted}."
    if problem := _dtype(result, expected):
        return problem
    bad = result.double().isnan() & ~expected.double().isnan()
    if bad.any():
        return f"the shape is right, but {int(bad.sum())} of {bad.numel()} values are NaN; what do you divide by?"
    gap = (result.double() - expected.double()).abs().max()
    if wanted == ():
        return f"your function gives {float(result):.6g}, which is off by {gap:.3g} (tolerance {atol:g})."
    if not expected.is_floating_point():
        differ = result != expected
        return f"the shape is right, but {int(differ.sum())} of {differ.numel()} entries are not those wanted."
    return f"the shape is right, but the values are off by up to {gap:.3g} (tolerance {atol:g})."


def random_tensor(*shape, seed=0):
    """Test inputs with a seed of their own, so that a check leaves the notebook's random state alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
