"""Functions of layers: those that are arithmetic of tensors."""

import numpy as np

from .._functions import METHODS
from .._tensor import lacking_in, wrap

__getattr__ = lacking_in("torch.nn.functional")
globals().update(
    {name: METHODS[name] for name in ("cosine_similarity", "log_softmax", "relu", "sigmoid", "softmax", "tanh")},
    normalize=lambda input, p=2.0, dim=1, eps=1e-12: input / input.norm(p, dim, keepdim=True).clamp_min(eps),
)


def one_hot(tensor, num_classes=-1):
    return wrap(np.eye(num_classes if num_classes >= 0 else int(tensor.max()) + 1, dtype="i8")[tensor])


def pad(input, pad, mode="constant", value=0):
    widths = [(0, 0)] * (input.ndim - len(pad) // 2) + [*zip(pad[::2], pad[1::2], strict=True)][::-1]
    return wrap(np.pad(input, widths, constant_values=value))
