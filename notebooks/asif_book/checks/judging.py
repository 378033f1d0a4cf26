"""Run a student's function beside a reference, and say in words where the two differ."""

import contextlib
import copy
import html
import inspect
import itertools
import traceback
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from asif_book.checks import calling
from asif_book.checks.progress import RESULT, SOLVED
from asif_book.figures.palette import BAR, ORANGE, PURPLE, SKY
from asif_lib.errors import first_line

from .calling import copies
from .relations import changed_steps, fact, hint, is_plain, relation

STYLES = {"right": (SKY, "✔"), RESULT: (BAR, "≈"), "wrong": (ORANGE, "✘"), "not attempted": (PURPLE, "○")}


@dataclass(frozen=True)
class Verdict:
    """The answer of a check."""

    exercise: str
    status: str  # a key of STYLES
    message: str
    printed: str = ""  # by the student's function, cut to a readable length
    note: str = ""  # a remark on the progress file, where it could not be written

    @property
    def solved(self) -> bool:
        return self.status in SOLVED

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
    if inspect.isgenerator(result):
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
    if isinstance(result, bool) and isinstance(expected, int | float) and not isinstance(expected, bool):
        return "Your function returned True or False; a number is wanted."
    if not isinstance(expected, torch.Tensor) or expected.ndim == 0:
        return ""
    if not isinstance(result, torch.Tensor):
        return f"Your function returned {kind_of(result)}; a Tensor of shape {tuple(expected.shape)} is wanted."
    if result.dtype == torch.bool and not expected.is_floating_point() and expected.dtype != torch.bool:
        return "Your result is a mask, of True and False; whole numbers are wanted: .nonzero() gives positions."
    if result.device != expected.device:
        return f"Your result is on {result.device}; make new tensors on the input's device, {expected.device}."
    return ""


def dtype_problem(result, expected, card="") -> str:
    """Describe a wrong dtype of a Tensor, or of the parts of a tuple.

    Any integer dtype does for an integer, and any of floats for a float, unless the `card` names it.
    """
    if isinstance(expected, tuple) and isinstance(result, tuple | list):
        return next(filter(None, (dtype_problem(r, e, card) for r, e in zip(result, expected, strict=False))), "")
    if not isinstance(expected, torch.Tensor) or not isinstance(result, torch.Tensor):
        return ""
    whole = [not (t.is_floating_point() or t.is_complex() or t.dtype == torch.bool) for t in (result, expected)]
    floats = result.is_floating_point() and expected.is_floating_point()
    if result.dtype == expected.dtype or all(whole) or (floats and "float32" not in card.split("returns")[-1]):
        return ""
    found, wanted = (str(tensor.dtype).removeprefix("torch.") for tensor in (result, expected))
    kind = "values" if expected.is_floating_point() else "positions or counts" if whole[1] else "a mask"
    return f"your result has dtype {found}; {wanted} is wanted" + ("." if floats else f": {kind}.")


def kind_of(thing) -> str:
    """Return the name of a type with its article: ``an ndarray``."""
    name = type(thing).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


# The inputs, in words


@dataclass(frozen=True)
class Place:
    """The beginning of a sentence about input `at` (from 0); a right solution needs no sentence, and none is made."""

    names: Sequence[str]
    cases: Sequence[tuple]
    at: int
    note: str = ""

    def __str__(self):
        note = self.note or special(self.names, self.cases, self.at)
        return f"On input {self.at + 1}" + (f" ({note})" if note else "")


def argument_names(function, reference, case) -> list:
    """Return the names of the arguments, as the student's function has them."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = list(code.co_varnames[: code.co_argcount]) if code else []
    return own if len(own) == len(case) else list(inspect.signature(reference).parameters)[: len(case)]


def special(names, cases, at) -> str:
    """Say what input `at` (from 0) has and no input before it had; at most two things, or an empty string."""
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
        The call is stopped after `patience` times `calling.TIME_LIMIT` seconds, with some `advice`.
    """
    if not callable(own := inspect.unwrap(function)):
        refuse(f"The check was given {kind_of(own)}; give it your function itself, without calling it.")
    seconds, given = patience * calling.TIME_LIMIT, copies(arguments)
    try:
        with calling.settings_kept(), calling.alarm(seconds):
            result = calling.copied(function(*given))
    except (KeyboardInterrupt, Ended):  # of the user; of a view of the result
        raise
    except calling.OutOfTime:
        stopped = f"{where} your function was still running after {seconds} seconds and was stopped"
        refuse(f"{stopped}: it is endless, or much too slow. {advice}")
    except BaseException as error:  # also SystemExit
        # torch raises NotImplementedError as well, with an explanation
        if isinstance(error, NotImplementedError) and str(error) in ("", "your turn"):
            message = "Replace the line that raises NotImplementedError by your own."
            raise Ended(Verdict("", "not attempted", message)) from None
        refuse(_raised(error, own, where))
    if not all(map(calling.unchanged, given, arguments)):
        refuse("Your function changed its input; work on a copy, or on a new tensor or picture.")
    if problem := (like is not None and form_problem(result, like)) or (form and form(result)):
        refuse(f"{where}: {problem[0].lower()}{problem[1:]}")
    return result


