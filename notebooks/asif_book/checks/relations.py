"""Relations between wrong and right results that name a mistake in any exercise: a sign, a factor, a step.

An exercise names its own mistakes first. A relation counts only if it holds on every input.
"""

import contextlib
import itertools
import sys
from functools import partial

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

RELATIONS = {
    "the negatives of the right ones: look for a minus sign": torch.neg,
    "the absolute values of the right ones: keep the signs": torch.abs,
    "the right ones with 0 in the place of negative values: keep these": lambda r: r.clamp_min(0),
    "the right ones, cut off at 0 and 1": lambda r: r.clamp(0, 1),
    "the squares of the right ones: a square root is missing, or a square is too much": torch.square,
    "the square roots of the right ones: a square is missing, or a root is too much": torch.sqrt,
    "1 minus the right ones: you count the opposite": lambda r: 1 - r,
    "1 divided by the right ones: numerator and denominator are swapped": lambda r: 1 / r,
    "moved from the range of −1 to 1 to the range of 0 to 1; keep the right ones as they are": lambda r: (r + 1) / 2,
    "the right ones, rounded: keep the fractions": torch.round,
    "the right ones without their fractions: `//` and int() cut these off": torch.trunc,
    "only the signs of the right ones": torch.sign,
    "the angles to which the right ones are the cosines: leave the arccosine out": lambda r: r.clamp(-1, 1).acos(),
    "exponentials of the right ones": torch.exp,
    "logarithms of the right ones": torch.log,
    "a softmax of the right ones, along the last dimension": lambda r: r.softmax(-1) if r.ndim else r,
    "a softmax of the right ones, along the first dimension": lambda r: r.softmax(0) if r.ndim else r,
    "the right ones in the opposite order, along the last dimension": lambda r: r.flip(-1) if r.ndim else r,
    "the right ones in the opposite order, along the first dimension": lambda r: r.flip(0) if r.ndim else r,
    "the right ones, one place later": lambda r: r.roll(1, -1) if r.ndim else r,
    "the right ones, one place earlier": lambda r: r.roll(-1, -1) if r.ndim else r,
    "the right ones, sorted: keep their places": lambda r: r.sort(-1).values,
    "the right ones, sorted from large to small: keep their places": lambda r: r.sort(-1, descending=True).values,
    "the ranks of the right ones; give the values themselves": lambda r: r.argsort(-1).argsort(-1).double(),
    "running sums of the right ones: give each value itself": lambda r: r.cumsum(-1) if r.ndim else r,
}
"""What the values of a wrong result are, and how they come from the right one."""
LACKING = {
    "right where they are positive; negative values must become 0": lambda r: r.clamp_min(0),
    "right in size; negative values must become positive": torch.abs,
    "right up to 1; larger values must become 1": lambda r: r.clamp_max(1),
    "the right ones in another order: sort them": lambda r: r.sort(-1).values,
    "the right ones in another order: sort them from large to small": lambda r: r.sort(-1, descending=True).values,
}
"""What the values of a wrong result are, and the step that would make them right."""
STEPS = {
    "mean": torch.mean,
    "sum": torch.sum,
    "largest value": torch.amax,
    "smallest value": torch.amin,
    "position of the largest value": torch.argmax,
    "position of the smallest value": torch.argmin,
    "length": torch.linalg.vector_norm,
}
"""What takes a dimension away."""
STATISTICS = {
    "sum": torch.sum,
    "length": torch.linalg.vector_norm,
    "squared length": lambda x, **k: torch.linalg.vector_norm(x, **k) ** 2,
    "largest entry": torch.amax,
    "mean": torch.mean,
    "standard deviation": partial(torch.std, correction=0),
    "sum of sizes": partial(torch.linalg.vector_norm, ord=1),
}
"""What a result may have been divided by, or what may have been subtracted from it."""
ARITHMETIC = {
    "divided by {}": lambda w, x: (w / x).nan_to_num(0, 0, 0),
    "times {}": torch.mul,
    "minus {}": torch.sub,
    "plus {}": torch.add,
    "divided by the square of {}": lambda w, x: w / x**2,
    "divided by the root of {}": lambda w, x: w / x.sqrt(),
    "times the root of {}": lambda w, x: w * x.sqrt(),
    "raised to the power {}": torch.pow,
}
PLACES = {
    "where the right ones are 0": lambda r: r == 0,
    "where the right ones are negative": lambda r: r < 0,
    "where the right ones are positive": lambda r: r > 0,
    "on the diagonal": lambda r: torch.eye(*r.shape) > 0,
    "at the first place": lambda r: _at(r, -1, 0),
    "at the last place": lambda r: _at(r, -1, -1),
    "in the first row": lambda r: _at(r, 0, 0),
    "in the last row": lambda r: _at(r, 0, -1),
    "in the last entry along dim=1": lambda r: _at(r, 1, -1),
}
"""Where a result may be wrong while all other values are right."""


