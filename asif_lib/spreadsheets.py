"""Tables for spreadsheets: CSV in which no text of data is computed as a formula."""

import csv
import io
import itertools
import numbers
import re

_UNSEEN = r"[\s\0-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]"
_CELL = r"(\A(?![+-]?[\d.]+\Z)|[;\t\r\n])"
"""Where a spreadsheet begins a cell, also where its language separates cells by semicolons; not at a number."""
_FORMULA = rf"(?=(?:'|{_UNSEEN})*[=+\-@＝＋－＠])"
"""What it would take for a formula, also behind apostrophes: these get one more, so that `csv_plain` finds it."""


def csv_text(columns, rows) -> str:
    """Return a table as CSV, every text in quotes. What a spreadsheet would take for a formula gets an apostrophe.

    >>> print(csv_text(["caption", "score"], [["=1+1", -0.5], ["-40", None]]), end="")
    "caption","score"
    "'=1+1",-0.5
    "-40",""
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    table.writerows(map(_cell, row) for row in itertools.chain([columns], rows))
    return text.getvalue()


def _cell(value):
    if isinstance(value, numbers.Number):
        return None if value != value else value  # NaN is an empty cell
    return None if value is None else re.sub(_CELL + _FORMULA, r"\1'", str(value))


def csv_plain(text) -> str:
    """Return a text that `csv_text` wrote as it was before: without the apostrophes at formulas."""
    return re.sub(f"{_CELL}'{_FORMULA}", r"\1", text)
