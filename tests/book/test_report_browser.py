"""The report in a browser: opened from disk without network, read by keyboard, on a phone, in the dark, on paper."""

import re
import shutil
from urllib.parse import quote, unquote

import pytest
from bs4 import BeautifulSoup
from measured import IN_A_CHART, LEAST, SCREENS, WITHIN, measured
from nbformat.v4 import new_markdown_cell, new_output
from pages import barriers, opened
from playwright.sync_api import expect
from test_report import FIGURE, PARAMETERS_CELL, REACHED, code, shown, text, write

from asif_book.chapters.results import RUN_VARIABLE
from asif_book.editions.building import CHAPTERS
from asif_book.editions.outline import WHAT_YOU_SEE
from asif_book.report import build_report, running
from asif_lib.files import ROOT, build_dir

of_the_chapters = pytest.mark.notebooks  # looks at the chapters that test_notebooks has run

EXECUTED = build_dir() / "tests" / "notebooks"
PHONE = {"width": 360, "height": 740}
FIRST = """# 00 · Strangers

> **Question.** Can two strangers meet, at $k = 5$?

You can

- say why.

**Minutes** 5 · **Before this** nothing

## A long section

See the [paper](https://arxiv.org/abs/2210.01738). An anchor is a pair, and an
anchor has a caption. <span class="on-screen">Drag it.</span> A formula too wide for a phone:

$$ s(x, y) = \\frac{\\sum_i a_i b_i}{\\|a\\| \\|b\\|} + a_1 + a_2 + a_3 + a_4
+ a_5 + a_6 + a_7 + a_8 + a_9 + a_{10} + a_{11} $$

<details><summary>Hint</summary>

The zebra is folded, with $p = 2$.

</details>

### Exercise 00.1 · A part
"""
WIDE = "<table><tbody><tr><th>a</th>" + "<td>twelve columns</td>" * 12 + "</tr></tbody></table>"
CHART = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 565 200'><text y='9' font-size='9'>nine</text></svg>"
CHART = f'<img alt="A chart." width="864" height="306" src="data:image/svg+xml,{quote(CHART)}">'
LANE = "<svg class='asif-drawn' data-low='40' data-high='60' width='200' height='20'><path d='M20 0V20'/></svg>"
SEEN = "**What you see.** It is larger than forty.".join(WHAT_YOU_SEE) + "\n\nBy two."
DEEPER = new_markdown_cell("## 2 · Below · deeper", metadata={"jp-MarkdownHeadingCollapsed": True})


