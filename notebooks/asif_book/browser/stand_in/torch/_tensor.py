"""Tensors: NumPy arrays under PyTorch's names, with its dtypes, its promotion, its indexing and its errors."""

import operator

import numpy as np


class dtype:
    """A dtype by PyTorch's name; NumPy has no bfloat16."""

    def __init__(self, name, array, said):
        self.name, self.array, self.said = name, array and np.dtype(array), said
        self.is_floating_point, self.is_complex = "float" in name, False
        self.itemsize = self.array.itemsize if self.array else 2
        self.rank = 2 if self.is_floating_point else int(name != "bool")

    def __repr__(self):
        return f"torch.{self.name}"


TABLE = """bool ? Bool; uint8 u1 Byte; int8 i1 Char; int16 i2 Short; int32 i4 Int; int64 i8 Long; float16 f2 Half;
float32 f4 Float; float64 f8 Double"""
DTYPES = {row.split()[0]: dtype(*row.split()) for row in TABLE.split(";")}
_OF_ARRAY = {kind.array: kind for kind in DTYPES.values()}
DTYPES["bfloat16"] = dtype("bfloat16", None, "BFloat16")
BOOL, INT64 = DTYPES["bool"], DTYPES["int64"]
state = {"default": DTYPES["float32"]}


def lacking_in(place):
    """Make a module's ``__getattr__``, which says that this edition has a part of PyTorch."""

    def find(name, thing=f"module {place!r}"):
        raise AttributeError(f"{thing} has no attribute {name!r} in the browser's edition, a part of PyTorch")

    return find


class Size(tuple):
    """A shape."""

    def __repr__(self):
        return f"torch.Size({[*self]})"


class device(str):
    """The CPU; there is no other device in a browser."""

    type, index = "cpu", None

    def __new__(cls, name="cpu"):
        if str(name) != "cpu":
            raise AssertionError("Torch not compiled with CUDA enabled")
        return super().__new__(cls, name)


def wrap(array, kind=None) -> "Tensor":
    """Make a Tensor of an array, without a copy where the dtype fits."""
    array = np.asarray(array, kind and kind.array)
    if array.dtype not in _OF_ARRAY:
        raise TypeError(f"can't convert np.ndarray of type {array.dtype.type}.")
    tensor = object.__new__(Tensor)
    tensor._array, tensor.requires_grad = array, False
    return tensor


def array_of(value) -> np.ndarray:
    return value._array if isinstance(value, Tensor) else np.asarray(value)


def promote(*kinds):
    """Return PyTorch's dtype for several: any float goes before whole numbers, and these before bools."""
    rank = max(kind.rank for kind in kinds)
    return _OF_ARRAY[np.result_type(*(kind.array for kind in kinds if kind.rank == rank))]


def result_type(*values) -> dtype:
    """Return the dtype of a result: tensors with dimensions decide, then those without, then Python's numbers."""
    found = {}  # (rank, place) → dtypes
    for value in values:
        place, kind = 0, BOOL if isinstance(value, bool) else INT64 if isinstance(value, int) else state["default"]
        if isinstance(value, Tensor | np.ndarray | np.integer):
            place, kind = 1 + bool(np.ndim(value)), _OF_ARRAY[array_of(value).dtype]
        found.setdefault((kind.rank, place), []).append(kind)
    return promote(*found[max(found)])


def broadcast(a, b):
    """Raise PyTorch's error unless two shapes broadcast."""
    size = max(len(a), len(b))
    a, b = ((1,) * (size - len(shape)) + tuple(shape) for shape in (a, b))
    for dim in reversed(range(size)):
        if a[dim] != b[dim] and 1 not in (a[dim], b[dim]):
            sizes = f"The size of tensor a ({a[dim]}) must match the size of tensor b ({b[dim]})"
            raise RuntimeError(f"{sizes} at non-singleton dimension {dim}")


def both(one, other, kind=None):
    """Return two operands as arrays of one dtype."""
    kind = kind or result_type(one, other)
    one, other = (array_of(value).astype(kind.array, copy=False) for value in (one, other))
    broadcast(one.shape, other.shape)
    return one, other


def fitting(dim, ndim) -> int:
    """Return a dimension from 0; IndexError without it."""
    size = max(ndim, 1)
    if not -size <= operator.index(dim) < size:
        raise IndexError(out_of_range(dim, size))
    return int(dim) % size


def out_of_range(dim, size) -> str:
    return f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})"


class Tensor:
    """An array with PyTorch's methods: those of `_functions.Methods`, each also in place, as ``add_``."""

    __array_priority__ = 1000
    shape = property(lambda self: Size(self._array.shape))
    dtype = property(lambda self: _OF_ARRAY[self._array.dtype])
    device = property(lambda self: device())
    ndim = property(lambda self: self._array.ndim)
    T = mT = property(lambda self: wrap(self._array.T))
    data = property(lambda self: wrap(self._array))
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    layout, is_quantized, grad = "strided", False, None

    def __getattr__(self, name):
        function = getattr(type(self), name[:-1], None) if name.endswith("_") and name[0] != "_" else None
        if function is None:
            lacking_in("torch.Tensor")(name, "'Tensor' object")
        return lambda *arguments, **options: self._become(function(self, *arguments, **options))

    def _become(self, found):
        if found.dtype.rank > max(self.dtype.rank, self.dtype is not BOOL):
            kinds = f"result type {found.dtype.said} can't be cast to the desired output type {self.dtype.said}"
            raise RuntimeError(kinds)
        self._array[...] = found._array
        return self

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype, copy=False)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return wrap(array)

    def numpy(self):
        return self._array

    def __index__(self):
        if self._array.size != 1 or self.dtype.rank > 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __bool__(self):
        return bool(self._array)

    def __format__(self, spec):
        return object.__format__(self, spec) if self.ndim else format(self.item(), spec)

    def __repr__(self):
        layout = {"precision": 4, "floatmode": "maxprec_equal", "max_line_width": 80}
        text = np.array2string(self._array, separator=", ", prefix="tensor(", **layout)
        kind = "" if self.dtype in (state["default"], INT64, BOOL) else f", dtype={self.dtype}"
        return f"tensor({text}{kind})"

    def __iter__(self):
        return map(wrap, self._array)

    def __contains__(self, value):
        return bool((self == value)._array.any())

    __hash__ = object.__hash__

    def __invert__(self):
        return wrap(~self._array)

    def requires_grad_(self, requires_grad=True):
        self.requires_grad = requires_grad
        return self

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[fitting(dim, self.ndim)]

    def __getitem__(self, index):
        return wrap(self._array[_plain(index)])

    def __setitem__(self, index, value):
        self._array[_plain(index)] = array_of(value)


def _plain(index):
    """Return an index as NumPy takes it."""
    parts = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, list | tuple | range):
            part = np.array([array_of(one) for one in part], None if len(part) else "i8")
        if isinstance(part, slice) and part.step is not None and part.step <= 0:
            raise ValueError("step must be greater than zero")
        array = array_of(part) if isinstance(part, Tensor | np.ndarray) else None
        parts.append(part if array is None else array if array.ndim or array.dtype.kind not in "iu" else int(array))
    return tuple(parts)


for _name in ("tolist", "item", "__len__"):
    setattr(Tensor, _name, lambda self, name=_name: getattr(self._array, name)())
Tensor.__float__, Tensor.__int__ = (lambda self: float(self.item())), (lambda self: int(self.item()))
Tensor.__neg__, Tensor.__abs__ = (lambda self: self.neg()), (lambda self: self.abs())
