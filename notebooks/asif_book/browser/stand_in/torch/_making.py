"""New tensors: of Python's lists and NumPy's arrays, of numbers in order, and drawn at random as PyTorch draws them."""

import contextlib
import math

import numpy as np

from ._tensor import INT64, Tensor, array_of, state, wrap


def tensor(data, *, dtype=None, device=None, requires_grad=False):
    array = np.array(data)
    floats = array.dtype == float and not isinstance(data, Tensor | np.ndarray)  # Python's own
    made = wrap(array, dtype or (state["default"] if floats else None))
    made.requires_grad = requires_grad
    return made


def as_tensor(data, dtype=None, device=None):
    return wrap(array_of(data), dtype) if isinstance(data, Tensor | np.ndarray) else tensor(data, dtype=dtype)


def from_numpy(array):
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return wrap(array)


def _shape(size):
    return tuple(int(one) for one in (size[0] if len(size) == 1 and isinstance(size[0], tuple | list) else size))


def _full_of(value):
    def make(*size, dtype=None, device=None, **_):
        return wrap(np.full(_shape(size), value, (dtype or state["default"]).array))

    return make


def full(size, fill_value, *, dtype=None, device=None):
    value = tensor(array_of(fill_value).item())
    return wrap(np.full(_shape((size,)), value._array, (dtype or value.dtype).array))


def _like(value):
    return lambda input, *, dtype=None: full(input.shape, value, dtype=dtype or input.dtype)


def arange(start, end=None, step=1, *, dtype=None, device=None):
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (array_of(value).item() for value in (start, end, step))
    whole = all(isinstance(value, int) for value in (start, end, step))
    count = max(0, math.ceil((end - start) / step))
    return wrap(start + step * np.arange(count), dtype or (INT64 if whole else state["default"]))


# At random: the Mersenne Twister of both libraries is one, so that the same seed draws the same numbers


class Generator:
    """PyTorch's generator of the CPU."""

    def __init__(self, device="cpu"):
        self.manual_seed(67280421310721)

    def manual_seed(self, seed):
        self._seed, self._spare = int(seed), None
        self._bits = np.random.RandomState(self._seed % 2**32)._bit_generator
        return self

    def whole(self, count):
        """Draw whole numbers of 32 bits."""
        return self._bits.random_raw(count)

    def uniform(self, count, wide=False):
        if not wide:
            return ((self.whole(count) % 2**24) / 2.0**24).astype("f4")
        drawn = self.whole(2 * count)
        return ((drawn[::2] << np.uint64(32) | drawn[1::2]) % 2**53) / 2.0**53

    def normal(self, count, wide=False):
        if count < 16:
            return np.array([self._one_normal() for _ in range(count)])
        drawn = self.uniform(count, wide)
        for first in [*range(0, count - 15, 16), *([count - 16] if count % 16 else [])]:
            if first % 16:
                drawn[first:] = self.uniform(16, wide)
            u, v = 1 - drawn[first : first + 8], drawn[first + 8 : first + 16]
            radius, angle = np.sqrt(-2 * np.log(u)), 2 * u.dtype.type(np.pi) * v
            drawn[first : first + 16] = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return drawn

    def _one_normal(self):
        if self._spare is not None:
            kept, self._spare = self._spare, None
            return kept
        u, v = self.uniform(2, True)
        radius = np.sqrt(-2 * np.log1p(-v))
        self._spare = radius * np.sin(2 * np.pi * u)
        return radius * np.cos(2 * np.pi * u)


default_generator = Generator()
manual_seed = default_generator.manual_seed
manual_seed(np.random.SeedSequence().entropy)


def _drawn(how):
    def draw(*size, generator=None, dtype=None, device=None):
        shape, kind = _shape(size), dtype or state["default"]
        found = getattr(generator or default_generator, how)(math.prod(shape), kind.itemsize == 8)
        return wrap(found.reshape(shape), kind)

    return draw


rand, randn = _drawn("uniform"), _drawn("normal")


def randint(low, high=None, size=None, *, generator=None, dtype=INT64, device=None):
    if not isinstance(high, int):
        low, high, size = 0, low, high if size is None else size
    drawn = (generator or default_generator).whole(math.prod(size)) % np.uint64(high - low)
    return wrap((drawn.astype("i8") + low).reshape(size), dtype)


def randperm(n, *, generator=None, dtype=INT64, device=None):
    order, generator = np.arange(n), generator or default_generator
    for i, drawn in enumerate(generator.whole(max(n - 1, 0)).tolist()):
        j = i + drawn % (n - i)
        order[i], order[j] = order[j], order[i]
    return wrap(order, dtype)


@contextlib.contextmanager
def fork_rng(devices=None):
    """Put back the state of the random numbers afterwards."""
    one = default_generator
    kept = one._seed, one._spare, one._bits.state
    try:
        yield
    finally:
        one._seed, one._spare, one._bits.state = kept


MADE = {
    "tensor": tensor, "as_tensor": as_tensor, "from_numpy": from_numpy, "full": full, "arange": arange, "rand": rand,
    "randn": randn, "randint": randint, "randperm": randperm, "Generator": Generator, "manual_seed": manual_seed,
    "default_generator": default_generator, "zeros": _full_of(0), "ones": _full_of(1), "empty": _full_of(0),
    "frombuffer": lambda buffer, *, dtype: wrap(np.frombuffer(buffer, dtype.array)),
    "full_like": lambda input, fill_value, *, dtype=None: full(input.shape, fill_value, dtype=dtype or input.dtype),
    "zeros_like": _like(0), "ones_like": _like(1), "empty_like": _like(0),
    "linspace": lambda start, end, steps, *, dtype=None: (
        wrap(np.linspace(start, end, steps), dtype or state["default"])
    ),
    "logspace": lambda start, end, steps, base=10.0: wrap(np.logspace(start, end, steps, base=base), state["default"]),
    "eye": lambda n, m=None, *, dtype=None: wrap(np.eye(n, m), dtype or state["default"]),
    "triu_indices": lambda row, col, offset=0: wrap(np.stack(np.triu_indices(row, offset, col)), INT64),
}  # fmt: skip
