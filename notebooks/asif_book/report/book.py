"""Run the chapters that changed, make a page for each, an index and a search: a book that opens from disk."""

import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, NavigableString
from markupsafe import Markup
from tqdm import tqdm

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import AsifError, version_of
from asif_lib.files import ROOT, build_dir, write_whole
from asif_lib.machine import for_small_matrices

from ..chapters.results import BEGIN, END, load_results, recorded_by, results_path, results_table
from ..editions.building import CHAPTERS, GUIDE
from ..editions.contents import put_between
from ..editions.outline import Chapter, heading
from ..page import building
from .page import BOOK, layout
from .rendering import render, render_page, to_html
from .running import PACKAGES, ReportError, left_out, run_chapter, run_chapters

PARAMETERS = {"profile": "offline", "device": "auto", "seed": 0}
"""Parameters of every chapter. Without `fast`, each chapter keeps its own size."""
WALK = "bank.html"
"""The page in which a reader takes anchors out of the model."""

MORE = {
    "To learn": ["method_on_a_page", "results", "references", "beyond_one_machine"],
    "To teach": ["classroom", "TUTOR", "change_the_course", "publish"],
    "To use": ["library", "command", "what_you_may_rely_on", "changelog"],
}
"""The pages beside the chapters, by their readers."""


def build_report(
    parameters: dict | None = None,
    chapters: list[str] | None = None,
    *,
    notebooks: Path | str | None = None,
    reuse: bool = True,
) -> Path:
    """Run the chapters, make a page for each, an index and a search, and return the index's path.

    Executed notebooks go into ``build/notebooks``, pages into ``build/report``. The Markdown files beside the notebooks
    become pages too, except for the teacher's guide. The whole book of the checkout has the page *Walk the bank* too.

    Raises `ReportError` if there is no such chapter, a page would not stand alone, or a picture has no alternative
    text, and `NotebookError` if a chapter fails; the others are kept and reused next time.

    Parameters
    ----------
    parameters
        For the cells tagged ``parameters``, on top of ``PARAMETERS``.
    chapters
        Names or their numbers (``["00", "03_relative"]``), by default all.
    notebooks
        Their folder, by default the checkout's.
    reuse
        Keep a chapter's last run, if its notebook, parameters and library have not changed since.
    """
    parameters, notebooks = PARAMETERS | (parameters or {}), Path(notebooks or ROOT / "notebooks")
    runs, pages = build_dir() / "notebooks", build_dir() / "report"
    book = {path: Chapter.read(path) for path in chapters_in(notebooks, chapters)}
    whole = chapters is None and notebooks == ROOT / "notebooks"  # the book of the default bank
    texts = {path.stem: path.read_text("utf-8") for path in sorted(notebooks.glob("*.md")) if path.name != GUIDE}
    named = {name: heading(markdown) for name, markdown in texts.items()}
    others = sorted(named.keys() - {name for names in MORE.values() for name in names})
    groups = {group: [name for name in names if name in named] for group, names in MORE.items()} | {"Others": others}
    more = [(name, named[name]) for names in groups.values() for name in names]
    around = {"chapters": list(book.values()), "more": more}
    pages.mkdir(parents=True, exist_ok=True)

    def write(name: str, page: str) -> None:
        write_whole(pages / f"{name}.html", page.encode())

    def make_page(path: Path) -> None:
        write(path.stem, render(runs / path.name, folder=notebooks, **around))

    beside = partial(walk_the_bank, pages / WALK) if whole else None
    run = partial(run_chapter, runs=runs, parameters=parameters, reuse=reuse)
    run_chapters(book, run, then=make_page, beside=beside)
    for name, markdown in texts.items():
        if BEGIN in markdown and results_path().exists():
            markdown = put_between(markdown, BEGIN, END, _numbers(parameters))
        write(name, render_page(notebooks / f"{name}.md", markdown, **around))
    write(SEARCH, search_page(pages, [*(path.stem for path in book), *texts], **around))
    entries = [entry(chapter, runs / path.name, notebooks) for path, chapter in book.items()]
    index = pages / "index.html"
    walk = WALK if (pages / WALK).exists() else None
    first, of_the_book = runs / next(iter(book)).name, parameters.get("pairs", DEFAULT_BANK) == DEFAULT_BANK
    stage = stage_of(first) if of_the_book and first.name.startswith("00") else ""  # its words tell of the kangaroo
    shown = {"entries": entries, "walk": walk, "groups": groups, "stage": stage}
    place = around | {"current": "index", "previous": None, "next": None, "fast": parameters.get("fast")}
    write("index", layout("report/templates/index.html.j2", title=BOOK, **shown, **place))
    print(f"report: {index}", flush=True)
    return index


