"""Which pairs of a bank to edit: by id, by position, or by an SQL condition over the table's columns."""

import re
import sqlite3
import time
from collections import Counter
from itertools import accumulate

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from asif_lib.errors import BankError, first_line
from asif_lib.search.matrices import read_rows

from .layout import BLOCK, id_digests, plain_table

FUNCTIONS = frozenset({
    "abs", "coalesce", "glob", "ifnull", "instr", "length", "like", "lower", "ltrim", "max", "min", "nullif",
    "replace", "round", "rtrim", "substr", "substring", "trim", "unicode", "upper",
})  # fmt: skip
"""SQLite's functions that a condition may use."""
CONDITION_SECONDS = 60
"""After which the evaluation of a condition, over all pairs, is stopped."""
LONGEST_TEXT = 10_000_000
"""Bytes of a text that a condition may read or make: ``replace`` could ask for all the memory there is."""


def some(names, most=5):
    """A few names, and how many more there are."""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_seen(bank, name, seen):
    """Raise `BankError` unless the newest version is the one that the user has seen."""
    if bank.entry != seen:
        raise BankError(
            f"bank {name!r} was changed meanwhile (version {seen['version']} was opened, {bank.entry['version']} of "
            f"{bank.entry['time']} is there now): load it again"
        )


def rows_of_ids(bank, name, ids):
    """Return the sorted rows of pairs by ids that `check_ids` has seen. Raises `BankError` if one is not there."""
    there, rows = find_ids(bank, ids)
    if not there.all():
        raise_ids_missing(name, [id for id, found in zip(ids, there, strict=True) if not found])
    return rows


def check_ids(ids) -> list:
    """Return ids as a list. Raises `BankError` unless each is a text, and there once."""
    if isinstance(ids, str):
        raise BankError(f"ids = {ids!r} is one string; pass a list of ids")
    ids = list(ids)
    if not ids:
        raise BankError("there is no id of a pair to remove")
    others = [id for id in ids if not isinstance(id, str)]
    if others:
        raise BankError(f"ids are texts, and {others[0]!r} is none; nothing was removed")
    twice = [id for id, count in Counter(ids).items() if count > 1]
    if twice:
        raise BankError(f"named more than once: {some(sorted(twice))}")
    return ids


def raise_ids_missing(name, ids):
    raise BankError(f"bank {name!r} has no pair {some(ids)}; nothing was removed")


def find_ids(bank, ids):
    """Return which of `ids`, each there once, the bank has, as bools, and the sorted rows of these."""
    digests = id_digests(ids)
    index = pd.Index(digests[:, 0])
    there, rows, start = np.zeros(len(digests), bool), [], 0
    like = torch.empty(0, digests.shape[1], dtype=torch.int64)
    for part in bank.parts:
        for first in range(0, len(part), 4 * BLOCK):
            here = np.arange(first, min(first + 4 * BLOCK, len(part)))
            block = read_rows(part.folder / "ids.safetensors", here, like).numpy()
            wanted = index.get_indexer(block[:, 0])
            hits = np.flatnonzero((wanted >= 0) & bank.live(start + first, start + first + len(block)))
            hits = hits[block[hits, 1] == digests[wanted[hits], 1]]
            there[wanted[hits]] = True
            rows.append(start + first + hits)
        start += len(part)
    return there, np.concatenate(rows)


def check_positions(rows, count):
    """Return positions among `count` pairs, sorted, from a list of positions or a mask.

    Raises
    ------
    BankError
        If a position is out of range or there twice, or a mask has another length.
    """
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (count,):
            raise BankError(f"the mask has the shape {rows.shape}; the bank has {count} pairs")
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or not len(rows):
        raise BankError("rows is a list of positions, or a mask, of at least one pair")
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= count:
        raise BankError(f"rows holds positions from 0 to {count - 1}, whole numbers")
    if len(np.unique(rows)) < len(rows):
        raise BankError("rows holds a position more than once")
    return np.sort(rows).astype(np.int64)


def rows_of_positions(bank, name, positions, seen):
    """Return the rows of sorted positions among the pairs that are left."""
    check_seen(bank, name, seen)
    left_before = bank.removed - np.arange(len(bank.removed))
    return positions + np.searchsorted(left_before, positions, side="right")


def rows_of_condition(bank, where):
    """Return the sorted rows that fit an SQL condition."""
    rows = _rows_that_fit(bank.tables, bank.schema.names, where)
    return check_fit(rows[bank.live(0, bank.rows)[rows]], where)


def positions_of_condition(table, where):
    """Return the sorted positions of the rows of a DataFrame that fit an SQL condition."""

    def batches(columns):
        start = 0
        for batch in plain_table(table[columns]).to_batches(BLOCK):
            yield start, batch
            start += len(batch)

    return check_fit(_rows_that_fit(batches, list(table), where), where)


