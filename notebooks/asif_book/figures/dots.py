"""Measures as dots with their intervals, drawn in HTML: the same numbers on paper, on a desk and on a phone."""

from dataclasses import dataclass

from IPython.display import HTML
from matplotlib.ticker import MaxNLocator

from asif_book.figures.style import listed
from asif_book.figures.templates import self_contained
from asif_lib.evaluation.measures import in_points

FIRST, STEP, JOINED = 9, 13, 24
"""Pixels: where the first mark of a lane is, how far below it the next one is, and the height of a joined lane."""


@dataclass
class Axis:
    """Values from `low` to `high`, in the unit of the axis: a share is drawn in per cent, a difference in points."""

    low: float
    high: float
    plain: bool
    signed: bool

    @classmethod
    def around(cls, values, plain, signed):
        """Make an axis that reaches a little beyond the values, and to 0 unless it is `plain`."""
        scaled = [value * (1 if plain else 100) for value in values] + [0] * (not plain)
        room = 0.03 * (max(scaled) - min(scaled) or 1)
        return cls(min(scaled) - room * (plain or min(scaled) < 0), max(scaled) + room, plain, signed)

    def at(self, value):
        """Return where a value stands, in per cent of the width."""
        return round(100 * (value * (1 if self.plain else 100) - self.low) / (self.high - self.low), 2)

    def written(self, value, digits):
        """Write a value in the unit of the axis."""
        return f"{value * (1 if self.plain else 100):{'+' * self.signed}.{digits}f}".replace("-", "−")

    @property
    def unit(self):
        return "" if self.plain or self.signed else "\N{NO-BREAK SPACE}%"

    def ticks(self):
        """Return where ticks stand, their words, and on which side of the place the words are."""
        for tick in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(self.low, self.high):
            if self.low <= tick <= self.high:
                at = 100 * (tick - self.low) / (self.high - self.low)
                words = f"{tick:{'+' * bool(self.signed and tick)}.3g}".replace("-", "−") + self.unit
                yield round(at, 2), words, "start" if at < 5 else "end" if at > 95 else "middle"


def interval_dots(
    series, *, xlabel, chance=None, title="", zero=False, plain=False, margin=None, joined=False, notes=None, shown=None
) -> HTML:
    """Draw measures as dots with their 95 % intervals, a lane for each label, at any width.

    A lane's plot says in ``data-low`` and ``data-high`` which values its edges have, in the unit of the axis.

    Parameters
    ----------
    series : dict of str to dict of str to Measure
        For each series its measures by label; a label may be missing in a series. Without any measure, a sentence
        says so.
    xlabel, title : str
    chance : float or dict of str to float, optional
        The value of guessing, of all labels or by label; a dotted line.
    zero : bool
        The measures are differences: a line at 0, and points with signs.
    plain : bool
        The measures are neither shares nor differences, such as an AUC.
    margin : float, optional
        Differences between minus and plus the margin count as unchanged: a band.
    joined : bool
        A line joins the marks of a label.
    notes : dict of str to str, optional
        Words behind the values of a label, such as a verdict.
    shown : int, optional
        Labels that are not folded; by default all.
    """
    series = {name: measures for name, measures in series.items() if measures}
    labels = list(dict.fromkeys(label for measures in series.values() for label in measures))
    if not labels:
        return HTML(f"<p>Nothing is drawn here, because these pairs have no numbers for it: {xlabel}.</p>")
    by_label = chance if isinstance(chance, dict) else dict.fromkeys(labels, chance) if chance is not None else {}
    ends = [end for measures in series.values() for m in measures.values() for end in m.ci]
    axis = Axis.around([*ends, *by_label.values(), *([-margin, margin] if margin else [])], plain, zero)
    lanes = []
    for label in labels:
        here = [(i, name, measures[label]) for i, (name, measures) in enumerate(series.items()) if label in measures]
        marks = [
            {
                "series": i, "at": axis.at(m.value), "low": axis.at(m.low), "high": axis.at(m.high),
                "y": JOINED / 2 if joined else FIRST + STEP * row, "words": _words(m, axis, joined, len(series)),
            }
            for row, (i, _, m) in enumerate(here)
        ]  # fmt: skip
        told = listed(f"{name}, {label}: {in_points(m) if zero else m}" for _, name, m in here)
        lines = [by_label[label]] if label in by_label else [0] * zero
        lanes.append({"name": label, "marks": marks, "told": told, "lines": map(axis.at, lines)})
    words = "chance" if isinstance(chance, dict) or chance is None else f"chance, {chance:{'g' if plain else '.1%'}}"
    return self_contained(
        "figures/dots", xlabel=xlabel, title=title, axis=axis, ticks=list(axis.ticks()), joined=joined,
        lanes=lanes[:shown], folded=lanes[shown:] if shown else [], names=list(series), notes=notes or {},
        chance=words if by_label else "", margin=[axis.at(-margin), axis.at(margin)] if margin else [],
    )  # fmt: skip


def _words(m, axis, joined, count):
    """Write a measure beside its mark: the narrower the place, the shorter."""
    if joined:
        return axis.written(m.value, 0)
    digits = 3 if axis.plain else 1
    interval = f" [{axis.written(m.low, digits)}, {axis.written(m.high, digits)}]" if count == 1 else ""
    return axis.written(m.value, digits) + axis.unit + interval
