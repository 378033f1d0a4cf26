"""Slides from a chapter's own figures: a guess, then its figure, and notes for the speaker."""

import functools
import http.server
import shutil
import threading

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_output
from pages import barriers, opened
from playwright.sync_api import expect
from test_report import FIGURE, PARAMETERS_CELL, code, write
from test_report_browser import EXECUTED, of_the_chapters

from asif_book.report import loads_from_elsewhere, schedule, slides
from asif_book.report.slides import build_slides, slides_of
from asif_lib import cli
from asif_lib.files import ROOT

OPENING = "# 03 · Maps\n\n> **Question.** What stays?"
TEACHER = """# %% [markdown] tags=["teacher"]
# ### Discussion
#
# 1. Who decides?
#
# > **Answer.** We do.
#
# 2. Why?
#
# ### Exit questions
#
# 1. What is an anchor?
#
#    > **Answer.** A pair.
"""


def core(text, tag="core"):
    return new_markdown_cell(text, metadata={"tags": [tag]})


@pytest.fixture
def chapter(tmp_path):
    """An executed chapter with a source for teachers."""
    return write(
        tmp_path / "notebooks" / "03_maps.ipynb",
        OPENING,
        PARAMETERS_CELL,
        core("## 1 · A map\n\nThe lead.\n\n**Before you run the next cell:** what will turn?"),
        code("# Draw.\ndraw()", "hide-input", outputs=[FIGURE]),
        "# ### Not a section\n\n",
        new_markdown_cell("**What you see.** It turns.\n\nMore words.\n\n### Exercise 03.1 · Turn\n\nWrite it."),
        "stub()",
        core("## 2 · Words alone\n\nOnly [words](05_more.ipynb)."),
        core("## 3 · Printed\n\nThe lead.\n\n**Before you run the next cell:** how many?"),
        code("print(7)", outputs=[new_output("stream", text="seven\n")]),
        code("print(8)", outputs=[new_output("stream", text="eight\n")]),
        "## 4 · Hubs · deeper\n\nNot here.",
        code("draw()", outputs=[FIGURE]),
        "## Summary\n\n- One thing.\n- Another.",
    )


def test_slides_hold_the_figures_of_the_core_path_with_guess_and_what_you_see_as_notes(chapter):
    (chapter.parent / "source").mkdir()
    (chapter.parent / "source" / "03_maps.py").write_text(TEACHER)
    page = slides_of(chapter, chapter.parent)
    assert loads_from_elsewhere(page) == []
    sections = BeautifulSoup(page, "html.parser").find_all("section")
    titles = [section.find(["h1", "h2"]).get_text() for section in sections]
    numbered = ["1 · A map", "Exercise 03.1 · Turn", "2 · Words alone", "3 · Printed"]
    assert titles == ["03 · Maps", *numbered, "Summary", "Discuss", "Before you go"]
    first, a_map, exercise, words, printed, summary, discuss, leave = sections
    assert first.select_one(".words").get_text().strip() == "What stays?"
    assert a_map.select_one(".ask").get_text() == "Your guess: what will turn?" and a_map.img["alt"] == "A dot."
    assert not a_map.select(".words:not(.ask)") and "draw()" not in page
    notes = "About 2 minutes The lead. What you see. It turns. More words."
    assert " ".join(a_map.aside.get_text(" ").split()) == notes
    assert exercise.select_one(".words").get_text().strip() == "Write it."
    assert printed.select_one(".figure").get_text().split() == ["seven", "eight"]
    assert "The lead." in printed.aside.get_text() and "how many?" not in printed.aside.get_text()
    assert "Only words." in words.get_text() and len(summary.select("li")) == 2
    assert discuss.select_one(".words").get_text().strip() == "Who decides?"
    assert discuss.aside.get_text().strip().endswith("Answer. We do.")
    assert "What is an anchor?" in leave.select_one(".words").get_text()
    assert "A pair." not in str(leave.select(".words"))
    assert leave.aside.get_text().strip().endswith("Answer. A pair.")


