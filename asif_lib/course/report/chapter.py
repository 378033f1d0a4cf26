"""What a notebook says of itself: title, question, minutes, goals, and the figure that stands for it."""

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from PIL import Image

from ..editions import heading

THUMBNAIL_PIXELS = 720
"""Width of a chapter's figure on the index, twice what it takes on a page, for fine screens."""


@dataclass(frozen=True)
class Chapter:
    """A chapter as the contents name it.

    Attributes
    ----------
    name : str
        The notebook's, without ending: ``"01_encoders"``.
    title : str
        ``"01 · Encoders"``: as in the notebook, with the number where it has none.
    question : str
        Markdown, perhaps empty.
    minutes : str
        As the chapter says it, perhaps with words: ``"40"``; empty where it says nothing.
    goals : list of str
        Markdown of what a reader can do afterwards.
    """

    name: str
    title: str
    question: str
    minutes: str
    goals: list[str]

    @classmethod
    def read(cls, path: Path) -> "Chapter":
        """The chapter of a notebook, executed or not."""
        notebook = nbformat.read(path, as_version=4)
        markdown = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        title = notebook.metadata.get("title") or next(filter(None, map(heading, markdown)), path.stem)
        opening = markdown[0] if markdown else ""
        return cls(path.stem, _numbered(title, path.stem), question(notebook), _minutes(opening), _goals(opening))


def _numbered(title: str, name: str) -> str:
    return title if re.match(r"\d\d\s*·", title) or not name[:2].isdigit() else f"{name[:2]} · {title}"


def question(notebook: NotebookNode) -> str:
    """The chapter's question as Markdown: what follows ``**Question.**``, or the first blockquote."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        marked = re.search(r"^[> ]*\*\*Question\.\*\*(.+?)(?=^[> ]*$|\Z)", cell.source, re.M | re.S)
        quoted = re.search(r"^>(.+?)(?=^[^>]|^$|\Z)", cell.source, flags=re.M | re.S)
        if found := marked or quoted:
            return " ".join(re.sub(r"^>", "", found[1], flags=re.M).split())
    return ""


def _minutes(opening: str) -> str:
    """
    >>> _minutes("**Minutes** 5 to read, 10 more\\nwith the exercises · **Before this** nothing")
    '5 to read, 10 more with the exercises'
    """
    found = re.search(r"\*\*Minutes\*\*\s*([^·]+?)\s*(?=·|\n\n|\Z)", opening)
    return " ".join(found[1].split()) if found else ""


def _goals(opening: str) -> list[str]:
    """
    >>> _goals("After this chapter you can\\n\\n- name it;\\n- say why\\n  it works.\\n\\nrest")
    ['name it;', 'say why it works.']
    """
    items = re.findall(r"^[-*] (.+(?:\n[ \t]+\S.*)*)", opening, flags=re.M)
    return [" ".join(item.split()) for item in items]


def key_figure(notebook: NotebookNode) -> tuple[str, str] | None:
    """The figure that stands for an executed chapter: address (``data:``, made smaller) and alternative text.

    It is the first picture that a cell tagged ``figure`` shows, otherwise the first picture of all.
    """
    tagged = [cell for cell in notebook.cells if "figure" in cell.metadata.get("tags", [])]
    found = next((picture for cells in (tagged, notebook.cells) for picture in _pictures(cells)), None)
    return found and (_smaller(found[0]), found[1])


def _pictures(cells: list[NotebookNode]) -> Iterator[tuple[str, str]]:
    for cell in cells:
        for output in cell.get("outputs", []):
            data, metadata = output.get("data", {}), output.get("metadata", {})
            for kind in ("image/png", "image/jpeg"):
                if kind in data:
                    alt = metadata.get(kind, {}).get("alt") or cell.metadata.get("alt", "")
                    yield f"data:{kind};base64,{''.join(data[kind].split())}", alt
            for picture in BeautifulSoup(data.get("text/html", ""), "html.parser").find_all("img", src=True):
                yield picture["src"], picture.get("alt", "")


def _smaller(address: str) -> str:
    """A raster picture no wider than the index shows it; others as they are."""
    kind, comma, content = address.partition(",")
    if not comma or not re.fullmatch(r"data:image/(png|jpeg);base64", kind):
        return address
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    if picture.width <= THUMBNAIL_PIXELS:
        return address
    picture.thumbnail((THUMBNAIL_PIXELS, picture.height))
    png = io.BytesIO()
    picture.convert("RGB").quantize(128).save(png, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")
