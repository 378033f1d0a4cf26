"""The record of a bank, ``bank.json``: its schema, and what it tells of the bank.

PyTorch is not needed here, so that ``asif`` can refuse a bad bank or k at once.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line
from asif_lib.files import cache_dir, read_json

FORMAT_VERSION = 2


def bank_dir(name) -> Path:
    """Return the folder of the bank called `name`; the path of a bank's folder is returned as it is."""
    path = Path(name)
    return path if (path / "bank.json").exists() else cache_dir() / "banks" / path


class Version(BaseModel):
    """An entry of the history."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: int
    time: str
    """UTC, in ISO format."""
    change: str
    count: int
    """Pairs that are left."""
    parts: int
    """The first parts of the bank that belong to this version."""
    state: str


class BankRecord(BaseModel):
    """The content of ``bank.json``."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = FORMAT_VERSION
    name: str
    licence: str | None
    dtype: str
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    parts: list[str]
    history: list[Version] = []

    @property
    def newest(self) -> Version:
        """The newest version."""
        return self.history[-1]


def read_record(folder, name) -> BankRecord:
    """Read ``bank.json``. Raises `BankError` if there is no bank, or it is damaged or of another format."""
    file = folder / "bank.json"
    try:
        found = read_json(file, dict[str, Any])["format"]
        record = read_json(file, BankRecord) if found == FORMAT_VERSION else None
    except (FileNotFoundError, NotADirectoryError):
        raise BankError(f"there is no bank {str(name)!r} in {folder}; run: asif bank build {name}") from None
    except KeyError:
        raise BankError(f"{file}: is damaged (format: Field required); build it again") from None
    except (OSError, ValueError) as error:
        raise BankError(f"{file}: is damaged ({first_line(error)}); build it again") from None
    if record is None:
        raise BankError(
            f"{folder}: has bank format {found}, not {FORMAT_VERSION}; build the bank again: asif bank build {name}"
        )
    if not record.parts or not record.history:
        raise BankError(f"{file}: is damaged (it names no part, or no version); build it again")
    return record


def stored_count(name) -> int:
    """Return the number of pairs of the bank called `name`, without opening its other files. Raises `BankError`."""
    return read_record(bank_dir(name), name).newest.count


def describe_bank(bank, folder) -> dict:
    """Return what ``asif bank info`` tells of a bank in its folder: its counts, its encoders, its size, its licence."""
    return {
        "name": bank.name,
        "folder": str(folder),
        "version": bank.version,
        "anchors": len(bank),
        "groups": int(bank.pairs["group"].nunique()),
        "captions_that_repeat_an_earlier_one": int(bank.pairs["caption"].duplicated().sum()),
        "image_encoder": str(bank.image_encoder),
        "text_encoder": str(bank.text_encoder),
        "dtype": str(bank.dtype).removeprefix("torch."),
        "megabytes": round(bank.megabytes, 1),
        "licence": bank.licence,
    }