def reported(folder, run, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASIF_BUILD", str(folder))
        patch.delenv(RUN_VARIABLE, raising=False)
        patch.setattr(running, "run_notebook", lambda path, output, *_: shutil.copy(run(path), output) and 1.0)
        return build_report(**options).parent


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A report of two small chapters; the first one shows a figure and a table."""
    folder = tmp_path_factory.mktemp("small") / "notebooks"
    long = "total = 0\n" * 9 + "show()  # a long comment that takes the line well beyond what a phone can show of it"
    cells = (
        code(long, outputs=[FIGURE, shown(CHART), shown(WIDE)]),
        code("# Add.\n" + "1 + 1\n" * 20 + "2", "hide-input"),
    )
    write(folder / "00_strangers.ipynb", FIRST, PARAMETERS_CELL, *cells, text("**Before you look:** how many?"), "1")
    lane = code("print(6 * 7)", outputs=[new_output("stream", text="The product: 42\n"), shown(LANE)])
    asked = text("# 01 · Encoders\n\n**Before you run the next cell:** what is six times seven?", "number")
    answer = lane, new_markdown_cell(SEEN), new_markdown_cell("On we go."), "# Next:\n\n[00](00_strangers.ipynb)"
    told = DEEPER, "### A part\n\nA new animal. The okapi is folded.", "## Summary\n\nThe quagga is told."
    write(folder / "01_encoders.ipynb", PARAMETERS_CELL, asked, *answer, *told)
    (folder / "library.md").write_text("# The library\n\nAnchor, anchor, anchor, anchor.\n")
    (folder / "results.md").write_text(REACHED)
    return reported(folder.parent / "build", lambda path: path, notebooks=folder)


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    """The report of the workbook's own chapters, as far as the tests of the notebooks have run them."""
    names = [path.stem for path in EXECUTED.glob(f"{CHAPTERS}.ipynb") if (ROOT / "notebooks" / path.name).exists()]
    if not names:
        pytest.skip(f"{EXECUTED} holds no executed chapter: run tests/book/test_notebooks.py first")
    return reported(tmp_path_factory.mktemp("chapters"), lambda path: EXECUTED / path.name, chapters=sorted(names))


@pytest.fixture
def open_page(browser):
    """Opens a page from disk, offline; afterwards nothing must have been fetched, and nothing complained."""
    tabs = []

    def open_(*arguments, **options):
        tabs.append(opened(browser, *arguments, **options))
        return tabs[-1]

    yield open_
    for tab in tabs:
        tab.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


# what scrolls sideways, or would have to; a formula or a chart may that no line can hold, and a table
SIDEWAYS = """() => [...document.querySelectorAll("main *")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto"
    && !box.matches("[aria-label='formula'], .figure, :has(> table:not(.drawn))"))
  .map((box) => box.textContent.trim().slice(0, 80))"""
CODE = """() => {
  const code = [...document.querySelectorAll(".code .highlight")];
  const open = code.filter((box) => !box.closest("details.fold:not([open])"));
  const share = open.reduce((sum, box) => sum + box.offsetHeight, 0) / document.documentElement.scrollHeight;
  document.querySelectorAll("main details").forEach((fold) => { fold.open = true; });
  const long = code.flatMap((box) => box.textContent.split("\\n")).filter((line) => line.length > 88);
  return { share, long, cut: code.filter((box) => box.scrollWidth > box.clientWidth).length };
}"""


@pytest.mark.parametrize("book", ["small", pytest.param("chapters", marks=of_the_chapters)])
@pytest.mark.parametrize(("screen", "scheme"), [*zip(SCREENS, ("light", "light", "dark", "dark"), strict=True)])
def test_no_page_has_a_barrier_small_words_or_a_width_beyond_its_window(request, open_page, book, screen, scheme):
    """And the first figure of a chapter is near its top, and its code is mostly folded and never cut."""
    folder, (width, height) = request.getfixturevalue(book), SCREENS[screen]
    page = open_page(folder / "index.html", {"width": width, "height": height}, color_scheme=scheme)
    for path in sorted(folder.glob("*.html")):
        found = measured(page, path)
        assert found["sideways"] == 0, path.stem
        assert screen not in WITHIN or page.evaluate(SIDEWAYS) == [], path.stem
        assert found["chart"][0] >= IN_A_CHART, (path.stem, found)
        if book == "chapters" and path.name[0].isdigit():
            assert found["figure"] <= WITHIN.get(screen, height) and found["words"][0] >= LEAST, (path.stem, found)
        if screen not in WITHIN:
            continue
        page.goto(path.as_uri())
        assert barriers(page) == {}, path.stem
        if book == "chapters" and screen == "desktop" and path.name[0] == "0":  # in the appendix code is taught
            page.goto(f"{path.as_uri()}?show=all")
            looked = page.evaluate(CODE)
            assert 0 < looked["share"] <= 0.15 and looked["long"] == [] and looked["cut"] == 0, path.stem


@of_the_chapters
def test_every_link_of_the_book_leads_somewhere(chapters):
    pages = {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in chapters.glob("*.html")}
    assert {"index.html", "search.html", "library.html"} <= pages.keys()
    links = [
        (name, *unquote(link["href"]).partition("#")[::2]) for name in pages for link in pages[name]("a", href=True)
    ]
    not_run = {f"{path.stem}.html" for path in (ROOT / "notebooks").glob(f"{CHAPTERS}.ipynb")} - pages.keys()
    ours = [
        (name, pages.get(file or name), part)
        for name, file, part in links
        if not file.startswith("https:") and file not in not_run
    ]
    assert [(name, part) for name, page, part in ours if page is None or (part and not page.find(id=part))] == []


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_first_chapter_by_keyboard_in_the_light_and_the_dark_and_on_paper(small, open_page):
    page = open_page(small / "00_strangers.html", color_scheme="light")
    focused = "document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to the text"
    assert page.get_by_text("Skip to the text").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    page.keyboard.press("Tab")  # code that fits its box is no stop, and nothing is to be guessed here
    assert page.evaluate(focused) == "paper"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    section = page.locator(".contents").get_by_role("link", name="A long section")
    assert section.get_attribute("aria-current") is None
    section.click()
    expect(section).to_have_attribute("aria-current", "location")
    pre, tall = page.locator(".code > .highlight > pre").first, "pre => pre.clientHeight"
    assert pre.evaluate(tall) > 150 and not page.locator(".clipped > button").first.is_visible()
    page.locator(".fold").evaluate("fold => { fold.open = true; }")
    page.get_by_role("button", name="Show all 22 lines").click()
    assert page.locator(".fold pre").evaluate(tall) > 300

    light = background(page)
    page.emulate_media(color_scheme="dark")
    assert background(page) != light
    page.get_by_role("link", name="Next").press("Enter")
    expect(page).to_have_title(re.compile("^01 · Encoders"))
    page.get_by_role("link", name="Previous").press("Enter")
    expect(page).to_have_title(re.compile("^00 · Strangers"))
    visible = "element => element.checkVisibility({ contentVisibilityAuto: true }) && element.offsetHeight > 0"
    hint, fold = page.get_by_text("The zebra is folded"), page.locator(".fold")
    page.emulate_media(media="print")
    for asked in (False, True):  # what the reader opened is printed
        assert (hint.evaluate(visible), fold.is_visible()) == (asked, asked)
        page.locator(".fold, main .text details").evaluate_all("all => all.forEach((fold) => { fold.open = true; })")
    assert background(page) == "rgb(255, 255, 255)" and not page.get_by_text("Drag it.").is_visible()
    assert not page.locator("header, .contents, .pager").evaluate_all(f"all => all.some({visible})")
    assert page.locator(".output").first.evaluate("one => getComputedStyle(one).breakInside") == "avoid"
    page.goto((small / "01_encoders.html").as_uri())
    for words in ("larger than forty", "quagga is told", "The okapi is folded"):  # what the script folds
        assert page.get_by_text(words).evaluate(visible)

    page = open_page(small / "01_encoders.html")  # in a browser that stores nothing
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })")
    page.reload()
    page.get_by_role("button", name="Show all", exact=True).first.click()
    assert page.get_by_role("button", name="Show all", exact=True).first.get_attribute("aria-pressed") == "true"


