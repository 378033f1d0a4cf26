"""The core path through the book: what belongs to it, how long it takes, and a class's own pairs in its chapters."""

import ast
import builtins
import json

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

from asif_book import record
from asif_book.chapters import results
from asif_book.chapters.measuring import scoreboard
from asif_book.chapters.opening import first_held_out, open_chapter, three_labels
from asif_book.editions.building import SourceError, editions
from asif_book.editions.outline import CORE, Chapter, core_path, heading, minutes, tags_of, words
from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.files import ROOT

CHAPTERS = [(path.stem, nbformat.read(path, 4)) for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
SOURCE = """# %% [markdown]
# # 09 · Word order
#
# **Minutes** {minutes} · **Before this** nothing

# %% [markdown] tags=["core"]
# ## 1 · Core
#
# One two three.

# %% [markdown]
# ## 2 · Aside

# %%
print(1)
"""


def test_the_book_is_short_enough_to_be_finished():
    counts = {name: words(chapter.cells) for name, chapter in CHAPTERS}
    assert max(counts.values()) <= 3_000 and sum(counts.values()) <= 31_500, counts  # with languages, one's own ASIF
    chapters = [Chapter.of(name, chapter) for name, chapter in CHAPTERS]
    core = {chapter.name[:2]: chapter.core_minutes for chapter in chapters if chapter.core}
    assert list(core) == ["00", "03", "04", "06", "07"] and sum(core.values()) <= 180, core
    assert chapters[0].core_minutes <= 45


def test_minutes_follow_from_words_code_figures_guesses_and_cards():
    card = "### Exercise 09.1 · Twice\n\n**Difficulty** ●●○○○ · **Minutes** 7\n\n" + "word " * 51
    cells = [
        new_markdown_cell("**Before you run the next cell:** " + "word " * 104),  # a minute, and one and a half
        new_code_cell("\n".join(["draw.show(figure)", *["x = 1"] * 29])),  # two minutes
        new_code_cell("draw.score_ledger(model)\nknob(model)\nlanguage_knob(bank)", metadata={"tags": ["hide-input"]}),
        new_code_cell("x = 1\n" * 300, metadata={"tags": ["hide-input"]}),
        new_markdown_cell(card),
    ]
    assert minutes(cells) == (5 + 4 + 4, 9)  # the ledger is large, the knobs are played with, a try fails
    assert (words(cells[:1]), words(cells[3:])) == (110, 57)


def test_sections_beside_the_core_path_are_folded_and_marked(tmp_path):
    path = tmp_path / "09_word_order.py"
    path.write_text(SOURCE)
    for notebook in editions(path):
        opening, core, deeper = (cell for cell in notebook.cells if cell.cell_type == "markdown")
        assert "**Minutes** 1 to read ·" in opening.source
        assert core.source.startswith("## 1 · Core\n") and "jp-MarkdownHeadingCollapsed" not in core.metadata
        assert deeper.source == "## 2 · Aside · deeper" and deeper.metadata["jp-MarkdownHeadingCollapsed"]
    chapter = Chapter.of(path.stem, notebook)
    assert (chapter.core, chapter.core_minutes) == (("1",), 1)
    path.write_text(SOURCE.replace('["core"]', '["open"]'))  # beside the core path
    for notebook in editions(path):
        assert [heading(cell.source) for cell in notebook.cells][2:3] == ["2 · Aside · deeper"]
    assert not Chapter.of(path.stem, notebook).core
    path.write_text(SOURCE.replace("One two three.", "One.\n#\n# ## 3 · Hidden"))
    with pytest.raises(SourceError, match="09_word_order.py: begin a new cell for the section '3 · Hidden'"):
        editions(path)


def test_each_core_section_needs_nothing_of_a_deeper_one():
    core = [(name, core_path(chapter)) for name, chapter in CHAPTERS if any(CORE in tags_of(c) for c in chapter.cells)]
    for name, cells in core:
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        nodes = list(ast.walk(ast.parse(TransformerManager().transform_cell(code))))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        made = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(dir(builtins))
        made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        made |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
        made |= {node.arg for node in nodes if isinstance(node, ast.arg)} | {"get_ipython"}
        assert {node.id for node in names} <= made, name


def test_a_classs_own_pairs_open_a_chapter_and_record_nothing(class_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "of_the_book", True)
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path))
    opened = open_chapter(pairs=class_folder(23))
    assert opened.bank.pairs.caption.tolist() == opened.pairs.captions and len(opened.bank) == 23
    assert first_held_out(opened.pairs) == opened.pairs.splits["test"][0]
    row = first_held_out(opened.pairs)
    model = ASIF(opened.bank, image_encoder=opened.image_encoder, text_encoder=opened.text_encoder)
    labels = three_labels(model, opened.pairs, row)
    assert labels[0] == opened.pairs.captions[row] and len(set(labels)) == 3
    assert model.classify([opened.pairs.pictures[row]], labels[1:]).predicted.tolist() == [0]  # the better one first
    found, chance = scoreboard(opened.bank, opened.pairs.splits)
    assert [name[:2] for name in found] == ["03", "03", "04", "04", "04"] and chance == pytest.approx(1 / 4)
    assert record("a class's number", 0.5) == 0.5
    assert not (tmp_path / "results.json").exists()


def test_too_few_pairs_and_an_unknown_profile_are_one_sentence(class_folder):
    needs = "; a chapter needs 23 pairs, or all three splits named and 19 pairs outside the test split"
    for n, lacks in ((12, "has 12 pairs, and no split test or train or validation"), (22, "has 22 pairs")):
        with pytest.raises(ParameterError, match=lacks + needs):
            open_chapter(pairs=class_folder(n))
    with pytest.raises(ParameterError, match="'ofline': the profiles are offline, hub"):
        open_chapter("ofline")


@pytest.fixture
def class_folder(tmp_path):
    """A class's folder: n pictures, with captions of one word in another language."""

    def folder(n):
        for i in range(n):
            Image.new("RGB", (40, 40), (9 * i, 200, 255 - 9 * i)).save(tmp_path / f"{i}.png")
        rows = [json.dumps({"file_name": f"{i}.png", "caption": f"Wörtchen{i}"}) for i in range(n)]
        (tmp_path / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")
        return tmp_path

    return folder


def test_rows_of_the_bank_are_the_pairs_in_their_order(stamps_bank):
    image_encoder, text_encoder, pairs, bank = open_chapter("offline", "cpu")
    assert bank.pairs.id.tolist() == pairs.ids
    assert (bank.image_encoder, bank.text_encoder) == (image_encoder.identity, text_encoder.identity)
