"""Student and solved editions of a chapter, made from one source."""

import json
import re

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert import SlidesExporter

from asif_book.editions import building as editions
from asif_book.editions import outline
from asif_book.editions.building import SourceError, build, check, main
from asif_lib.files import ROOT

SOURCE = '''\
# %% [markdown]
# # Sparsification
#
# Why forget most of the similarities?

# %% tags=["parameters"]
seed = 0

# %% tags=["exercise"]
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    twice = 2 * x
    return twice
    ### END SOLUTION


def half(x):
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION

# %% tags=["check"]
print("checked")

# %%
print("the same")

# %%
print("the same")

# %% tags=["hide-input"]
# Draw the squares.
print("drawn")
'''


@pytest.fixture
def house(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "04_sparsification.py").write_text(SOURCE, encoding="utf-8")
    return source, tmp_path / "out"


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def built(house):
    """The student's and the solved notebook."""
    build(*house)
    return [read(house[1] / folder / "04_sparsification.ipynb") for folder in (".", "solutions")]


def run(notebook):
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(TransformerManager().transform_cell(cell.source), names)  # the set-up has magics for Colab
    return names


def test_student_edition_is_left_to_do_and_solved_edition_works_and_nothing_leaks(built):
    student, solved = map(run, built)
    for name in ("double", "half"):
        with pytest.raises(NotImplementedError, match="your turn"):
            student[name](4)
    assert (solved["double"](4), solved["half"](4)) == (8, 2)
    student, solved = map(nbformat.writes, built)
    assert "twice" not in student and "x / 2" not in student and "SOLUTION" not in student + solved
    assert '    \\"\\"\\"Twice x.\\"\\"\\"\\n' in student


def test_tags_title_folds_and_nothing_of_the_machine(built):
    for notebook in built:
        nbformat.validate(notebook)
        tags = [cell.metadata.get("tags") for cell in notebook.cells[1:4]]
        assert tags == [["parameters"], ["exercise"], ["check"]]
        assert notebook.metadata == {
            "title": "Sparsification",
            "asif": {"cell_seconds": 600},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        }
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        assert all(set(cell.metadata) <= {"tags", "jupyter", "slideshow"} for cell in notebook.cells)
        hidden = [cell.source for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
        assert [text.splitlines()[0] for text in hidden] == ["# Draw the squares."]


def test_ids_are_shared_by_both_editions_and_stay_when_another_cell_changes_and_builds_are_the_same(built, house):
    before, solved = ([cell.id for cell in notebook.cells] for notebook in built)
    assert before == solved and len(set(before)) == len(before)
    first = [path.read_bytes() for path in build(*house)]
    assert first == [path.read_bytes() for path in build(*house)] and all(text.endswith(b"}\n") for text in first)
    (house[0] / "04_sparsification.py").write_text(SOURCE.replace("checked", "looked at"))
    build(*house)
    after = [cell.id for cell in read(house[1] / "04_sparsification.ipynb").cells]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * 3 + [False] + [True] * 3


def test_the_lines_for_colab_stand_only_in_a_published_copy_and_do_nothing_elsewhere(house, built, monkeypatch):
    assert "google.colab" not in str(built[0])
    monkeypatch.setattr(editions, "repository", lambda: "https://github.com/someone/asif-workbook")
    build(*house)
    cell = read(house[1] / "04_sparsification.ipynb").cells[1]
    assert cell.source.startswith("seed = 0\n\nimport sys")
    code = TransformerManager().transform_cell(cell.source)
    exec(code, {"get_ipython": None})  # would fail on any magic that ran
    assert "git+https://github.com/someone/asif-workbook" in code


def test_check_finds_edited_missing_and_orphaned_notebooks(house, capsys, monkeypatch):
    monkeypatch.setattr(editions, "lint", lambda *arguments: [])
    build(*house)
    arguments = ["--source", str(house[0]), "--out", str(house[1])]
    assert main(["check", *arguments]) == 0
    student, solved, orphan = (
        house[1] / f"{name}.ipynb" for name in ("04_sparsification", "solutions/04_sparsification", "solutions/05_gone")
    )
    edited = json.loads(student.read_text())
    edited["cells"][4]["source"] = ["print('edited by hand')"]
    student.write_text(json.dumps(edited))
    solved.rename(orphan)
    assert check(*house) == {student: "differs from its source", solved: "is missing", orphan: "has no source"}
    assert main(["check", *arguments]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("    return twice\n    ### END SOLUTION\n", "    return twice\n", "cell 3: BEGIN SOLUTION without"),
        ("    ### BEGIN SOLUTION\n    twice", "    twice", "cell 3: END SOLUTION without BEGIN"),
        ("    return x / 2\n    ### END SOLUTION\n", "    return x / 2\n", "cell 3: BEGIN SOLUTION without"),
        ('print("checked")', "### BEGIN SOLUTION\n1\n### END SOLUTION", "cell 4: .* outside a cell tagged"),
        ("### BEGIN SOLUTION", "", "cell 3: END SOLUTION without BEGIN"),
        ('tags=["check"]', 'tags=["exercise"]', "cell 4: an exercise without BEGIN"),
        ("# Draw the squares.\n", "", "cell 7: a folded cell begins with a comment"),
    ],
)
def test_a_broken_source_is_named_and_nothing_is_written(house, old, new, complaint):
    source, out = house
    assert old in SOURCE
    (source / "04_sparsification.py").write_text(SOURCE.replace(old, new, 1))
    with pytest.raises(SourceError, match=complaint) as error:
        build(source, out)
    assert re.match(r"04_sparsification\.py, cell", str(error.value))
    assert not out.exists()


