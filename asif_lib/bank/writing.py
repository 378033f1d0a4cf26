"""Changes of a bank's folder: under a lock, all or nothing, and on the disk before they count.

The names in the folder, and their schema, are those of `record`.
"""

import contextlib
import os
import shutil
import uuid
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from asif_lib.errors import BankError, first_line
from asif_lib.files import sealed
from asif_lib.search.rows import BLOCK

from .matrices import NO_ROWS, matrix_file, synced
from .record import OURS, PartRecord, Version, no_bank, read_record
from .sums import LIMBS, exact_sum


@contextlib.contextmanager
def changing(folder, name=None):
    """Hold the lock of a bank's folder during a change, and turn what goes wrong into one sentence.

    With the bank's `name`, give its record; without, the bank is to be replaced, whatever it is.
    Raises `LockedError` if another process does not end its change. Raises `BankError` if the bank is gone or damaged,
    the folder is read-only, or the disk is full: the bank is then as it was before. The error says so if the change is
    made, but old files could not be deleted, or the disk does not confirm the change.
    """
    from asif_lib.locks import locked  # an answer changes no bank

    if name is not None and not (folder / "bank.json").exists():
        raise no_bank(folder, name)  # before a folder is made for the lock
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "bank.json"):
            record = None if name is None else read_record(folder, name)
            _sweep(folder, record)
            try:
                yield record
            except BaseException:
                _sweep(folder)
                raise
            left = _sweep(folder)
    except (OSError, SafetensorError) as error:
        fault = f"{folder}: the bank could not be written ({error})"
        raise BankError(f"{fault}; it is as it was: make room, or make the folder writable, and repeat") from None
    if left:
        version = read_record(folder, folder).newest.version
        raise BankError(f"{folder}: the change is made, the bank is at version {version}, but {'; '.join(left)}")


def _sweep(folder, record=None) -> list:
    """Delete the files that `record`, or else ``bank.json``, does not name: of a change that was killed or undone.

    Before, wait until the files that it names are on the disk. Returns a list of texts: what went wrong.
    """
    try:
        sync(folder)
    except OSError as error:
        return [f"the disk does not confirm it ({error}); see to the disk before you go on"]
    if record is None and (folder / "bank.json").exists():
        try:
            record = read_record(folder, folder)
        except BankError:  # damaged, or of another format: it is replaced or left alone, never swept
            return []
    named, left = record.named if record else (), []  # no bank yet: only the bank that is being written is of use
    for file in folder.iterdir():
        if OURS.fullmatch(file.name) and file.name not in named:
            try:
                shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{file.name} could not be deleted ({error}); delete it yourself")
    return left


def check_folder(folder):
    """Raise `BankError` if a bank cannot be written to `folder` because something else is there."""
    if folder.exists() and not folder.is_dir():
        raise BankError(f"{folder}: is a file; choose another name")
    others = (f.name for f in folder.glob("*") if not OURS.fullmatch(f.name) and f.name != "bank.json.lock")
    if not (folder / "bank.json").exists() and any(others):
        raise BankError(f"{folder}: holds files that are no bank; choose another name")


def write_bank(folder, record, count, schema, blocks):
    """Write pairs as version 1 of a new bank over the content of `folder`, under its lock.

    The `record` has no parts and versions yet; the other parameters are those of `write_part`.
    """
    with changing(folder):
        part, sums = write_part(folder, record.sides, count, schema, blocks)
        record = record.model_copy(update={"parts": [part]})
        add_version(folder, record, f"built of {count} pairs", NO_ROWS, count, sums)


