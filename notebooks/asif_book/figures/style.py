"""Parts of all figures: their style, pictures, rows and intervals, and the alternative text."""

import base64
import contextvars
import functools
import io
import re
import sys
import textwrap
from collections.abc import Iterator
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


PHONE, PHONE_INCHES = "screen and (max-width: 63.99rem)", 3.25
"""Where a page shows the narrow form of a figure, and its width: 358 pixels, a phone's without the page's margins."""
PAGE_INCHES, LOWER, LEAST = 7.85, 0.85, 9
"""The width of all figures, what it leaves of a height, and the smallest letters in points: 13 pixels."""
SMALL = 2.6
"""Width in inches of a panel of which two stand beside each other in the narrow form."""
PHONE_LETTERS = 8.5
"""The largest letters of the narrow form in points: 13 pixels."""
_narrow = contextvars.ContextVar("narrow", default=False)
narrow = _narrow.get
"""Tells whether figures are drawn in their narrow form now."""


def in_two_forms(function):
    """Let a page show the drawings of a figure function in a narrow form too."""

    @functools.wraps(function)
    def drawn(*arguments, **options):
        arguments = [list(each) if isinstance(each, Iterator) else each for each in arguments]  # read twice
        figure = function(*arguments, **options)
        if hasattr(figure, "again"):
            figure.again = functools.partial(function, *arguments, **options)
        return figure

    return drawn


@functools.cache
def drawing_class():
    """Return the class of the book's figures; matplotlib is loaded with the first of them."""
    from matplotlib.figure import Figure

    class Drawing(Figure):
        """A figure of a size in inches with its alternative text `alt`, which a notebook displays as `show` does.

        Pyplot does not know it, so nothing has to be closed.
        """

        again = None
        """The call that draws it, which `image_html` repeats for its narrow form; a widget's drawing has none."""

        def __init__(self, size, tall=None):
            """Make a drawing of a page's width for a size in inches, and in the narrow form of the height `tall`."""
            super().__init__((PHONE_INCHES, tall) if narrow() else (PAGE_INCHES, LOWER * size[1]), layout="constrained")

        def _repr_html_(self):
            return image_html(self, self.alt)

        def colorbar(self, *what, **options):
            return super().colorbar(*what, **options | ({"location": "bottom"} if narrow() else {}))

    return Drawing


