"""The layout of the three packages: bounds of lines, unique names, no circles of imports."""

import ast
import graphlib
import importlib
import inspect
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import grimp
import pytest

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


def lines_of(folder, *endings):
    """The lines of the files below a folder that have one of these endings."""
    files = [file for ending in endings for file in folder.rglob(f"*{ending}")]
    return sum(file.read_text(encoding="utf-8").count("\n") for file in files)


def test_the_whole_keeps_to_its_bounds():
    book = HOMES["asif_book"]
    found = {name: lines_of(home, ".py") for name, home in HOMES.items()}
    found["web"] = lines_of(book, ".js", ".mjs", ".css", ".html", ".j2")
    found["tests"] = lines_of(ROOT / "tests", ".py")
    found["method"] = MODULES[Path("asif_lib/method.py")].count("\n")
    found["modules"] = sum(path.parts[0] == "asif_lib" for path in MODULES)
    bounds = tomllib.loads((ROOT / "tests" / "budgets.toml").read_text(encoding="utf-8"))
    over = {name: f"{found[name]}, bound {bound}" for name, bound in bounds.items() if found[name] > bound}
    assert found.keys() == bounds.keys() and not over, "take a whole thing away, or name it as too much"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_can_be_had(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


def test_no_imports_go_in_a_circle():
    """Also among the packages that stand in for others in a browser."""
    graph = grimp.build_graph(*HOMES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    for path in (path for path in MODULES if STAND_IN in path.parents):
        module = path.relative_to(STAND_IN).with_suffix("")
        name = ".".join(module.parent.parts if module.name == "__init__" else module.parts)
        imports[name] = imported(path, name if module.name == "__init__" else name.rpartition(".")[0])
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names a circle


def imported(path, package):
    """The modules that a file of a package names in its import lines, relative ones by their whole names."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[path])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found |= {base} - {package} | {f"{base}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", ["asif_lib", "asif_lab"])
def test_public_functions_of_three_or_more_parameters_describe_them(package):
    named = importlib.import_module(package)
    public = [getattr(named, name) for name in named.__all__]
    many = [one for one in public if inspect.isfunction(one) and len(inspect.signature(one).parameters) > 2]
    assert [one.__name__ for one in many if "Parameters\n" not in one.__doc__] == []


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


DEFAULTS = """
import inspect
import asif_lib.defaults as defaults
defaults.DEFAULT_K_SHARE, defaults.DEFAULT_P, defaults.DEFAULT_TEMPLATE = 0.5, 5, "{}!"
from asif_lib.explain.audit import rank_pairs
import asif_lib.explain.attribution
from asif_lib.settings import default_k, settings_of
from asif_lib.zeroshot import ASIF
classify = inspect.signature(ASIF.classify).parameters
print(default_k(100), settings_of(9).p, classify["templates"].default,
      inspect.signature(rank_pairs).parameters["p"].default)
"""


def test_a_default_stands_once_and_changes_everywhere():
    run = run_python(DEFAULTS)
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


def test_every_module_of_the_library_is_imported_without_the_laboratory_and_its_packages():
    run = run_python(BLOCKED)
    assert run.returncode == 0 and int(run.stdout) > 50, run.stderr
