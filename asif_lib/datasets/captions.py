"""Captions of pictures, in a table or by language: read strictly, so that each fault is named by its place."""

import csv
import json
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from asif_lib.errors import DataError, first_line, first_names

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
COLUMNS = ("file_name", "caption", "text", "group", "split")


def read_captions(file, *, pictures=True) -> pd.DataFrame:
    """Read a captions table; its columns ``file_name``, ``caption``, ``group`` and ``split`` hold strings.

    A column ``text`` stands for a missing ``caption``; ``group`` and ``split`` may be missing, and ``file_name`` too
    where no `pictures` are needed. Rows count from 1, in a CSV with the row of the names.

    Raises `DataError` if the file is not a table of its kind, or a value cannot be what its column says.
    """
    table = read_table(file, {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": pd.read_parquet}[file.suffix])
    for known in COLUMNS:
        similar = [name for name in map(str, table) if name.strip().lower() == known]
        if similar not in ([], [known]):
            names = ", ".join(map(repr, similar))
            raise DataError(f"{file}: has the columns {names}; keep one of them, and call it {known}")
    if "caption" not in table:
        table = table.rename(columns={"text": "caption"})
    needed = ["file_name", "caption"] if pictures else ["caption"]
    if not set(needed) <= set(table):
        has = ", ".join(map(str, table))
        raise DataError(f"{file}: needs the columns {' and '.join(needed)} (or text); it has: {has}")
    if table.empty:
        raise DataError(f"{file}: has no rows")
    table = _texts(file, table[[name for name in COLUMNS if name in table]])
    table["caption"] = table.caption.str.strip()
    _check_rows(file, table)
    return table


def read_table(file, reader=None) -> pd.DataFrame:
    """Read a table as it is, by default a CSV of texts, whose columns have names of their own.

    Raises `DataError` if it cannot be read.
    """
    try:
        if file.exists() and not file.is_file():
            raise ValueError("it is a folder, a pipe or a device")  # a pipe would be waited for
        table = (reader or _read_csv)(file)
        names = [name.strip().lower() for name in table if reader is None and name.strip()]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"it has two columns {twice[0]}; keep one")
        return table
    except (ValueError, OSError, csv.Error, RecursionError) as error:
        fault = "it is not in UTF-8: save it as CSV UTF-8" if isinstance(error, UnicodeError) else first_line(error)
        raise DataError(f"{file}: is not a readable {file.suffix[1:]} table ({fault})") from None


def read_translations(file) -> dict:
    """Read the caption of one picture in several languages; return language → caption.

    The first line is English (``en``); each other line has its language before it, as in ``de.utf8=Ein Biber.``.

    Raises `DataError` if a line holds no caption or no language, or the file is not UTF-8.
    """
    captions = {}
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines() or [""]
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: is damaged: byte {error.start} is not UTF-8; get the data set again") from None
    for number, line in enumerate(lines, 1):
        language, _, caption = line.partition(".utf8=") if number > 1 else ("en", "", line)
        if not language.strip() or not caption.strip() or language in captions:
            fault = f"line {number} ({line[:40]!r}) is not a caption of one more language, as de.utf8=Ein Biber. is"
            raise DataError(f"{file}: is damaged: {fault}; get the data set again")
        captions[language] = caption.strip()
    return captions


def _read_csv(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        separator = ";" if ";" in (head := lines.readline()) and "," not in head else ","  # some spreadsheets' own
        lines.seek(0)
        names, *rows = list(filter(None, csv.reader(lines, strict=True, delimiter=separator))) or [[]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            fault = f"row {number} has {len(row)} values for {len(names)} columns"
            raise ValueError(f"{fault}: put a text that holds {separator!r} into double quotes")
    return pd.DataFrame(rows, columns=names, dtype=object)


def _read_jsonl(file):
    rows = []
    with open(file, encoding="utf-8-sig") as lines:
        for line in filter(str.strip, lines):
            try:
                rows.append(json.loads(line, object_pairs_hook=_object))
            except ValueError as error:
                raise ValueError(f"row {len(rows) + 1}: {first_line(error)}") from None
            if not isinstance(rows[-1], dict):
                raise ValueError(f"row {len(rows)} is not an object with the columns as its keys")
    return pd.DataFrame(rows, dtype=object)


def _object(pairs):
    """Return an object of JSON; of two equal keys, Python's own reader would keep the last in silence."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a key occurs more than once among {', '.join(key for key, _ in pairs)}")
    return dict(pairs)


def _texts(file, table):
    """The table with a string in each cell; an empty cell is an empty string."""
    table = table.astype(object)
    for name in table:
        halves = table[name].map(lambda value: isinstance(value, str) and bool(re.search("[\ud800-\udfff]", value)))
        if halves.any():
            raise _fault(file, int(halves.argmax()), name, "holds half a character (a surrogate); write the whole one")
        single = table[name].map(lambda value: pd.api.types.is_scalar(value) and not isinstance(value, bytes))
        if not single.all():
            row = int(single.argmin())
            raise _fault(file, row, name, f"is a {type(table[name].iloc[row]).__name__}; write one text in each row")
    return table.fillna("").astype(str).reset_index(drop=True)


def _check_rows(file, table):
    if len(empty := table.index[table.caption == ""]):
        names = table.file_name if "file_name" in table else table.index + _first(file)
        raise DataError(f"{file}: rows without a caption: {first_names(names[i] for i in empty)}")
    if "file_name" in table:
        _check_names(file, table)
    spellings = {}
    for row, split in enumerate(table.get("split", ())):
        first = spellings.setdefault(split.strip().casefold(), split.strip())
        if split != first:
            raise _fault(file, row, "split", f"{split!r} differs from {first!r} in case or blanks; write them alike")


def _check_names(file, table):
    if len(nameless := table.index[table.file_name.str.strip() == ""]):
        raise DataError(f"{file}: rows without a file_name: {first_names(nameless + _first(file))}")
    for row, name in enumerate(table.file_name):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or str(path) != name:
            raise _fault(file, row, "file_name", f"{name!r} is not a path below the table's folder, such as a/b.png")
    if len(twice := table.file_name[table.file_name.duplicated()]):
        raise DataError(f"{file}: pictures named more than once: {first_names(twice)}")


def _first(file):
    return 2 if file.suffix == ".csv" else 1


def _fault(file, row, column, words):
    return DataError(f"{file}: row {row + _first(file)}, column {column}: {words}")
