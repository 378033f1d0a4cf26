"""Find the figure that stands for a chapter on the index."""

import base64
import io
import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from nbformat import NotebookNode
from PIL import Image

from asif_book.figures.style import data_address

from ..chapters import tags_of

THUMBNAIL_PIXELS = 720
"""Width in pixels, twice the width on the page, for fine screens."""


def key_figure(notebook: NotebookNode) -> tuple[str, str] | None:
    """Find the figure that stands for an executed chapter: address (``data:``, made smaller) and alternative text.

    It is the first picture that a cell tagged ``figure`` shows, otherwise the first picture of all.
    """
    tagged = [cell for cell in notebook.cells if "figure" in tags_of(cell)]
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
    """Shrink a raster picture to the width of the index; other pictures stay as they are."""
    kind, comma, content = address.partition(",")
    if not comma or not re.fullmatch(r"data:image/(png|jpeg);base64", kind):
        return address
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    if picture.width <= THUMBNAIL_PIXELS:
        return address
    picture.thumbnail((THUMBNAIL_PIXELS, picture.height))
    png = io.BytesIO()
    picture.convert("RGB").quantize(128).save(png, format="png", optimize=True)
    return data_address("png", png)
