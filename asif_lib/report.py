"""Run all chapters and make a report that opens from disk: a page for each, and an index.

    python -m asif_lib.report --device cpu --profile offline

The pages need no network and no script: figures are embedded, formulas are MathML, and for a widget
stands the static figure beside it.
"""

import argparse
import copy
import hashlib
import html
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import latex2mathml.converter
import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from pygments.formatters import HtmlFormatter

from .editions import CHAPTERS, heading
from .errors import AsifError
from .files import write_whole
from .paths import ROOT, build_dir
from .results import (
    RUN_VARIABLE,
    NoResultsError,
    forget_chapter,
    load_results,
    recorded_by,
    result_cells,
    sorted_results,
)

TITLE = "ASIF: an image–text model without training"
PARAGRAPH = (
    "Two frozen encoders, one that never saw a caption and one that never saw a picture, understand each "
    "other through a few hundred captioned pictures. Each chapter below is one question, answered by "
    "running it; these pages are what that run printed and drew."
)
PACKAGES = ["asif-workbook", "torch", "timm", "sentence-transformers", "numpy", "scikit-learn"]
PARAMETERS = {"profile": "offline", "device": "auto", "seed": 0, "fast": False}
TEMPLATES = Path(__file__).parent / "templates"
_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_WIDGET_NOTE = '<p class="widget-note">An interactive control stands here when the notebook is open.</p>'
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class ReportError(AsifError):
    """The report cannot be made."""


class NotebookError(ReportError):
    """A cell of a notebook raised an exception, or its kernel died.

    Attributes
    ----------
    traceback : str
        The cell's own stack trace, without colours; empty if the kernel died.
    """

    def __init__(self, message: str, traceback: str = ""):
        super().__init__(message)
        self.traceback = traceback


class HiddenError(NotebookError):
    """An exception that papermill lets pass: in a widget's callback, or a cell that exits early."""


# Running ---------------------------------------------------------------------------------------------


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
            f"{path.name}, {_cell_name(error.cell_index, error.source)}: {error.ename}: {error.evalue}",
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


def _hidden_errors(notebook: NotebookNode) -> Iterator[tuple[str, dict]]:
    """Errors among the outputs of cells and in widget states, each with the name of its place."""
    state = notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})
    unseen = {
        model: error for model, widget in state.items() for error in _errors(widget.get("state", {}).get("outputs", []))
    }
    for number, cell in enumerate(notebook.cells):
        for error in _errors(cell.get("outputs", [])):
            yield _cell_name(number, cell.source), error
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(_VIEW)
            for model in _inside(view["model_id"], state) if view else ():
                if model in unseen:
                    yield f"a widget of {_cell_name(number, cell.source)}", unseen.pop(model)
    for error in unseen.values():
        yield "a widget", error


def _errors(outputs: Iterable[dict]) -> Iterator[dict]:
    return (output for output in outputs if output.get("output_type") == "error")


def _inside(model: str, state: dict, seen: set[str] | None = None) -> set[str]:
    """A widget and all that it holds: states refer to others as ``IPY_MODEL_<id>``."""
    seen = set() if seen is None else seen
    if model not in seen:
        seen.add(model)
        for inner in re.findall(r"IPY_MODEL_([\w-]+)", json.dumps(state.get(model, {}))):
            _inside(inner, state, seen)
    return seen


def _cell_name(index: int, source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.lstrip().startswith("#")), "".join(lines[:1]))
    return f"cell {index + 1} (`{first.strip()}`)"


# Rendering -------------------------------------------------------------------------------------------


def _mathml(latex: str, display: str) -> str:
    """A formula as MathML; what the converter does not know stays visible as its source."""
    try:
        return latex2mathml.converter.convert(latex.strip(), display=display)
    except Exception as error:  # the converter raises many kinds, some of them bare
        warnings.warn(f"The formula {latex!r} does not convert to MathML: {error!r}", stacklevel=2)
        return f"<code>{html.escape(latex)}</code>"


