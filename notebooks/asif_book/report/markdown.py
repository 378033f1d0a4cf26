"""Turn Markdown into HTML that needs no script: formulas as MathML, pictures embedded, links moved."""

import html
import re
import warnings
from pathlib import Path

import latex2mathml.converter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from asif_lib.files import ROOT

from ..editions import published_at


def to_html(source: str, folder: Path, attachments: dict | None = None) -> str:
    """Render the Markdown of a notebook in `folder` for a page of the book."""
    renderer = _Renderer(
        folder=folder,
        escape=False,
        attachments=attachments or {},
        embed_images=True,
        exclude_anchor_links=True,
        path=str(folder),
    )
    return MarkdownWithMath(renderer=renderer).render(source)


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

    def _src_to_base64(self, src: str) -> str | None:
        """Embed a picture of the notebook's folder, or of the one above, whose pictures the solved edition shares."""
        if src.startswith("../"):
            above = IPythonRenderer(path=str(self.folder.parent))
            return above._src_to_base64(src.removeprefix("../"))
        return super()._src_to_base64(src)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        where = self._relocate(url)
        return super().link(text, where, title) if where else text

    def _relocate(self, url: str) -> str | None:
        """Turn a link of a notebook into a link of its page; a chapter or text beside it has a page too.

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
