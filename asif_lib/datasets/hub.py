"""Labelled pictures of the hub, through `datasets`: any data set with a column of pictures and one of classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import fsspec
import numpy as np

from asif_lib.encoders.pictures import PictureBytes
from asif_lib.errors import DataError, hub_fault, import_extra

from .labelled import Labelled


class _Column(Sequence):
    """The pictures of a table, read one by one when they are asked for, and not decoded."""

    def __init__(self, table, column):
        self.table, self.column = table, column

    def __len__(self):
        return len(self.table)

    def __getitem__(self, row):
        cell = self.table[int(row)][self.column] or {"bytes": b"", "path": None}
        return picture_in_cell(f"row {row}", **cell)


def picture_in_cell(name, bytes, path):
    """Return the picture in a cell that is not decoded: its bytes, or the path of a file beside the table."""
    if bytes is None and "://" not in path:
        return Path(path)
    if bytes is None:
        try:
            with fsspec.open(path) as file:
                bytes = file.read()
        except FileNotFoundError:  # a picture that cannot be read, as a missing file beside the table is
            return Path(path)
    return PictureBytes(bytes, name)


def labelled_from_hub(repository, split="test", label=None) -> Labelled:
    """Load labelled pictures from the hub, or from a folder in its format.

    Parameters
    ----------
    repository : str or Path
        Such as ``"uoft-cs/cifar100"``, or a folder with the files of such a repository.
    split : str
    label : str, optional
        The column with the classes; needed if there are several.

    Returns
    -------
    Labelled
        Without splits. Of a class with several names ("tench, Tinca tinca"), the first counts, unless two classes
        share it. Pictures are read when they are used, so that a large data set needs little memory.

    Raises
    ------
    DataError
        If the data set cannot be loaded (there is no network, no such name or split, or its terms must be accepted),
        or has not one column of pictures and one of classes.
    MissingExtraError
        If `datasets` is not installed.
    """
    datasets = import_extra("datasets", "hub")
    try:
        table = datasets.load_dataset(str(repository), split=split)
    except Exception as error:  # the library raises errors of many kinds
        raise unloadable(repository, split, error) from None
    columns = {kind: [] for kind in (datasets.Image, datasets.ClassLabel)}
    for name, feature in table.features.items():
        columns.get(type(feature), []).append(name)
    pictures, classes = columns.values()
    if label is not None and label not in classes:
        raise DataError(f"{repository}: has no column {label!r} of classes; it has: {', '.join(classes) or 'none'}")
    if len(pictures) != 1 or (label is None and len(classes) != 1):
        found, labels = (", ".join(names) or "none" for names in (pictures, classes))
        has = f"pictures: {found}; classes (name one as the label): {labels}"
        raise DataError(f"{repository}: needs one column of pictures and one of classes; {has}")
    label = label or classes[0]
    labels = np.asarray(table[label], dtype=np.int64)
    if len(labels) and labels.min() < 0:
        raise DataError(f"{repository}, split {split}: has pictures without a class; use a split with labels")
    name = str(repository).rstrip("/").rpartition("/")[2]
    table = table.cast_column(pictures[0], datasets.Image(decode=False))  # a broken one would stop the others
    return Labelled(name, _Column(table, pictures[0]), labels, _names(table.features[label].names), {})


def unloadable(repository, split, error) -> DataError:
    """Return the error of a data set that `datasets` cannot load."""
    return DataError(
        f"{repository}, split {split}: cannot be loaded ({hub_fault(error)}); compare name and split with its page"
    )


def _names(classes) -> list:
    whole = [name.replace("_", " ").strip() for name in classes]
    first = [name.split(",")[0].strip() for name in whole]
    counts = Counter(name.lower() for name in first)
    return [name if counts[name.lower()] == 1 else all_of_it for name, all_of_it in zip(first, whole, strict=True)]
