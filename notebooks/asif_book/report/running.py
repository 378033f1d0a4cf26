"""Run a notebook from start to end, and find the errors that papermill hides.

A message between a kernel and its client can get lost (https://github.com/jupyter/nbclient/issues/312,
https://github.com/jupyter/nbconvert/issues/2029). The client then waits for good, beside an idle kernel. A second
client finds this out: a kernel answers its requests in order, so an answer to a later one proves that the cell ended.
"""

import contextlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty

import nbformat
import papermill
import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from asif_lib.errors import AsifError

from ..editions.outline import CELL_SECONDS, SETTINGS, tags_of
from .kernels import ForkedKernel

VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class ReportError(AsifError):
    """The report cannot be made."""


class NotebookError(ReportError):
    """A cell of a notebook raised an exception (with this `traceback`) or took too long, or its kernel died."""

    def __init__(self, message: str, traceback: str = ""):
        super().__init__(message)
        self.traceback = traceback


class HiddenError(NotebookError):
    """An exception that papermill hides: in a widget's callback, or in a cell that exits early."""


def run_notebook(path: Path | str, output: Path | str, parameters: dict, environment: dict | None = None) -> float:
    """Run a notebook from start to end in its own folder, and return the seconds that it took.

    The executed notebook is written to `output`, also when it fails. A cell may take as many seconds as the
    notebook's metadata allow, or `CELL_SECONDS`. If a message of the kernel is lost, the notebook runs once more, and
    `was_repeated` tells this of the executed notebook.

    Raises `NotebookError`, with notebook and cell, if a cell raised an exception or took too long, the kernel died, or
    a message was lost twice, and `HiddenError` if a widget's callback raised an exception, or a cell called
    ``sys.exit()``.

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
    environment = os.environ | (environment or {})
    try:
        executed, seconds = _execute(path, output, parameters, environment)
    except LostMessageError:
        try:
            executed, seconds = _execute(path, output, parameters, environment)
        except LostMessageError as error:
            lost = "the kernel ended the cell and its message was lost, twice in a row; run the chapter again, alone"
            raise NotebookError(f"{path.name}, {cell_name(*error.args)}: {lost}.") from None
        executed.metadata.setdefault(SETTINGS, NotebookNode())["repeated"] = True
        nbformat.write(executed, output)
    for where, error in _hidden_errors(executed):
        raise HiddenError(f"{path.name}, {where}: {error['ename']}: {error['evalue']}", _plain(error["traceback"]))
    return seconds


def _execute(path: Path, output: Path, parameters: dict, environment: dict[str, str]) -> tuple[NotebookNode, float]:
    """Return the executed notebook, and its seconds."""
    notebook = with_parameters(nbformat.read(path, as_version=4), parameters)
    limit = notebook.metadata.get(SETTINGS, {}).get("cell_seconds", CELL_SECONDS)
    options = {"engine_name": ENGINE, "limit": limit, "folder": path.parent, "environment": environment}
    start = time.monotonic()
    try:
        return papermill.execute_notebook(notebook, output, progress_bar=False, **options), time.monotonic() - start
    except PapermillExecutionError as error:
        message = f"{cell_name(error.cell_index, error.source)}: {error.ename}: {error.evalue}"
        raise NotebookError(f"{path.name}, {message}", _plain(error.traceback)) from None
    except CellLimitError as error:
        late = f"the cell did not end within {limit} s, the limit for a cell of this chapter"
        raise NotebookError(f"{path.name}, {cell_name(*error.args)}: {late}.") from None
    except DeadKernelError:
        raise NotebookError(f"{path.name}: the kernel died; perhaps the machine has too little memory.") from None
    except RuntimeError as error:
        raise NotebookError(f"{path.name}: the kernel did not start ({error}).") from error


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


def was_repeated(executed: NotebookNode) -> bool:
    """Tell whether an executed notebook comes from a second run, after a lost message."""
    return executed.metadata.get(SETTINGS, {}).get("repeated", False)


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


# The run under watch: with a time limit, and without waiting for a message that was lost

ENGINE = "watched"
PROBE_SECONDS = 10
"""Time between two questions to the kernel."""
PROBES = 3
"""Answers of an idle kernel until its client counts as stuck: a slow client has half a minute to read all output."""
START_SECONDS = 120


class LostMessageError(Exception):
    """The kernel ended a cell, and its client never heard of it. Its arguments are the cell's index and source."""


class CellLimitError(Exception):
    """A cell ran longer than it may. Its arguments are the cell's index and source."""


