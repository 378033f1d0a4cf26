"""Functions of `scipy.optimize` that the core path uses."""

import sys

import asif_absent


def brentq(function, low, high):
    """A root between two ends at which the signs differ, by bisection."""
    rises = function(low) < 0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if (function(middle) < 0) == rises else (low, middle)
    return (low + high) / 2


__getattr__ = asif_absent.Finder.create_module(sys.modules[__name__].__spec__).__getattr__
