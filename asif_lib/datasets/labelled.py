"""Labelled pictures: from the catalogue by name, or from a folder of class folders."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from asif_lib.errors import DataError, first_names
from asif_lib.files import is_hidden, visible_files
from asif_lib.settings import check_seed
from asif_lib.texts import repeated

from .pairs import WithSplits, fixed_splits
from .providers import catalogue, check_known, fetch
from .selecting import BATCHES, PIXELS

VALIDATION = 5_000
"""Pictures for validation: the last ones of the makers' training files."""


@dataclass(frozen=True, repr=False)
class Labelled(WithSplits):
    """Pictures with one class each.

    Attributes
    ----------
    name, licence : str
    pictures : list of Path or PIL.Image.Image
    labels : ndarray of int64, shape (n,)
        Positions in `classes`.
    classes : list of str
    splits : dict of str to list of int
    templates : sequence of str
        The prompt templates that are published with the pictures, with ``{}`` for the class. Mostly none.
    """

    name: str
    pictures: list
    labels: np.ndarray
    classes: list
    splits: dict
    licence: str = "unknown"
    templates: list | tuple = ()

    def subset(self, positions) -> "Labelled":
        """Return the pictures at `positions`, in that order, without splits."""
        positions = list(positions)
        return replace(self, pictures=[self.pictures[i] for i in positions], labels=self.labels[positions], splits={})

    def check_classes(self):
        """Raise `DataError` unless there are two classes or more, each with a picture."""
        if len(self.classes) < 2:
            raise DataError(f"{self.name}: has one class, {', '.join(self.classes)!r}, so there is nothing to decide")
        counts = np.bincount(self.labels, minlength=len(self.classes))
        if empty := [name for name, count in zip(self.classes, counts, strict=True) if not count]:
            raise DataError(f"{self.name}: {len(self)} pictures leave classes without one: {first_names(empty)}")

    def sample(self, n, seed=0) -> "Labelled":
        """Return n pictures drawn at random, the classes in equal parts as far as n allows.

        Raises `DataError` if there are fewer than n pictures, or n is negative.
        """
        if not 0 <= n <= len(self):
            raise DataError(f"{self.name}: cannot draw {n} of its {len(self)} pictures")
        order = np.random.default_rng(check_seed(seed)).permutation(len(self))
        rank = pd.Series(order).groupby(self.labels[order]).cumcount()  # among those of its class, in the order drawn
        return self.subset(np.sort(order[np.argsort(rank, kind="stable")[:n]]).tolist())

    def _summary(self):
        return f"{len(self):,} pictures, {len(self.classes)} classes"


def load_labelled(name="fashion_mnist", *, progress=True) -> Labelled:
    """Load pictures with one class each.

    Raises `DataError` or `ChecksumError` as `load_pairs`, or if class folders are missing, empty, or share a label.

    Parameters
    ----------
    name : str or Path
        ``"fashion_mnist"``, ``"cifar10"``, or a folder of class folders, whose names (underscores read as spaces) are
        the classes.

    Returns
    -------
    Labelled
        Fashion-MNIST: train (55,000), validation (the last 5,000 of its training file), test (10,000); white on
        black, as published. CIFAR-10: train (45,000), validation (the last 5,000 of its training files), test
        (10,000); photographs, 32 × 32. A folder with 20 pictures or more, and four for each class: 60, 20 and 20 %,
        stratified by class.
    """
    check_known(name, "labelled")
    if name in LOADERS:
        return LOADERS[name](fetch(name, progress=progress))
    return _load_class_folders(Path(name))


def _load_fashion_mnist(folder):
    from torchvision.datasets.mnist import read_image_file, read_label_file

    parts = []
    for part in ("train", "t10k"):
        pictures = read_image_file(str(folder / f"{part}-images-idx3-ubyte")).numpy()
        parts.append((pictures, read_label_file(str(folder / f"{part}-labels-idx1-ubyte")).numpy()))
    return _with_makers_splits("fashion_mnist", *parts)


def _load_cifar10(folder):
    return _with_makers_splits("cifar10", read_cifar10(folder, "train"), read_cifar10(folder, "test"))


def _with_makers_splits(name, train, test):
    """Join the makers' two parts, (pictures, labels) each; validation is the end of the training part."""
    pictures = [Image.fromarray(array) for part, _ in (train, test) for array in part]
    labels = np.concatenate([train[1], test[1]]).astype(np.int64)
    end = len(train[1])
    ends = {"train": (0, end - VALIDATION), "validation": (end - VALIDATION, end), "test": (end, len(labels))}
    splits = {split: list(range(*positions)) for split, positions in ends.items()}
    entry = catalogue()[name]
    return Labelled(name, pictures, labels, list(entry["classes"]), splits, entry["licence"])


LOADERS = {"fashion_mnist": _load_fashion_mnist, "cifar10": _load_cifar10}


def _load_class_folders(folder):
    folders = sorted(f for f in folder.iterdir() if f.is_dir() and not is_hidden(Path(f.name)))
    if not folders:
        raise DataError(f"{folder}: has no class folders; put the pictures of each class into a folder of its name")
    files = [visible_files(f) for f in folders]
    if empty := [f.name for f, found in zip(folders, files, strict=True) if not found]:
        raise DataError(f"{folder}: class folders without a picture: {first_names(empty)}; fill or remove them")
    classes = [" ".join(f.name.replace("_", " ").split()) for f in folders]
    if "" in classes:
        raise DataError(f"{folder}: the class folder {folders[classes.index('')].name!r} gives no label; rename it")
    if fault := repeated(classes):
        raise DataError(f"{folder}: two class folders give the same label: {fault}; rename or merge them")
    pictures = [file for found in files for file in found]
    labels = np.repeat(np.arange(len(files)), [len(found) for found in files])
    splits = fixed_splits(labels.astype(str), 0.2, 0.25) if len(pictures) >= max(20, 4 * len(classes)) else {}
    return Labelled(folder.resolve().name, pictures, labels, classes, splits)


def read_cifar10(folder, part) -> tuple:
    """Return the pictures (n, 32, 32, 3) and the labels (n,), both uint8, of the part "train" or "test"."""
    files = [folder / f"{name}.bin" for name in BATCHES[part]]
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 1 + 3 * PIXELS) for file in files])
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
