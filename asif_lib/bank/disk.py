"""One version of a bank on disk: opened, read, and followed by the next version; `record` describes the folder."""

import contextlib
import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open

from asif_lib.errors import BankError, first_line
from asif_lib.files import SMALL, check_sha256, size_of_file
from asif_lib.search.rows import BLOCK, Rows

from .matrices import map_rows, read_rows
from .record import MEND, BankRecord, read_record
from .sums import LIMBS, exact_sum
from .writing import NO_ROWS, add_version, changing, in_blocks, plain, plain_table, write_part, write_record

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
    stored: dict
    """The `sums` as they are kept."""
    compared: set
    """Paths and checksums of the files that were compared since the bank was opened: each is, before it is read."""

    @cached_property
    def sums(self) -> dict:
        """`exact_sum` of the rows that are left, by side. Those of earlier versions are rounded, and summed again."""
        return {side: kept if len(kept) == LIMBS else self._sum(side) for side, kept in self.stored.items()}

    def _sum(self, side):
        self.compare(f"{side}.safetensors")
        return sum(exact_sum(block) for _, block in self.mapped(side).blocks(BLOCK))

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

    def pairs(self, positions=None) -> pd.DataFrame:
        """Read the table, or its pairs at `positions`, as `batches` does."""
        batches = [batch for _, _, batch in self.batches(positions=positions)]
        return pa.Table.from_batches(batches, self.schema).to_pandas()

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
        for side in self.stored:
            self.compare(f"{side}.safetensors")
        for part, rows, batch in self.batches():
            yield {side: part.read(side, rows) for side in self.stored}, batch

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
