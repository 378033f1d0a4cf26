"""Lists of chapters follow from the sources: the README's table, and the links between neighbours."""

import nbformat
import pytest

from asif_book.editions import building as editions
from asif_book.editions import contents
from asif_book.editions.building import SourceError, build, check
from asif_book.editions.outline import Chapter
from asif_lib.files import ROOT

OPENING = """\
# %% [markdown] cell_seconds=3600 alone=true
# # {}
#
# > **Question.** Why {}?
"""
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


def read(path):
    return nbformat.read(path, as_version=4)


def test_the_readme_gets_a_row_for_each_chapter_and_the_notebook_how_it_runs(house):
    lines = (house / "README.md").read_text().splitlines()
    assert lines[:4] == ["# Top", "", contents.BEGIN, "| notebook | question |"]
    assert lines[5] == "| [91 · First](notebooks/91_first.ipynb) | Why first? |"
    assert lines[7:] == [contents.END, "", "rest"]
    notebook = read(house / "notebooks" / "91_first.ipynb")
    assert notebook.metadata.asif == {"cell_seconds": 3600, "alone": True}


def test_a_new_chapter_renews_table_and_neighbours_and_check_finds_what_is_stale(house):
    source, out = house / "notebooks" / "source", house / "notebooks"
    (source / "93_third.py").write_text(OPENING.format("93 · Third", "third"))
    stale = {out / folder / f"{name}.ipynb" for folder in ("", "solutions") for name in ("92_second", "93_third")}
    assert set(check(source, out)) == {house / "README.md", *stale}
    build(source, out)
    assert check(source, out) == {} and "93_third.ipynb" in (house / "README.md").read_text()
    links = [read(out / f"{name}.ipynb").cells[-1].source for name in ("91_first", "92_second", "solutions/92_second")]
    both = "[← 91 · First](91_first.ipynb) · [93 · Third →](93_third.ipynb)"
    assert links == ["[92 · Second →](92_second.ipynb)", both, both]


def test_the_sections_of_the_core_path_end_the_opening_in_its_fold():
    chapter = Chapter("03_a", "03_a", "", "", [], core=("1", "2"), core_minutes=30)
    opening = contents.with_core_path(chapter, "# Title\n\n<details>\n\nmore\n\n</details>")
    assert opening.startswith("# Title\n\n<details>\n\nmore\n\n**Core path:** sections 1, 2; 30 minutes.")
    assert opening.endswith("\n\n</details>")
    assert contents.with_core_path(Chapter("01_b", "", "", "", []), "# Title") == "# Title"


def test_a_readme_without_markers_is_an_error(house, capsys):
    (house / "README.md").write_text("# Top\n")
    arguments = ["--source", str(house / "notebooks" / "source"), "--out", str(house / "notebooks")]
    assert editions.main(["build", *arguments]) == 1
    said = "The text must hold <!-- chapters:begin --> once and, after it, <!-- chapters:end --> once.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("3_third.py", r"3_third\.py has no chapter number: call it NN_3_third\.py, with two digits\."),
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
    assert len(paths) >= 12 and [path for path in paths if not (ROOT / path).exists()] == []
