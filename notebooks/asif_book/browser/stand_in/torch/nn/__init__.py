"""Nothing is trained here: of the layers only their arithmetic is left."""

from .._tensor import lacking_in
from . import functional

__getattr__ = lacking_in("torch.nn")