def subplots(rows=1, columns=1, *, figsize, **options):
    """Make a drawing of a size in inches with a grid of axes; return both, as ``pyplot.subplots`` does.

    In the narrow form, the panels of a row stand below each other, and small ones, such as pictures, two by two.
    """
    if not narrow():
        figure = drawing_class()(figsize)
        return figure, figure.subplots(rows, columns, **options)
    width, height = figsize[0] / columns, figsize[1] / rows
    across = min(columns, 2 if width < SMALL else 1)
    down = -(-columns // across)
    tall = min(height, 0.7 * PHONE_INCHES)  # two fit on a screen
    if across == 2:
        tall *= min(1, 0.15 + PHONE_INCHES / 2 / width)
    figure = drawing_class()(figsize, tall * rows * down)
    axes = figure.subplots(rows * down, across, **options | {"squeeze": False}).reshape(rows, -1)
    for axis in axes[:, columns:].flat:
        axis.set_axis_off()
    axes = axes[:, :columns] if options.get("squeeze") is False else axes[:, :columns].squeeze()
    return figure, axes if axes.ndim else axes.item()


def alt(figure, alt):
    """Give a figure its alternative text and letters that are large enough, and return the figure."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_size(max(text.get_size(), 8 if narrow() else LEAST))
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
    if narrow():
        columns, names, lines = narrow_legend(names)
        figure.set_figheight(figure.get_figheight() + 0.23 * lines)
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)


def narrow_legend(names):
    """Return how many columns the narrow form has room for, the names with long ones broken, and the lines."""
    columns = max(1, min(len(names), 54 // (10 + max(map(len, names)))))
    names = [textwrap.fill(name, 34) for name in names]
    return columns, names, -(-len("\n".join(names).split("\n")) // columns)


def legend_over(axis, columns=1):
    """Put the legend of one of several panels above this panel."""
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False)


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

    The picture is an SVG that follows the ``color-scheme`` of its page, which JupyterLab sets by its theme. A phone
    shows the narrow form.
    """
    source, size = _as_image(figure)
    phone = None if not getattr(figure, "again", None) else _as_image(narrow_form(figure), inside=" ,")
    image = Markup('<img src="{}" alt="{}" {} style="max-width: 100%; height: auto">').format(source, alt, size)
    return _LIGHT_ON_PAPER + (two_forms(image, *phone) if phone else image)


def two_forms(image, address, size="") -> Markup:
    """Return an HTML picture that on a phone shows the picture of another address, with its size as attributes."""
    source = Markup('<source media="{}" srcset="{}" {}>').format(PHONE, address, size)
    return Markup("<picture>{}{}</picture>").format(source, image)


def narrow_form(figure):
    """Draw a figure of `in_two_forms` again, as a phone shows it."""
    _narrow.set(True)
    try:
        _fit(other := figure.again())
    finally:
        _narrow.set(False)
    return other


def _as_image(figure, inside="") -> tuple[str, Markup]:
    """Return a figure as an address that holds it, and its size in pixels as attributes; close one of pyplot's.

    In the address, signs that are `inside` are escaped too.
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
    plain = set(" !$'()*+,-./:;=?@_~").difference(inside)  # shorter than base64
    address = "data:image/svg+xml," + quote(_themed(svg.getvalue().decode()), safe="".join(plain))
    return address, Markup(f'width="{width:.0f}" height="{height:.0f}"')


def _read_dollars(figure):
    """Let a drawing show dollars as they are, since a caption may hold them, but for numbers on a logarithmic axis."""
    from matplotlib.text import Text

    for text in figure.findobj(Text) if hasattr(figure, "again") else ():
        if "$" in text.get_text() and not _POWER.fullmatch(text.get_text()):
            text.set_parse_math(False)


def _fit(figure):
    """Fit the words of a narrow form: legends stand above their axes, and long lines are broken."""
    from matplotlib.text import Text

    figure.get_layout_engine().set(h_pad=0.05)
    for text in figure.findobj(Text):
        text.set_size(min(text.get_size(), PHONE_LETTERS))
    for axis in figure.get_axes():
        axis.tick_params(labelsize=PHONE_LETTERS)
        if legend := axis.get_legend():
            columns, names, lines = narrow_legend([text.get_text() for text in legend.get_texts()])
            handles = axis.get_legend_handles_labels()[0] or legend.legend_handles  # with their markers
            pad = 1.6 if axis.texts else 0.6  # words may stand on the upper edge, and half of a tick above it
            at = {"loc": "lower left", "bbox_to_anchor": (-0.15, 1), "borderaxespad": pad, "fontsize": PHONE_LETTERS}
            axis.legend(handles, names, frameon=False, ncols=columns, **at)
            axis.set_title(axis.get_title(), pad=8 + 14 * (lines + pad), fontsize=PHONE_LETTERS)
            figure.set_figheight(figure.get_figheight() + 0.19 * lines)
        for text in (axis.title, axis._left_title, axis._right_title, axis.xaxis.label, axis.yaxis.label):
            if "\n" not in text.get_text():
                most = 24 if text is axis.yaxis.label else 30
                text.set_text(textwrap.fill(text.get_text(), int(most * 11 / text.get_size())))
    _read_dollars(figure)
    figure.draw_without_rendering()
    for axis in figure.get_axes():
        for text in (axis.title, axis.xaxis.label):
            if text.get_window_extent().x1 > figure.bbox.x1:  # long names of rows have moved the axis to the right
                text.set(ha="right", x=1)


_POWER = re.compile(r"\$\\mathdefault\{([\d^{}.-]|\\times)+\}\$")
"""A number on a logarithmic axis, as matplotlib writes it."""
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
