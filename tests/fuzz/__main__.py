"""Fuzzing: ``python -m tests.fuzz --seconds 60 --seed N`` damages everything that the library and the book read.

Each case damages a valid input, and reads it in a process of its own under limits of time and memory. Right is the
answer of the undamaged input, or one sentence: an `AsifError`. Every other outcome is a failure, and is printed with
the options that repeat it. ``--kills N`` kills N operations at random moments instead; see `kills`.
"""

import argparse
import gc
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import uuid
import warnings
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a forked process has one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from asif_lib.errors import AsifError, first_line

from . import kills
from .targets import TARGETS, load_encoders

SECONDS, MEMORY, FILE = 20, 2**31, 2**28
"""Limits of a case: seconds of computing (thrice on the clock), bytes on top of the parent's, bytes of a file."""


def in_child(function, *arguments, file, limited=True, shown=False):
    """Run a function in a fork; return its kind and its value: an answer, or a refusal or a fault in words."""
    file.unlink(missing_ok=True)
    process = os.fork()
    if not process:
        if not shown:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1), os.dup2(1, 2), os.dup2(1, 0)
        if limited:
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            limits = {resource.RLIMIT_AS: mapped + MEMORY, resource.RLIMIT_FSIZE: FILE, resource.RLIMIT_CPU: SECONDS}
            for what, limit in limits.items():
                resource.setrlimit(what, (limit, limit))
            signal.alarm(3 * SECONDS)  # without a handler it ends the process, whatever this does
        try:
            outcome = "answer", function(*arguments)
        except AsifError as error:
            outcome = ("refusal", first_line(error)) if str(error).strip() else ("fault", "an error without words")
        except BaseException as error:
            traceback.print_exc()
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            outcome = "fault", f"{type(error).__name__} at {where}: {first_line(error)}"
        file.write_bytes(pickle.dumps(outcome))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status == 0 and file.exists():
        return pickle.loads(file.read_bytes())
    hangs = -status in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL)
    return "fault", f"lasts longer than {SECONDS} seconds" if hangs else f"ends with status {status}"


def named(function, seed, folder):
    """Call a function; the random names of its files are the same in each run, so that a case can be repeated."""
    rng = random.Random(seed)
    uuid.uuid4 = lambda: uuid.UUID(int=rng.getrandbits(128))
    return function(folder)


def computed():
    """Seconds that this process and its ended children have computed: on a busy machine as many cases are run."""
    return sum(os.times()[:4])


class Bench:
    """A target with its valid input, of which each case damages a copy at the same place."""

    def __init__(self, name, folder):
        self.name, self.target, self.right, self.cases, self.seconds = name, TARGETS[name], {}, 0, 0.0
        self.valid, self.case, self.outcome = folder / "valid", folder / "case", folder / "outcome"
        self.case.mkdir(parents=True)
        kind, value = in_child(named, self.target.make, 0, self.case, file=self.outcome, limited=False)
        assert kind == "answer", f"{name}: {value}"
        self.case.rename(self.valid)

    def read(self, operation, damage=None, shown=False):
        """Return the outcome of an operation on a copy of the valid input, and what was damaged."""
        shutil.rmtree(self.case, ignore_errors=True)
        shutil.copytree(self.valid, self.case)
        within, damaged = self.case / operation if (self.case / operation).is_dir() else self.case, None
        if damage:
            damaged = damage(sorted(f for f in within.rglob("*") if f.is_file() and f.suffix != ".lock"))
        read = named, self.target.reads[operation], 1, self.case
        return *in_child(*read, file=self.outcome, shown=shown), damaged

    def run(self, seed, number, shown=False):
        """Run a case; return its kind, and what happened in words."""
        rng, started = random.Random(f"{seed} {self.name} {number}"), computed()
        operation = rng.choice(list(self.target.reads))
        if operation not in self.right:
            kind, self.right[operation], _ = self.read(operation)
            assert kind == "answer", f"{self.name}, {operation}, undamaged: {self.right[operation]}"
        kind, value, (file, how) = self.read(operation, lambda files: self.target.damage(files, rng), shown)
        if kind == "answer" and not self.target.same(value, self.right[operation]):
            kind, value = "fault", "another answer, in silence"
        self.cases, self.seconds = self.cases + 1, self.seconds + computed() - started
        return kind, f"{operation}, {file.relative_to(self.case)} {how}: {value}"


def fuzz(benches, seed, seconds):
    """Run cases for some seconds of computing, for each target equally long; count the outcomes."""
    end, outcomes = computed() + seconds, Counter()
    while computed() < end:
        bench = min(benches, key=lambda bench: bench.seconds)
        number = bench.cases
        kind, value = bench.run(seed, number)
        outcomes[bench.name, kind] += 1
        if kind == "fault":
            print(f"FAILS --seed {seed} --target '{bench.name}' --case {number}: {value}", flush=True)
    for bench in benches:
        answers, refusals, faults = (outcomes[bench.name, kind] for kind in ("answer", "refusal", "fault"))
        print(f"{bench.name:16} {bench.cases:6} cases: {answers} right, {refusals} refused, {faults} failed")
    failures = sum(count for (_, kind), count in outcomes.items() if kind == "fault")
    print(f"{outcomes.total()} cases with seed {seed}, {failures} failed")
    return failures


def main():
    """Run the command; exit status 1 if a case fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: any, which is printed")
    parser.add_argument("--target", action="append", choices=[*TARGETS, *kills.OPERATIONS], help="default: all")
    parser.add_argument("--case", type=int, help="repeat this case of the target, and show what it prints")
    parser.add_argument("--kills", type=int, metavar="N", help="kill N operations, in place of damage")
    asked = parser.parse_args()
    if sys.platform != "linux":
        print("fuzzing needs the processes and limits of Linux: nothing was tried")
        return 0
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["ASIF_CACHE"] = str(folder / "cache")
        load_encoders(folder / "encoders")
        if asked.kills:
            return bool(kills.run(asked.target or list(kills.OPERATIONS), folder, asked.seed, asked.kills, in_child))
        gc.freeze()  # no fork looks through what is loaded
        benches = [Bench(name, folder / name.replace(" ", "-")) for name in asked.target or TARGETS]
        if asked.case is None:
            return bool(fuzz(benches, asked.seed, asked.seconds))
        kind, value = benches[0].run(asked.seed, asked.case, shown=True)
        print(f"{kind}: {value}")
        return kind == "fault"


if __name__ == "__main__":
    sys.exit(main())
