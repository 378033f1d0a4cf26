"""Who made the book, which licences it and its pictures have, and how to cite it: each product carries this."""

import yaml
from markupsafe import Markup

from asif_book.figures.templates import filled
from asif_lib.datasets.providers import catalogue
from asif_lib.files import ROOT

CODE = "MIT", "https://spdx.org/licenses/MIT.html"
TEXT = "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"
"""The licences of the code, and of the book's text and drawings."""
LICENCE_TEXTS = "https://spdx.org/licenses/"
"""A licence of the catalogue is named as there, but for GPL-2."""


def notice(names=("stamps", "fashion_mnist"), bank=None) -> dict:
    """Return what the notice says of the book and of the data sets of these names, by CITATION.cff and the catalogue.

    The book's are ``title``, ``authors``, ``version``, ``date`` and ``bibtex``; ``data`` has a row for each data set,
    and for a `bank` that is made of none of the catalogue.
    """
    book = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    authors = [
        " ".join(filter(None, (a.get("given-names"), a.get("family-names"), a.get("name")))) for a in book["authors"]
    ]
    fields = {"title": f"{{{book['title']}}}", "author": " and ".join(f"{{{author}}}" for author in authors)}
    fields |= {"version": book["version"], "year": str(book["date-released"])[:4]}
    fields |= {name: book[key] for name, key in (("doi", "doi"), ("url", "repository-code")) if key in book}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    data = [
        {"name": name, **{key: catalogue()[name][key] for key in ("title", "licence", "homepage")}} for name in names
    ]
    if bank is not None and catalogue().get(bank.name, {}).get("licence") != bank.licence:
        title = f"Pictures and captions of bank “{bank.name}”"
        data[0] = {"name": bank.name, "title": title, "licence": bank.licence, "homepage": None}
    known = {entry["licence"] for entry in catalogue().values() if " " not in entry["licence"]}
    for row in data:
        identifier = "GPL-2.0-only" if row["licence"] == "GPL-2" else row["licence"]
        row["text"] = f"{LICENCE_TEXTS}{identifier}.html" if row["licence"] in known else None
    about = {"title": book["title"], "authors": authors, "version": book["version"], "date": book["date-released"]}
    return about | {"code": CODE, "text": TEXT, "data": data, "bibtex": f"@software{{asif_workbook,\n{lines}\n}}"}


def licences_html(**about) -> Markup:
    """Return the `notice` as HTML, closed until a reader opens it."""
    return Markup(filled("templates/licences.html.j2", **notice(**about)))


def licences_md() -> str:
    """Return the notice as Markdown, for a folder of files."""
    return filled("templates/licences.md.j2", **notice())
