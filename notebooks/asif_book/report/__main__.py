"""The command ``python -m asif_book.report``."""

import argparse
import os
import sys
from pathlib import Path

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import AsifError
from asif_lib.files import build_dir

from ..progress import VARIABLE
from ..walk import building
from . import __doc__ as about
from .book import PARAMETERS, WALK, build_report


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1, with one sentence, when a chapter fails."""
    parser = argparse.ArgumentParser(prog="python -m asif_book.report", description=(about or "").partition("\n")[0])
    parser.add_argument("--profile", choices=["offline", "hub"], default=PARAMETERS["profile"])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default=PARAMETERS["device"])
    parser.add_argument("--seed", type=int, default=PARAMETERS["seed"])
    parser.add_argument("--pairs", type=Path, help="a folder of pictures with captions, in the place of the stamps")
    about_fast = "small samples, to see that all runs; --no-fast: chapter 08 at the paper's size"
    parser.add_argument("--fast", action=argparse.BooleanOptionalAction, help=about_fast)
    parser.add_argument("--fresh", action="store_true", help="run unchanged chapters again too")
    parser.add_argument("--edition", choices=["student", "solutions"], default="student")
    parser.add_argument("--notebooks", type=Path, help="folder of the notebooks, if not the checkout's")
    parser.add_argument("chapters", nargs="*", help="numbers or names; without any, all")
    options = parser.parse_args(arguments)
    parameters = {name: getattr(options, name) for name in PARAMETERS}
    if options.fast is not None:
        parameters["fast"] = options.fast
    if options.pairs:
        parameters["pairs"] = str(options.pairs.resolve())
    os.environ[VARIABLE] = ""  # a run of the whole book is not the progress of a student
    try:
        chosen = options.chapters or None
        if chosen is None and options.notebooks is None and options.edition == "student":
            walk_the_bank(build_dir() / "report" / WALK)
        build_report(parameters, options.edition, chosen, notebooks=options.notebooks, reuse=not options.fresh)
    except (AsifError, OSError) as error:
        print(*filter(None, [getattr(error, "traceback", ""), str(error)]), sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the chapters that ended are kept and reused next time", file=sys.stderr)
        return 130
    return 0


def walk_the_bank(page: Path) -> None:
    """Make the page of the default bank, unless it is newer than the bank and the code."""
    made_of = [bank_dir(DEFAULT_BANK) / "bank.json", *Path(building.__file__).parent.iterdir()]
    try:
        if not page.exists() or page.stat().st_mtime < max(file.stat().st_mtime for file in made_of):
            page.parent.mkdir(parents=True, exist_ok=True)
            building.bank_page(AnchorBank.load(DEFAULT_BANK), page, home="index.html")
            print(f"walk the bank: {page}", flush=True)
    except (AsifError, OSError) as error:
        page.unlink(missing_ok=True)
        print(f"without the page {page.name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
