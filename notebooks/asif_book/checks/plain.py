"""Plain data: all that passes between a check and a student's function, as JSON.

Numbers, texts, lists, tensors, arrays and pictures arrive as copies. A function stays where it is: the other side gets
a number to call it by. Nothing is pickled: who reads runs no code, and meets none of the other side's types.
"""

import base64
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

MOST_NUMBERS = 1_000_000
"""Numbers and letters of a result that are looked at."""
_PLAIN = (bool, int, float, str, list, tuple, dict, set, frozenset, range, np.ndarray, np.generic, torch.Tensor)
_COLLECTIONS = {"list": list, "tuple": tuple, "set": set, "dict": dict}
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype) and "qint" not in str(dtype) and "quint" not in str(dtype)  # these crash
}
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "F")  # of pictures


class TooLargeError(ValueError):
    """A thing with more than `MOST_NUMBERS` numbers; the message names its type and shape."""


@dataclass(frozen=True)
class Other:
    """Stands for a thing that is no plain data, by the name of its type."""

    kind: str


def to_plain(value, lent, most=MOST_NUMBERS, *, whole=False):
    """Return `value` as JSON; the functions in it are appended to `lent`, and are called by their places there.

    Raises `TooLargeError` at more than `most` numbers, before any of them is touched. With `whole`, an iterator and the
    public attributes of an object are lent as well.
    """

    def take(count, thing):
        nonlocal most
        most -= count
        if most < 0:
            shape = f" of shape {tuple(thing.shape)}" if isinstance(thing, torch.Tensor | np.ndarray) else ""
            raise TooLargeError(type(thing).__name__[:100] + shape)

    def lend(kind, function):
        lent.append(function)
        return [kind, len(lent) - 1]

    def one(thing):
        take(1, thing)
        if isinstance(thing, np.generic):
            thing = thing.item()
        if isinstance(thing, str | int):
            take(len(thing) if isinstance(thing, str) else MOST_NUMBERS * (thing.bit_length() > 10_000), thing)
        if thing is None or isinstance(thing, bool | int | float | str):
            return thing
        if isinstance(thing, torch.Tensor) and thing.layout == torch.strided and not thing.is_quantized:
            take(math.prod(thing.shape), thing)
            thing = thing.cpu() if whole else thing
            data = None
            if thing.device.type == "cpu":
                flat = thing.detach().resolve_conj().resolve_neg().reshape(-1)
                flat = flat.clone(memory_format=torch.contiguous_format)  # a single number has any stride
                data = _text(flat.view(torch.uint8).numpy())
            about = str(thing.dtype).removeprefix("torch."), list(thing.shape), str(thing.device), thing.requires_grad
            return ["tensor", data, *about]
        if isinstance(thing, np.ndarray) and thing.dtype.kind in "biufc":
            take(thing.size, thing)
            return ["array", _text(thing), thing.dtype.str, list(thing.shape)]
        if isinstance(thing, list | tuple | range):
            return ["tuple" if isinstance(thing, tuple) else "list", *map(one, thing)]
        if isinstance(thing, set | frozenset):
            return ["set", *map(one, thing)]
        if isinstance(thing, dict):
            return ["dict", *(["tuple", one(key), one(entry)] for key, entry in thing.items())]
        if "PIL.Image" in sys.modules and isinstance(thing, sys.modules["PIL.Image"].Image):
            take(math.prod(thing.size), thing)
            return ["image", _text(thing.tobytes()), thing.mode, list(thing.size)]
        if callable(thing):
            return lend("function", thing)
        if whole and isinstance(thing, Iterator):
            return lend("iterator", lambda: list(itertools.islice(thing, 1)))
        if whole:
            public = {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_")}
            return ["object", {name: one(v) for name, v in public.items() if callable(v) or isinstance(v, _PLAIN)}]
        return ["other", type(thing).__name__]

    return one(value)


def from_plain(data, borrow):
    """Return the value of what `to_plain` made; `borrow` makes a function of its place.

    Raises ValueError or another `Exception` at anything else. Makes nothing larger than `data`.
    """
    if not isinstance(data, list):
        return data
    kind, *rest = data
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](from_plain(entry, borrow) for entry in rest)
    if kind == "tensor":
        text, name, shape, device, grad = rest
        if device != "cpu":
            return torch.empty((), dtype=_DTYPES[name], device=device).expand(shape)
        raw = bytearray(base64.b64decode(text))
        flat = torch.frombuffer(raw, dtype=_DTYPES[name]) if raw else torch.empty(0, dtype=_DTYPES[name])
        return flat.reshape(shape).requires_grad_(grad)
    if kind == "array":
        text, dtype, shape = rest
        if dtype[1] not in "biufc":
            raise ValueError(f"an array of {dtype}")
        return np.frombuffer(bytearray(base64.b64decode(text)), dtype).reshape(shape)
    if kind == "image" and rest[1] in _MODES:
        from PIL import Image

        raw = base64.b64decode(rest[0])
        if math.prod(rest[2]) > 8 * len(raw):  # it would take the memory first
            raise ValueError("a picture without its pixels")
        return Image.frombytes(rest[1], tuple(rest[2]), raw)
    if kind == "function":
        return borrow(*rest)
    if kind == "iterator":
        return (entry for (entry,) in iter(borrow(*rest), []))
    if kind == "object":
        return SimpleNamespace(**{name: from_plain(entry, borrow) for name, entry in rest[0].items()})
    return Other(rest[0][:100])


def _text(data):
    return base64.b64encode(np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data).decode()
