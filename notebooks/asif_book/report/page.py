"""Lay out a page of the book, for readers with a keyboard or a screen reader, and without network."""

import html
import itertools
import re
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from asif_book.figures.templates import filled

from ..editions.licences import licences_html
from ..editions.outline import CORE

TEMPLATES = Path(__file__).parent / "templates"
BOOK = "ASIF: an image–text model without training"
_KINDS = {"●": "pic", "■": "txt", "▲": "anchored"}
_MARK = re.compile(r"(?<![●○])[●■▲](?![●○])")
"""A mark of a picture, a text or an anchor, and not of how difficult an exercise is."""
_SCROLLS = {"class": "scroll", "tabindex": "0", "role": "group"}
_LOADING = {"src", "href", "xlink:href", "srcset", "poster", "data"}
"""Attributes with an address that a browser fetches by itself."""
_DRAWN = re.compile(r"\b[Dd]raw ((?!and |it )[^ ,.]+(?: [^ ,.]+){2,}(?:, and (?:for|one)\b[^.]*)?)")
"""What the first comment of code says that it draws, in three words or more."""


def layout(template: str, **content) -> str:
    """Fill a template; all share head, contents, script and, unless ``search`` is false, search.

    `link` makes an address of the name of a page, ``"{}.html"`` by default.
    """
    style, script = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    shared = {
        "book": BOOK,
        "style": style,
        "script": script,
        "licences": licences_html(),
        "link": "{}.html",
        "search": True,
    }
    return filled(template, **shared | content)


def sections(body: BeautifulSoup) -> list[dict]:
    """Give each heading an ``id``, and list the sections below the title: ``id``, ``text``, ``level``, ``pill``."""
    seen: set[str] = set()
    found = []
    for title in body.find_all(re.compile("^h[1-6]$")):
        text = " ".join(title.get_text().split())
        name = text.replace(" ", "-")  # as JupyterLab does, so that links to a section hold in both
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        title["id"] = next(free for free in itertools.chain([name], numbered) if free not in seen)
        seen.add(title["id"])
        if title.name in ("h2", "h3"):
            core = title.name == "h2" and title.find_parent(class_=f"celltag_{CORE}")
            text, deeper, _ = text.partition(" · deeper")
            pill = "deeper" if deeper else "core" if core else ""
            if text.startswith("Exercise"):  # the contents list sections
                continue
            found.append({"id": title["id"], "text": text, "level": title.name[1], "pill": pill})
    return found


def fold_deeper(body: BeautifulSoup) -> None:
    """Fold each section that goes deeper, with its heading as the summary."""
    for first in body.select("[data-deeper]"):
        rest = itertools.takewhile(lambda cell: cell.find("h2") is None, first.find_next_siblings("div"))
        cells, summary = [first, *rest], body.new_tag("summary")
        fold = body.new_tag("details", attrs={"class": "deeper"})
        first.insert_before(fold)
        title = first.h2.extract()
        if words := title.find(string=re.compile(" · deeper$")):
            words.replace_with(words.removesuffix(" · deeper"))
            title.extend([" ", body.new_tag("span", attrs={"class": "pill"}, string="deeper")])
        summary.append(title)
        fold.extend([summary, *cells])


def frame_exercises(body: BeautifulSoup) -> None:
    """Put each exercise into a frame of its own: its text, its code and check, its hint and what it should show."""
    for title in body.find_all("h3", id=re.compile("^Exercise")):
        text = title.parent
        frame = body.new_tag("div", attrs={"class": "exercise"})
        frame.append(body.new_tag("div", attrs={"class": "text"})).extend([title, *title.find_next_siblings()])
        text.insert_after(frame)
        after = itertools.takewhile(lambda cell: "text" not in cell["class"], frame.find_next_siblings("div"))
        frame.extend([*after])
        if hints := (frame.find_next_sibling("div") or frame).find_all("details", recursive=False):
            frame.append(body.new_tag("div", attrs={"class": "text"})).extend(hints)


