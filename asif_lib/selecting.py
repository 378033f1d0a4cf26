"""Which pairs of a bank to edit: by id, by position, or by an SQL condition over the table's columns."""

import re
import sqlite3
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from .bank_files import BLOCK, id_digests, read_rows
from .errors import BankError, first_line

FUNCTIONS = frozenset({
    "abs", "coalesce", "glob", "ifnull", "instr", "length", "like", "lower", "ltrim", "max", "min", "nullif",
    "replace", "round", "rtrim", "substr", "substring", "trim", "unicode", "upper",
})  # fmt: skip
"""SQLite's functions that a condition may use."""
CONDITION_SECONDS = 60


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
    """Return the sorted rows of pairs by id. Raises `BankError` if one is not there, or named twice."""
    check_ids(ids)
    there, rows = find_ids(bank, ids)
    if not there.all():
        raise_ids_missing(name, [id for id, found in zip(ids, there, strict=True) if not found])
    return rows


def check_ids(ids):
    """Raise `BankError` unless `ids` is a list of ids, each there once."""
    if isinstance(ids, str):
        raise BankError(f"ids = {ids!r} is one string; pass a list of ids")
    if not len(ids):
        raise BankError("there is no id of a pair to remove")
    twice = {id for id in ids if list(ids).count(id) > 1} if len(set(ids)) < len(ids) else ()
    if twice:
        raise BankError(f"named more than once: {some(sorted(twice))}")


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
            alike = (wanted >= 0) & (block[:, 1] == digests[wanted, 1])
            hits = np.flatnonzero(alike & bank.live(start + first, start + first + len(block)))
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
    return np.sort(rows)


def rows_of_positions(bank, name, positions, seen):
    """Return the rows of sorted positions among the pairs that are left."""
    check_seen(bank, name, seen)
    left_before = bank.removed - np.arange(len(bank.removed))
    return positions + np.searchsorted(left_before, positions, side="right")


def rows_of_condition(bank, where):
    """Return the sorted rows that fit an SQL condition."""
    found = [
        start + np.flatnonzero(bank.live(start, start + len(fits)) & fits)
        for start, fits in _batches_that_fit(bank.tables(), where)
    ]
    return check_fit(np.concatenate(found), where)


def check_fit(rows, where):
    """Raise `BankError` if no row is left."""
    if not len(rows):
        raise BankError(f"no pair fits the condition {where!r}; nothing was removed")
    return rows


def positions_of_condition(table, where):
    """Return the sorted positions of the rows of a DataFrame that fit an SQL condition."""
    batches, start = [], 0
    for batch in pa.Table.from_pandas(table, preserve_index=False).to_batches(BLOCK):
        batches.append((start, batch))
        start += len(batch)
    return check_fit(np.concatenate([s + np.flatnonzero(f) for s, f in _batches_that_fit(batches, where)]), where)


def _batches_that_fit(batches, where):
    """Yield ``(start, bools)``: which rows of each batch fit an SQL condition over the table's columns.

    SQLite evaluates it on a table in memory that holds one batch. Its authorizer refuses everything but reading
    that table's columns and the functions listed above: no second SELECT, no file, no setting.
    """
    connection = sqlite3.connect(":memory:")
    try:
        yield from _evaluate(connection, batches, where)
    except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
        raise BankError(
            f"the condition {where!r} cannot be used ({first_line(error)}); compare columns of the table, as in "
            f"caption like '%cat%' or group = 'food': of SQL, only that and functions of text and numbers can be used"
        ) from None
    finally:
        connection.close()


def _evaluate(connection, batches, where):
    columns = None
    for start, batch in batches:
        if columns is None:
            columns = batch.schema.names
            condition = _quoted(where, columns)
            marks = ", ".join("?" * len(columns))
            connection.execute(f"CREATE TABLE pairs ({', '.join(map(_name, columns))})")
        connection.set_authorizer(None)
        connection.execute("DELETE FROM pairs")
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        connection.executemany(f"INSERT INTO pairs VALUES ({marks})", rows)
        connection.set_authorizer(_authorizer())
        deadline = time.monotonic() + CONDITION_SECONDS
        connection.set_progress_handler(lambda deadline=deadline: time.monotonic() > deadline, 100_000)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)  # a longer one may take for ever
        found = connection.execute(f"SELECT (\n{condition}\n) IS TRUE FROM pairs ORDER BY rowid").fetchall()
        connection.set_progress_handler(None, 0)
        if np.shape(found) != (len(batch), 1):
            raise sqlite3.Error("it is more than a condition")
        yield start, np.array(found, bool)[:, 0]


def _authorizer():
    selects = 0

    def allow(action, first, second, database, trigger):
        nonlocal selects
        selects += action == sqlite3.SQLITE_SELECT
        allowed = (
            (action == sqlite3.SQLITE_SELECT and selects == 1)
            or (action == sqlite3.SQLITE_READ and first == "pairs")
            or (action == sqlite3.SQLITE_FUNCTION and second.lower() in FUNCTIONS)
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return allow


def _quoted(where, columns):
    """The condition with ``group``, a keyword of SQL, quoted as the column that it is here.

    SQLite takes a name in double quotes that is no column for a string: a misspelt column would go unnoticed.
    """

    def quote(match):
        token = match.group()
        if token.startswith('"') and token[1:-1].lower() not in [name.lower() for name in columns]:
            raise BankError(
                f"the condition {where!r} names {token}, which is no column ({', '.join(columns)}); write text in "
                f"single quotes"
            )
        return token if token[0] in "'\"" else _name(token)

    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\bgroup\b", quote, where, flags=re.IGNORECASE)


def _name(column):
    return '"' + column.replace('"', '""') + '"'
