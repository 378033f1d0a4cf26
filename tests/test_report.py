"""The report: chapters run by papermill, pages that open from disk."""

import json
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from asif_lib import report, results
from asif_lib.report import (
    HiddenError,
    NotebookError,
    ReportError,
    build_report,
    loads_from_elsewhere,
    question,
    render,
    run_notebook,
)

PARAMETERS_CELL = new_code_cell(
    'profile = "offline"\ndevice = "auto"\nseed = 0\nfast = False', metadata={"tags": ["parameters"]}
)
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv(results.RUN_VARIABLE, raising=False)
    return tmp_path / "build"


def write(path, *cells):
    """A notebook: text that starts with ``#`` or ``>`` is Markdown, other text is code."""
    made = [
        cell if not isinstance(cell, str) else (new_markdown_cell if cell[0] in "#>" else new_code_cell)(cell)
        for cell in cells
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=made, metadata=KERNEL), path)
    return path


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.inside = [], {}
        self.open = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "details":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag == "details":
            self.open.pop()

    def handle_data(self, data):
        self.inside[data.strip()] = bool(self.open)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


# Running ---------------------------------------------------------------------------------------------


def test_a_notebook_runs_in_its_folder_with_its_parameters(tmp_path):
    (tmp_path / "here.txt").write_text("found")
    path = write(tmp_path / "a.ipynb", PARAMETERS_CELL, 'print(open("here.txt").read(), device, fast)')
    seconds = run_notebook(path, tmp_path / "out" / "a.ipynb", {"device": "cpu", "fast": True})
    executed = nbformat.read(tmp_path / "out" / "a.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "found cpu True\n"
    assert 0 < seconds < 60


def test_an_exception_names_notebook_and_cell(tmp_path):
    cell = new_code_cell("# a comment\nfor x in [0]:\n    1 / x")
    path = write(tmp_path / "03_relative.ipynb", "# Title", cell)
    with pytest.raises(NotebookError) as error:
        run_notebook(path, tmp_path / "out.ipynb", {})
    assert str(error.value) == ("03_relative.ipynb, cell 2 (`for x in [0]:`): ZeroDivisionError: division by zero")
    assert "1 / x" in error.value.traceback and "\x1b" not in error.value.traceback


def test_an_exception_hidden_in_a_widget_is_found(tmp_path):
    path = write(
        tmp_path / "04_sparse.ipynb",
        "from ipywidgets import interact",
        "@interact(k=(1, 5))\ndef show(k=3):\n    raise KeyError('hidden')",
        "print('later cells run')",
    )
    with pytest.raises(HiddenError, match=r"04_sparse\.ipynb, a widget of cell 2 .*KeyError: 'hidden'"):
        run_notebook(path, tmp_path / "out.ipynb", {})


def test_a_widget_that_works_is_no_error(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "from ipywidgets import interact\ninteract(lambda k=3: print('k', k), k=(1, 5));",
    )
    run_notebook(path, tmp_path / "out.ipynb", {})
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert "OutputModel" in json.dumps(executed.metadata["widgets"])  # the scan has something to scan
    page = render(tmp_path / "out.ipynb")
    assert "<script" not in page and 'class="widget-note"' in page


def test_a_progress_bar_leaves_no_trace_on_the_page(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3), leave=False):\n    pass\nprint('done')",
    )
    run_notebook(path, tmp_path / "out.ipynb", {})
    page = render(tmp_path / "out.ipynb")
    assert "done" in page and "widget-note" not in page.split("</style>")[-1]


def test_an_exception_that_a_cell_displays_is_found(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()",
    )
    with pytest.raises(NotebookError, match=r"cell 1 .*ZeroDivisionError"):
        run_notebook(path, tmp_path / "out.ipynb", {})


def test_a_notebook_that_exits_early_is_no_success(tmp_path):
    path = write(tmp_path / "a.ipynb", "import sys\nsys.exit(0)", "print('never')")
    with pytest.raises(HiddenError, match=r"cell 1 .*SystemExit"):
        run_notebook(path, tmp_path / "out.ipynb", {})


def test_an_exception_in_a_widget_that_is_not_shown_is_found(tmp_path):
    code = "from ipywidgets import Output\nout = Output()\nwith out:\n    1 / 0"
    with pytest.raises(HiddenError, match=r"a\.ipynb, a widget: ZeroDivisionError"):
        run_notebook(write(tmp_path / "a.ipynb", code), tmp_path / "out.ipynb", {})


# Rendering -------------------------------------------------------------------------------------------

MARKDOWN = r"""# Title

At $k=50$, see [encoders](01_encoders.ipynb#part), [code](../asif_lib/relative.py), [paper](https://arxiv.org).

$$ s = \frac{a \cdot b}{\|a\|} $$

<details><summary>Hint</summary>

The hint, at $k=2$.

</details>

after the hint
"""


