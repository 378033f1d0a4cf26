"""Choose settings on validation questions, which may be those of a bank: `recommend` (chapter 05).

Every combination of a grid is asked, and the best is taken. The test questions have no part in it. `recommend` lets the
bank's own pairs ask and answer.

Two tasks need two kinds of folds. Questions of the **same kind** as the bank are pairs drawn at random. Questions of
**another kind** are whole clusters of pictures (k-means): no anchor is like them. Both need no label and no encoder.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P, NEAREST, TASKS
from asif_lib.errors import ParameterError
from asif_lib.machine import for_small_matrices, progress_bar
from asif_lib.relative import unit_rows
from asif_lib.settings import Settings, check_seed, default_k
from asif_lib.sparse import SideAnchors
from asif_lib.zeroshot import check_bank

from .measures import Measure, in_points, paired_difference, ranks, recall_of_each, same_text

FOLDS = 5
SMALLEST, LARGEST = 60, 6_000
"""Pairs that a choice needs, and pairs that it looks at: of a larger bank, this number drawn at random. k is then the
same share of the bank, at most `LARGEST_DEFAULT_K`."""
ASKED = 200  # the most pairs of a fold that are asked, drawn at random
SHARES, POWERS, HUBS = (0.05, DEFAULT_K_SHARE, 0.2, 0.3), (1, DEFAULT_P, 4), (0, 0.25, 0.5)
SPACES = ((False, None), (True, None), (True, 0.5), (True, 0.8), (True, 0.9))
"""Whether the bank's mean is subtracted, and the shrinkage of the whitening."""
SAME, ANOTHER = TASKS


DEFAULTS = {"share": DEFAULT_K_SHARE, "p": DEFAULT_P, "center": True, "hubs": 0, "whiten": None}
STARTS = {SAME: DEFAULTS, ANOTHER: {**DEFAULTS, "whiten": 0.8}}
"""Task → the settings that stay, unless the folds show better ones. Folds inside one bank show only a part of what
another kind of picture needs, so whitening is a prior."""
WORTH = 0.01
"""The least gain of mean recall for which settings change: a smaller one can turn out to be a loss."""
PRIOR = """\
Whitening is our prior, not found in your bank. In 60 transfers between other banks and kinds of picture it brought +2.6
points on average, from -4.5 to +13.8 (benchmarks/accuracy/targets.md). With pictures of the bank's own kind it may do
harm."""


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


def sweep(evaluate, fractions, powers, n) -> pd.DataFrame:
    """Evaluate every combination of k/n and p, on a validation split and never on the test split.

    The table has the columns ``fraction``, ``k``, ``p`` and ``value``.

    Parameters
    ----------
    evaluate : function of (k, p)
        Returns a number, larger for better.
    fractions, powers : sequences of numbers
        Each k is a fraction of the n anchors, rounded, at least 1.
    n : int
    """

    def k_of(fraction):
        return min(n, max(1, round(fraction * n)))

    def ask(fraction, p):
        return float(evaluate(k_of(fraction), p))

    table = measure_settings(combinations({"fraction": fractions, "p": powers}), [ask]).table()
    table.insert(1, "k", table["fraction"].map(k_of))
    return table[["fraction", "k", "p", "value"]]