def test_nbconvert_makes_slides_of_the_core_path_with_its_figures_and_without_plumbing(house):
    core = '# %% [markdown] tags=["core"]\n# ## 1 · On the path\n\n# %% tags=["hide-input"]\n# Draw a bar.\nbar()\n'
    deeper = "# %% [markdown]\n# ## 2 · Beside it\n\n# %%\naside()\n\n# %% [markdown]\n# ## Summary\n"
    (house[0] / "04_sparsification.py").write_text(f"{SOURCE}\n{core}\n{deeper}", encoding="utf-8")
    notebook = read(build(*house)[0])
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells]
    before = ["slide", "skip", "skip", "skip", None, None, "subslide"]
    assert kinds == [*before, "slide", "subslide", "skip", "skip", "slide"]
    page, _ = SlidesExporter().from_notebook_node(notebook)
    assert page.count("<section><section>") == 3 and "On the path" in page and "Beside it" not in page


@pytest.mark.parametrize(
    ("begin", "fold"),
    [
        ("**Before you run the next cell:** how many?", editions.WHAT_YOU_SEE),
        ('<span class="on-screen">**Untick the lamb.**</span>', editions.AFTER_A_CLICK),
    ],
)
def test_what_tells_the_end_is_folded_until_the_reader_has_run_the_cell_or_clicked(house, begin, fold):
    source = house[0] / "04_sparsification.py"
    asked = f"# %% [markdown]\n# ## Guess\n#\n# {begin}\n"
    seen = "# %% [markdown]\n# **What you see.** Two.\n#\n# **What you see.** Three.\n"
    source.write_text(f"{SOURCE}\n{asked}\n# %%\n1 + 1\n\n{seen}", encoding="utf-8")
    for path in build(*house):
        text = read(path).cells[-1].source
        assert text == "**What you see.** Two.".join(fold) + "\n\n**What you see.** Three."


def test_a_folder_without_chapters_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="holds no chapter"):
        check(tmp_path, tmp_path)


def test_a_notebook_that_a_reader_ran_is_not_overwritten(built, house):
    path, student = house[1] / "04_sparsification.ipynb", built[0]
    student.cells[-1].execution_count = 1
    nbformat.write(student, path)
    before = path.read_bytes()
    with pytest.raises(SourceError, match=r"04_sparsification\.ipynb: holds outputs.*save it"):
        build(*house)
    assert path.read_bytes() == before


def test_the_minutes_of_the_plans_are_computed_and_fill_their_sessions():
    guide = (ROOT / "notebooks" / "teachers_guide.md").read_text()
    plans = guide.partition("## Plans")[2].partition("**Seven weeks")[0]
    rows = re.findall(r"^\|(?: (\d)? *\|)? (\d+) \| (.+?) \|", plans, re.M)
    minutes, sessions = [int(taken) for _, taken, _ in rows], []
    for taken in minutes:
        if not sessions or sum(sessions[-1]) == 90:
            sessions.append([])
        sessions[-1].append(taken)
    sessions.pop()  # the rows of the marks, which are of 100
    assert [sum(session) for session in sessions] == [90] * 8
    assert all(session[-1] >= 10 for session in sessions[:4]) and all(session[-1] >= 5 for session in sessions[4:])
    taken = {what: int(taken) for _, taken, what in rows}
    student, _ = editions.editions(ROOT / "notebooks" / "source" / "06_interpretability.py")
    reader = [outline.minutes(cells)[0] for cells in outline.sections_of(student)][1:3]
    in_class = [minutes for what, minutes in taken.items() if what.startswith(("06, section 1:", "06, section 2:"))]
    assert in_class == [round(1.4 * minutes) for minutes in reader]