NOT_FINITE = {
    "NaN: what do you divide by, or take the root or logarithm of?": torch.isnan,
    "infinite: do you divide by 0, or is a −inf left over?": torch.isinf,
}


def fact(found, wanted) -> tuple[int, str]:
    """Say what a result is that is NaN, infinite, zero or the same everywhere, and on which input (from 0, or -1)."""
    pairs = [_doubles(*pair) for pair in zip(found, wanted, strict=True)]
    for at, (f, w) in enumerate(pairs):
        for words, is_so in NOT_FINITE.items():
            if f is not None and (bad := is_so(f)).any() and f.shape == w.shape and not is_so(w).any():
                return at, f"the shape is right, but {int(bad.sum())} of {bad.numel()} values are {words}"
    if any(f is None or f.shape != w.shape or not f.numel() for f, w in pairs):
        return -1, ""
    right = [w.unique().numel() > 1 for _, w in pairs] if pairs[0][1].ndim else []
    if not any(f.any() for f, _ in pairs) and any(w.any() for _, w in pairs):
        return -1, "On every input your values are all 0."
    if any(right) and all(f.unique().numel() == 1 for f, _ in pairs):
        return -1, f"On every input your values are all the same: on input 1 they are {pairs[0][0].flatten()[0]:.4g}."
    for dim, words in ((0, "rows"), (1, "columns")):
        repeats = [f.ndim == 2 and _repeats(f, dim) > _repeats(w, dim) for f, w in pairs]
        if any(repeats) and all(f.ndim == 2 and _repeats(f, dim) for f, _ in pairs):
            return -1, f"On every input all {words} of your result are the same."
    everything = torch.cat([f.flatten() for f, _ in pairs]).unique()
    if not right and len(pairs) > 2 and len(everything) == 1 and len({w.item() for _, w in pairs}) > 1:
        return -1, f"Your function gives {everything.item():.4g} on every input."
    return -1, ""


def _repeats(values, dim):
    return torch.equal(values, values.narrow(dim, 0, 1).expand_as(values))


def is_plain(found) -> bool:
    """Return whether a result is zero, NaN or the same everywhere, so that many mistakes may have led to it."""
    parts = found if isinstance(found, tuple | list) else [found]
    values = [_doubles(part, 0)[0] for part in parts]
    return all(
        v is None or not v.isfinite().all() or not v.any() or (v.ndim and v.unique().numel() < 2) for v in values
    )


