"""The choice of pairs to remove: by their ids, or by values of the table's columns."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asif_lib.errors import BankError, first_names

from .writing import NO_ROWS


def checked_ids(ids) -> list:
    """Return `ids` as a list; raise `BankError` if they cannot be right for any bank."""
    ids = ids if isinstance(ids, str) else list(ids)
    if isinstance(ids, str) or not ids or not all(isinstance(id, str) for id in ids):
        raise BankError(f"ids is a list of one text or more, not {ids!r:.80}; nothing was changed")
    if twice := [id for id, count in Counter(ids).items() if count > 1]:
        raise BankError(f"named more than once: {first_names(sorted(twice))}")
    return ids


def positions_of(bank, ids) -> np.ndarray:
    """Return the positions, ascending, of the pairs with these ids; raise `BankError` if one is not there."""
    there, positions = bank.find_ids(ids)
    if not there.all():
        missing = [id for id, found in zip(ids, there, strict=True) if not found]
        raise BankError(f"bank {bank.name!r} has no pair {first_names(missing)}; nothing was changed")
    return positions


def positions_with(bank, values) -> np.ndarray:
    """Return the positions, ascending, of the pairs with all these `values`, by column; `BankError` if no pair fits."""
    if unknown := [name for name in values if name not in bank.columns]:
        fault = f"bank {bank.name!r} has no column {unknown[0]!r}"
        raise BankError(f"{fault}; its columns are {', '.join(bank.columns)}; nothing was changed")
    found, first, occurs = [NO_ROWS], 0, dict.fromkeys(values, False)
    for batch in bank.batches(list(values)):
        fits = np.ones(len(batch), bool)
        for name, value in values.items():
            equal = _equal(name, batch.column(name), value)
            occurs[name] |= equal.any()
            fits &= equal
        found.append(first + np.flatnonzero(fits))
        first += len(batch)
    positions = np.concatenate(found)
    if not len(positions):
        lacking = {name: values[name] for name in values if not occurs[name]} or values
        raise BankError(f"bank {bank.name!r} has no pair with {in_words(lacking)}; nothing was changed")
    return positions


def _equal(name, column, value) -> np.ndarray:
    """Return which entries of an Arrow array equal a value; a text is read as the type of the column."""
    try:
        wanted = pa.scalar(value).cast(column.type) if isinstance(value, str) else value
        return pc.fill_null(pc.equal(column, wanted), False).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, OverflowError, TypeError, UnicodeError):
        fault = f"the column {name!r} holds values of the type {column.type}, and {value!r:.80} is none"
        raise BankError(f"{fault}; nothing was changed") from None


def in_words(values) -> str:
    """Write values by column: ``group = 'food' and split = 'train'``."""
    return " and ".join(f"{name} = {value!r}" for name, value in values.items())