def page_of(tmp_path, *cells, **options):
    return render(write(tmp_path / "notebooks" / "00_start.ipynb", *cells), **options)


def test_a_page_stands_alone(tmp_path):
    figure = new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": 'A "rising" curve'}}
    )
    script = new_output("display_data", {"application/javascript": "alert(1)", "text/plain": "<js>"})
    table = new_output("execute_result", {"text/html": "<table><tr><td>1</td></tr></table>"})
    page = page_of(tmp_path, MARKDOWN, new_code_cell("draw()", outputs=[figure, script, table]))
    tags = Tags(page)
    for tag, name in [("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")]:
        assert all(attributes[name].startswith("data:") for attributes in tags.all(tag))
    assert tags.all("script") == [] and "MathJax" not in page
    assert tags.all("img")[0]["alt"] == 'A "rising" curve'
    assert tags.all("html") == [{"lang": "en"}]
    assert "&lt;js&gt;" in page and "<td>1</td>" in page


def test_formulas_are_mathml_also_inside_details(tmp_path):
    page = page_of(tmp_path, MARKDOWN)
    tags = Tags(page)
    assert [math["display"] for math in tags.all("math")] == ["inline", "block", "inline"]
    assert "$" not in page and "frac" not in page.replace("mfrac", "")
    assert tags.inside["The hint, at"] and not tags.inside["after the hint"]


def test_a_formula_that_does_not_convert_stays_as_source_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="does not convert"):
        page = page_of(tmp_path, "# Title\n\n$a<b_c_d$")
    assert "<code>a&lt;b_c_d</code>" in page


def test_links_hold_from_the_folder_of_the_report(tmp_path):
    page = page_of(tmp_path, MARKDOWN, page_folder=tmp_path / "build" / "report", previous="00_a", next="02_b")
    links = {a.get("href") for a in Tags(page).all("a")}
    assert {"01_encoders.html#part", "../../asif_lib/relative.py", "https://arxiv.org"} <= links
    assert {"index.html", "00_a.html", "02_b.html"} <= links


def test_parameters_are_shown_as_they_were_set(tmp_path):
    injected = new_code_cell('device = "cuda"', metadata={"tags": ["injected-parameters"]})
    page = page_of(tmp_path, PARAMETERS_CELL, injected)
    assert "cuda" in page and "offline" not in page


def test_a_picture_file_is_embedded(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "dot.png").write_bytes(b"\x89PNG")
    page = page_of(tmp_path, '# Title\n\n![dot](dot.png)\n\n<img alt="dot" src="dot.png">')
    assert [img["src"] for img in Tags(page).all("img")] == ["data:image/png;base64,iVBORw=="] * 2


@pytest.mark.parametrize(
    "markdown",
    ["![a](https://x.org/a.png)", "![a](missing.png)", '<script src="//x.org/a.js"></script>'],
)
def test_a_page_that_does_not_stand_alone_is_refused(tmp_path, markdown):
    with pytest.raises(ReportError, match=r"00_start\.ipynb does not stand alone"):
        page_of(tmp_path, "# Title\n\n" + markdown)


def test_loads_from_elsewhere_also_looks_into_styles():
    page = "<style>@import 'https://x.org/a.css'; p {background: url(//x.org/b)}</style>"
    page += '<p style="background: url(c.png)"><i style="background: url(data:image/png;base64,)">url(d)</i>'
    page += '<svg><use xlink:href="#here"/><image xlink:href="e.png"/></svg>'
    assert loads_from_elsewhere(page) == ["https://x.org/a.css", "//x.org/b", "c.png", "e.png"]


@pytest.mark.parametrize(
    "markdown, expected",
    [
        ("# Title\n\n**Question.** Why $k$,\nand how?\n\nrest", "Why $k$, and how?"),
        ("# Title\n\n> Are they\n> similar?\n\nrest", "Are they similar?"),
        ("# Title\n\n> **Question.** Are they?\n\nrest", "Are they?"),
        ("# Title\n\nno question", ""),
    ],
)
def test_question(markdown, expected):
    assert question(new_notebook(cells=[new_markdown_cell(markdown)])) == expected


# The report ------------------------------------------------------------------------------------------

RECORD = "from asif_lib.results import record\nrecord({!r}, 0.25, n=100)"


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    start = "# 00 · Strangers?\n\n> Can two strangers talk, at $k=5$?"
    write(folder / "00_start_here.ipynb", start, PARAMETERS_CELL, RECORD.format("strangers, R@1"))
    write(folder / "01_encoders.ipynb", "# Encoders & friends", PARAMETERS_CELL, "print(device)")
    return folder