class _Client(PapermillNotebookClient):
    """Papermill's client. It also reads an answer that comes while the client sends a widget its output.

    The socket signals an answer once, and sending uses up the signal (http://api.zeromq.org/master:zmq-getsockopt,
    ``ZMQ_FD``). The client would then wait for good. Asking for the events makes pyzmq look for answers again.
    """

    def __init__(self, *arguments, environment: dict[str, str], **options):
        super().__init__(*arguments, **options)
        self.environment = environment

    def create_kernel_manager(self) -> KernelManager:
        manager = super().create_kernel_manager()
        if ForkedKernel.suits(manager.format_kernel_cmd(), self.environment):
            manager.provisioner = ForkedKernel(kernel_spec=manager.kernel_spec, parent=manager)
        return manager

    def process_message(self, *arguments, **options):
        try:
            return super().process_message(*arguments, **options)
        finally:
            self.kc.shell_channel.socket.get(zmq.EVENTS)


class _Engine(NBClientEngine):
    """Papermill's engine with a watch over the kernel, in a folder and an environment of its own.

    Kernel and client meet at files. Ports that are free when Jupyter chooses them can be taken before a kernel has
    started: by a kernel of another process, whose messages the client would then receive.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, limit, folder, environment, **_):
        with tempfile.TemporaryDirectory() as sockets:
            files = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            if not zmq.has("ipc") or len(f"{sockets}/kernel-5") > zmq.IPC_PATH_MAX_LEN:
                files = {}  # Windows has no such files, and elsewhere a path of theirs may be too long
            limits = {"timeout": limit, "startup_timeout": START_SECONDS}
            limits["iopub_timeout"] = limit  # the watch is sooner, and knows more
            options = {"extra_arguments": ["--log-level=ERROR"], "config": Config(KernelManager=files)}
            client = _Client(nb_man, kernel_name=kernel_name, environment=environment, **limits, **options)
            output, nb_man.output_path = nb_man.output_path, None  # papermill would write all twice a cell
            with _Watch(client) as watch:
                try:
                    client.execute(cwd=str(folder), env=environment)
                except DeadKernelError:
                    if watch.stuck:
                        raise LostMessageError(*watch.last) from None
                    raise
                except CellTimeoutError:
                    raise CellLimitError(*watch.last) from None
                finally:
                    nb_man.output_path = output  # at the end, and after an error


papermill_engines.register(ENGINE, _Engine)

_watches: set["_Watch"] = set()


def stop_kernels() -> None:
    """Kill the kernels of all notebooks that run now, so that their threads end."""
    for watch in list(_watches):
        watch.kill()


class _Watch:
    """Asks the kernel of a client, while a cell runs, whether it is idle."""

    def __init__(self, client: PapermillNotebookClient):
        self.client = client
        self.cell = self.last = None  # what runs, and what ran last: index and source
        self.over = threading.Event()
        self.stuck = False
        self.thread = threading.Thread(target=self._probe, daemon=True)
        client.on_cell_execute, client.on_cell_executed = self._begins, self._ended

    def __enter__(self) -> "_Watch":
        _watches.add(self)
        self.thread.start()
        return self

    def __exit__(self, *_):
        _watches.discard(self)
        self.over.set()
        self.thread.join()

    def _begins(self, cell, cell_index):
        self.cell = self.last = (cell_index, cell.source)

    def _ended(self, **_):
        self.cell = None

    def _probe(self) -> None:
        answers, asked_about, kernel = 0, None, None
        try:
            while not self.over.wait(PROBE_SECONDS):
                if self.cell is None:
                    continue
                if kernel is None:
                    kernel = BlockingKernelClient()
                    kernel.load_connection_info(self.client.km.get_connection_info())
                    kernel.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
                if self.cell is not asked_about:
                    answers, asked_about = 0, self.cell
                answers += self._answers(kernel)
                if answers == PROBES and self.cell is asked_about:
                    self.stuck = True
                    self.kill()
        finally:
            if kernel:
                kernel.stop_channels()

    def _answers(self, kernel: BlockingKernelClient) -> bool:
        """Ask, and wait until the kernel is idle; False if the notebook ended first."""
        kernel.kernel_info()
        while not self.over.is_set():
            with contextlib.suppress(Empty):
                kernel.get_shell_msg(timeout=1)
                return True
        return False

    def kill(self) -> None:
        if self.client.km and self.client.km.has_kernel:
            self.client.km.provisioner.process.kill()
