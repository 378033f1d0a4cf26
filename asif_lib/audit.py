"""Auditing a bank: pairs that disagree with the rest, duplicates, hubs and dead anchors, and a cleaned bank."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.stats
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

from .anchors import AnchorBank
from .baselines import NearestAnchorCaption, Procrustes, Ridge
from .errors import ParameterError
from .evaluation import Measure, paired_difference, ranks, recall_at, same_text
from .relative import unit_rows
from .sparse import ANCHOR_BLOCK, QUERY_BLOCK, check_k_p, power_and_normalise
from .zeroshot import ASIF, DEFAULT_P, default_k

SAME = 1 - 1e-5
"""Cosine from which two float32 embeddings count as those of one picture."""


def leave_one_out(bank, k=None, p=DEFAULT_P, *, center=True, device="cpu", block=ANCHOR_BLOCK):
    """Describe every pair of a bank by all the other pairs.

    Row i is what ``ASIF(bank.subset(all but i), k, p, center=center)`` makes of picture i and of caption i, also
    where the mean is concerned, without n rebuilds: with the rows centred by the mean of all, the mean of all
    but i is -x_i / (n - 1), so that every cosine follows from the inner products of the centred rows.

    Parameters
    ----------
    bank : AnchorBank of n pairs
    k : int, optional
        Entries kept, at most n - 1; default a tenth of the n - 1 anchors.
    p : float
    center : bool
    device : str or torch.device
    block : int
        Anchors in a tile; the memory beyond the result is a few tiles of `QUERY_BLOCK` rows by `block`.

    Returns
    -------
    images, texts : SparseVectors of shape (n, k) in n dimensions
        Anchors are numbered as in `bank`; none is in its own row.

    Raises
    ------
    ParameterError
        If the bank has fewer than two pairs, k or p is out of range, or an embedding holds NaN.
    """
    n = len(bank)
    if n < 2:
        raise ParameterError(f"bank {bank.name!r} has {n} pair; leaving one out takes at least two")
    k = default_k(n - 1) if k is None else k
    check_k_p(k, p, n - 1)
    means = (bank.image_mean, bank.text_mean) if center else (None, None)
    sides = zip((bank.image, bank.text), means, strict=True)
    images, texts = (_leave_one_out(x, mean, int(k), p, device, block) for x, mean in sides)
    return images, texts


def _leave_one_out(x, mean, k, p, device, block):
    n = len(x)
    share = 0.0 if mean is None else 1 / (n - 1)
    values = torch.full((n, k), -torch.inf)
    indices = torch.zeros((n, k), dtype=torch.int64)
    for start in range(0, n, block):
        tile_anchors = _centred(x[start : start + block], mean, start).to(device)
        squared = tile_anchors.square().sum(dim=1)
        for first in range(0, n, QUERY_BLOCK):
            rows = slice(first, min(first + QUERY_BLOCK, n))
            queries = _centred(x[rows], mean, first).to(device)
            own = queries.square().sum(dim=1, keepdim=True)
            inner = queries @ tile_anchors.T
            lengths = (squared + 2 * share * inner + share**2 * own).clamp_min(0).sqrt() * own.sqrt()
            tile = (inner + share * own) / lengths.clamp_min(torch.finfo(inner.dtype).tiny)
            both = torch.arange(max(rows.start, start), min(rows.stop, start + len(tile_anchors)))
            tile[both - rows.start, both - start] = -torch.inf  # never its own anchor
            best, where = tile.topk(min(k, tile.shape[1]), dim=1)
            best, where = best.cpu(), where.cpu() + start
            values[rows], order = torch.cat([values[rows], best], dim=1).topk(k, dim=1)
            indices[rows] = torch.cat([indices[rows], where], dim=1).gather(1, order)
    return power_and_normalise(values, indices, p, n)


def _centred(x, mean, first):
    """The rows (b, d) less the mean, as float32."""
    unit_rows(x, first=first)  # refuses NaN
    return x.float() if mean is None else x.float() - mean


def agreement(bank, k=None, p=DEFAULT_P, *, center=True, device="cpu") -> np.ndarray:
    """Return how well the picture and the caption of each pair agree by the other pairs, (n,) float32, 0 to 1.

    It is the pair's leave-one-out ASIF score; the parameters are those of `leave_one_out`.
    """
    return _row_scores(*leave_one_out(bank, k, p, center=center, device=device))


def _row_scores(images, texts):
    return np.asarray(images.to_csr().multiply(texts.to_csr()).sum(axis=1)).ravel()


def rank_pairs(bank, k=None, p=DEFAULT_P, *, center=True, device="cpu") -> pd.DataFrame:
    """Rank the pairs of a bank, those whose caption agrees least with its picture first.

    Returns
    -------
    DataFrame
        Columns ``anchor`` (position in the bank), ``agreement``, and the bank's own columns.
    """
    table = pd.DataFrame(
        {"anchor": np.arange(len(bank)), "agreement": agreement(bank, k, p, center=center, device=device)}
    )
    return table.sort_values("agreement", kind="stable", ignore_index=True).join(bank.pairs, on="anchor")


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
        If the share is out of range, or one caption is so frequent that no such exchange exists.
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share = {share}: the share of wrong captions is above 0 and at most 1")
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


BASELINES = {"nearest caption": NearestAnchorCaption, "ridge": Ridge, "Procrustes": Procrustes}
"""What `detection` holds the method against; CCA, from the same module, takes a hundred times as long."""


def baseline_agreement(bank, method, folds=10, seed=0) -> np.ndarray:
    """Return how well pairs agree by a baseline that was fitted on the other folds, (n,) float64.

    Parameters
    ----------
    bank : AnchorBank
    method : object with ``fit(image, text)`` and ``similarity(image, text)``, as in `baselines`
    folds : int
        Of scikit-learn's KFold, shuffled.
    """
    scores = np.zeros(len(bank))
    image, text = bank.image.float(), bank.text.float()
    for rest, held in KFold(folds, shuffle=True, random_state=seed).split(scores):
        fitted = method.fit(image[rest], text[rest])
        scores[held] = fitted.similarity(image[held], text[held]).diagonal()
    return scores


def detection(bank, shares=(0.05, 0.1, 0.2), seeds=range(5), k=None, p=DEFAULT_P, *, baselines=BASELINES):
    """Measure how well each method finds planted wrong captions.

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
    """
    rows = []
    for share in shares:
        for seed in seeds:
            planted = plant_wrong_captions(bank, share, seed)
            scores = {"ASIF": agreement(planted.bank, k, p)}
            for name, method in baselines.items():
                scores[name] = baseline_agreement(planted.bank, method(), seed=seed)
            for name, score in scores.items():
                auc = float(roc_auc_score(planted.wrong, -score))
                rows.append((share, seed, name, int(planted.wrong.sum()), auc))
    return pd.DataFrame(rows, columns=["share", "seed", "method", "wrong", "auc"])


def over_seeds(values) -> Measure:
    """Return the mean over seeds and its 95 % interval by Student's t (scipy).

    Raises
    ------
    ParameterError
        If there are fewer than two seeds.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ParameterError(f"{values.size} seed: an interval over seeds takes at least two")
    half = scipy.stats.t.ppf(0.975, values.size - 1) * scipy.stats.sem(values)
    return Measure(float(values.mean()), float(values.mean() - half), float(values.mean() + half), values.size)


