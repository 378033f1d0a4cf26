"""Your own ASIF: the functions that a reader wrote in chapters 00, 03 and 04 become one file, ``my_asif.py``.

`make_my_asif` takes the functions from the reader's saved notebooks in the kernel's folder, checks each once more and
puts them together, beside the progress file. No code comes from the progress file, which may be another person's: it
only says which exercises are solved. A file that was edited by hand is never overwritten. Where a function is missing
or wrong, the library's takes its place, and the file says so.
"""

import ast
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from asif_book.checks import EXERCISES
from asif_book.checks.exercise import judge
from asif_book.checks.judging import Verdict
from asif_book.checks.progress import KEPT, OWN_ASIF, ProgressError, load_progress, note, progress_path
from asif_book.figures.templates import filled
from asif_lib import ASIF, method
from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import first_line
from asif_lib.files import read_file, write_whole
from asif_lib.settings import default_k

FILE = "my_asif.py"
_NAMES = "shares my_relative_representation centred_representation best_caption my_clamp_and_power my_sparsify"
NUMBERS = dict(zip(_NAMES.split(), KEPT, strict=True))
"""The functions that a reader wrote, each with its exercise."""
GOALS = "asif", "reasons", "best_caption"
"""What the file is asked for. It holds what these rest on."""
PARTS = {*NUMBERS, "relative_representation", "unit_rows", "describe", *GOALS}
"""All functions that the file can hold."""
TOLERANCE = 1e-5
"""How far a score may be from the library's."""
MADE = "# made by chapter 07, unchanged: "
_COMMAND = re.compile(r"^[ \t]*[%!].*", re.M)  # a line for IPython, such as %timeit


def make_my_asif() -> tuple[ModuleType, dict[str, str]]:
    """Make ``my_asif.py``, or run the one that was edited by hand, and print what is the reader's.

    Returns the file as a module, and for each function that the library stands in for the reason.
    """
    path, there = progress_path() and progress_path().with_name(FILE), ""
    try:
        there = read_file(os.path.realpath(path)).decode(errors="replace") if path and path.exists() else ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        print(f"{FILE} cannot be read ({reason}). It stays as it is: rename it and run this again. Until then:")
        path = None
    if there.strip() and there != _sealed(there.rpartition(MADE)[0]):
        try:
            module = _run(there)
            print(f"{path.resolve()} was edited by hand, so it runs as it stands. To make a new one, rename it first.")
            return module, {name: "" for name, number in NUMBERS.items() if f"# {number}, NOT MINE" in there}
        except ValueError as error:
            print(f"{FILE} {error}. It stays as it is: mend it, or rename it and run this cell again. Until then:")
            path = None
    own, missing = _solutions()
    text, needed = _text(own), _needed(own)
    missing = {name: why for name, why in missing.items() if name in needed}
    for name in (name for name in NUMBERS if name in needed):
        mark, why = ("✘", f"the library's, since {missing[name]}") if name in missing else ("✔", "yours")
        print(f"{mark} {NUMBERS[name]} {name}: {why}")
    if path:
        try:
            write_whole(path, _sealed(text).encode())
            print(f"{path.resolve()}: {len(text.splitlines()) + 1} lines")
        except OSError as error:
            print(f"{FILE} cannot be written here ({error.strerror}), so it is in memory only.")
    return _run(text), missing


def check_my_asif(mine, missing, bank, questions) -> Verdict:
    """Compare a reader's file with ``method.py`` and the library on held-out pairs, and note it as progress.

    Parameters
    ----------
    mine, missing : module, dict
        What `make_my_asif` returned.
    bank, questions : AnchorBank
        The anchors, and the pairs that are asked.
    """
    k, sides = default_k(len(bank)), ((questions.image, bank.image), (questions.text, bank.text))
    cosines = [method.relative(*method.centre(*side)) for side in sides]  # (q, n), (q, n)
    ranked = [side.sort(dim=1, descending=True).values for side in cosines]  # (q, n), (q, n)
    rows, columns = (side[:, k - 1] - side[:, k] > 1e-6 for side in ranked)  # no tie: all right functions give one list
    image, text = (method.sparsify(side, k, DEFAULT_P) for side in cosines)  # (q, n), (q, n)
    asked = questions.image[rows], questions.text[columns], bank.image, bank.text, k, DEFAULT_P
    library = ASIF(bank, device="cpu").similarity(*asked[:2])
    dense = ASIF(bank, len(bank), DEFAULT_P, device="cpu").similarity(*asked[:2])  # here a missing clamp shows
    want = {"method.py": method.scores(image[rows], text[columns]), "the library": library}
    captions = questions.pairs["caption"].to_numpy()[columns]  # a repeated one is the same answer
    try:
        got = mine.asif(*asked).float()
        gaps = {name: float((got - scores).abs().max()) for name, scores in want.items()}
        gaps["the library with k = n"] = float((mine.asif(*asked[:4], len(bank), DEFAULT_P) - dense).abs().max())
        same = all((captions[got.argmax(dim=1)] == captions[s.argmax(dim=1)]).all() for s in want.values())
    except Exception as error:
        status, message = "wrong", f"{FILE} raises {type(error).__name__}: {first_line(error)}."
    else:
        found = ", ".join(f"{name} {gap:.0e}" for name, gap in gaps.items())
        n = len(questions)
        message = f"{len(got)} of {n} pictures, {len(captions)} of {n} captions, {len(bank)} anchors."
        message += f" Largest difference: {found}."
        if ties := int((~rows).sum() + (~columns).sum()):
            message += (
                f" ({ties} pictures and captions are left out, because two anchors tie for their k-th place, and two"
            )
            message += " right functions may keep different ones.)"
        if not same or not max(gaps.values()) <= TOLERANCE:
            status = "wrong"
            message += f" Answers must be equal, and scores up to {TOLERANCE:.0e}: what did you change?"
            message += next(filter(None, (_problem(mine, name) for name in NUMBERS)), "")
        elif missing:
            status = "not attempted"
            message += f" But not all of it is yours: solve {', '.join(sorted(NUMBERS[name] for name in missing))}."
        else:
            status, message = "right", f"{message} All answers are equal: this model is yours."
    return Verdict("Your own ASIF", status, message, note=note(OWN_ASIF, status, message))


