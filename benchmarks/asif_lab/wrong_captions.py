"""Wrong captions, made of right ones by a rule: does a model read more than a bag of words?"""

import re

from asif_lib.errors import DataError

COLOURS = ["black", "white", "red", "green", "blue", "yellow", "orange", "brown", "grey", "pink", "purple", "silver"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]


def next_of(words):
    """Return a rule: the one word of a caption that is among `words` becomes the next of them, in a circle.

    >>> next_of(["red", "green"])("A red hat."), next_of(["red", "green"])("A hat.")
    ('A green hat.', 'A hat.')
    """
    among = re.compile(rf"\b({'|'.join(words)})\b", re.I)

    def change(caption):
        found = among.findall(caption)
        if len(found) != 1:  # of two colours, one may be the other's next
            return caption
        new = words[(words.index(found[0].lower()) + 1) % len(words)]
        return among.sub(new.capitalize() if found[0].istitle() else new, caption)

    return change


def negate(caption) -> str:
    """Put “No” in the place of the article at the beginning of a caption with one sentence."""
    return re.sub(r"^(an?|the) (?=[^.!?]+[.!]?$)", "No ", caption, flags=re.I)


CHANGES = {
    "colour": (next_of(COLOURS), "A red hat."),
    "number": (next_of(NUMBERS), "Two hats."),
    "negation": (negate, "A hat."),
}
"""What a rule changes → the rule, which returns other captions as they are, and an example."""


def wrong_captions(captions, what) -> dict[int, str]:
    """Return position → wrong caption by the rule of `CHANGES`; `DataError` if the rule can change no caption."""
    rule, example = CHANGES[what]
    changed = {i: rule(caption) for i, caption in enumerate(captions) if rule(caption) != caption}
    if not changed:
        fault = f"none of {len(captions)} captions has a {what} to change, as “{example}” has"
        raise DataError(f"{fault}; leave {what!r} out, or bring other captions")
    return changed
