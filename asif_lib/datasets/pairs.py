"""Captioned and labelled pictures: from the catalogue by name, or from a folder of your own.

Every data set has fixed splits. Where its makers define none, `fixed_splits` draws them, stratified by
group or class with seed 0, so that two machines agree on which pictures are held out.
"""

import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split

from asif_lib.encoders.pictures import PictureFile
from asif_lib.errors import DataError

from .providers import catalogue, fetch, fetch_eurosat

FASHION_MNIST_CLASSES = [
    "t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip
EUROSAT_CLASSES = {  # folder of its makers → name in words
    "AnnualCrop": "field of annual crops",
    "Forest": "forest",
    "HerbaceousVegetation": "meadow with wild plants",
    "Highway": "highway",
    "Industrial": "industrial area",
    "Pasture": "pasture",
    "PermanentCrop": "orchard or vineyard",
    "Residential": "residential area",
    "River": "river",
    "SeaLake": "sea or lake",
}
TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
IGNORED = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Pairs:
    """Captioned pictures; item i of every list is pair i.

    Attributes
    ----------
    name, licence : str
    pictures : list of PictureFile, Path or PIL.Image.Image
    captions, ids, groups : list of str
        `ids` are unique and the same on every machine; `groups` name a taxonomy or source, ``""`` if none.
    splits : dict of str to list of int
        Positions of each split.
    """

    name: str
    pictures: list
    captions: list
    ids: list
    groups: list
    splits: dict
    licence: str = "unknown"

    def __len__(self):
        return len(self.pictures)

    def subset(self, positions) -> "Pairs":
        """Return the pairs at `positions`, in that order, without splits."""
        positions = list(positions)
        picked = {f: [getattr(self, f)[i] for i in positions] for f in ("pictures", "captions", "ids", "groups")}
        return replace(self, **picked, splits={})

    def split(self, *names) -> "Pairs":
        """Return the pairs of the splits called `names`, in the order given.

        Raises
        ------
        DataError
            If there is no such split.
        """
        return self.subset(_positions(self, names))


@dataclass(frozen=True)
class Labelled:
    """Pictures with one class each.

    Attributes
    ----------
    name, licence : str
    pictures : list of PictureFile, Path or PIL.Image.Image
    labels : ndarray of int64, shape (n,)
        Positions in `classes`.
    classes : list of str
    splits : dict of str to list of int
    """

    name: str
    pictures: list
    labels: np.ndarray
    classes: list
    splits: dict
    licence: str = "unknown"

    def __len__(self):
        return len(self.pictures)

    def subset(self, positions) -> "Labelled":
        """Return the pictures at `positions`, in that order, without splits."""
        positions = list(positions)
        return replace(self, pictures=[self.pictures[i] for i in positions], labels=self.labels[positions], splits={})

    def split(self, *names) -> "Labelled":
        """Return the pictures of the splits called `names`. Raises `DataError` if there is no such split."""
        return self.subset(_positions(self, names))

    def sample(self, n, seed=0) -> "Labelled":
        """Return n pictures drawn at random, the classes in equal parts as far as n allows.

        Raises
        ------
        DataError
            If there are fewer than n pictures, or n is negative.
        """
        if not 0 <= n <= len(self):
            raise DataError(f"{self.name}: cannot draw {n} of its {len(self)} pictures")
        order = np.random.default_rng(seed).permutation(len(self))
        rank = pd.Series(self.labels[order]).groupby(self.labels[order]).cumcount().to_numpy()
        return self.subset(np.sort(order[np.argsort(rank, kind="stable")[:n]]).tolist())


def _positions(data, names):
    for name in names:
        if name not in data.splits:
            known = ", ".join(data.splits) or "none"
            raise DataError(f"{data.name} has no split {name!r}; it has: {known}")
    return [i for name in names for i in data.splits[name]]


def fixed_splits(strata, test=150, validation=150) -> dict:
    """Split n items into train, validation and test, in the same way on every machine.

    Parameters
    ----------
    strata : sequence of str
        One for each item; each split gets its share of every stratum that has at least four items.
    test, validation : int or float
        Items, or a fraction: of all for `test`, of what is left for `validation`.
    """
    counts = Counter(strata)
    strata = np.array([s if counts[s] >= 4 else "" for s in strata])
    if Counter(strata.tolist()).get("", 4) < 4:  # too few left over to be a stratum
        strata[strata == ""] = max(counts, key=counts.get)
    rest, tested = _draw(np.arange(len(strata)), test, strata)
    train, validated = _draw(rest, validation, strata[rest])
    return {"train": train.tolist(), "validation": validated.tolist(), "test": tested.tolist()}


def _draw(items, size, strata):
    """scikit-learn's stratified split, without the strata where they are more than either side has places."""
    held_out = size if isinstance(size, int) else int(np.ceil(size * len(items)))
    counts = Counter(strata.tolist())
    fits = len(counts) <= min(held_out, len(items) - held_out) and min(counts.values()) >= 2
    return train_test_split(items, test_size=size, stratify=strata if fits else None, random_state=0)


# -- captioned pictures ----------------------------------------------------------------------------------


def load_pairs(name="stamps", *, progress=True) -> Pairs:
    """Load captioned pictures.

    Parameters
    ----------
    name : str or Path
        ``"stamps"``, or a folder with a captions table: ``metadata.csv``, ``.jsonl`` or ``.parquet`` (the
        layout that `datasets` calls imagefolder), with the columns ``file_name`` and ``caption`` (or
        ``text``) and, if you like, ``group`` and ``split``.

    Returns
    -------
    Pairs
        Stamps: 793 pairs; splits train (493), validation (150), test (150), stratified by the first level
        of their taxonomy. A folder: its column ``split``, else 70, 15 and 15 %.

    Raises
    ------
    DataError
        If the data set is not known or cannot be fetched, or the table is not as described.
    ChecksumError
        If the files are not the ones that the catalogue names.
    """
    if name == "stamps":
        return _load_stamps(fetch("stamps", progress=progress))
    if Path(name).is_dir():
        return _load_captions_folder(Path(name))
    known = [key for key, entry in catalogue().items() if entry["kind"] == "pairs"]
    raise DataError(f"{name}: is neither a folder nor a data set of captioned pictures; known: {', '.join(known)}")


def _load_stamps(folder):
    files = sorted(folder.rglob("*.png"), key=lambda file: file.relative_to(folder).parts)
    ids = [file.relative_to(folder).as_posix() for file in files]
    captions = [file.with_suffix(".txt").read_text(encoding="utf-8").splitlines()[0].strip() for file in files]
    groups = [i.rpartition("/")[0] for i in ids]
    splits = fixed_splits([group.split("/")[0] for group in groups])
    pictures = [PictureFile(file, square=True) for file in files]
    return Pairs("stamps", pictures, captions, ids, groups, splits, catalogue()["stamps"]["licence"])


def _load_captions_folder(folder):
    tables = [
        file for file in sorted(folder.iterdir()) if file.suffix in TABLE_SUFFIXES and not _hidden(Path(file.name))
    ]
    if len(tables) != 1:
        found = ", ".join(file.name for file in tables) or "none"
        raise DataError(f"{folder}: needs one captions table, such as metadata.csv; found: {found}")
    table = _read_table(tables[0])
    column = next((c for c in ("caption", "text") if c in table), None)
    if "file_name" not in table or column is None:
        raise DataError(
            f"{tables[0]}: needs the columns file_name and caption (or text); it has: {', '.join(map(str, table))}"
        )
    if table.empty:
        raise DataError(f"{tables[0]}: has no rows")
    table = table.astype(object).fillna("").astype(str)
    empty = table.index[table[column].str.strip() == ""]
    if len(empty):
        raise DataError(f"{tables[0]}: rows without a caption: {_some(table.file_name[i] for i in empty)}")
    nameless = table.index[table.file_name.str.strip() == ""]
    if len(nameless):
        raise DataError(f"{tables[0]}: rows without a file_name: {_some(nameless + 1)}")
    twice = table.file_name[table.file_name.duplicated()]
    if len(twice):
        raise DataError(f"{tables[0]}: pictures named more than once: {_some(twice)}")
    files = {file.relative_to(folder).as_posix() for file in _files(folder)} - {tables[0].name}
    unnamed = sorted(files - set(table.file_name))
    if unnamed:
        warnings.warn(f"{folder}: not in {tables[0].name}, so not used: {_some(unnamed)}", stacklevel=3)
    groups = table["group"].tolist() if "group" in table else [""] * len(table)
    if "split" in table:
        splits = {name: np.flatnonzero(table.split == name).tolist() for name in table.split.unique() if name}
    else:
        splits = fixed_splits(groups, 0.15, 0.15 / 0.85) if len(table) >= 20 else {}
    pictures = [folder / name for name in table.file_name]
    return Pairs(
        folder.resolve().name,
        pictures,
        table[column].str.strip().tolist(),
        table.file_name.tolist(),
        groups,
        splits,
    )


def _read_table(file):
    try:
        if file.suffix == ".csv":
            return pd.read_csv(file, dtype=str, keep_default_na=False)
        return pd.read_json(file, lines=True, dtype=str) if file.suffix == ".jsonl" else pd.read_parquet(file)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{file}: is not a readable {file.suffix[1:]} table ({reason})") from None


# -- labelled pictures -----------------------------------------------------------------------------------


def load_labelled(name="fashion_mnist", *, progress=True) -> Labelled:
    """Load pictures with one class each.

    Parameters
    ----------
    name : str or Path
        ``"fashion_mnist"``, ``"eurosat"`` (needs internet the first time), or a folder of class folders, whose
        names (underscores read as spaces) are the classes.

    Returns
    -------
    Labelled
        Fashion-MNIST: train (55,000), validation (the last 5,000 of its training file), test (10,000); the
        pictures are white on black, as its makers give them. EuroSAT: 27,000 satellite pictures, 64 × 64, of ten
        kinds of land; split as a folder. A folder with 20 pictures or more, and four
        for each class: 60, 20 and 20 %, stratified by class.

    Raises
    ------
    DataError
        If the data set is not known or cannot be fetched, the folder has no class folders, a class folder
        is empty, or two of them give the same label.
    ChecksumError
        If the files are not the ones that the catalogue names.
    """
    if name == "fashion_mnist":
        return _load_fashion_mnist(fetch("fashion_mnist", progress=progress))
    if name == "eurosat":
        return _load_eurosat(fetch_eurosat(progress=progress))
    if Path(name).is_dir():
        return _load_class_folders(Path(name))
    known = [key for key, entry in catalogue().items() if entry["kind"] == "labelled"] + ["eurosat"]
    raise DataError(f"{name}: is neither a folder nor a data set of labelled pictures; known: {', '.join(known)}")


def _load_fashion_mnist(folder):
    from torchvision.datasets.mnist import read_image_file, read_label_file

    arrays, labels = [], []
    for part in ("train", "t10k"):
        arrays.append(read_image_file(str(folder / f"{part}-images-idx3-ubyte")).numpy())
        labels.append(read_label_file(str(folder / f"{part}-labels-idx1-ubyte")).numpy())
    pictures = [Image.fromarray(array) for array in np.concatenate(arrays)]
    splits = {
        "train": list(range(55_000)),
        "validation": list(range(55_000, 60_000)),
        "test": list(range(60_000, 70_000)),
    }
    licence = catalogue()["fashion_mnist"]["licence"]
    labels = np.concatenate(labels).astype(np.int64)
    return Labelled("fashion_mnist", pictures, labels, list(FASHION_MNIST_CLASSES), splits, licence)


def _load_eurosat(folder):
    data = _load_class_folders(folder)
    try:
        classes = [EUROSAT_CLASSES[name] for name in data.classes]
    except KeyError as error:
        raise DataError(f"{folder}: {error} is no class of EuroSAT; remove the folder, to fetch it again") from None
    return replace(data, classes=classes, licence="MIT")


def _load_class_folders(folder):
    folders = sorted(f for f in folder.iterdir() if f.is_dir() and not _hidden(Path(f.name)))
    if not folders:
        raise DataError(f"{folder}: has no class folders; put the pictures of each class into a folder of its name")
    files = [_files(f) for f in folders]
    empty = [f.name for f, found in zip(folders, files, strict=True) if not found]
    if empty:
        raise DataError(f"{folder}: class folders without a picture: {_some(empty)}; fill or remove them")
    classes = [" ".join(f.name.replace("_", " ").split()) for f in folders]
    if "" in classes:
        raise DataError(f"{folder}: the class folder {folders[classes.index('')].name!r} gives no label; rename it")
    if len({c.lower() for c in classes}) < len(classes):
        twice = [c for c, count in Counter(c.lower() for c in classes).items() if count > 1]
        raise DataError(f"{folder}: two class folders give the same label: {_some(twice)}; rename or merge them")
    pictures = [file for found in files for file in found]
    labels = np.repeat(np.arange(len(files)), [len(found) for found in files])
    splits = fixed_splits(labels.astype(str), 0.2, 0.25) if len(pictures) >= max(20, 4 * len(classes)) else {}
    return Labelled(folder.resolve().name, pictures, labels, classes, splits)


# -- folders ---------------------------------------------------------------------------------------------


def picture_files(folder) -> list:
    """Return the files in `folder` and its subfolders, sorted, without hidden ones.

    Raises
    ------
    DataError
        If there is no such folder, or no file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    files = _files(folder)
    if not files:
        raise DataError(f"{folder}: has no pictures")
    return files


def _files(folder):
    return sorted(f for f in folder.rglob("*") if f.is_file() and not _hidden(f.relative_to(folder)))


def _hidden(path):
    return any(part.startswith(".") or part.lower() in IGNORED for part in path.parts)


def _some(names, most=5):
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
