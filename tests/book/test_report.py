"""The report: chapters run by papermill, pages that open from disk."""

import base64
import json
import os
from unittest import mock

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from asif_book.chapters import results
from asif_book.editions.building import GUIDE, NOT_ATTEMPTED
from asif_book.editions.contents import METHOD, METHOD_ALT
from asif_book.editions.outline import Chapter, question
from asif_book.report import (
    HiddenError,
    NotebookError,
    ReportError,
    build_report,
    loads_from_elsewhere,
    render,
    rendering,
    run_notebook,
    running,
    schedule,
)
from asif_book.report.__main__ import main
from asif_lib.files import ROOT, build_dir

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2dAAAAABJRU5ErkJggg=="
FIGURE = new_output("display_data", {"text/html": f'<img alt="A dot." src="data:image/png;base64,{DOT}">'})
WIDGET, OTHER = (new_output("display_data", {running.VIEW: {"model_id": id}, "text/plain": "Box()"}) for id in "ab")


def code(source, *tags, outputs=()):
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))


PARAMETERS_CELL = code('profile = "offline"\ndevice = "auto"\nseed = 0\nfast = False', "parameters")


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv(results.RUN_VARIABLE, raising=False)
    return tmp_path / "build"


def write(path, *cells):
    """A notebook: text that starts with ``#`` or ``>`` is Markdown, other text is code."""
    kinds = (new_markdown_cell if isinstance(cell, str) and cell[0] in "#>" else new_code_cell for cell in cells)
    made = [kind(cell) if isinstance(cell, str) else cell for kind, cell in zip(kinds, cells, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=made, metadata=KERNEL), path)
    return path


def picture(alt):
    return new_output("display_data", {"image/png": DOT}, metadata={"image/png": {"alt": alt}})


class Tags(BeautifulSoup):
    def __init__(self, page):
        super().__init__(page, "html.parser", multi_valued_attributes=None)

    def all(self, tag):
        return [found.attrs for found in self.find_all(tag)]


# Running ---------------------------------------------------------------------------------------------


