"""Labelled pictures of the hub, through `datasets`: any data set with a column of pictures and one of classes."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import fsspec
import numpy as np

from asif_lib.encoders.pictures import MAX_PIXELS, PictureBytes
from asif_lib.errors import UNREACHABLE, DataError, first_line, hub_fault, import_extra

from .labelled import Labelled


class _Column(Sequence):
    """The pictures of a table, read one by one when they are asked for, and not decoded."""

    def __init__(self, table, column, own):
        self.table, self.column, self.own = table, column, own

    def __len__(self):
        return len(self.table)

    def __getitem__(self, row):
        return picture_in_cell(f"row {row}", self.table[int(row)][self.column] or {}, self.own)


ARCHIVES = ("zip://", "tar://", "gzip://", "bz2://", "xz://", "zstd://", "lz4://")
"""The archives out of which a picture is read, in the words of `fsspec`."""


def own_places(repository) -> list:
    """Return how the paths and addresses of a data set's pictures begin: in its folder, or as it was fetched."""
    datasets, hub = import_extra("datasets", "hub"), import_extra("huggingface_hub", "hub")
    is_folder, name = Path(repository).is_dir(), str(repository)
    kept = repository if is_folder else Path(hub.constants.HF_HUB_CACHE, f"datasets--{name.replace('/', '--')}")
    folders = kept, datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH
    addresses = [] if is_folder else [f"hf://datasets/{name}@", f"hf://datasets/{name}/"]
    return [*(os.path.join(os.path.abspath(folder), "") for folder in folders), *addresses]


def picture_in_cell(name, cell, own):
    """Return the picture in a cell that is not decoded: its ``bytes``, or the file ``path`` of the data set.

    Nothing but what lies in its `own_places` is opened: the picture in its place raises `PictureError`, which calls it
    `name`. A lost connection raises the client's error.
    """
    content, path = cell.get("bytes"), cell.get("path")
    if content is not None or path is None:
        return PictureBytes(content or b"", name)
    *inner, outer = path.split("::") if "://" in path else [path]
    file = outer if "://" in outer else os.path.normpath(os.path.join(own[0], outer))
    is_own = file.startswith(tuple(own)) and ".." not in file.split("/")
    if not is_own or not all(part.startswith(ARCHIVES) for part in inner):
        return PictureBytes(b"", name, f"names {path}, which is not in the data set; put the picture there")
    if path == outer and "://" not in outer:
        return Path(file)
    try:
        with fsspec.open("::".join([*inner, file])) as opened:
            return PictureBytes(opened.read(4 * MAX_PIXELS), name)
    except Exception as error:  # archives and clients raise errors of many kinds
        if hub_fault(error) == UNREACHABLE:
            raise
        return PictureBytes(b"", name, f"cannot be read from {path} ({first_line(error)})")


def labelled_from_hub(repository, split="test", label=None) -> Labelled:
    """Load labelled pictures from the hub, or from a folder in its format.

    A repository with a file ``classnames.txt`` has the layout of LAION's CLIP benchmark. A split is a folder of tars,
    and a class number stands beside each picture. Only the split is fetched; in other layouts, all splits are. What was
    fetched is kept: with ``HF_HUB_OFFLINE=1``, a second call needs no network.

    Raises `DataError` or `MissingExtraError` if the data set cannot be loaded (no network, no such name or split, terms
    to accept, or no `datasets`), has not one column of pictures and one of classes, or a class has no name.

    Parameters
    ----------
    repository : str or Path
        Such as ``"clip-benchmark/wds_imagenetv2"`` or ``"uoft-cs/cifar100"``, or a folder with the files of one. If it
        has several configurations, ``"OWNER/NAME#CONFIGURATION"``.
    split : str
    label : str, optional
        The column with the classes; needed if there are several.

    Returns
    -------
    Labelled
        Without splits. The names in ``classnames.txt`` count as they are. Of a column's own names ("tench, Tinca
        tinca"), the first counts, unless two classes share it. Underscores read as spaces. Pictures are read when they
        are used, so that a large data set needs little memory.
    """
    datasets = import_extra("datasets", "hub")
    repository, configuration = configured(repository)
    try:
        folder, published = _with_lists(repository, split)
        check_files(folder)
        # the card of this layout counts the pictures of all splits, so that one alone would fail the checks
        only = {"data_files": tars_of(split), "verification_mode": "no_checks"} if published else {}
        table = datasets.load_dataset(str(folder), configuration, split=split, **only)
    except DataError:
        raise
    except Exception as error:  # the library raises errors of many kinds
        raise unloadable(f"{repository}, split {split}", error) from None
    picture, label = _columns(repository, table, label, published)
    labels = np.array([-1 if value is None else value for value in table[label]], np.int64)
    if len(labels) and labels.min() < 0:
        raise DataError(f"{repository}, split {split}: has pictures without a class; use a split with labels")
    names = [line.replace("_", " ") for line in published] if published else _names(table.features[label].names)
    if len(labels) and labels.max() >= len(names):
        has = f"has {len(names)} names, and the pictures have class numbers up to {labels.max()}, from 0"
        raise DataError(f"{repository}, split {split}: classnames.txt {has}")
    name = str(repository).rstrip("/").rpartition("/")[2]
    table = table.cast_column(picture, datasets.Image(decode=False))  # a broken one would stop the others
    templates = published and text_beside(folder, "zeroshot_classification_templates.txt")
    templates = [line.replace("{c}", "{}") for line in templates or () if line]
    return Labelled(name, _Column(table, picture, own_places(folder)), labels, names, {}, templates=templates)


