"""Measures as dots with their intervals, drawn in HTML: the same numbers on paper, on a desk and on a phone."""

from IPython.display import HTML
from matplotlib.ticker import MaxNLocator

from asif_book.figures.style import listed
from asif_book.figures.templates import self_contained
from asif_lib.evaluation.measures import in_points


class Axis:
    """Values in per cent or points with 0, or as they are if `plain`: it ends beyond the ticks around them."""

    def __init__(self, values, plain, signed):
        self.scale, self.sign = 1 if plain else 100, "+" * signed
        scaled = [self.scale * value for value in values] + [0] * (not plain)
        self.places = MaxNLocator(6 if signed else 5, steps=[1, 2, 5, 10]).tick_values(min(scaled), max(scaled))
        room = 0.03 * (self.places[-1] - self.places[0])
        self.low, self.high = self.places[0] - room, self.places[-1] + room
        self.unit = "" if plain or signed else "\N{NO-BREAK SPACE}%"

    def at(self, value):
        """Return where a value stands, in per cent of the width."""
        return round(100 * (value * self.scale - self.low) / (self.high - self.low), 2)

    def written(self, value, digits):
        text = f"{self.scale * value:{self.sign}z.{digits}}"
        return text.replace("-", "−") if float(text) else text.removeprefix("+")

    def ticks(self):
        """Return where ticks stand, and their words."""
        for tick in self.places / self.scale:
            yield self.at(tick), (self.written(tick, "3g") if tick else "0") + self.unit


def interval_dots(
    series, *, xlabel, chance=None, title="", zero=False, plain=False, margin=None, joined=False, notes=None
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
    """
    series = {name: measures for name, measures in series.items() if measures}
    labels = list(dict.fromkeys(label for measures in series.values() for label in measures))
    if not labels:
        return HTML(f"<p>Nothing is drawn here, because these pairs have no numbers for it: {xlabel}.</p>")
    by_label = chance if isinstance(chance, dict) else dict.fromkeys(labels, chance) if chance is not None else {}
    ends = [end for measures in series.values() for m in measures.values() for end in m.ci]
    axis = Axis([*ends, *by_label.values(), *([-margin, margin] if margin else [])], plain, zero)
    lanes = []
    for label in labels:
        here = [(i, name, measures[label]) for i, (name, measures) in enumerate(series.items()) if label in measures]
        marks = [
            {
                "series": i, "at": axis.at(m.value), "low": axis.at(m.low), "high": axis.at(m.high),
                "y": 15 - 3 * len(here) + 6 * row if joined else 9 + 13 * row,
                "words": _words(m, axis, joined, len(series)),
            }
            for row, (i, _, m) in enumerate(here)
        ]  # fmt: skip
        told = listed(f"{name}, {label}: {in_points(m) if zero else m}" for _, name, m in here)
        lines = [by_label[label]] if label in by_label else [0] * zero
        lanes.append({"name": label, "marks": marks, "told": told, "lines": map(axis.at, lines)})
    same = chance is not None and not isinstance(chance, dict)
    words = f"chance, {axis.written(chance, '2g' if plain else '1f')}{axis.unit}" if same else "chance"
    return self_contained(
        "figures/dots", xlabel=xlabel, title=title, axis=axis, ticks=list(axis.ticks()), joined=joined,
        lanes=lanes, names=list(series), notes=notes or {},
        chance=words if by_label else "", margin=[axis.at(-margin), axis.at(margin)] if margin else [],
    )  # fmt: skip


def _words(m, axis, joined, count):
    """Write a measure beside its mark, and its interval where there is room."""
    if joined:
        return axis.written(m.value, "0f"), ""
    value, low, high = (axis.written(end, "3f" if axis.scale == 1 else "1f") for end in (m.value, *m.ci))
    return value + axis.unit, f" [{low}, {high}]" * (count == 1)
