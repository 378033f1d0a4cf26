"""Captioned pictures: from the catalogue by name, or from a folder with a captions table."""

import os
import unicodedata
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import DataError, first_names
from asif_lib.files import digest_of_files, visible_files, write_whole

from .captions import TABLE_SUFFIXES, read_captions, read_translations
from .providers import catalogue, check_known, fetch, scratch_beside
from .selecting import FONT

FEWEST = 20
"""Captions of a language that each split needs."""
SIZE, CANVAS = 109, (136, 128)
"""The one size of the font's pictures, and their pixels."""
BLOCKS = {
    "technical": (0x2300, 0x23FF), "geometric shapes": (0x25A0, 0x25FF), "symbols": (0x2600, 0x26FF),
    "dingbats": (0x2700, 0x27BF), "arrows and stars": (0x2B00, 0x2BFF), "pictographs": (0x1F300, 0x1F5FF),
    "faces": (0x1F600, 0x1F64F), "transport and maps": (0x1F680, 0x1F6FF), "coloured shapes": (0x1F7E0, 0x1F7FF),
    "more pictographs": (0x1F900, 0x1F9FF), "further pictographs": (0x1FA70, 0x1FAFF),
}  # fmt: skip
"""Blocks of Unicode with emoji, from the first to the last code point; without letters, digits and flags."""
_RUNS = (
    (0x1F3FB, 0x1F3FF),  # colours of skin
    (0x1F6D8, 0x1F6DC), (0x1FA75, 0x1FA77), (0x1FA87, 0x1FA8F), (0x1FAAD, 0x1FAAF), (0x1FABB, 0x1FABF),
    (0x1FAC6, 0x1FACF), (0x1FADA, 0x1FADF), (0x1FAE8, 0x1FAEF), (0x1FAF7, 0x1FAFF),
)  # fmt: skip
LEFT_OUT = frozenset(code for first, last in _RUNS for code in range(first, last + 1))
"""Modifiers, and what Unicode named after version 14: every Python names the others, so that all get the same pairs."""


class WithSplits:
    """What captioned and labelled pictures share: a name, a list of pictures, and splits of their positions."""

    def __len__(self):
        return len(self.pictures)

    def __repr__(self):
        splits = "".join(f", {name} {len(positions):,}" for name, positions in self.splits.items())
        return f"{type(self).__name__}({self.name!r}, {self._summary()}{splits})"

    def split(self, *names):
        """Return the pictures of these splits, in this order. Raises `DataError` if there is no such split."""
        for name in names:
            if name not in self.splits:
                has = ", ".join(self.splits) or f"none: {len(self)} pictures are too few to split, or a part of others"
                raise DataError(f"{self.name} has no split {name!r}; it has: {has}")
        return self.subset(i for name in names for i in self.splits[name])


def fixed_splits(strata, test=150, validation=150, seed=0) -> dict:
    """Split n items into train, validation and test, in the same way on every machine.

    Parameters
    ----------
    strata : sequence of str
        One for each item; each split gets its share of every stratum that has at least four items.
    test, validation : int or float
        A number of items, or a fraction: of all items for `test`, of the rest for `validation`.
    seed : int
        Another one draws other splits.
    """
    counts = Counter(strata)
    strata = np.array([s if counts[s] >= 4 else "" for s in strata])
    if Counter(strata.tolist()).get("", 4) < 4:  # the small strata together are still too small
        strata[strata == ""] = max(counts, key=counts.get)
    rest, tested = _draw(np.arange(len(strata)), test, strata, seed)
    train, validated = _draw(rest, validation, strata[rest], seed)
    return {"train": train.tolist(), "validation": validated.tolist(), "test": tested.tolist()}


