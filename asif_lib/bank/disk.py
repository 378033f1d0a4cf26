"""One version of a bank on disk: opened, read, and followed by the next version; `record` describes the folder.

A change is made under a lock, all or nothing, and is on the disk before it counts.
"""

import contextlib
import itertools
import os
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from asif_lib.errors import BankError, first_line
from asif_lib.files import SMALL, check_sha256, locked, sealed, size_of_file, unsealed
from asif_lib.search.rows import BLOCK, Rows

from .matrices import LIMBS, NO_ROWS, exact_sum, map_rows, matrix_file, read_rows, synced
from .record import MEND, OURS, BankRecord, PartRecord, Version, no_bank, read_record

MAX_PARTS = 256
"""Parts that a bank may consist of: each holds a file open while the bank is in use."""


@dataclass(frozen=True)
class Part:
    """A run of pairs as it was added: mapped matrices by side, and an open table."""

    folder: Path
    matrices: dict
    pairs: pq.ParquetFile

    def __len__(self):
        return self.pairs.metadata.num_rows

    def read(self, side, rows) -> torch.Tensor:
        """Read `rows`, sorted positions, of a matrix from its file; from the mapped one if the file is deleted.

        A used page of a mapped file brings its neighbours into memory: a whole matrix would fill it.
        """
        try:
            return read_rows(self.folder / f"{side}.safetensors", rows, self.matrices[side])
        except FileNotFoundError:
            return self.matrices[side][torch.from_numpy(rows)]


