"""The student's folder: copies of the chapters to work in. An update of the workbook keeps the student's work.

python -m asif_book.workspace work [--solutions | --no-solutions]
"""

import argparse
from pathlib import Path

from asif_lib.files import ROOT, read_json, sha256_of, write_json, write_whole

from .contents import PICTURES
from .editions import notebooks_in

RECORD = ".editions.json"
"""In the student's folder: the checksum of each chapter as it was copied, and whether solutions are wanted."""
SOLUTIONS = "solutions/"


def fill(folder, notebooks=ROOT / "notebooks", *, solutions: bool | None = None) -> list[str]:
    """Copy chapters to `folder`, with their `solutions`; return a sentence for each file that changes or is left alone.

    An unchanged copy follows the workbook. A changed copy holds work, and stays as it is. The folder remembers whether
    it gets solutions: None means as the last time, at first yes. Both editions are in the folder `notebooks`, with the
    pictures of the method that they show.
    """
    folder, notebooks = Path(folder), Path(notebooks)
    record = folder / RECORD
    try:
        copied = read_json(record, dict[str, str])
    except (OSError, ValueError):  # without a record, or with a damaged one, every copy counts as work
        copied = {}
    if solutions is not None:
        copied[SOLUTIONS] = "yes" if solutions else "no"
    wanted, news = copied.get(SOLUTIONS) != "no", []
    for source in [*notebooks_in(notebooks), *notebooks.glob(PICTURES)]:
        name = source.relative_to(notebooks).as_posix()
        target, edition = folder / name, sha256_of(source)
        if name.startswith(SOLUTIONS) and not wanted:
            if target.exists() and sha256_of(target) == copied.pop(name, None):
                target.unlink()
                (target.parent / ".ipynb_checkpoints" / f"{target.stem}-checkpoint.ipynb").unlink(missing_ok=True)
                news.append(f"{target}: removed")
            elif target.exists():
                news.append(f"{target} holds your work and stays; delete it yourself")
            continue
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
    about = "copy them too, or take them away; default: as the last time"
    parser.add_argument("--solutions", action=argparse.BooleanOptionalAction, help=about)
    options = parser.parse_args(arguments)
    for line in fill(options.folder, solutions=options.solutions):
        print(line)


if __name__ == "__main__":
    main()
