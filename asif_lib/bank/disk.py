"""A bank's pairs on disk: one version of the folder that `.layout` describes, opened, searched and edited."""

import contextlib
import itertools
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open

from asif_lib.errors import BankError, DataError, first_line
from asif_lib.search.copies import read_prepared
from asif_lib.search.matrices import read_rows
from asif_lib.search.rows import BLOCK, Rows

from .editing import check_columns, check_identity, check_ids_free, check_left
from .layout import MODALITIES, id_digests, index_name, open_part, plain, plain_table
from .record import read_record
from .selecting import rows_that_fit
from .store import Store
from .sums import exact_sum
from .writing import add_version, changing, in_blocks, write_part, write_record

MAX_PARTS = 256
"""Parts that a bank may consist of: each holds a file open while the bank is in use."""


class DiskStore(Store):
    """One version of a bank on disk. Its files are mapped or held open, so later edits do not touch it.

    An edit applies to the newest version in the folder, also from an older store. It is committed in one step, and
    does not read the embeddings that stay.

    Attributes
    ----------
    folder, index_folder : Path
        The bank's folder, and that of the indexes of this version; they are deleted with it.
    record : BankRecord
        The content of ``bank.json``.
    entry : Version
        The history's entry of this version.
    parts : list of Part
    removed : ndarray of int64
        Positions of removed rows, sorted, counted over all rows of all parts.
    sums : dict of str to Tensor
        `exact_sum` of the rows that are left, by modality.
    """

    def __init__(self, folder, record, parts, removed, sums):
        self.folder, self.record, self.entry = folder, record, record.newest
        self.parts, self.removed, self.sums = parts, removed, sums
        self.name, self.version = record.name, self.entry.version
        self.where = f"version {self.version} in {folder}"
        self.description = {key: getattr(record, key) for key in ("name", "licence", "image_encoder", "text_encoder")}
        self.index_folder = folder / index_name(self.entry.state)
        self._schema = plain(parts[0].pairs.schema_arrow)
        self.columns = self._schema.names
        self._starts = [0, *np.cumsum([len(part) for part in parts]).tolist()]

    def __len__(self):
        return self.entry.count

    @cached_property
    def image(self) -> torch.Tensor:
        return self.rows("image").gathered()

    @cached_property
    def text(self) -> torch.Tensor:
        return self.rows("text").gathered()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        with self._undamaged():
            table = pa.concat_tables([part.pairs.read().cast(self._schema) for part in self.parts])
            if len(self.removed):
                table = table.filter(pa.array(self.live(0, self._starts[-1])))
            return table.to_pandas()

    # -- rows: positions over all parts, removed ones included -------------------------------------------

    def live(self, start, stop) -> np.ndarray:
        """Return which of the rows `start` to `stop` are left, as bools."""
        keep = np.ones(stop - start, bool)
        first, last = np.searchsorted(self.removed, [start, stop])
        keep[self.removed[first:last] - start] = False
        return keep

    def rows(self, kind):
        live = []
        for start, stop in itertools.pairwise(self._starts):
            keep = self.live(start, stop)
            live.append(None if keep.all() else np.flatnonzero(keep))
        return Rows([getattr(part, kind) for part in self.parts], live)

    def total(self, kind):
        return self.sums[kind]

    def batches(self, columns=None):
        """Yield ``(first row, batch of the table)`` with those columns, removed rows included."""
        start = 0
        with self._undamaged():
            for part in self.parts:
                for batch in part.pairs.iter_batches(BLOCK, columns=columns):
                    yield start, batch.cast(plain(batch.schema))
                    start += batch.num_rows

    def _chunks(self, mapped):
        """Yield ``({modality: rows}, batch of the table)`` of the rows that are left, block by block.

        Mapped rows stay readable when another process deletes the files, but finally fill the memory with them.
        """
        starts = self._starts
        for start, batch in self.batches():
            keep = self.live(start, start + batch.num_rows)
            if not keep.any():
                continue
            number = np.searchsorted(starts, start, side="right") - 1
            part, here = self.parts[number], np.flatnonzero(keep) + start - starts[number]
            if mapped:
                rows = {kind: getattr(part, kind)[torch.from_numpy(here)] for kind in MODALITIES}
            else:
                rows = {kind: part.read(kind, here) for kind in MODALITIES}
            yield rows, batch.filter(pa.array(keep))

    def stored(self, *, mapped=True):
        like = {kind: self.rows(kind) for kind in MODALITIES}
        return {"count": len(self), "like": like, "schema": self._schema, "chunks": self._chunks(mapped)}

    @contextlib.contextmanager
    def _undamaged(self):
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise BankError(f"{self.folder}: the bank is damaged ({first_line(error)}); build it again") from None

    def find_ids(self, ids):
        digests = id_digests(ids)
        index = pd.Index(digests[:, 0])
        there, rows, start = np.zeros(len(digests), bool), [], 0
        like = torch.empty(0, digests.shape[1], dtype=torch.int64)
        for part in self.parts:
            for first in range(0, len(part), 4 * BLOCK):
                here = np.arange(first, min(first + 4 * BLOCK, len(part)))
                block = read_rows(part.folder / "ids.safetensors", here, like).numpy()
                wanted = index.get_indexer(block[:, 0])
                hits = np.flatnonzero((wanted >= 0) & self.live(start + first, start + first + len(block)))
                hits = hits[block[hits, 1] == digests[wanted[hits], 1]]
                there[wanted[hits]] = True
                rows.append(start + first + hits)
            start += len(part)
        return there, np.concatenate(rows)

    def rows_of_condition(self, where):
        rows = rows_that_fit(self.batches, self.columns, where)
        return rows[self.live(0, self._starts[-1])[rows]]

    def rows_of_positions(self, positions, seen):
        self._check_seen(seen)
        left_before = self.removed - np.arange(len(self.removed))
        return positions + np.searchsorted(left_before, positions, side="right")

    # -- edits -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _newest(self):
        """Hold the bank's lock, and give its newest version."""
        read_record(self.folder, self.name)  # refuses a deleted bank before a folder is made for the lock
        with changing(self.folder):
            yield open_version(self.folder, self.name)

    def _check_seen(self, seen):
        """Raise `BankError` unless this version, the newest, is the one that the user has seen."""
        if self.entry != seen.entry:
            raise BankError(
                f"bank {self.name!r} was changed meanwhile (version {seen.version} was opened, {self.version} of "
                f"{self.entry.time} is there now): load it again"
            )

    def add(self, new):
        with self._newest() as bank:
            if len(bank.parts) >= MAX_PARTS:
                raise BankError(
                    f"bank {self.name!r} has {MAX_PARTS} parts; compact it (asif bank compact), then add again"
                )
            for identity in (new.image_encoder, new.text_encoder):
                check_identity(bank.record, identity)
            check_ids_free(bank, new.pairs["id"])
            check_columns(new, bank.columns)
            matrices = {kind: getattr(new, kind) for kind in MODALITIES}
            part, sums = write_part(bank.folder, **in_blocks(matrices, plain_table(new.pairs, bank._schema)))
            sums = {kind: bank.sums[kind] + sums[kind] for kind in MODALITIES}
            return bank._commit(f"added {_pairs(len(new))}", len(bank) + len(new), bank.removed, sums, [part])

    def remove(self, select, what=""):
        with self._newest() as bank:
            rows = select(bank)
            check_left(bank, rows)
            sums = {kind: bank.sums[kind].clone() for kind in MODALITIES}
            for part, (start, stop) in zip(bank.parts, itertools.pairwise(bank._starts), strict=True):
                here = rows[(rows >= start) & (rows < stop)] - start
                for block in np.split(here, range(BLOCK, len(here), BLOCK)) if len(here) else ():
                    for kind in MODALITIES:
                        sums[kind] -= exact_sum(part.read(kind, block))
            removed = np.union1d(bank.removed, rows)
            return bank._commit(f"removed {_pairs(len(rows))}{what}", len(bank) - len(rows), removed, sums)

    def _commit(self, change, count, removed, sums, new_parts=()):
        """Make the next version, and open it before another process can edit the bank again."""
        record = self.record.model_copy(update={"parts": [*self.record.parts, *new_parts]})
        add_version(self.folder, record, change, count, removed, sums)
        return open_version(self.folder, self.name)

    def compact(self):
        with self._newest() as bank:
            if len(bank.parts) == 1 and not len(bank.removed):
                return bank
            part, sums = write_part(bank.folder, **bank.stored(mapped=False))
            record = bank.record.model_copy(update={"parts": [part]})
            add_version(bank.folder, record, "compacted", len(bank), np.empty(0, np.int64), sums, forget=True)
            return open_version(bank.folder, self.name)

    def undo(self):
        """Go back to the version before; the files that the edit added are deleted."""
        with self._newest() as bank:
            bank._check_seen(self)
            history = bank.record.history[:-1]
            if not history and bank.version > 1:
                raise BankError(
                    f"bank {self.name!r} was compacted at version {bank.version}: what was there before is deleted, "
                    f"and cannot come back"
                )
            if not history:
                raise BankError(f"bank {self.name!r} is at version 1, as it was built: there is nothing to undo")
            parts = bank.record.parts[: history[-1].parts]
            write_record(bank.folder, bank.record.model_copy(update={"parts": parts, "history": history}))
            return open_version(bank.folder, self.name)

    def history(self) -> pd.DataFrame:
        """Return the versions up to this one."""
        columns = ["version", "time", "change", "count"]
        return pd.DataFrame([version.model_dump(include=columns) for version in self.record.history])[columns]

    # -- files that are derived from this version ---------------------------------------------------------

    def on_disk(self, why):
        return self

    def owner(self, kind) -> dict:
        """Return the owner of a copy of the embeddings: this version, and the encoder that made them."""
        state = self.index_folder.name.removeprefix("index-")
        return {"state": state, "encoder": getattr(self.record, f"{kind}_encoder").digest}

    def searchable(self, kind, mean):
        try:
            prepared = read_prepared(self.index_folder, kind, self.rows(kind), mean, self.owner(kind))
        except DataError as error:
            raise BankError(f"{error}; prepare the bank again") from None
        return (prepared, None) if prepared else (self.rows(kind), mean)


def open_version(folder, name) -> DiskStore:
    """Open the newest version in `folder`.

    Raises
    ------
    BankError
        If there is no bank, or it is damaged or of another format.
    """
    record = read_record(folder, name)
    while True:
        try:
            return _open(folder, record)
        except (OSError, SafetensorError, pa.ArrowException, ValueError) as error:
            newer = read_record(folder, name)  # another process may have swept the files between two steps of ours
            if newer == record:
                raise BankError(f"{folder}: the bank is damaged ({error}); build it again") from None
            record = newer


def _open(folder, record):
    parts = [open_part(folder / part) for part in record.parts]
    with safe_open(folder / record.newest.state, framework="pt") as tensors:
        removed = tensors.get_tensor("removed").numpy()
        sums = {kind: tensors.get_tensor(f"{kind}_sum") for kind in MODALITIES}
    if removed.dtype != np.int64:
        raise ValueError("its state names no rows")
    if sum(map(len, parts)) - len(removed) != record.newest.count:
        raise ValueError(f"its files do not hold {record.newest.count} pairs")
    return DiskStore(folder, record, parts, removed, sums)


def _pairs(count):
    return "1 pair" if count == 1 else f"{count} pairs"
