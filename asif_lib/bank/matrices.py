"""Files of one matrix: a safetensors file with the tensor ``rows``, written block by block, mapped, or read by rows."""

import contextlib
import hashlib
import io
import json
import os

import numpy as np
import torch

FLOATS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
"""The floating dtypes of such a file, and their names in safetensors."""
NO_ROWS = np.empty(0, np.int64)


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
