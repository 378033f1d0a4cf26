"""Run the chapters that changed, make a page for each, an index and a search: a book that opens from disk."""

import contextlib
import hashlib
import json
import math
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise, zip_longest
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, NavigableString, Tag
from markupsafe import Markup
from tqdm import tqdm

from asif_book.figures.dots import Axis
from asif_book.figures.method import as_in_chapter_00, method_picture
from asif_book.figures.templates import self_contained
from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import AsifError, version_of
from asif_lib.files import ROOT, build_dir, digest_of_files, sha256_of, write_whole
from asif_lib.machine import for_small_matrices

from ..chapters.results import BEGIN, END, by_chapter, load_results, results_path
from ..editions.building import CHAPTERS, GUIDE, published_at
from ..editions.contents import METHOD, METHOD_ALT, put_between
from ..editions.outline import Chapter, heading
from ..page import building
from .api import api_pages
from .page import BOOK, layout
from .rendering import render, render_page, to_html
from .running import ReportError, left_out
from .schedule import PACKAGES, REPORT, Runner, digest_of_code, run_chapters

PARAMETERS = {"profile": "offline", "device": "auto", "seed": 0}
"""Parameters of every chapter. Without `fast`, each chapter keeps its own size."""
WALK = "bank.html"
"""The page in which a reader takes anchors out of the model."""

MORE = {
    "To learn": ["method_on_a_page", "results", "references", "beyond_one_machine"],
    "To teach": ["classroom", "TUTOR", "teachers_guide", "change_the_course", "publish"],
    "To use": ["library", "command", "api", "what_you_may_rely_on", "changelog"],
}
"""The pages beside the chapters, by their readers."""


def build_report(
    parameters: dict | None = None,
    edition: str = "student",
    chapters: list[str] | None = None,
    *,
    notebooks: Path | str | None = None,
    reuse: bool = True,
) -> Path:
    """Run the chapters, make a page for each, an index and a search, and return the index's path.

    Executed notebooks go into ``build/notebooks``, pages into ``build/report``; those of the solved
    edition into a folder ``solutions`` of each. The Markdown files beside the notebooks become pages too, except
    that the teacher's guide is part of the solved edition only. The checkout's book has the pages of the API too,
    and for a student the page *Walk the bank*.

    Raises `ReportError` if there is no such chapter, a page would not stand alone, or a picture has no alternative
    text, and `NotebookError` if a chapter fails; the others are kept and reused next time.

    Parameters
    ----------
    parameters
        For the cells tagged ``parameters``, on top of ``PARAMETERS``.
    edition
        "student" or "solutions".
    chapters
        Names or their numbers (``["00", "03_relative"]``), by default all.
    notebooks
        Their folder, by default the checkout's.
    reuse
        Keep a chapter's last run, if its notebook, parameters and library have not changed since.
    """
    if edition not in ("student", "solutions"):
        raise ReportError(f"There is no edition {edition!r}: choose student or solutions.")
    parameters = PARAMETERS | (parameters or {})
    inner = "" if edition == "student" else "solutions"
    api = {} if notebooks else api_pages()
    notebooks = Path(notebooks or ROOT / "notebooks")
    folder = notebooks / inner
    runs, pages = build_dir() / "notebooks" / inner, build_dir() / "report" / inner
    book = {path: Chapter.read(path) for path in chapters_in(folder, chapters)}
    whole = chapters is None and not inner and folder == ROOT / "notebooks"  # the student's book, of the default bank
    texts = [path for path in sorted(notebooks.glob("*.md")) if inner or path.name != GUIDE]
    texts = {path.stem: path.read_text(encoding="utf-8") for path in texts} | api
    named = {name: heading(markdown) for name, markdown in texts.items() if not name.startswith("api_")}
    others = sorted(named.keys() - {name for names in MORE.values() for name in names})
    groups = {group: [name for name in names if name in named] for group, names in MORE.items()} | {"Others": others}
    more = [(name, named[name]) for names in groups.values() for name in names]
    around = {"chapters": list(book.values()), "more": more}
    pages.mkdir(parents=True, exist_ok=True)

    drawings = [file for kind in ("*.svg", "*.png") for file in notebooks.rglob(kind)]
    code = digest_of_code(REPORT.parent, "*.py", "*.j2", "*.css", "*.js")
    common = [around, digest_of_files(drawings, notebooks), code, published_at()]

    def write(name: str, made_of: list, make: Callable[[], str]) -> str:
        """Write a page, unless the one that is there says at its end that it is made of the same; return its end."""
        page, end = pages / f"{name}.html", f"<!-- {hashlib.sha256(repr([common, made_of]).encode()).hexdigest()} -->\n"
        if not (page.exists() and page.read_text(encoding="utf-8").endswith(end)):
            write_whole(page, (make() + end).encode())
        return end

    def make_page(path: Path) -> None:
        executed = runs / path.name
        ends[path.stem] = write(path.stem, [sha256_of(executed)], lambda: render(executed, folder=folder, **around))

    ends: dict[str, str] = {}
    beside = partial(walk_the_bank, pages / WALK) if whole else None
    run_chapters(book, Runner(runs, parameters, reuse), then=make_page, beside=beside)
    for name, markdown in texts.items():
        if BEGIN in markdown and results_path().exists():
            titles = {chapter.name: chapter.title for chapter in book.values()}
            markdown = put_between(markdown, BEGIN, END, results_in_lanes(load_results(), titles))
        ends[name] = write(name, [markdown], partial(render_page, notebooks / f"{name}.md", markdown, **around))
    names = [*(path.stem for path in book), *texts]
    write(SEARCH, [ends[name] for name in names], lambda: search_page(pages, names, **around))
    entries = [_entry(chapter, runs / path.name, folder) for path, chapter in book.items()]
    index = pages / "index.html"
    walk = WALK if (pages / WALK).exists() else None
    shown = {"entries": entries, "method": _method(notebooks), "walk": walk, "groups": groups}
    write_whole(index, _index(shown, around, parameters, edition).encode())
    print(f"report: {index}", flush=True)
    return index


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


