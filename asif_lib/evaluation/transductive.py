"""Correct the scores of a batch by a look at all its pictures together.

Such corrections need many pictures, and they assume that the pictures spread evenly over the labels. On skewed classes
they can harm.
"""

from dataclasses import replace

import torch

from asif_lib.errors import ParameterError
from asif_lib.zeroshot import Classification


def z_scores(scores, sample) -> torch.Tensor:
    """Subtract from each candidate's scores its mean over a `sample` of scores (n, c), and divide by its deviation."""
    deviation = sample.std(dim=0, correction=0)
    return (scores - sample.mean(dim=0)) / torch.where(deviation > 0, deviation, 1)


def batch_z_scores(scores, bank=None) -> torch.Tensor:
    """Transductive: standardise each candidate's scores (q, c) over the queries of the batch.

    Raises `ParameterError` if the batch holds one query. The scores of the `bank` are not used.
    """
    _check_batch(scores)
    return z_scores(scores, scores)


def sinkhorn(scores, bank=None, beta=20.0, rounds=50, shares=None) -> torch.Tensor:
    """Transductive: scale exp(β · scores) until each query sums to 1, and each candidate to its share of the q queries.

    By default every candidate is wanted equally often. The result is the logarithm. Cuturi, Sinkhorn distances, NeurIPS
    2013, algorithm 1.

    Raises `ParameterError` if the batch holds one query.

    Parameters
    ----------
    scores : Tensor of shape (q, c)
    bank : not used
    beta : float
    rounds : int
    shares : Tensor of shape (c,), optional
        How often each candidate is wanted; above 0. Only their ratios count.
    """
    _check_batch(scores)
    plan, wanted = beta * scores.double(), 0.0 if shares is None else shares.double().log()
    for _ in range(rounds):
        plan = plan - torch.logsumexp(plan, dim=0) + wanted
        plan = plan - torch.logsumexp(plan, dim=1, keepdim=True)
    return plan.float()


def _check_batch(scores):
    if len(scores) < 2:
        raise ParameterError("of the batch, fewer than two have a score; ask several, or use an inductive correction")


TRANSDUCTIVE = {"sinkhorn": sinkhorn, "z": batch_z_scores}
"""The corrections of `correct_batch`, by the names that ``asif evaluate --transductive`` takes."""


def correct_batch(answer, name) -> Classification:
    """Correct the scores of a `Classification` by a look at all its pictures together, and mark it as transductive.

    The result is the softmax over the labels of what the correction returns: with ``"sinkhorn"`` its plan, and with
    ``"z"`` positive numbers in the order of the z-scores. A picture that shares no anchor with any label has no part in
    it, and stays undecided. A label that shares no anchor with any picture never wins. The correction has its default
    settings, since no label of the batch may choose them.

    Raises `ParameterError` if the name is unknown, or fewer than two pictures are decided.

    Examples
    --------
    >>> answer = Classification(["cat", "dog"], torch.tensor([[0.9, 0.8], [0.7, 0.1], [0.9, 0.3]]))
    >>> answer.best, correct_batch(answer, "sinkhorn").best
    (['cat', 'cat', 'cat'], ['dog', 'cat', 'cat'])
    """
    if name not in TRANSDUCTIVE:
        raise ParameterError(f"there is no transductive correction {name!r}; take one of: {', '.join(TRANSDUCTIVE)}")
    pictures, labels = (answer.predicted >= 0).nonzero(), (answer.scores > 0).any(dim=0).nonzero().squeeze(1)
    scores = torch.zeros_like(answer.scores)
    scores[pictures, labels] = TRANSDUCTIVE[name](answer.scores[pictures, labels]).softmax(dim=1)
    return replace(answer, scores=scores, transductive=name)
