"""A notebook that recomputes the page of the explorer: bank, edits, picture, question, answer."""

import base64
import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from asif_book.widgets.parts import TEMPLATES

from .question import answer_without

MOST_ANCHORS = 12
EXPORTED = TEMPLATES.get_template("explore/exported.py.j2")
CELL = re.compile(r"^%% (markdown|code)\n(.*?)(?=^%% |\Z)", flags=re.M | re.S)
MAKE = {"markdown": new_markdown_cell, "code": new_code_cell}


def to_notebook(copy, explanation, ticked=()) -> nbformat.NotebookNode:
    """Return a notebook that recomputes an explanation, and its counterfactual without the ticked anchors.

    Raises `ParameterError` if fewer than k anchors would be left.

    Parameters
    ----------
    copy : WorkingCopy
    explanation : Explanation
    ticked : sequence of str
        Ids of anchors of the explanation's model.
    """
    question = explanation.question
    uploads = {edit.added.id: edit.added for edit in copy.edits if edit.added}
    if question.picture in copy.uploads:
        uploads[question.picture] = copy.uploads[question.picture]
    source = EXPORTED.render(
        copy=copy,
        question=question,
        uploads=list(uploads.values()),
        ticked=list(ticked),
        base64_lines=_base64_lines,
        scores=_by_label(question.labels, explanation.answer),
        scores_without=_by_label(question.labels, answer_without(explanation, ticked)) if ticked else {},
        most=MOST_ANCHORS,
    )
    cells = [MAKE[kind](text.strip()) for kind, text in CELL.findall(source)]
    for number, cell in enumerate(cells):
        cell["id"] = f"explorer-{number:02}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _base64_lines(file):
    text = base64.b64encode(file.read_bytes()).decode()
    return [text[start : start + 100] for start in range(0, len(text), 100)]


def _by_label(labels, answer):
    return dict(zip(labels, answer.scores[0].tolist(), strict=True))
