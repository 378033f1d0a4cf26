"""The layout of the library: names that are unique, modules of a readable size, imports that go down only."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

from asif_lib.files import ROOT

LIBRARY = ROOT / "asif_lib"
MODULES = {path.relative_to(LIBRARY): path.read_text(encoding="utf-8") for path in sorted(LIBRARY.rglob("*.py"))}
WINGS = sorted({path.parent for path in MODULES if path.name == "__init__.py"})
OF_A_CHAPTER = (Path("figures"), Path("course", "checks"))
"""Modules below these are named after the module that their chapter teaches."""


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


def wing_names(wing):
    return ".".join(("asif_lib", *wing.parts))


def test_no_two_public_functions_or_classes_share_a_name():
    exercises = Path("course", "checks")  # a chapter's references and wrong ways, found by no name
    names = (
        (name, path)
        for path, source in MODULES.items()
        if not (path.is_relative_to(exercises) and "chapter_" in path.as_posix())
        for name in public(source)
    )
    assert twice(pair for pair in names if pair[0] != "main") == {}  # each script has one


def test_no_two_modules_share_a_base_name():
    modules = [path for path in MODULES if not path.stem.startswith("__")]
    plain = [path for path in modules if not any(map(path.is_relative_to, OF_A_CHAPTER))]
    assert twice((path.stem, path) for path in [*plain, *(wing for wing in WINGS if wing.parts)]) == {}


def test_no_module_has_the_name_of_a_public_name_of_its_wing():
    """`lazy_loader` would hand on whichever was imported first."""
    for wing in WINGS:
        modules = {path.stem for path in MODULES if path.parent == wing} | {w.name for w in WINGS if w.parent == wing}
        assert modules.isdisjoint(getattr(importlib.import_module(wing_names(wing)), "__all__", ())), wing


def test_no_module_is_longer_than_350_lines():
    lengths = {str(path): source.count("\n") for path, source in MODULES.items()}
    assert {path: length for path, length in lengths.items() if length > 350} == {}


def test_the_library_shows_at_most_20_entries():
    entries = [path.name for path in LIBRARY.iterdir() if not re.match(r"[._]_?pycache|\.", path.name)]
    assert len(entries) <= 20, entries


@pytest.mark.parametrize("wing", [*map(wing_names, WINGS)])
def test_every_name_of_a_wing_can_be_had(wing):
    module = importlib.import_module(wing)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


def test_imports_go_down_only(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_no_imports_go_in_a_circle():
    graph = grimp.build_graph("asif_lib", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names a circle


def test_the_method_loads_little():
    code = (
        "import sys, asif_lib.sparse; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('asif_lib')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = sum(len(Path(file).read_text(encoding="utf-8").splitlines()) for file in run.stdout.split())
    assert lines <= 1_700
