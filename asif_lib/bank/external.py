"""Embeddings from elsewhere become the content of a bank: any encoder, any size."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from asif_lib.encoders.identity import EXTERNAL, EncoderIdentity, external_identity
from asif_lib.errors import BankError
from asif_lib.relative import as_embeddings

from .building import path_of
from .editing import check_columns, check_matrix
from .stored import StoredBank


def given(image, text, captions, ids, pictures, groups) -> tuple:
    """Return embeddings and columns, as `AnchorBank.from_embeddings` takes them, as two matrices and a table."""
    captions = _column("caption", captions)
    columns = {
        "id": list(map(str, range(len(captions)))) if ids is None else _column("id", ids),
        "caption": captions,
        "picture": [""] * len(captions) if pictures is None else list(map(path_of, _column("picture", pictures))),
        "group": [""] * len(captions) if groups is None else _column("group", groups),
    }
    for name, column in columns.items():
        if len(column) != len(captions):
            raise BankError(f"there are {len(column)} values of {name!r} and {len(captions)} captions: one each a pair")
    matrices = {"image": as_embeddings(image).detach().cpu(), "text": as_embeddings(text).detach().cpu()}
    for kind, matrix in matrices.items():
        check_matrix(kind, matrix)
    if len(matrices["image"]) == len(matrices["text"]) != len(captions):
        raise BankError(f"there are {len(captions)} captions for {len(matrices['text'])} embeddings: one each a pair")
    try:
        return *matrices.values(), pd.DataFrame(columns)
    except UnicodeError as error:
        raise BankError(f"a text of the table cannot be stored ({error})") from None


def _column(name, values) -> list:
    """Return a column of texts, or of paths, as a list of texts."""
    listed = isinstance(values, Iterable) and not isinstance(values, str | bytes | set | dict)
    if not listed or getattr(values, "ndim", 1) != 1:
        raise BankError(f"{name!r}: give a list of texts, one for each pair, not a {type(values).__name__}")
    column = [str(value) if isinstance(value, Path) else value for value in values]
    for row, value in enumerate(column):
        if not isinstance(value, str):
            raise BankError(f"{name!r} holds {value!r} in row {row}, which is no text (no picture or group is '')")
    return column


def identity_of(kind, encoder, embeddings) -> EncoderIdentity:
    """Return the identity of the encoder that made `embeddings`; without `encoder`, one of their content."""
    if isinstance(encoder, EncoderIdentity):
        return encoder
    if hasattr(encoder, "identity"):
        return encoder.identity
    if encoder is not None:
        return external_identity(kind, encoder, embeddings.shape[1])
    digest = hashlib.sha256()
    for block in embeddings.split(16_384):
        digest.update(block.contiguous().view(torch.uint8).numpy())
    checksum = digest.hexdigest()
    return EncoderIdentity(kind, f"unnamed {checksum[:8]}", EXTERNAL, checksum, "unknown", embeddings.shape[1])


def concatenate(banks, name=None):
    """Join banks of the same encoders into one in memory, in their order.

    An id that several of the banks have is kept apart by the name of its bank: ``stamps/cat.png``.

    Parameters
    ----------
    banks : list of AnchorBank
        With the same encoders, precision and columns.
    name : str, optional
        Default: the names of the banks, joined by ``+``.

    Raises
    ------
    IdentityError
        If the banks were made by different encoders.
    BankError
        If there is no list of banks, it is empty, precision or columns differ, or two banks of one name share ids.

    Examples
    --------
    >>> both = concatenate([stamps, photographs])                     # doctest: +SKIP
    """
    banks = [None] if isinstance(banks, StoredBank) else list(banks)
    if not all(isinstance(bank, StoredBank) for bank in banks):
        raise BankError("the banks to join are a list of AnchorBank: [AnchorBank.load(name), …]")
    if not banks:
        raise BankError("there is no bank to join")
    first, tables = banks[0], [bank.pairs for bank in banks]
    for bank in banks[1:]:
        first.check_encoder(bank.image_encoder)
        first.check_encoder(bank.text_encoder)
        if (bank.image.dtype, bank.text.dtype) != (first.image.dtype, first.text.dtype):
            raise BankError(
                f"bank {bank.name!r} is kept in {bank.dtype}, bank {first.name!r} in {first.dtype}: use `to`"
            )
        check_columns(bank, list(first.pairs))
    ids = pd.concat([table["id"] for table in tables])
    shared = set(ids[ids.duplicated()])
    tables = [
        table.assign(id=[f"{bank.name}/{id}" if id in shared else id for id in table["id"]])
        for bank, table in zip(banks, tables, strict=True)
    ]
    image, text = torch.cat([bank.image for bank in banks]), torch.cat([bank.text for bank in banks])
    licences = dict.fromkeys(bank.licence or "unknown" for bank in banks)
    table = pd.concat([table[list(first.pairs)] for table in tables], ignore_index=True)
    name = name or "+".join(bank.name for bank in banks)
    return type(first)(name, image, text, table, first.image_encoder, first.text_encoder, "; ".join(licences))
