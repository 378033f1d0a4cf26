"""Linear algebra, by NumPy."""

import numpy as np

from ._functions import METHODS, pair
from ._tensor import lacking_in, wrap

__getattr__ = lacking_in("torch.linalg")


def vector_norm(x, ord=2, dim=None, keepdim=False):
    return METHODS["norm"](x, ord, dim, keepdim)


def _of_numpy(name, *fields):
    """NumPy's function of a name, whose result is a tensor, or several with names."""
    result = pair(f"linalg_{name}", *fields) if fields else None

    def call(A, *more, **options):
        found = getattr(np.linalg, name)(A, *more, **options)
        return result(*map(wrap, found)) if fields else wrap(found)

    return call


inv, det, pinv, cholesky, solve = map(_of_numpy, ("inv", "det", "pinv", "cholesky", "solve"))
svd, _qr = _of_numpy("svd", "U", "S", "Vh"), pair("linalg_qr", "Q", "R")
eigh = _of_numpy("eigh", "eigenvalues", "eigenvectors")


def qr(A, mode="reduced"):
    found = np.linalg.qr(A, mode)
    return _qr(wrap(A._array[:0]), wrap(found)) if mode == "r" else _qr(*map(wrap, found))


def solve_triangular(A, B, *, upper):
    return solve(A.triu() if upper else A.T.triu().T, B)