@dataclass(eq=False)
class DiskVersion:
    """One version of a bank on disk. Its files are mapped or held open, so later edits do not touch it.

    A row is counted over all parts, removed rows included. A position is counted over the pairs that are left.
    """

    folder: Path
    record: BankRecord
    """The content of ``bank.json``, up to this version."""
    parts: list
    removed: np.ndarray
    """Removed rows, ascending, int64."""
    sums: dict
    """`exact_sum` of the rows that are left, by side."""
    compared: set
    """Paths and checksums of the files that were compared since the bank was opened: each is, before it is read."""

    @property
    def index_folder(self) -> Path:
        """The folder of prepared copies and indexes of this version; it is deleted with the version."""
        return self.folder / self.record.newest.index_folder

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the table."""
        return plain(self.parts[0].pairs.schema_arrow)

    @cached_property
    def starts(self) -> list:
        """The first row of each part, and at the end the number of all rows."""
        return [0, *np.cumsum([len(part) for part in self.parts]).tolist()]

    # -- reading -----------------------------------------------------------------------------------------

    def is_left(self, start, stop) -> np.ndarray:
        """Return which of the rows `start` to `stop` are left, as bools."""
        keep = np.ones(stop - start, bool)
        first, last = np.searchsorted(self.removed, [start, stop])
        keep[self.removed[first:last] - start] = False
        return keep

    def mapped(self, side) -> Rows:
        """Return the embeddings of a side as they are stored, without copies; `compare` them before they are read."""
        keeps = [self.is_left(*bounds) for bounds in itertools.pairwise(self.starts)]
        live = [None if keep.all() else np.flatnonzero(keep) for keep in keeps]
        return Rows([part.matrices[side] for part in self.parts], live)

    def pairs(self, columns=None, positions=None) -> pd.DataFrame:
        """Read the table, or its `columns`, or its pairs at `positions`, as `batches` does."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches([batch for _, _, batch in self.batches(columns, positions)], schema).to_pandas()

    def batches(self, columns=None, positions=None):
        """Yield ``(part, rows of the part that are left, batch of their pairs with those columns)``, block by block.

        With `positions` (int64, ascending), only these pairs: groups of rows without any of them are not read.
        """
        self.compare("pairs.parquet")
        with damage_named(self.folder):
            passed = 0
            for part, start in zip(self.parts, self.starts, strict=False):
                first = 0
                for group in range(part.pairs.num_row_groups):
                    count = part.pairs.metadata.row_group(group).num_rows
                    rows = np.flatnonzero(self.is_left(start + first, start + first + count))
                    before, passed = passed, passed + len(rows)
                    if positions is not None:
                        rows = rows[positions[slice(*np.searchsorted(positions, [before, passed]))] - before]
                    if len(rows):
                        for batch in part.pairs.iter_batches(count, row_groups=[group], columns=columns):
                            yield part, first + rows, batch.cast(plain(batch.schema)).take(pa.array(rows))
                    first += count

    def blocks(self):
        """Yield ``({side: rows}, batch of the table)``, as `write_part` takes the pairs."""
        for side in self.sums:
            self.compare(f"{side}.safetensors")
        for part, rows, batch in self.batches():
            yield {side: part.read(side, rows) for side in self.sums}, batch

    def compare(self, name, parts=slice(None)):
        """Compare the files called `name` in a slice of the parts with their checksums, before they are read.

        A view outlives its files: what another process has deleted is read as it is.
        """
        with damage_named(self.folder):
            for part in self.record.parts[parts]:
                path = self.folder / part.name / name
                if path.exists():
                    self.compare_file(path, part.files[name])

    def compare_file(self, path, checksum):
        """Compare a file with its checksum, once. Raises `OSError` or `ValueError`."""
        if (path, checksum) not in self.compared:
            check_sha256(path, checksum)
            self.compared.add((path, checksum))

    # -- the next version --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def newest(self):
        """Hold ``bank.json.lock``, read ``bank.json``, and open the newest version; `compared` holds for it, too.

        At the end ``bank.json`` is read again, and files that it does not name are deleted.
        """
        with changing(self.folder, self.record.name) as record:
            yield _open(self.folder, record, self.compared)

    def commit(self, change, gone=NO_ROWS, new=None) -> "DiskVersion":
        """Make the next version while the lock is held: write a part and a state, then replace ``bank.json``.

        Killed before that, the old version stands; after it, the new one. Of embeddings, only removed rows are read.

        The pairs at the positions `gone` (int64, ascending) are removed, those of `new`, a bank in memory, appended as
        one part. The history keeps the words `change`.
        """
        left_before = self.removed - np.arange(len(self.removed))  # pairs that are left before each removed row
        rows = gone + np.searchsorted(left_before, gone, side="right")  # a position moves by removed rows before it
        sums, record, parts = self._sums_without(rows), self.record, self.parts
        if new is not None:
            if len(parts) >= MAX_PARTS:
                raise BankError(f"bank {record.name!r} has {MAX_PARTS} parts; compact it (asif bank compact), then add")
            blocks = in_blocks({side: new.rows(side) for side in sums}, plain_table(new.pairs, self.schema))
            part, added = write_part(self.folder, record.sides, len(new), self.schema, blocks)
            sums = {side: sums[side] + added[side] for side in sums}
            record = record.model_copy(update={"parts": [*record.parts, part]})
            parts = [*parts, _open_part(self.folder / part.name, record.sides)]
        return self._committed(record, change, parts, np.union1d(self.removed, rows), sums)

    def _sums_without(self, rows) -> dict:
        """Return the sums without these ascending rows, by side."""
        sums = dict(self.sums)
        for i, part in enumerate(self.parts):
            here = rows[(rows >= self.starts[i]) & (rows < self.starts[i + 1])] - self.starts[i]
            for side in sums if len(here) else ():
                self.compare(f"{side}.safetensors", slice(i, i + 1))
                for first in range(0, len(here), BLOCK):
                    sums[side] = sums[side] - exact_sum(part.read(side, here[first : first + BLOCK]))
        return sums

    def _committed(self, record, change, parts, removed, sums, forget=False):
        """Commit the version of these parts; return it."""
        count = sum(map(len, parts)) - len(removed)
        record = add_version(self.folder, record, change, removed, count, sums, forget=forget)
        return DiskVersion(self.folder, record, parts, removed, sums, self.compared)

    def compact(self) -> "DiskVersion":
        """Write the pairs that are left into one part, and forget the versions before; the lock is held."""
        if len(self.parts) == 1 and not len(self.removed):
            return self
        part, sums = write_part(self.folder, self.record.sides, self.record.newest.count, self.schema, self.blocks())
        record = self.record.model_copy(update={"parts": [part]})
        parts = [_open_part(self.folder / part.name, record.sides)]
        return self._committed(record, "compacted", parts, NO_ROWS, sums, forget=True)

    def keep_settings(self, settings) -> "DiskVersion":
        """Write settings, or None, into the record, which makes no version; the lock is held."""
        record = self.record.model_copy(update={"settings": settings})
        write_record(self.folder, record)
        return replace(self, record=record)

    def undo(self) -> "DiskVersion":
        """Make the version before this one the newest; the lock is held."""
        name, version, history = self.record.name, self.record.newest.version, self.record.history[:-1]
        if not history:
            before = "it was built" if version == 1 else "it was compacted, which deletes what was there before"
            raise BankError(f"bank {name!r} is at version {version}, as {before}: there is nothing to undo")
        parts = self.record.parts[: history[-1].parts]
        before = _open(self.folder, self.record.model_copy(update={"parts": parts, "history": history}), self.compared)
        write_record(self.folder, before.record)
        return before


def open_version(folder, name) -> DiskVersion:
    """Open the newest version in `folder`; `BankError` if there is no bank, or it is damaged or of another format."""
    record = read_record(folder, name)
    while True:
        try:
            return _open(folder, record, set())
        except BankError:
            newer = read_record(folder, name)  # another process may have swept the files between two steps of ours
            if newer == record:
                raise
            record = newer


