"""The verdict of a check: in colour, symbol and words."""

import html
from dataclasses import dataclass
from functools import partial

from asif_book.figures.palette import ORANGE, PURPLE, SKY

STYLES = {"right": (SKY, "✔"), "wrong": (ORANGE, "✘"), "not attempted": (PURPLE, "○")}


@dataclass(frozen=True)
class Verdict:
    """The answer of a check."""

    exercise: str
    status: str  # a key of STYLES
    message: str
    printed: str = ""  # by the student's function, cut to a readable length
    note: str = ""  # a remark on the progress file, where it could not be written

    def __str__(self):
        text = f"{STYLES[self.status][1]} {self.exercise}: {self.status}. {self.message}"
        return text + "".join(f"\n{part}" for part in (self.printed, self.note) if part)

    __repr__ = __str__

    def _repr_html_(self):
        colour, symbol = STYLES[self.status]
        text = (
            f'<div role="status" style="border-left: 6px solid {colour}; padding: 0.4em 0.8em">'
            f"<b>{symbol} {html.escape(self.exercise)}: {self.status}.</b> {html.escape(self.message)}"
        )
        if printed := html.escape(self.printed):
            text += f"<details><summary>What your function printed</summary><pre>{printed}</pre></details>"
        if self.note:
            text += f"<p>{html.escape(self.note)}</p>"
        return text + "</div>"


class Ended(Exception):
    """Ends a check with its verdict, from any depth."""

    def __init__(self, verdict):
        super().__init__(verdict.message)
        self.verdict = verdict


right, wrong = partial(Verdict, "", "right"), partial(Verdict, "", "wrong")
"""Make a verdict of a message; the check adds its number."""


def refuse(message):
    """End the check: the solution is wrong, for this reason."""
    raise Ended(wrong(message))
