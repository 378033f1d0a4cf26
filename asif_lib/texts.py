"""Texts of data: which of them read the same, and CSV in which a spreadsheet computes none of them as a formula."""

import csv
import io
import itertools
import numbers
import re
import unicodedata
import warnings

from asif_lib.errors import first_names

INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Controls, and what Unicode calls default ignorable: joiners, fillers, selectors; and the empty Braille cell."""


def as_read(text) -> str:
    """Return how a text reads: without invisible characters, and equal for all ways to encode, space or capitalise.

    >>> as_read("Stra\u200bße") == as_read("STRASSE")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(INVISIBLE.sub("", folded).split())


def repeated(labels) -> str | None:
    """Return what is wrong with the first label that reads as an earlier one; None if all differ."""
    known = {}
    for label in labels:
        first = known.get(as_read(label))
        if first == label:
            return f"the label {label!r} is given twice"
        if first is not None:
            names = [unicodedata.name(c, ascii(c)) for c in sorted(set(first) ^ set(label))] or ["blanks"]
            return f"the labels {first!r} and {label!r} read the same, and differ in {first_names(names)}"
        known[as_read(label)] = label
    return None


def told_apart(labels, z):
    """Return the embeddings z of the labels' prompts; warn if those of two labels are equal."""
    first = {}
    for label, same in zip(labels, z.view(len(labels), -1).unique(dim=0, return_inverse=True)[1].tolist(), strict=True):
        if first.setdefault(same, label) != label:
            fault = f"the text encoder gives the labels {first[same]!r} and {label!r} the same embedding"
            warnings.warn(f"{fault}, so {label!r} can never win; use other words", stacklevel=4)
    return z


# -- tables for spreadsheets

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
