"""Comparisons for tests."""

import numpy as np

from ._making import as_tensor


def assert_close(actual, expected, *, rtol=None, atol=None, check_dtype=True, **_):
    actual, expected = as_tensor(actual), as_tensor(expected)
    if actual.shape != expected.shape:
        raise AssertionError(f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.")
    if check_dtype and actual.dtype is not expected.dtype:
        raise AssertionError(f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}.")
    near = (
        {2: (1e-3, 1e-5), 4: (1.3e-6, 1e-5), 8: (1e-7, 1e-7)}[actual.itemsize] if actual.is_floating_point() else (0, 0)
    )
    rtol, atol = (near[0] if rtol is None else rtol), (near[1] if atol is None else atol)
    np.testing.assert_allclose(actual._array, expected._array, rtol, atol, equal_nan=False)