@dataclass(frozen=True, repr=False)
class Recommendation:
    """The advice of `recommend`: ``ASIF(bank, **advice.settings)``, or ``bank.keep_settings(**advice.settings)``."""

    bank: str
    task: str
    settings: dict  # k, p, center, hubs and whiten, keywords of `ASIF`: the best ones, or else the start
    decided: bool  # whether the best settings are surely better than the start: the interval of `gain` lies above 0
    gain: Measure  # mean recall over that of the start, each fold asked with the choice of the other folds
    start: dict  # the settings that stay in doubt: the defaults, for questions of another kind with whitening
    start_gain: Measure
    """Mean recall of `STARTS` over that of the defaults inside this bank. A sure loss rules them out."""
    best: dict  # the settings with the largest mean recall, whether they are surely better or not
    edges: dict  # which of the best are the "smallest" or "largest" tried: a better value may lie beyond
    table: pd.DataFrame
    """A row for each combination tried: its settings with k as a ``share``, mean recall ``value``, the ``difference``
    to the defaults on the same pairs, and the standard error of the difference, ``error``."""

    def __str__(self):
        lines = [
            f"{self.bank}, asked about pictures of {self.task}: {len(self.table)} combinations of settings were tried "
            f"on {self.gain.n} pairs held out."
        ]
        lines.append(f"The choice starts with {_in_words(self.start)}.")
        if STARTS[self.task] != DEFAULTS:
            stays = "" if self.start["whiten"] else ", so the choice starts without it"
            lines.append(PRIOR)
            lines.append(f"Inside this bank, whitening changes mean recall by {in_points(self.start_gain)}{stays}.")
        gain, undecided = in_points(self.gain), "" if self.decided else ": undecided, so the start stays"
        gains = f"the choice gains {gain} of mean recall over its start{undecided}"
        lines.append(f"On questions that did not choose, {gains}.")
        lines.append(f"Recommended: {_in_words(self.settings)}.")
        if undecided:
            lines.append(f"The best that was tried: {_in_words(self.best)}.")
        if self.edges:
            where = ", ".join(f"{name} is the {end}" for name, end in self.edges.items())
            lines.append(f"The best lies at the edge of what was tried, and a better value may lie beyond: {where}.")
        return "\n".join(lines)

    __repr__ = __str__


def recommend(bank, task=SAME, *, seed=0, progress=True) -> Recommendation:
    """Choose k, p, centring, whitening and the correction for hubs by cross-validation inside a bank.

    Each fold of the bank's pairs is held out in turn. The other pairs are the anchors, and the pairs held out find each
    other's text and picture (`mean_recall`). The settings of `STARTS` stay, unless the choice is surely better on
    questions that had no part in it: the interval of the paired difference lies above 0, and the gain is `WORTH` a
    change. A transductive correction is not chosen, since it depends on the batch that will be asked.

    Raises `ParameterError` if the task is unknown, the bank is too small, or nearly all pictures form one cluster.

    Parameters
    ----------
    bank : AnchorBank
    task : {"same kind", "another kind"}
        The pictures that will be asked: as the bank's own, or of another kind. The folds are drawn at random for the
        first, and are clusters of pictures for the second.
    seed : int
        Of the folds.
    """
    if task not in TASKS:
        raise ParameterError(f"there is no task {task!r}; take one of: {', '.join(map(repr, TASKS))}")
    check_bank(bank)
    if len(bank) < SMALLEST:
        raise ParameterError(f"{len(bank)} pairs are too few to choose by; {SMALLEST} are needed: keep the defaults")
    rows = np.random.default_rng(check_seed(seed)).permutation(len(bank))[:LARGEST]
    image, text = (bank.rows(side).take(rows.tolist()).float() for side in bank.sides)
    captions = bank.pairs["caption"].to_numpy()[rows]
    folds = [(fit, asked[:ASKED]) for fit, asked in _folds(task, image, seed)]
    tried = _tried(len(rows))
    about = f"{task}: {len(tried)} combinations of settings, {len(folds)} folds"
    with for_small_matrices(), progress_bar(total=len(folds) * len(tried), desc=about, progress=progress) as bar:
        found = measure_settings(tried, (_asker(image, text, captions, *fold, bar) for fold in folds))
    return _advice(bank, task, found)


def _tried(n) -> list:
    """List the settings that are tried for n pairs, each k once."""
    shares = sorted({default_k(n, share): share for share in reversed(SHARES)}.values())
    return [
        {"share": one["share"], "p": one["p"], "center": center, "hubs": one["hubs"], "whiten": whiten}
        for one in combinations({"hubs": HUBS, "p": POWERS, "share": shares})
        for center, whiten in SPACES
        if center or not one["hubs"]  # hubs are corrected with the mean subtracted only
    ]


