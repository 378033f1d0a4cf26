"""The figures of the book: functions of data that return a matplotlib Figure, in one style.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; where two series meet, line
style or marker differs too, so that a figure works in black and white.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from asif_lib.encoders.pictures import open_picture

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
    titles = titles or [""] * len(pictures)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 2.1 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis, picture, text in zip(axes.flat, pictures, titles, strict=False):
        axis.imshow(thumbnail(picture))
        axis.set_xlabel(wrapped(text, 20), fontsize=8.5)
    if title:
        figure.suptitle(title)
    return figure


def wrapped(text, width, lines=3):
    import textwrap

    return "\n".join(textwrap.wrap(str(text), width, max_lines=lines, placeholder=" …"))


def show(figure, alt):
    """Display `figure` once, as a picture with the alternative text `alt`, and close it."""
    from IPython.display import HTML, display

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


def closed(figure):
    """Take the figure off pyplot's list, so that a notebook displays it once, where it is asked for."""
    plt.close(figure)
    return figure


def lines(text, width, lines=3):
    """Wrap a text, keeping the line breaks that it has."""
    return "\n".join(wrapped(part, width, lines) for part in str(text).split("\n"))
