"""The student's folder: copies of the chapters to work in. An update of the workbook keeps the student's work.

python -m asif_book.editions.workspace work [--solutions | --no-solutions] [--kernel NAME]
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from asif_book.editions.building import notebooks_in
from asif_book.editions.contents import PICTURES
from asif_lib.errors import AsifError
from asif_lib.files import ROOT, parse_json, read_file, sha256_of, write_json, write_whole

RECORD = ".editions.json"
"""In the student's folder: the checksum of each chapter as it was copied, and whether solutions are wanted."""
SOLUTIONS = "solutions/"
TUTOR = "TUTOR.md"
"""Rules for a tutor that hints and never solves, for a chat assistant or a person."""


def fill(folder, notebooks=ROOT / "notebooks", *, solutions: bool | None = None, kernel="") -> list[str]:
    """Copy chapters to `folder`, with their `solutions`; return a sentence for each file that changes or is left alone.

    An unchanged copy follows the workbook. A changed copy holds work, and stays, as does a folder in its place.
    Raises `AsifError` where `folder` can be no folder, or not be written to.

    Parameters
    ----------
    folder, notebooks : path
        `notebooks` has both editions, with the pictures of the method that they show.
    solutions
        The folder remembers whether it gets solutions: None means as the last time, at first yes.
    kernel : str, optional
        The name of the kernel that the copies ask for, in place of ``python3``.
    """
    folder, notebooks, news, lost = Path(folder), Path(notebooks), [], ""
    try:
        copied = parse_json(read_file(folder / RECORD), dict[str, str])
    except FileNotFoundError:  # without a record, or with a damaged one, every copy counts as work
        copied, lost = {}, "is missing" if notebooks_in(folder) and not (folder / SOLUTIONS).exists() else ""
    except (OSError, ValueError):
        copied, lost = {}, "was damaged"
    if lost:
        copied, lost = {SOLUTIONS: "no"}, f"{folder / RECORD} {lost}; solutions come only with SOLUTIONS=yes"
    if solutions is not None:
        copied[SOLUTIONS] = "yes" if solutions else "no"
    for source in [*notebooks_in(notebooks), *notebooks.glob(PICTURES), *notebooks.glob(TUTOR)]:
        name = source.relative_to(notebooks).as_posix()
        if name.startswith(SOLUTIONS) and copied.get(SOLUTIONS) == "no":
            continue
        content = source.read_bytes()
        if source.suffix == ".ipynb" and kernel:
            notebook = json.loads(content)
            notebook["metadata"]["kernelspec"] |= {"name": kernel, "display_name": kernel}
            content = json.dumps(notebook, ensure_ascii=False, indent=1).encode() + b"\n"
        target, edition, known = folder / name, hashlib.sha256(content).hexdigest(), copied.get(name)
        try:
            if known != edition or not target.is_file():
                what = "renewed" if target.exists() else "new"
                if _replaced(target, [edition, known], content):
                    news.append(f"{target}: {what}")
                    copied[name] = edition
                else:
                    why = "the chapter has changed since" if known else "it differs from the chapter"
                    news.append(f"{target} holds your work and stays; {why}: rename it to get the new one")
        except OSError as error:
            news.append(f"{target} is left as it is ({error.strerror}); make room there for the chapter")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / RECORD, copied)
    except OSError as error:
        raise AsifError(f"{folder}: {error.strerror or error}; make room there.") from None
    return [*news, lost] if lost else news


def _replaced(target, known, content) -> bool:
    """Put `content` in the place of a copy whose checksum is `known`; False if the file holds work."""
    if target.exists() and sha256_of(target) not in known:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, content)
    return True


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.prog = "python -m asif_book.editions.workspace"
    parser.add_argument("folder", type=Path)
    about = "copy them too, or not; default: as the last time"
    parser.add_argument("--solutions", action=argparse.BooleanOptionalAction, help=about)
    about = "the name of the kernel that the copies ask for, on a hub with other kernels; default: python3"
    parser.add_argument("--kernel", metavar="NAME", default="", help=about)
    options = parser.parse_args(arguments)
    try:
        for line in fill(options.folder, solutions=options.solutions, kernel=options.kernel):
            print(line)
    except AsifError as error:
        sys.exit(f"workspace: {error}")


if __name__ == "__main__":
    main()