def number_figures(body: BeautifulSoup, chapter: str) -> None:
    """Number what the cells drew, name it by the first comment's next words about it, and put it above the code."""
    drawn = [output for output in body.select(".output") if output.select_one(".figure, .asif-drawn")]
    for number, output in enumerate(drawn, 1):
        first = ".asif-drawn:not(.asif-drawn *) > :is(p:first-child, style + p):not([role], :has(img))"
        cell = output.find_parent(class_="code")
        titles = _DRAWN.findall(cell.select_one(".highlight").get_text().strip().partition("\n")[0])
        title = titles[: 1 + len(cell.select(".output .figure-number"))][-1:]
        label = body.new_tag("span", attrs={"class": "figure-number"}, string=f"Figure {chapter}.{number}")
        ((not title and output.select_one(first)) or output).insert(0, label)
        label.insert_after(" ")
        label.extend([x for words in title for x in (" ", body.new_tag("b", string=words[0].upper() + words[1:]))])
        cell.extend(cell.find_all(class_=["fold", "highlight"], recursive=False))


def pictures_without_text(body: BeautifulSoup) -> list[Tag]:
    """Find the pictures whose alternative text is missing or empty."""
    return [picture for picture in body.find_all("img") if not picture.get("alt", "").strip()]


def make_accessible(body: BeautifulSoup) -> None:
    """Mark the headers of tables, and put wide content into boxes that scroll by keyboard."""
    for table in body.find_all("table"):
        _name_headers(table)
        table.wrap(body.new_tag("div", attrs=_SCROLLS | {"aria-label": "table"}))
    for formula in body.find_all("math", display="block"):
        formula.wrap(body.new_tag("div", attrs=_SCROLLS | {"aria-label": "formula"}))
    for picture in body.select(".text p > :is(img, picture):only-child"):
        picture.parent["class"] = "drawing"
    for picture in body.select(".output img:not(table img, .asif-drawn img)"):  # these belong to a larger whole
        picture.wrap(body.new_tag("div", attrs=_SCROLLS | {"class": "scroll figure", "aria-label": "figure"}))


def colour_marks(body: BeautifulSoup) -> None:
    """Give the marks of pictures, texts and anchors their colours."""
    for text in body.find_all(string=_MARK):
        if not text.find_parents(["pre", "code", "script", "style", "svg"]):
            words = html.escape(text, quote=False)
            marked = _MARK.sub(lambda mark: f'<span class="{_KINDS[mark[0]]}">{mark[0]}</span>', words)
            text.replace_with(BeautifulSoup(marked, "html.parser"))


def _name_headers(table: Tag) -> None:
    """Say what each header heads, on one line, and align the columns of numbers to the right."""
    rows = table.find_all("tr")
    heads = table.select("thead tr")
    if len(heads) == 2 and not any(th.get_text(strip=True) for th in heads[1]("th")[1:]):
        index, columns = (row.th.get_text(strip=True) for row in reversed(heads))  # of a data frame
        heads[0].th.string = f"{index} ↓ {columns} →" if columns else index
        rows.remove(heads[1].extract())
    if table.find_parent(class_="output"):
        for head, *cells in zip(*(row(["th", "td"]) for row in rows), strict=False):
            parts = [cell.get_text(strip=True) for cell in cells]
            if cells and not any(re.match(r"[^\W\d]|[/“]", part) for part in parts):
                for cell in (head, *cells):
                    cell["class"] = [*cell.get("class", []), "number"]
    for header in table.find_all("th"):
        if not header.get_text(strip=True) and not header.find("img"):
            header.name = "td"  # the corner of a data frame, which heads nothing
            header.attrs.pop("scope", None)
        elif not header.get("scope"):
            group = "group" if header.get("colspan" if header.find_parent("thead") else "rowspan", "1") != "1" else ""
            header["scope"] = ("col" if header.find_parent("thead") else "row") + group


def loads_from_elsewhere(page: str | BeautifulSoup) -> list[str]:
    """Find the addresses that a browser fetches by itself when it opens the page; links don't count."""
    found, parsed = [], page if isinstance(page, BeautifulSoup) else BeautifulSoup(page, "html.parser")
    for tag in parsed.find_all(True):
        loading = [value for name, value in tag.attrs.items() if tag.name != "a" and name in _LOADING]
        found += [value for value in loading if value and not value.startswith(("data:", "#"))]
        css = tag.get("style", "") + (tag.get_text() if tag.name == "style" else "")
        found += re.findall(r"(?:url\(|@import)\s*[\"']?(?!data:|#|url)([^\s\"')]+)", css, flags=re.I)
    return found
