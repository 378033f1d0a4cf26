"""No text of data becomes an element of a page, an attribute, a cell of a notebook, or a formula in a figure."""

import json

import ipywidgets
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import WORDS
from hostile import HOSTILE, made_of_data
from jinja2 import nodes
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from asif_book import figures, widgets
from asif_book.checks.judging import Verdict
from asif_book.checks.own_progress import Overview
from asif_book.figures.style import image_html
from asif_book.figures.templates import TEMPLATES
from asif_book.report.book import search_page
from asif_book.report.rendering import render
from asif_book.widgets.parts import problem
from asif_lib import ASIF, AnchorBank
from asif_lib.datasets.pairs import Pairs
from asif_lib.errors import AsifError
from asif_lib.explain.contribution import contributions

COUNT = 24
CAPTIONS = [f"a {WORDS[i % 12 + 4]} {HOSTILE} {i}" for i in range(COUNT)]  # tiny-bert reads the first words only


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Captioned pictures, every text of which is hostile."""
    folder, ids = tmp_path_factory.mktemp("hostile"), [f"{HOSTILE}{i}" for i in range(COUNT)]
    pictures = [folder / f"{i}.png" for i in range(COUNT)]
    for i, picture in enumerate(pictures):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (24, 24, 3), np.uint8)).save(picture)
    splits = {name: range(i, COUNT, 3) for i, name in enumerate(("train", "validation", "test"))}
    return Pairs(HOSTILE, pictures, CAPTIONS, ids, [f"{HOSTILE}g"] * COUNT, splits, HOSTILE)


@pytest.fixture(scope="module")
def bank(pairs, tiny):
    return AnchorBank.build(pairs, *tiny, name=HOSTILE, progress=False).replace(licence=HOSTILE)


def pages(widget):
    """Yield all HTML that a widget holds, in its children too."""
    if isinstance(widget, ipywidgets.HTML):
        yield widget.value
    for output in widget.outputs if isinstance(widget, ipywidgets.Output) else ():
        pytest.fail("\n".join(output["traceback"]))
    for child in getattr(widget, "children", ()):
        yield from pages(child)


def assert_shown(*found):
    """The text is shown, and no part of it is more than text."""
    assert [made for page in found for made in made_of_data(page)] == []
    assert any("zq" in str(page) for page in found)


def test_widgets(bank, tiny):
    model = ASIF(bank, 9, device="cpu", image_encoder=tiny[0], text_encoder=tiny[1])
    labels, pictures = [HOSTILE, "a dog"], bank.pairs["picture"]
    found = [page for page in pages(widgets.your_picture(model, labels)) if page]
    assert [one for page in found for one in made_of_data(page)] == [] and "✘" not in "".join(found)
    vector = model.images(bank.image[:1])
    assert_shown(widgets.answer_html(model, HOSTILE, pictures[0], vector, labels, "{}", pictures))
    with pytest.raises(AsifError, match="zq") as caught:
        widgets.answer_html(model, "a", pictures[0], vector, labels, HOSTILE, pictures)
    assert_shown(problem(caught.value))


def test_drawn_explanations(bank, pairs, tiny):
    model = ASIF(bank, 9, device="cpu", image_encoder=tiny[0], text_encoder=tiny[1])
    reasons = contributions(model.images(bank.image[:1]), model.texts([HOSTILE]), bank.pairs)
    reasons = reasons.assign(arrived=True)
    picture, cosines = pairs.pictures[0], torch.rand(6)
    names = [HOSTILE, f"{HOSTILE}2"]
    for drawn in (
        figures.two_matrices(bank, range(4), (1, 0, 3, 2)),
        figures.best_anchors(picture, HOSTILE, {0: (HOSTILE, reasons), 5: ("a dog", reasons)}),
        figures.score_ledger(model, picture, HOSTILE, bank.image[:1], names, bank.text[:2]),
        figures.relative_matrix(bank, bank, [0, 1, 2], 0, 1),
        figures.star_of_angles(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0], [1.0, 0.0]]), names, 30),
        figures.four_steps(HOSTILE, cosines, pairs.pictures[:6], pairs.captions[:6], 3, 2),
        figures.who_sees_what(pairs),
        figures.lined_up([dict.fromkeys(names[:1], torch.ones(2, 3)) | {names[1]: torch.ones(3)}]),
    ):
        assert_shown(drawn.data)


def test_figures_and_their_alternative_texts(pairs):
    figure = figures.line_chart({HOSTILE: ([1, 2], [1, 2])}, xlabel="costs $5 or $6", ylabel=r"$\frac{$")
    assert_shown(image_html(figure, HOSTILE))
    assert_shown(figures.show_pictures(pairs.pictures[:1], [HOSTILE]).data)
    assert_shown(figures.anchor_bars(HOSTILE, [("", HOSTILE, 1)], xlabel=HOSTILE).data)
    assert_shown(figures.confusion_matrix(np.eye(1, dtype=int), [HOSTILE]).data)


def test_verdicts_and_progress():
    verdict = Verdict(HOSTILE, "wrong", HOSTILE, HOSTILE, HOSTILE)
    overview = Overview("00", {"00.1": HOSTILE}, {}, HOSTILE)
    assert_shown(verdict._repr_html_())
    assert_shown(overview._repr_html_())


def test_a_page_of_the_book(pairs, tmp_path):
    data = {"text/plain": HOSTILE}
    picture = {"image/png": "iVBORw0KGgo=", "text/plain": HOSTILE}
    outputs = [
        new_output("stream", name="stdout", text=HOSTILE), new_output("stream", name="stderr", text=HOSTILE),
        new_output("execute_result", data=data), new_output("display_data", data=data),
        new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
        new_output("display_data", data=picture, metadata={"image/png": {"alt": HOSTILE, "width": HOSTILE}}),
        new_output("display_data", data={"text/html": pd.DataFrame({HOSTILE: [HOSTILE]})._repr_html_()}),
    ]  # fmt: skip
    cells = [
        new_code_cell(f'"""{HOSTILE}"""', outputs=outputs, metadata={"tags": [HOSTILE]}),
        new_code_cell(f"# {HOSTILE}\n1", metadata={"tags": ["hide-input"]}),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "page.ipynb")
    page = render(tmp_path / "page.ipynb")
    assert_shown(page)
    (tmp_path / "page.html").write_text(page.replace("<main", "<!-- <script> --><main"), encoding="utf-8")
    search = search_page(tmp_path, ["page"], chapters=(), more=())
    assert_shown(search)
    script = BeautifulSoup(search, "html.parser").find(id="sections").string
    assert "<" not in script and "<zq onzq=1>" in str(json.loads(script))


def test_every_template_of_pages_escapes_what_it_shows():
    kinds = ".html.j2", ".svg.j2"
    for name in TEMPLATES.list_templates(filter_func=lambda name: name.endswith(kinds)):
        tree = TEMPLATES.parse(TEMPLATES.loader.get_source(TEMPLATES, name)[0])
        assert TEMPLATES.autoescape(name) and not list(tree.find_all(nodes.ScopedEvalContextModifier)), name
        safe = [found.node for found in tree.find_all(nodes.Filter) if found.name == "safe"]
        if name == "report/templates/cells.html.j2":  # the HTML of an output is the notebook's own
            safe.pop()
        assert all(isinstance(node, nodes.Const) for node in safe), name
