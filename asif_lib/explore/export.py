"""The state of the explorer as a notebook that recomputes it: bank, edits, picture, question, answer."""

import base64

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .question import counterfactual

MOST_ANCHORS = 12

INTRO = """# What the explorer showed: bank {bank}

This notebook computes again what the page of `asif explore` showed when it was exported: the same bank with the same
edits, the same picture, labels, k and p. It edits a copy of the bank in memory; the stored bank stays as it is. Its
last cell compares the scores with those of the page."""

BANK = """import warnings

import pandas as pd
from IPython.display import display

from asif_lib import ASIF, AnchorBank
from asif_lib.explain.counterfactual import without
from asif_lib.figures import show, show_pictures
from asif_lib.explain.contribution import contributions, contrast
from asif_lib.zeroshot import make_prompts

stored = AnchorBank.load({bank!r})
if (stored.version, len(stored)) != ({version}, {count}):
    warnings.warn("the page saw version {version} of this bank, with {count} pairs; the numbers may differ")
bank = stored.subset(range(len(stored)))  # in memory: edits stay here
model = ASIF(bank, device={device!r})  # loads the bank's own encoders when they are needed
bank"""

UPLOADS = """import base64
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
uploads = {{}}  # {names}
{files}"""
UPLOAD = """uploads[{id!r}] = folder / {file!r}
uploads[{id!r}].write_bytes(base64.b64decode(
{data}
))"""

ADD = """bank = bank.add(
    Pairs("upload", [uploads[{id!r}]], [{caption!r}], [{id!r}], [""], {{}}),
    model.encoder("image"), model.encoder("text"),
)"""
REMOVE = "bank = bank.remove({ids!r})"

QUESTION = """labels = {labels!r}
template = {template!r}
{picture}
own = bank.pairs["id"] == {id!r}
anchors = bank{held_out}
model = ASIF(anchors, {k}, {p}, device={device!r})
z = {z}
{show}"""

RANKING = """prompts = make_prompts(labels, [template])
answer = model.classify(z, labels, templates=[template])
scores = pd.Series(answer.scores[0].tolist(), index=labels, name="score").sort_values(ascending=False, kind="stable")
display(scores.to_frame())
answer.best[0]"""

ANCHORS = """image, texts = model.images(z), model.texts(prompts)
first = labels.index(scores.index[0])
deciding = contributions(image, texts[[first]], anchors.pairs)
shown = deciding.head({most})
if len(shown):
    titles = [f"{{row.contribution:.4f}} {{row.caption}}" for row in shown.itertuples()]
    title = f"Anchors that decided for {{labels[first]!r}}"
    show(show_pictures(shown["picture"].tolist(), titles, title=title), f"{{title}}: {{'; '.join(titles)}}")
deciding"""

CONTRAST = """second = labels.index(scores.index[1])
against = contrast(image, texts[[first]], texts[[second]], anchors.pairs)
print(f"{{labels[first]!r}} (column text) held against {{labels[second]!r}} (column other)")
against"""

COUNTERFACTUAL = """ticked = {ids!r}
rows = [anchors.pairs["id"].tolist().index(id) for id in ticked]
counterfactual = without(model, z, prompts, rows)
display(pd.DataFrame({{"before": counterfactual.before[0], "without": counterfactual.scores[0]}}, index=labels))
counterfactual.entered.join(anchors.pairs, on="anchor")"""

COMPARE = """page = pd.Series({scores!r}, name="page")
here = pd.Series(answer.scores[0].tolist(), index=labels)
difference = float((page - here).abs().max())
{ticked}print("largest difference of a score from the page's:", difference)"""
COMPARE_TICKED = """page_without = pd.Series({scores!r})
here_without = pd.Series(counterfactual.scores[0].tolist(), index=labels)
difference = max(difference, float((page_without - here_without).abs().max()))
"""


