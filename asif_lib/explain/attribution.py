"""Say what each anchor is worth to a score, by its removal or its Shapley value, and test the order of an explanation.

`contributions` split a score exactly and say *why*. They do not say what happens without an anchor: the next anchor
enters each list, both lists get length 1 again, and the mean of the bank moves. Do the anchors with the largest
contributions decide most? `faithfulness_curves` test an explanation by deletion and insertion.
"""

from numbers import Integral

import numpy as np
import pandas as pd
import torch
from numba import njit

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.machine import WORTH_A_LINE, progress_bar
from asif_lib.settings import check_seed

from .counterfactual import Decision, without
from .removals import TOLERANCE


def removal_effects(model, pictures, texts, *, progress=True) -> torch.Tensor:
    """Remove each anchor alone and score again: (q, n) float32, the score minus the score without the anchor.

    Row i belongs to picture i and text i. Every anchor has an effect, also outside both lists of k, because it moves
    the mean. A negative one belongs to an anchor whose removal raises the score. The effects do not add up to the
    score. Each removal is exact, as by `without`, with all settings of the model.

    Raises `ParameterError` if there are not as many pictures as texts, or k anchors would not be left.

    Parameters
    ----------
    model : ASIF
    pictures, texts : q items of each side, or Tensors of shape (q, d_image) and (q, d_text)
    progress : bool
    """
    z, n = _pairs(model, pictures, texts), len(model.bank)
    before = model.similarity(*z).diagonal()  # (q,)
    bar = progress_bar(range(n), desc="removing", unit="anchor", delay=WORTH_A_LINE, progress=progress)
    return torch.stack([before - without(model, *z, [i]).scores.diagonal() for i in bar], dim=1)


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
    powers = [torch.zeros_like(s).scatter_(1, k.indices, s).numpy() for s, k in zip(logs, kept, strict=True)]
    random = np.random.default_rng(check_seed(seed))
    orders = np.stack([random.permutation(n) for _ in range(permutations)])
    bar = progress_bar(range(len(z[0])), desc="Shapley", unit="score", delay=WORTH_A_LINE, progress=progress)
    gains = (_joining(orders, model.k, *(x[i] for x in (*ranks, *powers))) for i in bar)  # (permutations, n) each
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
                    first, second = (
                        first + np.exp(2 * (log_power[a] - top)),
                        second + np.exp(2 * (other_log_power[b] - other_top)),
                    )
                    if inside[1, a]:
                        dot += np.exp(log_power[a] - top + other_log_power[a] - other_top)
                after = dot / np.sqrt(first * second) if first * second > 0 else 0.0
            else:
                after = before
            gains[r, new], before = after - before, after
    return gains


def faithfulness_curves(
    model, pictures, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, steps=10, orders=5, seed=0
) -> pd.DataFrame:
    """Remove the anchors of an explanation step by step, or bring them back (Petsiuk et al., RISE, 2018).

    For each picture the anchors that contribute to its predicted label are removed in the order of their
    contributions, and in random orders, as by `without`. Insertion starts without all of these anchors and brings them
    back in the same orders. All curves of a picture use the same anchors; only the order differs.

    Raises `ParameterError` if `steps` or `orders` is not positive, there is no picture, there are fewer than two
    labels, nothing decides a picture, fewer than k would be left, or the model corrects for hubs or whitens.

    Parameters
    ----------
    model, pictures, labels, templates, prompts : ASIF, and as for its `classify`
        A label's score is the mean over its prompts.
    steps, orders, seed : int
        Points of a curve after the first; random orders for each picture, and their seed.

    Returns
    -------
    DataFrame
        Columns ``picture``, ``curve`` ("deletion" or "insertion"), ``order`` ("contribution" or "random"), ``repeat``
        (number of the random order), ``fraction`` (of the anchors, removed or brought back), ``anchors`` (their
        number), ``score`` (of the label, as a share of its score with all anchors), ``stays`` (whether it is highest).
    """
    if steps < 1 or orders < 1:
        raise ParameterError(f"steps = {steps}, orders = {orders}: a curve needs at least one of each")
    z_image = model.embeddings(model.bank.sides[0], pictures)
    if not len(z_image):
        raise ParameterError("there are no pictures to draw curves of")
    z_text = model.prompts(labels, templates, prompts)
    random = np.random.default_rng(check_seed(seed))
    bar = progress_bar(range(len(z_image)), desc="curves", unit="picture", delay=WORTH_A_LINE)
    tables = [_of_picture(Decision(model, z_image[[i]], z_text, labels), steps, orders, random) for i in bar]
    return pd.concat(tables, keys=range(len(tables)), names=["picture"]).reset_index("picture").reset_index(drop=True)


def area_between(table) -> dict:
    """Return the area between the curve in the order of the contributions and the mean random one.

    The `table` is from `faithfulness_curves`. The area is summed by trapezoids over the fraction. It is positive if the
    order of the contributions is better: lower in deletion, higher in insertion. The result has a `Measure` for
    "deletion" and for "insertion": the mean over pictures with its 95 % interval.
    """
    areas = table.groupby(["curve", "picture", "order", "repeat"]).apply(
        lambda curve: np.trapezoid(curve.score, curve.fraction), include_groups=False
    )
    areas = areas.groupby(["curve", "picture", "order"]).mean().unstack("order")
    gain = areas.contribution - areas.random
    return {"deletion": mean_with_interval(-gain["deletion"]), "insertion": mean_with_interval(gain["insertion"])}


def _of_picture(decision, steps, orders, random):
    anchors = decision.anchors()
    m, n, k = len(anchors), len(decision.model.bank), decision.model.k
    if n - m < k:
        fault = f"without the {m} anchors that contribute, {n - m} of {n} are left, fewer than the k = {k} of the model"
        raise ParameterError(f"{fault}; take a model with a smaller k")
    counts = np.unique(np.linspace(0, m, steps + 1).round().astype(int))
    plans = [("contribution", 0, np.arange(m))]
    plans += [("random", repeat, random.permutation(m)) for repeat in range(orders)]
    rows, sets = [], []
    for order, repeat, positions in plans:
        places = positions.argsort()
        for count in counts:
            rows += [(curve, order, repeat, count / m, count) for curve in ("deletion", "insertion")]
            sets += [places < count, places >= count]
    scores = _scores(decision, torch.from_numpy(anchors).long(), torch.from_numpy(np.stack(sets)))
    table = pd.DataFrame(rows, columns=["curve", "order", "repeat", "fraction", "anchors"])
    table["score"] = (scores[:, decision.position] / float(decision.scores[decision.position])).numpy()
    table["stays"] = (decision.leads(scores) > 0).numpy()
    return table


def _scores(decision, anchors, sets):
    """Return the (b, c) scores of the labels without each of b sets of the anchors, (b, m) bool."""
    sets, place = sets.unique(dim=0, return_inverse=True)  # all curves share their ends
    scores, ties = decision.removals(anchors, len(anchors)).scores(sets)
    for row in (ties > TOLERANCE).nonzero()[:, 0].tolist():
        gone = anchors[sets[row]].tolist()
        scores[row] = without(decision.model, decision.z_image, decision.z_text, gone).scores[0]
    return decision.of_labels(scores)[place]