def _columns(repository, table, label, published):
    """Return the names of the column of pictures and of the one of classes, which is `label` if that is not None."""
    from datasets import ClassLabel, Image, Value

    pictures, classes = [], []
    for name, feature in table.features.items():
        if isinstance(feature, Image):
            pictures.append(name)
        if isinstance(feature, ClassLabel) or (published and feature == Value("int64")):
            classes.append(name)
    if label is not None and label not in classes:
        raise DataError(f"{repository}: has no column {label!r} of classes; it has: {', '.join(classes) or 'none'}")
    if len(pictures) != 1 or (label is None and len(classes) != 1):
        found, labels = (", ".join(names) or "none" for names in (pictures, classes))
        has = f"pictures: {found}; classes (name one as the label): {labels}"
        needs = "one column of pictures and one of classes, with their names in its type or in a file classnames.txt"
        raise DataError(f"{repository}: needs {needs}; {has}")
    return pictures[0], label or classes[0]


def _with_lists(repository, split):
    """Return (the repository, or a folder with its lists and one split; the names in ``classnames.txt``, or None)."""
    names, folder = text_beside(repository, "classnames.txt"), repository
    if names is None:
        return repository, None
    if not Path(repository).is_dir():
        fetch = import_extra("huggingface_hub", "hub").snapshot_download
        folder = fetch(str(repository), repo_type="dataset", allow_patterns=["*.txt", f"{split}/*"])
    count, found = text_beside(folder, f"{split}/nshards.txt"), len([*Path(folder, split).glob("*.tar")])
    if not count:
        what = f"no file {split}/nshards.txt, which says how many tars there are; compare the split with its page"
        raise DataError(f"{repository}: has {what}")
    if count != [str(found)]:
        raise DataError(f"{repository}, split {split}: {found} of its {count[0]} tars are here; fetch the others")
    return folder, names


def configured(repository) -> tuple:
    """Return the repository, and the configuration that follows a # in its name, or None."""
    name, _, configuration = str(repository).partition("#")
    if not name:
        raise DataError("the data set of the hub has no name; write hub:OWNER/NAME")
    return (repository, None) if Path(repository).is_dir() else (name, configuration or None)


def text_beside(repository, file) -> list | None:
    """Return the lines of a text file in a repository or its folder; None without such a file."""
    hub = import_extra("huggingface_hub", "hub")
    path = Path(repository) / file
    if not Path(repository).is_dir():
        try:
            path = Path(hub.hf_hub_download(str(repository), file, repo_type="dataset"))
        except (hub.errors.EntryNotFoundError, hub.errors.HFValidationError) as error:
            if isinstance(error, hub.errors.LocalEntryNotFoundError) and not hub.constants.HF_HUB_OFFLINE:
                raise  # the network is lost
            return None  # and `datasets` finds its own copy, or says what is wrong
    return [line.strip() for line in path.read_text("utf-8").rstrip().splitlines()] if path.exists() else None


def check_files(repository):
    """Look at the files of a folder, from which rows would be lost in silence.

    Raises `DataError` if a tar is empty or lacks its end, two blocks of zeros. Warns if of files that are numbered, as
    in ``train-00000-of-00002.parquet``, some are not here.
    """
    for file in sorted(Path(repository).rglob("*.tar")):
        with open(file, "rb") as tar:
            is_empty = not tar.read(512).strip(b"\0")
            tar.seek(max(0, file.stat().st_size - 1_024))
            if is_empty or tar.read().strip(b"\0"):
                raise DataError(f"{file}: is empty or cut off, so pictures are missing; copy or fetch it again")
    numbered = (re.fullmatch(r"(.*)-\d+-of-(\d+)\.\w+", str(file)) for file in Path(repository).rglob("*-of-*.*"))
    for (name, total), here in sorted(Counter(found.groups() for found in numbered if found).items()):
        if here < int(total):
            fault = f"{here} of {int(total)} files are here; rows of the others are missing"
            warnings.warn(f"{name}: {fault}", stacklevel=3)


def tars_of(split) -> dict:
    """Return the files of a split in the layout of the CLIP benchmark: named, so that `datasets` fetches no others."""
    return {split: f"{split}/*.tar"}


def unloadable(name, error) -> DataError:
    """Return the error of a data set that `datasets` cannot load."""
    return DataError(f"{name}: cannot be loaded ({hub_fault(error)}); compare name and split with its page")


def _names(classes) -> list:
    whole = [name.replace("_", " ").strip() for name in classes]
    first = [name.split(",")[0].strip() for name in whole]
    counts = Counter(name.lower() for name in first)
    return [name if counts[name.lower()] == 1 else all_of_it for name, all_of_it in zip(first, whole, strict=True)]