def _folds(task, image, seed):
    """Yield the positions of the anchors and those of the pairs held out, in an order drawn at random."""
    from sklearn.cluster import KMeans  # which takes a second to import
    from sklearn.model_selection import KFold

    if task == SAME:
        yield from KFold(FOLDS, shuffle=True, random_state=seed).split(image)
        return
    kinds = KMeans(FOLDS, n_init=3, random_state=seed).fit_predict(unit_rows(image, image.mean(dim=0)))
    sizes = np.bincount(kinds, minlength=FOLDS)
    if not sizes.min() or len(kinds) - sizes.max() <= NEAREST:
        fault = f"the pictures fall into clusters of {', '.join(map(str, sizes))}, too uneven to hold each out"
        raise ParameterError(f"{fault}; take the task {SAME!r}, or keep the defaults")
    yield from ((np.flatnonzero(kinds != kind), np.flatnonzero(kinds == kind)) for kind in range(FOLDS))


def _asker(image, text, captions, fit, asked, bar):
    """Return a function of the settings that asks a fold: the recall of each pair asked, (q,), as in `mean_recall`."""
    relevant, most = same_text(captions[asked], captions[asked]), default_k(len(fit), max(SHARES))
    pictures, texts = {}, {}  # KeptCosines
    for center in (False, True):
        images, others = (SideAnchors(z[fit], z[fit].mean(dim=0) if center else None) for z in (image, text))
        texts[center] = others.cosines(text[asked], most, hubs=center)
        for whiten in (whiten for other, whiten in SPACES if other == center):
            side = images.whitened(whiten) if whiten else images
            pictures[center, whiten] = side.cosines(image[asked], most, hubs=center)

    @functools.lru_cache(maxsize=2)  # the spaces are asked one after the other, with the same other settings
    def columns(center, settings):
        return texts[center].sparse(settings).to_dense().T  # (n, q)

    def ask(share, p, center, hubs, whiten):
        settings = Settings(default_k(len(fit), share), p, hubs=hubs)
        scores = pictures[center, whiten].sparse(settings).to_dense() @ columns(center, settings)  # (q, q)
        bar.update()
        return recall_of_each((ranks(scores, relevant), ranks(scores.T, relevant.T)))

    return ask


def _advice(bank, task, found):
    """Choose by the recall over all folds; compare the choice of the other folds with the start on each fold."""
    settings, folds = found.settings, range(len(found.values))
    recall = [np.concatenate(each) for each in zip(*found.values, strict=True)]  # (all pairs asked,) each
    default, start = settings.index(DEFAULTS), settings.index(STARTS[task])
    start_gain = paired_difference(recall[start], recall[default])
    if start_gain.high < 0:
        start = default
    best = found.best()
    chosen = [found.best([other for other in folds if other != fold]) for fold in folds]
    gains = [values[one] - values[start] for one, values in zip(chosen, found.values, strict=True)]
    gain = paired_difference(np.concatenate(gains), np.zeros(len(recall[start])))
    decided = bool(best != start and gain.low > 0 and gain.value >= WORTH)
    advised, first, most = (_keywords(settings[i], bank) for i in (best if decided else start, start, best))
    edges, table = _edges(settings[best], settings), _table(found, recall, recall[default])
    return Recommendation(bank.name, task, advised, decided, gain, first, start_gain, most, edges, table)


def _keywords(settings, bank) -> dict:
    """Return settings as keywords of ``ASIF(bank, …)``: with k in place of the share."""
    return {"k": default_k(len(bank), settings["share"])} | {k: v for k, v in settings.items() if k != "share"}


def _table(found, recall, default):
    gaps = np.array(recall) - default  # (settings, all pairs asked)
    table = found.table().assign(difference=gaps.mean(axis=1), error=gaps.std(axis=1, ddof=1) / len(default) ** 0.5)
    return table.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def _edges(best, settings):
    """Return which of the best settings are at an end of what was tried; beyond 0 and None nothing lies."""
    edges = {}
    for name, key in {"k": "share", "p": "p", "hubs": "hubs", "whiten": "whiten"}.items():
        values = [one[key] for one in settings if one[key] is not None]
        if best[key] and best[key] in (min(values), max(values)):
            edges[name] = "largest" if best[key] == max(values) else "smallest"
    return edges


def _in_words(settings):
    words = [f"k = {settings['k']}, p = {settings['p']:g}"]
    words += [] if settings["center"] else ["not centred"]
    return ", ".join(words + [f"{name} = {settings[name]:g}" for name in ("hubs", "whiten") if settings[name]])
