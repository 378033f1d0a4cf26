"""The report: which chapters run again, pages that open from disk, and what stands on them."""

import base64
import json
import os
import threading
from unittest import mock

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from asif_book.chapters import results
from asif_book.editions.building import GUIDE, NOT_ATTEMPTED
from asif_book.editions.outline import Chapter, question
from asif_book.report import NotebookError, ReportError, build_report, loads_from_elsewhere, render, rendering, running
from asif_book.report.__main__ import main
from asif_lib.files import ROOT, write_whole

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2dAAAAABJRU5ErkJggg=="
FIGURE = new_output("display_data", {"text/html": f'<img alt="A dot." src="data:image/png;base64,{DOT}">'})
WIDGET, OTHER = (new_output("display_data", {running.VIEW: {"model_id": id}, "text/plain": "Box()"}) for id in "ab")


def code(source, *tags, outputs=()):
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))


def text(source, *tags):
    return new_markdown_cell(source, metadata={"tags": list(tags)})


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


def shown(html, kind="display_data"):
    return new_output(kind, {"text/html": html})


class Tags(BeautifulSoup):
    def __init__(self, page):
        super().__init__(page, "html.parser", multi_valued_attributes=None)

    def all(self, tag):
        return [found.attrs for found in self.find_all(tag)]


# A page ----------------------------------------------------------------------------------------------

