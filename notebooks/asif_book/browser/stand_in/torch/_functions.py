"""PyTorch's functions of tensors, which are methods as well."""

import builtins
import functools
import itertools
import math
import numbers
import operator
from collections import namedtuple

import numpy as np

from ._tensor import (
    BOOL, INT64, Tensor, array_of, both, broadcast, device, dtype, fitting, promote,
    result_type, state, wrap,
)  # fmt: skip

METHODS = {}
_Found = namedtuple("found", "values indices")  # of sort, topk, median, max and min
_Range = namedtuple("aminmax", "min max")
_NAMES = {"axis": "dim", "keepdims": "keepdim"}
_NUMPY = {"dim": "axis", "dims": "axis", "shifts": "shift", "vec2": "b", "dim0": "axis1", "dim1": "axis2"}


def op(name, function):
    """Make a function one of PyTorch's: a result of NumPy's becomes a tensor, and what is no tensor an error."""

    @functools.wraps(function)
    def call(input, *arguments, **options):
        if options and (out := options.pop("out", None)) is not None:
            return out._become(call(input, *arguments, **options))
        options = {_NAMES.get(key, key): value for key, value in options.items()}
        with np.errstate(all="ignore"):
            try:
                found = function(input, *arguments, **options)
            except AttributeError:
                kinds = ", ".join(builtins.type(one).__name__ for one in arguments)
                words = f"{name}() received an invalid combination of arguments - got ({kinds}), but expected one of:"
                raise TypeError(words) from None
        return wrap(found) if isinstance(found, np.ndarray | np.generic) else found

    call.__name__ = name
    METHODS[name] = call
    return call


def _delegated(function, input, *arguments, **options):
    return np.asarray(function(input._array, *arguments, **{_NUMPY.get(name, name): options[name] for name in options}))


def _floats(array):
    return array if array.dtype.kind == "f" else array.astype(state["default"].array)


def _exact(array):
    """Sums of float32 are made in float64, and rounded once."""
    return array.astype("f8") if array.dtype in ("f4", "f2") else array


# Entry by entry, and what NumPy does under this name or another

for _name in "sqrt exp log log2 log10 log1p sin cos asin acos tanh deg2rad".split():
    op(_name, lambda input, function=getattr(np, _name): function(_floats(input._array)))
for _names in """
abs negative:neg sign square floor ceil trunc isnan isinf isfinite logical_not ravel diff isin outer roll round
ascontiguousarray:contiguous expand_dims:unsqueeze swapaxes:transpose
""".split():
    _function, _, _name = _names.partition(":")
    op(_name or _function, functools.partial(_delegated, getattr(np, _function)))
for _name, _to in {"float": "f4", "double": "f8", "half": "f2", "long": "i8", "int": "i4", "bool": "?"}.items():
    op(_name, lambda input, to=_to: input._array.astype(to, copy=False))
op("detach", lambda input: input._array), op("cpu", lambda input: input._array)


def _binary(name, function, floats=False):
    def call(input, other, *, alpha=1):
        kind = result_type(input, other)
        one, other = both(input, other, state["default"] if floats and kind.rank < 2 else kind)
        return function(one, other if alpha == 1 else alpha * other)

    return op(name, call)


for _names in """
add multiply:mul maximum minimum bitwise_and bitwise_or bitwise_xor logical_and logical_or floor_divide remainder
power:pow equal:eq not_equal:ne less:lt less_equal:le greater:gt greater_equal:ge
""".split():
    _function, _, _name = _names.partition(":")
    _binary(_name or _function, getattr(np, _function))
for _name in ("copysign", "nextafter", "true_divide"):
    _binary(_name, getattr(np, _name), floats=True)
_subtract = _binary("_subtract", np.subtract)


def _axes(input, dim):
    if dim is None or isinstance(dim, list | tuple):
        return tuple(fitting(one, input.ndim) for one in dim) if dim else None
    axis = fitting(dim, input.ndim)
    return axis if input.ndim else None


