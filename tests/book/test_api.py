"""The pages of the API: every public name of the library, described, with links that lead somewhere."""

import importlib
import re

from bs4 import BeautifulSoup

from asif_book.report import loads_from_elsewhere, rendering
from asif_book.report.api import api_pages
from asif_lib.files import ROOT

PAGES = api_pages()
LIBRARY = (ROOT / "notebooks" / "library.md").read_text(encoding="utf-8")
WINGS = {page: page.replace("api_", "asif_lib.").replace("api", "asif_lib") for page in PAGES}


def test_each_wing_has_a_page_with_its_public_names_and_words_for_each():
    assert len(PAGES) == 8
    for page, wing in WINGS.items():
        public = importlib.import_module(wing).__all__
        described = re.findall(r"^## (\w+)\n+(?:```python\n(?:.+\n)+```\n+)?[^[\n]", PAGES[page], flags=re.M)
        listed = re.findall(r"\[`(\w+)`\]\(api_\w+\.md#\1\)[,.]", PAGES[page]) if page == "api" else []
        assert sorted(described + listed) == sorted(public), page


def test_parameters_examples_and_names_are_marked_up():
    text = PAGES["api_explain"]
    assert "\ncontributions(image: SparseVectors, text: SparseVectors, pairs=None, *,\n    reduce=None)" in text
    assert "\n**Parameters**\n\n- `image` : SparseVectors with one row\n" in text
    assert "\n- `pairs` : DataFrame: The bank's table, whose columns are added.\n" in text
    assert not any("- `Raises`" in page for page in PAGES.values())  # a sentence within a section is no parameter
    assert "[`contributions`](#contributions)" in text and "As in [`ASIF.classify`](api.md#ASIF.classify).\n" in text
    assert "```python\n>>> model = ASIF(" in re.sub(">>> from.*\n", "", PAGES["api"]) and "doctest" not in PAGES["api"]


def test_links_of_the_api_lead_to_names_and_to_the_source(monkeypatch):
    monkeypatch.setattr(rendering, "published_at", lambda: "https://example.org")
    render = {name: rendering.render_page(ROOT / f"notebooks/{name}.md", text, chapters=(), more=())
              for name, text in PAGES.items()}  # fmt: skip
    read = {f"{name}.html": BeautifulSoup(page, "html.parser") for name, page in render.items()}
    library = rendering.render_page(ROOT / "notebooks/library.md", LIBRARY, chapters=(), more=())
    links = [(name, a["href"]) for name, page in read.items() for a in page.main.find_all("a")]
    ours = [(name, link) for name, link in links if not link.startswith("https:")]
    ours += [("", a["href"]) for a in BeautifulSoup(library, "html.parser").main.select("a[href^='api']")]
    assert len([link for name, link in ours if not name]) > 20
    for name, link in ours:
        file, _, part = link.partition("#")
        assert not part or read[file or name].find(id=part), (name, link)
    source = {link.rpartition("#")[0] for _, link in links if link.startswith("https:")}
    assert "https://example.org/blob/main/asif_lib/bank/anchors.py" in source
    assert not any(map(loads_from_elsewhere, render.values()))
