"""Parts of all figures: their style, pictures, rows and intervals, and the alternative text."""

import base64
import functools
import io
import re
import sys
from itertools import pairwise
from urllib.parse import quote

import IPython.display
import numpy as np
from markupsafe import Markup
from PIL import Image, ImageOps

from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError

from .palette import BAR, DARK, DIM, FAINT, INK, PAPER, SERIES

STYLE = {
    "axes.prop_cycle": f"cycler(color={[colour[1:] for colour in SERIES[:3]]})",
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "font.size": 9.5,
    "image.cmap": "cividis",
    "lines.linewidth": 1.3,
    "lines.markersize": 5,
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), FAINT[1:]),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), "black"),
}
"""Matplotlib's settings; a browser's edition has them in a file, so that matplotlib loads with the first figure."""


def use_style():
    """Set the book's style for all figures of a notebook, also for figures that a reader draws with pyplot."""
    if sys.platform != "emscripten":
        import matplotlib

        matplotlib.rcParams.update(STYLE)


PAGE_INCHES, LOWER, LEAST = 7.85, 0.85, 9
"""The width of all figures, what it leaves of a height, and the smallest letters in points: 13 pixels."""


@functools.cache
def drawing_class():
    """Return the class of the book's figures; matplotlib is loaded with the first of them."""
    from matplotlib.figure import Figure

    class Drawing(Figure):
        """A figure of a size in inches with its alternative text `alt`, which a notebook displays as `show` does.

        Pyplot does not know it, so nothing has to be closed.
        """

        def __init__(self, size):
            super().__init__((PAGE_INCHES, LOWER * size[1]), layout="constrained")

        def _repr_html_(self):
            return image_html(self, self.alt)

    return Drawing


def subplots(rows=1, columns=1, *, figsize, **options):
    """Make a drawing of a size in inches with a grid of axes; return both, as ``pyplot.subplots`` does."""
    figure = drawing_class()(figsize)
    return figure, figure.subplots(rows, columns, **options)


def alt(figure, alt):
    """Give a figure its alternative text and letters that are large enough, and return the figure."""
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter

    class InFull(LogFormatter):
        """Writes 1,000 where matplotlib writes 10³: on a phone, its 3 would be too small."""

        def _num_to_string(self, number, *_):
            return f"{number:,.10g}"

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            axis.set_major_formatter(InFull(axis.get_transform().base))
        if isinstance(axis.get_minor_formatter(), LogFormatter):
            axis.set_minor_formatter(InFull(axis.get_transform().base))
    for text in figure.findobj(Text):
        text.set_size(max(text.get_size(), LEAST))
        text.set_text(re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text.get_text()).replace("'", "’"))
    figure.alt = alt
    return figure


def thumbnail(picture, side=96):
    """Return the picture as a (side, side, 3) uint8 array on white, its proportions kept; grey if it has no file."""
    image = open_picture(picture) if str(picture) else Image.new("RGB", (side, side), FAINT)
    image = ImageOps.contain(image, (side, side))
    canvas = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - image.height) // 2, (side - image.width) // 2
    canvas[top : top + image.height, left : left + image.width] = np.asarray(image)
    return canvas


def legend_above(figure, axis, columns=2):
    """Put the legend of an axis above the figure."""
    handles, names = axis.get_legend_handles_labels()
    columns = max(1, min(columns, int(14 * figure.get_figwidth() / (4 + max(map(len, names))))))
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)


