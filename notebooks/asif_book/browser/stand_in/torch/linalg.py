"""Linear algebra, by NumPy."""

import numpy as np

from ._functions import METHODS
from ._tensor import lacking_in, wrap


def vector_norm(x, ord=2, dim=None, keepdim=False):
    return METHODS["norm"](x, ord, dim, keepdim)


def __getattr__(name):
    """Return NumPy's function of this name, whose result is a tensor, or several with names."""
    if name not in ("det", "eigh", "inv", "pinv", "qr", "solve", "svd"):
        lacking_in("torch.linalg")(name)

    def call(A, *more, **options):
        found = getattr(np.linalg, name)(A, *more, **options)
        return type(found)(*map(wrap, found)) if isinstance(found, tuple) else wrap(found)

    return call
