"""Edits of a bank on disk: add, remove, compact, undo. Each is one version, and none reads the embeddings that stay.

Each returns the `BankVersion` that it made, opened before others can edit the bank again.
"""

import contextlib

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import BankError

from .layout import BLOCK, MODALITIES, open_version, plain_table, read_about
from .selecting import check_seen, find_ids, some
from .sums import exact_sum
from .writing import add_version, changing, write_about, write_part

MAX_PARTS = 256
"""Parts that a bank may consist of: each holds a file open while the bank is in use."""


@contextlib.contextmanager
def _newest(folder, name):
    """Hold the lock of a bank that is there, and give its newest version."""
    read_about(folder, name)  # refuses what was deleted before a folder is made for the lock
    with changing(folder):
        yield open_version(folder, name)


def add(folder, name, new):
    """Append the pairs of the bank `new`, which `check_new` has seen, as one part."""
    with _newest(folder, name) as bank:
        if len(bank.parts) >= MAX_PARTS:
            raise BankError(f"bank {name!r} has {MAX_PARTS} parts; compact it (asif bank compact), then add again")
        there, _ = find_ids(bank, new.pairs["id"])
        if there.any():
            raise_ids_there(name, new.pairs["id"][there])
        like = {kind: getattr(bank.parts[0], kind) for kind in MODALITIES}
        check_columns(new, bank.schema.names)
        table = plain_table(new.pairs, bank.schema)
        chunks = slices({kind: getattr(new, kind) for kind in MODALITIES}, table)
        part, sums = write_part(folder, chunks, count=len(new), like=like, schema=bank.schema)
        about = {**bank.about, "parts": [*bank.about["parts"], part]}
        sums = {kind: bank.sums[kind] + sums[kind] for kind in MODALITIES}
        add_version(folder, about, f"added {_pairs(len(new))}", len(bank) + len(new), bank.removed, sums)
        return open_version(folder, name)


def slices(matrices, table):
    """Cut matrices and a table of as many rows into blocks, as `write_part` takes them."""
    for start in range(0, len(table), BLOCK):
        rows = {kind: matrix[start : start + BLOCK] for kind, matrix in matrices.items()}
        yield rows, table.slice(start, BLOCK).combine_chunks().to_batches()[0]


def remove(folder, name, select, what=""):
    """Mark pairs as removed.

    Parameters
    ----------
    select : callable
        From the `BankVersion` to the positions, sorted, of the rows to remove.
    what : str
        Which ones, for the history.
    """
    with _newest(folder, name) as bank:
        rows = select(bank)
        if len(rows) == len(bank):
            raise_all_removed(name, len(bank))
        sums = {kind: bank.sums[kind].clone() for kind in MODALITIES}
        start = 0
        for part in bank.parts:
            here = rows[(rows >= start) & (rows < start + len(part))] - start
            for block in np.split(here, range(BLOCK, len(here), BLOCK)) if len(here) else ():
                for kind in MODALITIES:
                    sums[kind] -= exact_sum(part.read(kind, block))
            start += len(part)
        removed = np.union1d(bank.removed, rows)
        add_version(folder, bank.about, f"removed {_pairs(len(rows))}{what}", len(bank) - len(rows), removed, sums)
        return open_version(folder, name)


def compact(folder, name):
    """Write what is left into one part, and delete all others and the history: what was removed is gone."""
    with _newest(folder, name) as bank:
        if len(bank.parts) == 1 and not len(bank.removed):
            return bank
        like = {kind: getattr(bank.parts[0], kind) for kind in MODALITIES}
        part, sums = write_part(folder, bank.chunks(mapped=False), count=len(bank), like=like, schema=bank.schema)
        about = {**bank.about, "parts": [part]}
        add_version(folder, about, "compacted", len(bank), np.empty(0, np.int64), sums, forget=True)
        return open_version(folder, name)


def undo(folder, name, seen):
    """Go back to the version before. `seen` is the entry of the version that the user looks at."""
    with _newest(folder, name) as bank:
        check_seen(bank, name, seen)
        history = bank.about["history"][:-1]
        if not history and bank.entry["version"] > 1:
            raise BankError(
                f"bank {name!r} was compacted at version {bank.entry['version']}: what was there before is deleted, "
                f"and cannot come back"
            )
        if not history:
            raise BankError(f"bank {name!r} is at version 1, as it was built: there is nothing to undo")
        parts = bank.about["parts"][: history[-1]["parts"]]
        write_about(folder, {**bank.about, "parts": parts, "history": history})
        return open_version(folder, name)