def _draw(items, size, strata, seed):
    """scikit-learn's split, stratified where both sides have a place for every stratum."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    held_out = size if isinstance(size, int) else int(np.ceil(size * len(items)))
    counts = Counter(strata.tolist())
    fits = len(counts) <= min(held_out, len(items) - held_out) and min(counts.values()) >= 2
    return train_test_split(items, test_size=size, stratify=strata if fits else None, random_state=seed)


@dataclass(frozen=True, repr=False)
class Pairs(WithSplits):
    """Captioned pictures; item i of every list is pair i.

    Attributes
    ----------
    name, licence : str
    pictures : list of Path or PIL.Image.Image
    captions, ids, groups : list of str
        `ids` are unique and the same on every machine; `groups` name a taxonomy or source, or are ``""``.
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

    def subset(self, positions) -> "Pairs":
        """Return the pairs at `positions`, in that order, without splits."""
        positions = list(positions)
        picked = {f: [getattr(self, f)[i] for i in positions] for f in ("pictures", "captions", "ids", "groups")}
        return replace(self, **picked, splits={})

    def _summary(self):
        return f"{len(self):,} pairs"


def load_pairs(name=DEFAULT_BANK, *, language=None, progress=True) -> Pairs:
    """Load captioned pictures.

    Raises `DataError` if the data set is not known or cannot be fetched, the table is not as described, or there are
    too few captions in a language. Raises `ChecksumError` if the files do not have the catalogue's checksum.

    Parameters
    ----------
    name : str or Path
        ``"stamps"``, ``"clipart"``, ``"emoji"``, or a folder with a captions table: ``metadata.csv``, ``.jsonl`` or
        ``.parquet`` (the layout that `datasets` calls imagefolder), with the columns ``file_name`` and ``caption`` (or
        ``text``) and, if you like, ``group`` and ``split``.
    language : str, optional
        Of the stamps' captions, such as ``"de"``. Default: English. Stamps without a translation are left out,
        and a warning names them; the others stay in their splits.

    Returns
    -------
    Pairs
        Stamps: 793 pairs; clipart: 3,690, with noisy captions; emoji: 1,308. Splits: validation (150), test (150),
        train (the rest), stratified by the taxonomy. A folder: its column ``split``, else 70, 15 and 15 %.
    """
    check_known(name, "pairs")
    if language is not None and str(name) != "stamps":
        raise DataError(f"{name}: its captions are in one language; leave out the language, or take the stamps")
    if name not in LOADERS:
        return _load_captions_folder(Path(name))
    pairs = LOADERS[name](fetch(name, progress=progress))
    return pairs if language in (None, "en") else _in_language(pairs, language)


def _in_language(pairs, language):
    """The pairs that have a caption in the language, with this caption and in their own splits."""
    by_language = [read_translations(picture.with_suffix(".txt")) for picture in pairs.pictures]
    position = {old: new for new, old in enumerate(i for i, each in enumerate(by_language) if language in each)}
    if not position:
        codes = sorted(set().union(*by_language))
        near = [code for code in codes if code[:2].lower() == str(language)[:2].lower()]
        hint = f"did you mean {' or '.join(near)}?" if near else f"the languages: {', '.join(codes)}"
        raise DataError(f"{pairs.name}: has no captions in {language!r}; {hint}")
    splits = {name: [position[i] for i in split if i in position] for name, split in pairs.splits.items()}
    if min(map(len, splits.values())) < FEWEST:
        counts = ", ".join(f"{name} {len(split)}" for name, split in splits.items())
        fault = f"{pairs.name}: has only {len(position)} captions in {language!r} ({counts})"
        raise DataError(f"{fault}; choose one with {FEWEST} in each split")
    if missing := [id for i, id in enumerate(pairs.ids) if i not in position]:
        left_out = f"{len(missing)} of {len(pairs)} have no caption in {language!r}, and are left out"
        warnings.warn(f"{pairs.name}: {left_out}: {first_names(missing)}", stacklevel=3)
    captions = [by_language[i][language] for i in position]
    return replace(pairs.subset(position), name=f"{pairs.name}-{language}", captions=captions, splits=splits)


