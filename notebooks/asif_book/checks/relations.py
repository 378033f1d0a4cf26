"""Relations between wrong and right results that name a mistake in any exercise: a sign, a factor, an order.

An exercise names its own mistakes first. A relation counts only if it holds on every input.
"""

import inspect
import itertools

import torch
import torch.nn.functional as F

RELATIONS = {
    "the negatives of the right ones: look for a minus sign": torch.neg,
    "the absolute values of the right ones: keep the signs": torch.abs,
    "the right ones with 0 in the place of negative values: keep these": lambda r: r.clamp_min(0),
    "the squares of the right ones: a square root is missing, or a square is too much": torch.square,
    "the square roots of the right ones: a square is missing, or a root is too much": torch.sqrt,
    "1 minus the right ones: you count the opposite": lambda r: 1 - r,
    "1 divided by the right ones: numerator and denominator are swapped": lambda r: 1 / r,
    "the right ones, rounded: keep the fractions": torch.round,
    "the right ones in the opposite order, along the last dimension": lambda r: r.flip(-1) if r.ndim else r,
    "the right ones in the opposite order, along the first dimension": lambda r: r.flip(0) if r.ndim else r,
    "the right ones, sorted: keep their places": lambda r: r.sort(-1).values,
    "the right ones, sorted from large to small: keep their places": lambda r: r.sort(-1, descending=True).values,
    "running sums of the right ones: give each value itself": lambda r: r.cumsum(-1) if r.ndim else r,
}
"""What the values of a wrong result are, and how they come from the right one."""
LACKING = {
    "right where they are positive; negative values must become 0": lambda r: r.clamp_min(0),
    "right in size; negative values must become positive": torch.abs,
    "the right ones in another order: sort them": lambda r: r.sort(-1).values,
    "the right ones in another order: sort them from large to small": lambda r: r.sort(-1, descending=True).values,
}
"""What the values of a wrong result are, and the step that would make them right."""


def relation(results, expected, atol) -> str:
    """Say how all results of a function follow from the right ones; an empty string if no relation is known.

    Both are lists with an entry for each input. Of tuples, the first part that is wrong is compared.
    """
    if isinstance(expected[0], tuple):
        return _of_tuples(results, expected, atol)
    pairs = _as_values(results, expected)
    if not pairs:
        return ""
    for words, change in RELATIONS.items():
        if all(_close(found, change(wanted), atol) for found, wanted in pairs):
            return f"your values are {words}."
    for words, change in LACKING.items():
        if all(_close(change(found), wanted, atol) for found, wanted in pairs):
            return f"your values are {words}."
    return _constant(pairs, atol) or _by_row(pairs, atol)


ARGUMENTS = {
    "the negatives of `{}`": torch.neg,
    "the sizes of `{}`, without their signs": torch.abs,
    "the squares of `{}`": torch.square,
    "`{}` in the opposite order": lambda x: x.flip(0),
    "the transpose of `{}`": lambda x: x.T if x.ndim == 2 and len(x) == x.shape[1] else x,
    "`{}` with its rows scaled to length 1": lambda x: F.normalize(x, dim=-1),
    "`{}` with the mean of its rows subtracted": lambda x: x - x.mean(dim=0),
    "zeros in the place of `{}`": torch.zeros_like,
    "ones in the place of `{}`": torch.ones_like,
}
"""What a function may have used in the place of a tensor that it was given."""


def other_arguments(reference, cases):
    """Yield what a function may have used in the place of its arguments, in words, and the arguments then."""
    names = list(inspect.signature(reference).parameters)[: len(cases[0])]
    for at, name in enumerate(names):
        values = [case[at] for case in cases]
        if all(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values):
            for words, change in ARGUMENTS.items():
                yield words.format(name), [(*c[:at], change(c[at]), *c[at + 1 :]) for c in cases]
        elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            for step in (1, -1):
                yield f"{name} {'+' if step > 0 else '-'} 1", [(*c[:at], c[at] + step, *c[at + 1 :]) for c in cases]
    for one, other in itertools.combinations(range(len(names)), 2):
        if all(type(case[one]) is type(case[other]) for case in cases):
            order = [other if i == one else one if i == other else i for i in range(len(names))]
            yield (
                f"`{names[one]}` in the place of `{names[other]}`, and the reverse",
                [tuple(case[i] for i in order) for case in cases],
            )


def _of_tuples(results, expected, atol):
    if not all(isinstance(r, tuple | list) and len(r) == len(expected[0]) for r in results):
        return ""
    for place in range(len(expected[0])):
        parts = [[values[place] for values in some] for some in (results, expected)]
        if words := relation(*parts, atol):
            return f"of your {len(expected[0])} results, number {place + 1}: {words}"
    return ""


def _as_values(results, expected):
    """Pairs of float64 tensors of one shape; none if a result is of another kind or shape, or if all are right."""
    pairs = []
    for found, wanted in zip(results, expected, strict=True):
        try:
            found, wanted = torch.as_tensor(found).double(), torch.as_tensor(wanted).double()
        except (TypeError, ValueError, RuntimeError):
            return []
        if found.shape != wanted.shape or not found.isfinite().all():
            return []
        pairs.append((found, wanted))
    return [] if all(torch.equal(found, wanted) for found, wanted in pairs) else pairs


def _close(found, wanted, atol):
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-5, atol=atol)


def _constant(pairs, atol):
    """One factor or one difference for all values of all inputs."""
    found, wanted = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if len(wanted.unique()) < 2 or not _mostly_wrong(pairs, atol):
        return ""
    largest = wanted.abs().argmax()
    factor, difference = found[largest] / wanted[largest], found[largest] - wanted[largest]
    if _close(found, torch.zeros_like(found), atol):
        return "your values are all 0."
    if _close(found, factor * wanted, atol):
        return f"your values are the right ones times {factor:.6g}."
    if _close(found, wanted + difference, atol):
        words = "too large" if difference > 0 else "too small"
        return f"each of your values is {abs(difference):.3g} {words}."
    return ""


def _by_row(pairs, atol):
    """A factor or a difference for each input, or for each row of matrices."""
    for axes, where in ((None, "from input to input"), (-1, "from row to row"), (0, "from column to column")):
        # along two values a factor and a difference always exist
        is_wide = [f.numel() > 2 if axes is None else f.ndim > 1 and f.shape[axes] > 2 for f, _ in pairs]
        wide, narrow = ([pair for pair, w in zip(pairs, is_wide, strict=True) if w == side] for side in (True, False))
        if not wide or not _mostly_wrong(wide, atol) or not all(_close(*pair, atol) for pair in narrow):
            continue
        if all(_close(f, w * _fit(f * w, w * w, axes), atol) for f, w in wide):
            return f"your values are the right ones times a factor that changes {where}: look at what you divide by."
        if all(_close(f, w + _fit(f - w, torch.ones_like(w), axes), atol) for f, w in wide):
            return f"your values are the right ones plus a number that changes {where}: look at what you subtract."
    return ""


def _mostly_wrong(pairs, atol):
    return 2 * sum(not _close(found, wanted, atol) for found, wanted in pairs) > len(pairs)


def _fit(products, squares, axes):
    """The factor of least squares, along some axes or over all."""
    dims = tuple(range(products.ndim)) if axes is None else axes
    return products.sum(dims, keepdim=True) / squares.sum(dims, keepdim=True).clamp_min(1e-12)
