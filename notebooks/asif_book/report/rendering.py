"""Render an executed notebook, or a text beside the notebooks, as a page of the book."""

import copy
import html
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import jinja2
import latex2mathml.converter
import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert import TemplateExporter
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

from asif_lib.files import ROOT

from ..editions.building import NOT_ATTEMPTED, published_at
from ..editions.outline import (
    FOLDED,
    NEIGHBOURS,
    PROGRESS,
    QUIZ,
    WHAT_YOU_SEE,
    Chapter,
    heading,
    label_of,
    tags_of,
)
from . import page as pages
from .running import VIEW, ReportError, cell_name, widget_states, widgets_inside

WIDGET_NOTE = "In the open notebook, a control that you can move stands here."


def render(
    executed: Path | str,
    *,
    folder: Path | str | None = None,
    chapters: Sequence[Chapter] = (),
    more: Sequence[tuple[str, str]] = (),
) -> str:
    """Render an executed notebook as one HTML page, which needs neither network nor scripts.

    Raises `ReportError` if a picture has no alternative text, or the page would load something from the network or
    another file.

    Parameters
    ----------
    executed
        The notebook.
    folder
        Where relative links and pictures start, by default the notebook's folder.
    chapters, more
        The chapters of the book in order, and its other pages (name, title), for the contents.
    """
    executed = Path(executed)
    folder = Path(folder or executed.parent)
    notebook = for_readers(nbformat.read(executed, as_version=4))
    about = {"metadata": {"name": executed.stem, "path": str(folder)}}
    cells, _ = _exporter(folder).from_notebook_node(notebook, about)
    body = BeautifulSoup(cells, "html.parser")
    for picture in pages.pictures_without_text(body):
        number = int(picture.find_parent(attrs={"data-cell": True})["data-cell"])
        where = next(cell_name(number, cell.source) for cell in notebook.cells if cell.metadata.number == number)
        advice = "show it with asif_book.figures.show(figure, alt), or write ![what it shows](file)"
        lacks = "a picture has no alternative text, and so shows nothing to some readers"
        raise ReportError(f"{executed.name}, {where}: {lacks}: {advice}.")
    return _page(body, executed, Chapter.read(executed).title, chapters, more)


def render_page(text: Path, markdown: str, *, chapters: Sequence[Chapter], more: Sequence) -> str:
    """Render the Markdown of a file beside the notebooks as a page of the book; see :func:`render`."""
    body = BeautifulSoup(to_html(markdown, text.parent), "html.parser")
    if pages.pictures_without_text(body):
        raise ReportError(f"{text.name}: a picture has no alternative text: write ![what it shows](file).")
    return _page(body, text, heading(markdown), chapters, more)


def _page(body, source: Path, title: str, chapters: Sequence[Chapter], more: Sequence) -> str:
    here = next((at for at, chapter in enumerate(chapters, 1) if chapter.name == source.stem), 0)
    around = {"sections": pages.sections(body), "chapters": chapters, "more": more, "current": source.stem}
    around["previous"] = chapters[here - 2] if here > 1 else None
    around["next"] = chapters[here] if 0 < here < len(chapters) else None
    first = {}
    for style in body.find_all("style"):  # the same for all drawings; a data frame's own is about its notebook
        if style.has_attr("scoped") or first.setdefault(style.string, style) is not style:
            style.decompose()
    for words in body.select(".text > p > strong:first-child"):
        for begin, kind in (("Before you", "asked"), ("What you see", "seen")):
            if words.get_text().startswith(begin):
                words.parent["class"] = kind
    pages.frame_exercises(body)
    pages.fold_deeper(body)
    pages.make_accessible(body)
    pages.number_figures(body, source.stem[:2])
    pages.colour_marks(body)
    html = Markup(body.decode(formatter="minimal"))
    page = pages.layout("report/templates/page.html.j2", title=title, body=html, **around)
    parts = body, page.replace(html, "", 1)  # the body is parsed already
    if loads := [address for part in parts for address in pages.loads_from_elsewhere(part)]:
        advice = "draw the picture in a code cell, or keep its file in the notebook's folder"
        raise ReportError(f"The page of {source.name} does not stand alone, for it loads {', '.join(loads)}: {advice}.")
    return page


def _exporter(folder: Path) -> TemplateExporter:
    """Make nbconvert's exporter with a template for the cells only.

    Its HTMLExporter gives pictures without alternative text a meaningless one, and so hides that it is missing.
    """

    @jinja2.pass_context
    def markdown2html(context, source: str) -> Markup:
        return to_html(source, folder, context.get("cell", {}).get("attachments", {}))

    highlight = Highlight2HTML(pygments_lexer="ipython3")
    exporter = TemplateExporter(
        extra_template_basedirs=[str(pages.TEMPLATES.parent)],
        template_name=pages.TEMPLATES.name,
        template_file="cells.html.j2",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        filters={
            "markdown2html": markdown2html,
            "highlight_code": lambda source, **how: Markup(highlight(source, **how)),
            "ansi2html": lambda text: Markup(ansi2html(text)),
        },
    )
    exporter.environment.autoescape = True  # nbconvert leaves it off
    return exporter


