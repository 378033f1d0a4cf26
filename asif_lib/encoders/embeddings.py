"""A cache of embeddings on disk, one SQLite file per encoder identity.

The file belongs to one encoder. In it, a row is found by the SHA-256 of a picture's file (or pixels), or of a text. A
changed picture, encoder or preprocessing therefore misses the cache. A killed run resumes where it stopped, and two
data sets that share pictures share the work.

Each row holds the checksum of its encoder, key and vector. What is not as it was written is computed again.
"""

import contextlib
import json
import sqlite3
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

from asif_lib.errors import AsifError, BrokenPicturesError, DataError, EncoderError, PictureError, first_line
from asif_lib.files import cache_dir, is_writable, put_aside
from asif_lib.relative import as_embeddings

from .encoder import Encoder, check_list

COMMIT_EVERY = 64
"""Embeddings between two commits. A killed run loses about these, and the batches in work."""


def embed(encoder, items, *, progress=True) -> torch.Tensor:
    """Return the (n, dim) float32 embeddings of n pictures or texts, from the cache where it has them.

    Raises `ParameterError` if one item is given, or a table, in place of a list. Raises `BrokenPicturesError` if
    pictures cannot be read; the embeddings of the others are in the cache all the same.

    Parameters
    ----------
    encoder : ImageEncoder, TextEncoder, or an encoder of your own
        Your own is an object with an `identity` (see `external_identity`), and a method ``encode(items)`` that returns
        an (n, d) Tensor or array for a list of n items, also for an empty one. It is called without the cache.
    items : sequence of pictures or of strings
    """
    vectors, _, errors = embed_readable(encoder, items, progress=progress)
    if errors:
        raise BrokenPicturesError(errors)
    return vectors


def embed_readable(encoder, items, *, progress=True):
    """Return the embeddings of the pictures that can be read, as `embed`, and name the others.

    Parameters
    ----------
    encoder, items, progress
        As for `embed`.

    Returns
    -------
    vectors : Tensor of shape (m, dim), float32
    kept : list of int
        The positions of the m items that could be read.
    errors : list of PictureError
        The pictures that cannot be read, and the reasons.
    """
    check_list(items)
    if encoder.identity.is_external or not isinstance(encoder, Encoder):
        vectors = as_embeddings(encoder.encode(list(items))).float().cpu()
        if vectors.shape != (shape := (len(items), encoder.identity.dim)):
            fault = f"returned the shape {tuple(vectors.shape)} for {len(items)} items, not {shape}"
            raise EncoderError(f"encode of {encoder.identity} {fault}")
        return vectors, list(range(len(items))), []  # under this identity, the cache may hold those of another encoder
    keys, broken = encoder.cache_keys(items)
    positions_of = {}  # equal items are encoded once
    for i, key in keys.items():
        positions_of.setdefault(key, []).append(i)
    found, path = {}, cache_dir() / "embeddings" / f"{encoder.identity.digest}.checked.sqlite"
    mode = "rwc" if is_writable(path) else "ro" if path.exists() else "memory"
    if mode != "rwc":  # a class may share a cache
        warnings.warn(f"{path.parent} is read-only: new embeddings are not kept", stacklevel=3)
    try:
        _fill(found, path, mode, encoder, items, positions_of, broken, progress)
    except sqlite3.DatabaseError as error:
        warning = f"{path}: the cache of embeddings is damaged ({error}); it is computed again"
        try:
            warning += f", and the file kept as {put_aside(path).name}"
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # it belongs to the damaged file
            mode = "rwc"
        except OSError:  # a read-only folder
            mode = "memory"
        warnings.warn(warning, stacklevel=3)
        _fill(found, path, mode, encoder, items, positions_of, broken, progress)
    kept = [i for i, key in keys.items() if key in found]
    rows = np.frombuffer(b"".join(found[keys[i]] for i in kept), "<f4").astype(np.float32)  # a copy, to be written to
    vectors = torch.from_numpy(rows).reshape(len(kept), encoder.identity.dim)
    return vectors, kept, [broken[i] for i in sorted(broken)]


def _fill(found, path, mode, encoder, items, positions_of, broken, progress):
    """Read the embeddings of the keys of `positions_of` into `found`, as bytes; encode and keep what is not there.

    What is in `found` before is of a call that ended in damage, and is kept, too. Errors of pictures go into `broken`.
    """
    of = encoder.identity.digest
    with _open(path, mode) as connection:

        def keep(rows):
            if mode == "rwc" and rows:
                rows = [(key, vector, _checksum(of, key, vector)) for key, vector in rows]
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)

        keep(found.items())
        connection.commit()  # the next lines read only, and others may write
        if damaged := _read(connection, positions_of, of, found):
            warnings.warn(f"{path}: {damaged} embeddings are damaged, and computed again", stacklevel=4)
        todo = [key for key in positions_of if key not in found]
        first = [items[positions_of[key][0]] for key in todo]
        pending = 0
        for batch, vectors, errors in encoder.stream(first, progress=progress and bool(todo)):
            for j, error in errors:  # other files may have the same bytes, and each error names its own file
                for i in positions_of[todo[j]]:
                    broken[i] = PictureError(str(error).replace(str(first[j]), str(items[i]), 1))
            rows = [(todo[j], vector.numpy().astype("<f4").tobytes()) for j, vector in zip(batch, vectors, strict=True)]
            found.update(rows)
            keep(rows)
            pending += len(rows)
            if pending >= COMMIT_EVERY:
                connection.commit()
                pending = 0