def compare(
    function, reference, cases, mistakes=(), *, atol=1e-5, notes=None, word="values", related=True, parts=(), view=None
) -> Verdict:
    """Run `function` and `reference` on every case and compare their results.

    A result must also be of the reference's kind: a Tensor of its dtype (see `dtype_problem`) on its device, without
    gradients; where the reference returns a number, any kind of number will do.

    A wrong result is explained by the first of these: a mistake that has the function's results on every input; a
    `relation`; what the results plainly are, NaN for example; a mistake that has them where the function is wrong, or
    on most of these inputs; an argument that does not matter; a step of the reference that is another; the smallest
    input on which they differ, with one entry of both.

    Parameters
    ----------
    function, reference : callable
    cases : sequence of tuple
        The arguments of each call.
    mistakes : sequence of (str, callable)
        Messages and wrong implementations.
    atol, notes, word, parts
        See `exercise.Exercise`.
    related : bool
        Whether relations are looked for.
    view : callable, optional
        Takes a function, and returns what the results of `function` and `reference` were made by.
    """
    try:
        names = argument_names(function, reference, cases[0])
        places = [Place(names, cases, at, (notes or {}).get(at + 1, "")) for at in range(len(cases))]
        for where, case in zip(places, cases, strict=True):
            expected = reference(*copies(case))
            result = ask(function, case, where, form=lambda result: form_problem(result, expected))  # noqa: B023
            if not same(_as_row(result, expected), expected, atol):
                attempt = Attempt(function, reference, names, cases, places, mistakes, atol, related, parts, view)
                named = ""
                with warnings.catch_warnings(action="ignore"), contextlib.suppress(Exception):  # a hint is no duty
                    named = attempt.explanation()
                refuse(named or attempt.shown(word) or f"{where}: {_difference(result, expected, atol, word, parts)}")
            if problem := dtype_problem(result, expected, str(inspect.unwrap(function).__doc__)):
                refuse(f"{where}: the values are right, but {problem}")
    except Ended as end:
        return end.verdict
    return right(AGREES.format(len(cases)))


