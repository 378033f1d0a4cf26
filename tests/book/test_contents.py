"""Lists of chapters follow from the sources: the README's table, the links between neighbours, the report's pages."""

import re

import nbformat
import pytest
from test_report import Tags, write

from asif_book.editions import building as editions
from asif_book.editions import contents
from asif_book.editions.building import SourceError, build, check
from asif_book.editions.outline import Chapter
from asif_book.report import render
from asif_book.report.book import _method
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
    names = ("91_first.ipynb", "92_second.ipynb", "93_third.ipynb")  # the strip of steps names all
    assert set(stale) == {house / "README.md", *(out / folder / name for folder in ("", "solutions") for name in names)}
    build(source, out)
    assert check(source, out) == {}
    assert "93_third.ipynb" in (house / "README.md").read_text()
    assert links(out / "91_first.ipynb") == "[92 · Second →](92_second.ipynb)"
    expected = "[← 91 · First](91_first.ipynb) · [93 · Third →](93_third.ipynb)"
    assert links(out / "92_second.ipynb") == links(out / "solutions" / "92_second.ipynb") == expected
    assert links(out / "93_third.ipynb") == "[← 92 · Second](92_second.ipynb)"


def test_the_strip_of_steps_ends_the_opening_in_its_fold_and_marks_this_chapter(house):
    for folder in ("", "solutions"):
        head, strip, rest = re.split(r"\n*<nav.*?>\n\n|\n\n</nav>", opening(house / "notebooks" / folder / NAME))
        assert head == "# 92 · Second\n\n> **Question.** Why second?" and rest == ""
        first, here = strip.split(" →\n", 1)
        assert first == "[first](91_first.ipynb)"
        assert re.fullmatch(r'<strong aria-current="page"><mark\s[^>]+>▶ second</mark></strong> \(this chapter\)', here)


def test_two_steps_of_a_chapter_have_a_link_each_and_are_marked_together():
    steps = {"03_a": (), "04_b": ("keep k", "power p"), "05_c": ("score",)}
    chapters = [Chapter(name, name, "", "", [], named_steps=named) for name, named in steps.items()]
    strip = contents.with_path(chapters, 0, "# Title\n\n<details>\n\nmore\n\n</details>")
    assert strip.startswith("# Title\n\n<details>\n\nmore\n\n<nav") and strip.endswith("</nav>\n\n</details>")
    assert "[keep k](04_b.ipynb) →\n[power p](04_b.ipynb) →\n[score](05" in strip
    assert ">▶ keep k → power p</mark>" in contents.with_path(chapters, 1, "# Title")


def test_an_appendix_is_no_step_and_closes_the_strip(house):
    source, out = house / "notebooks" / "source", house / "notebooks"
    appendix = OPENING.replace('code=["sparse.py", "search/"]', 'steps=["PyTorch"] appendix=true')
    (source / "93_more.py").write_text(appendix.format("93 · More", "more"))
    build(source, out)
    assert "</mark></strong> (this chapter) · appendix:\n[PyTorch](93_more.ipynb)\n\n</nav>" in opening(out / NAME)
    assert "[second](92_second.ipynb) · appendix:\n<strong" in opening(out / "93_more.ipynb")


def test_a_chapter_shows_its_part_of_the_method_where_there_is_a_picture_of_it(house):
    source, out = house / "notebooks" / "source", house / "notebooks"
    (out / "drawings").mkdir()
    (out / contents.METHOD).touch()
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>The second part</title></svg>'
    (out / "drawings" / "method_92.svg").write_text(svg)
    build(source, out)
    assert "![" not in opening(out / "91_first.ipynb")
    assert opening(out / NAME).endswith("</nav>\n\n![The second part](drawings/method_92.svg)")
    assert "](../drawings/method_92.svg)" in opening(out / "solutions" / NAME)


def test_the_strip_links_every_chapter_of_the_workbook_and_every_link_is_there():
    sources = sorted((ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py"))
    assert not any("<nav" in source.read_text(encoding="utf-8") for source in sources)  # the builder writes it
    for notebook in editions.notebooks_in(ROOT / "notebooks"):
        strip = opening(notebook).split("<nav")[1].split("</nav>")[0]
        assert len(set(re.findall(r"\]\((.+?)\)", strip))) == len(sources) - 1
        assert all((notebook.parent / link).exists() for link in re.findall(r"\]\((.+?)\)", opening(notebook)))


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


def test_a_page_has_one_strip_of_steps_with_links_to_pages_and_its_own_links_to_neighbours(tmp_path):
    chapters = [Chapter(name, name, "", "", []) for name in ("01_a", "02_b")]
    cell = contents.neighbours([], 0)
    cell.source = "[here](00_here.ipynb)"
    page = Tags(render(write(tmp_path / "01_a.ipynb", contents.with_path(chapters, 0, "# Title"), cell)))
    (strip,) = (nav for nav in page.all("nav") if nav.get("class") == "thread")
    assert strip["aria-label"] == "The method, step by step"
    assert "02_b.html" in [a["href"] for a in page.all("a")] and "00_here" not in str(page)
    assert [strong["aria-current"] for strong in page.all("strong")] == ["page"]


def test_without_a_bank_the_index_shows_the_picture_of_the_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_CACHE", str(tmp_path / "empty"))
    assert f'alt="{contents.METHOD_ALT}"' in _method(ROOT / "notebooks")
