"""Correct the scores of a batch by a look at all its pictures together.

Such corrections need many pictures, and they assume that the pictures spread evenly over the labels. On skewed classes
they can harm.
"""

import torch

from asif_lib.errors import ParameterError


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