SHARES, RATIOS, GAPS, FAR = "percent", "ratio, percent", "points", "points, wider axis"
OTHERS = "number from 0 to 1"
REACH = {SHARES: (0, 1), RATIOS: (0, 1.2), GAPS: (-0.15, 0.15), FAR: (-0.6, 0.6), OTHERS: (0, 1)}
"""What the axis of each kind of number reaches, in all chapters; numbers of no such kind have no axis."""
WITHIN = 0.05  # a difference is small enough if its whole interval lies within, on both sides of 0


def results_in_lanes(results: dict, titles: dict[str, str]) -> str:
    """Draw the recorded numbers as HTML without empty lines: the headlines, then a fold with lanes for a chapter.

    Numbers of a kind have the same axis in all chapters; that of differences has 0 in its middle.
    """
    called, beside, words, labels = words_of_results().values()
    lanes = {chapter: [_lane(labels, *row) for row in rows] for chapter, rows in by_chapter(results).items()}
    every = [lane for rows in lanes.values() for lane in rows]
    short = [(lane, called[begin]) for begin in called for lane in every if lane["row"].startswith(begin)]
    first = [lane | {"name": name, "head": ""} for lane, name in short]
    parts = [("", "In short", _sentence(results, *words[""]), _blocks(first), None, [])] * bool(first)
    for chapter, rows in lanes.items():
        title = titles.get(chapter, chapter) or "Recorded by hand"
        begin, what = beside.get(chapter[:2], [None, ""])
        number = next((lane | {"what": what} for lane in rows if begin and lane["row"].startswith(begin)), None)
        said = _sentence(results, *words.get(chapter[:2], [""]))
        parts.append((chapter, title, said, _blocks(rows), number, [lane["decided"] for lane in rows]))
    return re.sub(r"\n\s*\n", "\n", self_contained("report/templates/results", parts=parts, titles=titles).data)


def words_of_results() -> dict[str, dict]:
    """Read ``results.toml``: what the page of results calls its numbers, and the sentences of chapters."""
    return tomllib.loads((REPORT.parent / "chapters" / "results.toml").read_text(encoding="utf-8"))


