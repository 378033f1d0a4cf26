"""A bank's pairs on disk: one version of the folder that `.layout` describes, opened and searched."""

import contextlib
import itertools
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from asif_lib.errors import BankError, DataError, first_line
from asif_lib.files import check_sha256
from asif_lib.search.rows import BLOCK, Rows

from .copies import read_prepared
from .layout import MODALITIES, id_digests, index_name, plain
from .matrices import read_rows
from .record import MEND
from .selecting import rows_that_fit
from .store import Store
from .verifying import part_files, verify_files


class DiskView(Store):
    """One version of a bank on disk. Its files are mapped or held open, so later edits do not touch it.

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
    verified : set of Path
        The files that were compared with their checksums.
    """

    def __init__(self, folder, record, parts, removed, sums, verified):
        self.folder, self.record, self.entry = folder, record, record.newest
        self.parts, self.removed, self.sums, self.verified = parts, removed, sums, verified
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

    def _verify(self, *names):
        """Compare the files of these names with their checksums, in all parts, before they are first read.

        A view outlives its files: what another process has deleted is read as it is.
        """
        with self._undamaged():
            for part in self.record.parts:
                for path, checksum in part_files(self.folder, part).items():
                    if path.name in names and path not in self.verified and path.exists():
                        check_sha256(path, checksum)
                        self.verified.add(path)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        self._verify("pairs.parquet")
        with self._undamaged():
            table = pa.concat_tables([part.pairs.read().cast(self._schema) for part in self.parts])
            if len(self.removed):
                table = table.filter(pa.array(self.live(0, self._starts[-1])))
            if table["id"].null_count or table["caption"].null_count:
                raise ValueError("a pair has no id, or no caption")
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
        self._verify("pairs.parquet")
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
        self._verify(*(f"{kind}.safetensors" for kind in MODALITIES))
        like = {kind: self.rows(kind) for kind in MODALITIES}
        return {"count": len(self), "like": like, "schema": self._schema, "chunks": self._chunks(mapped)}

    @contextlib.contextmanager
    def _undamaged(self):
        try:
            yield
        except (OSError, pa.ArrowException, ValueError) as error:
            raise BankError(f"{self.folder}: the bank is damaged ({first_line(error)}); {MEND}") from None

    def find_ids(self, ids):
        self._verify("ids.safetensors")
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

    def history(self) -> pd.DataFrame:
        """Return the versions up to this one."""
        columns = ["version", "time", "change", "count"]
        return pd.DataFrame([version.model_dump(include=columns) for version in self.record.history])[columns]

    def verify(self, progress):
        """Compare all files with their checksums; see `AnchorBank.verify`."""
        if not self.record.has_checksums:
            raise BankError(
                f"bank {self.name!r} is of format 2, which has no checksums; compute them: "
                f"asif bank convert {self.name}"
            )
        files, damaged = verify_files(self.folder, self.record, progress=progress)
        if damaged:
            raise BankError(f"bank {self.name!r} is damaged; {MEND}: {'; '.join(damaged)}")
        return files

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
