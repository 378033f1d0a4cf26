"""One picture against labels: the ranking, the anchors that decided, and the ranking without some of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contrast, contributions
from asif_lib.explain.counterfactual import without
from asif_lib.zeroshot import ASIF, Classification, make_prompts

TEMPLATE = "a photo of {}."


@dataclass(frozen=True)
class Question:
    """What is asked of a working copy.

    Attributes
    ----------
    picture : str
        The id of a pair of the stored bank, or of an upload.
    labels : tuple of str
    k : int
    p : float
    held_out : bool
        Leave the picture's own pair, where it is an anchor, out of the anchors.
    template : str
    """

    picture: str
    labels: tuple
    k: int
    p: float
    held_out: bool = True
    template: str = TEMPLATE


@dataclass(frozen=True)
class Explanation:
    """The answer to a question, and what made it.

    Attributes
    ----------
    question : Question
    model : ASIF
        Over the anchors that were asked: the copy's, less the picture's own pair where it is held out.
    z : Tensor of shape (1, d_image)
    prompts : list of str
        One for each label.
    answer : Classification
    order : list of int
        Positions of the labels, the largest score first.
    anchors : DataFrame
        Every anchor that contributes to the first label or the second: columns ``anchor`` (row of the model's
        bank), ``first``, ``second`` (contributions to their scores), ``difference``, and those of the bank's table;
        the largest contribution to the first label first. Without a second label, its column is zero.
    """

    question: Question
    model: ASIF
    z: torch.Tensor
    prompts: list
    answer: Classification
    order: list
    anchors: pd.DataFrame

    @property
    def ranking(self) -> list:
        """(label, score) of each label, the largest score first."""
        return [(self.answer.labels[i], float(self.answer.scores[0, i])) for i in self.order]


def explain(copy, question) -> Explanation:
    """Answer a question, and say which anchors decided.

    Raises
    ------
    ParameterError
        If k, p, a label or the template cannot be used.
    """
    prompts = make_prompts(question.labels, [question.template])
    z = copy.embedding(question.picture)
    model = ASIF(
        _anchors(copy.bank, question), question.k, question.p, device=copy.device, text_encoder=copy.encoder("text")
    )
    image, texts = model.images(z), model.texts(prompts)
    answer = Classification(list(question.labels), image.similarity(texts))
    order = answer.scores[0].argsort(descending=True, stable=True).tolist()
    return Explanation(question, model, z, prompts, answer, order, _deciding(image, texts, order, model.bank.pairs))


def _anchors(bank, question):
    own = (bank.pairs["id"] == question.picture).to_numpy()
    return bank.subset(np.flatnonzero(~own).tolist()) if question.held_out and own.any() else bank


def _deciding(image, texts, order, pairs):
    if len(order) > 1:
        table = contrast(image, texts[[order[0]]], texts[[order[1]]])
        table = table.rename(columns={"text": "first", "other": "second"})
    else:
        table = contributions(image, texts[[order[0]]])[["anchor", "contribution"]]
        table = table.rename(columns={"contribution": "first"}).assign(second=0.0)
        table["difference"] = table["first"]
    table = table.sort_values("first", ascending=False, kind="stable", ignore_index=True)
    return table[["anchor", "first", "second", "difference"]].join(pairs, on="anchor")


def counterfactual(explanation, ids):
    """Return the `Counterfactual` of an explanation without the anchors of those ids; see `without`.

    Raises
    ------
    ParameterError
        If one is not among the anchors, or fewer than k would be left.
    """
    rows = pd.Index(explanation.model.bank.pairs["id"]).get_indexer(list(ids))
    if (rows < 0).any():
        raise ParameterError(f"{list(ids)[int(np.argmin(rows))]}: is not among the anchors")
    return without(explanation.model, explanation.z, explanation.prompts, rows.tolist())
