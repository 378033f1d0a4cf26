"""The exercises of a chapter, read from its source: card, stub, solution, check, hint; and what a lint says of them."""

import ast
import re
from dataclasses import dataclass

TEACHER_HEADINGS = ("Timing", "What students get wrong", "Discussion")
_CARD = re.compile(r"^### Exercise (?P<number>\d\d\.\d+) · (?P<title>.+?)\s*$", re.M)
_EFFORT = re.compile(r"^\*\*Difficulty\*\* (?P<dots>●{1,5}○{0,4}) · \*\*Minutes\*\* (?P<minutes>\d+)", re.M)
_FOLDED = r"<details>\s*<summary>{}</summary>\s*(?!</details>)\S.*?</details>"


@dataclass(frozen=True)
class Card:
    """One exercise as its source has it; what is missing is empty, 0 or None.

    Attributes
    ----------
    number, title : str
    difficulty : int
        1 to 5.
    minutes : int
    task : str
        Markdown of the card below its head.
    stub, solution : str
        The cell as the student gets it, and as it is solved.
    check : str
        Source of the cell tagged ``check``.
    help : str
        Markdown after the check: the folded hint and what you should see.
    """

    number: str
    title: str
    difficulty: int
    minutes: int
    task: str
    stub: str
    solution: str
    check: str
    help: str

    @property
    def chapter(self):
        return self.number.partition(".")[0]


def cards(student, solved):
    """The cards of a chapter, from its two editions (notebooks with the same cells)."""
    found = []
    for at, cell in enumerate(student.cells):
        if not _tagged(cell, "exercise"):
            continue
        before = student.cells[at - 1].source if at and student.cells[at - 1].cell_type == "markdown" else ""
        after = student.cells[at + 1 :]
        check = next((i for i, c in enumerate(after) if c.cell_type == "code"), None)
        tagged = check is not None and _tagged(after[check], "check")
        help_ = after[check + 1] if tagged and check + 1 < len(after) else None
        heads, effort = list(_CARD.finditer(before)), _EFFORT.search(before)
        head = heads[-1] if heads else None
        found.append(
            Card(
                number=head["number"] if head else "",
                title=head["title"] if head else "",
                difficulty=effort["dots"].count("●") if effort and len(effort["dots"]) == 5 else 0,
                minutes=int(effort["minutes"]) if effort else 0,
                task=before[effort.end() :].strip() if effort else "",
                stub=cell.source,
                solution=solved.cells[at].source,
                check=after[check].source if tagged else "",
                help=help_.source if help_ is not None and help_.cell_type == "markdown" else "",
            )
        )
    return found


def lint(name, chapter_cards, teacher, checks):
    """What is wrong with the exercises of a chapter, a sentence each; empty where nothing is.

    Parameters
    ----------
    name : str
        The chapter's file name, ``04_sparsification``.
    chapter_cards : list of Card
    teacher : str
        Markdown of its cells for teachers.
    checks : dict of str to callable
        The checks by exercise number, as `asif_lib.course.checks.EXERCISES` has them.
    """
    problems = []
    for position, card in enumerate(chapter_cards, 1):
        expected = f"{name[:2]}.{position}"
        where = f"{name}, exercise {card.number or expected}"
        problems += [f"{where}: {problem}." for problem in _card_problems(card, expected, checks)]
    numbers = {card.number for card in chapter_cards}
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
    if stub.returns is None or any(a.annotation is None for a in _arguments(stub)):
        yield "the stub's parameters and its result need types"
    if "(" not in (ast.get_docstring(stub) or ""):
        yield "the stub's docstring tells no shapes"
    used = {node.id for node in ast.walk(solution) if isinstance(node, ast.Name)}
    for argument in _arguments(solution):
        if argument.arg not in used:
            yield f"the solution does not use the stub's parameter {argument.arg}"


def _check_problems(card, function, checks):
    if not card.check:
        yield "no cell tagged check follows the stub"
        return
    if len(ast.parse(card.check).body) != 1:
        yield "its check cell should be one call and nothing else"
    calls = [n for n in ast.walk(ast.parse(card.check)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    given = {c.func.id: [a.id for a in c.args if isinstance(a, ast.Name)] for c in calls}
    if card.number not in checks:
        yield "no check is registered for it (@exercise)"
        return
    check = checks[card.number]
    name = check.__name__
    if check.title != card.title:
        yield f"its check is titled '{check.title}', its card '{card.title}'"
    if name not in given:
        yield f"its check cell does not call {name}"
    elif function not in given[name]:
        yield f"its check cell does not give {function} to {name}"


def _functions(text):
    body = ast.parse(text).body
    return body if all(isinstance(node, ast.FunctionDef) for node in body) else []


def _arguments(function):
    a = function.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs]


def _tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])