def test_on_a_phone_code_wraps_the_rest_scrolls_in_its_box_and_contents_are_in_the_bar(small, open_page):
    page = open_page(small / "00_strangers.html", PHONE)
    pre = page.locator(".code > .highlight > pre").first
    assert pre.evaluate("pre => pre.clientHeight") < 150 < pre.evaluate("pre => pre.scrollHeight")
    page.get_by_role("button", name="Show all 10 lines").click()
    assert pre.evaluate("pre => pre.clientHeight") > 200
    page.locator("[data-beyond]:visible").first.wait_for()  # in the first frame, a script looks which boxes scroll
    for label in ("formula", "figure", "table"):
        box = page.locator(f"main [role=group][aria-label={label}][tabindex='0']:visible").first
        assert box.get_attribute("data-beyond") == "right"
        box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
        page.wait_for_function("box => box.dataset.beyond === 'left'", arg=box.element_handle())
    left = "cell => cell.getBoundingClientRect().left - cell.closest('.scroll').getBoundingClientRect().left"
    assert box.locator("tbody th").first.evaluate(left) == 0 > box.locator("tbody td").first.evaluate(left)
    page.evaluate("scrollTo(0, 900)")  # wherever the reader is
    section = page.locator(".contents").get_by_role("link", name="A long section")
    assert not section.is_visible()
    page.locator(".contents summary").click()
    section.click()
    page.wait_for_url("**#A-long-section")
    assert not section.is_visible()


