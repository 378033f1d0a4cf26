"""Headline numbers: every notebook records its own, and the README's table is made from them."""

import json
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asif_lib.errors import AsifError
from asif_lib.files import build_dir, locked, put_aside, write_whole

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
RUN_VARIABLE = "ASIF_RUN"
"""Set by :func:`run_of` for the kernels of a run: JSON with the chapter and the parameters."""


class ResultsError(AsifError):
    """A number that cannot be recorded, or a file of results that cannot be read."""


class NoResultsError(ResultsError):
    """Nothing was recorded yet."""


def results_path() -> Path:
    """File that :func:`record` writes."""
    return build_dir() / "results.json"


def record(
    name: str,
    value: float,
    ci: tuple[float, float] | None = None,
    n: int | None = None,
    unit: str = "",
    note: str = "",
) -> float:
    """Write one headline number into ``build/results.json`` and return it.

    The name is what a reader sees, and the same name replaces the earlier entry. Without a unit the
    value is a fraction and is shown as a percentage: give ``unit="pictures/s"`` (or ``"AUC"``, …)
    for anything else. In a run of the report the number counts once the whole chapter has run.

    Parameters
    ----------
    name : str
        What was measured, in words: ``"held-out stamps, caption among 150, R@1"``.
    value : float
    ci : pair of float, optional
        Lower and upper end of the 95 % interval.
    n : int, optional
        Number of items behind the number.
    unit : str
        Empty for a fraction.
    note : str
        A few words shown behind the name.

    Raises
    ------
    ResultsError
        A number is not finite, an interval is upside down, or a fraction is outside ±1.
    LockedError
        Another process keeps the file locked.

    Example
    -------
    >>> record("held-out stamps, caption among 150, R@1", 0.373, ci=(0.30, 0.45), n=150)
    0.373
    """
    entry = {
        "value": _number(name, value),
        "ci": None if ci is None else [_number(name, end) for end in ci],
        "n": None if n is None else int(n),
        "unit": unit,
        "note": note,
    }
    if not name.strip():
        raise ResultsError("A result needs a name.")
    if entry["ci"] is not None and (len(entry["ci"]) != 2 or entry["ci"][0] > entry["ci"][1]):
        raise ResultsError(f"The interval of {name!r} must be (low, high), not {ci!r}.")
    if not unit and abs(entry["value"]) > 1:
        raise ResultsError(f"{name!r} is {value}, which is no fraction: divide by 100, or give a unit.")
    path = results_path()
    if RUN_VARIABLE in os.environ:
        entry["run"] = json.loads(os.environ[RUN_VARIABLE])
        path = _unfinished_path(entry["run"]["chapter"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        results = _read_or_start_afresh(path)
        results[name] = entry
        _write(path, results)
    return value


def load_results(path: Path | str | None = None) -> dict[str, dict]:
    """The recorded numbers: name → ``{"value", "ci", "n", "unit", "note"}`` and perhaps ``"run"``.

    Raises
    ------
    ResultsError
        Nothing was recorded yet, or the file is damaged.
    """
    path = results_path() if path is None else Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NoResultsError(
            f"No results at {path}: run a notebook, or all of them with `python -m asif_lib.course.report`."
        ) from None
    try:
        results = json.loads(text)
    except ValueError:
        results = None
    if not isinstance(results, dict) or not all(
        isinstance(entry, dict) and "value" in entry for entry in results.values()
    ):
        raise ResultsError(
            f"{path} is damaged: it is not the JSON that record() writes. Delete it and run the notebooks."
        )
    return results


@contextmanager
def run_of(chapter: str, parameters: dict) -> Iterator[None]:
    """Let the kernels that start inside record for a chapter.

    Their numbers replace all earlier ones of the chapter when the run ends well, so that renamed results don't
    linger; when it fails, or the machine stops, the earlier ones stay.

    Raises
    ------
    LockedError
        Another process keeps the file locked.
    """
    unfinished = _unfinished_path(chapter)
    unfinished.unlink(missing_ok=True)
    before = os.environ.get(RUN_VARIABLE)
    os.environ[RUN_VARIABLE] = json.dumps({"chapter": chapter, "parameters": parameters})
    try:
        yield
    finally:
        if before is None:
            del os.environ[RUN_VARIABLE]
        else:
            os.environ[RUN_VARIABLE] = before
    recorded = _read_or_start_afresh(unfinished)
    path = results_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        others = {name: entry for name, entry in _read_or_start_afresh(path).items() if _chapter(entry) != chapter}
        _write(path, others | recorded)
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


def results_table(results: dict[str, dict]) -> str:
    """The results as a Markdown table, in the order of the chapters."""
    if not results:
        return "No results recorded yet."
    lines = ["| result | value | 95 % interval | n |", "|---|---:|---:|---:|"]
    for name, entry in sorted_results(results):
        cells = result_cells(name, entry)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def sorted_results(results: dict[str, dict]) -> list[tuple[str, dict]]:
    """Names and entries in the order of the chapters that recorded them."""
    return sorted(results.items(), key=lambda item: _chapter(item[1]))


def result_cells(name: str, entry: dict) -> tuple[str, str, str, str]:
    """One row of the table: what, value, interval, number of items."""
    unit, ci, n = entry.get("unit", ""), entry.get("ci"), entry.get("n")
    what = f"{name} ({entry['note']})" if entry.get("note") else name
    value = _show(entry["value"], unit) + f" {unit or '%'}"
    interval = "" if ci is None else f"{_show(ci[0], unit)} to {_show(ci[1], unit)}" + ("" if unit else " %")
    return what, value, interval, "" if n is None else f"{n:,}"


def replace_table(text: str, results: dict[str, dict]) -> str:
    """Put the table of ``results`` between the two markers of ``text`` and leave the rest as it is.

    Raises
    ------
    ResultsError
        The text does not hold each marker once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ResultsError(f"The text must hold {BEGIN} once and, after it, {END} once.")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{results_table(results)}\n{END}{after}"


def _chapter(entry: dict) -> str:
    return (entry.get("run") or {}).get("chapter", "")


def _show(value: float, unit: str) -> str:
    if not unit:
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _number(name: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ResultsError(f"{name!r} is {number}, not a finite number.")
    return number


def _read_or_start_afresh(path: Path) -> dict[str, dict]:
    """The stored results; a damaged file is kept under another name, with a warning."""
    try:
        return load_results(path)
    except NoResultsError:
        return {}
    except ResultsError:
        kept = put_aside(path)
        warnings.warn(f"{path} was damaged: it now stands as {kept.name}, and results start afresh.", stacklevel=3)
        return {}


def _write(path: Path, results: dict[str, dict]) -> None:
    write_whole(path, (json.dumps(results, indent=2, ensure_ascii=False) + "\n").encode())


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_lib.course.results README.md``: put the table of the last run into the file."""
    readme = Path((sys.argv[1:] if arguments is None else arguments)[0])
    results = load_results()
    for name, entry in results.items():
        parameters = (entry.get("run") or {}).get("parameters", {})
        if parameters.get("profile") != "offline" or "fast" in parameters or parameters.get("seed"):
            print(
                f"{name!r} is not from a plain `make workbook`: remove {results_path()} and run that.", file=sys.stderr
            )
            return 1
    readme.write_text(replace_table(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
