"""Providers: asked in order, verified, and honest about why they failed."""

import shutil
import subprocess
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from asif_lib.datasets import providers, selecting
from asif_lib.datasets.providers import catalogue, dataset_dir, fetch, folder_digest
from asif_lib.errors import ChecksumError, DataError
from asif_lib.files import sha256_of


@pytest.fixture
def toy(tmp_path, tmp_cache, monkeypatch):
    """A data set of two stamps in the catalogue; its source folder, and the list of providers to fill."""
    source = tmp_path / "source"
    (source / "animals").mkdir(parents=True)
    for name in ("otter", "seal"):
        Image.new("RGB", (3, 3), "red").save(source / "animals" / f"{name}.png")
        (source / "animals" / f"{name}.txt").write_text(f"A {name}.")
    entry = {"title": "Toy", "licence": "CC0", "size_mb": 0, "homepage": "https://example.org", "kind": "pairs",
             "sha256": [folder_digest(source)]}  # fmt: skip
    monkeypatch.setattr(providers, "catalogue", lambda: {"toy": entry})
    monkeypatch.setitem(selecting.SELECT, "toy", selecting._select_stamps)
    asked = []
    monkeypatch.setattr(providers, "PROVIDERS", asked)
    return source, asked


def failing(error, name="_failing"):
    def provider(*args):
        raise error

    provider.__name__ = name
    return provider


def giving(folder, calls=None):
    """Return a provider that gives the folder, and notes it among its `calls`."""
    calls = [] if calls is None else calls
    return lambda name, entry, scratch, progress: calls.append(folder) or folder


def test_the_first_provider_that_has_it_is_taken(toy, capsys):
    source, asked = toy
    calls = []
    asked += [failing(DataError("not here")), giving(source, calls), giving(source, calls)]
    folder = fetch("toy")
    assert folder == dataset_dir("toy") and "licence CC0" in capsys.readouterr().err
    assert folder_digest(folder) == folder_digest(source)
    assert len(calls) == 1
    assert fetch("toy", progress=False) == folder
    assert len(calls) == 1  # no provider is asked for what is there


ERRORS = {
    "installed: no copy": DataError("no copy"), "upstream project: no route": OSError("no route\nmore"),
    "debian archive: E: no such package": subprocess.CalledProcessError(1, "a", stderr="line\nE: no such package"),
    "npm registry: KeyError": KeyError(), "local folder: Error downloading": RuntimeError("Error downloading"),
}  # fmt: skip


def test_when_all_fail_each_says_why_nothing_is_left_and_the_next_may_have_it(toy, tmp_path, tmp_cache):
    source, asked = toy
    asked += [failing(error, f"_{words.partition(':')[0].replace(' ', '_')}") for words, error in ERRORS.items()]
    with pytest.raises(DataError, match="toy could not be fetched") as caught:
        fetch("toy", progress=False)
    assert str(caught.value).splitlines()[1:] == [f"  {words}" for words in ERRORS]
    first = str(caught.value).splitlines()[0]  # the one line that a benchmark reports of a part that failed
    assert "https://example.org" in first and first.endswith(str(tmp_cache / "local" / "toy"))
    assert not list((tmp_cache / "datasets").iterdir())
    asked.append(failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fetch("toy", progress=False)
    shutil.copytree(source, tmp_path / "other")
    (tmp_path / "other" / "animals" / "otter.txt").write_text("A beaver.")
    asked[:] = [giving(tmp_path / "other")]
    with pytest.raises(DataError, match="another version than the catalogue names"):
        fetch("toy", progress=False)
    assert not list((tmp_cache / "datasets").iterdir())
    asked.append(giving(source))
    assert fetch("toy", progress=False).is_dir()


def test_files_that_were_changed_added_or_lost_are_refused(toy):
    source, asked = toy
    asked.append(giving(source))
    file = fetch("toy", progress=False) / "animals" / "otter.txt"
    for tamper in (lambda: file.write_text("A beaver."), file.unlink, lambda: file.with_name("x.txt").touch()):
        tamper()
        with pytest.raises(ChecksumError, match="remove the folder and run: asif data toy"):
            fetch("toy", progress=False)


@pytest.fixture
def mirror(toy, tmp_path):
    """The file of an archive of the toy that a server on this machine has."""
    file = Path(shutil.make_archive(tmp_path / "served" / "toy", "gztar", toy[0]))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=file.parent)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{file.name}"
        providers.catalogue()["toy"]["upstream"] = {"url": url, "sha256": sha256_of(file), "folder": "."}
        toy[1].append(providers._upstream_project)
        yield file
        server.shutdown()


def test_a_mirror_with_other_changed_cut_or_no_bytes_gives_nothing(mirror, tmp_cache):
    archive = mirror.read_bytes()
    for wrong in (b"<html>sign in", archive[:60] + b"!" + archive[61:], archive[:60], b"", None):
        mirror.unlink() if wrong is None else mirror.write_bytes(wrong)
        with pytest.raises(DataError, match="toy could not be fetched"):
            fetch("toy", progress=False)
        assert not list((tmp_cache / "datasets").iterdir())
    mirror.write_bytes(archive)
    assert sorted(f.name for f in fetch("toy", progress=False).rglob("*.txt")) == ["otter.txt", "seal.txt"]


@pytest.fixture
def apt(monkeypatch):
    """Give a function that replaces apt-get; return the list of commands that it is asked to run."""
    commands = []

    def replace(run):
        monkeypatch.setattr(providers, "_run", lambda command, folder: commands.append(command) or run(command, folder))
        monkeypatch.setattr(providers.shutil, "which", lambda name: f"/usr/bin/{name}")
        return commands

    return replace


def test_without_package_lists_the_provider_fetches_its_own(tmp_path, apt):
    def run(command, folder):
        if len(commands) == 1:
            raise subprocess.CalledProcessError(100, command, stderr="E: Unable to locate package")

    commands = apt(run)
    with pytest.raises(ValueError):
        providers._debian_archive("stamps", catalogue()["stamps"], tmp_path, False)
    assert [command[-1] for command in commands[1:]] == ["update", "tuxpaint-stamps-default=2025.03.31-1"]
    assert all(any("Dir::State::lists" in word for word in command) for command in commands[1:])


def test_a_data_set_of_two_packages_needs_both(tmp_path, apt):
    packages = [{"name": n, "version": "1", "sha256": sha256(n.encode()).hexdigest()} for n in ("one", "two")]
    entry = {"debian": {"folder": "usr/share/two", "packages": packages}}

    def run(command, folder):
        for package in command[2:] if "download" in command else []:
            (folder / f"{package}.deb").write_bytes(package.removesuffix("=1").encode())

    commands = apt(run)
    assert providers._debian_archive("two", entry, tmp_path, False) == tmp_path / "unpacked" / "usr/share/two"
    assert [command[-2] for command in commands] == ["one=1", "one=1.deb", "two=1.deb"]
    (tmp_path / "two=1.deb").write_bytes(b"not the package")
    (tmp_path / "lists").rmdir()
    apt(lambda command, folder: None)
    with pytest.raises(ChecksumError, match=r"two=1\.deb has SHA-256"):
        providers._debian_archive("two", entry, tmp_path, False)
    assert commands[-1][1] == "download"  # and nothing is unpacked
    (tmp_path / "two=1.deb").unlink()
    (tmp_path / "lists").rmdir()
    with pytest.raises(DataError, match="apt-get left 1 of 2 packages"):
        providers._debian_archive("two", entry, tmp_path, False)
