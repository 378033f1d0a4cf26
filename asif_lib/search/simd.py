"""Sixty-four comparisons at once, on a vector of numbers.

Numba compiles Python to LLVM's language, in which a number can be a vector of numbers. A comparison of two vectors is a
vector of bits there, and 64 bits are one whole number. LLVM needs about fifteen instructions for it with AVX-512, 35
with AVX2, 70 on ARM.

Numba caches the compiled caller, `certified.py`. After a change in this file, delete the caches in `__pycache__`.
"""

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

LANES = 64
_vector = ir.VectorType(ir.IntType(16), LANES)


@intrinsic
def reaching(typing, row, first, threshold):
    """Compare the keys of the bfloat16 with the bits ``row[first : first + LANES]`` with a threshold.

    The key of a bfloat16 is a whole number that grows with it: its bits, inverted if it is negative.

    Parameters
    ----------
    row : ndarray of int16, contiguous
        `first` + `LANES` numbers or more; the length is not checked.
    first : int64
    threshold : int16

    Returns
    -------
    uint64
        Bit j is 1 if the key of ``row[first + j]`` is `threshold` or more.
    """
    if getattr(row, "dtype", None) != types.int16 or row.ndim != 1 or row.layout != "C":
        raise TypingError(f"row is {row}: it must be a contiguous array of int16")

    def generate(context, builder, signature, arguments):
        row, first, threshold = arguments
        data = context.make_array(signature.args[0])(context, builder, row).data
        at = builder.bitcast(builder.gep(data, [first]), _vector.as_pointer())
        bits = builder.load(at, align=2)
        negative = builder.ashr(bits, _repeated(15))  # -1 or 0
        keys = builder.xor(bits, builder.and_(negative, _repeated(0x7FFF)))
        one = builder.insert_element(ir.Constant(_vector, ir.Undefined), threshold, ir.IntType(32)(0))
        all_lanes = builder.shuffle_vector(one, one, ir.VectorType(ir.IntType(32), LANES)([0] * LANES))
        return builder.bitcast(builder.icmp_signed(">=", keys, all_lanes), ir.IntType(LANES))

    return types.uint64(row, types.int64, types.int16), generate


@intrinsic
def lowest_bit(typing, number):
    """Return the place, from 0, of the lowest bit that is 1 in a uint64 other than 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


def _repeated(number):
    return _vector([number] * LANES)