def answers(page):
    words = "The product: 42", "larger than forty", "By two", "quagga is told", "On we go"
    return [page.get_by_text(each).is_visible() for each in words]


def test_a_guess_comes_before_what_answers_it_and_a_number_is_drawn_on_its_plot(small, open_page):
    page = open_page(small / "01_encoders.html")
    for guess, place in (("50", "50%"), ("45", "25%"), ("70", None)):
        page.reload()
        assert answers(page) == [False] * 4 + [True]
        field = page.get_by_label("Your guess")
        assert field.get_attribute("type") == "number"
        field.fill(guess)
        page.get_by_role("button", name="Show the result").press("Enter")
        page.get_by_text(f"Your guess: {guess}").wait_for()  # a fold tells that it opened after it has opened
        assert answers(page) == [True] * 3 + [False, True]  # other guesses may follow
        lines = page.locator(".guessed line")
        assert [line.get_attribute("x1") for line in lines.all()] == ([place] if place else [])
    okapi, told = page.get_by_text("The okapi is folded"), page.get_by_text("The quagga is told")
    for name, inside in (("2 · Below", okapi), ("A part", okapi), ("Summary", told)):
        page.goto((small / "01_encoders.html").as_uri())
        expect(inside).to_be_hidden()
        page.locator(".contents a").get_by_text(name).click()  # a link into a fold opens it
        expect(inside).to_be_visible()

    page = open_page(small / "01_encoders.html", java_script_enabled=False)
    assert answers(page) == [True] * 5 and page.get_by_role("button").count() == 0  # complete, and no dead controls
    assert page.locator(".contents summary").is_visible()


def test_a_reader_or_a_link_chooses_to_see_all_and_it_is_kept(small, open_page):
    page = open_page(small / "01_encoders.html")
    page.goto((small / "01_encoders.html").as_uri() + "?show=<b>some")  # none of the two, so a guess comes first
    assert not answers(page)[0]
    page.locator("header").get_by_role("button", name="Show all").click()
    expect(page.get_by_text("The product: 42")).to_be_visible()
    page.goto((small / "01_encoders.html").as_uri())
    expect(page.get_by_text("The product: 42")).to_be_visible()
    assert answers(page) == [True] * 5 and not page.get_by_label("Your guess").is_visible()


@of_the_chapters
def test_the_index_is_a_decision_that_turns(chapters, open_page):
    page = open_page(chapters / "index.html")
    said = page.get_by_role("status")
    assert said.inner_text() == "The answer is “sheep”."
    page.get_by_label("Keep A baby sheep (a lamb).").uncheck()
    assert said.inner_text() == "1 anchor is out. The answer is “kangaroo”."


def test_the_book_is_searched_by_keyboard(small, open_page):
    page = open_page(small / "01_encoders.html")
    page.get_by_role("link", name="Search the book").press("Enter")
    box, said = page.get_by_role("searchbox", name="Words that a section must hold"), page.locator("main output")
    expect(box).to_be_focused()
    page.keyboard.type("FOLDED zebra")
    assert said.text_content() == "1 section" and said.get_attribute("aria-live") == "polite"
    assert page.locator(".found mark").all_inner_texts() == ["zebra", "folded"]
    assert barriers(page) == {}
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/00_strangers.html?show=all#A-long-section*")  # and the browser marks the words
    expect(page.get_by_text("The zebra is folded")).to_be_visible()
    page.go_back()
    page.wait_for_url("**/search.html#FOLDED%20zebra")
    assert box.input_value() == "FOLDED zebra"
    box.fill("anchor")  # the chapters come first
    files = "links => links.map((link) => link.pathname.split('/').at(-1))"
    assert page.locator(".found a").evaluate_all(files) == ["00_strangers.html", "library.html"]