def to_notebook(copy, explanation, ticked=()) -> nbformat.NotebookNode:
    """Return a notebook that recomputes an explanation, and its counterfactual without the ticked anchors.

    Parameters
    ----------
    copy : WorkingCopy
    explanation : Explanation
    ticked : sequence of str
        Ids of anchors of the explanation's model.

    Raises
    ------
    ParameterError
        If without the ticked anchors fewer than k would be left.
    """
    question, cells = explanation.question, []
    used = [edit.added for edit in copy.edits if edit.added]
    if question.picture in copy.uploads and copy.uploads[question.picture] not in used:
        used.append(copy.uploads[question.picture])
    about = {"bank": copy.name, "version": copy.stored.version, "count": len(copy.stored), "device": copy.device}
    cells += [new_markdown_cell(INTRO.format(**about)), new_code_cell(BANK.format(**about))]
    if used:
        cells += [new_markdown_cell("## Uploaded pictures"), new_code_cell(_uploads(used))]
    if copy.edits:
        cells += [new_markdown_cell("## Edits"), new_code_cell(_edits(copy.edits))]
    cells += [new_markdown_cell("## Question"), new_code_cell(_question(copy, explanation))]
    cells += [new_markdown_cell("## Ranking"), new_code_cell(RANKING)]
    cells += [new_markdown_cell("## Anchors that decided"), new_code_cell(ANCHORS.format(most=MOST_ANCHORS))]
    if len(question.labels) > 1:
        cells += [new_markdown_cell("## The first label against the second"), new_code_cell(CONTRAST.format())]
    compare = ""
    if ticked:
        cells += [new_markdown_cell("## Without the ticked anchors")]
        cells += [new_code_cell(COUNTERFACTUAL.format(ids=list(ticked)))]
        without_them = counterfactual(explanation, ticked).scores[0].tolist()
        compare = COMPARE_TICKED.format(scores=dict(zip(question.labels, without_them, strict=True)))
    scores = dict(zip(question.labels, explanation.answer.scores[0].tolist(), strict=True))
    cells += [new_markdown_cell("## As on the page?")]
    cells += [new_code_cell(COMPARE.format(scores=scores, ticked=compare))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(cells):
        cell["id"] = f"explorer-{number:02}"
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _uploads(uploads):
    files = [
        UPLOAD.format(id=one.id, file=one.file.name, data=_lines(base64.b64encode(one.file.read_bytes()).decode()))
        for one in uploads
    ]
    return UPLOADS.format(names=", ".join(repr(one.name) for one in uploads), files="\n".join(files))


def _lines(text, width=100):
    return "\n".join(f'    "{text[start : start + width]}"' for start in range(0, len(text), width))


def _edits(edits):
    lines = ["from asif_lib.datasets.pairs import Pairs\n"] if any(edit.added for edit in edits) else []
    for edit in edits:
        if edit.added:
            lines.append(ADD.format(id=edit.added.id, caption=edit.caption))
        else:
            lines.append(REMOVE.format(ids=list(edit.removed)))
    return "\n".join([*lines, "bank"])


def _question(copy, explanation):
    question = explanation.question
    if question.picture in copy.uploads:
        name = copy.uploads[question.picture].name
        picture, z = f"picture = uploads[{question.picture!r}]", 'model.embeddings("image", [picture])'
        show = f"show(show_pictures([picture], [{name!r}]), {name!r})"
    else:
        picture = f'picture = stored.pairs["id"].tolist().index({question.picture!r})  # a row of the stored bank'
        z = "stored.image[[picture]]"
        show = (
            'caption = stored.pairs["caption"][picture]\n'
            'show(show_pictures([stored.pairs["picture"][picture]], [caption]), caption)'
        )
    held_out = ".subset((~own).to_numpy().nonzero()[0].tolist())  # the picture's own pair is left out"
    return QUESTION.format(
        labels=list(question.labels),
        template=question.template,
        picture=picture,
        id=question.picture,
        held_out=held_out if question.held_out else "",
        k=question.k,
        p=question.p,
        device=copy.device,
        z=z,
        show=show,
    )
