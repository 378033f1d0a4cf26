"""The report in a browser: opened from disk without network, read by keyboard, on a phone, in the dark, on paper."""

import re
import shutil
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from measured import LEAST, SCREENS, WITHIN, measured
from nbformat.v4 import new_code_cell, new_markdown_cell
from pages import DESKTOP, barriers, opened
from playwright.sync_api import expect
from test_report import PARAMETERS_CELL, REACHED, RECORD, write

from asif_book.chapters.results import RUN_VARIABLE
from asif_book.editions.building import CHAPTERS
from asif_book.editions.outline import WHAT_YOU_SEE
from asif_book.report import build_report, schedule
from asif_lib.files import ROOT, build_dir

of_the_chapters = pytest.mark.notebooks  # looks at the chapters that test_notebooks has run

SCREENSHOTS = build_dir() / "screenshots"
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
SHOW = """import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from asif_book.checks import Verdict
from asif_book.figures import show
figure, axis = plt.subplots(figsize=(9, 3))
axis.plot([1, 3, 2])
show(figure, "A line that rises and falls.")  # a long comment that takes the line well beyond what a phone can show
frame = pd.DataFrame({f"column {i}": [i, 2.5 * i] for i in range(12)})
display(frame, frame.style.format(precision=1), Verdict("Exercise 00.1", "wrong", "You normalised columns."))
"""


LANE = """from IPython.display import HTML
print('The product:', 6 * 7)
HTML("<svg class='asif-drawn' data-low='40' data-high='60' width='200' height='20'><path d='M20 0V20'/></svg>")
"""

ASKED = new_markdown_cell("**Before you look:** how many?")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A report of two small chapters; the first one shows a figure, tables and a verdict."""
    folder = tmp_path_factory.mktemp("small")
    recorded = new_code_cell(RECORD.format("held-out stamps, zero-shot, 13 classes"))
    folded = new_code_cell("# Add one to one.\n" + "1 + 1\n" * 20 + "2", metadata={"tags": ["hide-input"]})
    cells = FIRST, PARAMETERS_CELL, new_code_cell(SHOW), folded, ASKED, recorded
    write(folder / "notebooks" / "00_strangers.ipynb", *cells)
    write(
        folder / "notebooks" / "01_encoders.ipynb",
        PARAMETERS_CELL,
        new_markdown_cell(
            "# 01 · Encoders\n\n**Before you run the next cell:** what is six times seven?",
            metadata={"tags": ["number"]},
        ),
        new_code_cell(LANE),
        new_markdown_cell("**What you see.** It is larger than forty.".join(WHAT_YOU_SEE) + "\n\nBy two."),
        new_markdown_cell("On we go."),
        "# Next:\n\n[00](00_strangers.ipynb)",
        new_markdown_cell("## 2 · Below · deeper", metadata={"jp-MarkdownHeadingCollapsed": True}),
        "### A part\n\nA new animal. The okapi is folded.",
        "## Summary\n\nThe quagga is told.",
    )
    (folder / "notebooks" / "library.md").write_text("# The library\n\nAnchor, anchor, anchor, anchor.\n")
    (folder / "notebooks" / "results.md").write_text(REACHED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASIF_BUILD", str(folder / "build"))
        patch.delenv(RUN_VARIABLE, raising=False)
        return build_report({"device": "cpu"}, notebooks=folder / "notebooks").parent


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    """The report of the workbook's own chapters, as far as the tests of the notebooks have run them."""
    paths = sorted(EXECUTED.glob(f"{CHAPTERS}.ipynb"))
    paths = [path for path in paths if (ROOT / "notebooks" / path.name).exists()]
    if not paths:
        pytest.skip(f"{EXECUTED} holds no executed chapter: run tests/book/test_notebooks.py first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASIF_BUILD", str(tmp_path_factory.mktemp("chapters")))
        run = lambda path, output, *_: shutil.copy(EXECUTED / path.name, output) and 1  # noqa: E731
        patch.setattr(schedule, "run_notebook", run)
        (build_dir() / "notebooks").mkdir(parents=True)
        return build_report(chapters=[path.stem for path in paths]).parent


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


# what scrolls sideways, or would have to; a formula may that no line can hold, and a table, whose first column stays
SIDEWAYS = """() => [...document.querySelectorAll("main *")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto"
    && !box.matches("[aria-label='formula'], :has(> table:not(.drawn))"))
  .map((box) => box.textContent.trim().slice(0, 80))"""
