"""Files that are computed from a version of a bank: rounded copies of its embeddings, and the record of each file.

A record lies beside its file, ``NAME.json`` beside ``NAME.safetensors``. It names the owner of the embeddings, and the
file's size and SHA-256. A file without a record does not count.
"""

import contextlib
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError

from asif_lib.errors import DataError, first_line
from asif_lib.files import SMALL, check_sha256, parse_json, sealed, sha256_of, unsealed, write_whole
from asif_lib.search.prepared import PreparedAnchors, rounded_blocks

from .matrices import map_rows, matrix_file


class FileRecord(BaseModel):
    """The record of a file that is computed from a matrix (n, d); the owner's own keys follow."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file: str
    n: int
    d: int
    size: int
    """Bytes. A file that is cut off would end the process that maps it."""
    checksum: str
    """SHA-256 of the file."""


class CopyRecord(FileRecord):
    """The record of a prepared copy."""

    error: float = Field(ge=0, allow_inf_nan=False)
    """The largest distance between a rounded row and the true one."""


@contextlib.contextmanager
def recorded(file, about):
    """Give a temporary name to write `file` under; then rename it, and write its record. An error leaves the old file.

    The dictionary `about` becomes the record: ``n``, ``d`` and what names the owner. The block may add to it.
    """
    part, record = file.with_name(f"{file.name}.part"), file.with_suffix(".json")
    try:
        yield part
        about |= {"file": file.name, "size": part.stat().st_size, "checksum": sha256_of(part)}
        record.unlink(missing_ok=True)  # the old record must not describe the new file
        part.replace(file)
        write_whole(record, sealed(about))
    finally:
        part.unlink(missing_ok=True)


def checked_record(file, model, about):
    """Return the record of a file, after comparing it with the file and with what is expected.

    Parameters
    ----------
    file : Path
    model : class
        `FileRecord`, or one of its children.
    about : dict
        What the record must say.

    Raises
    ------
    OSError, ValueError
        If file or record are missing or damaged, or the record says something else.
    """
    record = parse_json(unsealed(file.with_suffix(".json").read_bytes()), model)
    check_same(record, {"file": file.name, **about})
    if file.stat().st_size != record.size:
        raise ValueError(f"{file.name} is cut off")
    if record.size < SMALL:
        check_sha256(file, record.checksum)
    return record


def check_same(record, expected):
    """Raise `ValueError` if a record says something else about its matrix than `expected`, a dict."""
    for key, value in expected.items():
        found = getattr(record, key, None)
        if found != value:
            raise ValueError(f"its {key} is {found}, not {value}")


def checksums_of_files(folder) -> dict:
    """Return the SHA-256 of each file in a folder that has a record, by path. Raises `OSError` or `ValueError`."""
    records = [parse_json(unsealed(file.read_bytes()), FileRecord) for file in sorted(folder.glob("*.json"))]
    return {folder / Path(record.file).name: record.checksum for record in records}


def write_prepared(folder, name, anchors, mean, owner, *, progress=False):
    """Write the rounded copy of `anchors` into a folder, block by block.

    Parameters
    ----------
    folder : Path
    name : str
        Of the matrix: a folder holds the copies of several.
    anchors : Rows of shape (n, d)
    mean : Tensor of shape (d,), or None
    owner : dict
        Names the owner of the anchors, in plain JSON. `read_prepared` accepts the copy only for the same owner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    like = torch.empty(0, anchors.shape[1], dtype=torch.bfloat16)
    about = {"n": len(anchors), "d": anchors.shape[1], "error": 0.0, **owner}
    with recorded(_file(folder, name, mean), about) as part, matrix_file(part, like, len(anchors)) as target:
        for _, block in rounded_blocks(anchors, mean, progress):
            target.write(block.rows.contiguous().view(torch.uint8).numpy())
            about["error"] = max(about["error"], block.error)


def read_prepared(folder, name, anchors, mean, owner) -> PreparedAnchors | None:
    """Map the copy that `write_prepared` left in `folder`; None if no copy is there.

    Parameters
    ----------
    folder, name, anchors, mean, owner
        As for `write_prepared`.

    Raises
    ------
    DataError
        If the copy is damaged, or its record names other anchors or another owner.
    """
    file = _file(folder, name, mean)
    try:
        record = checked_record(file, CopyRecord, {"n": len(anchors), "d": anchors.shape[1], **owner})
        return PreparedAnchors(anchors, mean, map_rows(file), record.error)
    except FileNotFoundError:  # never prepared, or deleted by another process
        return None
    except (OSError, SafetensorError, ValueError) as problem:
        raise DataError(f"{file}: the prepared copy cannot be used ({first_line(problem)})") from None


def _file(folder, name, mean):
    return folder / f"{name}-{'plain' if mean is None else 'centred'}.safetensors"
