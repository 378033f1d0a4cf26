"""The templates of the wings, in one environment: pages and drawings."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from . import palette

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.parent), undefined=jinja2.StrictUndefined,
    autoescape=jinja2.select_autoescape(["html.j2", "svg.j2"]), trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
"""The templates by their paths, such as ``widgets/parts.html.j2``. Those of HTML and SVG escape what they show."""
TEMPLATES.globals["palette"] = palette
_COLOURS = {name: getattr(palette, name.upper()) for name in ("picture", "text", "anchor", "orange", "purple")}


def filled(template: str, **values) -> str:
    """Fill a template."""
    return TEMPLATES.get_template(template).render(values)


def self_contained(name: str, scripts=(), **values):
    """Fill ``name.html.j2``, the template of a drawn explanation, with its style and scripts, else ``name.js``.

    The style is ``figures/drawn.css``, and what ``drawn.css`` beside the template adds: nested, so that the style of a
    later figure on the same page does not take it back.
    """
    from IPython.display import HTML  # in an extra that `asif` asks for in a sentence of its own

    book = Path(__file__).parent.parent
    own = {f"{Path(name).parent.as_posix()}/drawn.css"} - {"figures/drawn.css"}
    common, nested, script = (
        Markup("\n".join((book / file).read_text(encoding="utf-8") for file in files if (book / file).exists()))
        for files in (["figures/drawn.css"], own, scripts or [f"{name}.js"])
    )
    colours = " ".join(f"--{name}: light-dark({of}, {palette.DARK[of]});" for name, of in _COLOURS.items())
    style = common + Markup(".asif-drawn {{ {} }}\n:root {{\n{}}}\n").format(colours, nested)
    return HTML(filled(f"{name}.html.j2", style=style, script=script, **values))
