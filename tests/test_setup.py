"""The files that set the workbook up agree with each other."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from asif_lib.files import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


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
    wanted = project["dependencies"] + [r for extra in ("workbook", "explore", "cluster") for r in extras[extra]]
    ours = ranges(requirement for requirement in wanted if not requirement.startswith("asif-workbook["))
    assert conda == {CONDA_NAMES.get(name, name): spec for name, spec in ours.items()}


def test_conda_hands_pip_only_what_a_requirements_file_may_hold():
    lines = (ROOT / "environment.yml").read_text().split("  - pip:\n")[1].split("\n")
    requirements = [line.strip().removeprefix("- ") for line in lines if line.strip()]
    assert requirements[-1] == "-e ."
    assert all(re.fullmatch(r"[\w-]+[=<>][=<>\d.,]+", requirement) for requirement in requirements[:-1])


def test_the_scale_extra_holds_the_optional_encoders(project):
    from asif_lib.encoders.registry import MPNET_PACKAGES, REGISTRY_IMAGE_ENCODERS

    extra = set(ranges(project["optional-dependencies"]["scale"]))
    packages = {entry.package for entry in REGISTRY_IMAGE_ENCODERS.values()}
    assert extra | set(ranges(project["dependencies"])) >= packages | set(MPNET_PACKAGES)


def test_notebooks_carry_no_outputs():
    import nbformat

    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in path.parts:
            for cell in nbformat.read(path, as_version=4).cells:
                assert not cell.get("outputs") and not cell.get("execution_count"), path


def test_old_python_is_refused_in_words(tmp_path):
    old = tmp_path / "python3"
    pretend = "import sys; sys.version_info, sys.version = (3, 8, 0), '3.8.0 (old)'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "setup"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0 and "needs Python 3.11 or newer; this is 3.8.0" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_a_wheel_carries_the_catalogue_and_all_templates(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))
    names = zipfile.ZipFile(wheel).namelist()
    book = ROOT / "notebooks"
    templates = [path.relative_to(book).as_posix() for path in book.glob("asif_book/**/templates/**/*.*")]
    assert "asif_book/report/templates/style.css" in templates
    assert {"asif_lib/datasets/catalogue.toml", *templates} <= set(names)


def test_make_lab_keeps_nbgraders_menus_from_students():
    files = importlib.metadata.files("nbgrader")
    theirs = next(f for f in files if f.match("etc/jupyter/jupyter_server_config.d/nbgrader.json")).locate()
    ours = ROOT / ".jupyter" / "jupyter_server_config.d" / "nbgrader.json"
    on, off = (json.loads(Path(path).read_text())["ServerApp"]["jpserver_extensions"] for path in (theirs, ours))
    assert off == dict.fromkeys(on, False)
    assert "JUPYTER_CONFIG_PATH=.jupyter" in (ROOT / "Makefile").read_text()
