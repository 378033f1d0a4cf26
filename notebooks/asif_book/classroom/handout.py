"""Make the folder that a class gets: the workbook without solutions, and a kit for a room without a network.

python -m asif_book.classroom.handout FOLDER [--no-solutions] [--kit]
"""

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from asif_book.editions.licences import licences_md
from asif_book.templates.check_kit import checksums
from asif_lib.errors import AsifError
from asif_lib.files import ROOT, cache_dir

TEACHERS = (
    *(
        f"notebooks/{name}"
        for name in ("solutions", "source", "teachers_guide.md", "change_the_course.md", "publish.md")
    ),
    *("notebooks/TUTOR.md", "notebooks/paper", "notebooks/what_you_may_rely_on.md", "tests", ".ci", ".github"),
)
"""What holds solutions, or needs the files that hold them."""
_PASSAGE = re.compile(r"^.*teachers:begin[\s\S]*?teachers:end.*\n", re.M)
"""Lines of a page, or of the Makefile, that speak of these files."""
SHARED_CACHE = ("datasets/stamps", "datasets/fashion_mnist", "embeddings", "banks/stamps")
KIT = "kit"
"""The folder that `make` looks for in a checkout: it installs from there, and not from the network."""


class HandoutError(AsifError):
    """A folder for a class that cannot be made."""


def handout(folder: Path | str, *, solutions=True, kit=False, root=ROOT) -> Path:
    """Copy the files of the checkout `root` that git tracks to a new `folder`.

    Without `solutions`, the files in `TEACHERS` and the passages about them are left out. With `kit`, the folder also
    gets all packages of a student, for this system and this Python, the data sets of the chapters, their embeddings and
    the bank: there `make lab` needs no network.

    Raises `HandoutError` if the folder is there already, or `root` is no checkout or lacks a file that git tracks.
    After any error there is no folder.
    """
    folder = Path(folder).absolute()  # pip takes a bare name for a package
    if folder.exists():
        raise HandoutError(f"{folder} is there already; remove it, or name a new folder.")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        raise HandoutError(f"{root} is no checkout of the workbook; get it with git clone.")
    tracked = list(filter(None, listed.stdout.split("\0")))
    if gone := [name for name in tracked if not (Path(root) / name).exists()]:
        raise HandoutError(f"{gone[0]} is gone, and git still tracks it: restore it, or commit that it is gone.")
    try:
        for name in tracked:
            if solutions or not name.startswith(TEACHERS):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(root) / name, target)
                if not solutions and (target.suffix == ".md" or target.name == "Makefile"):
                    target.write_text(_PASSAGE.sub("", target.read_text(encoding="utf-8")), encoding="utf-8")
        if kit:
            _add_kit(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _add_kit(folder):
    kit = folder / KIT
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    kit.mkdir()
    (kit / "versions.txt").write_bytes(subprocess.check_output([*pip, "freeze", "--exclude-editable"]))
    # an editable installation also builds, so the tools for that belong to the kit
    wanted = [f"{folder}[workbook]", "hatchling", "editables"]
    made = ["--wheel-dir", kit / "wheels", "--constraint", kit / "versions.txt"]
    subprocess.run([*pip, "wheel", "--quiet", *made, *wanted], check=True)
    for own in (kit / "wheels").glob("asif_workbook-*"):
        own.unlink()
    for name in SHARED_CACHE:
        shutil.copytree(cache_dir() / name, kit / "cache" / name)
    (kit / "LICENCES.md").write_text(licences_md(), encoding="utf-8")
    python = ".".join(map(str, sys.version_info[:3]))
    about = {"python": python, "system": platform.system(), "machine": platform.machine()}
    about["files"] = checksums(kit)
    (kit / "about.json").write_text(json.dumps(about), encoding="utf-8")
    shutil.copy(Path(__file__).parent.parent / "templates" / "check_kit.py", kit)


def main(arguments=None):
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m asif_book.classroom.handout", description=about)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-solutions", action="store_true", help="leave out the solutions and the teacher's guide")
    parser.add_argument("--kit", action="store_true", help="add packages, data and banks, for a room without a network")
    options = parser.parse_args(arguments)
    try:
        folder = handout(options.folder, solutions=not options.no_solutions, kit=options.kit)
    except HandoutError as error:
        sys.exit(f"handout: {error}")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1e6:,.0f} MB; copy it to each computer, and run in it: make lab")


if __name__ == "__main__":
    main()
