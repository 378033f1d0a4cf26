"""A bank on disk: what lies in its folder, how it is written, opened and swept.

The folder holds ``bank.json``, parts and states. A part is a run of pairs, written once: the embeddings of both
modalities and the digests of the ids as safetensors, and ``pairs.parquet``. A state is the small file of one
version: the rows that were removed from the parts, and the sums of the rest. ``bank.json`` says which parts and
states are valid; replacing it is the last step of every change, and atomic. What it does not name is left over
from a change that was killed, and is deleted by the next one. No file is ever written twice, so whoever has a
version open keeps it.
"""

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line
from asif_lib.search.matrices import map_rows, read_rows
from asif_lib.search.rows import BLOCK, Rows

FORMAT_VERSION = 2
MODALITIES = ("image", "text")
OURS = re.compile(r"part-[0-9a-f]{12}|state-[0-9a-f]{12}\.safetensors|index-[0-9a-f]{12}|bank\.json-[0-9a-f]{12}")
"""The names of what changes write beside ``bank.json`` and its lock; nothing else in the folder is touched."""


@dataclass(frozen=True)
class Part:
    """A run of pairs as they were added: mapped matrices and an open table."""

    folder: Path
    image: torch.Tensor
    text: torch.Tensor
    pairs: pq.ParquetFile

    def __len__(self):
        return len(self.image)

    def read(self, kind, rows) -> torch.Tensor:
        """Read `rows`, sorted positions, of a matrix from its file."""
        return read_rows(self.folder / f"{kind}.safetensors", rows, getattr(self, kind))


@dataclass(frozen=True)
class BankVersion:
    """One version of a bank on disk, its files mapped or held open: what others do meanwhile does not touch it.

    Attributes
    ----------
    folder : Path
    about : dict
        What ``bank.json`` said.
    parts : list of Part
    removed : ndarray of int64
        Positions of removed rows, sorted, counted over all rows of all parts.
    sums : dict of str to Tensor
        `exact_sum` of the rows that are left, by modality.
    """

    folder: Path
    about: dict
    parts: list
    removed: np.ndarray
    sums: dict

    @property
    def entry(self) -> dict:
        """The history's entry of this version."""
        return self.about["history"][-1]

    def __len__(self):
        return self.entry["count"]

    @property
    def schema(self) -> pa.Schema:
        """Of the table."""
        return plain(self.parts[0].pairs.schema_arrow)

    @property
    def rows(self) -> int:
        """Rows in the files, removed ones included."""
        return sum(map(len, self.parts))

    def live(self, start, stop) -> np.ndarray:
        """Which of the rows `start` to `stop` are left, as bools."""
        keep = np.ones(stop - start, bool)
        first, last = np.searchsorted(self.removed, [start, stop])
        keep[self.removed[first:last] - start] = False
        return keep

    def tables(self, columns=None):
        """Yield ``(position of the first row, batch of the table)``, removed rows included; only those columns."""
        start = 0
        try:
            for part in self.parts:
                for batch in part.pairs.iter_batches(BLOCK, columns=columns):
                    yield start, batch.cast(plain(batch.schema))
                    start += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise BankError(f"{self.folder}: the bank is damaged ({first_line(error)}); build it again") from None

    def matrix_in_pieces(self, kind) -> Rows:
        """The (n, d) embeddings as they lie in the parts, mapped."""
        starts = np.cumsum([0, *map(len, self.parts)])
        live = []
        for start, stop in itertools.pairwise(starts):
            keep = self.live(start, stop)
            live.append(None if keep.all() else np.flatnonzero(keep))
        return Rows([getattr(part, kind) for part in self.parts], live)

    @property
    def index_folder(self) -> Path:
        """Where indexes of this very version lie; deleted with it."""
        return self.folder / index_name(self.entry["state"])

    def matrix(self, kind) -> torch.Tensor:
        """The (n, d) embeddings: mapped where they are one part of which nothing was removed, else gathered."""
        matrices = [getattr(part, kind) for part in self.parts]
        if len(matrices) == 1 and not len(self.removed):
            return matrices[0]
        gathered = torch.empty(len(self), matrices[0].shape[1], dtype=matrices[0].dtype)
        done = start = 0
        for matrix in matrices:
            rows = torch.from_numpy(np.flatnonzero(self.live(start, start + len(matrix))))
            for block in rows.split(BLOCK):
                gathered[done : done + len(block)] = matrix[block]
                done += len(block)
            start += len(matrix)
        return gathered

    def table(self):
        """The table of the pairs, a DataFrame of n rows."""
        table = pa.concat_tables([part.pairs.read().cast(self.schema) for part in self.parts])
        if len(self.removed):
            table = table.filter(pa.array(self.live(0, self.rows)))
        return table.to_pandas()

    def chunks(self, *, mapped=True):
        """Yield ``({modality: rows}, batch of the table)`` of the rows that are left, block by block.

        Mapped rows fill the memory with the whole file in the end, and can be had when others have deleted it.
        """
        starts = np.cumsum([0, *map(len, self.parts)])
        for start, batch in self.tables():
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