def relation(found, wanted, arguments, atol) -> str:
    """Say how all results of a function follow from the right ones; an empty string if no relation is known.

    All are lists with an entry for each input; `arguments` are dictionaries by name.
    """
    pairs = [_doubles(*pair) for pair in zip(found, wanted, strict=True)]
    special = [w is not None and not w.any() and f is not None and torch.equal(f, w) for f, w in pairs]
    if special.count(False) > 1:  # an input of zeros may be treated apart
        pairs, arguments = ([x for x, zero in zip(xs, special, strict=False) if not zero] for xs in (pairs, arguments))
    if any(f is None or not f.isfinite().all() for f, _ in pairs) or all(torch.equal(f, w) for f, w in pairs):
        return ""
    if any(f.shape != w.shape for f, w in pairs):
        return _of_another_shape(pairs, atol) or _other_size(pairs, arguments)
    for words, change in RELATIONS.items():
        if all(_close(f, change(w), atol) for f, w in pairs):
            return f"your values are {words}."
    for words, change in LACKING.items():
        if all(_close(change(f), w, atol) for f, w in pairs):
            return f"your values are {words}."
    matrices = all(f.ndim == 2 for f, _ in pairs)
    if matrices and all(_close(f, w.T, atol) for f, w in pairs):
        return "rows and columns are swapped: your result is the transpose of what is wanted."
    if (words := _constant(pairs, atol)) or not arguments:
        return words
    return _by_argument(pairs, arguments, atol) if atol < 1e-2 else ""


def hint(found, wanted, atol) -> str:
    """Say what is known of wrong results where nothing explains them: a factor of each row, or a place."""
    pairs = [_doubles(*pair) for pair in zip(found, wanted, strict=True)]
    if any(f is None or f.shape != w.shape or not f.isfinite().all() for f, w in pairs):
        return ""
    return _by_row(pairs, atol) or _in_places(pairs, atol)


def _of_another_shape(pairs, atol):
    """A result that is right but for a dimension, or for a step at the end that is missing or too much."""
    if all(f.numel() == w.numel() and _close(f.reshape(w.shape), w, atol) for f, w in pairs):
        f, w = next((f, w) for f, w in pairs if f.shape != w.shape)
        return f"the values are right, but in the shape {tuple(f.shape)}; {tuple(w.shape)} is wanted."
    if all(f.ndim == w.ndim == 2 and _close(f.T, w, atol) for f, w in pairs):
        return "rows and columns are swapped: your result is the transpose of what is wanted."
    for (words, step), dim in itertools.product(STEPS.items(), (-1, 0, None)):
        where = "" if dim is None else f" along dim={dim}" if dim == 0 else " of each row"
        for ends, (one, other) in {
            "take the {} at the end: that step is missing": (0, 1),
            "you took the {} at the end: leave that step out": (1, 0),
        }.items():
            with contextlib.suppress(Exception):
                if all(_close(step(p[one], dim=dim).double(), p[other], atol) for p in pairs):
                    return ends.format(words + where) + "."
    return ""


def _other_size(pairs, arguments):
    """Say by which number of the inputs a result is too long or too short along a dimension."""
    if not arguments or len({f.ndim for f, _ in pairs} | {w.ndim for _, w in pairs}) > 1:
        return ""
    sizes = _sizes(_quantities(pairs, arguments))
    sizes |= {f"{words} + 1": [x + 1 for x in xs] for words, xs in sizes.items()}
    for dim in range(pairs[0][0].ndim):
        mine, wanted = ([pair[side].shape[dim] for pair in pairs] for side in (0, 1))
        words = [next((words for words, xs in sizes.items() if xs == shape), "") for shape in (mine, wanted)]
        if mine != wanted and all(words):
            return f"along dim={dim} your result has as many entries as {words[0]}; as many as {words[1]} are wanted."
    return ""


def _sizes(quantities):
    sizes = {words: [float(x) for x in xs] for words, xs in quantities if words[0] == "`" or "number of" in words}
    return sizes | {f"{words} − 1": [x - 1 for x in xs] for words, xs in sizes.items()}


def _doubles(found, wanted):
    """Both as float64 tensors, or None in the place of a result that has no real numbers."""
    try:
        found = torch.as_tensor(found)
        return None if found.is_complex() else found.double(), torch.as_tensor(wanted).double()
    except (TypeError, ValueError, RuntimeError):
        return None, torch.as_tensor(0.0)


def _close(found, wanted, atol):
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-5, atol=atol)


