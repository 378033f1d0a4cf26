"""Colours, markers and lines of the figures. Colours have one meaning each, and a figure draws with the meanings only.

The hues are Okabe and Ito's, which readers with any colour vision tell apart. Orange and purple are darker than theirs,
so that a line reaches a contrast of 3 on white and on the dark page. Where two series meet, line style or marker
differs too, so that a figure works in black and white.
"""

PICTURE, TEXT, ANCHOR, CONTROL = "#0072B2", "#D55E00", "#009E73", "#767676"
"""What a colour means, everywhere in the book: a picture, a text, an anchor or a product, a control. Nothing else."""
BRIGHT = {PICTURE: "#6AA5FF", TEXT: "#FF8A3D", ANCHOR: "#3DDCAA", CONTROL: "#939CA4"}
"""Their colours on a dark page."""

INK, PAPER = "#000000", "#FFFFFF"
"""Words, axes and limits, and what they stand on. They change places on a dark page."""
FAINT = "#B0B0B0"
"""Lines of reference, which no message hangs on."""
ON_LIGHT, ON_DARK = "#0A0A0A", "#FAFAFA"
"""Words on a coloured cell, which stays as it is on a dark page."""

PURPLE, ORANGE, SKY = "#C06495", "#B87700", "#56B4E9"
BAR = "#DDD3BE"
"""The fill of any other bar, sand, which is like none of the meanings; it has an edge of ink, or of the dark page."""
DARK = {INK: "#E3E6E8", PAPER: "#15191D", PURPLE: "#E39AC0", ORANGE: "#F0A92B", BAR: "#9AA4B2", FAINT: "#678", **BRIGHT}
"""What a dark page has in place of a colour."""
DIM = 0.9
"""How bright a dark page shows pictures, so that their white ground does not glare."""
MARK = ORANGE
"""What a figure singles out: the own caption, a shared neighbour, what is chosen, what is wrong."""
SERIES = [INK, ORANGE, PURPLE, INK, ORANGE, PURPLE, INK]
"""Methods, settings and other series, what is spoken of in ink. From the fourth on, markers are hollow."""
MARKERS = ["D", "P", "*", "D", "P", "*", "X"]
"""No circle, square or triangle: these are a picture, a text and an anchor."""
LINES = ["-", "--", ":", "-."]


def series_style(i, points=1) -> dict:
    """Return the colour, marker and line style of series `i`; of many points, some have a marker."""
    hollow = {"markerfacecolor": PAPER} if i > 2 else {}
    some = {"markevery": points // 8} if points > 15 else {}
    return {"color": SERIES[i], "marker": MARKERS[i], "linestyle": LINES[i % 4], **hollow, **some}
