"""Usual mistakes as changes of the reference: one line each in a chapter, as `exercise` shows.

``but`` needs a reference with keyword-only parameters for the places where a step can go wrong.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from asif_lib.relative import relative_representation, unit_rows


@dataclass(frozen=True)
class Twist:
    """A change that makes a wrong implementation of a reference."""

    make: Callable[[Callable], Callable]
    changes: frozenset = frozenset()
    """The keyword-only options that it sets."""


def but(**options) -> Twist:
    """Call the reference with other keyword-only options."""
    return Twist(lambda reference: functools.partial(reference, **options), frozenset(options))


def result(change) -> Twist:
    """Change the result of the reference."""
    return Twist(lambda reference: functools.wraps(reference)(lambda *case, **more: change(reference(*case, **more))))


def part(place, change) -> Twist:
    """Change one entry of the tuple that the reference returns; `change` also takes the arguments."""

    def changed_part(parts, case):
        return *parts[:place], change(parts[place], *case), *parts[place + 1 :]

    return Twist(lambda reference: lambda *case: changed_part(reference(*case), case))


def changed(**changes) -> Twist:
    """Change arguments of the reference, by the names of its parameters, to a value or by a function."""

    def make(reference):
        @functools.wraps(reference)
        def mistake(*case, **more):
            arguments = dict(zip(names, case, strict=False))
            for name, change in changes.items():
                arguments[name] = change(arguments[name]) if callable(change) else change
            return reference(*arguments.values(), **more)

        names = inspect.signature(reference).parameters
        return mistake

    return Twist(make)


def reordered(*places) -> Twist:
    """Give the arguments to the reference in another order: ``reordered(1, 0)`` swaps two."""
    return Twist(lambda reference: lambda *case: reference(*(case[i] for i in places)))


def one_more(name) -> Twist:
    """Use k + 1 in the place of k."""
    return changed(**{name: lambda k: k + 1})


NEGATED = result(lambda r: -r)
PERCENT = result(lambda r: 100 * r)
COMPLEMENT = result(lambda r: 1 - r)
INVERSE = result(lambda r: 1 / r)
ABSOLUTE = result(abs)
ONE_TOO_LARGE = result(lambda r: r + 1)
REVERSED_RESULTS = result(lambda r: r[::-1])
ASCENDING = result(lambda r: r.sort().values)
DESCENDING = result(lambda r: r.sort(descending=True).values)
MEAN = result(lambda r: r.mean())


def centred(z, anchors, *, means=lambda z, a: (a.mean(0), a.mean(0)), cosines=relative_representation) -> torch.Tensor:
    """Return the cosines (q, n) after both sides have lost a mean; `means` makes one for `z` and one for `anchors`."""
    mean, other = means(z, anchors)
    return cosines(z - mean, anchors - other)


CENTRING = {
    "You did not scale to length 1: these are dot products, not cosines.": but(cosines=lambda z, a: z @ a.T),
    "You scaled to length 1 before you subtracted the mean, and again afterwards. Subtract the mean of the anchors as "
    "they are, and scale once, at the end.": changed(z=unit_rows, anchors=unit_rows),
    "You added the mean; subtract it.": but(means=lambda z, a: (-a.mean(0), -a.mean(0))),
    "You took the mean of `z` and the anchors together; take that of the anchors alone.": but(
        means=lambda z, a: (torch.cat([z, a]).mean(0),) * 2
    ),
    "You took the median; subtract the mean.": but(means=lambda z, a: (a.median(0).values,) * 2),
    "You also divided by the standard deviations; only subtract the mean.": lambda z, a, **o: centred(
        z / a.std(0), a / a.std(0)
    ),
    "You took the mean over the coordinates of each row. Take one mean over the anchors, which has an entry for each "
    "coordinate.": but(means=lambda z, a: (z.mean(1, True), a.mean(1, True))),
    "You took distances; cosines are wanted.": but(cosines=torch.cdist),
    "You subtracted the mean from `z` only; subtract it from the anchors, too.": but(means=lambda z, a: (a.mean(0), 0)),
    "You subtracted the mean from the anchors only; subtract it from `z`, too.": but(means=lambda z, a: (0, a.mean(0))),
}
"""Usual mistakes with `centred`."""


def unsafe_rows(z) -> torch.Tensor:
    """Scale rows to length 1; a row of zeros gives NaN."""
    return z / z.norm(dim=1, keepdim=True)


def columns(z) -> torch.Tensor:
    """Scale columns to length 1, in the place of rows."""
    return F.normalize(z, dim=0)


def whole(z) -> torch.Tensor:
    """Divide by one length for the whole matrix."""
    return z / z.norm()