def for_readers(notebook: NotebookNode) -> NotebookNode:
    """Copy what a reader of the page needs.

    Widgets become a note, one for each cell. These go: output in JavaScript, progress bars, the set-up, the progress of
    a student, the checks of exercises that nobody attempted, and the links to neighbours, which a page has of its own.
    A cell that is folded gets the label that stands for it.
    """
    notebook, _ = CoalesceStreamsPreprocessor(enabled=True)(copy.deepcopy(notebook), {})
    for number, cell in enumerate(notebook.cells):
        cell.metadata["number"] = number
    for cell in [cell for cell in notebook.cells if "parameters" in tags_of(cell)]:
        cell.source = ""
        cell.outputs = [output for output in cell.outputs if "asif-left-out" in str(output)]
        if not cell.outputs:
            notebook.cells.remove(cell)
    left_out = {NEIGHBOURS, PROGRESS, QUIZ}
    notebook.cells = [c for c in notebook.cells if left_out.isdisjoint(tags_of(c)) and not _is_unanswered_check(c)]
    states = widget_states(notebook)
    for cell in list(notebook.cells):
        if cell.cell_type == "markdown":  # the page's script folds what answers a guess
            cell.source = re.sub("(.*?)".join(map(re.escape, WHAT_YOU_SEE)), r"\1", cell.source, flags=re.S)
            cell.source = re.sub(r"\*\*Before you run[^:]*:", "**Before you look:", cell.source)
        if label := _label(cell):
            cell.metadata["label"] = label
        outputs = cell.get("outputs", [])
        outputs[:] = [output for output in outputs if not _is_progress(output, states)]
        views = [output for output in outputs if VIEW in output.get("data", {})]
        outputs[:] = [output for output in outputs if output not in views[1:]]  # one note stands for all of a cell
        for output in outputs:
            data = output.get("data", {})
            if VIEW in data:
                output["data"] = NotebookNode({"text/html": f'<p class="widget-note">{WIDGET_NOTE}</p>'})
            elif "application/javascript" in data:
                output["data"] = NotebookNode({"text/plain": data.get("text/plain", "")})
    return notebook


def _label(cell: NotebookNode) -> str:
    """Return the words that stand for a folded cell; an open cell has none."""
    if "exercise" in tags_of(cell) and NOT_ATTEMPTED in cell.source:
        return "To complete: " + re.search(r"def (\w+)", cell.source)[1]
    return label_of(cell) if FOLDED in tags_of(cell) else ""


def _is_unanswered_check(cell: NotebookNode) -> bool:
    verdicts = (output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", []))
    return "check" in tags_of(cell) and any(": not attempted." in verdict for verdict in verdicts)


def _is_progress(output: dict, states: dict) -> bool:
    """Tell whether the output is a progress bar, which is empty after the run."""
    inside = (states.get(model, {}) for model in widgets_inside(output, states))
    return any(state.get("model_name") == "FloatProgressModel" for state in inside)


# Markdown as HTML that needs no script: formulas as MathML, pictures embedded, links moved


def to_html(source: str, folder: Path, attachments: dict | None = None) -> Markup:
    """Render the Markdown of a notebook in `folder` for a page of the book."""
    options = {"escape": False, "embed_images": True, "exclude_anchor_links": True, "path": str(folder)}
    renderer = _Renderer(folder=folder, attachments=attachments or {}, **options)
    return Markup(MarkdownWithMath(renderer=renderer).render(source))


class _Renderer(IPythonRenderer):
    def __init__(self, *, folder: Path, **options):
        super().__init__(**options)
        self.folder = folder

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

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Embed a picture, and beside it its upright form for a phone, if there is one: ``name_upright.svg``."""
        image, upright = super().image(text, url, title), self._src_to_base64(url.replace(".svg", "_upright.svg"))
        source = f'<source media="screen and (max-width: 63.99rem)" srcset="{upright}">'
        return f"<picture>{source}{image}</picture>" if upright and url.endswith(".svg") else image

    def _src_to_base64(self, src: str) -> str | None:
        """Embed a picture of the notebook's folder, or of the one above, whose pictures the solved edition shares."""
        if src.startswith("../"):
            return IPythonRenderer(path=str(self.folder.parent))._src_to_base64(src.removeprefix("../"))
        return super()._src_to_base64(src)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        where = self._relocate(url)
        return super().link(text, where, title) if where else text

    def _relocate(self, url: str) -> str | None:
        """Turn a link of a notebook into a link of its page; chapters and texts beside them have pages.

        Any other file is in the repository. A workbook that names no repository has no link to it.
        """
        file, hash_, part = url.partition("#")
        if not file or re.match(r"[a-z][a-z0-9+.-]*:|/", file, flags=re.IGNORECASE):
            return url
        if re.fullmatch(r"(\./)?(\d\d_\w+\.ipynb|\w+\.md)", file):
            return Path(file).with_suffix(".html").name + hash_ + part
        repository, path = published_at(), (self.folder / file).resolve()
        if repository is None or not path.is_relative_to(ROOT):
            return None
        kind = "tree" if path.is_dir() else "blob"
        return f"{repository}/{kind}/main/{path.relative_to(ROOT).as_posix()}" + hash_ + part


def _mathml(latex: str, display: str) -> str:
    """Turn a formula into MathML; a formula that the converter does not know stays visible as its source."""
    try:
        return latex2mathml.converter.convert(latex.strip(), display=display)
    except Exception as error:  # the converter raises many kinds, some of them bare
        warnings.warn(f"The formula {latex!r} does not convert to MathML: {error!r}", stacklevel=2)
        return f"<code>{html.escape(latex)}</code>"
