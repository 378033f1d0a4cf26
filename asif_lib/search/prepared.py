"""Anchors made ready for a fast search: centred, of unit length, in bfloat16, in memory or in a file beside the bank.

To round 1.6 million anchors takes longer than to search them for a few hundred queries. So a bank that is searched
again and again keeps a rounded copy of its embeddings (`AnchorBank.prepare`), half the size of float32, from which
`asif_lib.search.exact` reads; the embeddings themselves are read for the few candidates that are compared exactly.
"""

import json
import math

import torch
from safetensors import SafetensorError, safe_open
from tqdm.auto import tqdm

from asif_lib.errors import BankError, ParameterError, first_line
from asif_lib.files import write_whole
from asif_lib.relative import unit_rows

from .certified import round_rows
from .matrices import matrix_file
from .rows import BLOCK, as_rows


class PreparedAnchors:
    """Anchors beside a rounded copy of them.

    Attributes
    ----------
    rows : Rows of shape (n, d)
        The anchors as they are.
    mean : Tensor of shape (d,), or None
    rounded : Tensor of shape (n, d), bfloat16
        The anchors less `mean`, of unit length.
    error : float
        How far a rounded row is from the true one, at most, as a length.
    """

    def __init__(self, rows, mean, rounded, error):
        if rounded.shape != torch.Size(rows.shape):
            raise ParameterError(
                f"a prepared copy of shape {tuple(rounded.shape)} is not one of {len(rows):,} anchors in "
                f"{rows.shape[1]} dimensions; prepare these anchors"
            )
        self.rows, self.mean, self.rounded, self.error = rows, mean, rounded, error

    ndim = 2

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self) -> tuple:
        """n and d."""
        return self.rows.shape


def prepare(anchors, mean=None, *, progress=False) -> PreparedAnchors:
    """Make a rounded copy of `anchors` (n, d) in memory: 2 · n · d bytes.

    Raises
    ------
    ParameterError
        If an anchor holds NaN or infinity.
    """
    anchors = as_rows(anchors)
    rounded, error = torch.empty(anchors.shape, dtype=torch.bfloat16), 0.0
    for start, block in _rounded_blocks(anchors, mean, progress):
        rounded[start : start + len(block.rows)] = block.rows
        error = max(error, block.error)
    return PreparedAnchors(anchors, mean, rounded, error)


def _rounded_blocks(anchors, mean, progress):
    with tqdm(total=len(anchors), desc="rounding anchors", unit="anchor", disable=not progress, leave=False) as bar:
        for start, block in anchors.blocks(BLOCK):
            yield start, round_rows(unit_rows(block, mean, first=start))
            bar.update(len(block))


def write_prepared(folder, kind, anchors, mean, owner, *, progress=False):
    """Write the rounded copy of `anchors` (Rows) into the folder of a version's indexes, block by block.

    `owner` is a dict that says whose they are; `read_prepared` takes the copy for no one else's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about, file = _files(folder, kind, mean is not None)
    error, part = 0.0, file.with_suffix(".part")
    about.unlink(missing_ok=True)  # what it says of an older copy ends before that is replaced
    try:
        like = torch.empty(0, anchors.shape[1], dtype=torch.bfloat16)
        with matrix_file(part, like, len(anchors)) as target:
            for _, block in _rounded_blocks(anchors, mean, progress):
                target.write(block.rows.contiguous().view(torch.uint8).numpy())
                error = max(error, block.error)
        part.replace(file)
        write_whole(about, json.dumps({**_expected(anchors, owner), "error": error}).encode())
    finally:
        part.unlink(missing_ok=True)


def read_prepared(folder, kind, anchors, mean, owner):
    """Map the copy that `write_prepared` left in `folder`; None if there is none.

    Raises
    ------
    BankError
        If it is damaged, not one of these anchors, or does not say so.
    """
    about, file = _files(folder, kind, mean is not None)
    try:
        said = json.loads(about.read_text())
        for key, value in _expected(anchors, owner).items():
            if said.get(key) != value:
                raise ValueError(f"its {key} is {said.get(key)}, the bank's {value}")
        error = float(said["error"])
        if not 0 <= error < math.inf:
            raise ValueError(f"its error is {error}")
        with safe_open(file, framework="pt") as tensors:
            return PreparedAnchors(anchors, mean, tensors.get_tensor("rows"), error)
    except FileNotFoundError:  # never prepared, or deleted at this moment
        return None
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as problem:
        what = f"the prepared copy cannot be used ({first_line(problem)})"
        raise BankError(f"{file}: {what}; prepare the bank again") from None


def _expected(anchors, owner):
    """What a copy of these anchors must say of itself."""
    return {**owner, "n": len(anchors), "d": anchors.shape[1]}


def _files(folder, kind, centred):
    name = f"{kind}-{'centred' if centred else 'plain'}"
    return folder / f"{name}.json", folder / f"{name}.safetensors"
