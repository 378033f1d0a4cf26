"""Run every benchmark, one after the other, each in a process of its own: ``python benchmarks``.

Each result is stored as JSON in ``build/benchmarks/NAME.json``, with a description of the machine. The printed figures
are ratios to a peer in the same run, with the target where there is one. Run it on an idle machine.

    python benchmarks                       (up to 1.6 million pairs: 10 GB of memory, 10 GB of disk, an hour)
    python benchmarks --quick               (small sizes, as a test of the scripts: minutes; in benchmarks/quick/)
    python benchmarks --only scale paper_scale
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from asif_lib.files import build_dir, write_whole
from timing import lines_of

FOLDER = build_dir() / "benchmarks"
QUICK = {
    "encoding": ["--runs", "2", "--pictures", "16"],
    "scale": ["--quick"],
    "paper_scale": ["--n", "20000", "--pictures", "500"],
    "cluster": ["--quick"],
    "streaming": ["--pairs", "3000", "--block", "100"],
    "editing": ["--pairs", "20000", "--edited", "500", "--runs", "1"],
}
"""The benchmarks in their order, and the arguments that make them small."""


def arguments_of(name, quick):
    """Return the arguments of a benchmark."""
    folder = ["--folder", str(FOLDER / "edited")] if name == "editing" else []
    return ["--json", *(QUICK[name] if quick else []), *folder]


def run(name, quick, stored):
    """Run one benchmark and store its result in the file `stored`; return it, or None if it failed."""
    stored.unlink(missing_ok=True)  # an earlier result must not pass for this one's
    script = str(Path(__file__).with_name(f"{name}.py"))
    print(f"\n== {name}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, script, *arguments_of(name, quick)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None
    write_whole(stored, done.stdout.encode())
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=QUICK, default=list(QUICK), metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    folder = FOLDER / "quick" if arguments.quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    results = {name: run(name, arguments.quick, folder / f"{name}.json") for name in arguments.only}
    for name, result in results.items():
        print(f"\n{name}" + ("  FAILED" if result is None else f"  ({folder / name}.json)"))
        for line in lines_of(result or {}):
            print("  " + line)
    failed = [name for name, result in results.items() if result is None]
    if failed:
        sys.exit(f"no result of {', '.join(failed)}: see what they said above")


if __name__ == "__main__":
    main()
