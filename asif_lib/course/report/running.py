"""Run a notebook from start to end, and find the errors that papermill lets pass."""

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from .faults import HiddenError, NotebookError

VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def run_notebook(path: Path | str, output: Path | str, parameters: dict) -> float:
    """Run a notebook from start to end in its own folder, and return the seconds that it took.

    The executed notebook is written to `output`, also when it fails.

    Raises
    ------
    NotebookError
        A cell raised an exception or the kernel died; the message names notebook and cell.
    HiddenError
        A widget's callback raised an exception, or a cell called ``sys.exit()``.
    """
    path, output = Path(path).resolve(), Path(output).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        executed = papermill.execute_notebook(
            path,
            output,
            parameters=parameters,
            cwd=path.parent,
            progress_bar=sys.stderr.isatty(),
            extra_arguments=["--log-level=ERROR"],
        )
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{path.name}, {cell_name(error.cell_index, error.source)}: {error.ename}: {error.evalue}",
            _ANSI.sub("", "\n".join(error.traceback)),
        ) from None
    except DeadKernelError:
        raise NotebookError(f"{path.name}: the kernel died, perhaps for want of memory.") from None
    seconds = time.monotonic() - start
    for where, error in _hidden_errors(executed):
        raise HiddenError(
            f"{path.name}, {where}: {error['ename']}: {error['evalue']}",
            _ANSI.sub("", "\n".join(error["traceback"])),
        )
    return seconds


def cell_name(index: int, source: str) -> str:
    """What an error calls a cell: its number, from 1, and its first line that is no comment."""
    lines = [line for line in source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.lstrip().startswith("#")), "".join(lines[:1]))
    return f"cell {index + 1} (`{first.strip()}`)"


def widget_states(notebook: NotebookNode) -> dict[str, dict]:
    """The states of a notebook's widgets: model id → state."""
    return notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})


def widgets_inside(model: str, states: dict, seen: set[str] | None = None) -> set[str]:
    """A widget and all that it holds: states refer to others as ``IPY_MODEL_<id>``."""
    seen = set() if seen is None else seen
    if model not in seen:
        seen.add(model)
        for inner in re.findall(r"IPY_MODEL_([\w-]+)", json.dumps(states.get(model, {}))):
            widgets_inside(inner, states, seen)
    return seen


def _hidden_errors(notebook: NotebookNode) -> Iterator[tuple[str, dict]]:
    """Errors among the outputs of cells and in widget states, each with the name of its place."""
    states = widget_states(notebook)
    unseen = {
        model: error
        for model, widget in states.items()
        for error in _errors(widget.get("state", {}).get("outputs", []))
    }
    for number, cell in enumerate(notebook.cells):
        for error in _errors(cell.get("outputs", [])):
            yield cell_name(number, cell.source), error
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(VIEW)
            for model in widgets_inside(view["model_id"], states) if view else ():
                if model in unseen:
                    yield f"a widget of {cell_name(number, cell.source)}", unseen.pop(model)
    for error in unseen.values():
        yield "a widget", error


def _errors(outputs: Iterable[dict]) -> Iterator[dict]:
    return (output for output in outputs if output.get("output_type") == "error")
