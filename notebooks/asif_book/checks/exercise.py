"""The exercises as data. A chapter's checks stand in ``chapters/chapter_NN/checks.py``.

    def top_share(scores, k):                                     # the reference, which is the card's solution, too
        return scores.topk(k, dim=1).values.sum(dim=1) / scores.sum(dim=1)

    cases = [(random_tensor(5, 8).abs(), 3), (random_tensor(1, 8).abs(), 1)]
    mistakes = {                                                  # message: wrong implementation, the first that fits
        "You took the k smallest; the k largest are wanted.": but("topk(k", "topk(k, largest=False"),
        "You give percent; give a share between 0 and 1.": but("return ", "return 100 * "),
        "Divide by all scores of the row, not of the table.": lambda scores, k: top_share(scores, k) / scores.sum(),
    }
    check_top_share = Exercise("09.1", "Share of the top k", top_share, cases, mistakes)  # number and title of the card

A value may also be a tuple of implementations. `catalogue` has usual mistakes; `Exercise` lists all options. Where all
results follow from the right ones, `relations` say how: write a message where they are silent, or where yours teaches
the idea of the chapter. The solved notebook gets the reference between its markers where nothing stands there.

An `investigation` has no reference and examines the student's result itself: `ask` calls the function, `refuse` ends
the check, `right` reports the finding, and `proof.prove` judges a gain. Notebooks import a check by its name in the
module, and the names in its list ``FOR_NOTEBOOKS``. The folders called chapter_NN are found.
``tests/book/exercises/chapter_NN.py`` holds right and wrong solutions.
"""

import ast
import contextlib
import dis
import functools
import importlib
import importlib.util
import inspect
import pkgutil
import re
import textwrap
import types
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from asif_book.checks.progress import note
from asif_lib.errors import first_line

from .calling import Printed, random_states_kept
from .catalogue import Rewritten
from .judging import Ended, Verdict, compare, compare_together, kind_of, wrong


@dataclass(eq=False)
class Check:
    """The check of an exercise: call it with the student's function for a `Verdict`; it raises nothing."""

    number: str
    title: str

    def __call__(self, function, *task) -> Verdict:
        verdict = replace(judge(self.verdict, function, *task), exercise=f"Exercise {self.number}")
        return replace(verdict, note=note(self.number, verdict.status, verdict.message))


@dataclass(eq=False)
class Exercise(Check):
    """A check that compares with a reference and knows the usual mistakes by name."""

    reference: Callable
    """The right implementation."""
    cases: Sequence[tuple] | Callable[[], Sequence[tuple]]
    """Arguments, or a function that makes them for every run."""
    mistakes: dict = field(default_factory=dict)
    """Messages, each with a callable, what `but` makes, or a tuple of these: the verdict tells the first that fits."""
    _: KW_ONLY
    atol: float = 1e-5
    """Largest difference that counts as equal."""
    notes: dict = field(default_factory=dict)
    """Notes on special inputs, by number from 1; the verdict on a failure there has its note."""
    hints: dict = field(default_factory=dict)
    """A sentence to add to a message, by a part of that message."""
    view: Callable | None = None
    """Takes a result and the arguments; its values are compared in the place of the results. Its errors are told."""
    parts: tuple = ()
    """The names of several results, as the card has them."""
    no_loop: bool = False
    """Whether the card asks for no loop: a right solution with one is right, and told so."""
    word: str = "values"
    """What the results are: "values" or "positions"."""
    explain: Callable | None = None
    """Says why an answer is wrong, from the answer and its arguments: see `compare_together`, which it calls for."""
    form: Callable | None = None
    """Takes the same, and returns a problem of the answer's form, or an empty string."""
    before: Callable | None = None
    """Takes the student's function first, and may `refuse`."""
    after: Callable | None = None
    """Takes the student's function and the verdict, may `refuse`, and returns another verdict or None."""
    also: Callable | None = None
    """Takes a function whose verdict is right, and may `refuse`."""

    @functools.cached_property
    def named(self) -> list[tuple[str, Callable]]:
        """Every mistake as its message and one wrong implementation."""
        return [
            (message, way.of(self.reference) if isinstance(way, Rewritten) else way)
            for message, ways in self.mistakes.items()
            for way in (ways if isinstance(ways, tuple) else (ways,))
        ]

    @functools.cached_property
    def _mistakes(self) -> list[tuple[str, Callable]]:
        """The same mistakes at every try, so that `judging` keeps their answers."""
        return [(message, self._seen(way)) for message, way in self.named]

    def verdict(self, function) -> Verdict:
        if self.before:
            self.before(function)
        cases = self.cases() if callable(self.cases) else self.cases
        arguments = self._seen(function), self._seen(self.reference), cases, self._mistakes
        if self.explain:
            verdict = compare_together(*arguments, self.explain, self.form)
        else:
            how = {"notes": self.notes, "word": self.word, "parts": self.parts, "related": self.view is None}
            how["view"] = self._seen
            verdict = compare(*arguments, atol=self.atol, **how)
        if self.after:
            verdict = self.after(function, verdict) or verdict
        if self.also and verdict.status == "right":
            self.also(function)
        added = [hint for part, hint in self.hints.items() if part in verdict.message]
        if self.no_loop and verdict.status == "right" and loops(getattr(inspect.unwrap(function), "__code__", None)):
            added.append("But the card asks for no loop, and yours has one: can you do without?")
        return replace(verdict, message=" ".join([verdict.message, *added]))

    def _seen(self, function):
        if self.view is None or not callable(function):
            return function

        @functools.wraps(function)
        def seen(*case):
            return self.view(function(*case), *case)

        return seen


