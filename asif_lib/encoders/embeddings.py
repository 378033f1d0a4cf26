"""A cache of embeddings on disk, one SQLite file per encoder identity.

The file belongs to one encoder. In it, a row is found by the SHA-256 of a picture's file (or pixels), or of a text. A
changed picture, encoder or preprocessing therefore misses the cache. A killed run resumes where it stopped, and two
data sets that share pictures share the work.
"""

import contextlib
import json
import sqlite3
import warnings

import numpy as np
import torch

from asif_lib.errors import AsifError, BrokenPicturesError, EncoderError, PictureError
from asif_lib.files import cache_dir, is_writable
from asif_lib.relative import as_embeddings

from .encoder import Encoder, check_list

COMMIT_EVERY = 64
"""Embeddings between two commits. A killed run loses about these, and the batches in work."""


def embed(encoder, items, *, progress=True) -> torch.Tensor:
    """Return the (n, dim) float32 embeddings of n pictures or texts, from the cache where it has them.

    Parameters
    ----------
    encoder : ImageEncoder, TextEncoder, or an encoder of your own
        Your own is an object with an `identity` (see `external_identity`), and a method ``encode(items)`` that returns
        an (n, d) Tensor or array for a list of n items, also for an empty one. It is called without the cache.
    items : sequence of pictures or of strings

    Raises
    ------
    ParameterError
        If one item is given, or a table, in place of a list.
    BrokenPicturesError
        If pictures cannot be read; the embeddings of the others are in the cache all the same.
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
        return _encoded(encoder, items), list(range(len(items))), []
    keys, broken = encoder.cache_keys(items)
    positions_of = {}  # equal items are encoded once
    for i, key in keys.items():
        positions_of.setdefault(key, []).append(i)
    with _open(encoder.identity) as (connection, writable):
        found = _read(connection, positions_of, encoder.identity.dim)
        todo = [key for key in positions_of if key not in found]
        first = [items[positions_of[key][0]] for key in todo]
        pending = 0
        for batch, vectors, errors in encoder.stream(first, progress=progress and bool(todo)):
            for j, error in errors:  # other files may have the same bytes, and each error names its own file
                for i in positions_of[todo[j]]:
                    broken[i] = PictureError(str(error).replace(str(first[j]), str(items[i]), 1))
            rows = [(todo[j], vector) for j, vector in zip(batch, vectors, strict=True)]
            found.update(rows)
            if writable:
                stored = [(key, vector.numpy().astype("<f4").tobytes()) for key, vector in rows]
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", stored)
            pending += len(rows)
            if pending >= COMMIT_EVERY:
                connection.commit()
                pending = 0
    kept = [i for i, key in keys.items() if key in found]
    vectors = torch.stack([found[keys[i]] for i in kept]) if kept else torch.empty(0, encoder.identity.dim)
    return vectors, kept, [broken[i] for i in sorted(broken)]


def _encoded(encoder, items) -> torch.Tensor:
    """Encode without the cache, in which the embeddings of another encoder of that identity may lie."""
    vectors = as_embeddings(encoder.encode(list(items))).float()
    if vectors.shape != (len(items), encoder.identity.dim):
        raise EncoderError(
            f"encode of {encoder.identity} returned the shape {tuple(vectors.shape)} for {len(items)} items, not "
            f"({len(items)}, {encoder.identity.dim})"
        )
    return vectors.cpu()


@contextlib.contextmanager
def _open(identity):
    """Yield the connection to the file of this encoder, and whether it may be written to.

    A class may share a read-only cache: it is read, and what is new is not kept.
    """
    path = cache_dir() / "embeddings" / f"{identity.digest}.sqlite"
    writable = is_writable(path)
    try:
        if writable:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            warnings.warn(f"{path.parent} is read-only: new embeddings are not kept", stacklevel=4)
    except OSError as error:
        fault = f"the cache cannot be made ({error}); set ASIF_CACHE to another folder"
        raise AsifError(f"{path.parent}: {fault}") from None
    try:
        # without a file that can be read, an empty database in memory takes its place
        address = f"{path.absolute().as_uri()}?mode={'rwc' if writable else 'ro'}"
        name = address if writable or path.exists() else "file::memory:"
        with contextlib.closing(sqlite3.connect(name, timeout=60, uri=True)) as connection:
            if writable or name != address:
                connection.execute("CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, vector BLOB)")
            try:
                yield connection, writable
            finally:
                connection.commit()  # keeps the embeddings computed before Ctrl-C, or before an error
    except sqlite3.OperationalError as error:
        raise AsifError(
            f"{path}: the cache of embeddings cannot be used ({error}); free some disk space, or wait until another "
            f"run has ended"
        ) from None
    except sqlite3.DatabaseError as error:
        raise AsifError(
            f"{path}: the cache of embeddings is damaged ({error}); delete this file: it will be computed again"
        ) from None


def _read(connection, keys, dim):
    """Return the rows of these keys that the file has, by key."""
    query = "SELECT key, vector FROM embeddings WHERE key IN (SELECT value FROM json_each(?))"
    rows = connection.execute(query, [json.dumps(list(keys))])
    return {key: torch.from_numpy(np.frombuffer(blob, "<f4").copy()) for key, blob in rows if len(blob) == 4 * dim}
