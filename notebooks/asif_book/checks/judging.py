"""Run a student's function beside a reference, and say in words where the two differ."""

import copy
import html
import inspect
import itertools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from asif_book.figures.palette import ORANGE, PURPLE, SKY
from asif_book.plain import Other, TooLargeError
from asif_book.student import Raised, StandIn, told

from .relations import other_arguments, relation
from .sandbox import TIME_LIMIT, Lost, OutOfTime

STYLES = {"right": (SKY, "✔"), "wrong": (ORANGE, "✘"), "not attempted": (PURPLE, "○")}


@dataclass(frozen=True)
class Verdict:
    """The answer of a check."""

    exercise: str
    status: str  # a key of STYLES
    message: str
    printed: str = ""  # by the student's function, cut to a readable length
    note: str = ""  # a remark on the progress file, where it could not be written

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
        if printed := html.escape(self.printed):
            text += f"<details><summary>What your function printed</summary><pre>{printed}</pre></details>"
        if self.note:
            text += f"<p>{html.escape(self.note)}</p>"
        return text + "</div>"


class Ended(Exception):
    """Ends a check with its verdict, from any depth."""

    def __init__(self, verdict):
        super().__init__(verdict.message)
        self.verdict = verdict


right, wrong = partial(Verdict, "", "right"), partial(Verdict, "", "wrong")
"""Make a verdict of a message; the check adds its number."""


def refuse(message):
    """End the check: the solution is wrong, for this reason."""
    raise Ended(wrong(message))


# The form of a result


def form_problem(result, expected) -> str:
    """Describe a wrong kind of result, before its values; return an empty string for a right one."""
    if result is None and expected is not None:
        return "Your function returned None; did you forget the return line?"
    if isinstance(result, Other) and result.kind == "generator":
        return "Your function returned a generator, which has computed nothing yet; return the finished values."
    if callable(result) and not callable(expected):
        return "Your function returned a function; did you forget the brackets that call it?"
    positions = result[1] if isinstance(result, tuple) and len(result) == 2 else None
    if isinstance(positions, torch.Tensor) and positions.dtype == torch.int64 and not isinstance(expected, tuple):
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


def dtype_problem(result, expected) -> str:
    """Describe a wrong dtype of a Tensor, or of the parts of a tuple; any integer dtype does for an integer."""
    if isinstance(expected, tuple) and isinstance(result, tuple | list):
        return next(filter(None, (dtype_problem(r, e) for r, e in zip(result, expected, strict=False))), "")
    if not isinstance(expected, torch.Tensor) or not isinstance(result, torch.Tensor):
        return ""
    whole = [not (t.is_floating_point() or t.is_complex() or t.dtype == torch.bool) for t in (result, expected)]
    if result.dtype == expected.dtype or all(whole):
        return ""
    found, wanted = (str(tensor.dtype).removeprefix("torch.") for tensor in (result, expected))
    return f"your result has dtype {found}; {wanted} is wanted."


def kind_of(thing) -> str:
    """Return the name of a type with its article: ``an ndarray``."""
    name = thing.kind if isinstance(thing, Other) else type(thing).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


# The inputs, in words


@dataclass(frozen=True)
class Place:
    """The beginning of a sentence about input `at` (from 0); a right solution needs no sentence, and none is made."""

    reference: Callable
    cases: Sequence[tuple]
    at: int
    note: str = ""

    def __str__(self):
        note = self.note or special(self.reference, self.cases, self.at)
        return f"On input {self.at + 1}" + (f" ({note})" if note else "")


def special(reference, cases, at) -> str:
    """Say what input `at` (from 0) has and no input before it had; at most two things, or an empty string."""
    names = list(inspect.signature(reference).parameters)
    *earlier, here = (
        [feature for name, value in zip(names, case, strict=False) for feature in _features(name, value)]
        for case in cases[: at + 1]
    )
    before = {feature for case in earlier for feature in case}
    return " and ".join([feature for feature in here if feature not in before][:2])


FEATURES = {
    "is all zeros": lambda x: not x.any(),
    "has a row of zeros": lambda x: x.ndim == 2 and x.any() and not x.any(dim=1).all(),
    "has equal rows": lambda x: x.ndim == 2 and len(x.unique(dim=0)) < len(x),
    "has equal values": lambda x: x.ndim == 1 and x.is_floating_point() and len(x.unique()) < len(x),
    "has no positive value": lambda x: x.is_floating_point() and x.any() and (x <= 0).all(),
    "has one row": lambda x: x.ndim == 2 and len(x) == 1,
    "has one value": lambda x: x.ndim == 1 and len(x) == 1,
}


def _features(name, value):
    if isinstance(value, torch.Tensor) and value.numel():
        return [f"{name} {words}" for words, holds in FEATURES.items() if holds(value)]
    return [f"{name} = {value!r}"] if isinstance(value, int | float | str) else []


# The judgement

AGREES = "Your function agrees with the library on {} inputs."
_ANSWERS = weakref.WeakKeyDictionary()
"""The cases that a mistake has answered, and its answers: they are the same at every try of a student."""