def check_fit(rows, where):
    """Raise `BankError` if no row is left."""
    if not len(rows):
        raise BankError(f"no pair fits the condition {where!r}; nothing was removed")
    return rows


def _rows_that_fit(batches, names, where):
    """The sorted rows of a table with columns `names` that fit an SQL condition.

    SQLite evaluates it on a table in memory that holds one batch, and of it only the columns that the condition
    reads. Its authorizer refuses everything but reading the table's own columns and the functions listed above: no
    second SELECT, no file, no setting.

    Parameters
    ----------
    batches : callable
        From the names of columns to ``(position of the first row, batch of these columns)``, one after another.
    """
    condition = _checked(where, names)
    connection = sqlite3.connect(":memory:")
    try:
        position = _name(max(names, key=len) + "_")  # longer than any of them, so none of them
        connection.execute(f"CREATE TABLE pairs ({position} INTEGER PRIMARY KEY, {', '.join(map(_name, names))})")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)  # a longer one may take for ever
        deadline = time.monotonic() + CONDITION_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        fitting = f"FROM pairs WHERE (\n{condition}\n) IS TRUE"
        read = _columns_read(connection, f"SELECT 1 {fitting}", names)
        query = f"SELECT {position} - 1 {fitting} ORDER BY {position}"
        found = [start + _rows_of_batch(connection, query, batch) for start, batch in batches(read or names[:1])]
        return np.concatenate([np.empty(0, np.int64), *found])
    except (sqlite3.Error, sqlite3.Warning, pa.ArrowNotImplementedError, OverflowError, UnicodeError) as error:
        raise BankError(
            f"the condition {where!r} cannot be used ({first_line(error)}); compare columns of the table, as in "
            f"caption like '%cat%' or group = 'food': of SQL, only that and functions of text and numbers can be used"
        ) from None
    finally:
        connection.close()


def _columns_read(connection, query, names):
    """The columns of `names` that a query reads; it runs, on the empty table, only if it does nothing else."""
    read, selects = set(), 0

    def allow(action, first, second, database, trigger):
        nonlocal selects
        if action == sqlite3.SQLITE_READ and first == "pairs" and second in names:
            read.add(second)
            return sqlite3.SQLITE_OK
        selects += action == sqlite3.SQLITE_SELECT
        allowed = (
            (action == sqlite3.SQLITE_SELECT and selects == 1)
            or (action == sqlite3.SQLITE_READ and (first, second) == ("pairs", ""))  # no column at all
            or (action == sqlite3.SQLITE_FUNCTION and second.lower() in FUNCTIONS)
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(allow)
    connection.execute(query)
    connection.set_authorizer(None)
    return [name for name in names if name in read]


def _rows_of_batch(connection, query, batch):
    """The sorted rows of a batch that fit. Where one column is read, each of its values is looked at once."""
    columns = batch.columns
    if len(columns) == 1:
        encoded = columns[0].dictionary_encode("encode")
        columns = [encoded.dictionary]
    connection.execute("DELETE FROM pairs")
    connection.executemany(
        f"INSERT INTO pairs ({', '.join(map(_name, batch.schema.names))}) VALUES ({', '.join('?' * len(columns))})",
        zip(*(column.to_pylist() for column in columns), strict=True),
    )
    found = np.fromiter((row for (row,) in connection.execute(query)), np.int64)
    if len(columns) > 1:
        return found
    fits = np.zeros(len(columns[0]), bool)
    fits[found] = True
    return np.flatnonzero(fits[encoded.indices.to_numpy()])


_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""


def _checked(where, names):
    """The condition as one expression of SQL, with ``group``, a keyword, quoted where it is a column.

    SQLite takes a name in double quotes that is no column for a string: a misspelt column would go unnoticed. A
    bracket or a comment could end the expression, and so the query around it.
    """
    if not isinstance(where, str):
        raise BankError(f"the condition {where!r} is no text; write it as in where=\"group = 'food'\"")
    columns = {name.lower() for name in names}
    bare = re.sub(_QUOTED, " ", where)
    depths = list(accumulate((character == "(") - (character == ")") for character in bare))
    if "--" in bare or "/*" in bare or min(depths, default=0) < 0 or depths[-1:] not in ([], [0]):
        raise BankError(f"the condition {where!r} holds a comment, or a bracket without its other; leave it out")

    def quote(match):
        token = match.group()
        if token.startswith('"') and token[1:-1].replace('""', '"').lower() not in columns:
            raise BankError(
                f"the condition {where!r} names {token}, which is no column ({', '.join(names)}); write text in "
                f"single quotes"
            )
        return _name(token) if token.lower() in columns else token

    return re.sub(rf"{_QUOTED}|\bgroup\b", quote, where, flags=re.IGNORECASE)


def _name(column):
    return '"' + column.replace('"', '""') + '"'
