"""Matrices: files of one, written block by block, mapped or read by rows; and means that do not depend on the order.

A file is a safetensors file with the tensor ``rows``.
"""

import contextlib
import hashlib
import io
import json
import os

import numpy as np
import torch

from asif_lib.errors import BankError

FLOATS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
"""The floating dtypes of such a file, and their names in safetensors."""
NO_ROWS = np.empty(0, np.int64)
LARGEST, SMALLEST = 2.0**20, 2.0**-100
"""The absolute value of an embedding's largest number lies between these. The sum of 2**23 rows fits `exact_sum`."""
LIMBS = 6
"""Integers a sum consists of; the first counts in units of 2**-20, each other one in units 2**-30 of those before."""


@contextlib.contextmanager
def matrix_file(path, like, count):
    """Open a safetensors file to write one matrix ``rows`` block by block; its library writes whole tensors only.

    It will have `count` rows of the type and width of `like`, (m, d).
    """
    size = count * like.shape[1] * like.dtype.itemsize
    header = {"rows": {"dtype": FLOATS[like.dtype], "shape": [count, like.shape[1]], "data_offsets": [0, size]}}
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the data
    with synced(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        yield file


def map_rows(file) -> torch.Tensor:
    """Map the matrix ``rows`` of a safetensors file: a row comes from disk when it is first used."""
    from safetensors import safe_open  # needed for banks on disk only

    with safe_open(file, framework="pt") as tensors:
        return tensors.get_tensor("rows")


def read_rows(file, rows, like) -> torch.Tensor:
    """Return `rows` (m, int64, ascending) of the matrix in a file, (m, d): read and not mapped.

    The matrix has the type and width of `like`, (n, d).
    """
    width = like.shape[1] * like.element_size()
    data = memoryview(bytearray(len(rows) * width))
    done = 0
    with open(file, "rb") as source:
        header = 8 + int.from_bytes(source.read(8), "little")
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            source.seek(header + int(run[0]) * width)
            source.readinto(data[done : done + len(run) * width])
            done += len(run) * width
    return torch.frombuffer(data, dtype=like.dtype).reshape(-1, like.shape[1])


class HashedFile(io.BufferedWriter):
    """A file that is written once, from its start to its end, and the SHA-256 of its bytes."""

    def __init__(self, path):
        super().__init__(io.FileIO(path, "wb"))
        self._digest = hashlib.sha256()

    def write(self, data):
        self._digest.update(data)
        return super().write(data)

    @property
    def sha256(self) -> str:
        """The checksum of all bytes that were written, in hexadecimal."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def synced(path):
    """Open a `HashedFile` that is on the disk, and not only in its cache, when the block ends."""
    with HashedFile(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def exact_sum(rows) -> torch.Tensor:
    """Sum (n, d) floating-point rows in fixed point: the result does not depend on the order, and can be undone.

    Floating-point sums depend on the order of the terms, so a mean that is updated drifts away from the mean of a
    rebuilt bank. Sums of integers do not. Each value is a sum of `LIMBS` whole numbers of units, the last of 2**-170.
    This is exact for every float16 and float32; of a float64, digits below 2**-170 are dropped.

    Returns a (`LIMBS`, d) int64 Tensor. Raises `BankError` if a value is not finite, or beyond 2**20.
    """
    total = np.zeros((LIMBS, rows.shape[1]), np.int64)
    for part in rows.split(max(1, min(4_096, 32_768 // rows.shape[1]))):  # small enough for a core's cache
        rest = (part if part.dtype == torch.float64 else part.float()).numpy().astype(np.float64)
        if not np.abs(rest).max(initial=0) <= LARGEST:
            raise BankError("an embedding holds a value that is not finite, or beyond 2**20; encode its pair again")
        rest *= 2.0**20
        for limb in total:
            whole = np.trunc(rest)
            limb += whole.sum(axis=0).astype(np.int64)  # whole numbers below 2**53
            rest -= whole
            if not rest.any():
                break
            rest *= 2.0**30
    return torch.from_numpy(total)


def mean_of(total, count) -> torch.Tensor:
    """Return the mean of `count` rows whose `exact_sum` is `total`, (d,) float32; `BankError` if count is 0."""
    if count == 0:
        raise BankError("a bank without a pair has no mean")
    units = 0
    for limb in total.numpy().astype(object):  # Python's integers, of any length
        units = (units << 30) + limb  # (d,), of 2**-170
    return torch.tensor((units / (count << 30 * LIMBS - 10)).tolist())
