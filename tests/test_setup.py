"""The files that set the workbook up agree with each other."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from asif_lib.files import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "jupyter-server": "jupyter_server"}
VULNERABLE = {  # the last release before a vulnerability was mended: its CVE, or the advisory
    "torch": "2.12.1",  # CVE-2025-3000; before 2.10 also CVE-2026-24747
    "transformers": "5.9.0",  # CVE-2026-9856, CVE-2026-5241, CVE-2026-4372
    "pandas": "2.2.2",  # CVE-2024-9880
    "pyarrow": "23.0.0",  # CVE-2026-25087
    "pillow": "12.2.0",  # PYSEC-2026-2253 to 2257
    "filelock": "3.20.2",  # CVE-2026-22701
    "tqdm": "4.66.2",  # CVE-2024-34062
    "jupyter-server": "2.20.0",  # CVE-2026-86049, CVE-2026-44727
    "tornado": "6.5.7",  # GHSA-mpf4-983q-p7j4
    "bokeh": "3.8.1",  # CVE-2026-21883
    "distributed": "2026.1.0",  # CVE-2026-23528
    "jinja2": "3.1.5",  # CVE-2025-27516
    "jupyterlab": "4.6.1",  # GHSA-pppj-hq3g-57pj
    "nbconvert": "7.17.0",  # CVE-2026-39377
    "pygments": "2.19.2",  # CVE-2026-4539
    "pytest": "9.0.2",  # CVE-2025-71176
}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ranges(requirements):
    return dict(re.fullmatch(r"([\w-]+)(.*)", requirement).groups() for requirement in requirements)


def test_environment_yml_asks_for_the_same_ranges(project):
    lines = re.findall(r"^ +- ([\w-]+[<>=].*)$", (ROOT / "environment.yml").read_text(), flags=re.M)
    conda = ranges(lines)
    assert SpecifierSet(project["requires-python"]).contains(conda.pop("python").removeprefix("="))
    extras = project["optional-dependencies"]
    brought = ("workbook", "cluster", "languages")
    wanted = project["dependencies"] + [r for extra in brought for r in extras[extra]]
    ours = ranges(requirement for requirement in wanted if not requirement.startswith("asif-workbook["))
    assert conda == {CONDA_NAMES.get(name, name): spec for name, spec in ours.items()}


def test_no_version_with_a_known_vulnerability_is_asked_for(project):
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = ranges(requirement for group in groups for requirement in group if "[" not in requirement)
    assert [name for name, version in VULNERABLE.items() if SpecifierSet(asked[name]).contains(version)] == []


def test_the_lock_holds_a_version_in_each_range_that_is_asked_for(project):
    extras = ("workbook", "cluster", "dev")
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    asked = ranges(requirement for group in groups for requirement in group if "[" not in requirement)
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, flags=re.M)}
    fits = {name: SpecifierSet(spec).contains(locked[canonicalize_name(name)]) for name, spec in asked.items()}
    assert [name for name, fit in fits.items() if not fit] == []


def test_old_python_is_refused_in_words(tmp_path):
    old = tmp_path / "python3"
    pretend = "import sys; sys.version_info, sys.version = (3, 8, 0), '3.8.0 (old)'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "setup"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0 and "needs Python 3.11 or newer; this is 3.8.0" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_the_cache_of_make_may_have_blanks(tmp_path):
    cache, program = tmp_path / "der  Cache" / "$HOME", tmp_path / "venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    program.with_name("asif").symlink_to("/bin/true")
    (tmp_path / "kit" / "cache" / "banks").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "venv" / ".installed-workbook").touch()
    environment = {**os.environ, "ASIF_CACHE": str(cache)}
    how = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60}
    run = subprocess.run(["make", "setup", "VENV=venv"], **how)
    assert run.returncode == 0 and f"data and banks in {cache}\n" in run.stdout, run.stderr
    assert [folder.name for folder in cache.iterdir()] == ["banks"] and sorted(tmp_path.glob("der*")) == [cache.parent]


def test_locked_after_an_unlocked_set_up_installs_the_lock_once(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("python", "asif"):
        (tmp_path / "bin" / name).symlink_to("/bin/true")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())

    def installs(*options):
        make = ["make", "setup", "VENV=.", "PYTHON=bin/python", *options]
        return "installing" in subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert [installs(), installs(), installs("LOCKED=yes"), installs("LOCKED=yes")] == [True, False, True, False]
    os.utime(tmp_path / "requirements.lock")
    assert installs("LOCKED=yes") and not installs()


def test_a_wheel_carries_the_catalogue_and_all_templates(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    names = zipfile.ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))).namelist()
    book = ROOT / "notebooks"
    templates = [
        path.relative_to(book).as_posix()
        for path in [*book.glob("asif_book/**/templates/**/*.*"), *book.glob("asif_book/chapters/**/*.j2")]
        if "__pycache__" not in path.parts
    ]
    assert "asif_book/report/templates/style.css" in templates
    assert {
        "asif_lib/datasets/catalogue.toml",
        "asif_book/repeated_splits.csv",
        "asif_book/forty.csv",
        *templates,
    } <= set(names)


def test_make_lab_opens_the_first_chapter_and_keeps_nbgraders_menus_from_students():
    files = importlib.metadata.files("nbgrader")
    theirs = next(f for f in files if f.match("etc/jupyter/jupyter_server_config.d/nbgrader.json")).locate()
    ours = ROOT / ".jupyter" / "jupyter_server_config.d" / "nbgrader.json"
    on, off = (json.loads(Path(path).read_text())["ServerApp"]["jpserver_extensions"] for path in (theirs, ours))
    assert off == dict.fromkeys(on, False)
    opens = "JUPYTER_CONFIG_PATH=.jupyter $(BIN)/jupyter lab work --LabApp.default_url=/doc/tree/00_start_here.ipynb"
    assert opens in (ROOT / "Makefile").read_text() and (ROOT / "notebooks" / "00_start_here.ipynb").exists()
