"""Files of prepared anchors: the rounded copy as safetensors, and a record beside it that names its anchors."""

import warnings

import torch
from safetensors import SafetensorError

from asif_lib.errors import DataError, first_line
from asif_lib.files import SMALL, check_sha256, parse_json, sealed, unsealed, write_whole

from .matrices import map_rows, matrix_file
from .prepared import PreparedAnchors, rounded_blocks
from .records import CopyRecord, check_same, lacks_checksums


def write_prepared(folder, name, anchors, mean, owner, *, progress=False):
    """Write the rounded copy of `anchors` (Rows) into a folder, block by block.

    The `name` is the matrix's: a folder holds the copies of several. The dictionary `owner` names the owner of the
    anchors. `read_prepared` accepts the copy only for the same owner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record, file = _files(folder, name, mean)
    error, part = 0.0, file.with_suffix(".part")
    record.unlink(missing_ok=True)  # the old record must not describe the new copy
    try:
        like = torch.empty(0, anchors.shape[1], dtype=torch.bfloat16)
        with matrix_file(part, like, len(anchors)) as target:
            for _, block in rounded_blocks(anchors, mean, progress):
                target.write(block.rows.contiguous().view(torch.uint8).numpy())
                error = max(error, block.error)
        part.replace(file)
        about = CopyRecord(n=len(anchors), d=anchors.shape[1], error=error, checksum=target.sha256, **owner)
        write_whole(record, sealed(about))
    finally:
        part.unlink(missing_ok=True)


def read_prepared(folder, name, anchors, mean, owner) -> PreparedAnchors | None:
    """Map the copy that `write_prepared` left in `folder`; None if no copy is there.

    A warning tells of a copy without checksums, as earlier versions made it: it is not used.

    Raises
    ------
    DataError
        If the copy is damaged, or its record names other anchors or another owner.
    """
    record, file = _files(folder, name, mean)
    try:
        content = record.read_bytes()
        if lacks_checksums(content):
            warnings.warn(f"{file}: has no checksum, and is not used; prepare the bank again", stacklevel=2)
            return None
        found = parse_json(unsealed(content), CopyRecord)
        check_same(found, {**owner, "n": len(anchors), "d": anchors.shape[1]})
        if file.stat().st_size < SMALL:
            check_sha256(file, found.checksum)
        return PreparedAnchors(anchors, mean, map_rows(file), found.error)
    except FileNotFoundError:  # never prepared, or deleted by another process
        return None
    except (OSError, SafetensorError, ValueError) as problem:
        raise DataError(f"{file}: the prepared copy cannot be used ({first_line(problem)})") from None


def _files(folder, name, mean):
    name = f"{name}-{'plain' if mean is None else 'centred'}"
    return folder / f"{name}.json", folder / f"{name}.safetensors"