def _sentence(results: dict, text: str, *wanted) -> str:
    """Fill a text with the results of these names, and numbers; if one is missing, or they do not fall, it is empty."""
    values = [results.get(one, {"value": math.nan})["value"] if isinstance(one, str) else one for one in wanted]
    return text.format(*values) if all(a > b for a, b in pairwise(values)) else ""


def _blocks(lanes: list[dict]) -> list[tuple]:
    """Sort lanes by kind, each with its axis, and those of a kind by their groups."""
    kinds: dict[str, dict] = {}
    for lane in lanes:
        kinds.setdefault(lane["kind"], {}).setdefault(lane["head"], []).append(lane)
    blocks = []
    for kind in [*filter(kinds.__contains__, REACH), *(kind for kind in kinds if kind not in REACH)]:
        groups = kinds[kind]
        ends = [end for group in groups.values() for lane in group for end in lane["ends"]]
        ends += [-end for end in ends] if kind in (GAPS, FAR) else []
        axis = Axis([*ends, *REACH[kind]], kind == OTHERS, kind in (GAPS, FAR), parts=6) if kind in REACH else None
        blocks.append((kind, axis, [_group(head, groups[head]) for head in sorted(groups, key=bool)]))
    return blocks


def _group(head: str, lanes: list[dict]) -> tuple[str, str, list[dict]]:
    """Say once, beside the head of a group, what is about all of its lanes."""
    common = [part for part in lanes[0]["about"] if head and all(part in lane["about"] for lane in lanes[1:])]
    return head, common, [lane | {"about": [part for part in lane["about"] if part not in common]} for lane in lanes]


def _lane(labels: dict, entry: dict, row: str, value: str, interval: str, n: str, split: str, verdict: str) -> dict:
    """Describe a row of `by_chapter`: group, label, conditions, words, and the ends of its drawing, if it has one."""
    note, unit = entry["note"], entry["unit"]
    name = row.removesuffix(f" ({note})")
    found = ((re.fullmatch(pattern, name), parts) for pattern, parts in labels.items())
    head, label, *about = next(([*map(match.expand, parts)] for match, parts in found if match), ["", name])
    ends = [end / (100 if unit == "points" else 1) for end in (entry["value"], *(entry["ci"] or ()))]
    kind = OTHERS if unit else SHARES
    if unit == "points" or "minus" in name:
        kind = FAR if max(map(abs, ends)) > REACH[GAPS][1] else GAPS
    elif " over the pairs " in name:
        kind = RATIOS
    elif not 0 <= min(ends) <= max(ends) <= 1:
        kind = unit or "percent, beyond 100"
    if kind in (GAPS, FAR):
        value, *limits = (f"{100 * end:+z.1f}".replace("+0.0", "0.0") for end in ends)
        value, interval = f"{value} points", " to ".join(limits)
    elif unit:
        value, *limits = (f"{end:.3f}" for end in ends)
        value, interval = f"{value} {unit}", " to ".join(limits)
    guessing = re.search(r"(?:chance|guessing) ([\d.]+)( ?%)?", note)
    lines = [float(guessing[1]) / (100 if guessing[2] else 1)] if guessing else [0] * (kind in (GAPS, FAR))
    lines = [1] if kind == RATIOS else lines
    claim, _, draws = verdict.replace(" to ", "\u00a0to\u00a0").partition(" over ")
    low, high = map(float, re.findall(r"-?[\d.]+", draws.partition("(")[2]) or (0, 0))
    if "undecided" in claim and low * high > 0:
        claim = "draws only"
    elif claim == "undecided" and kind == GAPS and max(map(abs, ends)) <= WITHIN:
        claim = "within 5 points of 0"
    elif guessing and not claim:
        claim = "above chance" if min(ends) > lines[0] else "below chance" if max(ends) < lines[0] else "at chance"
    full = 0 if "undecided" in claim or claim == "at chance" else 50 if re.search("only|within", claim) else 100
    about = [*filter(None, [*about, n and f"n = {n}", split, *note.split("; ")])]
    return {
        "row": row, "kind": kind, "name": label, "head": head, "decided": full if claim else None,
        "about": [part.replace(" ", "\u00a0") if len(part) < 22 else part for part in about],
        "value": value, "interval": interval, "claim": claim.removesuffix(" on this split;").rstrip(";"),
        "draws": draws and f"over {draws}",
        "ends": ends, "lines": lines, "open": any(min(ends) <= line <= max(ends) for line in lines),
    }  # fmt: skip


