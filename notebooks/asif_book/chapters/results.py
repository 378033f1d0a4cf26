"""Headline numbers: each chapter records its own, and the page of results shows them in a table."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from asif_lib.defaults import DEFAULT_BANK
from asif_lib.errors import AsifError
from asif_lib.files import build_dir, locked, read_json, write_json

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
RUN_VARIABLE = "ASIF_RUN"
"""Tells a kernel of which run it is part: JSON with the chapter and the parameters."""


class ResultsError(AsifError):
    """A number that cannot be recorded, or a file of results that cannot be read."""


class Result(TypedDict):
    """One recorded number; :func:`record` explains the keys. The `run` has the chapter and the parameters."""

    value: float
    ci: tuple[float, float] | None
    n: int | None
    unit: str
    note: str
    run: NotRequired[dict]


def results_path() -> Path:
    """Name the file that :func:`record` writes."""
    return build_dir() / "results.json"


of_the_book = True
"""False while this process works with pairs of the reader's own."""


def record(name: str, value, unit="", note="") -> float:
    """Write one headline number into ``build/results.json`` and return it.

    The name is what a reader sees, and the same name replaces the earlier entry. Without a unit the
    value is a fraction and is shown as a percentage: give ``unit="pictures/s"`` (or ``"AUC"``, …)
    for anything else. In a run of the report the number counts once the whole chapter has run. A chapter that was
    opened with pairs of the reader's own records nothing.

    Raises `ResultsError` if a number is not finite, a fraction is outside ±1, the name is empty or the file damaged,
    and `AsifError` if another process keeps the file locked.

    Parameters
    ----------
    name : str
    value : float or Measure
        A `Measure` brings its interval and its number of items: ``record(name, 100 * gap, unit="points")``.
    unit, note : str
        The table shows the note behind the name: chance, or what may be claimed of a difference.

    >>> record("held-out stamps, caption among 150, R@1", 0.373)  # doctest: +SKIP
    0.373
    """
    ci, n = getattr(value, "ci", None), getattr(value, "n", None)
    value = getattr(value, "value", value)  # of a Measure
    for number in (value, *(ci or ())):
        if not math.isfinite(number):
            raise ResultsError(f"{name!r} is {float(number)}, not a finite number.")
    if not name.strip():
        raise ResultsError("A result needs a name.")
    if not unit and abs(value) > 1:
        raise ResultsError(f"{name!r} is {value}, which is no fraction: divide by 100, or give a unit.")
    plain = {"ci": ci and tuple(map(float, ci)), "n": None if n is None else int(n)}  # without NumPy's types
    entry: Result = {"value": float(value), **plain, "unit": unit, "note": note}
    if not of_the_book:
        return entry["value"]
    path = results_path()
    if run := json.loads(os.environ.get(RUN_VARIABLE, "null")):
        entry["run"] = run
        path = _unfinished_path(run["chapter"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        write_json(path, _recorded(path) | {name: entry})
    return value


def load_results(path: Path | str | None = None) -> dict[str, Result]:
    """Read the recorded numbers: name → `Result`.

    Raises `ResultsError` if nothing was recorded yet, or the file is damaged.
    """
    path = path or results_path()
    try:
        return read_json(path, dict[str, Result])
    except FileNotFoundError:
        advice = "run a notebook, or all of them with `python -m asif_book.report`"
        raise ResultsError(f"No results at {path}: {advice}.") from None
    except ValueError as error:
        advice = "Delete it and run the notebooks."
        raise ResultsError(f"{path} is damaged: record() does not write this ({error}). {advice}") from None


@contextmanager
def run_of(chapter: str, parameters: dict) -> Iterator[dict[str, str]]:
    """Let kernels with the environment that is yielded record for a chapter.

    Their numbers replace all earlier ones of the chapter when the run ends well, so that renamed results don't
    linger; when it fails, or the machine stops, the earlier ones stay. They also stay after a run with pairs of the
    reader's own, which records nothing. Raises `AsifError` if another process keeps the file locked.
    """
    own = parameters.get("pairs", DEFAULT_BANK) != DEFAULT_BANK
    unfinished = _unfinished_path(chapter)
    unfinished.unlink(missing_ok=True)
    yield {RUN_VARIABLE: json.dumps({"chapter": chapter, "parameters": parameters})}
    path = results_path()
    with locked(path):
        others = {name: entry for name, entry in _recorded(path).items() if own or _chapter(entry) != chapter}
        write_json(path, others | _recorded(unfinished))
    for file in (unfinished, unfinished.with_name(unfinished.name + ".lock")):
        file.unlink(missing_ok=True)


def _unfinished_path(chapter: str) -> Path:
    return results_path().with_name(f"results-{chapter}.json")


def recorded_by(chapter: str) -> list[str]:
    """Names of the results that the report's run of a chapter recorded; none if the file is missing."""
    try:
        return [name for name, entry in load_results().items() if _chapter(entry) == chapter]
    except ResultsError:
        return []


def results_table(results: dict[str, Result]) -> str:
    """The results as a Markdown table, in the order of the chapters."""
    if not results:
        return "No results recorded yet."
    lines = ["| result | value | 95 % interval | n |", "|---|---:|---:|---:|"]
    for name, entry in sorted(results.items(), key=lambda item: _chapter(item[1])):
        unit, ci, n = entry["unit"], entry["ci"], entry["n"]
        what = f"{name} ({entry['note']})" if entry["note"] else name
        interval = "" if ci is None else f"{_show(ci[0], unit)} to {_show(ci[1], unit)}" + ("" if unit else " %")
        cells = what, f"{_show(entry['value'], unit)} {unit or '%'}", interval, "" if n is None else f"{n:,}"
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _chapter(entry: Result) -> str:
    return entry["run"]["chapter"] if "run" in entry else ""


def _show(value: float, unit: str) -> str:
    if unit in ("", "points"):
        return f"{value if unit else 100 * value:z.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _recorded(path: Path) -> dict[str, Result]:
    return load_results(path) if path.exists() else {}