def _reduction(name, function, kind=lambda own: own):
    def call(input, dim=None, keepdim=False, *, dtype=None):
        own = kind(dtype or input.dtype)
        return wrap(function(_exact(input._array), axis=_axes(input, dim), keepdims=keepdim), own)

    op(name, call)


def _summed(own):
    return promote(own, INT64)


def _averaged(own):
    if own.rank < 2:
        words = "could not infer output dtype. Input dtype must be either a floating point or complex dtype."
        raise RuntimeError(f"mean(): {words} Got: {own.said}")
    return own


for _name, _kind in {"sum": _summed, "prod": _summed, "mean": _averaged}.items():
    _reduction(_name, getattr(np, _name), _kind)
for _name in ("any", "all"):
    _reduction(_name, getattr(np, _name), lambda own: BOOL)
for _name in ("amax", "amin"):
    _reduction(_name, getattr(np, _name))
_reduction("count_nonzero", np.count_nonzero, lambda own: INT64)


def _extreme(name):
    function, place = getattr(np, name), getattr(np, f"arg{name}")

    def call(input, dim=None, keepdim=False):
        if isinstance(dim, Tensor):
            return METHODS[f"{name}imum"](input, dim)
        values = function(input._array, axis=_axes(input, dim), keepdims=keepdim)
        return values if dim is None else _Found(wrap(values), position(input, dim, keepdim))

    def position(input, dim=None, keepdim=False):
        return wrap(place(input._array, axis=_axes(input, dim), keepdims=keepdim), INT64)

    op(name, call), op(f"arg{name}", position)


_extreme("max"), _extreme("min")


def _order(array, axis, descending):
    """Positions in a stable order; NaN is the largest."""
    if not descending or not array.ndim:
        return np.argsort(array, axis=axis, kind="stable") if array.ndim else np.zeros((), "i8")
    return array.shape[axis] - 1 - np.flip(np.argsort(np.flip(array, axis), axis=axis, kind="stable"), axis)


def _at(array, order, axis):
    return wrap(np.take_along_axis(array, order, axis) if array.ndim else array), wrap(order)


def _sizes(given):
    first = given[0] if given else ()
    return [operator.index(size) for size in (first if isinstance(first, tuple | list) else given)]


def _places(input, dim, index):
    """The positions (one array for each dimension) that an index along one of them means."""
    dim, array = fitting(dim, input.ndim), array_of(index)
    if array.size and not 0 <= array.min() <= array.max() < input.shape[dim]:  # NumPy counts -1 from the end
        raise RuntimeError(f"an index is out of bounds for dimension {dim} with size {input.shape[dim]}")
    grid = [*np.ogrid[tuple(map(slice, array.shape))]]
    grid[dim] = array
    return tuple(grid)


def _scatter(name, put):
    def call(input, dim, index, src=None, *, value=None):
        source, out = value if src is None else src, input._array.copy()
        if isinstance(source, Tensor) and source.ndim:
            source = source._array[tuple(map(slice, index.shape))]
        put(out, _places(input, dim, index), array_of(source))
        return out

    op(name, call)


_scatter("scatter", operator.setitem), _scatter("scatter_add", np.add.at)


def _one_kind(input, other):
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected two tensors of one dtype, but got: {input.dtype.said} != {other.dtype.said}")


