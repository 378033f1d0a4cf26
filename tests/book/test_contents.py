"""Lists of chapters follow from the sources: the README's table, the links between neighbours, the report's pages."""

import re

import nbformat
import pytest
from test_report import write

from asif_book.editions import building as editions
from asif_book.editions import contents
from asif_book.editions.building import SourceError, build, check
from asif_book.editions.outline import Chapter
from asif_book.report import render
from asif_lib.files import ROOT

OPENING = """\
# %% [markdown] code=["sparse.py", "search/"] cell_seconds=3600 alone=true
# # {}
#
# > **Question.** Why {}?
"""
NAME = "92_second.ipynb"
README = f"# Top\n\n{contents.BEGIN}\nold\n{contents.END}\n\nrest\n"


@pytest.fixture
def house(tmp_path):
    """Sources of chapters 91 and 92, built beside a README."""
    source = tmp_path / "notebooks" / "source"
    source.mkdir(parents=True)
    (tmp_path / "README.md").write_text(README)
    for name, title in (("91_first", "First"), ("92_second", "Second")):
        (source / f"{name}.py").write_text(OPENING.format(f"{name[:2]} · {title}", title.lower()))
    build(source, tmp_path / "notebooks")
    return tmp_path


def opening(path):
    return nbformat.read(path, as_version=4).cells[0].source


def links(path):
    return nbformat.read(path, as_version=4).cells[-1].source


def test_the_readme_gets_a_row_for_each_chapter(house):
    lines = (house / "README.md").read_text().splitlines()
    assert lines[:3] == ["# Top", "", contents.BEGIN]
    assert lines[3] == "| notebook | question | code | tests |"
    assert lines[5] == (
        "| [91 · First](notebooks/91_first.ipynb) | Why first? "
        "| [sparse.py](asif_lib/sparse.py), [search/](asif_lib/search/) "
        "| [test_sparse.py](tests/test_sparse.py), [search/](tests/search/) |"
    )
    assert lines[7:] == [contents.END, "", "rest"]
    notebook = nbformat.read(house / "notebooks" / "91_first.ipynb", as_version=4)  # the opening cell sets how it runs
    assert notebook.metadata.asif == {"code": ["sparse.py", "search/"], "cell_seconds": 3600, "alone": True}
    assert notebook.cells[0].metadata == {}


def test_a_new_chapter_renews_table_and_neighbours_and_check_finds_what_is_stale(house):
    source, out = house / "notebooks" / "source", house / "notebooks"
    (source / "93_third.py").write_text(OPENING.format("93 · Third", "third"))
    stale = check(source, out)
    names = ("92_second.ipynb", "93_third.ipynb")
    assert set(stale) == {house / "README.md", *(out / folder / name for folder in ("", "solutions") for name in names)}
    build(source, out)
    assert check(source, out) == {}
    assert "93_third.ipynb" in (house / "README.md").read_text()
    assert links(out / "91_first.ipynb") == "[92 · Second →](92_second.ipynb)"
    expected = "[← 91 · First](91_first.ipynb) · [93 · Third →](93_third.ipynb)"
    assert links(out / "92_second.ipynb") == links(out / "solutions" / "92_second.ipynb") == expected
    assert links(out / "93_third.ipynb") == "[← 92 · Second](92_second.ipynb)"


def test_the_sections_of_the_core_path_end_the_opening_in_its_fold_and_drawings_stand_once(house):
    chapter = Chapter("03_a", "a", "", "", [], core=("1", "2"), core_minutes=36)
    folded = contents.with_core_path(chapter, "# Title\n\n<details>\n\nmore\n\n</details>")
    line = "**Core path:** sections 1, 2; 36 minutes. The sections marked *deeper* are folded."
    assert folded == f"# Title\n\n<details>\n\nmore\n\n{line}\n\n</details>"
    assert contents.with_core_path(Chapter("04_b", "b", "", "", []), "# Title") == "# Title"
    source, out = house / "notebooks" / "source", house / "notebooks"
    (source / "92_second.py").write_text(
        OPENING.format("92 · Second", "second") + "#\n# ![words](drawings/method.svg)\n"
    )
    build(source, out)
    assert opening(out / NAME).endswith("![words](drawings/method.svg)")
    assert opening(out / "solutions" / NAME).endswith("![words](../drawings/method.svg)")


def test_every_link_and_drawing_of_the_chapters_is_there():
    for notebook in editions.notebooks_in(ROOT / "notebooks"):
        cells = nbformat.read(notebook, as_version=4).cells
        texts = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        found = re.findall(r"\]\(([^):]+\.(?:ipynb|svg))\)", texts)
        assert found and all((notebook.parent / link).exists() for link in found), notebook


def test_a_readme_without_markers_is_an_error(house, capsys):
    (house / "README.md").write_text("# Top\n")
    arguments = ["--source", str(house / "notebooks" / "source"), "--out", str(house / "notebooks")]
    assert editions.main(["build", *arguments]) == 1
    said = "The text must hold <!-- chapters:begin --> once and, after it, <!-- chapters:end --> once.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("third.py", r"third\.py has no chapter number: call it NN_third\.py, with two digits\."),
        ("3_third.py", r"3_third\.py has no chapter number"),
        ("92_third.py", r"92_third\.py and 92_second\.py have the same chapter number: rename one of them\."),
    ],
)
def test_a_source_has_a_number_of_its_own(house, name, complaint):
    (house / "notebooks" / "source" / name).write_text(OPENING.format("x", "x"))
    with pytest.raises(SourceError, match=complaint):
        build(house / "notebooks" / "source", house / "notebooks")


def test_every_path_in_the_readmes_table_is_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index(contents.BEGIN) : readme.index(contents.END)]
    paths = [part.split(")")[0] for part in table.split("](")[1:]]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_page_has_links_of_its_own_to_neighbours(tmp_path):
    cell = contents.neighbours([], 0)
    cell.source = "[here](00_here.ipynb)"
    assert "00_here" not in render(write(tmp_path / "01_a.ipynb", "# Title", cell))
