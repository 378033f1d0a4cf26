"""Edits of a bank on disk: each makes the next version of the folder that `.layout` describes."""

import contextlib
import itertools

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open

from asif_lib.errors import BankError, first_line
from asif_lib.search.rows import BLOCK

from .copies import write_prepared
from .disk import DiskView
from .editing import check_columns, check_identity, check_ids_free, check_left
from .layout import MODALITIES, open_part, plain_table
from .record import MEND, read_record
from .sums import exact_sum
from .verifying import verify_small, with_checksums
from .writing import add_version, changing, in_blocks, write_part, write_record

_NO_ROWS = np.empty(0, np.int64)
MAX_PARTS = 256
"""Parts that a bank may consist of: each holds a file open while the bank is in use."""


class DiskStore(DiskView):
    """A version of a bank on disk that can be edited.

    An edit applies to the newest version in the folder, also from an older store. It is committed in one step, and
    does not read the embeddings that stay.
    """

    @contextlib.contextmanager
    def _newest(self):
        """Hold the bank's lock, and give its newest version."""
        read_record(self.folder, self.name)  # refuses a deleted bank before a folder is made for the lock
        with changing(self.folder):
            bank = open_version(self.folder, self.name)
            if not bank.record.has_checksums:
                bank.record = with_checksums(self.folder, bank.record)
            yield bank

    def _check_seen(self, seen):
        """Raise `BankError` unless this version, the newest, is the one that the user has seen."""
        if self.entry != seen.entry:
            raise BankError(
                f"bank {self.name!r} was changed meanwhile (version {seen.version} was opened, {self.version} of "
                f"{self.entry.time} is there now): load it again"
            )

    def add(self, new):
        with self._newest() as bank:
            check_ids_free(bank, new.pairs["id"])
            return bank._commit(f"added {_pairs(len(new))}", new=new)

    def remove(self, select, what=""):
        with self._newest() as bank:
            rows = select(bank)
            check_left(bank, rows)
            return bank._commit(f"removed {_pairs(len(rows))}{what}", rows)

    def exchange(self, select, new, change):
        with self._newest() as bank:
            return bank._commit(change, select(bank), new(bank))

    def _commit(self, change, rows=_NO_ROWS, new=None):
        """Make the next version, without `rows` and with the pairs of `new`; open it before the lock is released."""
        count, parts = len(self) - len(rows), self.record.parts
        sums = {kind: self.sums[kind] - total for kind, total in self._sums_of(rows).items()}
        if new is not None:
            part, added = self._write(new)
            sums = {kind: sums[kind] + added[kind] for kind in MODALITIES}
            count, parts = count + len(new), [*parts, part]
        record = self.record.model_copy(update={"parts": parts})
        add_version(self.folder, record, change, count, np.union1d(self.removed, rows), sums)
        return open_version(self.folder, self.name)

    def _sums_of(self, rows) -> dict:
        """Return the `exact_sum` of sorted rows, by modality."""
        sums = {kind: torch.zeros_like(self.sums[kind]) for kind in MODALITIES}
        for part, (start, stop) in zip(self.parts, itertools.pairwise(self._starts), strict=True):
            here = rows[(rows >= start) & (rows < stop)] - start
            for block in np.split(here, range(BLOCK, len(here), BLOCK)) if len(here) else ():
                for kind in MODALITIES:
                    sums[kind] += exact_sum(part.read(kind, block))
        return sums

    def _write(self, new):
        """Write the pairs of the bank `new` into a new part; return its record and its sums."""
        if len(self.parts) >= MAX_PARTS:
            raise BankError(f"bank {self.name!r} has {MAX_PARTS} parts; compact it (asif bank compact), then add again")
        for identity in (new.image_encoder, new.text_encoder):
            check_identity(self.record, identity)
        check_columns(new, self.columns)
        matrices = {kind: getattr(new, kind) for kind in MODALITIES}
        return write_part(self.folder, **in_blocks(matrices, plain_table(new.pairs, self._schema)))

    def compact(self):
        with self._newest() as bank:
            if len(bank.parts) == 1 and not len(bank.removed):
                return bank
            part, sums = write_part(bank.folder, **bank.stored(mapped=False))
            record = bank.record.model_copy(update={"parts": [part]})
            add_version(bank.folder, record, "compacted", len(bank), _NO_ROWS, sums, forget=True)
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

    def convert(self):
        """Replace a record without checksums; the files stay as they are."""
        if self.record.has_checksums:
            return self
        with self._newest() as bank:
            write_record(bank.folder, bank.record)
            return open_version(bank.folder, self.name)

    def prepare(self, center, progress):
        """Write the rounded copies of this version; see `AnchorBank.prepare`."""
        read_record(self.folder, self.name)  # refuses a deleted bank before a folder is made for the lock
        with changing(self.folder):
            states = [version.state for version in read_record(self.folder, self.name).history]
            if self.entry.state not in states:
                raise BankError(
                    f"bank {self.name!r}: version {self.version}, which was opened, is no longer on disk; load the "
                    f"bank again, and prepare that"
                )
            for kind, mean in zip(MODALITIES, (self.image_mean, self.text_mean), strict=True):
                mean, rows = mean if center else None, self.rows(kind)
                write_prepared(self.index_folder, kind, rows, mean, self.owner(kind), progress=progress)


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
                raise BankError(f"{folder}: the bank is damaged ({first_line(error)}); {MEND}") from None
            record = newer


def _open(folder, record):
    verified = verify_small(folder, record)
    parts = [open_part(folder / part.name, record) for part in record.parts]
    with safe_open(folder / record.newest.state, framework="pt") as tensors:
        removed = tensors.get_tensor("removed")
        sums = {kind: tensors.get_tensor(f"{kind}_sum") for kind in MODALITIES}
    total = sum(map(len, parts))
    if (removed.dtype, removed.ndim) != (torch.int64, 1) or (np.diff(removed, prepend=-1, append=total) < 1).any():
        raise ValueError("its state does not name rows in ascending order")
    if len({(part.text.dtype, *part.pairs.schema_arrow.names) for part in parts}) > 1:
        raise ValueError("its parts differ in their precision or columns")
    for kind, part_sum in sums.items():
        if part_sum.dtype != torch.int64 or part_sum.shape != (2, getattr(parts[0], kind).shape[1]):
            raise ValueError(f"its state holds no sum of the {kind} embeddings")
    if total - len(removed) != record.newest.count:
        raise ValueError(f"its files do not hold {record.newest.count} pairs")
    return DiskStore(folder, record, parts, removed.numpy(), sums, verified)


def _pairs(count):
    return "1 pair" if count == 1 else f"{count} pairs"
