"""The pages of the API: every public name of the library, described, with links that lead somewhere."""

import importlib
import re

from bs4 import BeautifulSoup

from asif_book.report import loads_from_elsewhere, rendering
from asif_book.report.api import api_pages
from asif_lib.files import ROOT

PAGES = api_pages()
LIBRARY = (ROOT / "notebooks" / "library.md").read_text(encoding="utf-8")


def test_each_wing_has_a_page_with_its_public_names_and_words_for_each():
    assert {"api_bank", "api_lab", "api_lab_cluster"} < PAGES.keys() and len(PAGES) == 10
    for page in PAGES:
        wing = page.replace("api_lab", "asif_lab").replace("api", "asif_lib")
        public = importlib.import_module(wing[:8] + wing[8:].replace("_", ".")).__all__
        described = re.findall(r"^## (\w+)\n+(?:```python\n(?:.+\n)+```\n+)?[^[\n]", PAGES[page], flags=re.M)
        listed = re.findall(r"\[`(\w+)`\]\(api_\w+\.md#\1\)[,.]", PAGES[page]) if page == "api" else []
        assert sorted(described + listed) == sorted(public), page


def test_parameters_examples_and_names_are_marked_up():
    text = PAGES["api_explain"]
    assert "\ncontributions(image: SparseVectors, text: SparseVectors, pairs=None, *,\n    reduce=None)" in text
    assert "\n**Parameters**\n\n- `image, text` : SparseVectors with one row each: With `reduce` (" in text
    assert "\n- `pairs` : DataFrame: The bank's table, whose columns are added.\n" in text
    assert not any("- `Raises`" in page for page in PAGES.values())  # a sentence within a section is no parameter
    assert "[`contributions`](#contributions)" in text and " as in [`ASIF.classify`](api.md#ASIF.classify)" in text
    assert "```python\n>>> model = ASIF(" in re.sub(">>> from.*\n", "", PAGES["api"]) and "doctest" not in PAGES["api"]


def test_links_of_the_api_lead_to_names_and_to_the_source(monkeypatch):
    monkeypatch.setattr(rendering, "published_at", lambda: "https://example.org")
    texts = PAGES | {"library": LIBRARY}
    pages = {f"{name}.html": rendering.render_page(ROOT / f"notebooks/{name}.md", text, chapters=(), more=())
             for name, text in texts.items()}  # fmt: skip
    assert not any(map(loads_from_elsewhere, pages.values()))
    read = {name: BeautifulSoup(page, "html.parser").main for name, page in pages.items()}
    links = [(name, *a["href"].split("#")) for name, page in read.items() for a in page.select("a[href*='#']")]
    assert "https://example.org/blob/main/asif_lib/bank/joining.py" in {file for _, file, _ in links}
    ours = [(file or name, part) for name, file, part in links if not file.startswith("https:")]
    assert ("api_bank.html", "concatenate") in ours
    assert [(file, part) for file, part in ours if not read[file].find(id=part)] == []
