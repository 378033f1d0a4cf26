"""Checks of a bank and of an edit, and the choice of pairs to remove.

`check_content` looks at everything that a person gives: matrices, table, ids, names. An edit looks at new pairs with it
once, and compares them with the bank that they join by `check_fits`: on disk under the lock.
"""

import hashlib
import json
import re
from collections import Counter
from contextlib import suppress
from functools import reduce

import numpy as np
import pandas as pd
import torch

from asif_lib.encoders.identity import EXTERNAL, EncoderIdentity, checked_identity, external_identity
from asif_lib.errors import BankError, first_line, first_names
from asif_lib.files import parse_json
from asif_lib.search.rows import PART

from .matrices import FLOATS, LARGEST, SMALLEST
from .record import COLUMNS, SIDE, BankRecord

IMAGE_TEXT = ("image", "text")
"""The sides of an image–text bank."""
RESERVED = ("pairs", "name", "licence")
"""Names that a side cannot have: they are attributes of every bank."""


def check_sides(sides):
    """Raise `BankError` unless `sides` are two different names that files can have."""
    names = [sides] if isinstance(sides, str) else list(sides)
    if len(names) != 2 or names[0] == names[1]:
        raise BankError(f"a bank has two sides of different names, as in sides=('english', 'german'), not {names}")
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(SIDE, name) or name in RESERVED or "encoder" in name:
            fault = f"{name!r} is no name of a side"
            raise BankError(f"{fault}: take small letters, digits and _, and none of {', '.join(RESERVED)}, encoder")


def check_dtype(dtype):
    """Raise `BankError` unless a bank can keep embeddings in that dtype."""
    if dtype not in FLOATS:
        raise BankError(f"a bank does not keep embeddings in {dtype}; take one of {', '.join(map(str, FLOATS))}")


def check_matrix(side, matrix):
    """Raise `BankError` unless the embeddings of a side are a matrix that a bank can keep."""
    if not isinstance(matrix, torch.Tensor):
        raise BankError(f"the {side} embeddings are a {type(matrix).__name__}: pass a Tensor, or `from_embeddings`")
    check_dtype(matrix.dtype)
    if matrix.ndim != 2 or not len(matrix):
        raise BankError(f"the {side} embeddings have the shape {tuple(matrix.shape)}; they are (n, d), n > 0 pairs")
    if matrix.requires_grad or matrix.layout != torch.strided or matrix.device.type != "cpu":
        raise BankError(f"the {side} embeddings are no plain matrix in memory: pass z.detach().cpu().to_dense()")


def identity_of(side, encoder, embeddings) -> EncoderIdentity:
    """Return the identity of the encoder that made the `embeddings` (n, d) of a side.

    A name is external, of the kind that the side is called. Without `encoder`, the embeddings' content is the identity.
    """
    if isinstance(encoder, str):
        return external_identity(side, encoder, embeddings.shape[1])
    if encoder is not None:
        return checked_identity(side, encoder)
    checksum = hashlib.sha256(embeddings.contiguous().view(torch.uint8).numpy()).hexdigest()
    return EncoderIdentity(side, f"unnamed {checksum[:8]}", EXTERNAL, checksum, "unknown", embeddings.shape[1])