def per_cent(share, _=None) -> str:
    """Write a share as the axes of all figures do."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def listed(texts) -> str:
    """Join texts into one line, for an alternative text."""
    return "; ".join(" ".join(str(text).split()) for text in texts)


def span(values) -> str:
    """Say from where to where numbers reach, for an alternative text."""
    return f"{np.min(values):.2f} to {np.max(values):.2f}"


def show(figure, alt=None, *, fold=""):
    """Display `figure` once, as a picture with an alternative text, and close it if it is one of pyplot's.

    A table, or a figure in HTML, is displayed as it is. Raises `ParameterError` if a picture has no alternative text.

    Parameters
    ----------
    figure : Figure, HTML or DataFrame
    alt : str, optional
        By default ``figure.alt``, which the figure functions of this package set.
    fold : str
        A text below which the picture stays folded until the reader opens it.
    """
    if not hasattr(figure, "savefig"):
        shown = Markup(figure._repr_html_())
    elif alt := alt or getattr(figure, "alt", ""):
        shown = image_html(figure, alt)
    else:
        raise ParameterError("this figure has no alternative text: say in words what it shows, show(figure, words)")
    if fold:
        shown = Markup("<details><summary>{}</summary>{}</details>").format(fold, shown)
    IPython.display.display(IPython.display.HTML(shown))


def image_html(figure, alt) -> Markup:
    """Return `figure` as an HTML picture with the alternative text `alt`, and close it if it is one of pyplot's.

    The picture is an SVG that follows the ``color-scheme`` of its page, which JupyterLab sets by its theme.
    """
    import matplotlib

    _read_dollars(figure)
    svg = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "asif", "svg.fonttype": "none"}):  # each time the same text
        figure.savefig(svg, format="svg", facecolor=PAPER, metadata={"Date": None})
    if figure.canvas.manager:  # else pyplot, which is slow to import, does not know it
        from matplotlib import pyplot

        pyplot.close(figure)
    width, height = (figure.get_size_inches() * figure.dpi).round()
    source = quote(_themed(svg.getvalue().decode()), safe=" !$'()*+,-./:;=?@_~")  # shorter than base64
    image = '<img src="data:image/svg+xml,{}" alt="{}" width="{:.0f}" height="{:.0f}" style="{}">'
    return _LIGHT_ON_PAPER + Markup(image).format(source, alt, width, height, "max-width: 100%; height: auto")


def _read_dollars(figure):
    """Let a drawing show dollars as they are, since a caption may hold them."""
    from matplotlib.text import Text

    for text in figure.findobj(Text) if isinstance(figure, drawing_class()) else ():
        text.set_parse_math(False)


_LIGHT_ON_PAPER = Markup("<style>@media print { img { color-scheme: light } }</style>")


def _themed(svg: str) -> str:
    """Let an SVG of matplotlib exchange the colours of `DARK` on a dark page; a heat map stays, pictures are dimmed.

    What is drawn in ink as pixels is inverted, in axes whose ``gid`` begins with "ink" or "cells".
    """
    rules = [f"svg {{ fill: {DARK[INK]} }}"]  # matplotlib leaves out a black fill
    rules += [f"svg:not(:has([id^=QuadMesh])) image {{ filter: brightness({DIM}) }}"]  # a heat map has a bar of colours
    rules += ["svg :is([id^=ink], [id^=cells]) :is(image, [id^=QuadMesh]) { filter: invert(.84) brightness(1.08) }"]
    for light, dark in DARK.items():
        rules += [f'[style*="{of}: {light.lower()}"] {{ {of}: {dark} !important }}' for of in ("fill", "stroke")]
    edges = {f"fill: {BAR.lower()}": PAPER, "stroke-linejoin: miter; stroke-linecap: square": FAINT}  # of bars and axes
    rules += [f'[style*="{part}"] {{ stroke: {DARK[colour]} !important }}' for part, colour in edges.items()]
    style = f"<style>text {{ white-space: pre }} @media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}</style>"
    svg = re.sub('font-family: [^;"]*', "font-family: system-ui, sans-serif", svg)  # the letters of the page
    return svg.replace("</metadata>", f"</metadata>{style}", 1)


def image_tag(picture, alt, side=96) -> Markup:
    """Return a thumbnail as HTML, `side` pixels wide and high."""
    jpeg = io.BytesIO()
    Image.fromarray(thumbnail(picture, side)).save(jpeg, format="JPEG", quality=85)
    template = Markup('<img src="{}" alt="{}" width="{}" height="{}">')
    return template.format(data_address("jpeg", jpeg), alt, side, side)


def drawn_pairs(bank, rows, entries) -> list:
    """Describe rows of a bank for a template: number, thumbnail, caption, and some entries, (rows, m)."""
    pairs = bank.pairs.iloc[rows]
    return [
        {"row": row, "tag": image_tag(picture, caption, 72), "caption": caption, "entries": values}
        for row, picture, caption, values in zip(rows, pairs.picture, pairs.caption, entries.tolist(), strict=True)
    ]


def log_axis(axis, numbers):
    """Make the x axis logarithmic, with ticks at the numbers only, but at none that is too close to the next."""
    axis.set_xscale("log")
    least = (numbers[-1] / numbers[0]) ** 0.15
    ticks = [before for before, after in pairwise(numbers) if after / before >= least] + numbers[-1:]
    axis.set_xticks(ticks, [f"{number:,}" for number in ticks])
    axis.minorticks_off()


def data_address(kind, file: io.BytesIO) -> str:
    """Return a picture as an address that holds it, ``data:image/png;base64,…``."""
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