@dataclass(eq=False)
class Investigation(Check):
    """A check without a reference, which examines the student's result: see `investigation`."""

    look: Callable
    task: type | None = None

    def verdict(self, function, task=None) -> Verdict:
        if self.task is None:
            return self.look(function)
        task = self.task.made_up() if task is None else task
        if isinstance(task, self.task):
            return self.look(function, task)
        message = f"Your function was not judged: `task` is {kind_of(task)} now, no longer what its cell made. "
        return Verdict("", "not attempted", f"{message}Run that cell again, then this one.")


def investigation(number, title, task=None) -> Callable[[Callable], Investigation]:
    """Make a check of a function that takes the student's function, and a task where there is one.

    Parameters
    ----------
    number, title : str
        Those of the card.
    task : class, optional
        Has a class method ``made_up``; the notebook gives the check a task of its own data.
    """
    return lambda look: Investigation(number, title, look, task)


def loops(code) -> bool:
    """Return whether code has a loop, or a list made by one."""
    if not isinstance(code, types.CodeType):
        return False
    backwards = any(step.opname.startswith("JUMP_BACKWARD") for step in dis.get_instructions(code))
    return backwards or any(map(loops, code.co_consts))


def returns_early(function) -> bool:
    """Return whether the first round of a loop ends the function: a `return` is a step of it, under no condition."""
    with contextlib.suppress(Exception):  # of code that nobody finds, or that is no statement
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.For | ast.While))
        return any(isinstance(step, ast.Return) for body in bodies for step in body)
    return False


HASTY = "Your `return` stands inside the loop, so the function ends in the first round: move it behind the loop."


def judge(verdict_of, function, *task) -> Verdict:
    """Run a check so that every result, print and error of the student's function ends in a verdict.

    An interrupt by the user ends the check, and no verdict is noted.
    """
    if str(getattr(function, "__module__", "")).startswith("asif_lib."):
        return wrong("That is the library's own function; give the check the one that you wrote.")
    printed = Printed()
    with random_states_kept(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            verdict = verdict_of(function, *task)
        except Ended as end:
            verdict = end.verdict
        except Exception as error:
            message = (
                f"The check cannot judge what your function returned, and it may be the check's own mistake "
                f"({type(error).__name__}: {first_line(error)}). "
            )
            verdict = wrong(f"{message}Compare its form with the card: type, shape, order.")
    if verdict.status == "wrong" and returns_early(function):
        verdict = replace(verdict, message=f"{HASTY} {verdict.message}")
    return replace(verdict, printed=str(printed))


def chapter_modules(package) -> list:
    """Import the checks of all chapters of a package, in order."""
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name.startswith("chapter")]
    checks = [f"{package.__name__}.{name}.checks" for name in names]
    return [importlib.import_module(name) for name in checks if importlib.util.find_spec(name)]


def discover(modules) -> dict[str, Check]:
    """Return the checks that stand in modules by the number of their exercise, and tell each its name.

    Raises ValueError if two checks have one number or one name, or a check stands in another chapter's module.
    """
    found, names = {}, set()
    for module in modules:
        chapter = re.search(r"chapter_(\d\d)", module.__name__)
        for name, check in vars(module).items():
            if not isinstance(check, Check) or found.get(check.number) is check:
                continue
            if check.number in found:
                both = f"{found[check.number].__name__} and {name} in {module.__name__}"
                raise ValueError(f"Exercise {check.number} has two checks, {both}: give one of them another number.")
            if name in names:
                raise ValueError(f"Two checks are called {name}: give the one in {module.__name__} another name.")
            names.add(name)
            if chapter and check.number[:2] != chapter[1]:
                raise ValueError(f"{name} checks exercise {check.number} and stands in {module.__name__}: move it.")
            check.__name__ = name
            found[check.number] = check
    return found
