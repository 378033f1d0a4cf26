"""The student's folder: copies of the chapters to work in, which an update of the workbook never touches.

python -m asif_lib.course.workspace work
"""

import argparse
import json
from pathlib import Path

from asif_lib.files import ROOT, sha256_of, write_whole

from .editions import CHAPTERS

RECORD = ".editions.json"
"""In the student's folder: the checksum of each chapter as it was copied."""


def fill(folder, notebooks=ROOT / "notebooks") -> list[str]:
    """Copy chapters and solutions to `folder`, and return a sentence for each that was new or could not be renewed.

    A copy that nobody changed follows the workbook; one with somebody's work in it stays as it is.

    Parameters
    ----------
    folder : path
    notebooks : path
        Where both editions are.
    """
    folder, notebooks = Path(folder), Path(notebooks)
    record = folder / RECORD
    copied = _read(record)
    news = []
    for source in sorted([*notebooks.glob(f"{CHAPTERS}.ipynb"), *notebooks.glob(f"solutions/{CHAPTERS}.ipynb")]):
        name = source.relative_to(notebooks).as_posix()
        target, edition = folder / name, sha256_of(source)
        if copied.get(name) == edition and target.exists():
            continue
        if target.exists() and sha256_of(target) not in (edition, copied.get(name)):
            news.append(
                f"{target} holds your work and stays; the chapter has changed since: rename it to get the new one"
            )
            continue
        news.append(f"{target}: {'renewed' if target.exists() else 'new'}")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, source.read_bytes())
        copied[name] = edition
    write_whole(record, json.dumps(copied, indent=1).encode())
    return news


def _read(record):
    """The record; where it is missing or damaged an empty one, and then every copy counts as somebody's work."""
    try:
        return dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m asif_lib.course.workspace", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for line in fill(parser.parse_args(arguments).folder):
        print(line)


if __name__ == "__main__":
    main()
