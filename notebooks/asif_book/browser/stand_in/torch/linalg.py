"""Linear algebra, by NumPy."""

import numpy as np

from ._functions import METHODS, pair
from ._tensor import lacking_in, wrap

__getattr__ = lacking_in("torch.linalg")
_QR, _SVD = pair("linalg_qr", "Q", "R"), pair("linalg_svd", "U", "S", "Vh")
_EIGH = pair("linalg_eigh", "eigenvalues", "eigenvectors")


def _of_one(name):
    return lambda A: wrap(np.asarray(getattr(np.linalg, name)(A._array)))


def norm(A, ord=None, dim=None, keepdim=False):
    if ord is None or A.ndim < 2 or isinstance(dim, int):
        return METHODS["norm"](A, 2 if ord is None else ord, dim, keepdim)
    return wrap(np.asarray(np.linalg.norm(A._array, ord, dim, keepdim)))


globals().update(
    {name: _of_one(name) for name in ("inv", "det", "pinv", "cholesky", "matrix_rank")},
    qr=lambda A, mode="reduced": _QR(*map(wrap, np.linalg.qr(A._array, mode))),
    svd=lambda A, full_matrices=True: _SVD(*map(wrap, np.linalg.svd(A._array, full_matrices))),
    eigh=lambda A: _EIGH(*map(wrap, np.linalg.eigh(A._array))),
    solve=lambda A, B: wrap(np.linalg.solve(A._array, B._array)),
    solve_triangular=lambda A, B, *, upper: wrap(np.linalg.solve((np.triu if upper else np.tril)(A._array), B._array)),
    vector_norm=lambda x, ord=2, dim=None, keepdim=False: METHODS["norm"](x, ord, dim, keepdim),
)
