"""The figures of the book: functions of data that return a matplotlib Figure, in one style.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; where two series meet, line
style or marker differs too, so that a figure works in black and white.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
COLOURS = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def use_style():
    """Set the book's style for all figures of a notebook."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "font.size": 11,
            "image.cmap": "cividis",
        }
    )


def thumbnail(picture, side=96):
    """Return the picture as a (side, side, 3) uint8 array on white, its proportions kept."""
    image = open_picture(picture)
    image.thumbnail((side, side))
    canvas = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - image.height) // 2, (side - image.width) // 2
    canvas[top : top + image.height, left : left + image.width] = np.asarray(image)
    return canvas


def show_pictures(pictures, titles=None, *, columns=6, title="") -> Figure:
    """Draw pictures in a grid, each with its title (a caption, a score) below it."""
    titles = [""] * len(pictures) if titles is None else list(titles)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 2.1 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, picture, text in zip(axes.flat, pictures, titles, strict=False):
        draw_picture(axis, picture, wrapped(text, 20))
    if title:
        figure.suptitle(title)
    return closed(figure, f"{title or f'{len(pictures)} pictures'}: {listed(filter(None, titles)) or 'without titles'}")


def draw_picture(axis, picture, below="", above="", *, frame=None):
    """Draw a thumbnail, or an array as it is, with words below and above it, and a frame of the colour `frame`."""
    axis.set_axis_on()
    axis.imshow(picture if isinstance(picture, np.ndarray) else thumbnail(picture))
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(below, fontsize=8.5)
    axis.set_title(above, fontsize=9.5)
    axis.spines[:].set(visible=frame is not None, color=frame or BLACK, linewidth=2.5)


def wrapped(text, width, lines=3):
    """Wrap a text to lines of `width` characters; the rest is cut."""
    import textwrap

    return "\n".join(textwrap.wrap(str(text), width, max_lines=lines, placeholder=" …"))


def listed(texts) -> str:
    """Join texts into one line, for an alternative text."""
    return "; ".join(" ".join(str(text).split()) for text in texts)


def span(values) -> str:
    """Say from where to where numbers reach, for an alternative text."""
    return f"{np.min(values):.2f} to {np.max(values):.2f}"


def show(figure, alt=None):
    """Display `figure` once, as a picture with an alternative text, and close it.

    Parameters
    ----------
    figure : Figure
    alt : str, optional
        Default: ``figure.alt``, which the figure functions of this package set.

    Raises
    ------
    ParameterError
        The figure has no alternative text, and none was given.
    """
    from IPython.display import HTML, display

    alt = alt or getattr(figure, "alt", "")
    if not alt:
        raise ParameterError("this figure has no alternative text: say in words what it shows, show(figure, words)")
    display(HTML(image_html(figure, alt)))


def image_html(figure, alt) -> str:
    """Return `figure` as an HTML picture with the alternative text `alt`, and close it."""
    import base64
    import html
    import io

    png = io.BytesIO()
    figure.savefig(png, format="png", facecolor="white")
    plt.close(figure)
    source = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")
    style = "max-width: 100%; height: auto"
    return f'<img src="{source}" alt="{html.escape(alt, quote=True)}" style="{style}">'


def closed(figure, alt=None):
    """Take the figure off pyplot's list, so that a notebook displays it once, and give it its alternative text."""
    plt.close(figure)
    if alt is not None:
        figure.alt = alt
    return figure


def lines(text, width, lines=3):
    """Wrap a text, keeping the line breaks that it has."""
    return "\n".join(wrapped(part, width, lines) for part in str(text).split("\n"))
