"""The record of a bank, ``bank.json``: its schema, and what it tells of the bank.

PyTorch is not needed here, so that ``asif`` can refuse a bad bank or k at once.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from asif_lib.datasets.providers import names_of
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line, guess
from asif_lib.files import cache_dir, has_seal, parse_json, unsealed

FORMAT_VERSION = 3
OLD_FORMAT = 2
"""The same files without checksums. It is read; the first edit, or `AnchorBank.convert`, writes format 3."""

Checksum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 of a file, in hexadecimal."""
Count = Annotated[int, Field(ge=1)]
FILES = ("image.safetensors", "text.safetensors", "ids.safetensors", "pairs.parquet")
"""The files of a part."""
MEND = "build it again, or copy it from where it is whole"
"""The advice about a damaged bank."""
_STRICT = ConfigDict(frozen=True, extra="forbid")


def bank_dir(name) -> Path:
    """Return the folder of a bank, to read or to write it.

    A name with a slash, or with a dot in front, is a path. A plain name is that of a bank in the current folder, if one
    is there, or else in the cache.
    """
    path = Path(name)
    is_path = str(name).startswith(".") or {os.sep, "/"} & set(str(name))
    return path if is_path or (path / "bank.json").exists() else cache_dir() / "banks" / path


def bank_name(name) -> str:
    """Return the last part of a bank's name or path."""
    return Path(name).resolve().name


class PartRecord(BaseModel):
    """A part: its folder, and the checksums of the files in it."""

    model_config = _STRICT

    name: Annotated[str, Field(pattern="^part-[0-9a-f]{12}$")]
    files: dict[Literal[FILES], Checksum]
    """Empty in a bank of format 2."""


class Version(BaseModel):
    """An entry of the history."""

    model_config = _STRICT

    version: Count
    time: str
    """UTC, in ISO format."""
    change: str
    count: Count
    """Pairs that are left."""
    parts: Count
    """The first parts of the bank that belong to this version."""
    state: Annotated[str, Field(pattern="^state-[0-9a-f]{12}[.]safetensors$")]
    checksum: Checksum | None
    """Of the state; None in a bank of format 2."""


class BankRecord(BaseModel):
    """The content of ``bank.json``."""

    model_config = _STRICT

    format: Literal[FORMAT_VERSION] = FORMAT_VERSION
    name: str
    licence: str | None
    dtype: str
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    parts: list[PartRecord]
    history: list[Version] = []

    @model_validator(mode="after")
    def _in_order(self):
        numbers, parts = [v.version for v in self.history], [v.parts for v in self.history]
        if numbers != sorted(set(numbers)) or parts != sorted(parts):
            raise ValueError("its versions are not in order")
        for names in ([part.name for part in self.parts], [version.state for version in self.history]):
            if len(set(names)) < len(names):
                raise ValueError(f"{max(names, key=names.count)} is named twice")
        if (self.image_encoder.kind, self.text_encoder.kind) != ("image", "text"):
            raise ValueError("its encoders are not one of pictures and one of texts")
        if self.history and self.newest.parts != len(self.parts):
            raise ValueError(f"its newest version is of {self.newest.parts} parts, and there are {len(self.parts)}")
        return self

    @property
    def has_checksums(self) -> bool:
        """Whether all files have a checksum; those of a bank of format 2 have none."""
        return all(len(part.files) == len(FILES) for part in self.parts) and all(v.checksum for v in self.history)

    @property
    def newest(self) -> Version:
        """The newest version."""
        return self.history[-1]


def read_record(folder, name) -> BankRecord:
    """Read ``bank.json``. Raises `BankError` if there is no bank, or it is damaged or of another format."""
    file = folder / "bank.json"
    try:
        content = file.read_bytes()
        body = unsealed(content) if has_seal(content) else content
        found, record = parse_json(body, dict[str, Any]).get("format"), None
        if (type(found), found) == (int, OLD_FORMAT):
            record = parse_json(_of_old_format(body), BankRecord)
        elif (type(found), found) == (int, FORMAT_VERSION):
            record = parse_json(unsealed(content), BankRecord)
            if not record.has_checksums:
                raise ValueError("a file has no checksum")
    except (FileNotFoundError, NotADirectoryError):
        there = next((place for place in (folder, Path(name)) if place.is_dir()), None)
        found = f" (the folder {there} is there, but holds no bank.json)" if there else ""
        raise BankError(f"there is no bank {str(name)!r} in {folder}{found}; {_ways_to(name)}") from None
    except (OSError, ValueError) as error:
        raise BankError(f"{file}: is damaged ({first_line(error)}); {MEND}") from None
    if record is None:
        raise BankError(
            f"{folder}: has bank format {found!s:.20}, not {FORMAT_VERSION}; build the bank again: "
            f"asif bank build {name}"
        )
    if not record.parts or not record.history:
        raise BankError(f"{file}: is damaged (it names no part, or no version); {MEND}")
    return record


def _ways_to(name) -> str:
    """Return what to run for a bank that is not there: it may be misspelt, or not built yet."""
    if str(name) in names_of("pairs"):
        return f"run: asif bank build {name}"
    there = sorted(file.parent.name for file in (cache_dir() / "banks").glob("*/bank.json"))
    return f"run: asif bank build {name} --from FOLDER, or: asif bank list{guess(name, there + names_of('pairs'))}"


def _of_old_format(content) -> bytes:
    """Return the content of a ``bank.json`` of format 2 as format 3, without checksums."""
    found = json.loads(content)
    found["format"] = FORMAT_VERSION
    if isinstance(found.get("parts"), list):
        found["parts"] = [{"name": part, "files": {}} for part in found["parts"]]
    if isinstance(found.get("history"), list):
        found["history"] = [{**v, "checksum": None} if isinstance(v, dict) else v for v in found["history"]]
    return json.dumps(found).encode()


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
