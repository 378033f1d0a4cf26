"""Colours, markers and lines of the figures: Okabe and Ito's colours, which readers with any colour vision tell apart.

Where two series meet, line style or marker differs too, so that a figure works in black and white.
"""

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
PICTURE, TEXT, ANCHOR, CONTROL = BLUE, VERMILION, GREEN, "#767676"
"""What a colour means, everywhere in the book: a picture, a text, an anchor or a product, a control. Nothing else."""

COLOURS = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
LINES = ["-", "--", ":", "-."]


def series_style(i) -> dict:
    """Return the colour, marker and line style of series `i`."""
    return {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": LINES[i % 4]}
