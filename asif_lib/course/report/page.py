"""A page of the book: what it needs to be read with a keyboard, by a screen reader, and on its own."""

import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
from bs4 import BeautifulSoup, NavigableString, Tag
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
BOOK = "ASIF: an image–text model without training"


def layout(template: str, **content) -> str:
    """Fill one of the templates, which all share head, contents, search and script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style, script = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    return environment.get_template(template).render(book=BOOK, style=style, script=script, **content)


def sections(body: BeautifulSoup) -> list[dict[str, str]]:
    """Give each heading an ``id`` of its own, and return the sections below the title: ``id``, ``text``, ``level``."""
    seen: set[str] = set()
    found = []
    for title in body.find_all(re.compile("^h[1-6]$")):
        text = " ".join(title.get_text().split())
        name = wanted = text.replace(" ", "-")  # as JupyterLab does, so that links to a section hold in both
        number = 1
        while name in seen:
            number += 1
            name = f"{wanted}-{number}"
        seen.add(name)
        title["id"] = name
        if title.name in ("h2", "h3"):
            found.append({"id": name, "text": text, "level": title.name[1]})
    return found


def pictures_without_text(body: BeautifulSoup) -> list[Tag]:
    """Pictures that have no alternative text, or an empty one."""
    return [picture for picture in body.find_all("img") if not picture.get("alt", "").strip()]


def make_accessible(body: BeautifulSoup) -> None:
    """Say which cells of tables are headers, and let what is wide scroll in a box that a keyboard reaches."""
    for table in body.find_all("table"):
        _name_headers(table)
        _scrolls(table.wrap(body.new_tag("div", attrs={"class": "scroll"})), "table")
    for code in body.find_all("pre"):
        _scrolls(code, "code" if code.code or code.find_parent(class_="highlight") else "output")
    for formula in body.find_all("math", display="block"):
        _scrolls(formula.wrap(body.new_tag("div", attrs={"class": "scroll"})), "formula")
    for picture in body.select(".output img"):
        _scrolls(picture.wrap(body.new_tag("div", attrs={"class": "scroll figure"})), "figure")


def keep_punctuation(body: BeautifulSoup) -> None:
    """Keep a formula and the comma, full stop or bracket that follows it on one line."""
    for formula in body.find_all("math", display="inline"):
        after = formula.next_sibling
        mark = re.match(r"[.,;:!?)”’]+", after) if isinstance(after, NavigableString) else None
        if mark:
            after.replace_with(after[mark.end() :])
            formula.wrap(body.new_tag("span", attrs={"class": "together"})).append(mark[0])


def _scrolls(box: Tag, label: str) -> None:
    box.attrs |= {"tabindex": "0", "role": "group", "aria-label": label}


def _name_headers(table: Tag) -> None:
    for header in table.find_all("th"):
        if not header.get_text(strip=True):
            header.name = "td"  # the corner of a data frame, which heads nothing
        elif not header.get("scope"):
            group = "group" if header.get("colspan" if header.find_parent("thead") else "rowspan", "1") != "1" else ""
            header["scope"] = ("col" if header.find_parent("thead") else "row") + group


def loads_from_elsewhere(page: str) -> list[str]:
    """Addresses that a browser fetches by itself on opening the page; links to follow don't count.

    >>> loads_from_elsewhere('<a href="https://arxiv.org">paper</a><img src="figure.png">')
    ['figure.png']
    """
    finder = _Finder()
    finder.feed(page)
    return finder.found


class _Finder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.in_style = [], False

    def handle_starttag(self, tag, attributes):
        self.in_style = tag == "style"
        for name, value in attributes:
            if tag != "a" and name in {"src", "href", "xlink:href", "srcset", "poster", "data"}:
                self.found += [value] if value and not value.startswith(("data:", "#")) else []
            elif name == "style":
                self.find_in_css(value or "")

    def handle_endtag(self, tag):
        self.in_style = False

    def handle_data(self, data):
        if self.in_style:
            self.find_in_css(data)

    def find_in_css(self, css):
        self.found += re.findall(r"(?:url\(|@import)\s*[\"']?(?!data:|#|url)([^\s\"')]+)", css, flags=re.I)