LOOK = """() => {
  const code = [...document.querySelectorAll(".code .highlight")];
  const open = code.filter((box) => !box.closest("details:not([open])"));
  const height = open.reduce((sum, box) => sum + box.offsetHeight, 0);
  const share = height / document.documentElement.scrollHeight;
  document.querySelectorAll("main details").forEach((fold) => { fold.open = true; });
  return {
    share, cells: code.length,
    long: code.flatMap((box) => box.textContent.split("\\n")).filter((line) => line.length > 88),
    cut: code.map((box) => box.querySelector("pre")).filter((pre) => pre.scrollWidth > pre.clientWidth).length,
  };
}"""


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def check_pages(folder, open_page, name):
    """No barrier that axe knows on any page of a report, nor a page wider than its window; pictures of them kept."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark")):  # each window and each scheme once
        page = open_page(folder / "index.html", viewport, color_scheme=scheme)
        for path in sorted(folder.glob("*.html")):
            page.goto(path.as_uri())
            where = f"{name}-{path.stem}-{viewport['width']}-{scheme}"
            page.screenshot(path=SCREENSHOTS / f"{where}.png")
            assert barriers(page) == {}, where
            assert overflow(page) == 0, where
        page.context.close()


def test_no_page_of_a_small_report_has_a_barrier(small, open_page):
    check_pages(small, open_page, "small")


@of_the_chapters
def test_no_page_of_the_workbook_has_a_barrier(chapters, open_page):
    check_pages(chapters, open_page, "workbook")


@of_the_chapters
def test_code_is_mostly_folded_and_never_cut(chapters, open_page):
    page = open_page(chapters / "index.html", {"width": 1280, "height": 800})
    for path in sorted(chapters.glob("0*.html")):  # in the appendix the code is what is taught
        page.goto(path.as_uri())
        page.locator(".deeper, .answer").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
        seen = "[...document.querySelectorAll('.answer .code')].every((code) => code.checkVisibility())"
        page.wait_for_function(seen)
        seen = page.evaluate(LOOK)
        assert seen["cells"] > 10 and 0 < seen["share"] <= 0.15, path.stem
        assert seen["long"] == [] and seen["cut"] == 0, path.stem


@of_the_chapters
def test_every_link_of_the_book_leads_somewhere(chapters):
    pages = {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in chapters.glob("*.html")}
    assert {"index.html", "search.html", "library.html"} <= pages.keys()
    broken = []
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            file, _, part = unquote(link["href"]).partition("#")
            target = pages.get(file or name)
            if not file.startswith("https:") and (target is None or (part and not target.find(id=part))):
                broken.append((name, link["href"]))
    assert broken == []


@of_the_chapters
@pytest.mark.parametrize("screen", SCREENS)
def test_the_first_figure_is_near_the_top_no_word_is_small_and_nothing_scrolls_sideways(screen, chapters, open_page):
    width, height = SCREENS[screen]
    page = open_page(chapters / "index.html", {"width": width, "height": height})
    for path in sorted(chapters.glob("*.html")):
        found = measured(page, path)
        assert found["sideways"] == 0, path.stem
        assert screen not in WITHIN or page.evaluate(SIDEWAYS) == [], path.stem
        if path.name[0].isdigit():
            assert found["figure"] <= WITHIN.get(screen, height), path.stem
            assert found["least"] >= LEAST, (path.stem, found["where"])


def test_axe_sees_a_barrier_where_there_is_one(small, open_page):
    page = open_page(small / "00_strangers.html")
    page.evaluate("document.querySelector('.output img').removeAttribute('alt')")
    page.evaluate("document.querySelector('main p').style.color = '#ccc'")
    assert set(barriers(page)) == {"image-alt", "color-contrast"}


def test_the_index_shows_question_goals_minutes_and_icon(small, open_page):
    page = open_page(small / "index.html")
    chapter = page.locator("ol.chapters > li").first
    assert "Can two strangers meet" in chapter.inner_text() and "say why." not in chapter.inner_text()
    assert chapter.locator(".minutes").inner_text().split()[:2] == ["5", "min"]
    page.get_by_label("Show all goals").check()
    assert "say why." in chapter.inner_text()
    assert chapter.locator("svg.icon").bounding_box()["width"] > 40
    assert page.locator("header .book").inner_text() == "ASIF" and page.locator(".pager").count() == 0
    assert chapter.bounding_box()["width"] > 1000
    assert page.locator("#chapters").bounding_box()["y"] < page.locator("main .ways").bounding_box()["y"]


def test_the_book_is_searched_by_keyboard(small, open_page):
    page = open_page(small / "01_encoders.html")
    page.get_by_role("link", name="Search the book").press("Enter")
    box, said = page.get_by_role("searchbox", name="Words that a section must hold"), page.locator("main output")
    expect(box).to_be_focused()
    page.keyboard.type("FOLDED zebra")
    assert said.text_content() == "1 section" and said.get_attribute("aria-live") == "polite"
    assert page.locator(".found mark").all_inner_texts() == ["zebra", "folded"]
    page.keyboard.type("s")
    assert said.text_content() == "0 sections" and page.locator(".found li").count() == 0
    page.keyboard.press("Backspace")
    assert barriers(page) == {}
    page.screenshot(path=SCREENSHOTS / "book-search.png")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/00_strangers.html?show=all#A-long-section*")  # and the browser marks the words
    expect(page.get_by_text("The zebra is folded")).to_be_visible()
    page.go_back()
    page.wait_for_url("**/search.html#FOLDED%20zebra")
    assert box.input_value() == "FOLDED zebra"
    box.fill("anchor")  # the chapters come first
    assert page.locator(".found a").evaluate_all(PAGES) == ["00_strangers.html", "library.html"]


def test_a_section_that_goes_deeper_opens_for_a_link_into_it_and_the_search(small, open_page):
    page = open_page(small / "01_encoders.html")
    okapi, told = page.get_by_text("The okapi is folded"), page.get_by_text("The quagga is told")
    for name, inside in (("2 · Below", okapi), ("A part", okapi), ("Summary", told)):
        page.goto((small / "01_encoders.html").as_uri())
        expect(inside).to_be_hidden()
        assert page.get_by_text("A new animal.", exact=True).is_visible()  # how it begins
        page.locator(".contents a").get_by_text(name).click()
        expect(inside).to_be_visible()
    page.goto((small / "search.html").as_uri())
    page.goto((small / "01_encoders.html").as_uri() + "#A-part")  # from another page
    expect(okapi).to_be_visible()
    assert barriers(page) == {}


PAGES = "links => links.map((link) => link.pathname.split('/').at(-1))"
DIMMED = """kinds => kinds.map((kind) => {
  const picture = new Image();
  picture.src = `data:image/${kind};base64,svg+`;
  document.querySelector("main").append(picture);
  return getComputedStyle(picture).filter;
})"""


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_the_reader_chooses(small, open_page):
    page = open_page(small / "00_strangers.html", color_scheme="light")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert dark != light
    assert page.evaluate(DIMMED, ["png", "svg+xml"]) == ["brightness(0.9)", "none"]
    page.get_by_role("button", name="Light").click()
    assert background(page) == light
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_title(re.compile("^01"))
    expect(page.locator("body")).to_have_css("background-color", light)  # remembered
    page.get_by_role("button", name="Dark").click()
    assert background(page) == dark
    page = open_page(small / "index.html")  # in a browser that stores nothing
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })")
    page.reload()
    before = background(page)
    page.get_by_role("button", name="Dark").click()
    assert background(page) != before


def test_by_keyboard(small, open_page):
    page = open_page(small / "00_strangers.html")
    focused = "document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to the text"
    assert page.get_by_text("Skip to the text").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    for stop in ("Guess first", "Show all", "paper"):  # code that fits its box is no stop
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == stop
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("link", name="Next").press("Enter")
    expect(page).to_have_title(re.compile("^01 · Encoders"))
    page.get_by_role("link", name="Previous").press("Enter")
    expect(page).to_have_title(re.compile("^00 · Strangers"))


def test_on_a_phone_code_wraps_the_rest_scrolls_in_its_box_and_contents_are_in_the_bar(small, open_page):
    page = open_page(small / "00_strangers.html", PHONE)
    assert overflow(page) == 0 and page.evaluate(SIDEWAYS) == []
    cut = "all => all.map((box) => box.scrollWidth > box.clientWidth)"
    assert set(page.locator(".highlight pre:visible").evaluate_all(cut)) == {False}
    page.locator("[data-beyond]:visible").first.wait_for()  # in the first frame, a script looks which boxes scroll
    for label in ("formula", "table"):
        box = page.locator(f"main [role=group][aria-label={label}][tabindex='0']:visible").first
        assert box.evaluate("box => box.scrollWidth > box.clientWidth"), label
        assert box.get_attribute("data-beyond") == "right"
        box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
        page.wait_for_function("box => box.dataset.beyond === 'left'", arg=box.element_handle())
        assert "gradient" in box.evaluate("box => getComputedStyle(box).maskImage")
    left = "cell => cell.getBoundingClientRect().left - cell.closest('.scroll').getBoundingClientRect().left"
    assert box.locator("tbody th").first.evaluate(left) == 0 > box.locator("tbody td").first.evaluate(left)
    page.evaluate("scrollTo(0, 900)")  # wherever the reader is
    section = page.locator(".contents").get_by_role("link", name="A long section")
    assert not section.is_visible()
    page.locator(".contents summary").click()
    section.click()
    page.wait_for_url("**#A-long-section")
    assert not section.is_visible()
    wide = open_page(small / "00_strangers.html")
    section = wide.locator(".contents").get_by_role("link", name="A long section")
    assert section.is_visible() and section.get_attribute("aria-current") is None
    section.click()
    expect(section).to_have_attribute("aria-current", "location")
    low = open_page(small / "library.html", {"width": 1280, "height": 260})
    expect(low.locator(".contents [aria-current=page]")).to_be_in_viewport()  # the list has scrolled to it


def test_a_phone_shows_six_lines_of_long_code_until_asked_for_all(small, open_page):
    page = open_page(small / "00_strangers.html", PHONE)
    code, tall = page.locator(".code > .highlight > pre").first, "pre => pre.clientHeight"
    assert code.evaluate(tall) < 150 < code.evaluate("pre => pre.scrollHeight")
    page.get_by_role("button", name="Show all 10 lines").click()
    assert code.evaluate(tall) > 200 and page.get_by_role("button", name="Show all 10").count() == 0
    wide = open_page(small / "00_strangers.html")
    assert wide.locator(".code > .highlight > pre").first.evaluate(tall) > 150
    assert not wide.locator(".clipped > button").first.is_visible()
    wide.locator(".fold").evaluate("fold => { fold.open = true; }")
    assert wide.locator(".fold pre").evaluate(tall) < 300
    wide.get_by_role("button", name="Show all 22 lines").click()
    assert wide.locator(".fold pre").evaluate(tall) > 300


def test_without_scripts_the_page_is_complete_and_shows_no_dead_controls(small, open_page):
    page = open_page(small / "00_strangers.html", java_script_enabled=False)
    assert page.get_by_role("heading", name="A long section").is_visible()
    assert page.locator(".contents summary").is_visible() and page.get_by_role("link", name="Next").is_visible()
    assert page.get_by_role("searchbox").count() == page.get_by_role("button").count() == 0


def answers(page):
    texts = "The product: 42", "larger than forty", "By two", "quagga is told", "On we go"
    return [page.get_by_text(words).is_visible() for words in texts]


def test_a_guess_comes_before_what_answers_it_and_a_number_is_drawn_on_its_plot(small, open_page):
    path = small / "01_encoders.html"
    for guess, place in (("50", "50%"), ("45", "25%"), ("70", None)):
        page = open_page(path)
        assert answers(page) == [False] * 4 + [True]
        field = page.get_by_label("Your guess")
        assert field.get_attribute("type") == "number"
        field.fill(guess)
        page.get_by_role("button", name="Show the result").press("Enter")
        page.get_by_text(f"Your guess: {guess}").wait_for()  # a fold tells that it opened after it has opened
        assert answers(page) == [True] * 3 + [False, True]  # other guesses may follow
        lines = page.locator(".guessed line")
        assert [line.get_attribute("x1") for line in lines.all()] == ([place] if place else [])
    page = open_page(path)
    page.emulate_media(media="print")
    assert page.get_by_text("larger than forty").is_visible() and page.get_by_text("quagga is told").is_visible()
    assert answers(open_page(path, java_script_enabled=False)) == [True] * 5


def test_a_reader_or_a_link_chooses_to_see_all_and_it_is_kept(small, open_page):
    page = open_page(small / "01_encoders.html")
    question = page.get_by_text("How do you want to read")
    switch = page.locator("header .ways")
    assert not question.is_visible() and switch.is_visible()
    page.goto((small / "00_strangers.html").as_uri())  # the first chapter asks
    assert question.is_visible() and not switch.is_visible() and barriers(page) == {}
    page.locator("main").get_by_role("button", name="Show all").click()
    assert not question.is_visible() and switch.get_by_role("button", name="Show all").is_visible()
    page.goto((small / "01_encoders.html").as_uri())
    expect(page.get_by_text("The product: 42")).to_be_visible()
    assert answers(page) == [True] * 5 and not page.get_by_label("Your guess").is_visible()
    page.reload()
    assert answers(page) == [True] * 5 and not question.is_visible() and switch.is_visible()
    page.goto((small / "index.html").as_uri())
    assert question.is_visible() and not switch.is_visible()  # the index always asks
    page = open_page(small / "01_encoders.html")
    for address, shown in (("?show=all", True), ("?show=<b>some", False)):
        page.goto((small / "01_encoders.html").as_uri() + address)
        expect(page.get_by_text("The product: 42")).to_be_visible(visible=shown)
        assert answers(page)[:4] == [shown] * 4
        assert page.get_by_text("The okapi is folded").is_visible() == shown  # in a section that goes deeper
    told = page.get_by_text("How do you want to read").inner_text()
    assert told.startswith("No way to read is called “<b>some”; choose one of the two.")


def test_on_paper(small, open_page):
    page = open_page(small / "00_strangers.html", color_scheme="dark")
    visible = "element => element.checkVisibility({ contentVisibilityAuto: true }) && element.offsetHeight > 0"
    hint, code = page.get_by_text("The zebra is folded"), page.locator(".fold")
    page.emulate_media(media="print")
    for asked in (False, True):  # what the reader opened is printed
        assert (hint.evaluate(visible), code.is_visible()) == (asked, asked)
        page.locator(".fold, main .text details").evaluate_all("all => all.forEach((fold) => { fold.open = true; })")
    whole = "all => all.map((one) => getComputedStyle(one).breakInside)"  # a figure splits no paragraph
    assert {*page.locator(".text p").evaluate_all(whole)} == {"avoid"}
    assert not page.locator(".output:has(.figure) ~ .highlight").is_visible()  # code that draws is not printed
    assert not page.locator("header, .contents, .pager").evaluate_all(f"all => all.some({visible})")
    assert background(page) == "rgb(255, 255, 255)" and not page.get_by_text("Drag it.").is_visible()
    address = page.get_by_text("paper", exact=True).evaluate("link => getComputedStyle(link, '::after').content")
    assert "https://arxiv.org/abs/2210.01738" in address
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.pdf(path=SCREENSHOTS / "small.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", (SCREENSHOTS / "small.pdf").read_bytes())) == 1
    page.goto((small / "01_encoders.html").as_uri())
    line = "guess => getComputedStyle(guess, '::after').borderBottomStyle"  # to write
    assert page.locator(".asked").evaluate(line) == "solid"
    assert "Figure 01.1" in page.locator(".seen > strong").evaluate("one => getComputedStyle(one, '::after').content")
    whole = "one => getComputedStyle(one).breakInside"  # figures and short code
    assert {page.locator(one).first.evaluate(whole) for one in (".output:has(svg)", ".short")} == {"avoid"}
    assert page.get_by_text("The okapi is folded").evaluate(visible)


@of_the_chapters
def test_no_table_is_wider_than_its_column_on_paper(chapters, open_page):
    """Chromium would shrink the whole chapter. Nor does an interval leave its row."""
    page = open_page(chapters / "index.html", DESKTOP)
    page.emulate_media(media="print")
    wide = "one.scrollWidth * one.currentCSSZoom > one.parentElement.getClientRects()[0].width + 3"
    wide = f"all => all.filter((one) => {wide}).map((one) => one.innerText)"
    for path in sorted(chapters.glob("[0-9]*.html")):
        page.goto(path.as_uri())
        page.add_style_tag(content="body { width: 184mm }")  # of A4, within its margins
        assert page.locator("main table:visible, .breaks tr").evaluate_all(wide) == [], path.stem
