"""Approximate indexes beside a bank on disk, which belong to one version each."""

from dataclasses import asdict, dataclass

import faiss

from asif_lab.approximate import KINDS, ApproximateIndex, check_kind, make_index
from asif_lib.bank.copies import checked_record, recorded
from asif_lib.errors import BankError, ParameterError, first_line
from asif_lib.files import locked


@dataclass(frozen=True, repr=False)
class BankIndex(ApproximateIndex):
    """An approximate index of one side of a bank; made by `build_index`, opened by `open_index`.

    Attributes
    ----------
    bank : AnchorBank
        A view of the version that the index is of. The other attributes are those of `ApproximateIndex`.
    about : dict
        The content of the file's record: ``kind``, ``parameters``, ``modality``, ``n``, ``d`` and others.
    """

    bank: object
    about: dict

    @property
    def nbytes(self) -> int:
        """Bytes of its file."""
        return self.about["size"]


def build_index(bank, modality, kind="ivf", *, progress=True, **parameters) -> BankIndex:
    """Build an approximate index of a bank on disk and keep it with this version, in place of an earlier one.

    The mean of the bank is subtracted, as `ASIF` does by default. Raises `BankError` for a bank in memory, or if no
    index can be written; `LockedError` if another process builds it.

    Parameters
    ----------
    bank : AnchorBank
        Opened with `load`.
    modality : str
        A side of the bank, such as ``"image"``.
    kind, parameters
        As for `make_index`, which describes the other errors too.
    """
    file, about, rows, mean = _place(bank, modality, kind)
    try:
        file.parent.mkdir(exist_ok=True)  # for the lock
        with locked(file), recorded(file, about) as part:
            new = make_index(rows, kind, mean=mean, progress=progress, **parameters)
            about["parameters"] = asdict(new.method)
            faiss.write_index(new.index, str(part))
    except (OSError, RuntimeError) as error:
        fault = f"{file}: the index could not be written ({first_line(error)})"
        raise BankError(f"{fault}; make room, or load the bank again if it was edited, and repeat") from None
    return open_index(bank, modality, kind)


def open_index(bank, modality, kind="ivf") -> BankIndex:
    """Open the index that `build_index` kept with this version of the bank; its file is mapped.

    Raises `BankError` if there is no index, the bank was edited since, the index is another bank's, or it is damaged.

    Parameters
    ----------
    bank, modality, kind
        As for `build_index`.
    """
    file, about, rows, mean = _place(bank, modality, kind)
    build = f"build it: build_index(bank, {modality!r}, {kind!r})"
    try:
        record = checked_record(file, about)
        bank.disk.compare_file(file, record.checksum)
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        if (index.ntotal, index.d) != rows.shape:
            raise ValueError(f"it holds {index.ntotal} vectors in {index.d} dimensions")
    except FileNotFoundError:
        others = {*file.parent.parent.glob(f"index-*/{file.name}")} - {file}
        why = "is of another version of the bank" if others else "is not there"
        raise BankError(f"{file}: the index {why}; {build}") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise BankError(f"{file}: the index cannot be used ({first_line(error)}); {build}") from None
    return BankIndex(rows, mean, KINDS[kind](**record.parameters), index, bank, record.model_dump())


def _place(bank, modality, kind):
    """Return the file of an index, its record's keys that name the owner, and the rows and the mean."""
    check_kind(kind)
    if modality not in bank.sides:
        raise ParameterError(f"modality = {modality!r}: an index is of the bank's {' or '.join(map(repr, bank.sides))}")
    folder, rows, mean = bank.index_folder, bank.rows(modality), bank.mean(modality)
    about = {"kind": kind, "n": len(rows), "d": rows.shape[1], "modality": modality,
             "encoder": bank.encoders[modality].digest, "state": folder.name.removeprefix("index-")}  # fmt: skip
    return folder / f"{kind}-{modality}-centred.faiss", about, rows, mean
