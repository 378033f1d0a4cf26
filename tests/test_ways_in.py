"""The other ways in: what dev container, Binder and Colab are told agrees with the workbook, and works here."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import types

import pytest
from IPython.core.interactiveshell import InteractiveShell
from packaging.specifiers import SpecifierSet

from asif_book.editions import building as editions
from asif_book.editions.building import CHAPTERS
from asif_book.editions.licences import notice
from asif_lib.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHAPTER_FILES = sorted((ROOT / "notebooks").glob(f"{CHAPTERS}.ipynb"))


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_dev_container_sets_up_with_make(project, tmp_path):
    """As `make` would do it in a fresh checkout: the packages first, then data and bank."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    make, *targets = container["postCreateCommand"].split()
    assert make == "make" and targets
    version = re.fullmatch(r"python:(\d+\.\d+)-[a-z]+", container["image"])[1]
    assert SpecifierSet(project["requires-python"]).contains(version)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    run = subprocess.run([make, "--dry-run", *targets], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    steps = ["-m venv", "pip install", "asif data stamps fashion_mnist", "asif bank build stamps"]
    places = [run.stdout.index(step) for step in steps]
    assert places == sorted(places)
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert f"{interpreter.removeprefix('${containerWorkspaceFolder}/')} -m pip install" in run.stdout


@pytest.mark.parametrize(
    ("fails", "status", "done"), [("data", 1, ""), ("nothing", 0, "bank build stamps --device cpu\n")]
)
def test_binder_makes_what_make_does_and_stops_at_the_first_failure(tmp_path, fails, status, done):
    """The same lines as in the dev container above, where `make` runs them."""
    run = _post_build(tmp_path, f'#!/bin/sh\necho "$@"; test "$1" != {fails}\n')
    assert (run.returncode, run.stdout) == (status, f"data stamps fashion_mnist\n{done}")


def _post_build(folder, asif):
    """Run a copy of postBuild with `asif`, a shell script, as the command of that name."""
    shutil.copy(ROOT / "postBuild", folder)
    commands = folder / "bin"
    commands.mkdir()
    (commands / "asif").write_text(asif)
    (commands / "asif").chmod(0o755)
    environment = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([folder / "postBuild"], cwd=folder, env=environment, capture_output=True, text=True)


REPOSITORY = "https://github.com/someone/asif-workbook"


@pytest.fixture(params=CHAPTER_FILES, ids=lambda path: path.stem)
def colab_cell(request, monkeypatch):
    """The lines of a chapter's first cell before it imports the library, once the workbook has an address."""
    monkeypatch.setattr(editions, "repository", lambda: REPOSITORY)
    source = ROOT / "notebooks" / "source" / f"{request.param.stem}.py"
    first = next(cell.source for cell in editions.editions(source)[0].cells if cell.cell_type == "code")
    return first.partition("output.enable_custom_widget_manager()")[0] + "output.enable_custom_widget_manager()"


@pytest.fixture
def shell():
    """An IPython in which ``%pip`` and ``!`` are written down, not done."""
    shell = InteractiveShell()
    shell.done = []
    shell.register_magic_function(lambda line: shell.done.append(f"pip {line}"), "line", "pip")
    shell.system = shell.done.append
    return shell


def test_colab_cell_installs_and_fetches_on_colab_and_nowhere_else(shell, colab_cell, monkeypatch):
    assert "asif_lib" not in colab_cell and "asif_book" not in colab_cell
    shell.run_cell(colab_cell).raise_error()
    assert shell.done == []
    google, colab, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
    google.colab, colab.output = colab, output
    output.enable_custom_widget_manager = lambda: shell.done.append("widgets")
    for module in (google, colab, output):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    shell.run_cell(colab_cell).raise_error()
    install, fetch, widgets = shell.done
    assert install.startswith("pip install ") and f'"asif-workbook[workbook] @ git+{REPOSITORY}"' in install
    assert fetch == "asif data stamps fashion_mnist" and widgets == "widgets"


def test_badges_of_the_readme_open_chapters_of_this_repository(project):
    owner_and_name = project["urls"]["Repository"].removeprefix("https://github.com/")
    colab = re.findall(r"https://colab\.research\.google\.com/github/([^/]+/[^/]+)/blob/main/([^)\s]+)", README)
    binder = re.findall(r"https://mybinder\.org/v2/gh/([^/]+/[^/]+)/main\?urlpath=lab/tree/([^)\s]+)", README)
    for repository, notebook in colab + binder:
        assert repository == owner_and_name and (ROOT / notebook) in CHAPTER_FILES
    assert set(re.findall(r"github\.com/([\w.-]+/asif-workbook)", README)) <= {owner_and_name}
    assert bool(colab) == bool(binder) == ("OWNER" not in owner_and_name)


def test_the_headline_number_is_the_one_of_the_page_of_results():
    results = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")
    row = r"caption among 150, R@1 \(chance (.*?)%\) \| (.*?) \| (.*?) \| 150 \|"
    chance, value, interval = re.search(f"held-out stamps, {row}", results).groups()
    words = f"**{value}** of 150 new pictures find their own caption first among 150 (95 % interval {interval}, chance"
    assert f"{words} {chance} %)" in " ".join(README.split())


def test_the_five_lines_of_the_readme_print_what_they_say(stamps_bank_saved, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len(code.splitlines()) == 5
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == code.rpartition("# ")[2].strip()


def test_the_workbook_is_cited_with_its_version(project):
    bibtex, page = notice()["bibtex"], (ROOT / "notebooks" / "library.md").read_text(encoding="utf-8")
    assert f"version = {{{project['version']}}},\n" in bibtex and f"```bibtex\n{bibtex}\n" in page


def test_the_first_link_of_the_readme_walks_the_bank_where_the_address_of_the_book_is_set(project):
    first = re.search(r"\]\((\S+?)\)", README)[1]
    book = project["urls"].get("Documentation")
    assert (first == f"{book}bank.html") if book else not re.search(r"github\.io", README)
