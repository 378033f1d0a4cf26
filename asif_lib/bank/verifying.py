"""The checksums of a bank's files: computed once for a bank of an older format, and compared with the files."""

import warnings

from asif_lib.errors import first_line
from asif_lib.files import SMALL, check_sha256, sha256_of
from asif_lib.machine import progress_bar

from .copies import checksums_of_files
from .layout import index_name
from .record import FILES, BankRecord, PartRecord


def part_files(folder, part) -> dict:
    """Return the checksum of each file of a part, by path."""
    return {folder / part.name / name: checksum for name, checksum in part.files.items()}


def verify_small(folder, record) -> set:
    """Compare the newest state, and the parts of a small bank, with their checksums; return the paths of the files.

    Raises `ValueError` if a file is not as it was written.
    """
    if not record.has_checksums:
        return set()
    files = {path: checksum for part in record.parts for path, checksum in part_files(folder, part).items()}
    if sum(path.stat().st_size for path in files) >= SMALL:
        files = {}
    files[folder / record.newest.state] = record.newest.checksum
    for path, checksum in files.items():
        check_sha256(path, checksum)
    return set(files)


def verify_files(folder, record, *, progress=True) -> tuple:
    """Compare all files of a bank on disk with their checksums: parts, states, prepared copies and indexes.

    Returns
    -------
    files : list of Path
        All files that were read.
    damaged : list of str
        One sentence for each file that is missing or not as it was written.
    """
    files, damaged = {folder / version.state: version.checksum for version in record.history}, []
    for part in record.parts:
        files |= part_files(folder, part)
    for version in record.history:
        try:
            files |= checksums_of_files(folder / index_name(version.state))
        except (OSError, ValueError) as error:
            damaged.append(f"{folder / index_name(version.state)}: {first_line(error)}")
    size = sum(path.stat().st_size for path in files if path.exists())
    with progress_bar(
        total=size, desc="verifying", unit="B", unit_scale=True, disable=not progress, leave=False
    ) as bar:
        for path, checksum in files.items():
            try:
                check_sha256(path, checksum)
                bar.update(path.stat().st_size)
            except (OSError, ValueError) as error:
                damaged.append(f"{path.parent}: {first_line(error)}")
    return list(files), damaged


def with_checksums(folder, record) -> BankRecord:
    """Return the record of a bank of format 2 with the checksums of its files as they are now; a warning says so."""
    warnings.warn(
        f"bank {record.name!r} is of format 2, without checksums: they are computed now, and kept from now on",
        stacklevel=2,
    )
    parts = [
        PartRecord(name=part.name, files={name: sha256_of(folder / part.name / name) for name in FILES})
        for part in record.parts
    ]
    history = [v.model_copy(update={"checksum": sha256_of(folder / v.state)}) for v in record.history]
    return record.model_copy(update={"parts": parts, "history": history})
