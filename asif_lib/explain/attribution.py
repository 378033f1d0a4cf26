"""Say what each anchor is worth to a score, by its removal or its Shapley value.

`contributions` split a score exactly and say *why*. They do not say what happens without an anchor: the next anchor
enters each list, both lists get length 1 again, and the mean of the bank moves.
"""

from numbers import Integral

import numpy as np
import pandas as pd
import torch
from numba import njit

from asif_lib.errors import ParameterError
from asif_lib.machine import WORTH_A_LINE, progress_bar
from asif_lib.settings import check_seed

from .contribution import contributions
from .counterfactual import without
from .removals import fall_without


def removal_effects(model, pictures, texts, *, exact=True, progress=True) -> torch.Tensor:
    """Remove each anchor alone and score again: (q, n) float32, the score minus the score without the anchor.

    Row i belongs to picture i and text i. Every anchor has an effect, also outside both lists of k, because it moves
    the mean. A negative one belongs to an anchor whose removal raises the score. The effects do not add up to the
    score. Each removal is that of `without`, with all settings of the model.

    Raises `ParameterError` if there are not as many pictures as texts, or k anchors would not be left.

    Parameters
    ----------
    model : ASIF
    pictures, texts : q items of each side, or Tensors of shape (q, d_image) and (q, d_text)
    exact : bool
        False: the closed form of `fall_without`, at no cost. It knows neither the anchor that enters nor the new mean.
    progress : bool
    """
    z, n = _pairs(model, pictures, texts), len(model.bank)
    if not exact:
        sides = zip(model.bank.sides, z, strict=True)
        return fall_without(*(model.represent(*side).to_dense().double() for side in sides), torch.arange(n)).float()
    before = model.similarity(*z).diagonal()  # (q,)
    bar = progress_bar(range(n), desc="removing", unit="anchor", delay=WORTH_A_LINE, progress=progress)
    return torch.stack([before - without(model, *z, [i]).scores.diagonal() for i in bar], dim=1)


def credit(model, picture, texts, by="group", *, progress=True) -> pd.DataFrame:
    """Say which contributors, licences or groups a label's score names, and which of them it would miss.

    These are two questions. A group that is *named* holds a share of the score. A group that is *missed* takes some of
    the score with it when all its anchors leave the bank, exactly as by `without`. A group may be named and not missed,
    because other anchors enter. So where money or blame depends on the answer, ask who would be missed.

    Raises `ParameterError` if the bank has no such column, the column has gaps, nothing contributed, fewer than k
    anchors would be left, or there are several pictures.

    Parameters
    ----------
    model : ASIF
    picture : a picture, or Tensor or array of shape (1, d_image)
    texts : the prompts of one label, or Tensor or array of shape (m, d_text)
        The score is the mean over them.
    by : str
        A column of the bank's pairs.
    progress : bool

    Returns
    -------
    DataFrame
        A row for each value of the column that contributed, the most missed first, all float64. ``missed``: the score
        minus the score without the group; below 0 if the score rises. These do not add up. ``named``: the exact share
        of the score; these add up to 1.
    """
    pairs, sides = model.bank.pairs, model.bank.sides
    if not isinstance(by, str) or by not in pairs:
        columns = ", ".join(map(repr, pairs.columns))
        raise ParameterError(f"by = {by!r} is not one column of the bank; the columns are {columns}")
    if len(gaps := np.flatnonzero(pairs[by].isna() | (pairs[by] == ""))):
        fault = f"column {by!r} is empty for {len(gaps)} of {len(pairs)} anchors, the first is anchor {gaps[0]}"
        raise ParameterError(f"{fault}; fill the column in the bank, so that no credit is lost")
    picture = picture if isinstance(picture, torch.Tensor | np.ndarray) else [picture]
    z = [model.embeddings(*side) for side in zip(sides, (picture, texts), strict=True)]
    table = contributions(*map(model.represent, sides, z), pairs.reset_index(drop=True)[[by]], reduce="mean")
    if not table.contribution.sum() > 0:  # NaN is not
        raise ParameterError("nothing contributed to this score, so there is no credit to share")
    named = table.groupby(by, sort=False).contribution.sum()
    members = pairs.groupby(by).indices
    bar = progress_bar(named.index, desc="removing", unit="group", delay=WORTH_A_LINE, progress=progress)
    left = [float(without(model, *z, members[group]).scores.double().mean()) for group in bar]
    found = pd.DataFrame({"missed": named.sum() - left, "named": named / named.sum()})
    return found.sort_values("missed", ascending=False, kind="stable")