def _constant(pairs, atol):
    """One factor or one difference for all values of all inputs."""
    found, wanted = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if len(wanted.unique()) < 2 or not _mostly_wrong(pairs, atol):
        return ""
    largest = wanted.abs().argmax()
    factor, difference = found[largest] / wanted[largest], found[largest] - wanted[largest]
    if _close(found, factor * wanted, atol):
        return f"your values are the right ones times {factor:.6g}."
    if _close(found, wanted + difference, atol):
        words = "too large" if difference > 0 else "too small"
        return f"each of your values is {abs(difference):.3g} {words}."
    return ""


def _quantities(pairs, arguments):
    """Yield what a result may have been divided by, in words, and a tensor of it for each input."""
    results = {"the right ones": [w for _, w in pairs]}
    given = {f"`{name}`": [case[name] for case in arguments] for name in arguments[0] or ()}
    for name, values in (given | results).items():
        if all(isinstance(v, int | float) for v in values):
            yield name, [torch.tensor(float(v)) for v in values]
            continue
        if all(isinstance(v, list) for v in values):
            yield f"the number of entries of {name}", [torch.tensor(float(len(v))) for v in values]
        if not all(isinstance(v, torch.Tensor) and v.ndim for v in values):
            continue
        values = [v.double() for v in values]
        for words, size in (("rows" if values[0].ndim > 1 else "entries", 0), ("columns", 1)):
            if name != "the right ones" and all(v.ndim > size for v in values):
                yield f"the number of {words} of {name}", [torch.tensor(float(v.shape[size])) for v in values]
        for words, statistic in STATISTICS.items():
            if not all(v.numel() for v in values):
                break
            yield f"the {words} of {name}", [statistic(v, dim=None) for v in values]
            if all(v.ndim == 2 for v in values):
                rows, columns = ([statistic(v, dim=dim) for v in values] for dim in (1, 0))
                whole = f"the {words} of each {{}} of {name}"
                yield (
                    whole.format("row"),
                    [r if w.ndim < 2 else r[:, None] for r, (_, w) in zip(rows, pairs, strict=True)],
                )
                yield whole.format("row"), [r[None] for r in rows]
                yield whole.format("column"), [c[None] for c in columns]


def _by_argument(pairs, arguments, atol):
    """The right ones times a number that the inputs have, or divided by it, and so on."""
    if sum(w.numel() for _, w in pairs) < 4 or not _mostly_wrong(pairs, atol):
        return ""
    quantities = list(_quantities(pairs, arguments))
    for words, numbers in quantities:
        for how, combine in ARITHMETIC.items():
            with contextlib.suppress(RuntimeError):  # of shapes that do not fit
                if all(_close(f, combine(w, x), atol) for (f, w), x in zip(pairs, numbers, strict=True)):
                    return f"your values are the right ones, {how.format(words)}."
                if all(_close(combine(f, x), w, atol) for (f, w), x in zip(pairs, numbers, strict=True)):
                    return f"your values would be right, {how.format(words)}: a step is missing."
    for (one, ups), (other, downs) in itertools.permutations(_sizes(quantities).items(), 2):
        if len(set(ups)) < 2 or len(set(downs)) < 2 or len(pairs) < 3:
            continue
        if all(_close(f * y, w * x, atol) and x and y for (f, w), x, y in zip(pairs, ups, downs, strict=True)):
            return f"your values are the right ones, times {one} and divided by {other}."
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
    found, wanted = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    ratio = (found / wanted)[wanted.abs() > 10 * atol]
    below = len(ratio) > 3 and not found[wanted == 0].any() and (ratio < 1 + 1e-6).all() and (ratio > 0).all()
    if below and ratio.median() > 0.9 and (ratio < 1 - 1e-6).double().mean() > 0.8 and len(ratio.unique()) > 3:
        return "all your values are a little too near to 0: do you add a number to what you divide by?"
    if all((f.ndim == 2 and min(f.shape) > 2) or _close(f, w, atol) or min(f.shape, default=0) == 1 for f, w in pairs):
        square = [(f, w) for f, w in pairs if f.ndim == 2 and min(f.shape) > 2 and w.all()]
        if square and all(_close(f, w * _outer(f / w), atol) for f, w in square):
            where = "from row to row and from column to column"
            return f"your values are the right ones times a factor that changes {where}: look at what you divide by."
    return ""


