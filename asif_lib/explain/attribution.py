"""Say what each anchor is worth to a score, by its removal or its Shapley value.

`contributions` split a score exactly and say *why*. They do not say what happens without an anchor: the next anchor
enters each list, both lists get length 1 again, and the mean of the bank moves.
"""

from numbers import Integral

import numpy as np
import torch
from numba import njit

from asif_lib.errors import ParameterError
from asif_lib.machine import WORTH_A_LINE, progress_bar
from asif_lib.settings import check_seed

from .counterfactual import without
from .removals import TOLERANCE


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


def fall_without(x, y, groups) -> torch.Tensor:
    """Return by how much the score of vectors x and y (q, n) falls without each group of anchors, (q, g) float64.

    Let x and y have length 1, and let x · y be the score s. Take the entries of the group out of both, and scale both
    to length 1 again: the score is (s - Σ x y) / √((1 - Σ x²) (1 - Σ y²)), with sums over the group. Of one anchor,
    the score falls by s - (s - x y) / √((1 - x²) (1 - y²)). No other anchor enters, and the mean stays.

    `groups` (n,) int64 has the number of each anchor's group, from 0.

    >>> x, y = torch.tensor([[0.6, 0.8]]).double(), torch.tensor([[0.8, 0.6]]).double()
    >>> fall_without(x, y, torch.tensor([0, 1])).round(decimals=2)
    tensor([[-0.0400, -0.0400]], dtype=torch.float64)
    """
    rest = []  # the sums over the anchors that stay, (q, g) each
    for products in (x * y, x * x, y * y):
        gone = products.new_zeros(len(products), int(groups.max()) + 1).index_add_(1, groups, products)
        rest.append(products.sum(dim=1, keepdim=True) - gone)
    lengths = (rest[1] * rest[2]).clamp_min(0).sqrt()
    after = torch.where(lengths > TOLERANCE, rest[0] / lengths, 0.0)  # of nothing, no score
    return (x * y).sum(dim=1, keepdim=True) - after


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
