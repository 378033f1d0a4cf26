"""Banks that are made of others: joined ones, and the pairs that a reader taught the page of a bank."""

import hashlib

import pandas as pd
from pydantic import BaseModel

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line
from asif_lib.files import parse_json, size_of_file
from asif_lib.search.rows import Rows

from .anchors import AnchorBank
from .checks import check_columns, check_encoders, check_ids


def concatenate(banks, name=None) -> AnchorBank:
    """Join banks of the same encoders into one, in their order; it holds the table, and views of the embeddings.

    An id that several of the banks have is kept apart by the name of its bank: ``stamps/cat.png``. A pair that several
    banks have becomes several anchors; `asif_lib.explain.review_bank` names it. The joined bank reads the embeddings of
    banks on disk when it needs them, and its `save` copies them block by block.

    By default, its name is the names of the `banks`, a list of AnchorBank, joined by ``+``. Raises `IdentityError` or
    `BankError` if encoders, sides, precision or columns differ, two banks of one name share ids, or a file is damaged.
    """
    banks = [None] if isinstance(banks, AnchorBank) else list(banks)
    if not banks or not all(isinstance(bank, AnchorBank) for bank in banks):
        raise BankError("the banks to join are a list of one AnchorBank or more: [AnchorBank.load(name), …]")
    first = banks[0]
    for bank in banks[1:]:
        check_encoders(first, bank)
        if bank.dtypes != first.dtypes:
            raise BankError(f"bank {bank.name!r} is in {bank.dtype}, bank {first.name!r} in {first.dtype}: use `to`")
        check_columns(first, bank)
    ids = pd.concat([bank.pairs["id"] for bank in banks])
    shared = set(ids[ids.duplicated()])
    tables = [
        bank.pairs.assign(id=[f"{bank.name}/{id}" if id in shared else id for id in bank.pairs["id"]])[first.columns]
        for bank in banks
    ]
    pairs = pd.concat(tables, ignore_index=True)
    check_ids(pairs)
    rows = {}
    for side in first.sides:
        parts = [bank.rows(side) for bank in banks]
        rows[side] = Rows([piece for r in parts for piece in r.pieces], [keep for r in parts for keep in r.live])
    joined = first.with_rows(rows, pairs)
    joined.name = name or "+".join(bank.name for bank in banks)
    joined.licence = "; ".join(dict.fromkeys(bank.licence or "unknown" for bank in banks))
    return joined


class _Taught(BaseModel):
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    ids: list[str]
    captions: list[str]


def read_taught(file, name) -> AnchorBank:
    """Return the bank, called `name` and in memory, of a safetensors file with two matrices and two texts.

    The texts are ``taught``, JSON of a bank's texts, and ``sha256``, the checksum of ``taught`` and of the matrices.
    Raises `BankError` if there is no such file, it is damaged or another, or no bank can hold its content.
    """
    from safetensors import safe_open  # no browser has it, nor needs it

    try:
        size_of_file(file)
        with safe_open(file, framework="np") as tensors:
            texts, matrices = tensors.metadata() or {}, [tensors.get_tensor(side) for side in ("image", "text")]
        content = texts["taught"].encode()
        if hashlib.sha256(b"".join([content, *(z.tobytes() for z in matrices)])).hexdigest() != texts["sha256"]:
            raise ValueError("it is not as it was written: its checksum differs")
        taught = parse_json(content, _Taught)
    except Exception as error:  # safetensors raises errors of many kinds
        fault = f"{file}: cannot be read as what a page exported ({first_line(error)})"
        raise BankError(f"{fault}; export it again from the page") from None
    return AnchorBank.from_embeddings(*matrices, **vars(taught), name=name)