def test_a_slide_shows_terms_steps_and_formulas_and_the_speaker_says_the_rest(tmp_path):
    path = write(
        tmp_path / "04_steps.ipynb",
        "# 04 · Steps\n\n> **Question.** How?\n\nOpening words.\n\n- do it;\n- do more (deeper).",
        core(
            "## 1 · Steps\n\nPlain words. They count. The **entry** is a number. Take rows:\n\n"
            "1. **Keep.** The largest.\n2. Scale.\n\nThen\n\n$$r_{ij} = 1$$\n\nis the entry. It is small.\n\nNow a dot."
        ),
        code("draw()", outputs=[FIGURE]),
        new_markdown_cell(
            "**What you see.** A dot. A **far** one.\n\n### Exercise 04.1 · Turn\n\n"
            "**Difficulty** ●○○○○ · **Minutes** 8\n\nPredict first: which way?\n\nReturn it."
        ),
        "stub()",
        new_markdown_cell("<details><summary>Hint</summary>\n\nTurn left.\n\n</details>"),
        new_markdown_cell("### More\n\nA **bank** holds pairs.", metadata={"say": "Ask who made *it*."}),
        "## Summary\n\n- One.\n- Deeper: two.\n\n**Wrong (deeper).** Three.\n\n**Where next.** On.",
    )
    sections = BeautifulSoup(slides_of(path, tmp_path), "html.parser").find_all("section")
    said = [" ".join(section.aside.get_text(" ").split()) for section in sections]
    shown = [" ".join(section.select_one(".words, .figure").get_text(" ").split()) for section in sections]
    assert said[0] == "About 1 minute Opening words. Afterwards, everybody can do it;"
    first = "The entry is a number. Take rows: Keep. The largest. Scale. Then r i j = 1 is the entry."
    assert shown[1].startswith(first)
    assert sections[1].select_one("math[display=block]") and len(sections[1].select("ol li")) == 2
    assert said[1] == "About 1 minute Plain words. They count. It is small."
    assert said[2] == "About 1 minute Now a dot. What you see. A dot." and shown[3] == "A far one."
    assert said[4] == "About 9 minutes Return it. Hint Turn left." and "first: which way?" in sections[4].text
    assert shown[5] == "A bank holds pairs." and said[5] == "About 1 minute Ask who made it ."
    assert shown[6] == "One." and said[6] == "About 1 minute Where next. On."


def test_a_chapter_without_core_sections_shows_all_of_them(tmp_path):
    path = write(tmp_path / "05_all.ipynb", OPENING, "## 1 · One\n\na", "## 2 · Two\n\nb", "## Summary\n\n- c")
    sections = BeautifulSoup(slides_of(path, tmp_path), "html.parser").find_all("section")
    assert [section.find(["h1", "h2"]).get_text() for section in sections[1:]] == ["1 · One", "2 · Two", "Summary"]


def test_the_command_runs_the_chapters_of_the_core_path_and_no_other(chapter, tmp_path, monkeypatch, capsys):
    write(chapter.parent / "05_more.ipynb", "# 05 · More\n\n## 1 · Deep")
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path / "build"))
    (tmp_path / "build" / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(schedule, "run_notebook", lambda path, output, *_: shutil.copy(path, output) and 1.0)
    assert cli.main(["class", "slides", str(tmp_path / "new" / "slides")]) == 0
    assert [file.name for file in (tmp_path / "new" / "slides").iterdir()] == ["03_maps.html"]
    assert str(tmp_path / "new" / "slides" / "03_maps.html") in capsys.readouterr().out
    assert [file.name for file in build_slides(tmp_path / "slides", ["05"])] == ["05_more.html"]
    assert cli.main(["class", "slides", str(tmp_path / "slides"), "--chapters", "11"]) == 1
    assert "There is no chapter '11'" in capsys.readouterr().err


def test_keys_turn_the_slides_and_a_figure_waits_for_the_guess(chapter, tmp_path, browser):
    (tmp_path / "slides.html").write_text(slides_of(chapter, chapter.parent))
    page = opened(browser, tmp_path / "slides.html", {"width": 1280, "height": 720})
    with page.context as context:
        expect(page.get_by_text("What stays?")).to_be_visible()
        assert barriers(page) == {}
        figure, status = page.get_by_alt_text("A dot."), page.locator("footer span")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_text("Your guess: what will turn?").first).to_be_visible()
        assert not figure.is_visible() and status.text_content() == "2 of 6"
        page.keyboard.press("ArrowRight")
        expect(figure).to_be_visible()
        assert not page.get_by_text("Your guess: what will turn?").first.is_visible()
        assert status.text_content() == "2 of 6"
        page.keyboard.press("n")
        expect(page.get_by_text("It turns.")).to_be_visible()
        assert barriers(page) == {}
        with context.expect_page() as window:
            page.keyboard.press("Shift+S")
        expect(window.value.get_by_text("It turns.")).to_be_visible()
        expect(window.value.get_by_text("Next: Exercise 03.1 · Turn")).to_be_visible()
        window.value.keyboard.press("End")
        expect(window.value.get_by_text("The last slide.")).to_be_visible()
        assert status.text_content() == "6 of 6"
        page.reload()  # the address keeps the place
        expect(page.get_by_text("Another.")).to_be_visible()


