"""Embeddings from elsewhere become the content of a bank: any encoder, any size."""

import hashlib

import pandas as pd
import torch

from asif_lib.encoders.encoder import as_embeddings
from asif_lib.encoders.identity import EXTERNAL, EncoderIdentity, external_identity
from asif_lib.errors import BankError


def given(image, text, captions, ids, pictures, groups) -> tuple:
    """Return embeddings and columns, as `AnchorBank.from_embeddings` takes them, as two matrices and a table."""
    captions = list(captions)
    columns = {
        "id": [str(i) for i in range(len(captions))] if ids is None else list(ids),
        "caption": captions,
        "picture": [""] * len(captions) if pictures is None else list(map(str, pictures)),
        "group": [""] * len(captions) if groups is None else list(groups),
    }
    for name, column in columns.items():
        if len(column) != len(captions):
            raise BankError(f"there are {len(column)} values of {name!r} and {len(captions)} captions: one each a pair")
    return as_embeddings(image), as_embeddings(text), pd.DataFrame(columns)


def identity_of(kind, encoder, embeddings) -> EncoderIdentity:
    """Return the identity of the encoder that made `embeddings`; without `encoder`, one of their content."""
    if isinstance(encoder, EncoderIdentity):
        return encoder
    if hasattr(encoder, "identity"):
        return encoder.identity
    if embeddings.ndim != 2:
        raise BankError(
            f"the {kind} embeddings have the shape {tuple(embeddings.shape)}; they are a matrix, row i of pair i"
        )
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
        If there is no bank, precision or columns differ, or two banks of one name share ids.

    Examples
    --------
    >>> both = concatenate([stamps, photographs])                     # doctest: +SKIP
    """
    banks = list(banks)
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
        if set(bank.pairs) != set(first.pairs):
            raise BankError(f"the tables have other columns: {', '.join(first.pairs)}, and {', '.join(bank.pairs)}")
    ids = pd.concat([table["id"] for table in tables])
    shared = set(ids[ids.duplicated()])
    tables = [
        table.assign(id=[f"{bank.name}/{id}" if id in shared else id for id in table["id"]])
        for bank, table in zip(banks, tables, strict=True)
    ]
    image, text = torch.cat([bank.image for bank in banks]), torch.cat([bank.text for bank in banks])
    licences = dict.fromkeys(bank.licence for bank in banks)
    table = pd.concat([table[list(first.pairs)] for table in tables], ignore_index=True)
    name = name or "+".join(bank.name for bank in banks)
    return type(first)(name, image, text, table, first.image_encoder, first.text_encoder, "; ".join(licences))
