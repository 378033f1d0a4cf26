"""Read the exercises of a chapter from its source (card, stub, solution, check, hint), and lint them."""

import ast
import itertools
import re
from dataclasses import dataclass

from nbformat.v4 import new_raw_cell

from .chapters import tags_of

TEACHER_HEADINGS = ("Timing", "What students get wrong", "Discussion")
_CARD = re.compile(r"^### Exercise (\d\d\.\d+) · (.+?)\s*$", re.M)
_EFFORT = re.compile(r"^\*\*Difficulty\*\* (?P<dots>●{1,5}○{0,4}) · \*\*Minutes\*\* (?P<minutes>\d+)", re.M)
_NONE = new_raw_cell()
_FOLDED = r"<details>\s*<summary>{}</summary>\s*(?!</details>)\S.*?</details>"


@dataclass(frozen=True)
class Card:
    """One exercise of a source. A missing part is empty or 0."""

    number: str
    title: str
    difficulty: int  # 1 to 5
    minutes: int
    task: str  # Markdown of the card below its head
    stub: str  # the cell as the student gets it
    solution: str  # the cell as it is solved
    check: str  # source of the cell tagged "check"
    help: str  # Markdown after the check: the folded hint and what you should see


def cards(student, solved):
    """Read the cards of a chapter from its two editions (notebooks with the same cells)."""
    found = []
    for at, cell in enumerate(student.cells):
        if "exercise" not in tags_of(cell):
            continue
        before = _markdown(student.cells[max(at - 1, 0)])
        after = itertools.dropwhile(lambda later: later.cell_type != "code", student.cells[at + 1 :])
        check, help_ = next(after, _NONE), next(after, _NONE)
        if "check" not in tags_of(check):
            check = help_ = _NONE
        number, title = (_CARD.findall(before) or [("", "")])[-1]
        difficulty, minutes, task = 0, 0, ""
        if effort := _EFFORT.search(before):
            difficulty = effort["dots"].count("●") if len(effort["dots"]) == 5 else 0
            minutes, task = int(effort["minutes"]), before[effort.end() :].strip()
        cells = cell.source, solved.cells[at].source, check.source, _markdown(help_)
        found.append(Card(number, title, difficulty, minutes, task, *cells))
    return found


def card_problems(name, chapter_cards, teacher, checks):
    """List the problems of a chapter's exercises, one sentence each.

    The chapter has a file name (``04_sparsification``), cards, and Markdown for teachers; `checks` are the checks by
    exercise number, as `asif_book.checks.EXERCISES` has them.
    """
    problems, numbers = [], set()
    for position, card in enumerate(chapter_cards, 1):
        expected = f"{name[:2]}.{position}"
        if card.number and card.number in numbers:
            problems.append(
                f"{name}: the exercise number {card.number} is used twice; give '{card.title}' the number {expected}."
            )
            continue
        numbers.add(card.number)
        where = f"{name}, exercise {card.number or expected}"
        problems += [f"{where}: {problem}." for problem in _card_problems(card, expected, checks)]
    for number, check in checks.items():
        if number[:2] == name[:2] and number not in numbers:
            problems.append(f"{name}: the check {check.__name__} belongs to exercise {number}, which is not there.")
    for heading in TEACHER_HEADINGS:
        if chapter_cards and not re.search(rf"^### {heading}\s*\n+(?!#)\S", teacher, re.M):
            problems.append(f"{name}: the cell for teachers has nothing under ### {heading}.")
    return problems


def _card_problems(card, expected, checks):
    if card.number != expected:
        yield f"its card should be headed '### Exercise {expected} · Title', in the cell before the stub"
    if not card.difficulty:
        yield "the card tells no difficulty (five dots, ●●○○○)"
    if not card.minutes:
        yield "the card tells no minutes"
    if not card.task:
        yield "the card has no task"
    for what in ("Hint", "What you should see"):
        if not re.search(_FOLDED.format(what), card.help, re.S):
            yield f"the cell after its check has no folded '{what}'"
    functions = [_functions(text) for text in (card.stub, card.solution)]
    if any(len(found) != 1 for found in functions):
        yield "stub and solution hold one function each, and nothing beside it"
        return
    (stub,), (solution,) = functions
    yield from _function_problems(stub, solution)
    yield from _check_problems(card, stub.name, checks)


def _function_problems(stub, solution):
    arguments = [*stub.args.posonlyargs, *stub.args.args, *stub.args.kwonlyargs]
    if stub.returns is None or any(a.annotation is None for a in arguments):
        yield "the stub's parameters and its result need types"
    if "(" not in (ast.get_docstring(stub) or ""):
        yield "the stub's docstring tells no shapes"
    used = {node.id for node in ast.walk(solution) if isinstance(node, ast.Name)}
    for argument in arguments:
        if argument.arg not in used:
            yield f"the solution does not use the stub's parameter {argument.arg}"


def _check_problems(card, function, checks):
    if not card.check:
        yield "no cell tagged check follows the stub"
        return
    if len(ast.parse(card.check).body) != 1:
        yield "its check cell should be one call and nothing else"
    if card.number not in checks:
        yield "no check is registered for it (@exercise)"
        return
    name, title = checks[card.number].__name__, checks[card.number].title
    if title != card.title:
        yield f"its check is titled '{title}', its card '{card.title}'"
    calls = [n for n in ast.walk(ast.parse(card.check)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    given = {c.func.id: [a.id for a in c.args if isinstance(a, ast.Name)] for c in calls}
    if name not in given:
        yield f"its check cell does not call {name}"
    elif function not in given[name]:
        yield f"its check cell does not give {function} to {name}"


def _functions(text):
    body = ast.parse(text).body
    return body if all(isinstance(node, ast.FunctionDef) for node in body) else []


def _markdown(cell):
    return cell.source if cell.cell_type == "markdown" else ""
