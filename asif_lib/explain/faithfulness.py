"""Test an explanation by deletion and insertion: do the anchors with the largest contributions decide most?"""

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.machine import WORTH_A_LINE, progress_bar

from .counterfactual import Decision, without
from .removals import TOLERANCE


def faithfulness_curves(
    model, pictures, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, steps=10, orders=5, seed=0
) -> pd.DataFrame:
    """Remove the anchors of an explanation step by step, or bring them back (Petsiuk et al., RISE, 2018).

    For each picture the anchors that contribute to its predicted label are removed in the order of their
    contributions, and in random orders, as by `without`. Insertion starts without all of these anchors and brings them
    back in the same orders. All curves of a picture use the same anchors; only the order differs.

    Raises `ParameterError` if `steps` or `orders` is not positive, there is no picture, there are fewer than two
    labels, nothing decides a picture, or fewer than k would be left. With hubs or whitening each point of a curve
    represents all anchors again: 25 to 60 ms of one core with 600 anchors.

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
    random = np.random.default_rng(seed)
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