# The index -------------------------------------------------------------------------------------------


def _entry(chapter: Chapter, executed: Path, folder: Path) -> dict:
    """Collect what the index shows of a chapter."""

    def line(markdown: str) -> Markup:
        return to_html(markdown, folder).strip().removeprefix("<p>").removesuffix("</p>")

    return {
        "chapter": chapter,
        "question": line(chapter.question),
        "goals": [line(goal) for goal in chapter.goals],
        "left_out": left_out(nbformat.read(executed, as_version=4)),
    }


def _method(notebooks: Path) -> Markup:
    """Embed the picture of the method: with photographs where the bank of stamps is, else the one of the notebooks."""
    with contextlib.suppress(AsifError):
        return Markup(method_picture(as_in_chapter_00(AnchorBank.load(DEFAULT_BANK))).data)
    return to_html(f"![{METHOD_ALT}]({METHOD})", notebooks) if (notebooks / METHOD).exists() else Markup()


def _index(shown: dict, around: dict, parameters: dict, edition: str) -> str:
    facts = {
        "profile": parameters["profile"],
        "device": f"{parameters['device']} ({platform.machine()}, {os.cpu_count()} CPU cores)",
        "edition": edition,
        "seed": parameters["seed"],
        "pairs": parameters.get("pairs", DEFAULT_BANK),
        "fast": f"{parameters['fast']}: numbers are not the workbook's" if "fast" in parameters else "by chapter",
        "made": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "Python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := version_of(name))},
    }
    minutes = [map(int, re.findall(r"\d+", chapter.minutes)) for chapter in around["chapters"]]
    shown["hours"] = [round(sum(column) / 60) for column in zip_longest(*minutes, fillvalue=0)]
    place = around | {"current": "index", "previous": None, "next": None}
    return layout("index.html.j2", title=BOOK, facts=facts, **shown, **place)


# Search over the whole book: one page holds the text of every section, and its script finds words in it

SEARCH = "search"
"""Name of the page."""
_HEADINGS = ["h1", "h2", "h3"]
_BLOCKS = ["p", "div", "pre", "li", "td", "th", "summary", "dd"]
"""What begins on a line, or in a cell, of its own."""
_PASSED_OVER = ["script", "style", "nav"]


def search_page(folder: Path, names: Sequence[str], *, chapters: Sequence[Chapter], more: Sequence) -> str:
    """Make the page that searches the pages `names` of a folder, which are written already."""
    book = [[name, *_content((folder / f"{name}.html").read_text(encoding="utf-8"))] for name in names]
    index = Markup(json.dumps(book, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
    place = {"sections": [], "chapters": chapters, "more": more, "current": SEARCH, "previous": None, "next": None}
    return layout("search.html.j2", title="Search the book", index=index, **place)


def _content(page: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Read a page: its title, and for each section its ``id``, title and text."""
    words = re.sub(r'(?<=")data:[^"]*|<span class="\w\w?">([^<]*)</span>', r"\1", page)  # no pictures or colours
    text = BeautifulSoup(words, "html.parser").find("main")
    for notice in text.select(".licences, .pill, .begins"):  # the same on each page, or no words of its own
        notice.decompose()
    found: list[tuple[str, str, list[str]]] = [("", "", [])]  # what stands above the title
    _collect(text, found)
    title = next((heading for _, heading, _ in found if heading), "")
    texts = [(name, heading, " ".join("".join(parts).split())) for name, heading, parts in found]
    return title, [section for section in texts if any(section[1:])]


def _collect(node: Tag, found: list[tuple[str, str, list[str]]]) -> None:
    for child in node.children:
        if child.name in _HEADINGS:
            found.append((child["id"], " ".join(child.get_text().split()), []))
        elif type(child) is NavigableString:  # no comment
            found[-1][2].append(child)
        elif child.name and child.name not in _PASSED_OVER:
            found[-1][2].extend([" "] * (child.name in _BLOCKS))
            _collect(child, found)
