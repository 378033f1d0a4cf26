"""Compare methods on the same items and the same draws of anchors: intervals, paired differences, Holm's correction."""

import functools
import json

import numpy as np
import pandas as pd

from asif_lib.evaluation.measures import BLOCK, mcnemar, resampled_counts, share_with_interval

from .configuration import LINEAR_PROBE

DRAWS = 5_000
_counts = functools.lru_cache(maxsize=8)(resampled_counts)  # once for all comparisons of n items
LEVEL = 0.05
ROUNDING = 1e-9  # means of resamples that differ by less are tied
COLUMNS = ["bank", "image_encoder", "text_encoder", "task", "measure", "size", "method"]
"""The columns that name a row of the tidy table."""
ENCODERS = ["image_encoder", "text_encoder"]


def resampled_means(values) -> np.ndarray:
    """Resample seeds and items, both with replacement, `DRAWS` times, and return the means, (draws, m).

    `values` is (m, seeds, items), for m methods on the same anchors and items; NaN for an item that a seed does not
    ask. Each resample is the same for all methods, so that differences are paired. (The crossed bootstrap of Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 2007: neither the anchors nor the items are taken for granted.
    Its intervals are too wide, rather than too narrow, where chance differs from draw to draw for the same item.)
    """
    (seeds, items), means = values.shape[1:], []
    asked, zeros = (~np.isnan(values[0])).astype(float), np.nan_to_num(values)  # (seeds, items), (m, seeds, items)
    of_seeds, of_items = _counts((DRAWS, seeds), 0), _counts((DRAWS, items), 1)  # (draws, seeds), (draws, items)
    for start in range(0, DRAWS, BLOCK):
        rows = slice(start, start + BLOCK)
        shares = of_seeds[rows] / seeds / np.maximum(of_items[rows] @ asked.T, 1)  # (b, seeds), of each value
        means.append(np.stack([((of_items[rows] @ one.T) * shares).sum(axis=1) for one in zeros], axis=1))  # (b, m)
    return np.concatenate(means)


def holm(p_values) -> np.ndarray:
    """Return p-values after Holm's correction for the number of comparisons ("A simple sequentially rejective multiple
    test procedure", Scandinavian Journal of Statistics 1979).

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order, m = p_values.argsort(kind="stable"), len(p_values)
    corrected = np.empty(m)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * np.arange(m, 0, -1)))
    return corrected


def compare_paired(values) -> pd.DataFrame:
    """Compare m methods, the first of which is the reference: `values` (m, seeds, items), one row for each method.

    A seed is a draw of anchors, or of the splits; NaN stands for an item that a seed does not ask.

    ``value``, ``low`` and ``high`` are the mean with its 95 % interval; ``difference``, ``difference_low`` and
    ``difference_high`` its paired difference to the reference; ``p`` its p-value: of McNemar's test for answers right
    or wrong (0 or 1) of one seed, or else of the bootstrap. ``p_holm`` and ``verdict`` are those of `judged` for the
    m - 1 comparisons.
    """
    means = np.nanmean(values, axis=2).mean(axis=1)
    resampled = resampled_means(values)
    gaps = resampled - resampled[:, :1]
    below, above = (gaps < ROUNDING).mean(axis=0), (gaps > -ROUNDING).mean(axis=0)  # a tie counts on both sides
    p_values = np.minimum(1, 2 * np.maximum(np.minimum(below, above), 1 / (DRAWS + 1)))
    if values.shape[1] == 1 and np.isin(values, (0, 1)).all():  # few items may differ: a bootstrap is too sure of them
        p_values = np.array([mcnemar(one[0], values[0, 0]).p for one in values])
    rows = pd.DataFrame({"value": means})
    rows["low"], rows["high"] = np.quantile(resampled, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    for i, one in enumerate(values):
        if np.ptp(one) == 0 and means[i] in (0, 1):  # no resample differs: the interval for a share
            share = share_with_interval(one[0] == 1, "exact")
            rows.loc[i, ["low", "high"]] = share.low, share.high
    rows["difference"] = means - means[0]
    rows["difference_low"], rows["difference_high"] = np.quantile(gaps, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    rows["p"] = [np.nan, *p_values[1:]]
    return judged(rows)


def judged(rows) -> pd.DataFrame:
    """Add to rows of comparisons ``p_holm``, their p-value after Holm's correction over all of them, and ``verdict``.

    The verdict is reference (a row without ``p``), better, worse, or undecided.
    """
    compared = rows["p"].notna()
    corrected = rows["p"].where(~compared, pd.Series(holm(rows["p"][compared]), rows.index[compared]))
    verdicts = np.where(rows["difference"] > 0, "better", "worse")
    verdicts = np.where(corrected < LEVEL, verdicts, np.where(compared, "undecided", "reference"))
    return rows.assign(p_holm=corrected, verdict=verdicts)


def tidy_table(rows, methods) -> pd.DataFrame:
    """Compare the rows of a benchmark: one for each bank, encoders, task, measure, size and method.

    The columns are those of `COLUMNS`, ``n`` items, ``seeds``, ``transductive``, ``needs_labels``, ``chance``,
    ``settings`` as JSON (of a linear probe: C and the number of ``pictures`` that it learned from), ``left_out`` (pairs
    of the bank that show a picture that is asked), those of `compare_paired`, and ``is_winner`` (`name_winner`).
    Transductive methods, and a probe that needs labels, cannot win.

    Methods are compared with the first of `methods` that was done, for the same encoders. If there is one method, pairs
    of encoders are compared with the first pair.

    Parameters
    ----------
    rows : list of dict
        Each with the names of `COLUMNS`, ``left_out``, and what is stored of a part: ``transductive``, ``chance``,
        ``settings``, and the ``values``, (seeds, items).
    methods : list of str
    """
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(rows)
    table["needs_labels"] = table["method"] == LINEAR_PROBE
    table["settings"] = table["settings"].map(json.dumps)
    table["seeds"], table["n"] = table["values"].map(len), table["values"].map(lambda values: len(values[0]))
    may_win = ~(table["transductive"] | table["needs_labels"])
    table["order"] = table["method"].map(methods.index)
    varied, compared = ["method"] if len(methods) > 1 else ENCODERS, []
    for _, group in table.groupby([name for name in COLUMNS if name not in varied], sort=False):
        group = group.sort_values("order", kind="stable")
        values, able = np.stack(group.pop("values").map(np.array)), may_win[group.index].to_numpy()  # (m, seeds, items)
        winner = name_winner(values[able], group["method"][able].tolist()) if len(methods) > 1 else None
        compared.append(pd.concat([group.reset_index(drop=True), compare_paired(values)], axis=1))
        compared[-1]["is_winner"] = group["method"].to_numpy() == winner
    found = pd.concat(compared, ignore_index=True).drop(columns="order")
    return found[[*COLUMNS, *(name for name in found if name not in COLUMNS)]]


def name_winner(values, names) -> str | None:
    """Return the one of m methods that is better than each other after Holm's correction, or None.

    `values` are those of `compare_paired`. Here the method with the largest mean is the reference: it wins if all
    others are worse after Holm's correction over the m - 1 comparisons.
    """
    order = np.argsort(-np.nanmean(values, axis=2).mean(axis=1), kind="stable")
    others = compare_paired(values[order])["verdict"][1:] if len(values) > 1 else []
    return names[order[0]] if len(others) and (others == "worse").all() else None
