"""Means that do not depend on the order of rows or edits, bit for bit."""

import numpy as np
import torch

from asif_lib.errors import BankError

LARGEST = 2**20
"""The largest absolute value of an embedding: the sum of 2**23 such rows fits `exact_sum`."""


def exact_sum(rows) -> torch.Tensor:
    """Sum (n, d) floating-point rows in fixed point: the result does not depend on the order, and can be undone.

    Floating-point sums depend on the order of the terms, so a mean that is updated drifts away from the mean of a
    rebuilt bank. Sums of integers do not. Each value counts as a whole number of units of 2**-50. This is exact for
    float16 and for any float32 above 2**-27; smaller values are off by at most 2**-51.

    Returns a (2, d) int64 Tensor: the sum in units of 2**-20, rounded down for each value, and its rest in units of
    2**-50. Raises `BankError` if a value is not finite, or beyond 2**20.
    """
    total = np.zeros((2, rows.shape[1]), np.int64)
    for part in rows.split(max(1, 32_768 // rows.shape[1])):  # small enough for a core's cache
        scaled = (part if part.dtype == torch.float64 else part.float()).numpy().astype(np.float64)
        if not np.abs(scaled).max(initial=0) <= LARGEST:
            raise BankError("an embedding holds a value that is not finite, or beyond 2**20; encode its pair again")
        scaled *= 2.0**20
        coarse = np.floor(scaled)
        fine = np.rint((scaled - coarse) * 2.0**30)
        total += np.stack([coarse.sum(axis=0), fine.sum(axis=0)]).astype(np.int64)  # whole numbers below 2**53
    return torch.from_numpy(total)


def mean_of(total, count) -> torch.Tensor:
    """Return the mean of `count` rows whose `exact_sum` is `total`, (d,) float32; `BankError` if count is 0."""
    if count == 0:
        raise BankError("a bank without a pair has no mean")
    coarse, fine = total.tolist()
    return torch.tensor([((c << 30) + f) / (count << 50) for c, f in zip(coarse, fine, strict=True)])
