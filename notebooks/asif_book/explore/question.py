"""One picture against labels: the ranking, the anchors that decided, the answer without some, and a notebook of all."""

import base64
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from asif_book.widgets.parts import TEMPLATES
from asif_lib.defaults import BARE_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contrast, contributions, familiarity
from asif_lib.explain.counterfactual import without
from asif_lib.zeroshot import ASIF, Classification, make_prompts


@dataclass(frozen=True)
class Question:
    """A question to a working copy."""

    picture: str  # the id of a pair of the stored bank, or of an upload
    labels: tuple[str, ...]
    k: int
    p: float
    held_out: bool = True  # whether the anchors exclude the own pair of the picture
    template: str = BARE_TEMPLATE


@dataclass(frozen=True)
class Explanation:
    """The answer to a question, and its reasons.

    `anchors` has a row for each anchor that contributes to the first or the second label. Columns ``anchor`` (row of
    the model's bank), ``first``, ``second`` (contributions to the two scores), ``difference``, ``entry``,
    ``first_entry``, ``second_entry`` (of the picture and of the two labels: the contributions are their products),
    and the columns of the bank's table; the largest ``first`` first. With one label, ``second`` is zero.
    """

    question: Question
    model: ASIF  # over the anchors of the copy, without the own pair of the picture if it is held out
    z: torch.Tensor  # (1, d_image)
    prompts: list[str]  # one for each label
    answer: Classification
    order: list[int]  # positions of the labels, the largest score first
    anchors: pd.DataFrame
    nearest: int  # the most similar anchor, a row of the model's bank
    familiarity: float  # the cosine of the picture with it

    @property
    def ranking(self) -> list:
        """(label, score) of each label, the largest score first."""
        return [(self.answer.labels[i], float(self.answer.scores[0, i])) for i in self.order]


def explain(copy, question) -> Explanation:
    """Answer a question, and find the anchors that decided.

    Raises `ParameterError` if k, p, a label or the template cannot be used.
    """
    prompts = make_prompts(question.labels, [question.template])
    z, own = copy.embedding(question.picture), (copy.bank.pairs["id"] == question.picture).to_numpy()
    held_out = question.held_out and own.any()
    anchors = copy.bank.subset(np.flatnonzero(~own).tolist()) if held_out else copy.bank
    model = ASIF(anchors, question.k, question.p, device=copy.device, text_encoder=copy.encoder("text"))
    image, texts = model.images(z), model.texts(prompts)
    answer = Classification(list(question.labels), image.similarity(texts))
    order = answer.scores[0].argsort(descending=True, stable=True).tolist()
    if len(order) > 1:
        table = contrast(image, texts[[order[0]]], texts[[order[1]]])
        table = table.rename(columns={"text": "first", "other": "second"})
    else:
        table = contributions(image, texts)[["anchor", "contribution"]].rename(columns={"contribution": "first"})
        table = table.assign(second=0.0, difference=table["first"])
    table = table.sort_values("first", ascending=False, kind="stable", ignore_index=True)
    vectors = {"entry": image, "first_entry": texts[order[:1]], "second_entry": texts[order[1:2] or order[:1]]}
    for column, vector in vectors.items():
        table[column] = vector.to_dense()[0][table["anchor"].tolist()].numpy()
    deciding = table[["anchor", "first", "second", "difference", *vectors]].join(model.bank.pairs, on="anchor")
    near = int(image.indices[0, 0]), float(familiarity(model, z))
    return Explanation(question, model, z, prompts, answer, order, deciding, *near)


def answer_without(explanation, ids):
    """Answer the question without the anchors of those ids; return the `Counterfactual` of `without`.

    Raises `ParameterError` if an id is not among the anchors, or fewer than k anchors would be left.
    """
    rows = pd.Index(explanation.model.bank.pairs["id"]).get_indexer(list(ids))
    if (rows < 0).any():
        raise ParameterError(f"{list(ids)[int(np.argmin(rows))]}: is not among the anchors")
    return without(explanation.model, explanation.z, explanation.prompts, rows.tolist())


# A notebook that recomputes the page: bank, edits, picture, question, answer

MOST_ANCHORS = 12
EXPORTED = TEMPLATES.get_template("explore/exported.py.j2")
CELL = re.compile(r"^%% (markdown|code)\n(.*?)(?=^%% |\Z)", flags=re.M | re.S)


def to_notebook(copy, explanation, ticked=()):
    """Return an `nbformat` notebook that recomputes an explanation, and its counterfactual without the ticked anchors.

    Raises `ParameterError` if fewer than k anchors would be left.

    Parameters
    ----------
    copy : WorkingCopy
    explanation : Explanation
    ticked : sequence of str
        Ids of anchors of the explanation's model.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    question, make = explanation.question, {"markdown": new_markdown_cell, "code": new_code_cell}
    uploads = {edit.added.id: edit.added for edit in copy.edits if edit.added}
    if question.picture in copy.uploads:
        uploads[question.picture] = copy.uploads[question.picture]
    source = EXPORTED.render(
        copy=copy,
        question=question,
        uploads=list(uploads.values()),
        ticked=list(ticked),
        base64_lines=lambda file: re.findall(".{1,100}", base64.b64encode(file.read_bytes()).decode()),
        scores=_by_label(question.labels, explanation.answer),
        scores_without=_by_label(question.labels, answer_without(explanation, ticked)) if ticked else {},
        most=MOST_ANCHORS,
    )
    cells = [make[kind](text.strip()) for kind, text in CELL.findall(source)]
    for number, cell in enumerate(cells):
        cell["id"] = f"explorer-{number:02}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _by_label(labels, answer):
    return dict(zip(labels, answer.scores[0].tolist(), strict=True))
