"""Embeddings that you bring: files of matrices."""

from pathlib import Path

import numpy as np
import torch

from asif_lib.errors import DataError, first_line


def read_array(path):
    """Return the array of a ``.npy`` file, mapped; of a ``.pt`` file, read as weights only; or of a folder of parts.

    CLIP_benchmark writes ``features_test.pt`` (q, d) and ``targets_test.pt`` (q,). clip-retrieval writes a folder with
    `numbered_parts`, such as ``img_emb``. Raises `DataError` if a file holds no array, or parts differ.
    """
    parts = []
    for file in numbered_parts(path):
        try:
            if file.suffix == ".pt":
                part = torch.load(file, map_location="cpu", weights_only=True)  # runs no code of the file
                part = part.detach().to_dense() if isinstance(part, torch.Tensor) else part
            else:
                part = np.load(file, mmap_mode="r", allow_pickle=False)
            if not isinstance(part, np.ndarray | torch.Tensor) or not part.ndim:
                raise ValueError(f"it holds {'one number' if hasattr(part, 'ndim') else 'several arrays'}")
        except Exception as error:  # both readers raise errors of many kinds
            reason = first_line(error)
            raise DataError(f"{file}: is not a matrix that numpy.save or torch.save wrote ({reason})") from None
        parts.append(part)
    if len(widths := {part.shape[1:] for part in parts}) > 1:
        raise DataError(f"{path}: has parts with rows of the shapes {sorted(widths)}; one model makes one width")
    if len(dtypes := {str(part.dtype) for part in parts}) > 1:
        raise DataError(f"{path}: has parts of {' and '.join(sorted(dtypes))}; save all of them as one dtype")
    join = torch.cat if isinstance(parts[0], torch.Tensor) else np.concatenate
    return parts[0] if len(parts) == 1 else join(parts)


def numbered_parts(path) -> list:
    """Return the files ``NAME_0``, ``NAME_1`` … of a folder by their number; of a file, the file alone.

    Raises `DataError` if the numbers do not go from 0 on without a gap, or one stands twice.
    """
    if not (path := Path(path)).is_dir():
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is a pipe or a device; name a file")  # a pipe would be waited for
        return [path]
    files = sorted((int(end), file) for file in path.iterdir() if (end := file.stem.rpartition("_")[2]).isdecimal())
    numbers = [number for number, _ in files]
    if numbers != [*range(len(files))] or not files:
        wrong = next((i for i, number in enumerate(numbers) if number != i), 0)
        fault = f"{numbers[wrong]} stands twice" if files and numbers[wrong] < wrong else f"{wrong} is missing"
        raise DataError(f"{path}: has {len(files)} files with a number at the end of the name; number {fault}")
    return [file for _, file in files]