def _open(folder, record, compared):
    """Open the newest version that `record` names; compare its state, and the files of a small bank."""
    with damage_named(folder):  # what a checksum vouches for is not looked at again
        files = record.files_of_parts(folder)
        if sum(map(size_of_file, files)) >= SMALL:  # their embeddings and tables wait until they are read
            files = {}
        files[folder / record.newest.state] = record.newest.checksum
        for path, checksum in files.items():
            check_sha256(path, checksum)
        parts = [_open_part(folder / part.name, record.sides) for part in record.parts]
        with safe_open(folder / record.newest.state, framework="pt") as tensors:
            removed = tensors.get_tensor("removed").clone()  # not mapped: the file may change later
            sums = {side.name: tensors.get_tensor(f"{side.name}_sum").clone() for side in record.sides}
        if sum(map(len, parts)) - len(removed) != record.newest.count:
            raise ValueError(f"its files do not hold {record.newest.count} pairs")
        return DiskVersion(folder, record, parts, removed.numpy(), sums, compared)


def _open_part(folder, sides) -> Part:
    """Open a part of a bank with these sides. Raises `ValueError` if its files do not fit together."""
    pairs = pq.ParquetFile(folder / "pairs.parquet")
    matrices = {side.name: map_rows(folder / f"{side.name}.safetensors") for side in sides}
    for side in sides:
        matrix, shape = matrices[side.name], (pairs.metadata.num_rows, side.encoder.dim)
        if str(matrix.dtype) != f"torch.{side.dtype}" or matrix.shape != shape:
            fault = f"{folder.name}/{side.name}.safetensors holds {matrix.dtype} of shape {tuple(matrix.shape)}"
            raise ValueError(f"{fault}, not torch.{side.dtype} of shape {shape}")
    return Part(folder, matrices, pairs)


@contextlib.contextmanager
def damage_named(folder):
    """Turn the errors of files that are not as they were written into one `BankError`."""
    try:
        yield
    except (OSError, SafetensorError, pa.ArrowException, ValueError) as error:
        raise BankError(f"{folder}: the bank is damaged ({first_line(error)}); {MEND}") from None


# -- changes of the folder


@contextlib.contextmanager
def changing(folder, name=None):
    """Hold the lock of a bank's folder during a change, and turn what goes wrong into one sentence.

    With the bank's `name`, give its record; without, the bank is to be replaced, whatever it is.
    Raises `AsifError` if another process does not end its change. Raises `BankError` if the bank is gone or damaged,
    the folder is read-only, or the disk is full: the bank is then as it was before. The error says so if the change is
    made, but old files could not be deleted, or the disk does not confirm the change.
    """
    if name is not None and not (folder / "bank.json").exists():
        raise no_bank(folder, name)  # before a folder is made for the lock
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "bank.json"):
            record = None if name is None else read_record(folder, name)
            _sweep(folder, record)
            try:
                yield record
            except BaseException:
                _sweep(folder)
                raise
            left = _sweep(folder)
    except (OSError, SafetensorError) as error:
        fault = f"{folder}: the bank could not be written ({error})"
        raise BankError(f"{fault}; it is as it was: make room, or make the folder writable, and repeat") from None
    if left:
        version = read_record(folder, folder).newest.version
        raise BankError(f"{folder}: the change is made, the bank is at version {version}, but {'; '.join(left)}")


def _sweep(folder, record=None) -> list:
    """Delete the files that `record`, or else ``bank.json``, does not name: of a change that was killed or undone.

    Before, wait until the files that it names are on the disk. Returns a list of texts: what went wrong.
    """
    try:
        sync(folder)
    except OSError as error:
        return [f"the disk does not confirm it ({error}); see to the disk before you go on"]
    if record is None and (folder / "bank.json").exists():
        try:
            record = read_record(folder, folder)
        except BankError:  # damaged, or of another format: it is replaced or left alone, never swept
            return []
    named, left = record.named if record else (), []  # no bank yet: only the bank that is being written is of use
    for file in folder.iterdir():
        if OURS.fullmatch(file.name) and file.name not in named:
            try:
                shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{file.name} could not be deleted ({error}); delete it yourself")
    return left


def check_folder(folder):
    """Raise `BankError` if a bank cannot be written to `folder` because something else is there."""
    if folder.exists() and not folder.is_dir():
        raise BankError(f"{folder}: is a file; choose another name")
    others = (f.name for f in folder.glob("*") if not OURS.fullmatch(f.name) and f.name != "bank.json.lock")
    if not (folder / "bank.json").exists() and any(others):
        raise BankError(f"{folder}: holds files that are no bank; choose another name")


