"""Audit a bank: find duplicates, hubs and dead anchors."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows
from asif_lib.search.rows import QUERY_BLOCK

SAME = 1 - 1e-5
"""From this cosine on, two float32 embeddings count as embeddings of the same picture."""


def near_duplicates(bank, image_threshold=0.95, text_threshold=0.95) -> pd.DataFrame:
    """Find pairs of anchors that repeat each other, and equal pictures with different captions.

    The n × n cosines are computed tile by tile and never exist whole.

    Raises `ParameterError` if an embedding holds NaN.

    Parameters
    ----------
    bank : AnchorBank
    image_threshold, text_threshold : float
        From these cosines on, without centring, pictures and captions are near.

    Returns
    -------
    DataFrame
        Columns ``first`` < ``second`` (anchors), ``image_cosine``, ``text_cosine``, ``kind``: "exact" (the same
        picture and caption), "same picture, other caption" (at any text cosine), or "near" (both above their
        thresholds). The most similar pictures come first. Equal captions alone are no duplicates.
    """
    n, found = len(bank), [np.empty((0, 4))]
    for start in range(0, n, QUERY_BLOCK):
        rows = [unit_rows(x[start : start + QUERY_BLOCK], first=start) for x in (bank.image, bank.text)]
        for other in range(start, n, QUERY_BLOCK):
            columns = [unit_rows(x[other : other + QUERY_BLOCK], first=other) for x in (bank.image, bank.text)]
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