def _load_stamps(folder):
    files = sorted(folder.rglob("*.png"), key=lambda file: file.relative_to(folder).parts)
    ids = [file.relative_to(folder).as_posix() for file in files]
    captions = [read_translations(file.with_suffix(".txt"))["en"] for file in files]
    return _cut_outs("stamps", folder, captions, ids, [i.rpartition("/")[0] for i in ids])


def _load_clipart(folder):
    table = read_captions(folder / "metadata.csv")
    return _cut_outs("clipart", folder, table.caption.tolist(), table.file_name.tolist(), table.group.tolist())


def _load_emoji(folder):
    """The pictures are drawn into a folder beside the font, and again if they are no longer as they were drawn."""
    font, drawn = folder / FONT, folder.with_name("emoji-drawn")
    codes, captions, groups = map(list, zip(*list_emoji(font), strict=True))
    ids, seal = [f"{code:x}.png" for code in codes], drawn / "sha256.txt"
    try:
        intact = seal.read_text() == digest_of_files([drawn / i for i in ids], drawn)
    except (OSError, ValueError):
        intact = False
    if not intact:
        drawn.mkdir(parents=True, exist_ok=True)
        with scratch_beside(drawn) as scratch:
            draw_emoji(font, scratch / "files")
            digest = digest_of_files((scratch / "files").iterdir(), scratch / "files")
            for i in ids:
                os.replace(scratch / "files" / i, drawn / i)
        write_whole(seal, digest.encode())
    return _cut_outs("emoji", drawn, captions, ids, groups)


def list_emoji(font) -> list:
    """Return (code point, name, block) of every emoji that the font file can draw, in Unicode's order."""
    drawn = ImageFont.truetype(font, SIZE)
    return [
        (code, unicodedata.name(chr(code)).lower(), block)
        for block, (first, last) in BLOCKS.items()
        for code in range(first, last + 1)
        if code not in LEFT_OUT and drawn.getmask(chr(code)).getbbox()
    ]


def draw_emoji(font, folder):
    """Draw every emoji of the font file on white, as ``CODE.png`` in a new folder."""
    folder.mkdir()
    drawn = ImageFont.truetype(font, SIZE)
    for code, _, _ in list_emoji(font):
        picture = Image.new("RGB", CANVAS, "white")
        ImageDraw.Draw(picture).text((0, 0), chr(code), font=drawn, embedded_color=True)
        picture.save(folder / f"{code:x}.png")


def _cut_outs(name, folder, captions, ids, groups):
    """Pairs of the catalogue whose pictures have no edge, split by the first level of their groups."""
    pictures = [folder / i for i in ids]
    splits = fixed_splits([group.split("/")[0] for group in groups])
    return Pairs(name, pictures, captions, ids, groups, splits, catalogue()[name]["licence"])


LOADERS = {"stamps": _load_stamps, "clipart": _load_clipart, "emoji": _load_emoji}


def _load_captions_folder(folder):
    folder = folder.resolve()  # so that a bank of the pictures works from any folder
    files = visible_files(folder)
    tables = [f for f in files if f.parent == folder and f.suffix in TABLE_SUFFIXES and f.is_file()]
    if len(tables) != 1:
        found = ", ".join(file.name for file in tables) or "none"
        raise DataError(f"{folder}: needs one captions table, such as metadata.csv; found: {found}")
    table = read_captions(tables[0])
    if unnamed := sorted({f.relative_to(folder).as_posix() for f in files} - {tables[0].name, *table.file_name}):
        warnings.warn(f"{folder}: not in {tables[0].name}, so not used: {first_names(unnamed)}", stacklevel=3)
    groups = table["group"].tolist() if "group" in table else [""] * len(table)
    if "split" in table:
        splits = {name: np.flatnonzero(table.split == name).tolist() for name in table.split.unique() if name}
    else:
        splits = fixed_splits(groups, 0.15, 0.15 / 0.85) if len(table) >= 20 else {}
    ids, pictures = table.file_name.tolist(), [folder / name for name in table.file_name]
    return Pairs(folder.name, pictures, table.caption.tolist(), ids, groups, splits)
