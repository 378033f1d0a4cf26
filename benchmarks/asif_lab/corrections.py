"""Correct the scores for hubs: some texts and pictures win too often, whatever is asked.

A correction receives the scores of queries and candidates, and the scores of the bank's own items for the same
candidates. **Inductive** corrections look at the bank only: each query gets the same answer alone and in a batch.
**Transductive** ones look at all queries of the batch together. They need many queries, and assume that these spread
evenly over the candidates. On skewed classes they can harm.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from asif_lib.errors import ParameterError

from .baselines import Method


def inverted_softmax(scores, bank, beta=10.0) -> torch.Tensor:
    """Inductive: divide each candidate's softmax weight by its sum over the bank's own items.

    The result is the logarithm, β · s(q, c) - log Σ_b exp(β · s(b, c)), over the bank's items b: pictures if pictures
    are asked. Smith et al., Offline bilingual word vectors, orthogonal transformations and the inverted softmax, ICLR
    2017, equation 8, with the bank as its sample.

    Parameters
    ----------
    scores, bank : Tensors of shape (q, c) and (n, c)
    beta : float
    """
    return beta * scores - torch.logsumexp(beta * bank, dim=0)


def local_scaling(scores, bank, nearest=10) -> torch.Tensor:
    """Inductive: CSLS, twice the score minus the candidate's mean score with its `nearest` bank items.

    CSLS also subtracts the mean of the query, which changes no order and is left out. Lample et al., Word translation
    without parallel data, ICLR 2018, section 2.3.

    Parameters
    ----------
    scores, bank : as for `inverted_softmax`
    """
    return 2 * scores - bank.topk(min(nearest, len(bank)), dim=0).values.mean(dim=0)


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


@dataclass(frozen=True)
class Correction:
    """A formula for the scores, and the values of its settings that are tried on validation pairs."""

    formula: Callable
    grid: dict
    transductive: bool = False


CORRECTIONS = {
    "inverted softmax": Correction(inverted_softmax, {"beta": (5.0, 10.0, 20.0)}),
    "z over the bank": Correction(z_scores, {}),
    "CSLS": Correction(local_scaling, {"nearest": (5, 10, 30)}),
    "z over the batch (transductive)": Correction(batch_z_scores, {}, transductive=True),
    "Sinkhorn (transductive)": Correction(sinkhorn, {"beta": (10.0, 20.0, 40.0)}, transductive=True),
}
"""The name of a transductive correction says so, in every table."""


class Corrected(Method):
    """A `Method` whose scores a `Correction` corrects, with these settings of its formula."""

    def __init__(self, method, correction, **settings):
        self.method, self.correction, self.settings = method, correction, settings
        self.transductive = method.transductive or correction.transductive

    def fit(self, image, text, validation=None):
        self.method.common = self.common
        self.epochs = self.method.fit(image, text, validation).epochs
        return self

    def similarity(self, image, text):  # for the search of texts: the scores compare the texts of one picture
        return self._corrected(self.method.similarity(image, text), self.method.bank_to_texts, text)

    def both_ways(self, image, text):
        of_texts, of_pictures = self.method.both_ways(image, text)
        of_texts = self._corrected(of_texts, self.method.bank_to_texts, text)
        return of_texts, self._corrected(of_pictures, self.method.bank_to_pictures, image)

    def _corrected(self, scores, of_bank, candidates):
        bank = None if self.correction.transductive else of_bank(candidates)
        return self.correction.formula(scores, bank, **self.settings)


def corrected(make, correction):
    """Return a maker of `Corrected` methods, with the settings of both: it can stand in `METHODS`.

    Examples
    --------
    >>> from asif_lab.methods import METHODS
    >>> make = corrected(METHODS["ASIF"], CORRECTIONS["Sinkhorn (transductive)"])
    >>> make(p=2, beta=20.0).transductive, sorted(make.GRID)
    (True, ['beta', 'p', 'share'])
    """

    def made(**settings):
        own = {key: settings.pop(key) for key in list(settings) if key in correction.grid}
        return Corrected(make(**settings), correction, **own)

    made.GRID, made.transductive = {**make.GRID, **correction.grid}, make.transductive or correction.transductive
    return made
