"""The choice of pairs to remove: by id, by position, or by an SQL condition over the table's columns."""

import contextlib
import re
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import Future
from itertools import accumulate

import numpy as np
import pyarrow as pa

from asif_lib.datasets.folders import first_names
from asif_lib.errors import BankError, first_line

FUNCTIONS = frozenset({
    "abs", "coalesce", "glob", "ifnull", "instr", "length", "like", "lower", "ltrim", "max", "min", "nullif",
    "replace", "round", "rtrim", "substr", "substring", "trim", "unicode", "upper",
})  # fmt: skip
"""The functions of SQLite that a condition may use."""
CONDITION_SECONDS = 60
"""The time limit for the evaluation of a condition over all pairs."""
LONGEST_TEXT = 1_000_000
"""Bytes of a text that a condition may read or make: ``replace`` could fill the memory, and ``trim`` take hours."""


def selection(seen, ids=None, where=None, rows=None):
    """Check a choice of pairs, by ids, by an SQL condition or by positions in the store `seen`.

    Returns
    -------
    callable
        From the newest store of the bank to the sorted rows of the chosen pairs.

    Raises
    ------
    BankError
        If not exactly one choice is given, or it cannot be right for any store.
    """
    if sum(choice is not None for choice in (ids, where, rows)) != 1:
        raise BankError("say which pairs to remove in one way: by ids, where or rows")
    if rows is not None:
        positions = _check_positions(rows, len(seen))
        return lambda store: store.rows_of_positions(positions, seen)
    if ids is not None:
        ids = _check_ids(ids)
        return lambda store: _rows_of_ids(store, ids)
    return lambda store: _check_fit(store.rows_of_condition(where), where)


def _check_ids(ids) -> list:
    if isinstance(ids, str):
        raise BankError(f"ids = {ids!r} is one string; pass a list of ids")
    ids = list(ids)
    if not ids:
        raise BankError("there is no id of a pair to remove")
    others = [id for id in ids if not isinstance(id, str)]
    if others:
        raise BankError(f"ids are texts, and {others[0]!r} is no text; nothing was removed")
    twice = [id for id, count in Counter(ids).items() if count > 1]
    if twice:
        raise BankError(f"named more than once: {first_names(sorted(twice))}")
    return ids


def _check_positions(rows, count) -> np.ndarray:
    """Return positions among `count` pairs, sorted, from a list of positions or a mask."""
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


def _rows_of_ids(store, ids):
    there, rows = store.find_ids(ids)
    if not there.all():
        missing = [id for id, found in zip(ids, there, strict=True) if not found]
        raise BankError(f"bank {store.name!r} has no pair {first_names(missing)}; nothing was removed")
    return rows


def _check_fit(rows, where):
    if not len(rows):
        raise BankError(f"no pair fits the condition {where!r}; nothing was removed")
    return rows


def rows_that_fit(batches, names, where) -> np.ndarray:
    """Return the sorted rows of a table with columns `names` that fit an SQL condition.

    SQLite evaluates the condition on a table in memory that holds one batch, and only the columns that the condition
    reads. Its authorizer allows reads of these columns and the functions listed above, and nothing else: no second
    SELECT, no file, no setting. SQLite looks at the clock between two functions only; the caller therefore waits for
    a thread, and leaves it to its end when the time is over.

    Parameters
    ----------
    batches : callable
        From the names of columns to ``(position of the first row, batch of these columns)``, one after another.

    Raises
    ------
    BankError
        If the condition cannot be used.
    """
    condition, answer = _checked(where, names), Future()
    threading.Thread(target=_answer, args=(answer, batches, names, condition), daemon=True).start()
    try:
        return answer.result(timeout=CONDITION_SECONDS + 1)
    except (sqlite3.Error, sqlite3.Warning, pa.ArrowNotImplementedError, OverflowError, UnicodeError) as error:
        reason = first_line(error)
    except TimeoutError:
        reason = "interrupted"
    raise BankError(
        f"the condition {where!r} cannot be used ({reason}); compare columns of the table, as in "
        f"caption like '%cat%' or group = 'food': of SQL, only that and functions of text and numbers can be used"
    )


def _answer(answer, batches, names, condition):
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            answer.set_result(_rows(connection, batches, names, condition))
    except BaseException as error:  # the caller raises it
        answer.set_exception(error)


def _rows(connection, batches, names, condition):
    position = _name(max(names, key=len) + "_")  # longer than any column's name, so a new one
    connection.execute(f"CREATE TABLE pairs ({position} INTEGER PRIMARY KEY, {', '.join(map(_name, names))})")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)  # a longer one may take forever
    deadline = time.monotonic() + CONDITION_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    fitting = f"FROM pairs WHERE (\n{condition}\n) IS TRUE"
    read = _columns_read(connection, f"SELECT 1 {fitting}", names)
    query = f"SELECT {position} - 1 {fitting} ORDER BY {position}"
    found = [start + _rows_of_batch(connection, query, batch) for start, batch in batches(read or names[:1])]
    return np.concatenate([np.empty(0, np.int64), *found])


def _columns_read(connection, query, names):
    """Return the columns of `names` that a query reads; the query runs, on the empty table, only if it is safe."""
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
    """Return the sorted rows of a batch that fit; if the query reads one column, it sees each value once."""
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
    """Check that a condition is one expression of SQL, and quote ``group``, a keyword, where it is a column.

    SQLite reads a name in double quotes as a string if no column has this name, so a misspelt column would go
    unnoticed. A bracket or a comment could end the expression and change the query around it.
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
