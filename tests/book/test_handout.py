"""The folder that a class gets: no solution in it, and a kit that says where it does not fit."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
import torch

from asif_book.classroom import handout as module
from asif_book.classroom.handout import HandoutError, handout
from asif_lib import method
from asif_lib.files import ROOT

SECRETS = ("### BEGIN SOLUTION", "What students get wrong")


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    return handout(tmp_path_factory.mktemp("class") / "asif", solutions=False)


def test_a_students_copy_holds_the_chapters_and_no_solution(students):
    first = "notebooks/00_start_here.ipynb"
    assert (students / first).read_bytes() == (ROOT / first).read_bytes()
    assert {"Makefile", "README.md", "pyproject.toml", "asif_lib", "data"} <= {path.name for path in students.iterdir()}
    pages = [path for path in students.glob("notebooks/**/*.*") if "asif_book" not in path.parts]
    for path in [*pages, students / "README.md"]:
        assert not any(secret in path.read_text(encoding="utf-8") for secret in SECRETS), path
    solved = "lengths = a.norm() * b.norm()"  # of exercise 00.1
    assert any(solved in path.read_text(encoding="utf-8") for path in ROOT.glob("notebooks/solutions/*.ipynb"))
    assert not any(solved in path.read_text(encoding="utf-8") for path in students.rglob("*.ipynb"))


def test_a_students_copy_links_to_nothing_and_speaks_of_nothing_that_it_lacks(students):
    """Pages, the prose of the chapters, and what make can do."""
    dead, speaks = [], re.compile(r"make (test|notebooks|lint|bench)|teachers?.guide|solutions/|SOLUTIONS=|`tests/")
    pages = [*students.rglob("*.md"), *students.glob("notebooks/*.ipynb")]
    assert len(pages) > 12
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        found = re.findall(r"\]\(([^)#\s]+)|(?:src|srcset|href)=\"([^\"#]+)", text)
        links = [link or other for link, other in found if not re.match(r"[a-z]+:", link or other)]
        dead += [(page.name, link) for link in links if not (page.parent / link).exists()]
        assert not speaks.search(text) and "teachers:" not in text, page
    assert dead == []
    makefile = (students / "Makefile").read_text()
    assert "lab: setup" in makefile and "tests" not in makefile


def test_make_installs_from_a_kit_alone(students):
    dry = ["make", "--dry-run", "lab"]
    assert "--no-index" not in subprocess.run(dry, cwd=students, capture_output=True, text=True, check=True).stdout
    (students / "kit").mkdir()
    steps = subprocess.run(dry, cwd=students, capture_output=True, text=True, check=True).stdout
    assert "pip install --quiet --disable-pip-version-check --no-index --find-links kit/wheels -e" in steps
    assert steps.index("kit/check_kit.py") < steps.index("--no-index") < steps.index("cp -Rn kit/cache/.")
    (students / "kit").rmdir()


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A kit whose only wheel is made here: pip is silenced."""

    def wheel(*_, **__):
        (tmp_path / "kit/wheels").mkdir()
        (tmp_path / "kit/wheels/torch.whl").write_text("wheel")

    monkeypatch.setattr(module.subprocess, "run", wheel)
    monkeypatch.setattr(module.subprocess, "check_output", lambda *a, **k: b"torch==2.6\n")
    monkeypatch.setattr(module, "SHARED_CACHE", ())
    module._add_kit(tmp_path)
    monkeypatch.undo()
    return tmp_path / "kit"