def _problem(mine, name) -> str:
    """Return what the check of a function of the file says, where the function is there and wrong."""
    if not hasattr(mine, name):
        return ""
    verdict = judge(EXERCISES[NUMBERS[name]].verdict, getattr(mine, name))
    return f" `{name}` does not pass its check: {verdict.message}" if verdict.status == "wrong" else ""


def _solutions():
    """Return the code of each solved function that is right by its name, and for each other one the reason."""
    own, missing, entries, path = {}, dict.fromkeys(NUMBERS, "the exercise is not solved yet"), {}, progress_path()
    try:
        entries = load_progress(path).exercises if path and path.exists() else {}
    except (OSError, ProgressError) as error:
        print(error)
    solved = {name for name, number in NUMBERS.items() if number in entries and entries[number].first_right}
    missing |= dict.fromkeys(solved, "no saved notebook of this folder defines it: save yours, and run this cell again")
    for name, code in _written():
        if name in solved - own.keys():
            try:
                own[name] = _right(code, name)
                del missing[name]
            except Exception as error:
                missing[name] = f"yours {error}"
    return own, missing


def _written() -> Iterator[tuple[str, str]]:
    """Yield name and code of each function in `NUMBERS`, and of each lambda, in a notebook of the kernel's folder."""
    sources = []
    for path in sorted(Path().glob("*.ipynb")):
        with contextlib.suppress(Exception):  # a file that is no notebook
            cells = json.loads(read_file(path))["cells"]
            sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for source in sources:
        with contextlib.suppress(SyntaxError, ValueError):  # a cell that is half written
            try:
                tree = ast.parse(source)
            except SyntaxError:
                source = _COMMAND.sub("", source)
                tree = ast.parse(source)
            for part in tree.body:
                if isinstance(part, ast.FunctionDef) and part.name in NUMBERS:
                    first = min(line.lineno for line in [part, *part.decorator_list])
                    yield part.name, "\n".join(source.split("\n")[first - 1 : part.end_lineno]) + "\n"
                elif isinstance(part, ast.Assign) and isinstance(part.value, ast.Lambda):
                    yield ast.unparse(part.targets[0]), ast.unparse(part)


def _right(code, name) -> str:
    """Return a right function without its docstring and marks of a solution; a `ValueError` continues a sentence."""
    tree = _parsed(code, (name,))
    lines, body = code.split("\n"), tree.body[-1].body  # a form feed ends no line of Python
    if ast.get_docstring(tree.body[-1]) is not None and len(body) > 1:
        lines[body[0].lineno - 1 : body[0].end_lineno] = []
        del body[0]
    short = "\n".join(line for line in lines if not line.lstrip().startswith("###"))
    with contextlib.suppress(SyntaxError):
        if ast.dump(ast.parse(short)) == ast.dump(tree):  # no code stood on the lines that are gone
            code = short
    verdict = judge(EXERCISES[NUMBERS[name]].verdict, getattr(_run(_text({name: code}, PARTS)), name))
    if unknown := re.search(r"NameError: name '(\w+)' is not defined", verdict.message):
        raise ValueError(f"uses `{unknown[1]}`, which the file does not have: import or define it inside the function")
    if not verdict.solved:
        raise ValueError(f"does not pass its check: {verdict.message}")
    return code


def _text(own, needed=None) -> str:
    """Return the file: the reader's functions, the library's where one is missing, and what is made of them."""
    needed = _needed(own) if needed is None else needed
    return filled("chapters/chapter_07/my_asif.py.j2", own=own, needed=needed, numbers=NUMBERS)


def _needed(own) -> set:
    """Return the names of the functions that the file's `GOALS` rest on."""
    parts = {getattr(part, "name", ""): part for part in ast.parse(_text(own, PARTS)).body}
    needed, more = set(), {*GOALS}
    while more:
        needed |= more
        names = {node.id for name in more for node in ast.walk(parts[name]) if isinstance(node, ast.Name)}
        more = PARTS & names - needed
    return needed


def _parsed(text, names):
    """Parse Python that must define each of `names`; `ValueError` continues a sentence."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""  # none, if the file is no text
        raise ValueError(f"is broken{where}: {error.msg}") from None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if lost := [name for name in names if name not in functions]:
        raise ValueError(f"does not define {lost[0]} with `def`")
    return tree


def _run(text) -> ModuleType:
    """Run the text of the file; `ValueError` continues a sentence."""
    _parsed(text, GOALS)
    module = ModuleType("my_asif")
    try:
        exec(compile(text, FILE, "exec"), vars(module))
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # stopped by hand, the chapter goes on
        raise ValueError(f"raises {type(error).__name__}: {first_line(error)}") from None
    return module


def _sealed(text) -> str:
    """Add a line that shows whether the file was edited later."""
    return f"{text}{MADE}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n"
