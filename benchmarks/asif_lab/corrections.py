"""Correct the scores for hubs: some texts and pictures win too often, whatever is asked.

A correction receives the scores of queries and candidates, and the scores of the bank's own items for the same
candidates. **Inductive** corrections look at the bank only: each query gets the same answer alone and in a batch.
**Transductive** ones look at all queries of the batch together. They need many queries, and they assume that the
queries spread evenly over the candidates. On skewed classes they can harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from asif_lib.errors import ParameterError
from asif_lib.zeroshot import Classification

from .baselines import Method


def inverted_softmax(scores, bank, beta=10.0) -> torch.Tensor:
    """Inductive: divide each candidate's softmax weight by its sum over the bank's own items.

    The result is the logarithm, β · s(q, c) - log Σ_b exp(β · s(b, c)), over the bank's items b: pictures if pictures
    are asked. Smith et al., Offline bilingual word vectors, orthogonal transformations and the inverted softmax, ICLR
    2017, equation 8, with the bank as its sample.

    Parameters
    ----------
    scores : Tensor of shape (q, c)
        Of q queries and c candidates.
    bank : Tensor of shape (n, c)
        The scores of the bank's items.
    beta : float
    """
    return beta * scores - torch.logsumexp(beta * bank, dim=0)


def bank_z_scores(scores, bank) -> torch.Tensor:
    """Inductive: subtract from each candidate's scores its mean over the bank's items, and divide by its deviation."""
    deviation = bank.std(dim=0, correction=0)
    return (scores - bank.mean(dim=0)) / torch.where(deviation > 0, deviation, 1)


def local_scaling(scores, bank, nearest=10) -> torch.Tensor:
    """Inductive: CSLS, twice the score minus the candidate's mean score with its `nearest` bank items.

    CSLS also subtracts the mean of the query, which changes no order and is left out. Lample et al., Word translation
    without parallel data, ICLR 2018, section 2.3.

    Parameters
    ----------
    scores, bank : as for `inverted_softmax`
    """
    return 2 * scores - bank.topk(min(nearest, len(bank)), dim=0).values.mean(dim=0)


def batch_z_scores(scores, bank=None) -> torch.Tensor:
    """Transductive: standardise each candidate's scores (q, c) over the queries of the batch.

    Raises `ParameterError` if the batch holds one query. The scores of the `bank` are not used.
    """
    _check_batch(scores)
    return bank_z_scores(scores, scores)


def sinkhorn(scores, bank=None, beta=20.0, rounds=50) -> torch.Tensor:
    """Transductive: scale exp(β · scores) until each query sums to 1, and each candidate to q / c.

    Every candidate is then wanted equally often. The result is the logarithm. Cuturi, Sinkhorn distances, NeurIPS 2013,
    algorithm 1, with uniform marginals.

    Raises `ParameterError` if the batch holds one query.

    Parameters
    ----------
    scores : Tensor of shape (q, c)
    bank : not used
    beta : float
    rounds : int
    """
    _check_batch(scores)
    plan = beta * scores.double()
    for _ in range(rounds):
        plan = plan - torch.logsumexp(plan, dim=0)
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
    "z over the bank": Correction(bank_z_scores, {}),
    "CSLS": Correction(local_scaling, {"nearest": (5, 10, 30)}),
    "z over the batch (transductive)": Correction(batch_z_scores, {}, transductive=True),
    "Sinkhorn (transductive)": Correction(sinkhorn, {"beta": (10.0, 20.0, 40.0)}, transductive=True),
}
"""The name of a transductive correction says so, in every table."""
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
        return (
            self._corrected(of_texts, self.method.bank_to_texts, text),
            self._corrected(of_pictures, self.method.bank_to_pictures, image),
        )

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
