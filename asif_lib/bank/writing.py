"""Changes of a bank's folder: under a lock, all or nothing, and on the disk before they count."""

import contextlib
import json
import os
import shutil
import uuid
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from asif_lib.errors import BankError
from asif_lib.files import locked
from asif_lib.search.matrices import FLOATS, matrix_file, synced

from .layout import FORMAT_VERSION, MODALITIES, OURS, id_digests, index_name, read_about
from .sums import exact_sum


@contextlib.contextmanager
def changing(folder):
    """Hold the bank's lock, without which nobody writes, and turn what goes wrong into one sentence.

    Raises
    ------
    LockedError
        If another process changes the bank, and does not end.
    BankError
        If the folder is read-only, or the disk is full: the bank is then as it was before. If the change is made,
        but what it deletes is still there, or the disk does not confirm it: then the error says that.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "bank.json"):
            sweep(folder)
            try:
                yield
            except BaseException:
                sweep(folder)
                raise
            left = sweep(folder)
    except (OSError, SafetensorError) as error:
        raise BankError(
            f"{folder}: the bank could not be written ({error}); it is as it was: make room, or make the folder "
            f"writable, and repeat"
        ) from None
    if left:
        version = read_about(folder, folder)["history"][-1]["version"]
        raise BankError(f"{folder}: the change is made, the bank is at version {version}, but {'; '.join(left)}")


def check_dtype(dtype):
    """Raise `BankError` unless a bank can keep its embeddings in that dtype."""
    if dtype not in FLOATS:
        known = ", ".join(map(str, FLOATS))
        raise BankError(f"a bank does not keep embeddings in {dtype}; take one of {known}")


def sweep(folder) -> list:
    """Delete what ``bank.json`` does not name: parts and states of a change that was killed, undone or compacted.

    What it does name is on the disk before. Returns what went wrong, a text each.
    """
    try:
        sync(folder)
    except OSError as error:
        return [f"the disk does not confirm it ({error}); see to the disk before you go on"]
    try:
        about = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
        states = [entry["state"] for entry in about["history"]]
        named = {*about["parts"], *states, *map(index_name, states)}
    except (OSError, ValueError, KeyError, TypeError):
        named = set()  # no bank yet, or of another format; only what replaces it is of use
        if (folder / "bank.json").exists():
            return []
    left = []
    for file in folder.iterdir():
        if OURS.fullmatch(file.name) and file.name not in named:
            try:
                shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{file.name} could not be deleted ({error}); delete it yourself")
    return left


def write_part(folder, chunks, *, count, like, schema):
    """Write `count` pairs, which come block by block, into a new part.

    Parameters
    ----------
    folder : Path
        The bank's.
    chunks : iterable of ({modality: Tensor}, pyarrow.RecordBatch)
    like : dict of str to Tensor
        For each modality a matrix of the same type and width.
    schema : pyarrow.Schema
        Of the table.

    Returns
    -------
    name : str
    sums : dict of str to Tensor
        `exact_sum` of the rows.
    """
    part = folder / f"part-{uuid.uuid4().hex[:12]}"
    part.mkdir(parents=True)
    sums = {kind: torch.zeros(2, like[kind].shape[1], dtype=torch.int64) for kind in MODALITIES}
    with contextlib.ExitStack() as stack:
        files = {
            kind: stack.enter_context(matrix_file(part / f"{kind}.safetensors", like[kind], count))
            for kind in MODALITIES
        }
        digests = torch.empty(0, 2, dtype=torch.int64)
        ids = stack.enter_context(matrix_file(part / "ids.safetensors", digests, count))
        table = pq.ParquetWriter(stack.enter_context(synced(part / "pairs.parquet")), schema)
        stack.callback(table.close)
        for rows, batch in chunks:
            for kind in MODALITIES:
                files[kind].write(rows[kind].contiguous().view(torch.uint8).numpy())
                sums[kind] += exact_sum(rows[kind])
            ids.write(id_digests(batch.column("id").to_pylist()))
            table.write_batch(batch)
    sync(part)
    return part.name, sums


def write_state(folder, removed, sums) -> str:
    """Write the rows that are removed and the sums of the others; return the file's name."""
    name = f"state-{uuid.uuid4().hex[:12]}.safetensors"
    tensors = {"removed": torch.from_numpy(removed), **{f"{kind}_sum": sums[kind] for kind in MODALITIES}}
    with synced(folder / name) as file:
        file.write(save(tensors))
    return name


def write_about(folder, about):
    """Replace ``bank.json``: from here on the change is made; `sweep` waits until it cannot get lost."""
    temporary = folder / f"bank.json-{uuid.uuid4().hex[:12]}"
    with synced(temporary) as file:
        file.write(json.dumps(about, indent=2, ensure_ascii=False).encode())
    sync(folder)  # what it names is there before it is
    os.replace(temporary, folder / "bank.json")


def write_bank(folder, name, licence, identities, chunks, *, count, like, schema):
    """Write a bank at version 1 over what is in `folder`, under its lock. The parameters are those of `write_part`."""
    part, sums = write_part(folder, chunks, count=count, like=like, schema=schema)
    about = {
        "format": FORMAT_VERSION,
        "name": name,
        "licence": licence,
        "dtype": str(like["image"].dtype).removeprefix("torch."),
        **{f"{kind}_encoder": asdict(identity) for kind, identity in zip(MODALITIES, identities, strict=True)},
        "parts": [part],
        "history": [],
    }
    add_version(folder, about, f"built of {count} pairs", count, np.empty(0, np.int64), sums)


def add_version(folder, about, change, count, removed, sums, *, forget=False):
    """Commit a version over `about`, which says the parts and what was before; `forget` drops the history."""
    entry = {
        "version": about["history"][-1]["version"] + 1 if about["history"] else 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "change": change,
        "count": count,
        "parts": len(about["parts"]),
        "state": write_state(folder, removed, sums),
    }
    write_about(folder, {**about, "history": [*([] if forget else about["history"]), entry]})


def sync(folder):
    """Wait until the names in a folder are on the disk: new and renamed files are when their folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
