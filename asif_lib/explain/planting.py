"""Wrong captions planted on purpose: how well does the agreement of the pairs, or a baseline, find them?"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.stats
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.evaluation.baselines import CanonicalCorrelation, NearestAnchorCaption, Procrustes, Ridge
from asif_lib.evaluation.measures import RESAMPLES, Measure

from .agreement import pair_agreement


@dataclass(frozen=True)
class Planted:
    """A bank in which some captions were exchanged on purpose.

    Attributes
    ----------
    bank : AnchorBank
    wrong : ndarray of shape (n,), bool
        Which pairs have a caption that is not theirs, nor equal to theirs.
    """

    bank: AnchorBank
    wrong: np.ndarray


def plant_wrong_captions(bank, share, seed=0) -> Planted:
    """Exchange the captions of a random share of the pairs among themselves.

    Each gets a caption with other words than its own: an equal caption would not be wrong.

    Parameters
    ----------
    bank : AnchorBank
    share : float
        Between 0 and 1; the number of pairs is rounded, and at least two.
    seed : int

    Raises
    ------
    ParameterError
        If the share is out of range, the bank has fewer than two pairs, or one caption is so frequent that no such
        exchange exists.
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share = {share}: the share of wrong captions is above 0 and at most 1")
    if len(bank) < 2:
        raise ParameterError(f"bank {bank.name!r} has no two captions to exchange: it is of {len(bank)}")
    random = np.random.default_rng(seed)
    chosen = random.choice(len(bank), max(2, round(share * len(bank))), replace=False)
    # Equal captions stand together; moved on by the length of the longest run, none meets its like.
    captions = bank.pairs.caption.iloc[chosen].reset_index(drop=True)
    run = captions.map(captions.value_counts()).max()
    if 2 * run > len(chosen):
        raise ParameterError(f"{run} of the {len(chosen)} pairs drawn have the same caption; draw a larger share")
    chosen = chosen[np.argsort(captions.factorize()[0], kind="stable")]
    source = np.arange(len(bank))
    source[chosen] = np.roll(chosen, run)
    pairs = bank.pairs.assign(caption=bank.pairs.caption.to_numpy()[source])
    return Planted(replace(bank, text=bank.text[source], pairs=pairs), np.isin(np.arange(len(bank)), chosen))


BASELINES = {
    "nearest caption": NearestAnchorCaption,
    "ridge": Ridge,
    "Procrustes": Procrustes,
    "CCA": CanonicalCorrelation,
}
"""What `detection` holds the method against."""


def baseline_agreement(bank, method, folds=10, seed=0) -> np.ndarray:
    """Return how well pairs agree by a baseline that was fitted on the other folds, (n,) float64.

    Parameters
    ----------
    bank : AnchorBank
    method : object with ``fit(image, text)`` and ``similarity(image, text)``, as in `baselines`
    folds : int
        Of scikit-learn's KFold, shuffled.

    Raises
    ------
    ParameterError
        If there are fewer pairs than folds.
    """
    if len(bank) < folds:
        raise ParameterError(f"{len(bank)} pairs cannot be split into {folds} folds; take fewer folds")
    scores = np.zeros(len(bank))
    image, text = bank.image.float(), bank.text.float()
    for rest, held in KFold(folds, shuffle=True, random_state=seed).split(scores):
        fitted = method.fit(image[rest], text[rest])
        scores[held] = fitted.similarity(image[held], text[held]).diagonal()
    return scores


