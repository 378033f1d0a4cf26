"""Audit a bank: find duplicates, hubs and dead anchors, drop the pairs that agree least, and compare two banks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval, paired_difference, ranks, same_text
from asif_lib.relative import unit_rows
from asif_lib.search.rows import QUERY_BLOCK
from asif_lib.zeroshot import ASIF

from .agreement import rank_pairs

SAME = 1 - 1e-5
"""From this cosine on, two float32 embeddings count as embeddings of the same picture."""


def near_duplicates(bank, image_threshold=0.95, text_threshold=0.95, *, block=QUERY_BLOCK) -> pd.DataFrame:
    """Find pairs of anchors that repeat each other, and equal pictures with different captions.

    Raises `ParameterError` if an embedding holds NaN.

    Parameters
    ----------
    bank : AnchorBank
    image_threshold, text_threshold : float
        From these cosines on, without centring, pictures and captions are near.
    block : int
        Rows and columns of a tile. The n × n cosines never exist whole.

    Returns
    -------
    DataFrame
        Columns ``first`` < ``second`` (anchors), ``image_cosine``, ``text_cosine``, ``kind``: "exact" (the same
        picture and caption), "same picture, other caption" (at any text cosine), or "near" (both above their
        thresholds). The most similar pictures come first. Equal captions alone are no duplicates.
    """
    n, found = len(bank), [np.empty((0, 4))]
    for start in range(0, n, block):
        rows = [unit_rows(x[start : start + block], first=start) for x in (bank.image, bank.text)]
        for other in range(start, n, block):
            columns = [unit_rows(x[other : other + block], first=other) for x in (bank.image, bank.text)]
            image, text = (a @ b.T for a, b in zip(rows, columns, strict=True))
            close = (image >= SAME) | ((image >= image_threshold) & (text >= text_threshold))
            first, second = (close.triu(1) if other == start else close).nonzero(as_tuple=True)
            found.append(np.stack([first + start, second + other, image[first, second], text[first, second]], axis=1))
    table = pd.DataFrame(np.concatenate(found), columns=["first", "second", "image_cosine", "text_cosine"])
    table = table.astype({"first": int, "second": int})
    same_picture, same_caption = table.image_cosine >= SAME, table.text_cosine >= SAME
    kinds = ["exact", "same picture, other caption"]
    table["kind"] = np.select([same_picture & same_caption, same_picture], kinds, "near")
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
        Of the counts: 0 if all anchors are used equally often, large if a few hubs are in most vectors (Radovanović
        et al., Hubs in space, JMLR 2010).
    """

    counts: np.ndarray
    vectors: int
    skewness: float

    @property
    def dead(self) -> np.ndarray:
        """The anchors that are in no top k. Removing one changes only the mean."""
        return np.flatnonzero(self.counts == 0)

    def hubs(self, top=10) -> pd.DataFrame:
        """Return the `top` most used anchors: columns ``anchor``, ``count``, ``share`` (of the vectors)."""
        order = np.argsort(-self.counts, kind="stable")[:top]
        counts = self.counts[order]
        return pd.DataFrame({"anchor": order, "count": counts, "share": counts / self.vectors})


def anchor_use(vectors) -> AnchorUse:
    """Count how often each anchor is in a top k, with a similarity above 0.

    Raises `ParameterError` if there are no vectors.

    Parameters
    ----------
    vectors : SparseVectors
        Of queries; or one side of `leave_one_out`, for the bank's own pictures or captions.
    """
    if not len(vectors):
        raise ParameterError("there are no vectors to count the anchors of")
    used = vectors.indices[vectors.values > 0].long()
    counts = torch.bincount(used, minlength=vectors.n).numpy()
    return AnchorUse(counts, len(vectors), float(scipy.stats.skew(counts)) if np.ptp(counts) else 0.0)


def drop_worst(bank, share, k=None, p=DEFAULT_P, *, center=True) -> AnchorBank:
    """Return the bank without the share of its pairs that agree least, in its order.

    Raises `ParameterError` if the share is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise ParameterError(f"share = {share}: drop at least 0 and less than all")
    worst = rank_pairs(bank, k, p, center=center).anchor[: round(share * len(bank))]
    return bank.subset(sorted(set(range(len(bank))) - set(worst)))


def compare_banks(a, b, image, text, captions, *, at=(1, 10), k=None, p=DEFAULT_P) -> pd.DataFrame:
    """Compare two banks by recall@k of captions for the same held-out pictures.

    Parameters
    ----------
    a, b : AnchorBank
        For example the cleaned and the original one.
    image, text : Tensor of shape (q, d_image) and (q, d_text)
        Held-out pairs, in neither bank.
    captions : sequence of q str
        Equal captions are equally right.
    at : sequence of int
        The k of recall@k.
    k, p : as for `ASIF`

    Returns
    -------
    DataFrame
        Indexed by recall@k, with columns ``a``, ``b`` and ``difference`` (a - b, paired), each a `Measure`.
    """
    relevant = same_text(captions, captions)
    found = [ranks(ASIF(bank, k, p).similarity(image, text), relevant) for bank in (a, b)]
    rows = {}
    for top in at:
        right = [rank < top for rank in found]
        rows[f"recall@{top}"] = (*map(mean_with_interval, right), paired_difference(*right))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["a", "b", "difference"])