def shapley_values(model, pictures, texts, *, permutations=200, seed=0, progress=True):
    """Estimate the Shapley value of each anchor for a score: the anchors join an empty bank in random orders.

    Return the values and their standard errors, (q, n) float64 each; row i belongs to picture i and text i. The values
    of a row add up to its score. The cosines are those of the whole bank: its mean does not move while anchors join,
    and a bank of fewer than k anchors keeps them all. Castro, Gómez and Tejada, Polynomial calculation of the Shapley
    value based on sampling, Computers & Operations Research 2009.

    Raises `ParameterError` if there are not as many pictures as texts, fewer than two permutations, or `hubs` is set.

    Parameters
    ----------
    model : ASIF
    pictures, texts : q items of each side, or Tensors of shape (q, d_image) and (q, d_text)
    permutations, seed : int
        The errors shrink with the root of the number of permutations.
    progress : bool
    """
    if not isinstance(permutations, Integral) or permutations < 2:
        fault = f"permutations = {permutations!r}: give a whole number; an error needs 2 or more"
        raise ParameterError(f"{fault}, and a small one about 200")
    if model.settings.hubs:
        raise ParameterError(f"hubs = {model.settings.hubs}: hubs depend on who has joined; take a model without them")
    z, n = _pairs(model, pictures, texts), len(model.bank)
    kept = [model.anchors(side).cosines(of_side, n) for side, of_side in zip(model.bank.sides, z, strict=True)]
    ranks = [k.indices.argsort(dim=1).numpy() for k in kept]  # (q, n): the place of each anchor, ties as in the bank
    logs = [model.p * k.values.double().clamp_min(0).log() for k in kept]  # (q, n); a power may underflow, its log not
    logs = [torch.zeros_like(s).scatter_(1, k.indices, s).numpy() for s, k in zip(logs, kept, strict=True)]
    random = np.random.default_rng(check_seed(seed))
    orders = np.stack([random.permutation(n) for _ in range(permutations)])
    bar = progress_bar(range(len(z[0])), desc="Shapley", unit="score", delay=WORTH_A_LINE, progress=progress)
    gains = (_joining(orders, model.k, *(x[i] for x in (*ranks, *logs))) for i in bar)  # (permutations, n) each
    values, spread = zip(*((g.mean(axis=0), g.std(axis=0, ddof=1)) for g in gains), strict=True)
    return torch.from_numpy(np.stack(values)), torch.from_numpy(np.stack(spread)) / permutations**0.5


def _pairs(model, pictures, texts):
    z = [model.embeddings(*side) for side in zip(model.bank.sides, (pictures, texts), strict=True)]
    if len(z[0]) != len(z[1]) or not len(z[0]):
        raise ParameterError(f"{len(z[0])} pictures and {len(z[1])} texts: give as many of both, row i for one score")
    if len(model.bank) < 2:
        raise ParameterError("the bank has one anchor: what an anchor is worth shows beside others; give two or more")
    return z


@njit(nogil=True, cache=True)
def _joining(orders, k, rank, other_rank, log_power, other_log_power):
    """Return what each anchor adds to the score when it joins, for each order (r, n): (r, n) float64.

    A list's largest entry is 1, as in `sharpen`; the scale of a list cancels in its length.
    """
    gains = np.empty(orders.shape)
    for r in range(len(orders)):
        members, worst = np.full((2, k), -1), np.zeros(2, np.int64)  # anchors of both lists; the worst of each
        inside = np.zeros((2, len(rank)), np.bool_)
        before = 0.0
        for step, new in enumerate(orders[r]):
            changed = False
            for side in range(2):
                ranks = rank if side == 0 else other_rank
                place = step if step < k else worst[side]
                if step >= k:
                    if ranks[new] > ranks[members[side, place]]:
                        continue
                    inside[side, members[side, place]] = False
                members[side, place], inside[side, new], changed = new, True, True
                if step >= k - 1:
                    for i in range(k):
                        if ranks[members[side, i]] > ranks[members[side, worst[side]]]:
                            worst[side] = i
            if changed:
                dot, first, second, top, other_top = 0.0, 0.0, 0.0, -np.inf, -np.inf
                for i in range(min(step + 1, k)):
                    top, other_top = max(top, log_power[members[0, i]]), max(other_top, other_log_power[members[1, i]])
                for i in range(min(step + 1, k) if min(top, other_top) > -np.inf else 0):
                    a, b = members[0, i], members[1, i]
                    first += np.exp(2 * (log_power[a] - top))
                    second += np.exp(2 * (other_log_power[b] - other_top))
                    if inside[1, a]:
                        dot += np.exp(log_power[a] - top + other_log_power[a] - other_top)
                after = dot / np.sqrt(first * second) if first * second > 0 else 0.0
            else:
                after = before
            gains[r, new], before = after - before, after
    return gains
