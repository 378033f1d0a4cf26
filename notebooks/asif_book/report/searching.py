"""Search over the whole book: one page holds the text of every section, and its script finds words in it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString
from markupsafe import Markup

from ..chapters import Chapter
from .page import layout

SEARCH = "search"
"""Name of the page."""
_HEADINGS = ["h1", "h2", "h3"]
_BLOCKS = ["p", "div", "pre", "li", "td", "th", "summary", "dd"]
"""What begins on a line, or in a cell, of its own."""
_PASSED_OVER = ["script", "style", "nav", *_HEADINGS]


def search_page(folder: Path, names: Sequence[str], *, chapters: Sequence[Chapter], more: Sequence) -> str:
    """Make the page that searches the pages `names` of a folder, which are written already."""
    book = [[name, *_content((folder / f"{name}.html").read_text(encoding="utf-8"))] for name in names]
    index = Markup(json.dumps(book, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/"))
    place = {"sections": [], "chapters": chapters, "more": more, "current": SEARCH, "previous": None, "next": None}
    return layout("search.html.j2", title="Search the book", index=index, **place)


def _content(page: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Read a page: its title, and for each section its ``id``, title and text."""
    without_pictures = re.sub(r'"data:[^"]*"', '""', page)
    text = BeautifulSoup(without_pictures, "html.parser").find("main")
    found: list[tuple[str, str, list[str]]] = [("", "", [])]  # what stands above the title
    for node in text.descendants:
        if node.name in _HEADINGS:
            found.append((node["id"], " ".join(node.get_text().split()), []))
        elif node.name in _BLOCKS:
            found[-1][2].append(" ")
        elif type(node) is NavigableString and not node.find_parent(_PASSED_OVER):  # no comment
            found[-1][2].append(node)
    title = next((heading for _, heading, _ in found if heading), "")
    texts = [(name, heading, " ".join("".join(parts).split())) for name, heading, parts in found]
    return title, [section for section in texts if any(section[1:])]