class Attempt:
    """The results of a wrong function on all cases, beside those of the reference; see `compare`."""

    def __init__(self, function, reference, names, cases, places, mistakes, atol, related, parts, view, part=None):
        self.function, self.reference, self.names, self.cases, self.places = function, reference, names, cases, places
        self.mistakes, self.atol, self.related, self.parts, self.view = mistakes, atol, related, parts, view
        self.part, self.arguments = part, [dict(zip(names, case, strict=False)) for case in cases]
        self.wanted = [reference(*copies(case)) for case in cases]
        self.found = [_quietly(function, case, expected) for case, expected in zip(cases, self.wanted, strict=True)]
        self.sort_out()

    def sort_out(self):
        pairs = zip(self.found, self.wanted, strict=True)
        self.differ = [i for i, (found, wanted) in enumerate(pairs) if not same(found, wanted, self.atol)]

    def of_part(self, place):
        """The same for one of several results."""
        other = copy.copy(self)
        other.part, other.wanted = place, [wanted[place] for wanted in self.wanted]
        other.whole = [wanted[:place] + wanted[place + 1 :] for wanted in self.wanted]
        other.found = [found[place] for found in self.found]
        other.sort_out()
        return other

    def explanation(self) -> str:
        """Name the mistake; an empty string if it is not known."""
        if not self.differ:
            return (
                "Called again, your function gives other results: it keeps something from call to call, or draws by "
                "chance."
            )
        if named := self.named():
            return named
        if not isinstance(self.wanted[0], tuple):
            return self.generic()
        count = len(self.wanted[0])
        if not all(isinstance(found, tuple | list) and len(found) == count for found in self.found):
            return ""
        for order in itertools.permutations(range(count)):
            pairs = zip(self.found, self.wanted, strict=True)
            if all(same(f, tuple(w[i] for i in order), self.atol) for f, w in pairs):
                return "The results are right, and stand in another order than on the card."
        wrong_parts = [part for part in map(self.of_part, range(count)) if part.differ]
        reasons = [part.named() or part.generic() for part in wrong_parts]
        if not any(reasons):
            return ""
        told = (
            f"{part_name(self.parts, p.part)}: {why or 'not right.'}"
            for p, why in zip(wrong_parts, reasons, strict=True)
        )
        return f"Of your {count} results, {' And '.join(told)}"

    def named(self):
        """The first mistake that has all results; then a relation; what they plainly are; a mistake that has most."""
        fits = {}  # by message, the inputs that it fits; a message may stand for several wrong implementations
        for message, mistake in self.mistakes:
            pairs = enumerate(zip(self.found, self._only_here(_answers(mistake, self.cases)), strict=True))
            fits.setdefault(message, set()).update(i for i, (f, m) in pairs if _alike(f, m, self.atol))
        for message, places in fits.items():
            if len(places) == len(self.cases):
                return message
        at, plain = (-1, "") if isinstance(self.wanted[0], tuple) else fact(self.found, self.wanted)
        plain = f"{self.places[at]}: {plain}" if at >= 0 else plain
        if (at >= 0 or not plain) and (found := self.relation()):
            return f"{found} {plain}".strip()
        telling = [i for i in self.differ if not is_plain(self.found[i])] if self.part is None else []
        for message, places in fits.items():
            if telling and places.issuperset(self.differ if len(telling) < 2 else telling):
                return f"{message} {plain}".strip()
        if plain:
            return f"{self.step() if at >= 0 else ''} {plain}".strip()
        for message, places in fits.items():  # equal values may stand in several orders on an input
            if 1 < len(places.intersection(telling)) >= 0.6 * len(self.differ):
                return message
        return ""

    def relation(self):
        """How all results follow from the right ones, or an empty string."""
        if any(found is None for found in self.found) or isinstance(self.wanted[0], tuple):
            return ""
        finite, wanted, arguments = ([xs[i] for i in self.sound] for xs in (self.found, self.wanted, self.arguments))
        pairs = list(zip(self.found, self.wanted, strict=True))
        shaped = all(np.shape(f) == np.shape(w) for f, w in pairs)
        if (self.related or not shaped) and (found := relation(finite, wanted, arguments, self.atol)):
            if not shaped and len(self.differ) < len(pairs):
                return f"{self.places[self.differ[0]]}: {found}"
            return f"On every {'' if len(finite) == len(pairs) else 'other '}input: {found}"
        if shaped and all(same(_sorted(f), _sorted(w), self.atol) for f, w in pairs):
            return "Your result has the right entries in another order."
        return ""

    def _parts_of(self, results):
        if self.part is None:
            return results
        return [r[self.part] if isinstance(r, tuple | list) and len(r) > self.part else None for r in results]

    def _only_here(self, results):
        """The parts of the results of a mistake that leaves the other parts right; without parts, the results."""
        if self.part is None:
            return results
        pairs = zip(results, self.whole, strict=True)
        alone = all(r is None or same((*r[: self.part], *r[self.part + 1 :]), w, self.atol) for r, w in pairs)
        return self._parts_of(results) if alone else [None] * len(results)

    def generic(self):
        """Name a mistake that nobody has prepared."""
        if any(found is None for found in self.found):
            return ""
        shaped = all(np.shape(f) == np.shape(w) for f, w in zip(self.found, self.wanted, strict=True))
        if shaped and (name := self.unused()):
            return f"Your results stay the same with another `{name}`: you do not use it, or its effect is lost."
        for name in self.names if self.related else ():
            base = [case[name] for case in self.arguments]
            pairs = zip(base, self.found, strict=True)
            alike = all(isinstance(b, torch.Tensor) and b.shape == np.shape(f) for b, f in pairs)
            if alike and (found := relation(self.found, base, self.arguments, self.atol)):
                return f"On every input: {found.replace('the right ones', f'those of `{name}`')}"
        if step := self.step():
            return step
        if self.related and (found := hint(self.found, self.wanted, self.atol)):
            return f"On every input: {found}"
        return ""

    def step(self):
        """Which step of the reference must be another to have these results, or an empty string."""
        ways = changed_steps(self.reference, self.cases[0])
        numbers = sum(a.numel() for a in self.cases[0] if isinstance(a, torch.Tensor))
        if numbers > 4_000 or self.atol > 1e-2:  # where the reference takes its time, only a number off by one
            ways = itertools.takewhile(lambda way: " 1` in the place of" in way[0], ways)
        for words, way in ways:
            if self.is_like(self.view(way) if self.view else way):
                return f"Your results are those with {words}: is that what the card asks for?"
        return ""

    def shown(self, word):
        """Show the smallest input that differs, one entry of both results, and what is right."""
        known = [i for i in self.differ if self.found[i] is not None]
        if not known:
            return ""
        at = min(known, key=lambda i: _count(self.cases[i]))
        given = [f"{name} = {_told(value)}" for name, value in zip(self.names, self.cases[at], strict=False)]
        with_these = f", with {' and '.join(given)}" if _count(self.cases[at]) <= MOST_SHOWN else ""
        found = _difference(self.found[at], self.wanted[at], self.atol, word, self.parts)
        right = [str(i + 1) for i in range(len(self.cases)) if i not in self.differ]
        others = f" On input{'s' * (len(right) > 1)} {', '.join(right)} it is right." if right else ""
        if len(right) == len(self.cases) - 1 and right:
            others = " On all other inputs it is right."
        return f"{self.places[at]}{with_these}: {found}{others}"

    @property
    def sound(self):
        """The inputs with a finite result."""
        values = [torch.as_tensor(found) for found in self.found]
        return [i for i, v in enumerate(values) if v.dtype == torch.bool or bool(v.isfinite().all())]

    def is_like(self, way):
        """Whether another implementation has the function's finite results; the first that differs ends it."""
        inputs = self.sound if self.part is None and not isinstance(self.wanted[0], tuple) else range(len(self.cases))
        results = ((self.found[i], self._parts_of([_try(way, self.cases[i])])[0]) for i in inputs)
        return len(inputs) > 1 and {*inputs} & {*self.differ} and all(_alike(f, m, self.atol) for f, m in results)

    def unused(self):
        """The name of an argument that may be another, and the student's results stay as they are; or None."""
        for at, name in enumerate(self.names):
            same_ones = []
            for case, found, wanted in zip(self.cases, self.found, self.wanted, strict=True):
                other = [*case[:at], another(case[at], (-1) ** len(same_ones)), *case[at + 1 :]]
                expected = self._parts_of([_try(self.reference, other)])[0]
                if other[at] is None or expected is None or same(expected, wanted, self.atol):
                    continue
                again = _quietly(self.function, other, wanted)
                same_ones.append(same(self._parts_of([again])[0], found, 0))
                if not same_ones[-1] or len(same_ones) == 4:
                    break
            if len(same_ones) > (2 if torch.as_tensor(self.wanted[0]).numel() < 2 else 1) and all(same_ones):
                return name
        return None