def write_part(folder, sides, count, schema, blocks):
    """Write `count` pairs into a new part of the bank in `folder`; return its PartRecord and the sums of its rows.

    Each of the `blocks` is ({side: Tensor of shape (b, d)}, pyarrow.RecordBatch of b rows); `sides` are `Side` records,
    and `schema` is the table's. The sums are those of `exact_sum`, by side.
    """
    part = folder / f"part-{uuid.uuid4().hex[:12]}"
    part.mkdir(parents=True)
    sums = {side.name: torch.zeros(LIMBS, side.encoder.dim, dtype=torch.int64) for side in sides}
    with contextlib.ExitStack() as stack:
        files = {"pairs.parquet": stack.enter_context(synced(part / "pairs.parquet"))}
        for side in sides:
            like = torch.empty(0, side.encoder.dim, dtype=getattr(torch, side.dtype))
            file = f"{side.name}.safetensors"
            files[file] = stack.enter_context(matrix_file(part / file, like, count))
        table = pq.ParquetWriter(files["pairs.parquet"], schema)
        stack.callback(table.close)
        for rows, batch in blocks:
            for name in sums:
                files[f"{name}.safetensors"].write(rows[name].contiguous().view(torch.uint8).numpy())
                sums[name] += exact_sum(rows[name])
            table.write_batch(batch)
    sync(part)
    return PartRecord(name=part.name, files={name: file.sha256 for name, file in files.items()}), sums


def add_version(folder, record, change, removed, count, sums, *, forget=False):
    """Commit a version, and return the new record.

    The `record` names the parts, and the versions before, which with `forget` leave the history; `change` is in words.
    The rows `removed` (int64, ascending) are counted over all parts. Of the pairs that are left, there are the `count`
    and the `exact_sum` by side.
    """
    state = f"state-{uuid.uuid4().hex[:12]}.safetensors"
    with synced(folder / state) as file:
        file.write(save({"removed": torch.from_numpy(removed), **{f"{side}_sum": sums[side] for side in sums}}))
    number, time = record.newest.version + 1 if record.history else 1, datetime.now(UTC).isoformat(timespec="seconds")
    what = {"change": change, "count": count, "parts": len(record.parts), "state": state, "checksum": file.sha256}
    entry = Version(version=number, time=time, **what)
    record = record.model_copy(update={"history": [*(() if forget else record.history), entry]})
    write_record(folder, record)
    return record


def write_record(folder, record):
    """Replace ``bank.json``: from here on the change is made; `changing` waits until it cannot get lost."""
    temporary = folder / f"bank.json-{uuid.uuid4().hex[:12]}"
    with synced(temporary) as file:
        file.write(sealed(record))
    sync(folder)  # the files that it names are on the disk first
    os.replace(temporary, folder / "bank.json")


def sync(folder):
    """Wait until the names in a folder are on the disk: a new or renamed file is, once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_blocks(rows, table):
    """Yield ``({side: rows}, batch)`` of `Rows` by side and a table of as many rows, as `write_part` takes them."""
    for start in range(0, len(table), BLOCK):
        batch = table.slice(start, BLOCK).combine_chunks().to_batches()[0]
        yield {side: matrix.part(start, start + BLOCK).gathered() for side, matrix in rows.items()}, batch


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


def indices_in(batches, column, values):
    """Yield which of the `values` each entry of a column is, (b,), -1 for none, by batches; errors as of `find`."""
    for entries in (batch.column(0) for batch in batches):
        try:
            number = pc.index_in(entries, read_exactly(values, entries.type), skip_nulls=True)
        except (pa.ArrowException, OverflowError, TypeError, UnicodeError):
            fault = f"the column {column!r} holds values of the type {entries.type}"
            raise BankError(f"{fault}, which cannot be {values!r:.80}") from None
        yield number.fill_null(-1).to_numpy(zero_copy_only=False)


def read_exactly(values, kind):
    """Return values, an Arrow array of the type `kind`; raise `pyarrow.ArrowInvalid` unless each keeps its value.

    Without the comparison Arrow reads 5 as True, True as 1, and "0x1" as 1.
    """
    given = pa.array(values)
    read, types = given.cast(kind), pa.types
    if types.is_integer(kind) or types.is_boolean(kind):
        written = read.cast(pa.string()).to_pylist()
        same_kind = types.is_boolean(given.type) == types.is_boolean(kind) or types.is_string(given.type)
        if not same_kind or (types.is_string(given.type) and [value.lower() for value in values] != written):
            raise pa.ArrowInvalid(f"{values!r:.80} are not of the type {kind}")
    elif types.is_binary(given.type):
        raise pa.ArrowInvalid("bytes are no text")
    return read