@pytest.mark.parametrize("key, value", [("python", "3.9.1"), ("system", "Plan9"), ("machine", "pdp11")])
def test_a_kit_for_another_computer_is_one_sentence(kit, key, value):
    check = [sys.executable, str(kit / "check_kit.py")]
    assert subprocess.run(check, capture_output=True).returncode == 0
    assert "GPL-2" in (kit / "LICENCES.md").read_text(encoding="utf-8")
    about = json.loads((kit / "about.json").read_text())
    (kit / "about.json").write_text(json.dumps(about | {key: value}))
    run = subprocess.run(check, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("this kit was made for Python ") and value in run.stderr
    assert "make a kit on such a computer" in run.stderr and run.stderr.count("\n") == 1


TAMPERED = {
    "kit/wheels/torch.whl was changed": lambda kit: (kit / "wheels/torch.whl").write_text("another"),
    "kit/wheels/torch.whl is missing": lambda kit: (kit / "wheels/torch.whl").unlink(),
    "kit/wheels/torch-99.whl was added": lambda kit: (kit / "wheels/torch-99.whl").write_text("mine"),
    "kit/wheels/pipe.whl was added": lambda kit: os.mkfifo(kit / "wheels/pipe.whl"),
    "kit/wheels/about.json was added": lambda kit: (kit / "wheels/about.json").write_text("{}"),
    "kit/cache was added": lambda kit: (kit / "cache").symlink_to("/etc"),
    "kit/versions.txt was changed": lambda kit: (kit / "about.json").write_text(
        (kit / "about.json").read_text().replace('"versions.txt": "', '"versions.txt": "0')
    ),
    "kit/about.json or a file of the kit cannot be read": lambda kit: (kit / "about.json").write_text("[]"),
}


@pytest.mark.parametrize("fault", TAMPERED)
def test_a_tampered_kit_is_one_sentence_before_anything_is_installed(kit, fault):
    check = [sys.executable, str(kit / "check_kit.py")]
    (kit / "wheels/.DS_Store").write_text("what a system leaves on a stick")
    assert subprocess.run(check, capture_output=True).returncode == 0
    TAMPERED[fault](kit)
    run = subprocess.run(check, capture_output=True, text=True)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1) and run.stderr.startswith(fault)


ODD = {"python": None}, {"python": "new"}, {"system": []}, {"files": [[1, "a"], ["b", 2]]}, {"files": {"a": {}}}


@pytest.mark.parametrize("odd", [*ODD, "[" * 100_000, None])
def test_a_kit_with_an_odd_list_is_one_sentence(kit, odd):
    about = kit / "about.json"
    text = json.dumps(json.loads(about.read_text()) | odd) if isinstance(odd, dict) else odd
    about.unlink()
    about.write_text(text) if text else os.mkfifo(about)  # a pipe is not waited for
    run = subprocess.run([sys.executable, kit / "check_kit.py"], capture_output=True, text=True, timeout=60)
    assert run.stderr == "kit/about.json or a file of the kit cannot be read: copy the whole kit again\n"


def test_a_folder_that_is_there_or_no_checkout_is_an_error(tmp_path):
    with pytest.raises(HandoutError, match="is there already"):
        handout(tmp_path)
    with pytest.raises(HandoutError, match="is no checkout"):
        handout(tmp_path / "new", root=tmp_path)


def test_a_file_that_was_deleted_is_one_sentence_and_an_error_leaves_no_folder(tmp_path, monkeypatch):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("a.md", "lost.md"):
        (checkout / name).touch()
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    (checkout / "lost.md").unlink()
    with pytest.raises(HandoutError, match=r"lost\.md is gone, and git still tracks it: restore it, or commit"):
        handout(tmp_path / "new", root=checkout)
    (checkout / "lost.md").touch()
    monkeypatch.setattr(module, "_add_kit", lambda folder: (folder / "kit").mkdir() or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        handout(tmp_path / "new", kit=True, root=checkout)
    assert not (tmp_path / "new").exists()


def test_the_code_of_the_method_on_a_page_is_the_method():
    source = ROOT / "notebooks" / "method_on_a_page.md"
    written = {}
    exec(re.search(r"```python\n(.*?)```", source.read_text(), re.S)[1], written)
    draw = torch.Generator().manual_seed(5)
    z, y, a, b = (torch.randn(size, generator=draw) for size in ((4, 6), (3, 5), (9, 6), (9, 5)))
    sides = (method.sparsify(method.relative(*method.centre(*side)), 4, 2) for side in ((z, a), (y, b)))
    assert torch.allclose(written["asif"](z, y, a, b, 4, 2), method.scores(*sides), atol=1e-6)