class _Renderer(IPythonRenderer):
    """Markdown with formulas as MathML and links that hold in the folder of the report."""

    def __init__(self, *arguments, relocate, **options):
        super().__init__(*arguments, **options)
        self.relocate = relocate

    def block_math(self, body: str) -> str:
        return _mathml(body, "block")

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def _html_embed_images(self, html: str) -> str:
        # nbconvert's own parses the fragment, and so closes a <details> that Markdown text follows
        def embed(match: re.Match) -> str:
            return match[1] + (self._src_to_base64(match[2]) or match[2])

        return re.sub(r"""(<img\b[^>]*?\bsrc=["'])([^"']+)""", embed, html, flags=re.IGNORECASE)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self.relocate(url), title)


class _Exporter(HTMLExporter):
    """nbconvert's exporter with the report's own template, which loads nothing from anywhere."""

    def __init__(self, folder: Path, page_folder: Path, **traits):
        super().__init__(
            extra_template_basedirs=[str(TEMPLATES.parent)],
            template_name=TEMPLATES.name,
            template_file="chapter.html.j2",
            exclude_input_prompt=True,
            exclude_output_prompt=True,
            **traits,
        )
        self.folder, self.page_folder = folder, page_folder

    @jinja2.pass_context
    def markdown2html(self, context, source: str) -> str:
        renderer = _Renderer(
            escape=False,
            relocate=self.relocate,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=str(self.folder),
        )
        return MarkdownWithMath(renderer=renderer).render(source)

    def relocate(self, url: str) -> str:
        """A link beside the notebook, as seen from the page; a link to a chapter goes to its page."""
        file, hash_, part = url.partition("#")
        if not file or re.match(r"[a-z][a-z0-9+.-]*:|/", file, flags=re.IGNORECASE):
            return url
        if re.fullmatch(r"(\./)?\d\d_\w+\.ipynb", file):
            return Path(file).with_suffix(".html").name + hash_ + part
        return Path(os.path.relpath(self.folder / file, self.page_folder)).as_posix() + hash_ + part


def render(
    executed: Path | str,
    *,
    folder: Path | str | None = None,
    page_folder: Path | str | None = None,
    previous: str | None = None,
    next: str | None = None,
) -> str:
    """An executed notebook as one HTML page that opens from disk without network or scripts.

    Parameters
    ----------
    executed : path
    folder : path, optional
        Where the notebook's relative links and pictures start from; otherwise its own folder.
    page_folder : path, optional
        Where the page will stand; otherwise beside the notebook.
    previous, next : str, optional
        Names of the neighbouring chapters (``"01_encoders"``).

    Raises
    ------
    ReportError
        The page would load something from the network or from another file.
    """
    executed = Path(executed)
    notebook = _without_scripts(nbformat.read(executed, as_version=4))
    exporter = _Exporter(Path(folder or executed.parent), Path(page_folder or executed.parent))
    resources = {
        "metadata": {"name": executed.stem, "path": str(folder or executed.parent)},
        "title": _title(notebook, executed.stem),
        "style": _style(),
        "previous": previous,
        "next": next,
    }
    page, _ = exporter.from_notebook_node(notebook, resources)
    if loads := loads_from_elsewhere(page):
        raise ReportError(
            f"The page of {executed.name} does not stand alone, since it loads {', '.join(loads)}: "
            "draw the picture in a code cell, or keep its file in the notebook's folder."
        )
    return page


def loads_from_elsewhere(page: str) -> list[str]:
    """Addresses that a browser fetches by itself on opening the page; links to follow don't count.

    >>> loads_from_elsewhere('<a href="https://arxiv.org">paper</a><img src="figure.png">')
    ['figure.png']
    """
    finder = _Finder()
    finder.feed(page)
    return finder.found