def _outer(ratio):
    return ratio[:, :1] * ratio[:1] / ratio[0, 0]


def _at(r, dim, index):
    """A mask of r that is true at one index along a dimension."""
    mask = torch.zeros_like(r, dtype=torch.bool)
    mask.select(dim, index).fill_(True)
    return mask


def _in_places(pairs, atol):
    """Values that are wrong only at certain places."""
    wrong = [((f - w).abs() > atol) if f.ndim else None for f, w in pairs]
    if any(x is None for x in wrong) or torch.cat([w.flatten() for _, w in pairs]).unique().numel() < 3:
        return ""
    for words, place in PLACES.items():
        with contextlib.suppress(Exception):  # of a place that these shapes do not have
            places = [place(w) for x, (_, w) in zip(wrong, pairs, strict=True)]
            apart = all(not (x & ~p).any() for x, p in zip(wrong, places, strict=True) if x.any())
            if (
                apart
                and torch.cat([p.flatten() for x, p in zip(wrong, places, strict=True) if x.any()]).double().mean()
                < 0.7
            ):
                return f"your values are wrong only {words}."
    return ""


def _mostly_wrong(pairs, atol):
    return 2 * sum(not _close(found, wanted, atol) for found, wanted in pairs) > len(pairs)


def _fit(products, squares, axes):
    """The factor of least squares, along some axes or over all."""
    dims = tuple(range(products.ndim)) if axes is None else axes
    return products.sum(dims, keepdim=True) / squares.sum(dims, keepdim=True).clamp_min(1e-12)


# Another argument in the place of one that was given

ARGUMENTS = {
    "the negatives of {}": torch.neg,
    "the sizes of {}, without their signs": torch.abs,
    "the squares of {}": torch.square,
    "the square roots of {}": torch.sqrt,
    "1 divided by {}": torch.reciprocal,
    "{} in the opposite order": lambda x: x.flip(0),
    "the transpose of {}": lambda x: x.T if x.ndim == 2 and len(x) == x.shape[1] else x,
    "{} with its rows scaled to length 1": lambda x: F.normalize(x, dim=-1),
    "{} with its columns scaled to length 1": lambda x: F.normalize(x, dim=0),
    "{} with its rows scaled to a sum of sizes of 1": lambda x: F.normalize(x, dim=-1, p=1),
    "{} with the mean of its rows subtracted": lambda x: x - x.mean(dim=0),
    "{} with the mean of each row subtracted": lambda x: x - x.mean(dim=-1, keepdim=True),
    "{} with 0 in the place of negative entries": torch.relu,
    "the softmax of each row of {}": lambda x: x.softmax(-1),
    "{} without its last row": lambda x: x[:-1],
    "{} without its first row": lambda x: x[1:],
    "zeros in the place of {}": torch.zeros_like,
    "ones in the place of {}": torch.ones_like,
}
"""What a function may have used in the place of a tensor that it was given."""
WHOLE = {"the inverse order of {}": torch.argsort, "{}, reversed": lambda x: x.flip(0), "1 minus {}": lambda x: 1 - x}
"""The same of int64 tensors."""


