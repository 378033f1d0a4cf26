"""Changes of a bank's folder: under a lock, all or nothing, and on the disk before they count."""

import contextlib
import os
import shutil
import uuid
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from asif_lib.errors import BankError
from asif_lib.files import locked, sealed
from asif_lib.search.rows import BLOCK

from .layout import MODALITIES, OURS, id_digests, index_name
from .matrices import matrix_file, synced
from .record import BankRecord, PartRecord, Version, read_record
from .sums import exact_sum


@contextlib.contextmanager
def changing(folder):
    """Hold the lock of a bank during a change, and turn what goes wrong into one sentence.

    Raises
    ------
    LockedError
        If another process changes the bank, and does not end.
    BankError
        If the folder is read-only, or the disk is full: the bank is then as it was before. The error says so if the
        change is made, but old files could not be deleted, or the disk does not confirm the change.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "bank.json"):
            delete_unnamed(folder)
            try:
                yield
            except BaseException:
                delete_unnamed(folder)
                raise
            left = delete_unnamed(folder)
    except (OSError, SafetensorError) as error:
        raise BankError(
            f"{folder}: the bank could not be written ({error}); it is as it was: make room, or make the folder "
            f"writable, and repeat"
        ) from None
    if left:
        version = read_record(folder, folder).newest.version
        raise BankError(f"{folder}: the change is made, the bank is at version {version}, but {'; '.join(left)}")


def check_folder(folder):
    """Raise `BankError` if a bank cannot be written to `folder` because something else is there."""
    if folder.exists() and not folder.is_dir():
        raise BankError(f"{folder}: is a file; choose another name")
    others = (f.name for f in folder.glob("*") if not OURS.fullmatch(f.name) and f.name != "bank.json.lock")
    if not (folder / "bank.json").exists() and any(others):
        raise BankError(f"{folder}: holds files that are no bank; choose another name")


def delete_unnamed(folder) -> list:
    """Delete the files that ``bank.json`` does not name: those of a change that was killed, undone or compacted.

    Before, wait until the files that it names are on the disk. Returns a list of texts: what went wrong.
    """
    try:
        sync(folder)
    except OSError as error:
        return [f"the disk does not confirm it ({error}); see to the disk before you go on"]
    named = set()  # no bank yet: only the bank that is being written is of use
    if (folder / "bank.json").exists():
        try:
            record = read_record(folder, folder)
        except BankError:  # damaged, or of another format: it is replaced or left alone, never swept
            return []
        states = [version.state for version in record.history]
        named = {*(part.name for part in record.parts), *states, *map(index_name, states)}
    left = []
    for file in folder.iterdir():
        if OURS.fullmatch(file.name) and file.name not in named:
            try:
                shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{file.name} could not be deleted ({error}); delete it yourself")
    return left


def in_blocks(matrices, table) -> dict:
    """Return matrices and a table of as many rows as the arguments of `write_part`."""

    def chunks():
        for start in range(0, len(table), BLOCK):
            rows = {kind: matrix[start : start + BLOCK] for kind, matrix in matrices.items()}
            yield rows, table.slice(start, BLOCK).combine_chunks().to_batches()[0]

    return {"count": len(table), "like": matrices, "schema": table.schema, "chunks": chunks()}


def write_part(folder, *, count, like, schema, chunks):
    """Write `count` pairs, which come block by block, into a new part of the bank in `folder`.

    Parameters
    ----------
    like : dict of str to Tensor or Rows
        For each modality a matrix of the same type and width.
    schema : pyarrow.Schema
        Of the table.
    chunks : iterable of ({modality: Tensor}, pyarrow.RecordBatch)

    Returns
    -------
    part : PartRecord
    sums : dict of str to Tensor
        `exact_sum` of the rows.
    """
    part = folder / f"part-{uuid.uuid4().hex[:12]}"
    part.mkdir(parents=True)
    sums = {kind: torch.zeros(2, like[kind].shape[1], dtype=torch.int64) for kind in MODALITIES}
    with contextlib.ExitStack() as stack:
        like = {**like, "ids": torch.empty(0, 2, dtype=torch.int64)}
        files = {
            f"{name}.safetensors": stack.enter_context(matrix_file(part / f"{name}.safetensors", matrix, count))
            for name, matrix in like.items()
        }
        files["pairs.parquet"] = stack.enter_context(synced(part / "pairs.parquet"))
        table = pq.ParquetWriter(files["pairs.parquet"], schema)
        stack.callback(table.close)
        for rows, batch in chunks:
            for kind in MODALITIES:
                files[f"{kind}.safetensors"].write(rows[kind].contiguous().view(torch.uint8).numpy())
                sums[kind] += exact_sum(rows[kind])
            files["ids.safetensors"].write(id_digests(batch.column("id").to_pylist()))
            table.write_batch(batch)
    sync(part)
    return PartRecord(name=part.name, files={name: file.sha256 for name, file in files.items()}), sums


def write_state(folder, removed, sums) -> dict:
    """Write the removed rows and the sums of the rows that are left; return the file's name and checksum."""
    name = f"state-{uuid.uuid4().hex[:12]}.safetensors"
    tensors = {"removed": torch.from_numpy(removed), **{f"{kind}_sum": sums[kind] for kind in MODALITIES}}
    with synced(folder / name) as file:
        file.write(save(tensors))
    return {"state": name, "checksum": file.sha256}


def write_record(folder, record):
    """Replace ``bank.json``: from here on the change is made; `delete_unnamed` waits until it cannot get lost."""
    temporary = folder / f"bank.json-{uuid.uuid4().hex[:12]}"
    with synced(temporary) as file:
        file.write(sealed(record))
    sync(folder)  # the files that it names are on the disk first
    os.replace(temporary, folder / "bank.json")


def write_bank(folder, store, name, licence, encoders):
    """Write the pairs of a store as version 1 of a new bank over the content of `folder`, under its lock."""
    image, text = encoders
    stored = store.stored()
    with changing(folder):
        part, sums = write_part(folder, **stored)
        dtype = str(stored["like"]["image"].dtype).removeprefix("torch.")
        record = BankRecord(
            name=name, licence=licence, dtype=dtype, image_encoder=image, text_encoder=text, parts=[part]
        )
        add_version(folder, record, f"built of {len(store)} pairs", len(store), np.empty(0, np.int64), sums)


def add_version(folder, record, change, count, removed, sums, *, forget=False):
    """Commit a version over `record`, which names the parts and the versions before; `forget` drops these."""
    entry = Version(
        version=record.newest.version + 1 if record.history else 1,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        change=change,
        count=count,
        parts=len(record.parts),
        **write_state(folder, removed, sums),
    )
    history = [entry] if forget else [*record.history, entry]
    write_record(folder, record.model_copy(update={"history": history}))


def sync(folder):
    """Wait until the names in a folder are on the disk: a new or renamed file is, once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