def _sorted(values):
    return values.flatten().sort().values if isinstance(values, torch.Tensor) else values


def another(argument, sign=1):
    """Make an argument of the same kind that asks for something else; None where that is not known."""
    if isinstance(argument, bool) or not isinstance(argument, int | float | torch.Tensor):
        return None
    if isinstance(argument, int):
        return argument - 1 if argument > 1 else argument + 1
    if isinstance(argument, float):
        return 0.5 * argument
    if not argument.numel() or not argument.ndim:
        return None
    if argument.is_floating_point():
        return argument.roll(1, 0) * 1.5 * sign + 0.1  # the other order for -1
    return (~argument if argument.dtype == torch.bool else argument.max() + argument.min() - argument).roll(1, 0)


def part_name(parts, place):
    return f"`{parts[place]}`" if parts else f"number {place + 1}"


def _quietly(function, case, expected):
    """The function's result, or None where it fails."""
    try:
        return _as_row(ask(function, case, ""), expected)
    except Ended:
        return None


def _alike(found, mistaken, atol):
    return mistaken is None if found is None else mistaken is not None and same(found, mistaken, atol)


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
    if len(set(answers)) == 1:
        refuse(f"Your function says {answers[0]!r} on every input; compute it from the arguments.")
    number = next(i for i in range(len(cases)) if answers[i] != wanted[i])
    refuse(f"On input {number + 1} {explain(answers[number], *cases[number])}")


ERRORS = {
    "must match the size of tensor": "Shapes line up from the right. One number for each row is a column, (q, 1): "
    "keepdim=True makes it. One number for each column is (n,). Every row meets every row in a product with .T.",
    "be broadcast to indexing result": "An index picks whole rows; .scatter(1, indices, values) fills each row.",
    "is out of bounds for dimension 0": "Positions along dim=0 name rows: do yours name columns?",
    "cannot be multiplied": "In a matrix product the inner sizes must agree: is a .T missing?",
    "is ambiguous": "A comparison of tensors has many answers: use a mask, .all() or .any().",
    "same dtype": "Numbers of two kinds meet: .float() makes float32 of integers and of True and False.",
}
"""What to look at, by a part of an error's message."""