def other_arguments(names, cases):
    """Yield what a function may have used in the place of its arguments, in words, and the arguments then."""

    def instead(at, change):
        return [(*c[:at], change(c[at]), *c[at + 1 :]) for c in cases]

    for at, name in enumerate(names):
        values = [case[at] for case in cases]
        if all(isinstance(value, torch.Tensor) for value in values):
            kinds = {value.dtype for value in values}
            masks = {"the opposite of {}": torch.logical_not}
            changes = masks if kinds == {torch.bool} else ARGUMENTS if values[0].is_floating_point() else WHOLE
            for words, change in changes.items():
                with contextlib.suppress(Exception):  # of a change that this argument does not allow
                    yield words.format(f"`{name}`"), instead(at, change)
        elif all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            for words, change in NUMBERS.items():
                yield words.format(name), instead(at, change)
    for one, other in itertools.permutations(range(len(names)), 2):
        if all(_kind(case[one]) == _kind(case[other]) for case in cases):
            order = [other if i == one else one if i == other else i for i in range(len(names))]
            if one < other:
                yield (
                    f"`{names[one]}` in the place of `{names[other]}`, and the reverse",
                    [tuple(case[i] for i in order) for case in cases],
                )
            twice = [other if i == one else i for i in range(len(names))]
            yield f"`{names[other]}` also in the place of `{names[one]}`", [tuple(c[i] for i in twice) for c in cases]


def _kind(x):
    return type(x), getattr(x, "ndim", 0), getattr(x, "dtype", None)


NUMBERS = {
    "`{} + 1`": lambda x: x + 1,
    "`{} - 1`": lambda x: x - 1,
    "`2 * {}`": lambda x: 2 * x,
    "half of `{}`": lambda x: x / 2 if isinstance(x, float) or x % 2 else x // 2,
    "`{}` squared": lambda x: x * x,
    "the root of `{}`": lambda x: x**0.5,
    "1 divided by `{}`": lambda x: 1 / x if x else x,
    "minus `{}`": lambda x: -x,
}


# The reference with one of its steps changed


def _reductions(name):
    others = {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin}
    words = {"sum": "sum", "mean": "mean", "amax": "largest", "amin": "smallest", "max": "largest", "min": "smallest"}
    for other, way in others.items():
        if words[other] != words[name]:
            yield f"the {words[other]} in the place of the {words[name]}", way
    yield (
        f"the median in the place of the {words[name]}",
        lambda x, dim=None, keepdim=False: x.median() if dim is None else x.median(dim, keepdim).values,
    )
    if words[name] == "largest":
        yield "the largest in size in the place of the largest", lambda x, *a, **o: x.abs().amax(*a, **o)
    else:
        yield (
            f"the first one in the place of the {words[name]}",
            lambda x, dim=0, keepdim=False: x.narrow(dim, 0, 1) if keepdim else x.select(dim, 0),
        )
        yield f"the length in the place of the {words[name]}", torch.linalg.vector_norm
    if words[name] == "largest":
        yield "the second largest in the place of the largest", lambda x, dim=-1: x.topk(2, dim).values.select(dim, 1)


def _first(x, *_, **__):
    return x


def _options(function, **options):
    return lambda *a, **k: function(*a, **k | options)


