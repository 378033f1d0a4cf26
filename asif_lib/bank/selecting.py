"""The choice of pairs to remove: by their ids, or by values of the table's columns."""

from collections import Counter
from functools import reduce

import numpy as np

from asif_lib.errors import BankError, first_names


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
    there, positions = bank.find("id", ids)
    if not there.all():
        missing = [id for id, found in zip(ids, there, strict=True) if not found]
        raise BankError(f"bank {bank.name!r} has no pair {first_names(missing)}; nothing was changed")
    return positions


def positions_with(bank, values) -> np.ndarray:
    """Return the positions, ascending, of the pairs with all these `values`, by column; `BankError` if no pair fits."""
    found = {name: bank.find(name, [value]) for name, value in values.items()}
    positions = reduce(np.intersect1d, [where for _, where in found.values()])
    if not len(positions):
        lacking = {name: values[name] for name, (there, _) in found.items() if not there}
        raise BankError(f"bank {bank.name!r} has no pair with {in_words(lacking or values)}; nothing was changed")
    return positions


def in_words(values) -> str:
    """Write values by column: ``group = 'food' and split = 'train'``."""
    return " and ".join(f"{name} = {value!r}" for name, value in values.items())