def test_without_scripts_all_slides_and_notes_are_there(chapter, tmp_path, browser):
    (tmp_path / "slides.html").write_text(slides_of(chapter, chapter.parent))
    page = opened(browser, tmp_path / "slides.html", java_script_enabled=False)
    for words in ("what will turn?", "It turns.", "Another."):
        expect(page.get_by_text(words).first).to_be_visible()
    assert not page.locator("footer").is_visible()
    page.context.close()


def test_the_speakers_window_opens_from_a_server_too(chapter, tmp_path, browser):
    (tmp_path / "slides.html").write_text(slides_of(chapter, chapter.parent))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser.new_context() as context:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/slides.html#2")
        with context.expect_page() as window:
            page.keyboard.press("s")
        expect(window.value.get_by_text("It turns.")).to_be_visible()
        expect(window.value.get_by_text("as planned, this slide begins at minute 1")).to_be_visible()
        server.shutdown()


LOOK = """(step) => {
  show(step);
  const slide = slides.find((each) => !each.hidden), place = slide.querySelector(".place");
  const inside = place.getBoundingClientRect(), sizes = [];
  const out = [...place.querySelectorAll("p, li, img, pre, td, table, math")].filter((part) => {
    const box = part.getBoundingClientRect();
    return part.checkVisibility() && (box.bottom > inside.bottom + 2 || box.right > inside.right + 2);
  });
  const letters = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  while (letters.nextNode()) {
    const around = letters.currentNode.parentElement;
    if (!letters.currentNode.data.trim() || !around.checkVisibility() || around.closest("math, style")) continue;
    const scale = around.closest("svg") ? around.getScreenCTM().d : around.currentCSSZoom;
    sizes.push(scale * parseFloat(getComputedStyle(around).fontSize));
  }
  for (const image of [...place.querySelectorAll("img")].filter((each) => each.checkVisibility())) {
    const [kind, data] = image.currentSrc.split(/,(.*)/s);
    if (!kind.includes("svg")) continue;
    const text = kind.includes("base64") ? atob(data) : decodeURIComponent(data);
    const drawn = new DOMParser().parseFromString(text, "image/svg+xml");
    const scale = image.getBoundingClientRect().width / drawn.documentElement.viewBox.baseVal.width;
    for (const glyphs of drawn.querySelectorAll('g[transform*="scale(0."]')) {  // as matplotlib writes words
      sizes.push(100 * scale * Number(glyphs.getAttribute("transform").match(/scale\\((\\S+)/)[1]));
    }
    for (const words of drawn.querySelectorAll("[font-size]")) sizes.push(scale * words.getAttribute("font-size"));
  }
  return { out: out.length, smallest: Math.min(...sizes), title: slide.querySelector("h1, h2").textContent };
}"""


@of_the_chapters
@pytest.mark.parametrize("number, shown", [
    ("00", "scale the list to length 1"), ("03", "rij=cos"), ("03", "Centring repairs this"), ("04", "Clamp."),
    ("06", "contribution"), ("07", "def asif("),
])  # fmt: skip
def test_the_slides_of_a_chapter_fit_are_legible_and_say_something(number, shown, tmp_path, browser):
    executed = next(EXECUTED.glob(f"{number}_*.ipynb"), None)
    if executed is None:
        pytest.skip(f"{EXECUTED} holds no chapter {number}: run tests/book/test_notebooks.py first")
    html = slides_of(executed, ROOT / "notebooks")
    (tmp_path / "slides.html").write_text(html)
    sections = BeautifulSoup(html, "html.parser").find_all("section")
    assert shown in "".join(section.select_one(".place").get_text() for section in sections).replace("\u2061", "")
    assert all(len(section.aside.get_text().split()) >= 10 for section in sections)
    for size, letters in (((1280, 720), 14), ((1024, 768), 0)):
        page = opened(browser, tmp_path / "slides.html", dict(zip(("width", "height"), size, strict=True)))
        looks = [page.evaluate(LOOK, step) for step in range(page.evaluate("steps.length"))]
        assert [look for look in looks if look["out"] or look["smallest"] < letters] == []
        assert page.complaints == []
        page.context.close()
