"""The layout of the three packages: unique names, budgets of wings, no circles of imports; and plain sentences."""

import ast
import graphlib
import importlib
import re
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import grimp
import pytest
from forks import run_forked

from asif_lib.files import ROOT

HOMES = {
    "asif_lib": ROOT / "asif_lib",
    "asif_lab": ROOT / "benchmarks" / "asif_lab",
    "asif_book": ROOT / "notebooks" / "asif_book",
}
MODULES = {
    path.relative_to(home.parent): path.read_text(encoding="utf-8")
    for home in HOMES.values()
    for path in sorted(home.rglob("*.py"))
}
STAND_IN = Path("asif_book/browser/stand_in")  # packages of others, by their names, for a browser
PACKAGES = sorted(
    ".".join(path.parent.parts) for path in MODULES if path.name == "__init__.py" and STAND_IN not in path.parents
)
BUDGETS = tomllib.loads((ROOT / "tests" / "budgets.toml").read_text(encoding="utf-8"))


def twice(named):
    """Return the names that stand at more than one place, from pairs of a name and a place."""
    places = defaultdict(list)
    for name, place in named:
        places[name].append(str(place))
    return {name: found for name, found in places.items() if len(found) > 1}


def public(source):
    """Return the public functions and classes that a module defines."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds) and not node.name.startswith("_")]


def test_no_two_public_functions_or_classes_share_a_name():
    names = (
        (name, path)
        for path, source in MODULES.items()
        if not path.match("chapter_*/checks.py")  # references and wrong ways, found by no name
        and path.name != "method.py"  # the definitions, whose names the library's faces bear
        and STAND_IN not in path.parents
        for name in public(source)
    )
    assert twice(pair for pair in names if pair[0] != "main") == {}  # each script has one


def test_no_module_has_the_name_of_a_public_name_of_its_package():
    """`lazy_loader` would hand on whichever was imported first."""
    for package in PACKAGES:
        folder = Path(*package.split("."))
        modules = {path.stem for path in MODULES if path.parent == folder}
        modules |= {path.parent.name for path in MODULES if path.parent.parent == folder}
        assert modules.isdisjoint(getattr(importlib.import_module(package), "__all__", ())), package


def wing_of(path):
    """The first folder of a module's package, or the package itself for a module that stands in none."""
    return path.parts[1] if len(path.parts) > 2 else "modules"


@pytest.mark.parametrize("package", HOMES)
def test_each_wing_keeps_to_its_budget_of_lines(package):
    lines = Counter()
    for path, source in MODULES.items():
        if path.parts[0] == package:
            lines[wing_of(path)] += source.count("\n")
    budget = BUDGETS[package]
    assert lines.keys() == budget.keys()
    over = {wing: f"{lines[wing]} lines, budget {budget[wing]}" for wing in lines if lines[wing] > budget[wing]}
    assert not over, "cut in the wing, or let another wing of the package give the lines"
    assert sum(budget.values()) <= BUDGETS["whole"][package]


def test_the_tests_and_the_method_keep_to_their_budgets_of_lines():
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py"))
    assert lines <= BUDGETS["whole"]["tests"]
    assert MODULES[Path("asif_lib/method.py")].count("\n") <= BUDGETS["whole"]["method"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_can_be_had(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


def test_no_imports_go_in_a_circle():
    graph = grimp.build_graph(*HOMES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names a circle


LOADED = """
import sys
{}
print(sum(len(open(m.__file__, encoding="utf-8").readlines()) for n, m in sys.modules.items() if n.startswith("asif_")))
"""


@pytest.mark.parametrize("what", BUDGETS["loaded"])
def test_the_method_loads_little(what, tmp_path):
    run = run_forked(LOADED.format(what), tmp_path)
    assert 138 < int(run.stdout or 0) <= BUDGETS["loaded"][what], run.stderr


def described(function):
    """Whether a function has fewer than three parameters, is private, or has a section that describes them."""
    a = function.args
    names = [one.arg for one in (*a.posonlyargs, *a.args, *a.kwonlyargs) if one.arg not in ("self", "cls")]
    text = ast.get_docstring(function, False) or ""
    return function.name.startswith("_") or len(names) < 3 or re.search(r"Parameters\n +-+\n", text)


def overrides(node):
    """The methods of a class with bases that have no words of their own, so those of the base hold."""
    return [one for one in node.body if isinstance(one, ast.FunctionDef) and node.bases and not ast.get_docstring(one)]


def test_public_functions_of_three_or_more_parameters_describe_them():
    lacking = []
    for path, source in MODULES.items():
        bodies = [ast.parse(source).body]
        classes = [node for node in bodies[0] if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        bodies += [[one for one in node.body if one not in overrides(node)] for node in classes]
        functions = (node for body in bodies for node in body if isinstance(node, ast.FunctionDef))
        if path.parts[0] != "asif_book":
            lacking += [f"{path}:{one.lineno} {one.name}" for one in functions if not described(one)]
    assert len(lacking) <= BUDGETS["undescribed"]["library and laboratory"], "\n".join(lacking)


DEFAULTS = """
import inspect
import asif_lib.defaults as defaults
defaults.DEFAULT_K_SHARE, defaults.DEFAULT_P, defaults.DEFAULT_TEMPLATE = 0.5, 5, "{}!"
from asif_lib.explain.audit import rank_pairs
import asif_lib.explain.attribution
from asif_lib.settings import default_k
from asif_lib.zeroshot import ASIF
classify = inspect.signature(ASIF.classify).parameters
print(default_k(100), inspect.signature(ASIF).parameters["p"].default, classify["templates"].default,
      inspect.signature(rank_pairs).parameters["p"].default)
"""


def test_a_default_stands_once_and_changes_everywhere(tmp_path):
    run = run_forked(DEFAULTS, tmp_path)
    assert run.stdout.split("\n")[0] == "50 5 ('{}!',) 5", run.stderr


BLOCKED = """
import pkgutil, sys
from importlib import import_module

absent = {"asif_lab", "asif_book", "dask", "distributed", "faiss", "sklearn"}
sys.modules |= dict.fromkeys(absent | {name for name in sys.modules if name.partition(".")[0] in absent})
import asif_lib

names = [module.name for module in pkgutil.walk_packages(asif_lib.__path__, "asif_lib.")]
print(len([import_module(name) for name in names if name != "asif_lib.cli.__main__"]))
"""


def test_every_module_of_the_library_is_imported_without_the_laboratory_and_its_packages(tmp_path):
    run = run_forked(BLOCKED, tmp_path)
    assert run.returncode == 0 and int(run.stdout) > 60, run.stderr


HARD = re.compile(
    r"\b(?i:whoever)\b|(?:^[\s#>*-]*|[.!:] )Who (?!.*\?)|\b(?:is|are) none\b|\banew\b|\bso many\b|\bthere twice\b"
    r"|\bthat of the one\b|\bless the mean\b"
)
FOLDERS = ("asif_lib", "benchmarks", "notebooks/asif_book", "notebooks/source", "tests")


def test_no_sentence_hides_its_subject_or_its_verb():
    code = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py") if file.name != "test_layout.py")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in [*code, ROOT / "README.md", ROOT / "data/README.md", *(ROOT / "notebooks").glob("*.md")]
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if HARD.search(line)
    ]
    assert not found, "name the person, repeat the noun, give the number, say what it is:\n" + "\n".join(found)
