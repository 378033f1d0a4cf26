"""Deletion and insertion curves: do the anchors that an explanation names first decide most?"""

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.zeroshot import make_prompts

from .contribution import contributions
from .counterfactual import Decision, without
from .removals import TOLERANCE, Removals


def curves(model, pictures, labels, *, templates=(DEFAULT_TEMPLATE,), steps=10, orders=5, refill=True, seed=0):
    """Take the anchors of an explanation away, or bring them back, step by step (Petsiuk et al., RISE, 2018).

    For each picture the anchors that contribute to the score of its predicted label are removed in the order of
    their contributions, and in random orders; insertion starts without all of them and brings them back in the same
    orders. All curves of a picture go through the same anchors: only the order differs.

    Parameters
    ----------
    model : ASIF
    pictures : sequence of pictures, or Tensor of shape (q, d_image)
    labels : sequence of str, two or more
    templates : sequence of str
        A label's score is the mean over them.
    steps : int
        Points of a curve after the first.
    orders : int
        Random orders for each picture.
    refill : bool
        True: a removed anchor is gone from the bank; the next one enters the top k and all is normalised again, as
        `without` does. False: its entries are blanked and nothing else moves, so that a score falls by the
        contributions themselves: then this checks the arithmetic, not the explanation.
    seed : int
        Of the random orders.

    Returns
    -------
    DataFrame
        Columns ``picture``, ``curve`` ("deletion" or "insertion"), ``order`` ("contribution" or "random"),
        ``repeat`` (number of the random order; 0 for the contributions), ``fraction`` (of the anchors, removed or
        brought back), ``anchors`` (how many these are), ``score`` (of the label, as a share of its score with all
        anchors), ``stays`` (whether this label scores above all others).

    Raises
    ------
    ParameterError
        If `steps` or `orders` is not positive, there is no picture, there are fewer than two labels, nothing decides
        a picture, or fewer than k anchors would be left.
    """
    if steps < 1 or orders < 1:
        raise ParameterError(f"steps = {steps}, orders = {orders}: a curve needs at least one of each")
    z_image = model.embeddings("image", pictures)
    if not len(z_image):
        raise ParameterError("there are no pictures to draw curves of")
    z_text = model.embeddings("text", make_prompts(labels, templates))
    random = np.random.default_rng(seed)
    tables = []
    for i in range(len(z_image)):
        decision = Decision(model, z_image[[i]], z_text, labels, "mean")
        table = _of_picture(decision, steps, orders, refill, random)
        table.insert(0, "picture", i)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def area_between(table) -> dict:
    """Return how much faster than at random the scores of `curves` fall, and come back.

    For each picture, the area between the curve in the order of the contributions and the mean of the random ones
    (trapezoids over the fraction), positive where the order of the contributions is better: lower in deletion,
    higher in insertion; 0 for a random order.

    Parameters
    ----------
    table : DataFrame
        From `curves`.

    Returns
    -------
    dict of Measure
        "deletion" and "insertion": the mean over pictures with its 95 % interval.
    """
    areas = table.groupby(["curve", "picture", "order", "repeat"]).apply(
        lambda curve: np.trapezoid(curve.score, curve.fraction), include_groups=False
    )
    areas = areas.groupby(["curve", "picture", "order"]).mean().unstack("order")
    gain = areas.contribution - areas.random
    return {"deletion": mean_with_interval(-gain["deletion"]), "insertion": mean_with_interval(gain["insertion"])}


def _of_picture(decision, steps, orders, refill, random):
    anchors = contributions(
        decision.image, decision.text[decision.prompts(decision.position)], reduce="mean"
    ).anchor.to_numpy(copy=True)
    m, n, k = len(anchors), len(decision.model.bank), decision.model.k
    if refill and n - m < k:
        raise ParameterError(
            f"without the {m} anchors that contribute, {n - m} of {n} are left, fewer than the k = {k} of the "
            f"model; take a model with a smaller k, or refill=False"
        )
    counts = np.unique(np.linspace(0, m, steps + 1).round().astype(int))
    plans = [("contribution", 0, np.arange(m))]
    plans += [("random", repeat, random.permutation(m)) for repeat in range(orders)]
    rows, sets = [], []
    for order, repeat, positions in plans:
        for count in counts:
            first = np.isin(np.arange(m), positions[:count])
            rows += [(curve, order, repeat, count / m, count) for curve in ("deletion", "insertion")]
            sets += [first, ~first]
    scores = _scores(decision, torch.from_numpy(anchors).long(), torch.from_numpy(np.stack(sets)), refill)
    table = pd.DataFrame(rows, columns=["curve", "order", "repeat", "fraction", "anchors"])
    table["score"] = (scores[:, decision.position] / float(decision.scores[decision.position])).numpy()
    others = scores.clone()
    others[:, decision.position] = -torch.inf
    table["stays"] = (scores[:, decision.position] > others.amax(dim=1)).numpy()
    return table


def _scores(decision, anchors, sets, refill):
    """The (b, c) scores of the labels without each of b sets of the anchors, (b, m) bool."""
    if refill:
        scores, ties = Removals(decision.model, decision.z_image, decision.z_text, anchors, len(anchors)).scores(sets)
        for row in (ties > TOLERANCE).nonzero()[:, 0].tolist():
            gone = anchors[sets[row]].tolist()
            scores[row] = without(decision.model, decision.z_image, decision.z_text, gone).scores[0]
        return decision.of_labels(scores)
    image = decision.image.to_csr()[:, anchors.numpy()].toarray()
    text = decision.text.to_csr()[:, anchors.numpy()].toarray()
    given = decision.of_labels(torch.from_numpy(image * text).double().T).T  # (c, m): what each anchor gives
    return decision.scores.double() - sets.double() @ given.T
