"""Auditing a bank: pairs that disagree with the rest, duplicates, hubs and dead anchors, and a cleaned bank.

How well the pairs agree is in `agreement`, and how well that finds wrong captions in `planting`; both can be had here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import paired_difference, ranks, recall_at, same_text
from asif_lib.relative import unit_rows
from asif_lib.search.rows import QUERY_BLOCK
from asif_lib.zeroshot import ASIF

from .agreement import leave_one_out, pair_agreement, rank_pairs
from .planting import (
    BASELINES,
    Planted,
    auc_difference,
    baseline_agreement,
    detection,
    over_seeds,
    plant_wrong_captions,
)

__all__ = [
    "BASELINES",
    "SAME",
    "AnchorUse",
    "Planted",
    "anchor_use",
    "auc_difference",
    "baseline_agreement",
    "compare_banks",
    "detection",
    "drop_worst",
    "leave_one_out",
    "near_duplicates",
    "over_seeds",
    "pair_agreement",
    "plant_wrong_captions",
    "rank_pairs",
]  # fmt: skip

SAME = 1 - 1e-5
"""Cosine from which two float32 embeddings count as those of one picture."""


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
    n, found = len(bank), [np.empty((0, 4))]
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

    Raises
    ------
    ParameterError
        If there are no vectors.
    """
    if not len(vectors):
        raise ParameterError("there are no vectors to count the anchors of")
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
