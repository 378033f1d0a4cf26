"""Without a compiler: a function that numba would compile runs as Python."""


def njit(function=None, **_):
    return (lambda plain: plain) if function is None else function
