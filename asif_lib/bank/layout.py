"""The format of a bank on disk: the names in its folder, its parts, and the stored form of a table.

The folder holds ``bank.json``, parts and states. A part is a run of pairs, written once: the embeddings of both
modalities and the digests of the ids as safetensors, and ``pairs.parquet``. A state is the small file of one version:
the removed rows of the parts, and the sums of the rows that are left. ``bank.json`` names the valid parts and states.
Replacing it is the last step of every change, and atomic. A file that it does not name was left by a change that was
killed, and the next change deletes it. No file is written twice, so an open version stays readable. ``bank.json``
holds the SHA-256 of every file, and of its own content; its schema is in `record`.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from asif_lib.errors import BankError, first_line

from .matrices import FLOATS, map_rows, read_rows

MODALITIES = ("image", "text")
COLUMNS = ("id", "caption", "picture", "group")
"""The columns that every table of pairs has."""
OURS = re.compile(r"part-[0-9a-f]{12}|state-[0-9a-f]{12}\.safetensors|index-[0-9a-f]{12}|bank\.json-[0-9a-f]{12}")
"""The names that changes write beside ``bank.json`` and its lock; other files in the folder are never touched."""


@dataclass(frozen=True)
class Part:
    """A run of pairs as it was added: mapped matrices and an open table."""

    folder: Path
    image: torch.Tensor
    text: torch.Tensor
    pairs: pq.ParquetFile

    def __len__(self):
        return len(self.image)

    def read(self, kind, rows) -> torch.Tensor:
        """Read `rows`, sorted positions, of a matrix from its file."""
        return read_rows(self.folder / f"{kind}.safetensors", rows, getattr(self, kind))


def open_part(folder, record) -> Part:
    """Open the part in a folder of the bank with that record. Raises `ValueError` if its files do not fit together."""
    matrices = {name: map_rows(folder / f"{name}.safetensors") for name in (*MODALITIES, "ids")}
    pairs = pq.ParquetFile(folder / "pairs.parquet")
    dims = {"image": record.image_encoder.dim, "text": record.text_encoder.dim, "ids": 2}
    for name, matrix in matrices.items():
        dtypes = {"image": (getattr(torch, record.dtype, None),), "text": tuple(FLOATS), "ids": (torch.int64,)}[name]
        if matrix.dtype not in dtypes or matrix.shape != (pairs.metadata.num_rows, dims[name]):
            raise ValueError(
                f"{folder.name}/{name}.safetensors holds {matrix.dtype} of shape {tuple(matrix.shape)}, not "
                f"{dtypes} of shape ({pairs.metadata.num_rows}, {dims[name]})"
            )
    texts = [field.name for field in pairs.schema_arrow if field.type in (pa.string(), pa.large_string())]
    for name in COLUMNS:
        if pairs.schema_arrow.names.count(name) != 1 or (name in ("id", "caption") and name not in texts):
            raise ValueError(f"{folder.name}/pairs.parquet has no column {name!r}, or several, or one without texts")
    return Part(folder, matrices["image"], matrices["text"], pairs)


def index_name(state) -> str:
    """Return the folder of the indexes of the version with that state file: ``index-`` and the same digits."""
    return state.replace("state-", "index-").removesuffix(".safetensors")


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


def id_digests(ids) -> np.ndarray:
    """Return 128-bit BLAKE2b digests of n strings, (n, 2) int64: they find pairs without reading the table."""
    digests = b"".join(hashlib.blake2b(str(id).encode(errors="surrogatepass"), digest_size=16).digest() for id in ids)
    return np.frombuffer(digests, np.int64).reshape(-1, 2)
