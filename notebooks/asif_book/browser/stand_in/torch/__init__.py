"""PyTorch's names for NumPy's arithmetic: what the chapters of the browser's edition, their checks and solutions use.

PyTorch has no build for a browser. Here NumPy computes under its names, with its dtypes, its printing, its errors and
its random numbers, and without gradients, graphics cards and threads. A name that is missing says so.
"""

import contextlib
from types import SimpleNamespace

import numpy as np

from . import _functions, _making
from ._tensor import DTYPES, Size, Tensor, device, dtype, lacking_in, promote, result_type, state


__version__ = "the browser's edition"
__getattr__ = lacking_in("torch")
_no = SimpleNamespace(is_available=lambda: False, is_initialized=lambda: False)
cuda, backends = _no, SimpleNamespace(mps=_no, mkldnn=_no)
strided = "strided"
globals().update(_functions.METHODS | _making.MADE | DTYPES)
float, double, half, long, int = (DTYPES[name] for name in ("float32", "float64", "float16", "int64", "int32"))
inf, nan, pi, e = np.inf, np.nan, np.pi, np.e
from ._functions import cat, combinations, einsum, stack, where  # noqa: E402


def finfo(kind=None):
    about = np.finfo((kind or state["default"]).array)
    return SimpleNamespace(**{name: getattr(about, name).item() for name in ("max", "min", "eps", "tiny")})


globals().update(
    broadcast_shapes=lambda *shapes: Size(np.broadcast_shapes(*shapes)),
    get_default_dtype=lambda: state["default"],
    get_num_threads=lambda: 1,
    is_tensor=lambda value: isinstance(value, Tensor),
    set_default_dtype=lambda kind: state.update(default=kind),
    set_num_threads=lambda count: None,
)


class no_grad(contextlib.ContextDecorator):
    """Nothing is differentiated here."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


enable_grad = inference_mode = no_grad
random = SimpleNamespace(fork_rng=_making.fork_rng, manual_seed=_making.manual_seed)

from . import linalg, nn  # noqa: E402