def write_bank(folder, record, count, schema, blocks):
    """Write pairs as version 1 of a new bank over the content of `folder`, under its lock.

    The `record` has no parts and versions yet; the other parameters are those of `write_part`.
    """
    with changing(folder):
        part, sums = write_part(folder, record.sides, count, schema, blocks)
        record = record.model_copy(update={"parts": [part]})
        add_version(folder, record, f"built of {count} pairs", NO_ROWS, count, sums)


def write_part(folder, sides, count, schema, blocks):
    """Write `count` pairs into a new part of the bank in `folder`; return its PartRecord and the sums of its rows.

    Each of the `blocks` is ({side: Tensor of shape (b, d)}, pyarrow.RecordBatch of b rows); `sides` are `Side` records,
    and `schema` is the table's. The sums are those of `exact_sum`, by side.
    """
    part = folder / f"part-{uuid.uuid4().hex[:12]}"
    part.mkdir(parents=True)
    sums = {side.name: torch.zeros(LIMBS, side.encoder.dim, dtype=torch.int64) for side in sides}
    with contextlib.ExitStack() as stack:
        files = {"pairs.parquet": stack.enter_context(synced(part / "pairs.parquet"))}
        for side in sides:
            like = torch.empty(0, side.encoder.dim, dtype=getattr(torch, side.dtype))
            file = f"{side.name}.safetensors"
            files[file] = stack.enter_context(matrix_file(part / file, like, count))
        table = pq.ParquetWriter(files["pairs.parquet"], schema)
        stack.callback(table.close)
        for rows, batch in blocks:
            for name in sums:
                files[f"{name}.safetensors"].write(rows[name].contiguous().view(torch.uint8).numpy())
                sums[name] += exact_sum(rows[name])
            table.write_batch(batch)
    sync(part)
    return PartRecord(name=part.name, files={name: file.sha256 for name, file in files.items()}), sums


def add_version(folder, record, change, removed, count, sums, *, forget=False):
    """Commit a version, and return the new record.

    The `record` names the parts, and the versions before, which with `forget` leave the history; `change` is in words.
    The rows `removed` (int64, ascending) are counted over all parts. Of the pairs that are left, there are the `count`
    and the `exact_sum` by side.
    """
    state = f"state-{uuid.uuid4().hex[:12]}.safetensors"
    with synced(folder / state) as file:
        file.write(save({"removed": torch.from_numpy(removed), **{f"{side}_sum": sums[side] for side in sums}}))
    number, time = record.newest.version + 1 if record.history else 1, datetime.now(UTC).isoformat(timespec="seconds")
    what = {"change": change, "count": count, "parts": len(record.parts), "state": state, "checksum": file.sha256}
    entry = Version(version=number, time=time, **what)
    record = record.model_copy(update={"history": [*(() if forget else record.history), entry]})
    write_record(folder, record)
    return record


def write_record(folder, record):
    """Replace ``bank.json``: from here on the change is made; `changing` waits until it cannot get lost."""
    content, temporary = sealed(record), folder / f"bank.json-{uuid.uuid4().hex[:12]}"
    unsealed(content, BankRecord)  # raises ValueError: what cannot be read again must not replace what can
    with synced(temporary) as file:
        file.write(content)
    sync(folder)  # the files that it names are on the disk first
    os.replace(temporary, folder / "bank.json")


def sync(folder):
    """Wait until the names in a folder are on the disk: a new or renamed file is, once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_blocks(rows, table):
    """Yield ``({side: rows}, batch)`` of `Rows` by side and a table of as many rows, as `write_part` takes them."""
    for start in range(0, len(table), BLOCK):
        batch = table.slice(start, BLOCK).combine_chunks().to_batches()[0]
        yield {side: matrix.part(start, start + BLOCK).gathered() for side, matrix in rows.items()}, batch


def plain(schema) -> pa.Schema:
    """Return the schema without dictionaries and metadata, which keep values of rows that were removed.

    A categorical column stores all its categories, and pandas the ``attrs`` of a DataFrame.
    """
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    return pa.schema(list(zip(schema.names, types, strict=True)))


def plain_table(pairs, schema=None) -> pa.Table:
    """Convert a DataFrame to its stored form. Raises `BankError` if Arrow cannot store it."""
    try:
        table = pa.Table.from_pandas(pairs, schema=schema, preserve_index=False)
        return table.cast(plain(table.schema))
    except (pa.ArrowException, UnicodeError) as error:
        what = "cannot be stored" if schema is None else "does not fit the bank's"
        raise BankError(f"the table of the pairs {what} ({first_line(error)})") from None
