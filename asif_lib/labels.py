"""Labels that cannot be told apart: they read the same, or their prompts have the same embeddings."""

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