def check_content(bank):
    """Raise `BankError` unless the embeddings, the table and the encoders of a bank in memory fit together.

    That is: if the counts of rows or the dimensions differ, an embedding is not a finite floating-point number, an id
    or a caption is missing, an id occurs twice, or the table or the bank's name cannot be stored.
    """
    for side, identity in bank.encoders.items():
        needed, found = (len(bank.pairs), identity.dim), tuple(bank.rows(side).shape)
        if found != needed:
            fault = f"the {side} embeddings have the shape {found}"
            raise BankError(f"{fault}; {needed[0]} pairs for bank {bank.name!r} need {needed}")
    check_embeddings(bank)
    if missing := [name for name in COLUMNS if name not in bank.pairs]:
        raise BankError(f"the table of bank {bank.name!r} has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    whys = {"id": "pairs are known by their ids", "caption": "an anchor is named by its caption"}
    for column, why in whys.items():
        wrong = [not (isinstance(value, str) and value.strip()) for value in bank.pairs[column]]
        if any(wrong):
            which = np.flatnonzero(wrong) if column == "id" else bank.pairs["id"][wrong]
            raise BankError(f"{why}; the {column} is empty, or no text, in the pairs: {first_names(which)}")
    check_ids(bank.pairs)
    check_table(bank.pairs)
    sides = [{"name": side, "dtype": "", "encoder": vars(identity)} for side, identity in bank.encoders.items()]
    try:
        parse_json(json.dumps({"name": bank.name, "licence": bank.licence, "sides": sides}).encode(), BankRecord)
    except (TypeError, ValueError) as error:
        raise BankError(f"bank {bank.name!r} cannot be stored ({first_line(error)})") from None


def check_table(pairs):
    """Raise `BankError` if Arrow cannot store a table. A browser has no Arrow, and stores none."""
    with suppress(ModuleNotFoundError):
        from .disk import plain_table

        plain_table(pairs)


def check_ids(pairs):
    """Raise `BankError` if an id occurs twice in a table."""
    if (twice := pairs["id"].duplicated()).any():
        raise BankError(f"these ids occur more than once among the pairs: {first_names(pairs['id'][twice])}")


def check_embeddings(bank):
    """Raise `BankError` with the ids of the pairs if an embedding is not finite, too large, too small, or zero."""
    for side in bank.sides:
        rows = bank.rows(side)
        largest = torch.zeros(len(rows), dtype=torch.float64)  # (n,), the absolute value; NaN if one is NaN
        for start, block in rows.blocks(PART) if rows.shape[1] else ():
            largest[start : start + len(block)] = block.abs().amax(dim=1)
        faults = {"not finite (NaN or infinity), or beyond 2**20,": ~(largest <= LARGEST)}
        faults["zero, which has no direction"] = largest == 0
        faults["below 2**-100 (8e-31), too small for a mean in single precision,"] = largest < SMALLEST
        for fault, bad in faults.items():
            if bad.any():
                what = f"at the bank's precision {bank.dtypes[side]} the {side} embedding is {fault}"
                raise BankError(f"{what} of: {first_names(bank.pairs['id'][bad.numpy()])}")


def check_encoders(bank, other):
    """Raise an error unless two banks have the same sides, made by the same encoders."""
    if bank.sides != other.sides:
        sides = f"the sides {' and '.join(bank.sides)}, and bank {other.name!r} the sides {' and '.join(other.sides)}"
        raise BankError(f"bank {bank.name!r} has {sides}: their embeddings cannot be compared")
    for side, identity in other.encoders.items():
        bank.check_encoder(identity, side)


def check_columns(bank, new):
    """Raise `BankError` unless the tables of two banks have the same columns."""
    if set(new.columns) != set(bank.columns):
        raise BankError(f"the tables have other columns: {', '.join(bank.columns)}, and {', '.join(new.columns)}")


def check_fits(bank, new):
    """Raise an error unless the pairs of the bank `new` can join `bank`, the newest version."""
    check_encoders(bank, new)
    if bank.dtypes != new.dtypes:
        raise BankError(f"bank {bank.name!r} was changed meanwhile: load it again")
    check_columns(bank, new)
    check_ids_free(bank, new.pairs["id"])


def check_ids_free(bank, ids):
    """Raise `BankError` if the bank has pairs with some of these ids."""
    ids = pd.Index(ids).unique()
    there, _ = bank.find("id", ids)
    if there.any():
        fault = f"bank {bank.name!r} has these ids already: {first_names(ids[there])}"
        raise BankError(f"{fault}; remove them first, or give the new ones others")


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