def test_a_widget_is_no_error_and_a_note_stands_for_it_but_not_for_a_progress_bar(tmp_path):
    (tmp_path / "here.txt").write_text("found")
    path = write(
        tmp_path / "a.ipynb",
        PARAMETERS_CELL,
        'print(open("here.txt").read(), device, fast)',
        "from ipywidgets import interact\ninteract(lambda k=3: print('k', k), k=(1, 5));",
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3), leave=False):\n    pass\nprint('done')",
    )
    assert 0 < run_notebook(path, tmp_path / "out" / "a.ipynb", {"device": "cpu", "fast": True}) < 600
    executed = nbformat.read(tmp_path / "out" / "a.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "found cpu True\n"  # in its folder, with its parameters
    assert "OutputModel" in json.dumps(executed.metadata["widgets"])  # the scan for errors had something to scan
    assert "FloatProgressModel" in json.dumps(executed.metadata["widgets"])
    page = render(tmp_path / "out" / "a.ipynb")
    assert page.count('class="widget-note"') == 1 and "a control that you can move stands here.</p>" in page
    assert "done" in page


def test_an_exception_names_notebook_and_cell(tmp_path):
    path = write(tmp_path / "03_relative.ipynb", "# Title", code("# a comment\nfor x in [0]:\n    1 / x"))
    with pytest.raises(NotebookError) as error:
        run_notebook(path, tmp_path / "out.ipynb", {})
    assert str(error.value) == "03_relative.ipynb, cell 2 (`for x in [0]:`): ZeroDivisionError: division by zero"
    assert "1 / x" in error.value.traceback and "\x1b" not in error.value.traceback


def test_errors_that_papermill_lets_pass_are_found(tmp_path):
    path = write(
        tmp_path / "04_sparse.ipynb",
        "from ipywidgets import Output, interact",
        "@interact(k=(1, 5))\ndef show(k=3):\n    raise KeyError('hidden')",
        "out = Output()\nwith out:\n    1 / 0",
        "import sys\nsys.exit(0)",
        "print('never')",
    )
    with pytest.raises(HiddenError, match=r"04_sparse\.ipynb, a widget of cell 2 .*KeyError: 'hidden'"):
        run_notebook(path, tmp_path / "out.ipynb", {})
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    found = {(where.split(" (")[0], error["ename"]) for where, error in running._hidden_errors(executed)}
    unseen = "a widget", "ZeroDivisionError"  # no cell shows it
    assert found == {("a widget of cell 2", "KeyError"), unseen, ("cell 4", "SystemExit")}


def test_an_exception_that_a_cell_displays_is_found(tmp_path):
    cell = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()"
    with pytest.raises(NotebookError, match=r"cell 1 .*ZeroDivisionError"):
        run_notebook(write(tmp_path / "a.ipynb", cell), tmp_path / "out.ipynb", {})


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
    return render(write(tmp_path / "notebooks" / "01_anchors.ipynb", *cells), **options)


def main_of(tmp_path, *cells):
    return Tags(page_of(tmp_path, "# Title", *cells)).main


def test_a_page_stands_alone(tmp_path):
    figure = picture('A "rising" curve')
    script = new_output("display_data", {"application/javascript": "alert(1)", "text/plain": "<js>"})
    table = new_output("execute_result", {"text/html": "<table><tr><td>1</td></tr></table>"})
    page = page_of(tmp_path, MARKDOWN, new_code_cell("draw()", outputs=[figure, script, table]))
    tags = Tags(page)
    for tag, name in [("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")]:
        assert all(attributes.get(name, "data:").startswith("data:") for attributes in tags.all(tag))
    assert len(tags.all("script")) == 1 and "MathJax" not in page  # its own, and inline
    assert tags.all("img")[0]["alt"] == 'A "rising" curve'
    assert tags.all("html") == [{"lang": "en-GB"}]
    assert "&lt;js&gt;" in page and "<td>1</td>" in page


def test_formulas_are_mathml_also_inside_details_and_else_source_with_a_warning(tmp_path):
    page = page_of(tmp_path, MARKDOWN)
    tags = Tags(page)
    assert [math["display"] for math in tags.all("math")] == ["inline", "block", "inline"]
    text = page[page.index("<main") :]
    assert "$" not in text and "frac" not in text.replace("mfrac", "")
    folded = tags.main.details.get_text()
    assert "The hint, at" in folded and "after the hint" not in folded
    with pytest.warns(UserWarning, match="does not convert"):
        page = page_of(tmp_path, "# Title\n\n$a<b_c_d$")
    assert "<code>a&lt;b_c_d</code>" in page


def links_of(page):
    """The links of a page, without those of its notice of licences."""
    html = BeautifulSoup(page, "html.parser")
    for notice in html.select(".licences"):
        notice.decompose()
    return Tags(str(html)).all("a")


@pytest.mark.parametrize("repository", [None, "https://example.org/ada/asif"])
def test_links_out_of_the_book_go_to_the_repository_or_are_plain_words(tmp_path, monkeypatch, repository):
    monkeypatch.setattr(rendering, "published_at", lambda: repository)
    page = page_of(tmp_path, MARKDOWN.replace("[code]", "[wing](../asif_lib), [code]"), folder=ROOT / "notebooks")
    links = {a["href"] for a in links_of(page) if not a["href"].startswith("#")}
    links -= {"index.html", "search.html"}
    out = {f"{repository}/blob/main/asif_lib/relative.py", f"{repository}/tree/main/asif_lib"} if repository else set()
    assert links == {"01_encoders.html#part", "https://arxiv.org"} | out
    assert "see encoders, wing, code, paper" in " ".join(BeautifulSoup(page, "html.parser").get_text().split())


def test_contents_and_neighbours(tmp_path):
    chapters = [Chapter(name, title, "", "", []) for name, title in [("00_a", "A"), ("01_anchors", "B"), ("02_c", "C")]]
    page = page_of(tmp_path, "# B\n\n## Part\n\n### $k$ & more\n\n## Part", chapters=chapters)
    links = [(a["href"], a.get("rel"), a.get("aria-current")) for a in links_of(page)]
    plain = [(link, None, None) for link in ("#Part", "#k-&-more", "#Part-2", "02_c.html")]
    assert links[:4] == [(link, None, None) for link in ("#text", "index.html", "search.html", "00_a.html")]
    assert links[4:9] == [("01_anchors.html", None, "page"), *plain]  # the chapter's sections stand below it
    assert links[9:] == [("00_a.html", "prev", None), ("02_c.html", "next", None)]
    assert [title["id"] for title in Tags(page).find_all(["h1", "h2", "h3"])] == ["B", "Part", "k-&-more", "Part-2"]


def test_a_section_that_goes_deeper_is_folded_up_to_the_next_one(tmp_path):
    core = new_markdown_cell("## 1 · Here", metadata={"tags": ["core"]})
    deeper = new_markdown_cell("## 2 · There · deeper\n\nwords", metadata={"jp-MarkdownHeadingCollapsed": True})
    body = Tags(page_of(tmp_path, "# Title", core, deeper, "shown()", "### Part", "## Summary\n\nend"))
    (fold,) = body.select("details.deeper")
    assert fold.summary.h2["id"] == "2-·-There-·-deeper" and "open" not in fold.attrs
    assert [text in fold.get_text() for text in ("words", "shown()", "Part", "Here", "end")] == [True] * 3 + [False] * 2
    assert len(body.find_all("h2")) == 3
    contents = [" ".join(link.get_text().split()) for link in body.select(".contents a")]
    assert contents == ["1 · Here core", "2 · There deeper", "Part", "Summary"]


def test_a_picture_file_is_embedded_and_brings_its_upright_form(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("method.svg", "method_upright.svg", "alone.svg", "dot.png"):
        (tmp_path / "notebooks" / name).write_text("<svg/>" + name)
    words = "# Title\n\n![words](method.svg)\n\n![more](alone.svg)\n\n![dot](dot.png)\n\n"
    main = main_of(tmp_path, words + '<img alt="dot" src="dot.png">')
    tall, dot = (base64.b64encode(f"<svg/>{name}".encode()).decode() for name in ("method_upright.svg", "dot.png"))
    first, alone, *_ = main.select(".drawing > :first-child")
    assert first.source["srcset"].endswith(tall) and first.img["alt"] == "words" and alone.name == "img"
    assert [img["src"] for img in main.select("[alt=dot]")] == [f"data:image/png;base64,{dot}"] * 2


def test_words_about_a_figure_that_was_not_drawn_are_left_out(tmp_path):
    words = new_markdown_cell("Each dot is a photograph.", metadata={"tags": ["if-drawn"]})
    for outputs, there in ([FIGURE], True), ([], False):
        page = page_of(tmp_path, "# Title", code("draw()", outputs=outputs), words)
        assert ("Each dot" in page) == there


def test_tables_name_their_headers_and_scroll(tmp_path):
    frame = "<table><thead><tr><th></th><th>k</th><th colspan='2'>p</th></tr></thead>"
    frame += "<tbody><tr><th>0</th><td>5</td><td>1</td><td>2</td></tr></tbody></table>"
    cell = code("frame", outputs=[new_output("execute_result", {"text/html": frame})])
    tags = Tags(page_of(tmp_path, "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |", cell))
    assert [th["scope"] for th in tags.all("th")] == ["col", "col", "col", "colgroup", "row"]
    boxes = [div for div in tags.all("div") if "scroll" in div.get("class", "").split()]
    assert [(box["tabindex"], box["aria-label"]) for box in boxes] == [("0", "table")] * 2


@pytest.mark.parametrize(
    "output",
    [
        new_output("display_data", {"image/png": DOT}),
        picture(alt=" "),
        new_output("display_data", {"text/html": f'<img src="data:image/png;base64,{DOT}">'}),
    ],
)
def test_a_picture_without_words_is_refused_and_its_cell_named(tmp_path, output):
    cells = ["# Title", PARAMETERS_CELL, code("plot()", outputs=[output])]
    with pytest.raises(ReportError, match=r"01_anchors\.ipynb, cell 3 \(`plot\(\)`\): a picture has no alternative"):
        page_of(tmp_path, *cells)


def said(status):
    return new_output("execute_result", {"text/plain": f"○ Exercise 04.1: {status}. Well.", "text/html": "<p>box</p>"})


def test_folded_code_shows_the_comment_that_begins_it_and_all_of_its_output(tmp_path):
    main = main_of(tmp_path, code("# Show <the map>.\ndraw()", "hide-input", outputs=[FIGURE]), "show()")
    (fold,) = main.select("details.fold")
    assert fold.summary.get_text() == "Show <the map>." and "draw()" in fold.get_text()
    assert not main.img.find_parent("details") and "show()" not in fold.get_text()


def test_an_exercise_that_nobody_attempted_is_one_line_and_an_attempt_stands_open(tmp_path):
    stub, attempt, check = f"def f(\n    x,\n):\n    {NOT_ATTEMPTED}", "def f(x):\n    return x", "check_f(f)"
    main = main_of(tmp_path, code(stub, "exercise"), code(check, "check", outputs=[said("not attempted")]))
    assert [fold.summary.get_text() for fold in main.select(".fold")] == ["To complete: f"]
    assert "check_f" not in main.get_text() and "box" not in main.get_text()
    assert main.select_one(".lines").get_text() == "def f(x):" and len(main.select(".lines hr")) == 4  # on paper

    main = main_of(tmp_path, code(attempt, "exercise"), code(check, "check", outputs=[said("wrong")]))
    assert not main.select(".fold") and "check_f" in main.get_text() and "box" in main.get_text()


def test_an_exercise_with_its_hints_has_one_frame_and_what_is_around_it_stands_outside(tmp_path):
    text = "## 4\n\nBefore.\n\n### Exercise 04.1 · One\n\n1. Do it."
    hint = new_markdown_cell("<details><summary>Hint</summary>\n\nUp.\n\n</details>\n\nAfter.")
    (frame,) = main_of(tmp_path, text, code("f = 1", "exercise"), code("check(f)"), hint).select(".exercise")
    parts = [part.get_text(" ", strip=True) for part in frame.find_all(recursive=False)]
    assert parts == ["Exercise 04.1 · One Do it.", "f = 1", "check ( f )", "Hint Up."]
    around = frame.find_previous("p"), frame.find_next_sibling()
    assert [text.get_text(strip=True) for text in around] == ["Before.", "After."]


@pytest.mark.parametrize(
    "cells, above",
    [
        ([code("draw()", outputs=[FIGURE]), "> said", code("knob()", outputs=[WIDGET])], True),
        ([code("both()", outputs=[FIGURE, WIDGET, OTHER])], True),
        ([code("draw()", outputs=[FIGURE]), "words()", code("knob()", outputs=[WIDGET])], False),
    ],
)
def test_the_note_for_a_control_names_a_figure_where_there_is_one(tmp_path, cells, above):
    page = page_of(tmp_path, "# Title", *cells)
    assert page.count("a control that you can move stands here.") == 1 and ("The figure above" in page) == above


def test_the_search_page_holds_every_section_of_the_book(notebooks, build, monkeypatch):
    def run(path, output, *_):
        section = "## A & b\n\nof $k$ `</script>`", code("# Fold\nhidden()", "hide-input")
        write(output, f"# {path.stem}\n\nfirst words", *section)
        return 1.0

    monkeypatch.setattr(schedule, "run_notebook", run)
    index = build_report(notebooks=notebooks, chapters=["01"])
    page = BeautifulSoup((index.parent / "search.html").read_text(), "html.parser")
    (name, title, (top, section)), *more = json.loads(page.find(id="sections").string)
    assert (name, title, top) == ("01_encoders", "01_encoders", ["01_encoders", "01_encoders", "first words"])
    assert section == ["A-&-b", "A & b", "of k </script> Fold # Fold hidden()"] and more == []
    assert loads_from_elsewhere(str(page)) == []


def test_parameters_are_shown_as_they_were_set_and_set_up_and_progress_not_at_all(tmp_path):
    words = new_markdown_cell("The exercises that you have solved:", metadata={"tags": ["progress"]})
    set_up = code('# Set up.\nprofile = "offline"\ndevice = "cuda"\n\nprepare()', "parameters", "hide-input")
    left_out = new_output("display_data", {"text/html": '<p class="asif-left-out">no encoder</p>'})
    set_up.outputs = [new_output("stream", text="prepared"), left_out]
    main = main_of(tmp_path, "# Title", set_up, words, code("show_progress()", "progress", "hide-input"), "shown()")
    assert "cuda" in main.details.get_text() and "no encoder" in main.get_text() and "shown" in main.get_text()
    assert not any(words in main.get_text() for words in ("prepare", "solved", "show_progress"))


def test_what_is_printed_is_a_sentence_or_columns_and_a_table_has_one_line_of_heads(tmp_path):
    frame = pd.DataFrame({"n": [1, 2], "word": ["one", "two"]}, pd.Index([5, 6], name="row"))._repr_html_()
    # a kernel may cut its messages
    printed = [["won 5% [1, 2]\n", "<lost>"], ["a  5%"], [" one: 1\n", "two, 1 : 2: 3"]]
    cells = [code("show()", outputs=[new_output("stream", text=text) for text in texts]) for texts in printed]
    main = main_of(tmp_path, *cells, code("frame", outputs=[new_output("execute_result", {"text/html": frame})]))
    lines = [line.get_text() for line in main.select(".output :is(p, pre)")]
    assert lines == ["won 5\xa0% [1,\xa02]", "<lost>", "a  5%", "one: 1", "two, 1 : 2: 3"]
    assert [head.get_text() for head in main.select("thead th")] == ["row", "n", "word"]
    assert not main.select("style[scoped]")  # aligns heads otherwise than their columns
    assert [cell.get_text() for cell in main.select(".highlight ~ .output td.number")] == ["1", "2"]


def test_a_figure_has_a_number_and_stands_above_its_code_and_a_table_below(tmp_path):
    inside = "<p>Dots.</p>", "<p role='status'>No.</p><div class='asif-drawn'><p>In.</p></div>"
    outputs = [new_output("display_data", {"text/html": f"<div class='asif-drawn'>{p}</div>"}) for p in inside]
    main = main_of(tmp_path, code("draw()", outputs=[FIGURE, *outputs]), code("table()", outputs=[said("solved")]))
    drawn, printed = main.select(".code")
    assert drawn.select_one(".output ~ .highlight") and not printed.select_one(".output ~ .highlight")
    begins = [" ".join(output.get_text(" ").split()) for output in drawn.select(".output")]
    assert begins == ["Figure 01.1", "Figure 01.2 Dots.", "Figure 01.3 No. In."]
    assert [number.parent.name for number in main.select(".figure-number")] == ["div", "p", "div"]
    folded = code("# Match all, and draw how many fit. Then draw a few others.\n1", "hide-input", outputs=[FIGURE] * 2)
    main = main_of(tmp_path, folded, code("# Draw the few dots.\n1  # draw two of all", outputs=outputs[:1]))
    assert [b.text for b in main.select("div > span > b")] == ["How many fit", "A few others", "The few dots"]
    assert [fold.summary.text for fold in main.select(".fold")] == ["Code"]  # the title has said what it draws


ELSEWHERE = ["![a](https://x.org/a.png)", "![a](missing.png)", '<script src="//x.org/a.js"></script>']


@pytest.mark.parametrize("markdown", ELSEWHERE)
def test_a_page_that_does_not_stand_alone_is_refused(tmp_path, markdown):
    with pytest.raises(ReportError, match=r"01_anchors\.ipynb does not stand alone"):
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


def test_what_a_chapter_says_of_itself(tmp_path):
    opening = "# Title\n\n> Why\n> so?\n\nYou can\n\n- say\n  why;\n- ask.\n\n**Minutes** 40 · **Before this** no"
    path = write(tmp_path / "07_editing.ipynb", opening, "# ## Other\n\n- no goal")
    assert Chapter.read(path) == Chapter("07_editing", "07 · Title", "Why so?", "40", ["say why;", "ask."])


# The report ------------------------------------------------------------------------------------------

REACHED = f"# It reaches\n\n{results.BEGIN}\n| a |\n{results.END}\n"
RECORD = "from asif_book.chapters.results import record\nrecord({!r}, 0.25, n=100)"


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    start = "# 00 · Strangers?\n\n> Can two strangers talk, at $k=5$?"
    write(folder / "00_start_here.ipynb", start, PARAMETERS_CELL, RECORD.format("strangers, R@1"))
    write(folder / "01_encoders.ipynb", "# Encoders & friends", PARAMETERS_CELL, "print(device)")
    return folder


def test_the_whole_report(notebooks, build, capsys):
    links = "[code](../asif_lib/sparse.py), [start](00_start_here.ipynb), [more](results.md)"
    for name, text in {"library": f"# The library\n\n## Part\n\n{links}\n", "results": REACHED}.items():
        (notebooks / f"{name}.md").write_text(text)
    write(notebooks / "01_encoders.ipynb", f"# Encoders & friends\n\n![{METHOD_ALT}]({METHOD})", PARAMETERS_CELL)
    (notebooks / "drawings").mkdir()
    (notebooks / METHOD).write_bytes((ROOT / "notebooks" / METHOD).read_bytes())
    index = build_report({"device": "cpu"}, notebooks=notebooks)
    assert index == build / "report" / "index.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {index}"
    page = index.read_text()
    for words in (">00 · Strangers?<", ">01 · Encoders &amp; friends<", "Can two strangers talk, at <math"):
        assert words in page
    reached = (index.parent / "results.html").read_text()
    assert "strangers, R@1" in reached and "25.0\N{NO-BREAK SPACE}%" in reached
    assert loads_from_elsewhere(page) == []
    library = (index.parent / "library.html").read_text()
    found = [{a["href"] for a in links_of(text)} for text in (page, library)]
    assert "GPL-2" in Tags(page).select(".licences")[0].get_text()
    assert {"#Part", "00_start_here.html", "results.html", "index.html"} <= found[1]
    for text, links in zip((page, library), found, strict=True):
        for link in links:
            assert f'id="{link[1:]}"' in text if link.startswith("#") else (index.parent / link).exists()
    assert [a["href"] for a in Tags(page).all("a")].count("library.html") == 2
    (here,), (there,) = (Tags(text).all("img") for text in (page, (index.parent / "01_encoders.html").read_text()))
    assert here["alt"] == there["alt"] == METHOD_ALT
    assert all(picture["src"].startswith("data:image/svg+xml;base64,") for picture in (here, there))
    first = (index.parent / "00_start_here.html").read_text()
    neighbours = {(a["rel"], a["href"]) for a in Tags(first).all("a") if "rel" in a}
    assert neighbours == {("next", "01_encoders.html")}


def test_only_what_changed_runs_again(notebooks, monkeypatch, capsys):
    name = "strangers, R@1"

    def run(path, output, parameters, environment):
        """Stands for a kernel: chapter 00 records a number."""
        write(output, "# executed")
        if path.stem.startswith("00"):
            with mock.patch.dict(os.environ, environment):
                results.record(name, 0.25)
        return 1.0

    def lines(**options):
        build_report(notebooks=notebooks, **options)
        shown = capsys.readouterr()
        about[:] = [line for line in shown.err.splitlines() if "at a time" in line]
        return sorted(shown.out.splitlines()[:-1])  # chapters end in any order

    about, memory = [], type("Memory", (), {"available": 3.14e9})
    monkeypatch.setattr(schedule.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(schedule, "cores", lambda: 2)
    monkeypatch.setattr(schedule, "run_notebook", run)
    begins = "2 of 2 chapters run, 2 at a time (2 cores, 3.1 GB of free memory)"
    ran = ["00_start_here: 1 s", "01_encoders: 1 s"]
    reused = ["00_start_here: unchanged, reused", "01_encoders: unchanged, reused"]
    assert lines() == ran and about == [f"{begins}: about 20 s"]  # as a first run takes
    pages = sorted((build_dir() / "report").glob("[0-9s]*.html"))
    made = [page.stat().st_mtime_ns for page in pages]
    assert lines() == reused and about == []
    assert [page.stat().st_mtime_ns for page in pages] == made and len(pages) == 3  # chapters and search
    assert lines(reuse=False) == ran and about == [f"{begins}: about 10 s"]  # as the last one
    monkeypatch.setattr(schedule, "cores", lambda: 1)
    assert lines(parameters={"fast": True}) == ran
    assert about == ["2 of 2 chapters run, 1 at a time (1 core, 3.1 GB of free memory): about 10 s"]
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
    assert all(page.stat().st_mtime_ns > before for page, before in zip(pages, made, strict=True))


def test_what_makes_a_chapter_run_again(notebooks, tmp_path, monkeypatch):
    path = notebooks / "00_start_here.ipynb"
    library, book = tmp_path / "asif_lib", tmp_path / "asif_book"
    library.mkdir()
    (book / "report").mkdir(parents=True)
    (library / "relative.py").write_text("k = 1")
    monkeypatch.setattr(schedule, "OURS", (library, book))
    monkeypatch.setattr(schedule, "REPORT", book / "report")
    keys = [schedule.key_of(path, {"fast": False}), schedule.key_of(path, {"fast": True})]
    for file, text in ((library / "relative.py", "k = 2"), (book / "drawn.css", ""), (path, path.read_text() + "\n")):
        file.write_text(text)
        keys.append(schedule.key_of(path, {"fast": False}))
    assert len(set(keys)) == 5
    (book / "report" / "page.py").write_text("# the pages change, not what they show")
    assert schedule.key_of(path, {"fast": False}) == keys[-1]


def test_the_command_fails_with_one_sentence_and_keeps_what_ran(notebooks, monkeypatch, capsys):
    broken = {"01_encoders"}

    def run(path, output, parameters, environment):
        """Stands for a kernel: each chapter records a number, and a broken one fails then."""
        write(output, f"# {path.stem}")
        with mock.patch.dict(os.environ, environment):
            results.record(f"{path.stem}, R@1", 0.75 if parameters.get("fast") else 0.25)
        if path.stem in broken:
            raise NotebookError(f"{path.name}, cell 4 (`load()`): ValueError: no encoder", "the trace")
        return 1.0

    def ran(*options):
        return main(["--device", "cpu", "--notebooks", str(notebooks), *options]), *capsys.readouterr()

    def values():
        return {name: entry["value"] for name, entry in results.load_results().items()}

    monkeypatch.setattr(schedule, "run_notebook", run)
    status, out, err = ran()
    first, *told = err.splitlines()
    assert first.startswith("2 of 2 chapters run, ") and told[0] == "the trace"
    assert told[1:] == ["01_encoders.ipynb, cell 4 (`load()`): ValueError: no encoder"]
    assert status == 1 and "report:" not in out and values() == {"00_start_here, R@1": 0.25}

    broken.clear()
    status, out, _ = ran()
    assert status == 0 and "00_start_here: unchanged, reused" in out and "01_encoders: unchanged" not in out
    before = values()
    assert len(before) == 2

    # a failing run takes nothing away, and leaves nothing half done
    broken.add("00_start_here")
    assert ran("--fast", "00")[0] == 1 and values() == before
    broken.clear()
    for options in (["--fast", "00"], ["--fast", "--fresh", "00"]):
        status, out, _ = ran(*options)
        assert status == 0 and "reused" not in out and values() == before | {"00_start_here, R@1": 0.75}


def test_a_chapter_is_as_large_as_it_says_itself_unless_one_asks(notebooks, build, monkeypatch):
    given = []

    def run(path, output, parameters, environment):
        given.append(parameters.get("fast", "its own"))
        write(output, "# Run")
        return 1.0

    monkeypatch.setattr(schedule, "run_notebook", run)
    said = []
    for options in ([], ["--fast"], ["--no-fast"]):
        assert main(["--notebooks", str(notebooks), *options, "00"]) == 0
        said.append("not the workbook's" in (build / "report" / "index.html").read_text().replace("&#39;", "'"))
    assert given == ["its own", True, False]
    assert said == [False, True, True]


def test_unknown_chapters_editions_and_empty_folders_are_one_sentence(notebooks, tmp_path, capsys):
    assert main(["--notebooks", str(notebooks), "07"]) == 1
    assert main(["--notebooks", str(tmp_path / "nothing")]) == 1
    assert main(["--notebooks", str(notebooks), "--edition", "solutions"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert errors[0] == "There is no chapter '07': 00_start_here, 01_encoders."
    with pytest.raises(ReportError, match="no edition 'teacher'"):
        build_report(edition="teacher", notebooks=notebooks)


def test_the_solved_edition_has_its_own_pages(notebooks, build, monkeypatch):
    monkeypatch.setattr(schedule, "run_notebook", lambda path, output, *_: write(output, "# Solved") and 1.0)
    write(notebooks / "solutions" / "00_start_here.ipynb", "# Solved", PARAMETERS_CELL)
    (notebooks / GUIDE).write_text("# Guide\n")
    index = build_report(edition="solutions", notebooks=notebooks)
    assert index == build / "report" / "solutions" / "index.html"
    assert "Solved" in (index.parent / "00_start_here.html").read_text()
    assert (index.parent / "teachers_guide.html").exists()
    assert not (build_report(notebooks=notebooks).parent / "teachers_guide.html").exists()
