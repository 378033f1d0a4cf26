"""The records beside prepared copies and indexes: what they say of their files, without FAISS and the files."""

from pydantic import BaseModel, ConfigDict, Field

from asif_lib.files import has_seal, parse_json, unsealed


class CopyRecord(BaseModel):
    """The content of the record beside a copy; the owner's own keys follow."""

    model_config = ConfigDict(frozen=True, extra="allow")

    n: int
    d: int
    error: float = Field(ge=0, allow_inf_nan=False)
    """The largest distance between a rounded row and the true one."""
    checksum: str
    """SHA-256 of the copy."""


class IndexRecord(BaseModel):
    """The content of an index's ``about.json``; the owner's own keys follow."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    n: int
    d: int
    parameters: dict[str, int]
    faiss: str
    """The version of FAISS that made the index."""
    files: dict[str, int]
    """The size of each file in bytes. A file that is cut off would end the process that maps it."""
    checksums: dict[str, str]
    """The SHA-256 of each file."""


def read_index_record(folder) -> IndexRecord:
    """Read the record of an index. Raises `OSError`, or `ValueError` if it is not as it was written."""
    return parse_json(unsealed((folder / "about.json").read_bytes()), IndexRecord)


def lacks_checksums(content) -> bool:
    """Return whether the record of a copy or index is of an earlier version, and never used. Raises `ValueError`."""
    return not has_seal(content) and not {"checksum", "checksums"} & parse_json(content, dict).keys()


def check_same(record, expected):
    """Raise `ValueError` if a record says something else about its anchors than `expected`, a dict."""
    for key, value in expected.items():
        found = getattr(record, key, None)
        if found != value:
            raise ValueError(f"its {key} is {found}, not {value}")


def checksums_of_copies(folder) -> dict:
    """Return the SHA-256 of each copy in a folder that its record tells, by path. Raises `ValueError`."""
    found = {file.with_suffix(".safetensors"): file.read_bytes() for file in sorted(folder.glob("*.json"))}
    found = {copy: content for copy, content in found.items() if not lacks_checksums(content)}
    return {copy: parse_json(unsealed(content), CopyRecord).checksum for copy, content in found.items()}


def checksums_of_indexes(folder) -> dict:
    """Return the SHA-256 of each file of the indexes in the folders of `folder`, by path. Raises `ValueError`."""
    found = [file.parent for file in sorted(folder.glob("*/about.json")) if not lacks_checksums(file.read_bytes())]
    records = {index: read_index_record(index) for index in found}
    return {index / name: sha for index, record in records.items() for name, sha in record.checksums.items()}