def detection(bank, shares=(0.05, 0.1, 0.2), seeds=range(5), k=None, p=DEFAULT_P, *, baselines=BASELINES):
    """Measure how well each method finds planted wrong captions.

    The methods do not see the same number of pairs: ASIF leaves out one pair at a time and scores it by all the
    others, while a baseline is fitted ten times, on nine tenths of the pairs. And k and p are chosen by hand: on the
    stamps those of chapter 05 come from a validation split of the same stamps, so that they have seen some of these
    pairs (with their right captions), which no baseline has.

    Parameters
    ----------
    bank : AnchorBank
    shares : sequence of float
        Of wrong captions.
    seeds : sequence of int
        A bank is planted for each.
    k, p : as for `agreement`
    baselines : dict from name to class
        For `baseline_agreement`; empty for none.

    Returns
    -------
    DataFrame
        Columns ``share``, ``seed``, ``method``, ``wrong`` (how many), ``auc``: the probability that a wrong pair
        agrees less than a right one (ties count half; scikit-learn's roc_auc_score). Pairs that were already
        wrong count as right, so that 1 is out of reach for a bank that is not clean.

    Raises
    ------
    ParameterError
        As `plant_wrong_captions` and `baseline_agreement`, and if no pair keeps its caption.
    """
    rows = []
    for share in shares:
        for seed in seeds:
            planted = plant_wrong_captions(bank, share, seed)
            if planted.wrong.all():
                raise ParameterError(f"share = {share}: all captions are wrong, and there is none to tell them from")
            scores = {"ASIF": pair_agreement(planted.bank, k, p)}
            for name, method in baselines.items():
                scores[name] = baseline_agreement(planted.bank, method(), seed=seed)
            for name, score in scores.items():
                auc = float(roc_auc_score(planted.wrong, -score))
                rows.append((share, seed, name, int(planted.wrong.sum()), auc))
    return pd.DataFrame(rows, columns=["share", "seed", "method", "wrong", "auc"])


def over_seeds(values, bounds=(-np.inf, np.inf)) -> Measure:
    """Return the mean over seeds and its 95 % interval by Student's t (scipy).

    It covers the seeds alone: which captions were exchanged in one bank. Another bank may differ by more; for the
    pairs that a bank happens to have, see `auc_difference`.

    Parameters
    ----------
    values : sequence of float
        One for each seed, two or more.
    bounds : pair of float
        What the values cannot pass, (0, 1) for an AUC: the interval, which is symmetric, is cut there.

    Raises
    ------
    ParameterError
        If there are fewer than two seeds.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ParameterError(f"{values.size} seed: an interval over seeds takes at least two")
    mean, half = values.mean(), scipy.stats.t.ppf(0.975, values.size - 1) * scipy.stats.sem(values)
    low, high = np.clip([mean - half, mean + half], *bounds)
    return Measure(float(mean), float(low), float(high), values.size)


def auc_difference(wrong, score, other, seed=0) -> Measure:
    """Return by how much one score finds wrong captions better than another, as AUC, with its 95 % interval.

    The interval is a percentile bootstrap over the wrong and over the right pairs (scipy). It is paired: each resample
    holds the same pairs for both scores.

    Parameters
    ----------
    wrong : array-like of shape (n,), bool
        `Planted.wrong`.
    score, other : array-like of shape (n,)
        From `agreement` or `baseline_agreement`: low where picture and caption disagree.

    Raises
    ------
    ParameterError
        If the lengths differ, or there are fewer than two wrong or two right pairs.
    """
    wrong, score, other = np.asarray(wrong, bool), np.asarray(score, float), np.asarray(other, float)
    if not len(wrong) == len(score) == len(other):
        raise ParameterError(f"{len(wrong)} pairs, and {len(score)} and {len(other)} scores; give one for each pair")
    if not 2 <= wrong.sum() <= len(wrong) - 2:
        raise ParameterError(
            f"{wrong.sum()} of {len(wrong)} pairs are wrong; take at least two wrong and two right ones"
        )

    def gain(bad, good, axis=-1):
        return _auc(score[bad], score[good]) - _auc(other[bad], other[good])

    pairs = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    result = scipy.stats.bootstrap(
        pairs, gain, n_resamples=RESAMPLES, batch=200, method="percentile", rng=np.random.default_rng(seed)
    )
    return Measure(float(gain(*pairs)), *map(float, result.confidence_interval), len(wrong))


def _auc(bad, good):
    """The probability that a wrong pair (…, w) scores less than a right one (…, r): by ranks, as Mann and Whitney."""
    ranks = scipy.stats.rankdata(-np.concatenate([bad, good], axis=-1), axis=-1)
    count = bad.shape[-1]
    return (ranks[..., :count].sum(axis=-1) - count * (count + 1) / 2) / (count * good.shape[-1])
