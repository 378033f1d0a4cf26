"""Edits of a bank: the pairs that may be added or removed, and the difference between two banks."""

import json

import numpy as np
import pandas as pd
import torch

from asif_lib.datasets.folders import first_names
from asif_lib.errors import BankError, IdentityError, first_line
from asif_lib.files import parse_json
from asif_lib.search.rows import BLOCK

from .layout import COLUMNS, MODALITIES, plain_table
from .matrices import FLOATS
from .record import BankRecord
from .sums import LARGEST


def check_dtype(dtype):
    """Raise `BankError` unless a bank can keep its embeddings in that dtype."""
    if dtype not in FLOATS:
        known = ", ".join(map(str, FLOATS))
        raise BankError(f"a bank does not keep embeddings in {dtype}; take one of {known}")


def check_matrix(kind, matrix):
    """Raise `BankError` unless the embeddings of a modality are a matrix that a bank can keep."""
    if not isinstance(matrix, torch.Tensor):
        raise BankError(f"the {kind} embeddings are a {type(matrix).__name__}: pass a Tensor, or `from_embeddings`")
    check_dtype(matrix.dtype)
    if matrix.ndim != 2:
        raise BankError(f"the {kind} embeddings have the shape {tuple(matrix.shape)}; they are a matrix, a row a pair")
    if matrix.requires_grad or matrix.layout != torch.strided or matrix.device.type != "cpu":
        raise BankError(f"the {kind} embeddings are no plain matrix in memory: pass z.detach().cpu().to_dense()")


def check_pairs(bank):
    """Raise an error unless the embeddings, the table and the encoders of a bank fit together.

    Raises
    ------
    BankError
        If the counts of rows or the dimensions differ, an embedding is not a finite floating-point number, an id or a
        caption is missing, an id occurs twice, or the table or the bank's name cannot be stored.
    IdentityError
        If an encoder is of the other kind.
    """
    for kind, identity in zip(MODALITIES, (bank.image_encoder, bank.text_encoder), strict=True):
        found = getattr(identity, "kind", None)
        if found != kind:
            raise IdentityError(f"{identity} is an encoder of kind {found!r}; the bank needs one of {kind!r}")
        matrix = getattr(bank, kind)
        check_matrix(kind, matrix)
        if matrix.shape != (len(bank.pairs), identity.dim):
            raise BankError(
                f"the {kind} embeddings have the shape {tuple(matrix.shape)}; {len(bank.pairs)} pairs for bank "
                f"{bank.name!r} need ({len(bank.pairs)}, {identity.dim})"
            )
        wrong = "not finite (NaN or infinity), or beyond 2**20,"
        check_rows(bank, kind, wrong, lambda rows: ~(rows.float().abs() <= LARGEST).all(dim=1))
    missing = [name for name in COLUMNS if name not in bank.pairs]
    if missing:
        raise BankError(f"the table of bank {bank.name!r} has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    whys = {"id": "pairs are known by their ids", "caption": "without a caption a picture is no anchor"}
    for column, why in whys.items():
        wrong = [not (isinstance(value, str) and value.strip()) for value in bank.pairs[column]]
        if any(wrong):
            which = np.flatnonzero(wrong) if column == "id" else bank.pairs["id"][wrong]
            raise BankError(f"{why}; the {column} is empty, or no text, in the pairs: {first_names(which)}")
    check_ids(bank.pairs)
    plain_table(bank.pairs)
    about = {key: getattr(bank, key) for key in ("name", "licence", "image_encoder", "text_encoder")}
    try:
        parse_json(json.dumps({**about, "dtype": "", "parts": []}, default=vars).encode(), BankRecord)
    except (TypeError, ValueError) as error:
        raise BankError(f"bank {bank.name!r} cannot be stored ({first_line(error)})") from None


def check_ids(pairs):
    """Raise `BankError` if an id occurs twice in a table."""
    twice = pairs["id"].duplicated()
    if twice.any():
        raise BankError(f"these ids occur more than once among the pairs: {first_names(pairs['id'][twice])}")


def check_rows(bank, kind, wrong, find):
    """Raise `BankError` with the ids of the pairs for which `find(rows of embeddings)` is true."""
    bad = np.concatenate([find(block).numpy() for _, block in bank.rows(kind).blocks(BLOCK)] or [[]])
    if bad.any():
        which = first_names(bank.pairs["id"][bad])
        raise BankError(f"at the bank's precision {bank.rows(kind).dtype} the {kind} embedding is {wrong} of: {which}")


def check_new(bank, new):
    """Raise an error unless the pairs of the bank `new` can be added to the bank; identities are checked already.

    Raises
    ------
    BankError
        As `check_pairs`; or if an embedding is zero at the bank's precision.
    """
    if not len(new):
        raise BankError("there is no pair to add")
    check_directions(new)


def check_directions(bank):
    """Raise `BankError` if an embedding is zero: it has no cosine with anything."""
    for kind in MODALITIES:
        check_rows(bank, kind, "zero, which has no direction", lambda rows: ~rows.any(dim=1))


def check_identity(bank, identity):
    """Raise `IdentityError` unless `identity` is the encoder of that kind of a bank or its record."""
    own = bank.image_encoder if identity.kind == "image" else bank.text_encoder
    if identity != own:
        raise IdentityError(
            f"bank {bank.name!r} was made by {own}, not by {identity}: their embeddings cannot be compared; load the "
            f"bank's own encoder, or build a bank with this one"
        )


def check_precision(bank, matrices):
    """Raise `BankError` if an embedding of the bank is lost in `matrices`, the same rows in another dtype."""
    for kind, matrix in matrices.items():
        blocks = zip(getattr(bank, kind).split(BLOCK), matrix.split(BLOCK), strict=True)
        bad = torch.cat([(old.any(dim=1) & ~new.any(dim=1)) | ~new.isfinite().all(dim=1) for old, new in blocks])
        if bad.any():
            which = first_names(bank.pairs["id"][bad.numpy()])
            raise BankError(f"in {matrix.dtype} the {kind} embedding is not finite, or becomes zero, of: {which}")


def check_columns(new, names):
    """Raise `BankError` unless the table of `new` has the columns `names`."""
    if set(new.pairs) != set(names):
        raise BankError(
            f"the table of the new pairs has the columns {', '.join(new.pairs)}; the bank's has {', '.join(names)}"
        )


def check_ids_free(store, ids):
    """Raise `BankError` if the store has pairs with some of these ids, a pandas Series or Index."""
    there, _ = store.find_ids(ids)
    if there.any():
        raise BankError(
            f"bank {store.name!r} has these ids already: {first_names(ids[there])}; remove them first, or give the "
            f"new ones others"
        )


def check_left(store, rows):
    """Raise `BankError` if no pair would be left after the removal of those rows."""
    if len(rows) == len(store):
        raise BankError(
            f"that would remove all {len(store)} pairs of bank {store.name!r}; a bank that is no longer wanted is "
            f"deleted"
        )


def difference(before, after) -> pd.DataFrame:
    """Return the changes from one bank to another, as `AnchorBank.diff` describes them."""
    here, there = pd.Index(before.pairs["id"]), pd.Index(after.pairs["id"])
    for name, ids in ((before.name, here), (after.name, there)):
        if not ids.is_unique:
            twice = first_names(ids[ids.duplicated()].unique())
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