class Methods:
    """What takes more than a name: each is a function, and a method."""

    def allclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
        _one_kind(input, other)
        return bool(input.isclose(other, rtol, atol, equal_nan).all())

    def bincount(input, weights=None, minlength=0):
        whole = input._array.astype("intp", casting="same_kind")  # no floats
        return np.bincount(whole, None if weights is None else weights._array, minlength)

    def clamp(input, min=None, max=None):
        for bound, name in ((min, "maximum"), (max, "minimum")):
            input = input if bound is None else METHODS[name](input, bound)
        return input

    def cosine_similarity(input, x2, dim=1, eps=1e-8):
        return (input * x2).sum(dim) / (input.norm(dim=dim).clamp_min(eps) * x2.norm(dim=dim).clamp_min(eps))

    def diagonal(input, offset=0, dim1=0, dim2=1):
        view = input._array.diagonal(offset, dim1, dim2)
        view.flags.writeable = True
        return view

    def dot(input, other):
        if input.ndim != 1 or input.shape != other.shape:
            raise RuntimeError(f"1D tensors of one length expected, but got {[*input.shape]} and {[*other.shape]}")
        _one_kind(input, other)
        return input._array @ other._array

    def expand(input, *sizes):
        own = (1,) * (len(_sizes(sizes)) - input.ndim) + input.shape
        wanted = [mine if size == -1 else size for mine, size in itertools.zip_longest(own, _sizes(sizes))]
        return np.broadcast_to(input._array, wanted)

    def fill_diagonal(input, fill_value):
        out = input._array.copy()
        np.fill_diagonal(out, fill_value)
        return out

    def flatten(input, start_dim=0, end_dim=-1):
        first, last = fitting(start_dim, input.ndim), fitting(end_dim, input.ndim)
        return input.reshape([*input.shape[:first], -1, *input.shape[last + 1 :]])

    def index_fill(input, dim, index, value):
        out = input._array.copy()
        np.moveaxis(out, dim, 0)[index._array] = array_of(value)
        return out

    def logsumexp(input, dim, keepdim=False):
        high = input.amax(dim, True).nan_to_num(0, 0, 0)
        return ((input - high).exp().sum(dim, keepdim)).log() + (high if keepdim else high.squeeze(dim))

    def matmul(input, other):
        if input.ndim == other.ndim == 1:
            return input.dot(other)
        if not (input.ndim and other.ndim):
            dims = f"{input.ndim}D and {other.ndim}D"
            raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {dims}")
        _one_kind(input, other)
        try:
            return input._array @ other._array
        except ValueError:
            one, two = ("x".join(map(str, tensor.shape)) for tensor in (input, other))
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({one} and {two})") from None

    def median(input, dim=None, keepdim=False):
        if dim is None:
            return np.sort(input._array, axis=None)[(input.numel() - 1) // 2]
        at = wrap(_order(input._array, fitting(dim, input.ndim), False)).narrow(dim, (input.shape[dim] - 1) // 2, 1)
        return _Found(*(part if keepdim else part.squeeze(dim) for part in (input.gather(dim, at), at)))

    def nonzero(input, *, as_tuple=False):
        places = np.nonzero(input._array)
        return tuple(map(wrap, places)) if as_tuple else np.stack(places, 1)

    def norm(input, p=2, dim=None, keepdim=False, dtype=None):
        if input.dtype.rank < 2:
            words = "Expected a floating point or complex tensor as input."
            raise RuntimeError(f"linalg.vector_norm: {words} Got {input.dtype.said}")
        array, p, how = np.abs(_exact(input._array)), 2 if isinstance(p, str) else float(p), {"axis": _axes(input, dim)}
        if math.isinf(p):
            found = (array.max if p > 0 else array.min)(**how, keepdims=keepdim)
        else:
            found = (array**p if p else array != 0).sum(**how, keepdims=keepdim) ** (1 / (p or 1))
        return wrap(found, input.dtype)

    def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
        if input.dtype.rank < 2:
            raise RuntimeError("quantile() input tensor must be either float or double dtype")
        how = {"axis": _axes(input, dim), "keepdims": keepdim, "method": interpolation}
        return wrap(np.quantile(_exact(input._array), array_of(q), **how), input.dtype)

    def reshape(input, *shape):
        return input._array.reshape(_sizes(shape))

    def sort(input, dim=-1, descending=False, stable=False):
        axis = fitting(dim, input.ndim)
        return _Found(*_at(input._array, _order(input._array, axis, descending), axis))

    def split(input, split_size_or_sections, dim=0):
        size, total = split_size_or_sections, input.shape[dim]
        starts = range(0, total, size) if isinstance(size, int) else np.cumsum([0, *size[:-1]]).tolist()
        return tuple(input.narrow(dim, a, b - a) for a, b in itertools.pairwise([*starts, total]))

    def squeeze(input, dim=None):
        dims = range(input.ndim) if dim is None else np.atleast_1d(_axes(input, dim) or 0).tolist()
        return input._array.squeeze(tuple(d for d in dims if input.ndim and input.shape[d] == 1))

    def to(input, *arguments, **options):
        given = [*arguments, *options.values()]
        device(next((one for one in given if isinstance(one, str)), "cpu"))
        kinds = [one.dtype if isinstance(one, Tensor) else one for one in given if isinstance(one, dtype | Tensor)]
        return wrap(input._array, kinds[-1]) if kinds else input

    def topk(input, k, dim=-1, largest=True, sorted=True):
        axis, k = fitting(dim, input.ndim), operator.index(k)
        if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
            raise RuntimeError("selected index k out of range")
        order = _order(input._array, axis, largest)
        order = order[(slice(None),) * axis + (slice(k),)].copy() if input.ndim else order
        return _Found(*_at(input._array, order, axis))

    def trapezoid(input, x=None, *, dx=1.0, dim=-1):
        return ((dx if x is None else x.diff()) * (input[..., 1:] + input[..., :-1]) / 2).sum(dim)

    def unflatten(input, dim, sizes):
        dim = fitting(dim, input.ndim)
        return input.reshape([*input.shape[:dim], *sizes, *input.shape[dim + 1 :]])

    def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
        values, inverse, counts = np.unique(input._array, return_inverse=True, return_counts=True, axis=dim)
        parts = [inverse.reshape(input.shape if dim is None else -1)] * return_inverse + [counts] * return_counts
        return (wrap(values), *map(wrap, parts)) if parts else values

    def var(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
        correction, axes = correction if unbiased is None else int(unbiased), _axes(input, dim)
        _averaged(input.dtype)
        return wrap(np.var(_exact(input._array), axes, ddof=correction, keepdims=keepdim), input.dtype)

    def view(input, *shape):
        return input._array.view(shape[0].array) if isinstance(shape[0], dtype) else input.reshape(*shape)


def sub(input, other, *, alpha=1):
    if BOOL in [value.dtype for value in (input, other) if isinstance(value, Tensor)]:
        raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported.")
    return _subtract(input, other, alpha=alpha)


def div(input, other, *, rounding_mode=None):
    found = METHODS["true_divide"](input, other)
    return found if rounding_mode is None else wrap(getattr(np, rounding_mode)(found), result_type(input, other))


def where(condition, *values):
    """Return entries of the first where a condition holds and of the second elsewhere; without both, the positions."""
    if not values:
        return condition.nonzero(as_tuple=True)
    if condition.dtype is not BOOL:
        said = condition.dtype.said
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {said}")
    one, other = both(*values)
    broadcast(condition.shape, np.broadcast_shapes(one.shape, other.shape))
    return wrap(np.where(condition, one, other))


op("sub", sub), op("div", div)
_SHORT = {
    "addmm": lambda input, one, other, *, beta=1, alpha=1: beta * input + alpha * (one @ other),
    "aminmax": lambda input, *, dim=None, keepdim=False: _Range(input.amin(dim, keepdim), input.amax(dim, keepdim)),
    "argsort": lambda input, dim=-1, descending=False, stable=False: input.sort(dim, descending).indices,
    "cdist": lambda input, x2, p=2.0: (input.double().unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, -1).to(input.dtype),
    "clamp_max": lambda input, max: input.clamp(None, max),
    "clamp_min": lambda input, min: input.clamp(min),
    "clip": lambda input, min=None, max=None: input.clamp(min, max),
    "clone": lambda input, *, memory_format=None: input._array.copy(),
    "corrcoef": lambda input: wrap(np.corrcoef(_exact(input._array)), input.dtype),
    "cumsum": lambda input, dim: wrap(np.cumsum(_exact(input._array), dim), _summed(input.dtype)),
    "diag": lambda input, diagonal=0: np.diag(input._array, diagonal).copy(),
    "dim": lambda input: input.ndim,
    "equal": lambda input, other: input.shape == other.shape and bool((input == other).all()),
    "expand_as": lambda input, other: input.expand(other.shape),
    "fill": lambda input, value: np.full(input.shape, value, input._array.dtype),
    "flip": lambda input, *dims: np.flip(input._array, _sizes(dims)).copy(),
    "gather": lambda input, dim, index: input._array[_places(input, dim, index)],
    "is_complex": lambda input: False,
    "is_floating_point": lambda input: input.dtype.is_floating_point,
    "isclose": lambda input, other, *how, **named: np.isclose(*both(input, other), *how, **named),
    "log_softmax": lambda input, dim, dtype=None: input - input.logsumexp(dim, True),
    "masked_fill": lambda input, mask, value: where(mask, wrap(array_of(value), input.dtype), input),
    "mm": lambda input, mat2: input @ mat2,
    "nan_to_num": lambda input, *values, **named: np.nan_to_num(input._array, True, *values, **named),
    "narrow": lambda input, dim, start, length: input.select(dim, slice(start, start + length)),
    "numel": lambda input: input._array.size,
    "permute": lambda input, *dims: input._array.transpose(_sizes(dims)),
    "relu": lambda input: input.clamp(0),
    "repeat": lambda input, *sizes: np.tile(input._array, _sizes(sizes)),
    "repeat_interleave": lambda input, repeats, dim=None: np.repeat(input._array, np.asarray(repeats, "intp"), dim),
    "rsqrt": lambda input: 1 / input.sqrt(),
    "searchsorted": lambda input, values, *, right=False: np.searchsorted(input, values, "right" if right else "left"),
    "select": lambda input, dim, index: input[(slice(None),) * fitting(dim, input.ndim) + (index,)],
    "sigmoid": lambda input: 1 / (1 + (-input).exp()),
    "softmax": lambda input, dim, dtype=None: input.log_softmax(dim).exp(),
    "std": lambda input, *dims, **how: input.var(*dims, **how).sqrt(),
    "t": lambda input: input.T,
    "view_as": lambda input, other: input.view(other.shape),
}
for _name, _function in [*vars(Methods).items(), *_SHORT.items()]:
    if _name[0] != "_":
        op(_name, _function)


def cat(tensors, dim=0):
    tensors = _several("cat", tensors)
    tensors = [tensor for tensor in tensors if tensor.shape != (0,)] or tensors
    return wrap(np.concatenate(tensors, dim))


def stack(tensors, dim=0):
    return wrap(np.stack(_several("stack", tensors), dim))


def _several(name, tensors):
    """Return the tensors as arrays of one dtype."""
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    kind = promote(*(tensor.dtype for tensor in tensors))
    return [tensor._array.astype(kind.array, copy=False) for tensor in tensors]


def combinations(input, r=2):
    return input[np.array([*itertools.combinations(range(len(input)), r)], "i8").reshape(-1, r)]


def einsum(equation, *operands):
    return wrap(np.asarray(np.einsum(equation, *map(array_of, operands))))


for _name, _function in METHODS.items():
    setattr(Tensor, _name, _function)
Tensor.where = lambda self, condition, other: where(condition, self, other)


def _operator(name, swapped=False):
    def method(self, other):
        if isinstance(other, list | tuple):
            raise TypeError("only integer tensors of a single element can be converted to an index")
        if not isinstance(other, Tensor | np.ndarray | numbers.Number) or (swapped and isinstance(other, np.ndarray)):
            return NotImplemented
        return METHODS[name](*((other, self) if swapped else (self, other)))

    return method


for _name, _function in {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _operator(_function))
    setattr(Tensor, f"__r{_name}__", _operator(_function, True))
    setattr(Tensor, f"__i{_name}__", lambda self, other, name=_function: self._become(_operator(name)(self, other)))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", _operator(_name))
