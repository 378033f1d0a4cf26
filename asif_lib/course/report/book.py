"""Run the chapters that changed, make a page for each and an index: a book that opens from disk."""

import hashlib
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from markupsafe import Markup

from asif_lib.bank.anchors import bank_dir
from asif_lib.files import ROOT, build_dir, write_whole

from ..editions import CHAPTERS
from ..results import NoResultsError, load_results, recorded_by, result_cells, run_of, sorted_results
from .chapter import Chapter, key_figure
from .faults import ReportError
from .markdown import to_html
from .page import BOOK, layout
from .rendering import render
from .running import run_notebook

PACKAGES = ["asif-workbook", "torch", "timm", "sentence-transformers", "numpy", "scikit-learn"]
PARAMETERS = {"profile": "offline", "device": "auto", "seed": 0}
"""Set in every chapter. `fast` is not among them: each chapter is as large as it says itself, unless one asks."""
FAST = {
    None: "as each chapter has it",
    True: "yes: small samples, numbers are not the workbook's",
    False: "no: chapter 08 at the paper's size, numbers are not the workbook's",
}
LIBRARY = Path(__file__).parent.parent.parent


def build_report(
    parameters: dict | None = None,
    edition: str = "student",
    chapters: list[str] | None = None,
    *,
    notebooks: Path | str | None = None,
    reuse: bool = True,
) -> Path:
    """Run the chapters in order, make a page for each and an index, and return the index's path.

    Executed notebooks go into ``build/notebooks``, pages into ``build/report``; those of the solved
    edition into a folder ``solutions`` of each.

    Parameters
    ----------
    parameters : dict, optional
        What to set in the cells tagged ``parameters``, on top of ``PARAMETERS``.
    edition : "student" or "solutions"
    chapters : list of str, optional
        Only these: names or their numbers (``["00", "03_relative"]``).
    notebooks : path, optional
        Folder of the student notebooks; otherwise ``notebooks`` of the checkout.
    reuse : bool
        Don't run a chapter again whose notebook, parameters and library are those of its last run.

    Raises
    ------
    ReportError
        There is no such chapter, a page would not stand alone, or a picture has no alternative text.
    NotebookError
        A chapter fails; the earlier ones are kept and reused next time.
    """
    if edition not in ("student", "solutions"):
        raise ReportError(f"There is no edition {edition!r}: choose student or solutions.")
    parameters = PARAMETERS | (parameters or {})
    inner = "" if edition == "student" else "solutions"
    folder = Path(notebooks or ROOT / "notebooks") / inner
    runs, pages = build_dir() / "notebooks" / inner, build_dir() / "report" / inner
    paths = _chapters(folder, chapters)
    pages.mkdir(parents=True, exist_ok=True)

    book = [Chapter.read(path) for path in paths]
    entries = []
    for path, chapter in zip(paths, book, strict=True):
        run = _run_or_reuse(path, runs / path.name, parameters, reuse)
        page = render(runs / path.name, folder=folder, page_folder=pages, chapters=book)
        _write(pages / f"{path.stem}.html", page)
        entries.append(_entry(chapter, run, runs / path.name, folder, pages))

    index = pages / "index.html"
    _write(index, _index(entries, book, parameters, edition))
    print(f"report: {index}", flush=True)
    return index


def _chapters(folder: Path, wanted: list[str] | None) -> list[Path]:
    paths = sorted(folder.glob(f"{CHAPTERS}.ipynb"))
    if not paths:
        raise ReportError(f"{folder} holds no chapter: run `python -m asif_lib.course.editions build` first.")
    if wanted is None:
        return paths
    for name in wanted:
        if not any(path.stem == name or path.stem[:2] == name for path in paths):
            raise ReportError(f"There is no chapter {name!r}: {', '.join(path.stem for path in paths)}.")
    return [path for path in paths if path.stem in wanted or path.stem[:2] in wanted]


# Running what changed --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """How long the chapter's run took, and whether it is an earlier one."""

    seconds: float
    reused: bool


def _run_or_reuse(path: Path, executed: Path, parameters: dict, reuse: bool) -> _Run:
    stamp_path = executed.with_suffix(".json")
    key = _key(path, parameters)
    stamp = _stamp(stamp_path)
    unchanged = executed.exists() and stamp.get("key") == key
    if reuse and unchanged and set(stamp["recorded"]) <= set(recorded_by(path.stem)):
        print(f"{path.stem}: unchanged, reused", flush=True)
        return _Run(stamp["seconds"], True)
    stamp_path.unlink(missing_ok=True)
    with run_of(path.stem, parameters):
        seconds = run_notebook(path, executed, parameters)
    _write(stamp_path, json.dumps({"key": key, "seconds": seconds, "recorded": recorded_by(path.stem)}))
    print(f"{path.stem}: {_duration(seconds)}", flush=True)
    return _Run(seconds, False)


def _key(path: Path, parameters: dict) -> str:
    """Hash of what a chapter's run depends on: notebook, parameters, packages, library (not this report), bank."""
    versions = {name: _version(name) for name in PACKAGES}
    digest = hashlib.sha256(json.dumps([parameters, versions], sort_keys=True).encode())
    report = LIBRARY / "course" / "report"
    for file in [path, *sorted(file for file in LIBRARY.rglob("*.py") if report not in file.parents)]:
        digest.update(b"\0" + file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    bank = bank_dir("stamps") / "bank.json"
    digest.update(bank.read_bytes() if bank.exists() else b"")
    return digest.hexdigest()


def _stamp(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


# The index -------------------------------------------------------------------------------------------


def _entry(chapter: Chapter, run: _Run, executed: Path, folder: Path, pages: Path) -> dict:
    """What the index shows of a chapter."""

    def line(markdown: str) -> Markup:
        html = to_html(markdown, folder, pages).strip()
        return Markup(html.removeprefix("<p>").removesuffix("</p>"))

    return {
        "chapter": chapter,
        "question": line(chapter.question),
        "goals": [line(goal) for goal in chapter.goals],
        "figure": key_figure(nbformat.read(executed, as_version=4)),
        "duration": _duration(run.seconds),
        "reused": run.reused,
    }


def _index(entries: list[dict], book: list[Chapter], parameters: dict, edition: str) -> str:
    try:
        results = [result_cells(*item) for item in sorted_results(load_results())]
    except NoResultsError:
        results = []
    facts = {
        "profile": parameters["profile"],
        "device": f"{parameters['device']} ({platform.machine()}, {os.cpu_count()} CPU cores)",
        "edition": edition,
        "seed": parameters["seed"],
        "fast": FAST[parameters.get("fast")],
        "made": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "Python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
    }
    names = [("chapters", "Chapters"), ("numbers", "Headline numbers"), ("run", "This run")]
    sections = [{"id": id_, "text": text, "level": "2"} for id_, text in names]
    return layout(
        "index.html.j2",
        title=BOOK,
        entries=entries,
        results=results,
        facts=facts,
        sections=sections,
        chapters=book,
        current="index",
        next=book[0],
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _duration(seconds: float) -> str:
    """
    >>> _duration(75)
    '1 min 15 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode())
