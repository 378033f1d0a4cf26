"""Linear algebra, by NumPy."""

import numpy as np

from ._functions import METHODS, pair
from ._tensor import lacking_in, wrap

__getattr__ = lacking_in("torch.linalg")
_QR, _SVD = pair("linalg_qr", "Q", "R"), pair("linalg_svd", "U", "S", "Vh")
_EIGH = pair("linalg_eigh", "eigenvalues", "eigenvectors")


def qr(A, mode="reduced"):
    return _QR(*map(wrap, np.linalg.qr(A._array, mode)))


def svd(A, full_matrices=True):
    return _SVD(*map(wrap, np.linalg.svd(A._array, full_matrices)))


def eigh(A):
    return _EIGH(*map(wrap, np.linalg.eigh(A._array)))


def vector_norm(x, ord=2, dim=None, keepdim=False):
    return METHODS["norm"](x, ord, dim, keepdim)


def norm(A, ord=None, dim=None, keepdim=False):
    if ord is None or A.ndim < 2 or isinstance(dim, int):
        return vector_norm(A, 2 if ord is None else ord, dim, keepdim)
    return wrap(np.asarray(np.linalg.norm(A._array, ord, dim, keepdim)))


def _of_one(name):
    return lambda A: wrap(np.asarray(getattr(np.linalg, name)(A._array)))


inv, det, pinv, cholesky, matrix_rank = map(_of_one, ("inv", "det", "pinv", "cholesky", "matrix_rank"))


def solve(A, B):
    return wrap(np.linalg.solve(A._array, B._array))
