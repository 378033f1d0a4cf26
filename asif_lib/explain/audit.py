"""Audit a bank: find pairs that do not agree with the others."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import AUDIT_K_SHARE, DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.machine import WORTH_A_LINE, progress_bar
from asif_lib.search.inverted import indexed_scores
from asif_lib.search.rows import BLOCK, QUERY_BLOCK
from asif_lib.settings import Settings, default_k
from asif_lib.sparse import KeptCosines, hubness_of

from .contribution import with_columns
from .removals import cosines_about

HUBS, NEIGHBOURS, BETA = 0.5, 20, 12.0
"""How `rank_pairs` corrects for hubs (share, nearest anchors), and how sharply it averages over rivals: all chosen,
as `AUDIT_K_SHARE`, by wrong captions that were planted in the train and validation stamps; chapter 06 plants others."""
RIVALS = 2_000
"""The largest number of other pairs that a pair is compared with, evenly spaced in the bank."""


def leave_one_out(bank, k=None, p=DEFAULT_P, *, hubs=0.0, center=True, device="cpu"):
    """Represent every pair of a bank by all the other pairs.

    Row i equals the representation of pair i by ``ASIF(bank.subset(all but i), k, p, center=center)``, its mean
    included. No bank is rebuilt. Raises `ParameterError` if the bank has under two pairs, or k, p or `hubs` is out of
    range.

    Parameters
    ----------
    bank : AnchorBank of n pairs
    k : int, optional
        Entries kept, at most n - 1; default `default_k(n - 1)`.
    p, center, device, hubs : as for `ASIF`
        Hubs are found by the `NEIGHBOURS` nearest anchors of an anchor (by k of them if k is smaller).

    Returns
    -------
    images, texts : SparseVectors of shape (n, k) in n dimensions
        Of the two sides. Anchors are numbered as in `bank`. No row holds its own anchor. A score is a sum over anchors
        for any `hubs`.
    """
    n = len(bank)
    if n < 2:
        raise ParameterError(f"bank {bank.name!r} has {n} pair; leaving one out takes at least two")
    settings, found = Settings(k, p, center, hubs).checked(n - 1, near=0), []
    for side in bank.sides:
        mean = bank.mean(side) if center else None
        kept = cosines_with_others(bank.rows(side).gathered(), settings.k, mean, device=device)
        found.append(replace(kept, hubness=hubness_of(kept.values[:, :NEIGHBOURS])).sparse(settings))
    return tuple(found)


def cosines_with_others(x, k, mean=None, asked=None, *, device="cpu") -> KeptCosines:
    """Keep the k largest cosines of the rows of `x` (n, d) with all other rows: no row is its own anchor.

    With x_i the rows centred by the `mean` (d,) of all n, the mean of all but i is m = -x_i / (n - 1). So every cosine
    about m follows from the inner products x_i·a, tile by tile. Without a mean, the cosines are about 0. The rows are
    those at the positions `asked` (q,), int64, or else all.
    """
    n, asked = len(x), torch.arange(len(x)) if asked is None else asked
    share, mean = (0.0, 0.0) if mean is None else (1 / (n - 1), mean)  # m = -share · x_i
    values = torch.full((len(asked), k), -torch.inf)
    indices = torch.zeros((len(asked), k), dtype=torch.int64)
    tiles = list(itertools.product(range(0, n, BLOCK), range(0, len(asked), QUERY_BLOCK)))
    for start, first in progress_bar(tiles, desc="leaving each pair out", unit="tile", delay=WORTH_A_LINE):
        if first == 0:
            anchors = (x[start : start + BLOCK].float() - mean).to(device)  # (b, d)
            squared = anchors.square().sum(dim=1)  # (b,)
        rows = slice(first, first + QUERY_BLOCK)
        queries = (x[asked[rows]].float() - mean).to(device)  # (q, d)
        own = queries.square().sum(dim=1, keepdim=True)  # (q, 1)
        inner = queries @ anchors.T  # (q, b)
        tile = cosines_about(inner, -share * own, -share * inner, share**2 * own, own, squared)
        own_anchor = asked[rows, None] == torch.arange(start, start + len(anchors))
        tile.masked_fill_(own_anchor.to(device), -torch.inf)
        best, where = (found.cpu() for found in tile.topk(min(k, tile.shape[1]), dim=1))
        values[rows], order = torch.cat([values[rows], best], dim=1).topk(k, dim=1)
        indices[rows] = torch.cat([indices[rows], where + start], dim=1).gather(1, order)
    return KeptCosines(values, indices, n)


def rank_pairs(bank, k=None, p=DEFAULT_P, *, device="cpu") -> pd.DataFrame:
    """Rank the pairs of a bank by the excess of their agreement, the lowest first: there a caption may be wrong.

    The **agreement** of a pair is the score of its picture and its caption by the other pairs. Some captions agree a
    little with every picture, and some pictures with every caption. So the **excess** is the agreement minus what the
    rivals reach: the mean of two soft maxima, over the picture's scores with the captions of other pairs, and over the
    caption's scores with their pictures. The soft maximum of m scores is log(mean(exp(β · s))) / β with β = `BETA`.
    (This is the inverted softmax of Smith et al., ICLR 2017, equation 8, in both directions.)

    Parameters
    ----------
    bank, k, p, device : as for `leave_one_out`
        By default, k is `AUDIT_K_SHARE` of the other pairs, as `default_k`.

    Returns
    -------
    DataFrame
        Columns ``anchor`` (position in the bank), ``agreement`` (0 to 1), ``excess`` (-1 to 1), and the bank's own.
        `leave_one_out` with ``hubs=HUBS`` and the same k gives the vectors whose contributions add up to the agreement.
    """
    k = default_k(len(bank) - 1, AUDIT_K_SHARE) if k is None else k
    images, texts = leave_one_out(bank, k, p, hubs=HUBS, device=device)
    agreement = np.asarray(images.to_csr().multiply(texts.to_csr()).sum(axis=1)).ravel()
    excess = agreement - (_rivals(images, texts) + _rivals(texts, images)) / 2
    table = pd.DataFrame({"anchor": np.arange(len(bank)), "agreement": agreement, "excess": excess})
    return with_columns(table.sort_values("excess", kind="stable", ignore_index=True), bank.pairs, len(bank))


def _rivals(vectors, others):
    """Return the soft maximum of each vector's scores with the others of at most `RIVALS` pairs, (n,) float32."""
    n = len(vectors)
    rivals = torch.linspace(0, n - 1, min(n, RIVALS)).round().long()
    asked, found = others[rivals], []
    for rows in torch.arange(n).split(QUERY_BLOCK):
        own = rows[:, None] == rivals
        scores = (BETA * indexed_scores(vectors[rows], asked)).masked_fill(own, -torch.inf)
        found.append((scores.logsumexp(dim=1) - (~own).sum(dim=1).log()) / BETA)
    return torch.cat(found).numpy()