def near_duplicates(bank, image_threshold=0.95, text_threshold=0.95, *, block=QUERY_BLOCK) -> pd.DataFrame:
    """Find pairs of anchors that say the same twice, or say two things of one picture.

    Parameters
    ----------
    bank : AnchorBank
    image_threshold, text_threshold : float
        Cosines, without the mean taken off, from which pictures and captions are near.
    block : int
        Rows and columns of a tile; the n × n cosines never exist whole.

    Returns
    -------
    DataFrame
        Columns ``first`` < ``second`` (anchors), ``image_cosine``, ``text_cosine``, ``kind``: "exact" (the same
        picture and caption), "same picture, other caption" (at any text cosine), or "near" (both above their
        thresholds); the most similar pictures first. Equal captions alone are no duplicates.

    Raises
    ------
    ParameterError
        If an embedding holds NaN.
    """
    n, found = len(bank), []
    for start in range(0, n, block):
        image, text = (unit_rows(x[start : start + block], first=start) for x in (bank.image, bank.text))
        for other in range(start, n, block):
            tiles = [
                rows @ unit_rows(x[other : other + block], first=other).T
                for rows, x in ((image, bank.image), (text, bank.text))
            ]
            close = (tiles[0] >= SAME) | ((tiles[0] >= image_threshold) & (tiles[1] >= text_threshold))
            if other == start:
                close = close.triu(1)
            rows, columns = close.nonzero(as_tuple=True)
            found.append(np.stack([rows + start, columns + other, *(tile[close] for tile in tiles)], axis=1))
    table = pd.DataFrame(np.concatenate(found), columns=["first", "second", "image_cosine", "text_cosine"])
    table = table.astype({"first": int, "second": int})
    same = table.image_cosine >= SAME, table.text_cosine >= SAME
    table["kind"] = np.select([same[0] & same[1], same[0]], ["exact", "same picture, other caption"], "near")
    return table.sort_values("image_cosine", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class AnchorUse:
    """How often each of n anchors is in a top k.

    Attributes
    ----------
    counts : ndarray of shape (n,), int64
        In how many of the vectors: the k-occurrence N_k.
    vectors : int
    skewness : float
        Of the counts: 0 where all anchors are used alike, large where a few hubs are everywhere (Radovanović et
        al., Hubs in space, JMLR 2010).
    """

    counts: np.ndarray
    vectors: int
    skewness: float

    @property
    def dead(self) -> np.ndarray:
        """The anchors that are in no top k; removing one changes only the mean."""
        return np.flatnonzero(self.counts == 0)

    def hubs(self, top=10) -> pd.DataFrame:
        """Return the `top` most used anchors: columns ``anchor``, ``count``, ``share`` (of the vectors)."""
        order = np.argsort(-self.counts, kind="stable")[:top]
        counts = self.counts[order]
        return pd.DataFrame({"anchor": order, "count": counts, "share": counts / self.vectors})


def anchor_use(vectors) -> AnchorUse:
    """Count how often each anchor is in a top k, with a similarity above 0.

    Parameters
    ----------
    vectors : SparseVectors
        Of queries; or one side of `leave_one_out`, for the bank's own pictures or captions.
    """
    used = vectors.indices[vectors.values > 0].long()
    counts = torch.bincount(used, minlength=vectors.n).numpy()
    return AnchorUse(counts, len(vectors), float(scipy.stats.skew(counts)) if np.ptp(counts) else 0.0)


def drop_worst(bank, share, k=None, p=DEFAULT_P, *, center=True) -> AnchorBank:
    """Return the bank without the share of its pairs that agree least, in its order.

    Raises
    ------
    ParameterError
        If the share is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise ParameterError(f"share = {share}: drop at least 0 and less than all")
    worst = rank_pairs(bank, k, p, center=center).anchor[: round(share * len(bank))]
    return bank.subset(sorted(set(range(len(bank))) - set(worst)))


def compare_banks(a, b, image, text, captions, *, at=(1, 10), k=None, p=DEFAULT_P) -> pd.DataFrame:
    """Find the captions of held-out pictures with two banks, and compare them picture by picture.

    Parameters
    ----------
    a, b : AnchorBank
        Say the cleaned and the original one.
    image, text : Tensor of shape (q, d_image) and (q, d_text)
        Held-out pairs, in neither bank.
    captions : sequence of q str
        Equal ones are equally right.
    at : sequence of int
        The k of recall@k.
    k, p : as for `ASIF`; the default k is a tenth of each bank

    Returns
    -------
    DataFrame
        Indexed by recall@k, with columns ``a``, ``b`` and ``difference`` (a - b, paired), each a `Measure`.
    """
    relevant = same_text(captions, captions)
    scores = [ASIF(bank, k, p).similarity(image, text) for bank in (a, b)]
    found = [ranks(score, relevant) for score in scores]
    return pd.DataFrame(
        [
            (*(recall_at(score, relevant, top) for score in scores), paired_difference(found[0] < top, found[1] < top))
            for top in at
        ],
        columns=["a", "b", "difference"],
        index=[f"recall@{top}" for top in at],
    )
