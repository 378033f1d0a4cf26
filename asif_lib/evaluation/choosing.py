"""Choose settings on validation questions: every combination of a grid is asked, and the best is taken.

The test questions have no part in it.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd


def combinations(grid) -> list:
    """Return all combinations of the values of a grid, a dictionary each; the values of the last key change first.

    >>> combinations({"k": (10, 20), "p": (1, 2)})[:3]
    [{'k': 10, 'p': 1}, {'k': 10, 'p': 2}, {'k': 20, 'p': 1}]
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


class Measured(NamedTuple):
    """Combinations of settings, and how good each is on the questions of each split; made by `measure_settings`."""

    settings: list  # dictionaries
    values: list  # for each split, the values of each combination: an array (q,), for the q questions of the split

    def means(self, splits=None) -> np.ndarray:
        """Return the mean of each combination over all questions of some of the splits, by default of all."""
        values = self.values if splits is None else [self.values[split] for split in splits]
        return np.array([np.concatenate(each).mean() for each in zip(*values, strict=True)])

    def best(self, splits=None) -> int:
        """Return the position of the largest mean; of equal ones the first, whatever their last bits."""
        means = [round(mean, 9) for mean in self.means(splits).tolist()]
        return means.index(max(means))

    def table(self) -> pd.DataFrame:
        """Return a row for each combination: its settings, and the mean ``value``."""
        columns = {name: [one[name] for one in self.settings] for name in self.settings[0]}
        kinds = {name: object for name, values in columns.items() if None in values}  # pandas would turn None into NaN
        columns = {name: pd.Series(values, dtype=kinds.get(name)) for name, values in columns.items()}
        return pd.DataFrame({**columns, "value": self.means()})


def measure_settings(settings, asks) -> Measured:
    """Ask every combination of settings the questions of every split.

    Parameters
    ----------
    settings : list of dict
        As from `combinations`.
    asks : iterable of callables
        One for each split, called as ``ask(**one)``. Each returns a number, or one for each question, (q,); larger is
        better. All combinations are asked before the next split is prepared.
    """
    return Measured(settings, [[np.atleast_1d(ask(**one)) for one in settings] for ask in asks])


def sweep(evaluate, fractions, powers, n, **others) -> pd.DataFrame:
    """Evaluate every combination of k/n, p and other settings, on a validation split and never on the test split.

    The table has the columns ``fraction``, ``k``, ``p``, ``value``, and one for each of the others.

    Parameters
    ----------
    evaluate : function of (k, p), and of the others
        Returns a number, larger for better.
    fractions, powers : sequences of numbers
        Each k is a fraction of the n anchors, rounded, at least 1.
    n : int
    others : sequences
        The values of other settings. The last of them changes before the first.
    """

    def k_of(fraction):
        return min(n, max(1, round(fraction * n)))

    def ask(fraction, p, **more):
        return float(evaluate(k_of(fraction), p, **more))

    table = measure_settings(combinations({**others, "fraction": fractions, "p": powers}), [ask]).table()
    table.insert(1, "k", table["fraction"].map(k_of))
    return table[["fraction", "k", "p", "value", *others]]
