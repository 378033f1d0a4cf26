"""Files that are computed from a version of a bank: rounded copies of its embeddings, and the record of each file.

A record lies beside its file, ``NAME.json`` beside ``NAME.safetensors``. It names the owner of the embeddings, and the
file's size and SHA-256. A file without a record does not count.
"""

import contextlib
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError

from asif_lib.errors import BankError, first_line
from asif_lib.files import check_sha256, read_sealed, sha256_of, size_of_file, write_sealed
from asif_lib.machine import progress_bar
from asif_lib.search.exact import PreparedAnchors, rounded_blocks

from .disk import changing
from .matrices import map_rows, matrix_file
from .record import MEND


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
    error: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Of a prepared copy: the largest distance between a rounded row and the true one."""


@contextlib.contextmanager
def recorded(file, about):
    """Give a temporary name to write `file` under; then rename it, and write its record. An error leaves the old file.

    The dictionary `about` becomes the record: ``n``, ``d`` and the owner. The block may add to it, also the checksum.
    """
    part, record = file.with_name(f"{file.name}.part"), file.with_suffix(".json")
    file.parent.mkdir(exist_ok=True)
    try:
        yield part
        about |= {"file": file.name, "size": part.stat().st_size, "checksum": about.get("checksum") or sha256_of(part)}
        record.unlink(missing_ok=True)  # the old record must not describe the new file
        part.replace(file)
        write_sealed(record, about)
    finally:
        part.unlink(missing_ok=True)


def checked_record(file, about) -> FileRecord:
    """Return the record of a file, after comparing it with `about`, what it must say, and the size of the file.

    Raises `OSError` or `ValueError` if file or record are missing or damaged, or the record says something else.
    """
    record = read_sealed(file.with_suffix(".json"), FileRecord)
    for key, value in {"file": file.name, **about}.items():
        if (found := getattr(record, key, None)) != value:
            raise ValueError(f"its {key} is {found}, not {value}")
    if size_of_file(file) != record.size:
        raise ValueError(f"{file.name} is cut off")
    return record


def verify_files(version, progress) -> list:
    """Compare all files of the bank of a `DiskVersion`, its copies and indexes; see `AnchorBank.verify`."""
    home, history = version.folder, version.record.history
    files = {home / one.state: one.checksum for one in history} | version.record.files_of_parts(home)
    damaged = []
    for folder in (home / one.index_folder for one in history):
        try:
            files |= _checksums(folder)
        except (OSError, ValueError) as error:
            damaged.append(f"{folder}: {first_line(error)}")
    size = sum(path.stat().st_size for path in files if path.exists())
    with progress_bar(total=size, desc="verifying", unit="B", unit_scale=True, progress=progress) as bar:
        for path, checksum in files.items():
            try:
                check_sha256(path, checksum)
                bar.update(path.stat().st_size)
            except (OSError, ValueError) as error:
                damaged.append(f"{path.parent}: {first_line(error)}")
    if damaged:
        raise BankError(f"bank {version.record.name!r} is damaged; {MEND}: {'; '.join(damaged)}")
    return list(files)


def _checksums(folder) -> dict:
    """Return the SHA-256 of each file in a folder that has a record, by path. Raises `OSError` or `ValueError`."""
    records = {file: read_sealed(file, FileRecord) for file in sorted(folder.glob("*.json"))}
    for file, record in records.items():
        if Path(record.file).stem != file.stem:
            raise ValueError(f"{file.name} is the record of another file, {record.file}")
    return {folder / Path(record.file).name: record.checksum for record in records.values()}


def write_prepared(version, means, progress):
    """Write rounded copies of the embeddings of a `DiskVersion`, less their `means` (d,) by side, block by block."""
    opened = version.record.newest
    with changing(version.folder, version.record.name) as record:
        if opened.state not in [one.state for one in record.history]:
            fault = f"bank {record.name!r}: version {opened.version}, which was opened, is no longer on disk"
            raise BankError(f"{fault}; load the bank again, and prepare that")
        for side, mean in means.items():
            rows, file, about = _place(version, side)
            version.compare(f"{side}.safetensors")
            like, about["error"] = torch.empty(0, rows.shape[1], dtype=torch.bfloat16), 0.0
            with recorded(file, about) as part, matrix_file(part, like, len(rows)) as target:
                for _, block in rounded_blocks(rows, mean, progress):
                    target.write(block.rows.contiguous().view(torch.uint8).numpy())
                    about["error"] = max(about["error"], block.error)
                about["checksum"] = target.sha256


def read_prepared(version, side, mean) -> PreparedAnchors | None:
    """Map the copy that `write_prepared` made for this version, side and mean; None if no copy is there.

    The rows beside it were compared before. Raises `BankError` if it is damaged, or its record names another owner.
    """
    rows, file, about = _place(version, side)
    try:
        record = checked_record(file, about)
        version.compare_file(file, record.checksum)
        return PreparedAnchors(rows, mean, map_rows(file), record.error)
    except FileNotFoundError:  # never prepared, or deleted by another process
        return None
    except (OSError, SafetensorError, ValueError) as error:
        fault = f"the prepared copy cannot be used ({first_line(error)})"
        raise BankError(f"{file}: {fault}; prepare the bank again") from None


def _place(version, side):
    """Return the rows of a side, the file of their copy, and what its record says of rows, version and encoder."""
    rows, folder = version.mapped(side), version.index_folder
    owner = {"state": folder.name.removeprefix("index-"), "encoder": version.record.encoders[side].digest}
    return rows, folder / f"{side}-prepared.safetensors", {"n": len(rows), "d": rows.shape[1], **owner}