def test_the_whole_report(notebooks, build, capsys):
    index = build_report({"device": "cpu"}, notebooks=notebooks)
    assert index == build / "report" / "index.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {index}"
    page = index.read_text()
    assert (
        ">00 · Strangers?<" in page
        and ">01 · Encoders &amp; friends<" in page
        and "Can two strangers talk, at <math" in page
    )
    assert "strangers, R@1" in page and "25.0 %" in page
    assert loads_from_elsewhere(page) == [] and Tags(page).all("script") == []
    for link in [a["href"] for a in Tags(page).all("a")]:
        assert (index.parent / link).exists()
    first = (index.parent / "00_start_here.html").read_text()
    neighbours = {(a["rel"], a["href"]) for a in Tags(first).all("a") if "rel" in a}
    assert neighbours == {("next", "01_encoders.html")}


def test_only_what_changed_runs_again(notebooks, monkeypatch, capsys):
    name = "strangers, R@1"

    def run(path, output, parameters):
        """Stands for a kernel: chapter 00 records a number."""
        write(output, "# executed")
        if path.stem.startswith("00"):
            results.record(name, 0.25)
        return 1.0

    def lines(**options):
        build_report(notebooks=notebooks, **options)
        return capsys.readouterr().out.splitlines()[:-1]

    monkeypatch.setattr(report, "run_notebook", run)
    ran, reused = (
        ["00_start_here: 1 s", "01_encoders: 1 s"],
        [
            "00_start_here: unchanged, reused",
            "01_encoders: unchanged, reused",
        ],
    )
    assert lines() == ran
    assert lines() == reused
    assert lines(reuse=False) == ran
    assert lines(parameters={"fast": True}) == ran
    assert lines(parameters={"fast": True}, chapters=["01"]) == reused[1:]

    # the numbers of chapter 00 are gone
    results.results_path().unlink()
    assert lines(parameters={"fast": True}) == [ran[0], reused[1]]
    assert results.load_results()[name]["run"]["parameters"]["fast"] is True

    # chapter 00 changed, and calls its number by another name now
    name = "renamed"
    write(notebooks / "00_start_here.ipynb", "# New", PARAMETERS_CELL)
    assert lines(parameters={"fast": True}) == [ran[0], reused[1]]
    assert list(results.load_results()) == ["renamed"]


def test_what_makes_a_chapter_run_again(notebooks, tmp_path, monkeypatch):
    path = notebooks / "00_start_here.ipynb"
    library = tmp_path / "asif_lib"
    library.mkdir()
    (library / "relative.py").write_text("k = 1")
    monkeypatch.setattr(report, "__file__", str(library / "report.py"))
    keys = [report._key(path, {"fast": False}), report._key(path, {"fast": True})]
    (library / "relative.py").write_text("k = 2")
    keys.append(report._key(path, {"fast": False}))
    path.write_text(path.read_text() + "\n")
    keys.append(report._key(path, {"fast": False}))
    assert len(set(keys)) == 4
    assert report._key(path, {"fast": False}) == keys[-1]


def test_the_command_fails_with_one_sentence_and_keeps_what_ran(notebooks, capsys):
    write(notebooks / "00_start_here.ipynb", "# Start", PARAMETERS_CELL)
    write(notebooks / "01_encoders.ipynb", "# Encoders", PARAMETERS_CELL, "raise ValueError('no encoder')")
    arguments = ["--device", "cpu", "--notebooks", str(notebooks)]
    assert report.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("01_encoders.ipynb, cell 4 (`raise ValueError")
    assert "papermill/" not in captured.err  # only the cell's own stack trace
    assert "report:" not in captured.out

    write(notebooks / "01_encoders.ipynb", "# Encoders", PARAMETERS_CELL, "print('mended')")
    assert report.main(arguments) == 0
    out = capsys.readouterr().out
    assert "00_start_here: unchanged, reused" in out and "01_encoders: unchanged" not in out
    assert report.main([*arguments, "--fresh", "01"]) == 0
    assert "reused" not in capsys.readouterr().out


def test_unknown_chapters_editions_and_empty_folders_are_one_sentence(notebooks, tmp_path, capsys):
    assert report.main(["--notebooks", str(notebooks), "07"]) == 1
    assert report.main(["--notebooks", str(tmp_path / "nothing")]) == 1
    assert report.main(["--notebooks", str(notebooks), "--edition", "solutions"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert errors[0] == "There is no chapter '07': 00_start_here, 01_encoders."
    with pytest.raises(ReportError, match="no edition 'teacher'"):
        build_report(edition="teacher", notebooks=notebooks)


def test_the_solved_edition_has_its_own_pages(notebooks, build):
    write(notebooks / "solutions" / "00_start_here.ipynb", "# Solved", PARAMETERS_CELL)
    index = build_report(edition="solutions", notebooks=notebooks)
    assert index == build / "report" / "solutions" / "index.html"
    assert "Solved" in (index.parent / "00_start_here.html").read_text()
