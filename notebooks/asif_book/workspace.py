"""The student's folder: copies of the chapters to work in. An update of the workbook keeps the student's work.

python -m asif_book.workspace work [--no-solutions]
"""

import argparse
from pathlib import Path

from asif_lib.files import ROOT, read_json, sha256_of, write_json, write_whole

from .contents import PICTURES
from .editions import notebooks_in

RECORD = ".editions.json"
"""In the student's folder: the checksum of each chapter as it was copied."""


def fill(folder, notebooks=ROOT / "notebooks", *, solutions=True) -> list[str]:
    """Copy chapters to `folder`, with their `solutions`; return a sentence for each file that is new or left alone.

    An unchanged copy follows the workbook. A changed copy holds work, and stays as it is. Both editions are in the
    folder `notebooks`, with the pictures of the method that they show.
    """
    folder, notebooks = Path(folder), Path(notebooks)
    record = folder / RECORD
    try:
        copied = read_json(record, dict[str, str])
    except (OSError, ValueError):  # without a record, or with a damaged one, every copy counts as work
        copied = {}
    news = []
    for source in [*notebooks_in(notebooks), *notebooks.glob(PICTURES)]:
        name = source.relative_to(notebooks).as_posix()
        if name.startswith("solutions/") and not solutions:
            continue
        target, edition = folder / name, sha256_of(source)
        if copied.get(name) == edition and target.exists():
            continue
        if target.exists() and sha256_of(target) not in (edition, copied.get(name)):
            advice = "the chapter has changed since: rename it to get the new one"
            news.append(f"{target} holds your work and stays; {advice}")
            continue
        news.append(f"{target}: {'renewed' if target.exists() else 'new'}")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, source.read_bytes())
        copied[name] = edition
    write_json(record, copied)
    return news


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m asif_book.workspace", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-solutions", action="store_true", help="copy the chapters only")
    options = parser.parse_args(arguments)
    for line in fill(options.folder, solutions=not options.no_solutions):
        print(line)


if __name__ == "__main__":
    main()