@contextlib.contextmanager
def _open(path, mode):
    """Yield the connection to a file of the cache: to write it too ("rwc"), to read it ("ro"), or to none ("memory").

    Raises `sqlite3.DatabaseError` if the file is damaged, and `AsifError` if it cannot be used.
    """
    try:
        if mode == "rwc":
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = f"the cache cannot be made ({error}); set ASIF_CACHE to another folder"
        raise AsifError(f"{path.parent}: {fault}") from None
    name = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        with contextlib.closing(sqlite3.connect(name, timeout=60, uri=True)) as connection:
            try:
                if mode != "ro":
                    columns = "key TEXT PRIMARY KEY, vector BLOB, checksum INTEGER"
                    connection.execute(f"CREATE TABLE IF NOT EXISTS embeddings ({columns})")
                connection.execute("SELECT key, vector, checksum FROM embeddings LIMIT 0")  # reads all definitions
            except UnicodeDecodeError:  # of SQLite's message, which quotes damaged ones
                raise sqlite3.DatabaseError("its tables are not defined in text") from None
            try:
                yield connection
            finally:
                connection.commit()  # keeps the embeddings computed before Ctrl-C, or before an error
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
            raise  # a table or a column is lost
        fault = f"{path}: the cache of embeddings cannot be used ({error})"
        raise AsifError(f"{fault}; free some disk space, or wait until another run has ended") from None


def _read(connection, keys, of, found) -> int:
    """Add the rows of these keys to `found`, as bytes by key; return how many are not as they were written."""
    query = "SELECT value, vector, checksum FROM json_each(?) AS asked JOIN embeddings ON embeddings.key = asked.value"
    damaged = 0
    for key, vector, checksum in connection.execute(query, [json.dumps([key for key in keys if key not in found])]):
        if isinstance(vector, bytes) and checksum == _checksum(of, key, vector):
            found[key] = vector
        else:
            damaged += 1
    return damaged


def _checksum(of, key, vector) -> int:
    """Return the CRC-32 of a row: it notices up to three flipped bits always, and other damage but for one in 2**32."""
    return zlib.crc32(vector, zlib.crc32(f"{of} {key}".encode()))


def read_array(path):
    """Return the array of a ``.npy`` file, mapped; of a ``.pt`` file, read as weights only; or of a folder of parts.

    CLIP_benchmark writes ``features_test.pt`` (q, d) and ``targets_test.pt`` (q,). clip-retrieval writes a folder with
    `numbered_parts`, such as ``img_emb``. Raises `DataError` if a file holds no array, or parts differ.
    """
    parts = []
    for file in numbered_parts(path):
        try:
            if file.suffix == ".pt":
                part = torch.load(file, map_location="cpu", weights_only=True)  # runs no code of the file
                part = part.detach().to_dense() if isinstance(part, torch.Tensor) else part
            else:
                part = np.load(file, mmap_mode="r", allow_pickle=False)
            if not isinstance(part, np.ndarray | torch.Tensor) or not part.ndim:
                raise ValueError(f"it holds {'one number' if hasattr(part, 'ndim') else 'several arrays'}")
        except Exception as error:  # both readers raise errors of many kinds
            reason = first_line(error)
            raise DataError(f"{file}: is not a matrix that numpy.save or torch.save wrote ({reason})") from None
        parts.append(part)
    if len(widths := {part.shape[1:] for part in parts}) > 1:
        raise DataError(f"{path}: has parts with rows of the shapes {sorted(widths)}; one model makes one width")
    if len(dtypes := {str(part.dtype) for part in parts}) > 1:
        raise DataError(f"{path}: has parts of {' and '.join(sorted(dtypes))}; save all of them as one dtype")
    join = torch.cat if isinstance(parts[0], torch.Tensor) else np.concatenate
    return parts[0] if len(parts) == 1 else join(parts)


def numbered_parts(path) -> list:
    """Return the files ``NAME_0``, ``NAME_1`` … of a folder by their number; of a file, the file alone.

    Raises `DataError` if the numbers do not go from 0 on without a gap, or one stands twice.
    """
    if not (path := Path(path)).is_dir():
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is a pipe or a device; name a file")  # a pipe would be waited for
        return [path]
    files = sorted((int(end), file) for file in path.iterdir() if (end := file.stem.rpartition("_")[2]).isdecimal())
    numbers = [number for number, _ in files]
    if numbers != [*range(len(files))] or not files:
        wrong = next((i for i, number in enumerate(numbers) if number != i), 0)
        fault = f"{numbers[wrong]} stands twice" if files and numbers[wrong] < wrong else f"{wrong} is missing"
        raise DataError(f"{path}: has {len(files)} files with a number at the end of the name; number {fault}")
    return [file for _, file in files]
