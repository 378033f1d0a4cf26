"""Relations between wrong and right results that name a mistake in any exercise: a sign, a factor, a step.

An exercise names its own mistakes first. A relation counts only if it holds on every input.
"""

import contextlib
import inspect
import itertools
import re
import textwrap
from functools import partial

import torch

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
    "the positions that sort the right ones: where are the ranks taken?": lambda r: r.argsort(dim=-1).double(),
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
}
"""Where a result may be wrong while all other values are right."""


NOT_FINITE = {
    "NaN: what do you divide by, or take the root or logarithm of?": torch.isnan,
    "infinite: do you divide by 0, or is a −inf left over?": torch.isinf,
}


STALE = {"the last row": (0, True), "the first row": (0, False), "the last entry of each row": (-1, True)}


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
    for words, (dim, last) in STALE.items():
        wide = [(f, w, w.shape[dim] - 1 if last else 0) for f, w in pairs if f.ndim and f.shape[dim] > 1]
        if len(wide) > 1 and all(_close(f, w.narrow(dim, at, 1).expand_as(w), 1e-6) for f, w, at in wide):
            return -1, f"On every input your result repeats {words} of the right one: does a name keep it from a loop?"
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
    if any(f is None or not f.isfinite().all() for f, _ in pairs) or all(_close(*pair, atol) for pair in pairs):
        return ""
    if any(f.shape != w.shape for f, w in pairs):
        return _of_another_shape(pairs, atol) or _other_size(pairs, arguments)
    several = torch.cat([f.flatten() for f, _ in pairs]).unique().numel() > 2  # 0 and 1 are many things, rounded
    for words, change in RELATIONS.items():
        if (several or change not in (torch.round, torch.trunc)) and all(_close(f, change(w), atol) for f, w in pairs):
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


PERCENT = {"100": ": percent, and shares are wanted", "0.01": ": shares, and percent are wanted"}


def _constant(pairs, atol):
    """One factor or one difference for all values of all inputs."""
    found, wanted = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if len(wanted.unique()) < 2 or not _mostly_wrong(pairs, atol):
        return ""
    largest = wanted.abs().argmax()
    factor, difference = found[largest] / wanted[largest], found[largest] - wanted[largest]
    if _close(found, factor * wanted, atol):
        return f"your values are the right ones times {factor:.6g}{PERCENT.get(f'{factor:.6g}', '')}."
    if _close(found, wanted + difference, atol):
        return f"each of your values is {abs(difference):.3g} too {'large' if difference > 0 else 'small'}."
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
    return ""


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


# The reference with one of its steps changed

FAMILIES = ("sum", "mean", "amax", "amin", "max", "min"), ("argmax", "argmin"), ("cummax", "cummin")
"""Names of functions; each may stand in the place of another of its family."""
TOKENS = {
    " + ": (" - ", " * "), " - ": (" + ",), " * ": (" / ", " + "), " / ": (" * ", " // "), " ** ": (" * ",),
    " >= ": (" > ", " <= "), " > ": (" >= ", " < "), " <= ": (" < ", " >= "), " < ": (" <= ", " > "),
    " == ": (" != ",), " & ": (" | ",), "dim=1": ("dim=0",), "dim=0": ("dim=1",),
}  # fmt: skip
"""Parts of code, and what may stand in their place."""
_TERM = r"(?:[\w.]+(?:\([^()]*\))?(?:\[[^]]*\])?|\([^()]*\))"
REWRITTEN = [
    (rf" / {_TERM}", "", "nothing divided"),
    (rf" - {_TERM}", "", "nothing subtracted"),
    (rf" \+ {_TERM}", "", "nothing added"),
    (rf" \* {_TERM}", "", "only the first factor of a product"),
    (rf"{_TERM} \* ", "", "only the second factor of a product"),
    (r" \*\* \w+", "", "no power"),
    (r"\.(clamp\w*|relu|abs|sqrt|square|exp|log|sign)\([^()]*\)", "", r"no `\1`"),
    (r"[\w.]*\bnormalize\(", "(lambda x, **_: x)(", "no `normalize`"),
    (r"\bunit_rows\(", "(", "rows that are not scaled to length 1"),
    (r"\.norm\(", ".norm(p=1, ", "the sum of the sizes in the place of the length"),
    (r"\.logsumexp\(", ".sum(", "a sum in the place of the logarithm of a sum of exponentials"),
    (r"\.(topk\(\w+|argsort\()", r".neg().\1", "the smallest in the place of the largest, or the reverse"),
    (r"\.(topk|argmax|amax)\(", r".abs().\1(", "the largest in size in the place of the largest"),
    (r"\blen\(", "1 + len(", "one more than `len`"),
    (r"\blen\(", "-1 + len(", "one less than `len`"),
    (r"\.(sum|mean|amax|max|norm)\(dim=\d(?:, keepdim=True)?\)", r".\1()", r"one `\1` over everything"),
    (r"\.(sum|mean)\(dim=0\)", "[-1]", r"only the last row in the place of the `\1`"),
    (r"\.(sum|mean)\(dim=0\)", "[0]", r"only the first row in the place of the `\1`"),
    (r", descending=True", "", "the opposite order in a sort"),
    (r"~", "", "a mask that is turned round"),
]  # fmt: skip
"""Patterns in the code of a reference, each with what may stand in its place, and words for the code then."""


def _rewriting(numbers):
    """Yield patterns as `REWRITTEN` has them, with those of `TOKENS` and `FAMILIES`, and whole numbers off by one."""
    for name, sign in itertools.product(numbers, "+-"):
        yield rf"\b{name}\b", f"({name} {sign} 1)", f"`{name} {sign} 1` in the place of `{name}`"
    for old, others in TOKENS.items():
        yield from ((re.escape(old), new, f"`{new.strip()}` in the place of `{old.strip()}`") for new in others)
    for one, other in itertools.chain(*(itertools.permutations(family, 2) for family in FAMILIES)):
        yield rf"\b{one}\(", f"{other}(", f"`{other}` in the place of `{one}`"
    yield from REWRITTEN


def changed_steps(reference, case):
    """Yield ways to change one step of a reference, or the same step wherever it stands: in words, and the function."""
    named = dict(zip(inspect.signature(reference).parameters, case, strict=False))
    numbers = [name for name, value in named.items() if type(value) is int]
    head, code = textwrap.dedent(inspect.getsource(reference)).split("\n", 1)
    for pattern, new, words in _rewriting(numbers):
        found = list(re.finditer(pattern, code))
        at = f" (in one of {len(found)} places)" if len(found) > 1 else ""
        texts = [(m.expand(words) + at, code[: m.start()] + m.expand(new) + code[m.end() :]) for m in found]
        texts += [(m.expand(words), re.sub(pattern, new, code)) for m in found[:1] if at]
        for changed, text in texts:
            with contextlib.suppress(Exception):  # of code that means nothing
                yield changed, defined(f"{head}\n{text}", reference)


def defined(code, reference):
    """Return the function that `code` defines in the place of a reference."""
    names = {}
    exec(compile(code, f"<{reference.__name__}, changed>", "exec"), reference.__globals__, names)
    return names[reference.__name__]
