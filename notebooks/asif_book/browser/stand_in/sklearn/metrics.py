"""Functions of `sklearn.metrics` that solutions use."""

import sys

import asif_absent
import numpy as np
import pandas as pd


def roc_auc_score(y_true, y_score):
    """The probability that a positive has the higher score, from the ranks; ties count half."""
    positive, ranks = np.asarray(y_true).astype(bool), pd.Series(np.asarray(y_score)).rank().to_numpy()
    n = positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(ranks) - n)))


def average_precision_score(y_true, y_score):
    """The mean of the precisions at each recall."""
    positive, scores = np.asarray(y_true).astype(bool), np.asarray(y_score)
    taken = scores >= np.unique(scores)[::-1, None]  # (thresholds, n)
    hits = (taken & positive).sum(axis=1)
    return float((np.diff(hits, prepend=0) * hits / taken.sum(axis=1)).sum() / positive.sum())


__getattr__ = asif_absent.Finder.create_module(sys.modules[__name__].__spec__).__getattr__