def ask(function, arguments, where, *, like=None, form=None, patience=1, advice="Does every loop come to an end?"):
    """Call the student's function on copies of the arguments and return its result.

    Raises `Ended` if the function is a stub, fails, takes too long, changes its input or returns a wrong form.

    Parameters
    ----------
    where : str or Place
        The beginning of a sentence that says which call this is: ``"On input 2"``.
    like : object, optional
        A result whose form the student's must have: see `form_problem`.
    form : callable, optional
        Takes the result and returns another problem of its form, or an empty string.
    patience : int
        The call is stopped after `patience` times `sandbox.TIME_LIMIT` seconds, with some `advice`.
    """
    if not isinstance(own := inspect.unwrap(function), StandIn):
        refuse(f"The check was given {kind_of(own)}; give it your function itself, without calling it.")
    own.line.begin(patience)
    try:
        result = function(*copies(arguments))
    except Raised as error:
        if error.name == TooLargeError.__name__:
            refuse(f"{where} your function gave a {error}, with far more numbers than the card asks for.")
        if not error.stub:
            refuse(_raised(error, where))
        message = "Replace the line that raises NotImplementedError by your own."
        raise Ended(Verdict("", "not attempted", message)) from None
    except OutOfTime:
        stopped = f"{where} your function was still running after {patience * TIME_LIMIT} seconds and was stopped"
        refuse(f"{stopped}: it is endless, or much too slow. {advice}")
    except Lost as error:
        refuse(f"{where} your function {error}")
    except Exception as error:  # of a view of the result
        refuse(_raised(Raised(*told(error)), where))
    if own.line.changed:
        refuse("Your function changed its input; work on a copy, or on a new tensor or picture.")
    if problem := (like is not None and form_problem(result, like)) or (form and form(result)):
        refuse(f"{where}: {problem[0].lower()}{problem[1:]}")
    return result


def compare(function, reference, cases, mistakes=(), *, atol=1e-5, notes=None, word="values", related=True) -> Verdict:
    """Run `function` and `reference` on every case and compare their results.

    A result must also be of the reference's kind: a Tensor of its dtype (any integer for an integer) on its
    device, without gradients; where the reference returns a number, any kind of number will do.

    A wrong result is explained by the first of these: a mistake that has the function's results on every input; one
    that has them where the function is wrong, or on most of these inputs; a `relation`; the largest difference.

    Parameters
    ----------
    function, reference : callable
    cases : sequence of tuple
        The arguments of each call.
    mistakes : sequence of (str, callable)
        Messages and wrong implementations.
    atol, notes, word
        See `exercise.Exercise`.
    related : bool
        Whether relations are looked for.
    """
    try:
        for at, case in enumerate(cases):
            where = Place(reference, cases, at, (notes or {}).get(at + 1, ""))
            expected = reference(*copies(case))
            result = ask(function, case, where, form=lambda result: form_problem(result, expected))  # noqa: B023
            if not same(_as_row(result, expected), expected, atol):
                named = _known(function, reference, cases, mistakes, atol, related)
                refuse(named or f"{where}: {_difference(_as_row(result, expected), expected, atol, word)}")
            if problem := dtype_problem(result, expected):
                refuse(f"The values are right, but {problem}")
    except Ended as end:
        return end.verdict
    return right(AGREES.format(len(cases)))


def _known(function, reference, cases, mistakes, atol, related):
    """Name the mistake from the results on all cases; an empty string if it is not known."""
    wanted = [reference(*copies(case)) for case in cases]
    found = [_quietly(function, case, expected) for case, expected in zip(cases, wanted, strict=True)]
    differ = [i for i in range(len(cases)) if not same(found[i], wanted[i], atol)]
    if not differ:
        return (
            "Called again, your function gives other results: it keeps something from call to call, or draws by chance."
        )
    fits = {}  # by message, the inputs that it fits; a message may stand for several wrong implementations
    for message, mistake in mistakes:
        results = _answers(mistake, cases)
        fits.setdefault(message, set()).update(i for i in range(len(cases)) if _alike(found[i], results[i], atol))
    for wanted_at in (range(len(cases)), differ):
        for message, places in fits.items():
            if places.issuperset(wanted_at):
                return message
    for message, places in fits.items():  # equal values may stand in several orders on an input
        if 1 < len(places.intersection(differ)) >= 0.6 * len(differ):
            return message
    if isinstance(wanted[0], tuple):
        for order in itertools.permutations(range(len(wanted[0]))):
            if all(same(f, tuple(w[i] for i in order), atol) for f, w in zip(found, wanted, strict=True)):
                return "The results are right, and stand in another order than on the card."
    if related and (named := relation(found, wanted, atol)):
        return f"On every input: {named}"
    for words, others in other_arguments(reference, cases):
        results = [_try(reference, other) for other in others]
        if all(map(partial(_alike, atol=atol), found, results)):
            return f"Your results are those for {words}: is that what the card asks for?"
    matrices = all(isinstance(m, torch.Tensor) and m.ndim == 2 for m in (*found, *wanted))
    if matrices and all(same(f.T, w, atol) for f, w in zip(found, wanted, strict=True)):
        return "Rows and columns are swapped: your result is the transpose of what is wanted."
    return ""