class _Finder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.in_style = [], False

    def handle_starttag(self, tag, attributes):
        self.in_style = tag == "style"
        for name, value in attributes:
            if tag != "a" and name in {"src", "href", "xlink:href", "srcset", "poster", "data"}:
                self.found += [value] if value and not value.startswith(("data:", "#")) else []
            elif name == "style":
                self.find_in_css(value or "")

    def handle_endtag(self, tag):
        self.in_style = False

    def handle_data(self, data):
        if self.in_style:
            self.find_in_css(data)

    def find_in_css(self, css):
        self.found += re.findall(r"(?:url\(|@import)\s*[\"']?(?!data:|#|url)([^\s\"')]+)", css, flags=re.I)


def _without_scripts(notebook: NotebookNode) -> NotebookNode:
    """A copy without widgets (a note for each, none for a progress bar), JavaScript, overruled parameters."""
    notebook = copy.deepcopy(notebook)
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    if any("injected-parameters" in of_cell for of_cell in tags):
        notebook.cells = [
            cell for cell, of_cell in zip(notebook.cells, tags, strict=True) if "parameters" not in of_cell
        ]
    state = notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})
    for cell in notebook.cells:
        cell_outputs = cell.get("outputs", [])
        cell_outputs[:] = [output for output in cell_outputs if not _is_progress(output, state)]
        for output in cell_outputs:
            data = output.get("data", {})
            if _VIEW in data:
                output["data"] = NotebookNode({"text/html": _WIDGET_NOTE})
            elif "application/javascript" in data:
                output["data"] = NotebookNode({"text/plain": data.get("text/plain", "")})
    return notebook


def _is_progress(output: dict, state: dict) -> bool:
    """Whether the output is tqdm's bar, which says nothing once the run is over."""
    view = output.get("data", {}).get(_VIEW)
    return bool(view) and any(
        state.get(model, {}).get("model_name") == "FloatProgressModel" for model in _inside(view["model_id"], state)
    )


def _style() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    # the page's own background and spacing come last
    own = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


