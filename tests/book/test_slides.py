"""Slides from a chapter's own figures: a guess, then its figure, and notes for the speaker."""

import shutil

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_output
from pages import barriers, opened
from playwright.sync_api import expect
from test_report import FIGURE, PARAMETERS_CELL, code, write

from asif_book.report import loads_from_elsewhere, schedule, slides
from asif_book.report.slides import build_slides, slides_of
from asif_lib import cli

OPENING = "# 03 · Maps\n\n> **Question.** What stays?"
TEACHER = """# %% [markdown] tags=["teacher"]
# ### Discussion
#
# Nothing.
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
    numbered = ["1 · A map", "Exercise 03.1 · Turn", "2 · Words alone", "3 · Printed", "Summary", "Before you go"]
    assert titles == ["03 · Maps", *numbered]
    first, a_map, exercise, words, printed, summary, leave = sections
    assert first.select_one(".words").get_text().strip() == "What stays?"
    assert a_map.select_one(".ask").get_text() == "Your guess: what will turn?" and a_map.img["alt"] == "A dot."
    assert not a_map.select(".words:not(.ask)") and "draw()" not in page
    notes = "The lead. Your guess: what will turn? What you see. It turns."
    assert " ".join(a_map.aside.get_text(" ").split()) == notes
    assert exercise.select_one(".words").get_text().strip() == "Write it." and not exercise.aside
    assert printed.select_one(".figure").get_text().split() == ["seven", "eight"]
    assert "how many?" in printed.aside.get_text()
    assert "Only words." in words.get_text() and len(summary.select("li")) == 2
    assert "What is an anchor?" in leave.select_one(".words").get_text()
    assert "A pair." not in str(leave.select(".words"))
    assert leave.aside.get_text().strip() == "Answer. A pair."


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
            page.keyboard.press("s")
        expect(window.value.get_by_text("It turns.")).to_be_visible()
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