def difference(before, after):
    """The changes from one bank to another, as `AnchorBank.diff` describes them."""
    here, there = pd.Index(before.pairs["id"]), pd.Index(after.pairs["id"])
    for name, ids in ((before.name, here), (after.name, there)):
        if not ids.is_unique:
            twice = some(ids[ids.duplicated()].unique())
            raise BankError(f"pairs are compared by their ids; bank {name!r} has these more than once: {twice}")
    if set(before.pairs) != set(after.pairs):
        raise BankError(f"the tables have other columns: {', '.join(before.pairs)}, and {', '.join(after.pairs)}")
    position = torch.from_numpy(here.get_indexer(there))
    both = position >= 0
    same = both.clone()
    for kind in MODALITIES:
        ours, theirs = getattr(before, kind), getattr(after, kind)
        for block in torch.arange(len(after)).split(65_536):
            block = block[same[block]]
            same[block] = (ours[position[block]] == theirs[block]).all(dim=1)
    mine = before.pairs.iloc[position[both].tolist()].reset_index(drop=True)
    theirs = after.pairs.loc[both.numpy(), list(mine)].reset_index(drop=True)
    alike = (mine == theirs) | (mine.isna() & theirs.isna())
    same[both] &= torch.tensor(alike.all(axis=1).to_numpy(bool))
    change = np.where(position < 0, "added", np.where(same, "", "changed"))
    later = after.pairs[["id", "caption"]].assign(change=change)[change != ""]
    gone = before.pairs[["id", "caption"]].assign(change="removed")[~here.isin(there)]
    return pd.concat([gone, later], ignore_index=True)[["change", "id", "caption"]]


def _pairs(count):
    return "1 pair" if count == 1 else f"{count} pairs"


# -- what may be added -----------------------------------------------------------------------------------


def check_new(bank, new):
    """Raise an error unless the pairs of the bank `new` can be added to the bank; identities are checked already.

    Raises
    ------
    BankError
        If a dimension differs, an embedding is zero or not finite at the bank's precision, a caption is empty, or
        an id is there twice.
    """
    if not len(new):
        raise BankError("there is no pair to add")
    for kind, dim in zip(MODALITIES, (bank.image_encoder.dim, bank.text_encoder.dim), strict=True):
        matrix = getattr(new, kind)
        if matrix.ndim != 2 or matrix.shape != (len(new.pairs), dim):
            raise BankError(
                f"the {kind} embeddings have the shape {tuple(matrix.shape)}; {len(new.pairs)} pairs for bank "
                f"{bank.name!r} need ({len(new.pairs)}, {dim})"
            )
        for wrong, bad in (
            ("not finite (NaN or infinity)", ~torch.isfinite(matrix).all(dim=1)),
            ("zero, which has no direction", ~matrix.any(dim=1)),
        ):
            if bad.any():
                which = some(new.pairs["id"][bad.numpy()])
                raise BankError(f"at the bank's precision {matrix.dtype} the {kind} embedding is {wrong} of: {which}")
    whys = {"id": "pairs are known by their ids", "caption": "without a caption a picture is no anchor"}
    for column, why in whys.items():
        wrong = [not (isinstance(value, str) and value.strip()) for value in new.pairs[column]]
        if any(wrong):
            which = np.flatnonzero(wrong) if column == "id" else new.pairs["id"][wrong]
            raise BankError(f"{why}; empty, or no text, are those of the new pairs: {some(which)}")
    twice = new.pairs["id"].duplicated()
    if twice.any():
        raise BankError(f"ids that are there more than once among the new pairs: {some(new.pairs['id'][twice])}")


def check_columns(new, names):
    """Raise `BankError` unless the table of `new` has the columns of those names."""
    if set(new.pairs) != set(names):
        raise BankError(
            f"the table of the new pairs has the columns {', '.join(new.pairs)}; the bank's has {', '.join(names)}"
        )


def raise_ids_there(name, ids):
    raise BankError(f"bank {name!r} has these ids already: {some(ids)}; remove them first, or give the new ones others")


def raise_all_removed(name, count):
    raise BankError(f"that would remove all {count} pairs of bank {name!r}; a bank that is no longer wanted is deleted")