def _title(notebook: NotebookNode, otherwise: str) -> str:
    titles = (heading(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return notebook.metadata.get("title") or next(filter(None, titles), otherwise)


def question(notebook: NotebookNode) -> str:
    """The chapter's question as Markdown: what follows ``**Question.**``, or the first blockquote."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        marked = re.search(r"^[> ]*\*\*Question\.\*\*(.+?)(?=^[> ]*$|\Z)", cell.source, re.M | re.S)
        quoted = re.search(r"^>(.+?)(?=^[^>]|^$|\Z)", cell.source, flags=re.M | re.S)
        if found := marked or quoted:
            return " ".join(re.sub(r"^>", "", found[1], flags=re.M).split())
    return ""


# The report ------------------------------------------------------------------------------------------


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
        There is no such chapter, or a page would not stand alone.
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

    rows = []
    for number, path in enumerate(paths):
        executed = runs / path.name
        seconds, reused = _run_or_reuse(path, executed, parameters, reuse)
        page = render(
            executed,
            folder=folder,
            page_folder=pages,
            previous=paths[number - 1].stem if number else None,
            next=paths[number + 1].stem if number + 1 < len(paths) else None,
        )
        _write(pages / f"{path.stem}.html", page)
        rows.append(_row(path, folder, pages, seconds, reused))

    index = pages / "index.html"
    _write(index, _index(rows, parameters, edition))
    print(f"report: {index}", flush=True)
    return index


def _chapters(folder: Path, wanted: list[str] | None) -> list[Path]:
    paths = sorted(folder.glob(f"{CHAPTERS}.ipynb"))
    if not paths:
        raise ReportError(f"{folder} holds no chapter: run `python -m asif_lib.editions build` first.")
    if wanted is None:
        return paths
    for name in wanted:
        if not any(path.stem == name or path.stem[:2] == name for path in paths):
            raise ReportError(f"There is no chapter {name!r}: {', '.join(path.stem for path in paths)}.")
    return [path for path in paths if path.stem in wanted or path.stem[:2] in wanted]


def _run_or_reuse(path: Path, executed: Path, parameters: dict, reuse: bool) -> tuple[float, bool]:
    """Seconds of the chapter's run, and whether that run is an earlier one."""
    stamp_path = executed.with_suffix(".json")
    key = _key(path, parameters)
    stamp = _stamp(stamp_path)
    unchanged = executed.exists() and stamp.get("key") == key
    if reuse and unchanged and set(stamp["recorded"]) <= set(recorded_by(path.stem)):
        print(f"{path.stem}: unchanged, reused", flush=True)
        return stamp["seconds"], True
    stamp_path.unlink(missing_ok=True)
    forget_chapter(path.stem)
    before = os.environ.get(RUN_VARIABLE)
    os.environ[RUN_VARIABLE] = json.dumps({"chapter": path.stem, "parameters": parameters})
    try:
        seconds = run_notebook(path, executed, parameters)
    finally:
        if before is None:
            del os.environ[RUN_VARIABLE]
        else:
            os.environ[RUN_VARIABLE] = before
    _write(stamp_path, json.dumps({"key": key, "seconds": seconds, "recorded": recorded_by(path.stem)}))
    print(f"{path.stem}: {_duration(seconds)}", flush=True)
    return seconds, False


def _key(path: Path, parameters: dict) -> str:
    """Hash of all that a chapter's run depends on: notebook, parameters, packages, the library's files."""
    versions = {name: _version(name) for name in PACKAGES}
    digest = hashlib.sha256(json.dumps([parameters, versions], sort_keys=True).encode())
    for file in [path, *sorted(Path(__file__).parent.rglob("*.py"))]:
        digest.update(b"\0" + file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _stamp(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _row(path: Path, folder: Path, pages: Path, seconds: float, reused: bool) -> dict:
    notebook = nbformat.read(path, as_version=4)
    renderer = _Renderer(escape=False, relocate=_Exporter(folder, pages).relocate)
    asked = MarkdownWithMath(renderer=renderer).render(question(notebook)).strip()
    return {
        "name": path.stem,
        "title": re.sub(r"^\d\d\s*·\s*", "", _title(notebook, path.stem)),  # the index sets the number itself
        "question": jinja2.utils.markupsafe.Markup(asked.removeprefix("<p>").removesuffix("</p>")),
        "duration": _duration(seconds),
        "reused": reused,
    }


def _index(rows: list[dict], parameters: dict, edition: str) -> str:
    try:
        results = [result_cells(*item) for item in sorted_results(load_results())]
    except NoResultsError:
        results = []
    facts = {
        "profile": parameters["profile"],
        "device": f"{parameters['device']} ({platform.machine()}, {os.cpu_count()} CPU cores)",
        "edition": edition,
        "seed": parameters["seed"],
        "fast": "yes: small samples, numbers are not the workbook's" if parameters["fast"] else "no",
        "made": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "Python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
    }
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    style = jinja2.utils.markupsafe.Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("index.html.j2").render(
        title=TITLE, paragraph=PARAGRAPH, style=style, chapters=rows, results=results, facts=facts
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


def main(arguments: list[str] | None = None) -> int:
    """``python -m asif_lib.report``: exit status 1, with one sentence, when a chapter fails."""
    parser = argparse.ArgumentParser(prog="python -m asif_lib.report", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["offline", "hub"], default=PARAMETERS["profile"])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default=PARAMETERS["device"])
    parser.add_argument("--seed", type=int, default=PARAMETERS["seed"])
    parser.add_argument("--fast", action="store_true", help="small samples, to see that all runs")
    parser.add_argument("--fresh", action="store_true", help="run chapters again that have not changed")
    parser.add_argument("--edition", choices=["student", "solutions"], default="student")
    parser.add_argument("--notebooks", type=Path, help="folder of the notebooks, if not the checkout's")
    parser.add_argument("chapters", nargs="*", help="numbers or names; without any, all")
    options = parser.parse_args(arguments)
    parameters = {name: getattr(options, name) for name in PARAMETERS}
    try:
        build_report(
            parameters,
            options.edition,
            options.chapters or None,
            notebooks=options.notebooks,
            reuse=not options.fresh,
        )
    except NotebookError as error:
        print(*filter(None, [error.traceback, str(error)]), sep="\n", file=sys.stderr)
        return 1
    except (AsifError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
