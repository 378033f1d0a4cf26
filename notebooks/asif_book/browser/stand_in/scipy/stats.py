"""Functions of `scipy.stats` that the core path uses, with SciPy's own numbers."""

import math
import sys
from collections import namedtuple
from statistics import NormalDist
from types import SimpleNamespace

import asif_absent
import numpy as np
import pandas as pd


def bootstrap(data, statistic, *, n_resamples, batch, method, rng):
    """The percentile interval of 95 % of one sample (n,), from the same draws as SciPy's."""
    (sample,) = data
    found = []
    for done in range(0, n_resamples, batch):
        rows = rng.integers(0, len(sample), (min(batch, n_resamples - done), len(sample)))
        found.append(statistic(sample[rows], axis=-1))
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975])
    return SimpleNamespace(confidence_interval=SimpleNamespace(low=low, high=high))


def binomtest(hits, n):
    """The binomial intervals of a share: Wilson's, and the exact one of Clopper and Pearson by bisection."""

    def proportion_ci(level, method):
        if method == "wilson":
            z, share = NormalDist().inv_cdf((1 + level) / 2), hits / n
            middle, spread = share + z * z / 2 / n, z * (share * (1 - share) / n + z * z / 4 / n / n) ** 0.5
            return SimpleNamespace(low=(middle - spread) / (1 + z * z / n), high=(middle + spread) / (1 + z * z / n))
        low = _where(lambda p: 1 - _at_most(hits - 1, n, p), (1 - level) / 2) if hits else 0.0
        return SimpleNamespace(
            low=low, high=_where(lambda p: -_at_most(hits, n, p), -(1 - level) / 2) if hits < n else 1.0
        )

    return SimpleNamespace(proportion_ci=proportion_ci)


def _at_most(hits, n, p):
    chance, total = (1 - p) ** n, 0.0
    for k in range(hits + 1):
        total += chance
        chance *= (n - k) / (k + 1) * p / (1 - p)
    return total


Correlation = namedtuple("Correlation", ["statistic", "pvalue"])


def spearmanr(a, b):
    """The correlation of the ranks; its p-value is not computed."""
    return Correlation(pd.Series(np.asarray(a)).rank().corr(pd.Series(np.asarray(b)).rank()), math.nan)


class t:
    """Student's distribution."""

    @staticmethod
    def ppf(share, df):
        """The value below which a `share` from 0.5 lies, from Simpson's rule for the area below the density."""
        height = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / (df * math.pi) ** 0.5

        def area(end):
            density = height * (1 + np.linspace(0, end, 4001) ** 2 / df) ** (-(df + 1) / 2)
            density[1:-1:2] *= 4
            density[2:-1:2] *= 2
            return 0.5 + density.sum() * end / 12_000

        return _where(area, share, 0, 1_000)


def _where(rising, value, low=1e-12, high=1 - 1e-12):
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


__getattr__ = asif_absent.Finder.create_module(sys.modules[__name__].__spec__).__getattr__