def index_name(state) -> str:
    """The folder of the indexes of the version whose state file has that name: ``index-`` and the same digits."""
    return state.replace("state-", "index-").removesuffix(".safetensors")


def open_version(folder, name) -> BankVersion:
    """Open the newest version in `folder`.

    Raises
    ------
    BankError
        If there is no bank, or it is damaged or of another format.
    """
    about = read_about(folder, name)
    while True:
        try:
            return _open(folder, about)
        except (OSError, SafetensorError, pa.ArrowException, ValueError, LookupError, TypeError) as error:
            newer = read_about(folder, name)  # somebody may have swept the files between two steps of ours
            if newer == about:
                raise BankError(f"{folder}: the bank is damaged ({error}); build it again") from None
            about = newer


def read_about(folder, name) -> dict:
    """Return what ``bank.json`` says. Raises `BankError` if there is no bank, or it is of another format."""
    try:
        about = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
        found = about["format"]
    except (FileNotFoundError, NotADirectoryError):
        raise BankError(f"there is no bank {str(name)!r} in {folder}; run: asif bank build {name}") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BankError(f"{folder / 'bank.json'} is damaged; build the bank again") from None
    if found != FORMAT_VERSION:
        raise BankError(
            f"{folder}: has bank format {found}, not {FORMAT_VERSION}; build the bank again: asif bank build {name}"
        )
    return about


def _open(folder, about):
    identities(about)
    version = about["history"][-1]
    parts = [_open_part(folder / part) for part in about["parts"]]
    with safe_open(folder / version["state"], framework="pt") as tensors:
        removed = tensors.get_tensor("removed").numpy()
        sums = {kind: tensors.get_tensor(f"{kind}_sum") for kind in MODALITIES}
    if not parts or removed.dtype != np.int64:
        raise ValueError("it has no part, or a state that names no rows")
    opened = BankVersion(folder, about, parts, removed, sums)
    if opened.rows - len(removed) != version["count"]:
        raise ValueError(f"its files do not hold {version['count']} pairs")
    return opened


def _open_part(folder):
    image, text, ids = (map_rows(folder / f"{name}.safetensors") for name in (*MODALITIES, "ids"))
    pairs = pq.ParquetFile(folder / "pairs.parquet")
    if {len(image), len(text), len(ids)} != {pairs.metadata.num_rows}:
        raise ValueError(f"the files in {folder.name} do not hold the same number of pairs")
    return Part(folder, image, text, pairs)


def plain(schema) -> pa.Schema:
    """Return the schema without dictionaries and metadata: these keep values that no row has any more.

    A categorical column stores its categories, used or not, and pandas the ``attrs`` of a DataFrame.
    """
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    return pa.schema(list(zip(schema.names, types, strict=True)))


def plain_table(pairs, schema=None) -> pa.Table:
    """Return a DataFrame as it is stored. Raises `BankError` if it cannot be."""
    try:
        table = pa.Table.from_pandas(pairs, schema=schema, preserve_index=False)
        return table.cast(plain(table.schema))
    except pa.ArrowException as error:
        what = "cannot be stored" if schema is None else "does not fit the bank's"
        raise BankError(f"the table of the pairs {what} ({first_line(error)})") from None


def identities(about) -> list:
    """Return the image and the text encoder that ``bank.json`` names."""
    return [EncoderIdentity(**about[f"{kind}_encoder"]) for kind in MODALITIES]


def id_digests(ids) -> np.ndarray:
    """Return 128-bit BLAKE2b digests of n strings, (n, 2) int64: what pairs are found by without reading the table."""
    digests = b"".join(hashlib.blake2b(str(id).encode(), digest_size=16).digest() for id in ids)
    return np.frombuffer(digests, np.int64).reshape(-1, 2)