TENSOR_KEYS = "Tensors as dictionary keys are never equal; use .tolist()."


def _raised(error, function, where):
    try:
        message = first_line(error)[:300]
    except Exception:  # a student's own error may fail even at that
        message = "no message"
    if isinstance(error, KeyError) and any(isinstance(key, torch.Tensor) for key in error.args):
        message += f". {TENSOR_KEYS}"
    told = f"{where} your function raised {type(error).__name__}: {message}"
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if lines and lines[-1]:
        told += f" (in the line `{lines[-1].strip()}`)"
    advice = next((f" {advice}" for part, advice in ERRORS.items() if part in message), "")
    return told + ("" if told.endswith((".", "!", "?")) else ".") + advice


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


def _difference(result, expected, atol, word, parts=()):
    if isinstance(expected, tuple):
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return f"your function should return {len(expected)} results, with commas between them."
        differ = [i for i, (r, e) in enumerate(zip(result, expected, strict=True)) if not same(r, e, atol)]
        each = (f"{part_name(parts, at)}: {_difference(result[at], expected[at], atol, word)}" for at in differ)
        return f"of your {len(expected)} results, {' '.join(each)}"
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
    at, plain = fact([result], [expected])
    if not at:
        return plain
    if wanted == ():
        return f"your function gives {_told(result)}, and {_told(expected)} is wanted."
    wrong = ~torch.isclose(result.double(), expected.double(), rtol=0, atol=atol, equal_nan=True)
    if shape[-1] <= MOST_ENTRIES:
        at = tuple(wrong.nonzero()[0, :-1].tolist())
        what = f"row {', '.join(map(str, at))} of your result" if at else "your result"
    else:
        at = tuple(wrong.nonzero()[0].tolist())
        what = f"entry [{', '.join(map(str, at))}] of your result"
    shared = _agreeing(result, expected, wrong, word)
    return f"{what} is {_told(result[at])}, and {_told(expected[at])} is wanted. {shared}"


MOST_SHOWN, MOST_ENTRIES = 12, 6
"""An input of so many numbers is shown whole, and a row of so many entries."""
AGREEING = {
    "The order of its values is right.": lambda x: x.argsort(dim=-1, stable=True),
    "Its zeros are in the right places.": lambda x: x == 0,
    "Each row has the right length.": lambda x: x.norm(dim=-1),
    "Each row has the right sum.": lambda x: x.sum(dim=-1),
}
"""What a wrong result may share with the right one, and what must be equal."""


def _agreeing(result, expected, wrong, word) -> str:
    """Say which rows, columns or entries of a wrong result are right; where none is, what it shares with the right."""
    for dim, name in ((0, "row"), (1, "column")) if wrong.ndim == 2 else ():
        right = (~wrong.any(dim=1 - dim)).nonzero().ravel().tolist()
        if len(right) > MOST_ENTRIES:
            return f"{len(right)} of {wrong.shape[dim]} {name}s are right."
        if right:
            rows = f"{name.title()}{'s' * bool(right[1:])} {', '.join(map(str, right))}"
            return f"{rows} {'are' if right[1:] else 'is'} right."
    if n := int((~wrong).sum()):
        return f"{n} of {wrong.numel()} {word} {'are' if n > 1 else 'is'} right."
    if not expected.is_floating_point() or expected.shape[-1] < 3:
        return "No entry is right."
    shared = (words for words, of in AGREEING.items() if _shares(of(result.double()), of(expected.double())))
    return next(shared, "No entry is right.")


def _shares(mine, wanted):
    return mine.unique().numel() > 1 and torch.allclose(mine.double(), wanted.double(), rtol=1e-5, atol=1e-5)


def _count(case):
    """How many numbers a case holds; many where it holds something else."""
    sizes = {torch.Tensor: lambda x: x.numel(), list: len, tuple: len, str: lambda x: 1, int: lambda x: 1}
    return sum(
        next((size(x) for kind, size in sizes.items() if isinstance(x, kind)), isinstance(x, float) or 1e6)
        for x in case
    )


def _told(value) -> str:
    """Write a number, or a tensor or list of them, with four digits."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_told, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def random_tensor(*shape, seed=0) -> torch.Tensor:
    """Draw a test input with a seed of its own, so that a check does not move the notebook's random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
