"""Begin a chapter with one exercise: its source, its checks and its solutions.

    python -m asif_book.editions.new_chapter 09 calibration

Source, checks and solutions are all that a chapter needs. Lists of chapters and links between neighbours are made
from them by ``python -m asif_book.editions build``.
"""

import argparse
import re
import sys
from pathlib import Path

from asif_book.figures.templates import filled
from asif_lib.errors import AsifError
from asif_lib.files import ROOT

FILES = {
    "notebooks/source/{number}_{topic}.py": "source.py.j2",
    "notebooks/asif_book/chapters/chapter_{number}/__init__.py": "__init__.py.j2",
    "notebooks/asif_book/chapters/chapter_{number}/checks.py": "checks.py.j2",
    "tests/book/exercises/chapter_{number}.py": "solutions.py.j2",
}
"""For each file of a chapter, in a checkout, its template."""


class ChapterError(AsifError):
    """A chapter cannot be begun; the message says why."""


def begin_chapter(number: str, topic: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a chapter with one exercise into a checkout of the workbook, and return their paths.

    The number has two digits; the topic has small letters and underscores: ``calibration``. Raises `ChapterError` if
    they are not written so, or if a file of a chapter with this number exists; nothing is written then.
    """
    if not re.fullmatch(r"\d\d", number):
        raise ChapterError(f"{number!r} is no number of a chapter: give two digits, like 09.")
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", topic):
        raise ChapterError(f"{topic!r} is no topic: use small letters, and underscores between words.")
    words = topic.replace("_", " ")
    values = {"number": number, "topic": topic, "words": words, "title": words.capitalize()}
    for file in FILES:
        for there in sorted(root.glob(file.format(number=number, topic="*"))):
            raise ChapterError(f"Chapter {number} exists already, in {there.relative_to(root)}: take another number.")
    texts = {root / file.format(**values): f"templates/chapter/{template}" for file, template in FILES.items()}
    for path, template in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(template, **values) + "\n", encoding="utf-8")
    return list(texts)


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_book.editions.new_chapter NN topic``: exit status 1, with one sentence, where it cannot."""
    parser = argparse.ArgumentParser(
        prog="python -m asif_book.editions.new_chapter", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("number", help="two digits")
    parser.add_argument("topic", help="small letters and underscores, like calibration")
    options = parser.parse_args(arguments)
    try:
        paths = begin_chapter(options.number, options.topic)
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 1
    for path in paths:
        print(path)
    print("Then: python -m asif_book.editions build", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
