"""Texts that act where a page, a spreadsheet or a terminal takes them for its own, and what finds such a place."""

import csv
import io
import re
from pathlib import Path

from bs4 import BeautifulSoup

FORMULAS = [
    '=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "＝1+1", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1",
    "\u200b=1+1", "\u00ad=1+1", "\u2060+1+1", "\u200f@A1", "\ufeff@A1", '"=1+1', "Ann;=1+1", "Ann; =1+1", "Ann,=1+1",
    "Ann\n=1+1", "Ann\t@A1",
]  # fmt: skip
"""Texts that some spreadsheet would compute, alone or behind the separator of its language."""


def formulas(file) -> list:
    """Return the cells of a CSV file that a spreadsheet would compute, whatever separates its cells."""
    text, found = Path(file).read_bytes().decode("utf-8-sig"), []
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            found += [cell for cell in row if re.sub(r"[\s\u00ad\u200b-\u2060\ufeff]", "", cell)[:1] in set("=+-@＝")]
    return [cell for cell in found if not re.fullmatch(r"-[\d.]+(e-\d+)?", cell)]


HOSTILE = (
    """<zq onzq=1>zq</zq> "><zq onzq=1> ' onzq='1 " onzq="1 </script></style></title></textarea></svg>--><zq> """
    "&lt;zq&gt; [zq](javascript:zq) ![zq](zq.png) <javascript:zq> `zq` $\\zq_{ {{ 7 * 7 }} {% zq %} ${zq} "
)
"""A text that becomes an element or an attribute wherever it is not escaped, or is taken for Markdown or a template."""


def made_of_data(page) -> list:
    """Return the elements and attributes of a page that `HOSTILE` made."""
    found = []
    for tag in BeautifulSoup(str(page), "html.parser").find_all(True):
        addresses = [str(tag.get(name, "")).strip().casefold() for name in ("href", "src", "action")]
        bad = tag.name == "zq" or any(name.startswith(("on", "zq")) for name in tag.attrs)
        if bad or any(address.startswith(("javascript:", "zq")) for address in addresses):
            found.append(str(tag)[:200])
    return found
