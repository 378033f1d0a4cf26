"""The command ``python -m asif_book.report``."""

import argparse
import os
import sys
from pathlib import Path

from asif_lib.errors import AsifError

from ..checks.progress import VARIABLE
from . import __doc__ as about
from .book import PARAMETERS, build_report, write_results


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
    about_results = "run all chapters again on the CPU, and write the numbers that they measure into this file"
    parser.add_argument("--results", type=Path, metavar="FILE", help=about_results)
    parser.add_argument("--notebooks", type=Path, help="folder of the notebooks, if not the checkout's")
    parser.add_argument("chapters", nargs="*", help="numbers or names; without any, all")
    options = parser.parse_args(arguments)
    given = {name for name, value in vars(options).items() if value not in (parser.get_default(name), [])}
    if options.results and (others := sorted(given - {"results", "notebooks"})):
        parser.error(f"--results runs all chapters with their own settings; leave out: {', '.join(others)}")
    parameters = {name: getattr(options, name) for name in PARAMETERS}
    if options.fast is not None:
        parameters["fast"] = options.fast
    if options.pairs:
        parameters["pairs"] = str(options.pairs.resolve())
    os.environ[VARIABLE] = ""  # a run of the whole book is not the progress of a student
    try:
        if options.results:
            write_results(options.results, options.notebooks)
        else:
            chosen = options.chapters or None
            build_report(parameters, chosen, notebooks=options.notebooks, reuse=not options.fresh)
    except (AsifError, OSError) as error:
        print(*filter(None, [getattr(error, "traceback", ""), str(error)]), sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the chapters that ended are kept and reused next time", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