def write_results(page: Path, notebooks: Path | None = None) -> None:
    """Run all chapters of a folder again. The page of results then holds the numbers of this run only.

    Raises `ReportError` if a chapter fails, or if one that records numbers was left out: its rows would be lost.
    """
    parameters = PARAMETERS | {"device": "cpu"}
    results_path().unlink(missing_ok=True)
    build_report(parameters, notebooks=notebooks, reuse=False)
    paths = chapters_in(notebooks or ROOT / "notebooks", None)
    recording = [path.stem for path in paths if "record(" in path.read_text("utf-8")]
    if lacking := [chapter for chapter in recording if not recorded_by(chapter)]:
        raise ReportError(f"The run has no number of {', '.join(lacking)}, so rows would be lost: {page} stays.")
    text = page.read_text(encoding="utf-8")
    write_whole(page, put_between(text, BEGIN, END, _numbers(parameters)).encode())


def walk_the_bank(page: Path) -> None:
    """Make the page of the default bank, unless it is newer than the bank and the code."""
    made_of = [bank_dir(DEFAULT_BANK) / "bank.json", *Path(building.__file__).parent.iterdir()]
    try:
        if not page.exists() or page.stat().st_mtime < max(file.stat().st_mtime for file in made_of):
            page.parent.mkdir(parents=True, exist_ok=True)
            with for_small_matrices():  # chapters run beside it
                building.bank_page(AnchorBank.load(DEFAULT_BANK), page, home="index.html")
            tqdm.write(f"walk the bank: {page}")
    except (AsifError, OSError) as error:
        page.unlink(missing_ok=True)
        print(f"without the page {page.name}: {error}", file=sys.stderr)


def chapters_in(folder: Path, wanted: list[str] | None) -> list[Path]:
    """List the wanted chapters of a folder, by default all; `ReportError` if one is not there."""
    paths = sorted(folder.glob(f"{CHAPTERS}.ipynb"))
    if not paths:
        raise ReportError(f"{folder} holds no chapter: run `python -m asif_book.editions build` first.")
    if wanted is None:
        return paths
    names = {path: {path.stem, path.stem[:2]} for path in paths}
    for name in set(wanted).difference(*names.values()):
        raise ReportError(f"There is no chapter {name!r}: {', '.join(path.stem for path in paths)}.")
    return [path for path in paths if names[path].intersection(wanted)]


# The index -------------------------------------------------------------------------------------------


def entry(chapter: Chapter, executed: Path, folder: Path) -> dict:
    """Collect what the index shows of a chapter."""

    def line(markdown: str) -> Markup:
        return to_html(markdown, folder).strip().removeprefix("<p>").removesuffix("</p>")

    return {
        "chapter": chapter,
        "question": line(chapter.question),
        "left_out": left_out(nbformat.read(executed, as_version=4)),
    }


def stage_of(executed: Path) -> Markup:
    """Return the first table of a chapter whose boxes take anchors out of the model, or nothing."""
    outputs = (output for cell in nbformat.read(executed, as_version=4).cells for output in cell.get("outputs", []))
    drawn = (output.get("data", {}).get("text/html", "") for output in outputs)
    return Markup(next((html for html in drawn if "data-ledger" in html), ""))


def _numbers(parameters: dict) -> str:
    """Return the table of results, and say in a sentence what its numbers come from."""
    facts = parameters | {"processor": f"{platform.machine()}, {os.cpu_count()} cores"}
    facts |= {"Python": platform.python_version()} | {name: found for name in PACKAGES if (found := version_of(name))}
    run = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"{results_table(load_results())}\n\nThis run: {run}."


# Search over the whole book: one page holds the text of every section, and its script finds words in it

SEARCH = "search"
"""Name of the page."""
_HEADINGS = ["h1", "h2", "h3"]
_BLOCKS = ["p", "div", "pre", "li", "td", "th", "summary", "dd"]
"""What begins on a line, or in a cell, of its own."""


def search_page(folder: Path, names: Sequence[str], *, chapters: Sequence[Chapter], more: Sequence) -> str:
    """Make the page that searches the pages `names` of a folder, which are written already."""
    book = [[name, *_content((folder / f"{name}.html").read_text(encoding="utf-8"))] for name in names]
    index = Markup(json.dumps(book, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
    place = {"sections": [], "chapters": chapters, "more": more, "current": SEARCH, "previous": None, "next": None}
    return layout("report/templates/search.html.j2", title="Search the book", index=index, **place)


def _content(page: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Read a page: its title, and for each section its ``id``, title and text."""
    words = re.sub(r'(?<=")data:[^"]*|<span class="\w\w?">([^<]*)</span>', r"\1", page)  # no pictures or colours
    text = BeautifulSoup(words, "html.parser").find("main")
    for other in text.select(".licences, .pill, script, style, nav"):  # the same on each page, or no words
        other.decompose()
    found: list[tuple[str, str, list[str]]] = [("", "", [])]  # what stands above the title
    for node in text.descendants:
        if node.name in _HEADINGS:
            found.append((node["id"], " ".join(node.get_text().split()), []))
        elif node.name in _BLOCKS:
            found[-1][2].append(" ")
        elif type(node) is NavigableString and not node.find_parent(_HEADINGS):  # no comment
            found[-1][2].append(node)
    title = next((heading for _, heading, _ in found if heading), "")
    texts = [(name, heading, " ".join("".join(parts).split())) for name, heading, parts in found]
    return title, [section for section in texts if any(section[1:])]
