"""The choice of pairs to remove: by id, or by an SQL condition over the table's columns."""

import contextlib
import re
import sqlite3
import time
from collections import Counter

import numpy as np
import pyarrow as pa

from asif_lib.errors import BankError, first_line, first_names

CONDITION_SECONDS = 60
"""The time limit for the evaluation of a condition over all pairs."""
LONGEST_TEXT = 50_000
"""Bytes of a text that a condition may read or make. SQLite looks at the time between two calls of a function, and one
call, such as ``instr`` in what ``replace`` made, may take the square of this number."""
LOOK_EVERY = 10
"""Instructions of SQLite between two looks at the time: a few calls of functions."""


def check_choice(ids, where):
    """Return `ids` as a list, and `where`; raise `BankError` if they cannot be right for any bank."""
    if (ids is None) == (where is None):
        raise BankError("say which pairs to remove in one way: by ids or where")
    if ids is None:
        return None, where
    ids = ids if isinstance(ids, str) else list(ids)
    if isinstance(ids, str) or not ids or not all(isinstance(id, str) for id in ids):
        raise BankError(f"ids is a list of one text or more, not {ids!r:.80}; nothing was changed")
    if twice := [id for id, count in Counter(ids).items() if count > 1]:
        raise BankError(f"named more than once: {first_names(sorted(twice))}")
    return ids, where


def positions_of(bank, ids, where) -> np.ndarray:
    """Return the positions, ascending, of the chosen pairs of a bank; raise `BankError` if they are not there."""
    if ids is not None:
        there, positions = bank.find_ids(ids)
        if not there.all():
            missing = [id for id, found in zip(ids, there, strict=True) if not found]
            raise BankError(f"bank {bank.name!r} has no pair {first_names(missing)}; nothing was changed")
        return positions
    positions = _positions_that_fit(bank, where)
    if not len(positions):
        raise BankError(f"no pair fits the condition {where!r}; nothing was changed")
    return positions


def _positions_that_fit(bank, where) -> np.ndarray:
    """Return the positions, ascending, of the pairs that fit an SQL condition.

    SQLite evaluates the condition on a table in memory, which holds one batch of pairs, and only the columns that the
    condition names. No other file can be attached, and a time limit counts for all batches together.
    """
    condition = _checked(where, bank.columns)
    columns = [name for name in bank.columns if name.lower() in condition.lower()] or ["id"]
    names, found = ", ".join(map(_quoted, columns)), [np.empty(0, np.int64)]
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(f'CREATE TABLE pairs ("#" INTEGER PRIMARY KEY, {names}) WITHOUT ROWID')
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)  # a longer one may take forever
            deadline = time.monotonic() + CONDITION_SECONDS
            connection.set_progress_handler(lambda: time.monotonic() > deadline, LOOK_EVERY)
            query = f'SELECT "#" FROM pairs WHERE (\n{condition}\n) IS TRUE ORDER BY "#"'
            first = 0
            for batch in bank.batches(columns):
                connection.execute("DELETE FROM pairs")
                connection.executemany(
                    f'INSERT INTO pairs ("#", {names}) VALUES (?{", ?" * len(columns)})',
                    zip(range(len(batch)), *(column.to_pylist() for column in batch.columns), strict=True),
                )
                found.append(first + np.fromiter((row for (row,) in connection.execute(query)), np.int64))
                first += len(batch)
    except (sqlite3.Error, sqlite3.Warning, pa.ArrowNotImplementedError, OverflowError, UnicodeError) as error:
        hint = "compare columns of the table, as in caption like '%cat%' or group = 'food'"
        raise BankError(f"the condition {where!r} cannot be used ({first_line(error)}); {hint}") from None
    return np.concatenate(found)


_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""


def _checked(where, names):
    """Check that a condition is one expression of SQL, and quote ``group``, a keyword, where it is a column.

    SQLite reads a name in double quotes as a string if no column has this name, so a misspelt column would go
    unnoticed. A second SELECT, or one made by a comment, would see one batch of pairs only.
    """
    if not isinstance(where, str):
        raise BankError(f"the condition {where!r} is no text; write it as in where=\"group = 'food'\"")
    columns = {name.lower() for name in names}
    bare = re.sub(_QUOTED, " ", where)
    if other := re.search(r"\bselect\b|\bvalues\b|/\*", bare, re.IGNORECASE):
        raise BankError(f"the condition {where!r} holds {other[0]}; compare columns of one pair")

    def quote(match):
        token = match.group()
        quoted = token[0] in '"`['
        if quoted and token[1:-1].replace(token[0] * 2, token[0]).lower() not in columns:
            fault = f"the condition {where!r} names {token}, which is no column ({', '.join(names)})"
            raise BankError(f"{fault}; write text in single quotes")
        return _quoted(token) if token.lower() in columns else token

    return re.sub(rf"{_QUOTED}|\bgroup\b", quote, where, flags=re.IGNORECASE)


def _quoted(column):
    return '"' + column.replace('"', '""') + '"'
