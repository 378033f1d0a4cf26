"""Means that do not depend on the order of rows or edits, bit for bit."""

import numpy as np
import torch

from asif_lib.errors import BankError

LARGEST, SMALLEST = 2.0**20, 2.0**-100
"""The absolute value of an embedding's largest number lies between these. The sum of 2**23 rows fits `exact_sum`."""
LIMBS = 6
"""Integers a sum consists of; the first counts in units of 2**-20, each other one in units 2**-30 of those before."""


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