MARKDOWN = r"""# Title

At $k=50$, see [wing](../asif_lib), [encoders](01_encoders.ipynb#part), [code](../asif_lib/relative.py),
[paper](https://arxiv.org).

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


def links_of(page):
    """The links of a page, without those of its notice of licences."""
    html = BeautifulSoup(page, "html.parser")
    for notice in html.select(".licences"):
        notice.decompose()
    return Tags(str(html)).all("a")


def test_a_page_stands_alone_and_its_formulas_are_mathml(tmp_path):
    words = new_output("display_data", {"image/png": DOT}, metadata={"image/png": {"alt": 'A "rising" curve'}})
    script = new_output("display_data", {"application/javascript": "alert(1)", "text/plain": "<js>"})
    page = page_of(
        tmp_path, MARKDOWN, code("draw()", outputs=[words, script, shown("<table><tr><td>1</td></tr></table>")])
    )
    tags = Tags(page)
    assert loads_from_elsewhere(page) == [] and len(tags.all("script")) == 1 and "MathJax" not in page  # its own
    assert tags.all("img")[0]["alt"] == 'A "rising" curve' and tags.all("html") == [{"lang": "en-GB"}]
    assert "&lt;js&gt;" in page and "<td>1</td>" in page
    assert [math["display"] for math in tags.all("math")] == ["inline", "block", "inline"]
    body = page[page.index("<main") :]
    assert "$" not in body and "frac" not in body.replace("mfrac", "")
    folded = tags.main.details.get_text()
    assert "The hint, at" in folded and "after the hint" not in folded
    with pytest.warns(UserWarning, match="does not convert"):
        assert "<code>a&lt;b_c_d</code>" in page_of(tmp_path, "# Title\n\n$a<b_c_d$")


@pytest.mark.parametrize("repository", [None, "https://example.org/ada/asif"])
def test_links_out_of_the_book_go_to_the_repository_or_are_plain_words(tmp_path, monkeypatch, repository):
    monkeypatch.setattr(rendering, "published_at", lambda: repository)
    page = page_of(tmp_path, MARKDOWN, folder=ROOT / "notebooks")
    links = {a["href"] for a in links_of(page) if not a["href"].startswith("#")} - {"index.html", "search.html"}
    out = {f"{repository}/blob/main/asif_lib/relative.py", f"{repository}/tree/main/asif_lib"} if repository else set()
    assert links == {"01_encoders.html#part", "https://arxiv.org"} | out
    assert "see wing, encoders, code, paper" in " ".join(BeautifulSoup(page, "html.parser").get_text().split())


def test_contents_and_neighbours(tmp_path):
    chapters = [Chapter(name, title, "", "", []) for name, title in [("00_a", "A"), ("01_anchors", "B"), ("02_c", "C")]]
    page = page_of(tmp_path, "# B\n\n## Part\n\n### $k$ & more\n\n## Part", chapters=chapters)
    links = [(a["href"], a.get("rel"), a.get("aria-current")) for a in links_of(page)]
    plain = [(link, None, None) for link in ("#Part", "#k-&-more", "#Part-2", "02_c.html")]
    assert links[:4] == [(link, None, None) for link in ("#text", "index.html", "search.html", "00_a.html")]
    assert links[4:9] == [("01_anchors.html", None, "page"), *plain]  # the chapter's sections stand below it
    assert links[9:] == [("00_a.html", "prev", None), ("02_c.html", "next", None)]


def test_a_section_that_goes_deeper_is_folded_up_to_the_next_one(tmp_path):
    deeper = new_markdown_cell("## 2 · There · deeper\n\nwords", metadata={"jp-MarkdownHeadingCollapsed": True})
    cells = text("## 1 · Here", "core"), deeper, "shown()", "### Part", "## Summary\n\nend"
    body = Tags(page_of(tmp_path, "# Title", *cells))
    (fold,) = body.select("details.deeper")
    assert fold.summary.h2["id"] == "2-·-There-·-deeper" and "open" not in fold.attrs
    assert [word in fold.get_text() for word in ("words", "shown()", "Part", "Here", "end")] == [True] * 3 + [False] * 2
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


def test_tables_name_their_headers_and_scroll(tmp_path):
    frame = "<table><thead><tr><th></th><th>k</th><th colspan='2'>p</th></tr></thead>"
    frame += "<tbody><tr><th>0</th><td>5</td><td>1</td><td>2</td></tr></tbody></table>"
    named = pd.DataFrame({"n": [1, 2], "word": ["one", "two"]}, pd.Index([5, 6], name="row"))._repr_html_()
    cells = [code("frame", outputs=[shown(html, "execute_result")]) for html in (frame, named)]
    main = main_of(tmp_path, "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |", *cells)
    first = [th["scope"] for th in main.select("th")][:5]
    assert first == ["col", "col", "col", "colgroup", "row"]
    boxes = [box for box in main.find_all("div") if "scroll" in box.get("class", "").split()]
    assert [(box["tabindex"], box["aria-label"]) for box in boxes] == [("0", "table")] * 3
    assert [head.get_text() for head in boxes[2].select("thead th")] == ["row", "n", "word"]


@pytest.mark.parametrize(
    "output",
    [
        new_output("display_data", {"image/png": DOT}),
        new_output("display_data", {"image/png": DOT}, metadata={"image/png": {"alt": " "}}),
        shown(f'<img src="data:image/png;base64,{DOT}">'),
    ],
)
def test_a_picture_without_words_is_refused_and_its_cell_named(tmp_path, output):
    cells = ["# Title", PARAMETERS_CELL, code("plot()", outputs=[output])]
    with pytest.raises(ReportError, match=r"01_anchors\.ipynb, cell 3 \(`plot\(\)`\): a picture has no alternative"):
        page_of(tmp_path, *cells)


STUB, ATTEMPT = f"def f(\n    x,\n):\n    {NOT_ATTEMPTED}", "def f(x):\n    return x"


def checked(status):
    said = new_output("execute_result", {"text/plain": f"○ Exercise 04.1: {status}. Well.", "text/html": "<p>box</p>"})
    return code("check_f(f)", "check", outputs=[said])


LEFT_OUT = shown('<p class="asif-left-out">no encoder</p>')
SET_UP = code('device = "cuda"\n\nprepare()', "parameters", outputs=[new_output("stream", text="prepared"), LEFT_OUT])
CONTROL = "a control that you can move stands here."


@pytest.mark.parametrize(
    ("cells", "there", "gone", "folds"),
    [
        ([code("# Show <it>.\ndraw()", "hide-input", outputs=[FIGURE]), "1"], ["draw()"], [], ["Show <it>."]),
        ([code(STUB, "exercise"), checked("not attempted")], [], ["check_f", "box"], ["To complete: f"]),
        ([code(ATTEMPT, "exercise"), checked("wrong")], ["check_f", "box"], [], []),
        ([code("both()", outputs=[FIGURE, WIDGET, OTHER])], [CONTROL], [], []),
        ([SET_UP], ["no encoder"], ["prepare", "cuda"], []),
        ([text("[here](00_here.ipynb)", "neighbours")], [], ["here"], []),
        ([text("Solved:", "progress"), code("show_progress()", "progress")], [], ["Solved", "show_progress"], []),
    ],
)
def test_a_page_shows_what_its_reader_needs(tmp_path, cells, there, gone, folds):
    main = main_of(tmp_path, *cells)
    words = main.get_text()
    assert [part for part in there if words.count(part) != 1] == [] and [part for part in gone if part in words] == []
    assert [fold.summary.get_text() for fold in main.select(".fold")] == folds
    assert not any(picture.find_parent("details") for picture in main.select("img"))


def test_an_exercise_with_its_hints_has_one_frame_and_what_is_around_it_stands_outside(tmp_path):
    hint = "<details><summary>Hint</summary>\n\nUp.\n\n</details>\n\nAfter."
    cells = (
        "## 4\n\nBefore.\n\n### Exercise 04.1 · One\n\n1. Do it.",
        code("f = 1", "exercise"),
        code("check(f)"),
        text(hint),
    )
    (frame,) = main_of(tmp_path, *cells).select(".exercise")
    parts = [part.get_text(" ", strip=True) for part in frame.find_all(recursive=False)]
    assert parts == ["Exercise 04.1 · One Do it.", "f = 1", "check ( f )", "Hint Up."]
    around = frame.find_previous("p"), frame.find_next_sibling()
    assert [part.get_text(strip=True) for part in around] == ["Before.", "After."]


def test_a_figure_has_a_number_and_stands_above_its_code_and_a_table_below(tmp_path):
    inside = "<p>Dots.</p>", "<p role='status'>No.</p><div class='asif-drawn'><p>In.</p></div>"
    outputs = [shown(f"<div class='asif-drawn'>{words}</div>") for words in inside]
    main = main_of(tmp_path, code("draw()", outputs=[FIGURE, *outputs]), code("table()", outputs=[shown("<p>box</p>")]))
    drawn, printed = main.select(".code")
    assert drawn.select_one(".output ~ .highlight") and not printed.select_one(".output ~ .highlight")
    begins = [" ".join(output.get_text(" ").split()) for output in drawn.select(".output")]
    assert begins == ["Figure 01.1", "Figure 01.2 Dots.", "Figure 01.3 No. In."]
    assert [number.parent.name for number in main.select(".figure-number")] == ["div", "p", "div"]
    folded = code("# Match all, and draw how many fit. Then draw a few others.\n1", "hide-input", outputs=[FIGURE] * 2)
    main = main_of(tmp_path, folded, code("# Draw the few dots.\n1  # draw two of all", outputs=outputs[:1]))
    assert [b.text for b in main.select("div > span > b")] == ["How many fit", "A few others", "The few dots"]


def test_a_page_that_does_not_stand_alone_is_refused(tmp_path):
    for markdown in ("![a](https://x.org/a.png)", "![a](missing.png)", '<script src="//x.org/a.js"></script>'):
        with pytest.raises(ReportError, match=r"01_anchors\.ipynb does not stand alone"):
            page_of(tmp_path, "# Title\n\n" + markdown)
    page = "<style>@import 'https://x.org/a.css'; p {background: url(//x.org/b)}</style>"
    page += '<p style="background: url(c.png)"><i style="background: url(data:image/png;base64,)">url(d)</i>'
    page += '<svg><use xlink:href="#here"/><image xlink:href="e.png"/></svg>'
    assert loads_from_elsewhere(page) == ["https://x.org/a.css", "//x.org/b", "c.png", "e.png"]


@pytest.mark.parametrize(
    "markdown, expected",
    [
        ("**Question.** Why $k$,\nand how?\n\nrest", "Why $k$, and how?"),
        ("> Are they\n> similar?\n\nrest", "Are they similar?"),
        ("> **Question.** Are they?\n\nrest", "Are they?"),
        ("no question", ""),
    ],
)
def test_question(markdown, expected):
    assert question(new_notebook(cells=[new_markdown_cell(f"# Title\n\n{markdown}")])) == expected


def test_what_a_chapter_says_of_itself(tmp_path):
    opening = "# Title\n\n> Why\n> so?\n\nYou can\n\n- say\n  why;\n- ask.\n\n**Minutes** 40 · **Before this** no"
    path = write(tmp_path / "07_editing.ipynb", opening, "# ## Other\n\n- no goal")
    assert Chapter.read(path) == Chapter("07_editing", "07 · Title", "Why so?", "40", ["say why;", "ask."])


# The book --------------------------------------------------------------------------------------------

METHOD, METHOD_ALT = "drawings/method.svg", "A picture and a sentence are compared with the same anchors."
REACHED = f"# It reaches\n\n{results.BEGIN}\n| a |\n{results.END}\n"


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    write(folder / "00_start_here.ipynb", "# 00 · Strangers?\n\n> Can two strangers talk, at $k=5$?", PARAMETERS_CELL)
    write(folder / "01_encoders.ipynb", "# Encoders & friends", PARAMETERS_CELL)
    return folder


@pytest.fixture
def kernel(monkeypatch):
    """Stands for papermill: a chapter is copied and records a number, and a broken one fails then."""
    seen, alone = mock.Mock(broken=set(), silent=set(), names={}, given=[]), threading.Lock()  # two chapters at a time

    def run(path, output, parameters, environment):
        seen.given.append(parameters.get("fast", "its own"))
        nbformat.write(nbformat.read(path, as_version=4), output)
        if path.stem in seen.silent:
            return 1.0
        with alone, mock.patch.dict(os.environ, environment):
            results.record(seen.names.get(path.stem, f"{path.stem}, R@1"), 0.75 if parameters.get("fast") else 0.25)
        if path.stem in seen.broken:
            raise NotebookError(f"{path.name}, cell 4 (`load()`): ValueError: no encoder", "the trace")
        return 1.0

    monkeypatch.setattr(running, "run_notebook", run)
    return seen


def test_the_whole_report(notebooks, build, kernel, capsys):
    links = "[code](../asif_lib/sparse.py), [start](00_start_here.ipynb), [more](results.md)"
    for name, words in {
        "library": f"# The library\n\n## Part\n\n{links}\n",
        "results": REACHED,
        GUIDE[:-3]: "# G",
    }.items():
        (notebooks / f"{name}.md").write_text(words)
    section = text("## A & b\n\nof $k$ `</script>`"), code("# Fold\nhidden()", "hide-input")
    opening = f"# Encoders & friends\n\nfirst words\n\n![{METHOD_ALT}]({METHOD})"
    write(notebooks / "01_encoders.ipynb", opening, PARAMETERS_CELL, code("1", outputs=[LEFT_OUT]), *section)
    (notebooks / "drawings").mkdir()
    (notebooks / METHOD).write_bytes((ROOT / "notebooks" / METHOD).read_bytes())

    index = build_report({"device": "cpu"}, notebooks=notebooks)
    assert index == build / "report" / "index.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {index}"
    pages = {page.stem: page.read_text() for page in index.parent.glob("*.html")}
    names = {"00_start_here", "01_encoders", "library", "results", "search", "index"}
    assert pages.keys() == names and not any(map(loads_from_elsewhere, pages.values()))
    page = pages["index"]
    for words in (">00 · Strangers?<", ">01 · Encoders &amp; friends<", "Can two strangers talk, at <math"):
        assert words in page
    assert page.count("<b>Left out</b>") == 1 and "GPL-2" in Tags(page).select(".licences")[0].get_text()
    assert "This run: profile offline, device cpu, seed 0, processor" in pages["results"]
    assert "00_start_here, R@1" in pages["results"] and "25.0 %" in pages["results"]
    for links in ({a["href"] for a in links_of(pages[name])} for name in ("index", "library")):
        assert "results.html" in links
        assert all((index.parent / link).exists() for link in links if not link.startswith("#"))
    (drawn,) = Tags(pages["01_encoders"]).all("img")
    assert drawn["alt"] == METHOD_ALT and drawn["src"].startswith("data:image/svg+xml;base64,")
    neighbours = {(a["rel"], a["href"]) for a in Tags(pages["00_start_here"]).all("a") if "rel" in a}
    assert neighbours == {("next", "01_encoders.html")}
    searched = json.loads(BeautifulSoup(pages["search"], "html.parser").find(id="sections").string)
    name, title, (top, section) = searched[1]
    assert (name, title, top[2].split()[:2]) == ("01_encoders", "Encoders & friends", ["first", "words"])
    assert section == ["A-&-b", "A & b", "of k </script> Fold # Fold hidden()"]


def test_only_what_changed_runs_again(notebooks, build, kernel, capsys):
    def lines(**options):
        build_report(notebooks=notebooks, **options)
        return sorted(capsys.readouterr().out.splitlines()[:-1])  # chapters end in any order

    ran = ["00_start_here: 1 s", "01_encoders: 1 s"]
    reused = ["00_start_here: unchanged, reused", "01_encoders: unchanged, reused"]
    assert lines() == ran
    assert lines() == reused
    assert lines(reuse=False) == ran == lines(parameters={"fast": True})
    assert lines(parameters={"fast": True}, chapters=["01"]) == reused[1:]
    results.results_path().unlink()  # the numbers are gone
    assert lines(parameters={"fast": True}) == ran
    kernel.names["00_start_here"] = "renamed"
    write(notebooks / "00_start_here.ipynb", "# New", PARAMETERS_CELL)
    assert lines(parameters={"fast": True}) == [ran[0], reused[1]]
    assert sorted(results.load_results()) == ["01_encoders, R@1", "renamed"]


def test_the_page_of_results_is_that_of_one_run_of_all_chapters(notebooks, build, kernel, capsys):
    page = notebooks / "results.md"
    page.write_text(REACHED)
    results.record("by hand", 0.5)
    build_report({"fast": True}, notebooks=notebooks)
    assert main(["--results", str(page), "--notebooks", str(notebooks)]) == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith("| 0") or "hand" in line]
    assert rows == ["| 00_start_here, R@1 | 25.0 % |  |  |", "| 01_encoders, R@1 | 25.0 % |  |  |"]
    assert "This run: profile offline, device cpu, seed 0, processor" in page.read_text()
    written = page.read_bytes()
    write(notebooks / "02_anchors.ipynb", "# Anchors", PARAMETERS_CELL, 'record("R@1", 0.5)')
    kernel.silent.add("02_anchors")
    with pytest.raises(SystemExit):  # what would have no effect is said
        main(["--results", str(page), "--notebooks", str(notebooks), "--seed", "3"])
    assert "leave out: seed" in capsys.readouterr().err
    assert main(["--results", str(page), "--notebooks", str(notebooks)]) == 1
    assert "The run has no number of 02_anchors, so rows would be lost" in capsys.readouterr().err
    kernel.broken.add("01_encoders")
    assert main(["--results", str(page), "--notebooks", str(notebooks)]) == 1
    assert page.read_bytes() == written


def test_what_makes_a_chapter_run_again(notebooks, tmp_path, monkeypatch):
    path = notebooks / "00_start_here.ipynb"
    library, book = tmp_path / "asif_lib", tmp_path / "asif_book"
    library.mkdir()
    (book / "report").mkdir(parents=True)
    (library / "relative.py").write_text("k = 1")
    monkeypatch.setattr(running, "OURS", (library, book))
    monkeypatch.setattr(running, "REPORT", book / "report")
    keys = [running.key_of(path, {"fast": False}), running.key_of(path, {"fast": True})]
    (book / "quiz.toml").touch()
    keys.append(running.key_of(path, {"fast": False}))
    for file, words in ((library / "relative.py", "k = 2"), (book / "drawn.css", ""), (path, path.read_text() + "\n")):
        file.write_text(words)
        keys.append(running.key_of(path, {"fast": False}))
    assert len(set(keys)) == 6
    (book / "report" / "page.py").write_text("# the pages change, not what they show")
    assert running.key_of(path, {"fast": False}) == keys[-1]
    for caption in ("a cat", "a dog"):  # in a folder of one's own
        write_whole(library / "metadata.csv", f"file_name,caption\na.png,{caption}\n".encode())
        keys.append(running.key_of(path, {"fast": False, "pairs": str(library)}))
    assert len(set(keys)) == 8


def test_the_command_fails_with_one_sentence_and_keeps_what_ran(notebooks, kernel, capsys):
    def ran(*options):
        return main(["--device", "cpu", "--notebooks", str(notebooks), *options]), *capsys.readouterr()

    def values():
        return {name: entry["value"] for name, entry in results.load_results().items()}

    kernel.broken = {"01_encoders"}
    status, out, err = ran()
    assert err.splitlines()[-2:] == ["the trace", "01_encoders.ipynb, cell 4 (`load()`): ValueError: no encoder"]
    assert status == 1 and "report:" not in out and values() == {"00_start_here, R@1": 0.25}
    kernel.broken.clear()
    status, out, _ = ran()
    assert status == 0 and "00_start_here: unchanged, reused" in out and "01_encoders: 1 s" in out
    before = values()
    kernel.broken.add("00_start_here")  # a failing run takes nothing away, and leaves nothing half done
    assert ran("--fast", "00")[0] == 1 and values() == before
    kernel.broken.clear()
    for options in (["--fast", "00"], ["--fast", "--fresh", "00"]):
        status, out, _ = ran(*options)
        assert status == 0 and "reused" not in out and values() == before | {"00_start_here, R@1": 0.75}


@pytest.mark.parametrize(("options", "given"), [([], "its own"), (["--fast"], True), (["--no-fast"], False)])
def test_a_chapter_is_as_large_as_it_says_itself_unless_one_asks(notebooks, build, kernel, options, given):
    assert main(["--notebooks", str(notebooks), *options, "00"]) == 0
    assert kernel.given == [given]
    assert ("not the workbook's" in (build / "report" / "index.html").read_text()) == bool(options)


def test_unknown_chapters_and_empty_folders_are_one_sentence(notebooks, tmp_path, capsys):
    assert main(["--notebooks", str(notebooks), "07"]) == 1
    assert main(["--notebooks", str(tmp_path / "nothing")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and errors[0] == "There is no chapter '07': 00_start_here, 01_encoders."
