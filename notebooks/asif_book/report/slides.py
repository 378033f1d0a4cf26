"""Make slides of chapters from their own figures: first the guess, then the figure, with notes for the speaker."""

from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from asif_book.figures.templates import filled
from asif_lib.files import ROOT, build_dir, write_whole

from ..editions import teacher_text
from ..outline import CORE, Chapter
from .book import PARAMETERS, chapters_in
from .rendering import cells_as_html, for_paper, to_html
from .schedule import Runner, run_chapters


def build_slides(folder: Path | str, chapters: list[str] | None = None) -> list[Path]:
    """Write the slides of chapters, by default of the core path, into a folder; those that changed are run first.

    A file needs no network. Raises `ReportError` if there is no such chapter, and `NotebookError` if one fails.
    """
    notebooks, runs = ROOT / "notebooks", build_dir() / "notebooks"
    book = {path: Chapter.read(path) for path in chapters_in(notebooks, chapters)}
    book = {path: chapter for path, chapter in book.items() if chapters or chapter.core}
    files = {path: Path(folder, f"{path.stem}.html") for path in book}
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = Runner(runs, PARAMETERS, reuse=True)
    run_chapters(book, made, lambda path: write_whole(files[path], slides_of(runs / path.name, notebooks).encode()))
    return list(files.values())


def slides_of(executed: Path, folder: Path) -> str:
    """Make the slides of an executed chapter; its source in ``folder/source``, if there, has the exit questions."""
    chapter, source = Chapter.read(executed), folder / "source" / f"{executed.stem}.py"
    body = cells_as_html(for_paper(nbformat.read(executed, as_version=4)), executed.stem, folder)
    for link in body.select("a[href]"):
        link.unwrap()  # the page that it leads to need not be there
    question = [to_html(chapter.question, folder)]
    slides = [{"title": chapter.title, "text": question, "figure": body.div.select("picture, img")[:1]}, *_slides(body)]
    exits = teacher_text(source).partition("### Exit questions")[2].partition("\n### ")[0] if source.exists() else ""
    if exits:
        questions = BeautifulSoup(to_html(exits, folder), "html.parser")
        answers = [answer.extract() for answer in questions.find_all("blockquote")]
        slides.append({"title": "Before you go", "text": [questions], "notes": answers})
    for slide in slides:
        slide |= {part: [Markup(str(piece)) for piece in pieces] for part, pieces in slide.items() if part != "title"}
    return filled("report/templates/slides.html.j2", chapter=chapter, slides=slides)


def _slides(body: Tag) -> list[dict]:
    """Collect figures and exercises of the core sections (of all in a chapter without them), and the summary."""
    slides, title, ask, printed = [], "", [], []
    wanted = f"celltag_{CORE}" if body.select_one(f".celltag_{CORE}") else "text"

    def show(figure, notes):
        lead = slides.pop()["text"] if slides[-1]["title"] == title and "text" in slides[-1] else []
        slides.append({"title": title, "ask": [*ask], "figure": figure, "notes": [*lead, *ask, *notes]})
        ask.clear()
        printed.clear()

    for cell in body.find_all("div", recursive=False):
        if "code" in cell["class"]:
            outputs = cell.select(".output") if title else []
            drawn = [output for output in outputs if output.find(["img", "svg"])] or cell.select(".output:has(table)")
            printed += [output for output in outputs if output not in drawn]
            if outputs and drawn:
                show(drawn, printed)
            continue
        if ask and printed:  # what was printed answers the guess
            show([*printed], [])
        printed.clear()
        heading = cell.find(["h2", "h3"]) or body.new_tag("p")
        if heading.name == "h2":
            title, summary = heading.get_text(), heading.get_text() == "Summary"
            title = title if summary or wanted in cell["class"] else ""
            text = cell.select("ul" if summary else "p")[:1]
            slides += [{"title": title, "text": text, "notes": []}] if title else []
        for words in cell.select(":scope > p:has(> strong:first-child)") if title else ():
            if words.get_text().startswith("Before you run"):
                words.strong.string = "Your guess:"
                ask[:] = [words]
            elif words.get_text().startswith("What you see"):
                slides[-1]["notes"].append(words)
        if title and heading.get_text().startswith("Exercise"):
            slides.append({"title": heading.get_text(), "text": heading.find_next_siblings(), "notes": []})
    return slides