STEP = {
    "sub": {"a sum in the place of a difference": torch.add, "nothing subtracted": _first},
    "add": {"a difference in the place of a sum": torch.sub, "nothing added": _first},
    "div": {"a product in the place of a quotient": torch.mul, "nothing divided": _first},
    "mul": {"only the first factor of a product": _first, "only the second factor of a product": lambda x, y: y,
            "a sum in the place of a product": torch.add, "a quotient in the place of a product": torch.div},
    "pow": {"a product in the place of a power": torch.mul, "no power": _first},
    "ge": {"> in the place of >=": torch.gt, "<= in the place of >=": torch.le},
    "gt": {">= in the place of >": torch.ge, "< in the place of >": torch.lt},
    "lt": {"<= in the place of <": torch.le, "> in the place of <": torch.gt},
    "le": {"< in the place of <=": torch.lt, ">= in the place of <=": torch.ge},
    "eq": {"different ones in the place of equal ones": torch.ne},
    "__eq__": {"different ones in the place of equal ones": torch.ne},
    "__and__": {"“or” in the place of “and”": torch.logical_or},
    "__invert__": {"a mask that is turned round": torch.clone},
    "argmax": {"the smallest in the place of the largest": torch.argmin,
               "the second largest in the place of the largest": lambda x, dim=-1: x.topk(
                   min(2, x.shape[dim]), dim).indices.select(dim, -1),
               "the largest in size in the place of the largest": lambda x, **o: x.abs().argmax(**o)},
    "argmin": {"the largest in the place of the smallest": torch.argmax},
    "topk": {"the smallest in the place of the largest": lambda x, k, **o: x.topk(k, **o | {"largest": False}),
             "the largest in size in the place of the largest": lambda x, k, **o: x.abs().topk(k, **o),
             "k + 1 in the place of k": lambda x, k, **o: x.topk(k + 1, **o),
             "k - 1 in the place of k": lambda x, k, **o: x.topk(k - 1, **o)},
    "argsort": {"the opposite order in a sort": lambda x, **o: x.argsort(**o | {"descending": "descending" not in o})},
    "norm": {"the sum of the sizes in the place of the length": _options(torch.Tensor.norm, p=1),
             "the largest entry in the place of the length": _options(torch.Tensor.norm, p=float("inf")),
             "the squared length in the place of the length": lambda x, **o: x.norm(**o) ** 2},
    "normalize": {"rows divided by the sum of their sizes": _options(F.normalize, p=1.0),
                  "rows divided by their largest entry": _options(F.normalize, p=float("inf"))},
    "logsumexp": {"a sum in the place of the logarithm of a sum of exponentials": torch.sum,
                  "the largest in the place of the logarithm of a sum of exponentials": torch.amax},
    "cummax": {"no running maximum": lambda x, dim: (x, None)},
    "max": {}, "min": {}, "sum": {}, "mean": {}, "amax": {}, "amin": {}, "std": {},
}  # fmt: skip
for _name in ("sum", "mean", "amax", "amin", "max", "min"):
    STEP[_name] |= dict(_reductions(_name))
for _name in (
    "relu",
    "clamp",
    "clamp_min",
    "clamp_max",
    "abs",
    "sqrt",
    "square",
    "exp",
    "log",
    "normalize",
    "sign",
    "neg",
):
    STEP[_name] = STEP.get(_name, {}) | {f"no `{_name}`": _first}
"""By the name of a function of PyTorch: what may stand in its place, in words."""


class Changed(TorchFunctionMode):
    """Calls another function at one place of the code, and notes the places and how many numbers were made."""

    def __init__(self, place=None, way=None):
        super().__init__()
        self.place, self.way, self.seen, self.most = place, way, {}, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, frame = kwargs or {}, sys._getframe(1)
        while "torch" in frame.f_code.co_filename.split("/")[-3:-1] or "_tensor" in frame.f_code.co_filename:
            frame = frame.f_back
        place = frame.f_code, frame.f_lasti, func.__name__
        if self.place in (place, func.__name__):
            return self.way(*args, **kwargs)
        made = func(*args, **kwargs)
        inside = "asif_lib" in frame.f_code.co_filename  # there, a comparison looks after zeros and the like
        if func.__name__ in STEP and not (inside and func.__name__ in ("gt", "lt", "ge", "le", "__invert__", "where")):
            self.seen.setdefault(place, kwargs.get("dim"))
        self.most = max(self.most, made.numel() if isinstance(made, torch.Tensor) else 0)
        return made


def changed_steps(reference, case):
    """Yield ways to change one step of a reference, in words, and the reference then."""
    with contextlib.suppress(Exception), Changed() as plain:
        reference(*case)
    if plain.most > 10_000:
        return

    def changed(place, way):
        def run(*case):
            with Changed(place, way):
                return reference(*case)

        return run

    places = [(place, place[-1], dim) for place, dim in plain.seen.items()]
    names = [name for _, name, _ in places]
    for place, name, dim in [*places, *((name, name, None) for name in sorted(set(names)) if names.count(name) > 1)]:
        for words, way in STEP[name].items():
            yield words, changed(place, way)
        if isinstance(dim, int):
            function = F.normalize if name == "normalize" else getattr(torch.Tensor, name)
            for other in {0, 1} - {dim}:
                yield f"`{name}` along dim={other}, not dim={dim}", changed(place, _options(function, dim=other))
