"""Measure how well the picture and the caption of each pair agree, by all the other pairs of its bank."""

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.relative import unit_rows
from asif_lib.search.rows import BLOCK, QUERY_BLOCK
from asif_lib.sparse import check_k_p, power_and_normalise
from asif_lib.zeroshot import default_k


def leave_one_out(bank, k=None, p=DEFAULT_P, *, center=True):
    """Represent every pair of a bank by all the other pairs.

    Row i equals the representation of pair i by ``ASIF(bank.subset(all but i), k, p, center=center)``, its mean
    included. No bank is rebuilt: if the rows are centred by the mean of all n, the mean of all but i is
    -x_i / (n - 1). So every cosine follows from the inner products of the centred rows, tile by tile.

    Raises `ParameterError` if the bank has fewer than two pairs, k or p is out of range, or an embedding holds NaN.

    Parameters
    ----------
    bank : AnchorBank of n pairs
    k : int, optional
        Entries kept, at most n - 1; default `default_k(n - 1)`.
    p : float
    center : bool

    Returns
    -------
    images, texts : SparseVectors of shape (n, k) in n dimensions
        Anchors are numbered as in `bank`. No row holds its own anchor.
    """
    n = len(bank)
    if n < 2:
        raise ParameterError(f"bank {bank.name!r} has {n} pair; leaving one out takes at least two")
    k = default_k(n - 1) if k is None else k
    check_k_p(k, p, n - 1)
    means = (bank.image_mean, bank.text_mean) if center else (None, None)
    sides = zip((bank.image, bank.text), means, strict=True)
    return tuple(_leave_one_out(x, mean, int(k), p) for x, mean in sides)


def _leave_one_out(x, mean, k, p):
    n = len(x)
    share = 0.0 if mean is None else 1 / (n - 1)
    values = torch.full((n, k), -torch.inf)
    indices = torch.zeros((n, k), dtype=torch.int64)
    for start in range(0, n, BLOCK):
        anchors = _centred(x[start : start + BLOCK], mean, start)
        squared = anchors.square().sum(dim=1)
        for first in range(0, n, QUERY_BLOCK):
            rows = slice(first, min(first + QUERY_BLOCK, n))
            queries = _centred(x[rows], mean, first)
            own = queries.square().sum(dim=1, keepdim=True)
            inner = queries @ anchors.T
            lengths = (squared + 2 * share * inner + share**2 * own).clamp_min(0).sqrt() * own.sqrt()
            tile = (inner + share * own) / lengths.clamp_min(torch.finfo(inner.dtype).tiny)
            both = torch.arange(max(rows.start, start), min(rows.stop, start + len(anchors)))
            tile[both - rows.start, both - start] = -torch.inf  # never its own anchor
            best, where = tile.topk(min(k, tile.shape[1]), dim=1)
            values[rows], order = torch.cat([values[rows], best], dim=1).topk(k, dim=1)
            indices[rows] = torch.cat([indices[rows], where + start], dim=1).gather(1, order)
    return power_and_normalise(values, indices, p, n)


def _centred(x, mean, first):
    unit_rows(x, first=first)  # refuses NaN
    return x.float() if mean is None else x.float() - mean


def pair_agreement(bank, k=None, p=DEFAULT_P, *, center=True) -> np.ndarray:
    """Return the leave-one-out ASIF score of each pair, (n,) float32, 0 to 1: low if the caption seems wrong.

    The parameters are those of `leave_one_out`.
    """
    images, texts = (side.to_csr() for side in leave_one_out(bank, k, p, center=center))
    return np.asarray(images.multiply(texts).sum(axis=1)).ravel()


def rank_pairs(bank, k=None, p=DEFAULT_P) -> pd.DataFrame:
    """Rank the pairs of a bank by `pair_agreement`, the lowest first.

    The table has the columns ``anchor`` (position in the bank), ``agreement``, and the bank's own columns.
    """
    table = pd.DataFrame({"anchor": np.arange(len(bank)), "agreement": pair_agreement(bank, k, p)})
    return table.sort_values("agreement", kind="stable", ignore_index=True).join(bank.pairs, on="anchor")
