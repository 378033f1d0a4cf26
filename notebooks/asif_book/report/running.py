"""Run a notebook from start to end, and find the errors that papermill hides."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from asif_lib.defaults import CELL_SECONDS
from asif_lib.errors import AsifError

from ..chapters import SETTINGS
from .watching import ENGINE, CellLimitError, LostMessageError

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
    `was_repeated` tells this of the executed notebook. `parameters` are set in the cell tagged ``parameters``;
    `environment` has variables for the kernel, on top of this process's.

    Raises `NotebookError`, with notebook and cell, if a cell raised an exception or took too long, the kernel died, or
    a message was lost twice, and `HiddenError` if a widget's callback raised an exception, or a cell called
    ``sys.exit()``.
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
    settings = nbformat.read(path, as_version=4).metadata.get(SETTINGS, {})
    limit = settings.get("cell_seconds", CELL_SECONDS)
    options = {"engine_name": ENGINE, "limit": limit, "folder": path.parent, "environment": environment}
    start = time.monotonic()
    try:
        executed = papermill.execute_notebook(path, output, parameters, progress_bar=False, **options)
        return executed, time.monotonic() - start
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


def _plain(traceback: list[str]) -> str:
    """Join the lines of a stack trace, without colours."""
    return _ANSI.sub("", "\n".join(traceback))


def was_repeated(executed: NotebookNode) -> bool:
    """Tell whether an executed notebook comes from a second run, after a lost message."""
    return executed.metadata.get(SETTINGS, {}).get("repeated", False)


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
