"""Approximate indexes beside a bank on disk, which belong to one version each."""

from dataclasses import asdict, dataclass

from asif_lib.errors import BankError, DataError, ParameterError
from asif_lib.search.approximate import ApproximateIndex, read_index, write_index
from asif_lib.search.kinds import KINDS


@dataclass(frozen=True, repr=False)
class BankIndex(ApproximateIndex):
    """An approximate index of one side of a bank; made by `build_index`, opened by `open_index`.

    Attributes
    ----------
    bank : AnchorBank
        A view of the version that the index is of. The other attributes are those of `ApproximateIndex`.
    """

    bank: object


def build_index(bank, modality, kind="ivf", *, centred=True, progress=True, **parameters) -> BankIndex:
    """Build an approximate index of a bank on disk and keep it with this version, in place of an earlier one.

    Parameters
    ----------
    bank : AnchorBank
        Opened with `load`.
    modality : str
        A side of the bank, such as ``"image"``.
    kind, parameters
        As for `asif_lib.search.write_index`, which describes the other errors too.
    centred : bool
        Subtract the bank's mean, as `ASIF` does by default.

    Raises
    ------
    BankError
        If the bank is in memory only, or the index cannot be written; nothing is left behind.
    """
    folder, owner = _place(bank, modality, kind, centred)
    mean = bank.mean(modality) if centred else None
    try:
        write_index(folder, kind, bank.rows(modality), mean, owner, parameters, progress=progress)
    except DataError as error:
        raise BankError(f"{error}; make room, or load the bank again if it was edited, and repeat") from None
    return open_index(bank, modality, kind, centred=centred)


def open_index(bank, modality, kind="ivf", *, centred=True) -> BankIndex:
    """Open the index that `build_index` kept with this version of the bank; its files are mapped.

    Raises
    ------
    BankError
        If there is no index, the bank has been edited since, the index belongs to another bank, or it is damaged.
    """
    folder, owner = _place(bank, modality, kind, centred)
    build = f"build it: build_index(bank, {modality!r}, {kind!r}, centred={centred})"
    if not (folder / "about.json").exists():
        others = bank.index_folder.parent.glob(f"index-*/{folder.name}/about.json")
        why = "is of another version of the bank" if any(others) else "is not there"
        raise BankError(f"{folder}: the index {why}; {build}")
    try:
        found = read_index(folder, kind, bank.rows(modality), bank.mean(modality) if centred else None, owner)
    except DataError as error:
        raise BankError(f"{error}; {build}") from None
    return BankIndex(**vars(found), bank=bank)


def _place(bank, modality, kind, centred):
    """Return the folder of an index, and its owner as plain data."""
    if kind not in KINDS:
        raise ParameterError(f"kind = {kind!r}: an index is of kind {', '.join(map(repr, KINDS))}")
    if modality not in bank.sides:
        raise ParameterError(f"modality = {modality!r}: an index is of the bank's {' or '.join(map(repr, bank.sides))}")
    encoder = bank.encoders[modality]
    state = bank.index_folder.name.removeprefix("index-")
    owner = {"modality": modality, "centred": centred, "encoder": asdict(encoder), "state": state}
    return bank.index_folder / f"{kind}-{modality}-{'centred' if centred else 'plain'}", owner
