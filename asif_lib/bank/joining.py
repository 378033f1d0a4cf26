"""Banks of the same encoders become one bank."""

import pandas as pd

from asif_lib.errors import BankError
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
