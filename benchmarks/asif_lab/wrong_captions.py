"""Wrong captions: exchanged between pairs, to measure how well an audit finds them; and made of right ones by a rule.

Captions by a rule ask whether a model reads more than a bag of words.
"""

import itertools
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

from asif_lib.bank.anchors import AnchorBank
from asif_lib.errors import DataError, ParameterError
from asif_lib.evaluation.measures import Measure
from asif_lib.explain.audit import rank_pairs
from asif_lib.machine import WORTH_A_LINE, progress_bar


class Planted(NamedTuple):
    """A bank in which some captions were exchanged on purpose, for other words: the `wrong` ones, (n,) bool."""

    bank: AnchorBank
    wrong: np.ndarray


def plant_wrong_captions(bank, share, seed=0) -> Planted:
    """Exchange the captions of a random share of the pairs among themselves.

    Each of these pairs gets a caption with other words than its own: an equal caption would not be wrong.

    Raises `ParameterError` unless 0 < `share` ≤ 1, for under two pairs, or if one caption is too frequent.

    Parameters
    ----------
    bank : AnchorBank of n pairs
    share : float, above 0 and at most 1
        Of the pairs; their number is rounded, and at least two.
    seed : int
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share = {share}: the share of wrong captions is above 0 and at most 1")
    if len(bank) < 2:
        raise ParameterError(f"bank {bank.name!r} has no two captions to exchange: it is of {len(bank)}")
    random = np.random.default_rng(seed)
    chosen = random.choice(len(bank), max(2, round(share * len(bank))), replace=False)
    # Sort equal captions together, then shift by the longest run: no caption meets an equal one.
    captions = bank.pairs.caption.iloc[chosen].reset_index(drop=True)
    run = captions.map(captions.value_counts()).max()
    if 2 * run > len(chosen):
        raise ParameterError(f"{run} of the {len(chosen)} pairs drawn have the same caption; draw a larger share")
    chosen = chosen[np.argsort(captions.factorize()[0], kind="stable")]
    source = np.arange(len(bank))
    source[chosen] = np.roll(chosen, run)
    pairs = bank.pairs.assign(caption=bank.pairs.caption.to_numpy()[source])
    return Planted(bank.replace(text=bank.text[source], pairs=pairs), np.isin(np.arange(len(bank)), chosen))


AGREEMENT = "ASIF, agreement alone"
"""The name of this method in `detection`."""
FOLDS = 10  # parts of a bank, each of which is scored by a baseline that was fitted on the others


def _held_out_agreement(bank, method, seed):
    """Return the agreement of each pair by a baseline that was fitted on the other `FOLDS`, (n,) float64."""
    if len(bank) < FOLDS:
        raise ParameterError(f"{len(bank)} pairs cannot be split into {FOLDS} folds; give more pairs")
    scores, image, text = np.zeros(len(bank)), bank.image.float(), bank.text.float()
    for rest, held in KFold(FOLDS, shuffle=True, random_state=seed).split(scores):
        fitted = method.fit(image[rest], text[rest])
        scores[held] = fitted.similarity(image[held], text[held]).diagonal()
    return scores


def detection(bank, shares, seeds, *, baselines) -> pd.DataFrame:
    """Measure how well each method finds planted wrong captions.

    ASIF is asked for the excess of `rank_pairs`, whose settings come from other plantings in the stamps, and for the
    agreement alone. It scores each pair by all the others; a baseline is fitted on nine tenths of the pairs.

    Raises `ParameterError` as `plant_wrong_captions`, for fewer pairs than `FOLDS`, and if no pair keeps its caption.

    Parameters
    ----------
    bank : AnchorBank
    shares, seeds : sequences of float and of int
        A bank is planted for each share of wrong captions and each seed.
    baselines : dict from name to class
        With ``fit(image, text)`` and ``similarity(image, text)``, as in `asif_lab.baselines`.

    Returns
    -------
    DataFrame
        Columns ``share``, ``seed``, ``method``, ``wrong`` (how many), ``auc``: the probability that a wrong pair
        agrees less than a right one (a tie counts half; scikit-learn's roc_auc_score). Pairs that were wrong before
        count as right, so that a bank with such pairs cannot reach 1.
    """
    rows, plans = [], list(itertools.product(shares, seeds))
    for share, seed in progress_bar(plans, desc="planting", unit="bank", delay=WORTH_A_LINE):
        planted = plant_wrong_captions(bank, share, seed)
        if planted.wrong.all():
            raise ParameterError(f"share = {share}: all captions are wrong; leave some right ones to compare with")
        table = rank_pairs(planted.bank).sort_values("anchor")
        scores = {"ASIF": table.excess.to_numpy(), AGREEMENT: table.agreement.to_numpy()}
        scores |= {name: _held_out_agreement(planted.bank, m(), seed) for name, m in baselines.items()}
        count = int(planted.wrong.sum())
        rows += [(share, seed, name, count, roc_auc_score(planted.wrong, -s)) for name, s in scores.items()]
    return pd.DataFrame(rows, columns=["share", "seed", "method", "wrong", "auc"])


def over_seeds(values) -> Measure:
    """Return the mean over seeds and its 95 % interval by Student's t (scipy).

    The interval covers the seeds only: which captions of this bank were exchanged. Another bank may differ by more. For
    an AUC take `asif_lib.evaluation.auc_with_interval`, whose interval stays inside 0 to 1.

    Raises `ParameterError` if there are fewer than two seeds.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ParameterError(f"{values.size} seed: an interval over seeds takes at least two")
    if np.ptp(values) == 0:  # no spread; SciPy warns
        return Measure(*values[[0, 0, 0]].tolist(), values.size)
    low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    return Measure(float(values.mean()), float(low), float(high), values.size)


COLOURS = ["black", "white", "red", "green", "blue", "yellow", "orange", "brown", "grey", "pink", "purple", "silver"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]


def next_of(words):
    """Return a rule: the one word of a caption that is among `words` becomes the next of them, in a circle.

    >>> next_of(["red", "green"])("A red hat."), next_of(["red", "green"])("A hat.")
    ('A green hat.', 'A hat.')
    """
    among = re.compile(rf"\b({'|'.join(words)})\b", re.I)

    def change(caption):
        found = among.findall(caption)
        if len(found) != 1:  # of two colours, one may be the other's next
            return caption
        new = words[(words.index(found[0].lower()) + 1) % len(words)]
        return among.sub(new.capitalize() if found[0].istitle() else new, caption)

    return change


def negate(caption) -> str:
    """Put “No” in the place of the article at the beginning of a caption with one sentence."""
    return re.sub(r"^(an?|the) (?=[^.!?]+[.!]?$)", "No ", caption, flags=re.I)


CHANGES = {
    "colour": (next_of(COLOURS), "A red hat."),
    "number": (next_of(NUMBERS), "Two hats."),
    "negation": (negate, "A hat."),
}
"""What a rule changes → the rule, which returns other captions as they are, and an example."""


def wrong_captions(captions, what) -> dict[int, str]:
    """Return position → wrong caption by the rule of `CHANGES`; `DataError` if the rule can change no caption."""
    rule, example = CHANGES[what]
    changed = {i: rule(caption) for i, caption in enumerate(captions) if rule(caption) != caption}
    if not changed:
        fault = f"none of {len(captions)} captions has a {what} to change, as “{example}” has"
        raise DataError(f"{fault}; leave {what!r} out, or bring other captions")
    return changed