def _quietly(function, case, expected):
    """The function's result, or None where it fails."""
    try:
        return _as_row(ask(function, case, ""), expected)
    except Ended:
        return None


def _alike(found, mistaken, atol):
    return mistaken is None if found is None else same(found, mistaken, atol)


def compare_together(function, reference, cases, mistakes, explain, form) -> Verdict:
    """Compare the answers to all cases at once, where few answers exist and a mistake may be right by chance.

    `form` and `explain` take an answer and the arguments of its case: see `Exercise`.
    """
    wanted, answers = [reference(*case) for case in cases], []
    for number, (case, expected) in enumerate(zip(cases, wanted, strict=True), 1):
        answer = ask(function, case, f"On input {number}", like=expected, form=lambda found: form(found, *case))  # noqa: B023
        answers.append(type(expected)(answer))
    if answers == wanted:
        return right(AGREES.format(len(cases)))
    for message, mistake in mistakes:
        if answers == _answers(mistake, cases):
            refuse(message)
    number = next(i for i in range(len(cases)) if answers[i] != wanted[i])
    refuse(f"On input {number + 1} {explain(answers[number], *cases[number])}")


def _raised(error, where):
    message = f"{where} your function raised {error.name}: {error.message}"
    if error.line:
        message += f" (in the line `{error.line}`)"
    return message + ("" if message.endswith((".", "!", "?")) else ".")


def copies(case) -> list:
    """Return the arguments with copies in place of Tensors, lists and dictionaries."""

    def one(a):
        return a.clone() if isinstance(a, torch.Tensor) else copy.deepcopy(a) if isinstance(a, list | dict) else a

    return [one(a) for a in case]


def _answers(mistake, cases):
    """Return what a wrong implementation answers to all cases; for the same cases, what it answered before."""
    known, answers = _ANSWERS.get(mistake, (None, None))
    if known is not cases:
        answers = [_try(mistake, case) for case in cases]
        _ANSWERS[mistake] = cases, answers
    return answers


def _try(mistake, case):
    """A wrong implementation may fail where the right one does not; then it is not the student's mistake."""
    try:
        return mistake(*copies(case))
    except Exception:
        return None


def _as_row(result, expected):
    """Where a tuple of numbers is wanted, numbers in a row are as good."""
    row = isinstance(expected, tuple) and all(isinstance(e, int | float) for e in expected)
    return result.tolist() if row and isinstance(result, torch.Tensor | np.ndarray) else result


def same(result, expected, atol) -> bool:
    """Return whether two results agree in shape and, up to `atol`, in value; NaN agrees with NaN."""
    if isinstance(expected, tuple):
        return (
            isinstance(result, tuple | list)
            and len(result) == len(expected)
            and all(same(r, e, atol) for r, e in zip(result, expected, strict=True))
        )
    if result is None or isinstance(expected, str):
        return isinstance(result, str) and result == expected
    try:
        result, expected = torch.as_tensor(result), torch.as_tensor(expected)
        if result.shape != expected.shape:
            return False
        return torch.allclose(result.double(), expected.double(), rtol=0, atol=atol, equal_nan=True)
    except (TypeError, ValueError, RuntimeError):
        return False


def _difference(result, expected, atol, word):
    if isinstance(expected, tuple):
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return f"your function should return {len(expected)} results, with commas between them."
        differ = [i for i, (r, e) in enumerate(zip(result, expected, strict=True)) if not same(r, e, atol)]
        at = differ[0]
        return f"of your {len(expected)} results, number {at + 1}: {_difference(result[at], expected[at], atol, word)}"
    try:
        result, expected = torch.as_tensor(result), torch.as_tensor(expected)
        shape, wanted = tuple(result.shape), tuple(expected.shape)
    except (TypeError, ValueError, RuntimeError):
        return f"your function returned {kind_of(result)}, not a tensor or number."
    if wanted == () != shape:
        return f"your result has shape {shape}; one number is wanted, without a dimension."
    if shape != wanted:
        return f"your result has shape {shape}; expected {wanted}."
    if problem := dtype_problem(result, expected):
        return problem
    bad = result.double().isnan() & ~expected.double().isnan()
    if bad.any():
        return f"the shape is right, but {int(bad.sum())} of {bad.numel()} values are NaN; what do you divide by?"
    gap = (result.double() - expected.double()).abs().max()
    if wanted == ():
        return f"your function gives {float(result):.6g}, which is off by {gap:.3g} (tolerance {atol:g})."
    if not expected.is_floating_point():
        differ = result != expected
        return f"the shape is right, but {int(differ.sum())} of {differ.numel()} {word} are not those wanted."
    if word != "values":
        return f"the shape is right, but some {word} are not those wanted."
    return f"the shape is right, but the values are off by up to {gap:.3g} (tolerance {atol:g})."


def random_tensor(*shape, seed=0) -> torch.Tensor:
    """Draw a test input with a seed of its own, so that a check does not move the notebook's random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
