"""The record of a bank, ``bank.json``: its schema, and the names in the bank's folder.

The folder holds ``bank.json``, parts and states. A part is a run of pairs, written once: the embeddings of both sides
as safetensors, and ``pairs.parquet``. A state is the small file of one version: the removed rows of the parts, and the
sums of the rows that are left. ``bank.json`` names the valid parts and states. Replacing it is the last step of every
change, and atomic. A file that it does not name was left by a change that was killed, and the next change deletes it.
No file is written twice, so an open version stays readable. ``bank.json`` holds the SHA-256 of every file, and its own.

PyTorch is not needed here, so that ``asif`` can refuse a bad bank or k at once.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line, first_names, guess
from asif_lib.files import cache_dir, parse_json, read_file, unsealed
from asif_lib.settings import Settings

FORMAT_VERSION = 4
COLUMNS = ("id", "caption", "picture", "group")
"""The columns that every table of pairs has."""
OURS = re.compile(r"part-[0-9a-f]{12}|state-[0-9a-f]{12}\.safetensors|index-[0-9a-f]{12}|bank\.json-[0-9a-f]{12}")
"""The names that changes write beside ``bank.json`` and its lock; other files in the folder are never touched."""
SIDE = "^[a-z][a-z0-9_]*$"
"""The name of a side. Files, and the keywords of `AnchorBank.replace`, are named after it."""
MEND = "build it again with --replace, or copy it from where it is whole"
"""The advice about a damaged bank."""

Checksum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 of a file, in hexadecimal."""
Count = Annotated[int, Field(ge=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Entry):
    """One of the two sides of a bank."""

    name: Annotated[str, Field(pattern=SIDE)]
    dtype: str
    """Of the embeddings, such as ``"float32"``."""
    encoder: EncoderIdentity


class PartRecord(_Entry):
    """A part: its folder, and the checksums of the files in it."""

    name: Annotated[str, Field(pattern="^part-[0-9a-f]{12}$")]
    files: dict[str, Checksum]


class Version(_Entry):
    """An entry of the history."""

    version: Count
    time: str
    """UTC, in ISO format."""
    change: str
    count: Count
    """Pairs that are left."""
    parts: Count
    """The first parts of the bank that belong to this version."""
    state: Annotated[str, Field(pattern="^state-[0-9a-f]{12}[.]safetensors$")]
    checksum: Checksum
    """Of the state."""

    @property
    def index_folder(self) -> str:
        """The folder of the indexes of this version: ``index-`` and the digits of its state."""
        return self.state.replace("state-", "index-").removesuffix(".safetensors")


class BankRecord(_Entry):
    """The content of ``bank.json``."""

    format: Literal[FORMAT_VERSION] = FORMAT_VERSION
    name: str
    licence: str | None
    sides: Annotated[list[Side], Field(min_length=2, max_length=2)]
    settings: Settings | None = None
    """Those that `AnchorBank.keep_settings` keeps."""
    parts: list[PartRecord] = []
    history: list[Version] = []

    @property
    def newest(self) -> Version:
        """The newest version."""
        return self.history[-1]

    @property
    def encoders(self) -> dict:
        """The identity of each side's encoder, by the side's name."""
        return {side.name: side.encoder for side in self.sides}

    def files_of_parts(self, folder) -> dict:
        """Return the checksum of each file of the parts, by its path below `folder`."""
        return {folder / part.name / name: checksum for part in self.parts for name, checksum in part.files.items()}

    @property
    def named(self) -> set:
        """The names of the files and folders that belong to the bank."""
        states = {name for version in self.history for name in (version.state, version.index_folder)}
        return states | {part.name for part in self.parts}


def bank_dir(name) -> Path:
    """Return the folder of a bank, to read or to write it.

    A name with a slash or a dot in front is a path. A plain name is a bank in the current folder, else in the cache.
    """
    if not str(name).strip():
        raise BankError("the name of the bank is empty; give it one, as in: asif bank build birds --from birds")
    path = Path(name)
    is_path = str(name).startswith(".") or {os.sep, "/"} & set(str(name))
    return path if is_path or (path / "bank.json").exists() else cache_dir() / "banks" / path


def bank_name(name) -> str:
    """Return the last part of a bank's name or path."""
    return Path(name).resolve().name


def read_record(folder, name) -> BankRecord:
    """Read ``bank.json``; `BankError` if there is no bank, it is damaged, or of another format."""
    file = folder / "bank.json"
    try:
        content = read_file(file)
        if (found := parse_json(content, dict[str, Any]).get("format")) != FORMAT_VERSION:
            fault = f"has bank format {found!r:.20}, and this version reads format {FORMAT_VERSION}"
            again = f"asif bank build {name} --replace (or import, stream or join it, as it was made)"
            raise BankError(f"{folder}: {fault}; build the bank again: {again}")
        record = unsealed(content, BankRecord)
        if not record.parts or not record.history:
            raise ValueError("it names no part, or no version")
        if links := [name for name in sorted(record.named) if (folder / name).is_symlink()]:
            raise ValueError(f"{first_names(links)} beside it is a link; a bank's files are its own: put a copy there")
        return record
    except (FileNotFoundError, NotADirectoryError):
        raise no_bank(folder, name) from None
    except BankError:
        raise
    except (OSError, ValueError) as error:
        raise BankError(f"{file}: is damaged ({first_line(error)}); {MEND}") from None


def no_bank(folder, name) -> BankError:
    """Return the error about a bank that is not there, with advice: it may be misspelt, or not built yet."""
    from asif_lib.datasets.providers import names_of  # only this sentence needs the catalogue

    there = next((place for place in (folder, Path(name)) if place.is_dir()), None)
    found = f" (the folder {there} is there, but holds no bank.json)" if there else ""
    advice = f"run: asif bank build {name}"
    if str(name) not in names_of("pairs"):
        known = sorted(file.parent.name for file in (cache_dir() / "banks").glob("*/bank.json")) + names_of("pairs")
        advice += f" --from FOLDER, or: asif bank list{guess(name, known)}"
    return BankError(f"there is no bank {str(name)!r} in {folder}{found}; {advice}")
