"""Emoji: the pictures of a colour font, and their names in Unicode as captions."""

import unicodedata

from PIL import Image, ImageDraw, ImageFont

FONT = "NotoColorEmoji.ttf"
SIZE, CANVAS = 109, (136, 128)
"""The one size of the font's pictures, and their pixels."""
BLOCKS = {
    "technical": (0x2300, 0x23FF), "geometric shapes": (0x25A0, 0x25FF), "symbols": (0x2600, 0x26FF),
    "dingbats": (0x2700, 0x27BF), "arrows and stars": (0x2B00, 0x2BFF), "pictographs": (0x1F300, 0x1F5FF),
    "faces": (0x1F600, 0x1F64F), "transport and maps": (0x1F680, 0x1F6FF), "coloured shapes": (0x1F7E0, 0x1F7FF),
    "more pictographs": (0x1F900, 0x1F9FF), "further pictographs": (0x1FA70, 0x1FAFF),
}  # fmt: skip
"""Blocks of Unicode with emoji, from the first to the last code point; without letters, digits and flags."""
_RUNS = (
    (0x1F3FB, 0x1F3FF),  # colours of skin
    (0x1F6D8, 0x1F6DC), (0x1FA75, 0x1FA77), (0x1FA87, 0x1FA8F), (0x1FAAD, 0x1FAAF), (0x1FABB, 0x1FABF),
    (0x1FAC6, 0x1FACF), (0x1FADA, 0x1FADF), (0x1FAE8, 0x1FAEF), (0x1FAF7, 0x1FAFF),
)  # fmt: skip
LEFT_OUT = frozenset(code for first, last in _RUNS for code in range(first, last + 1))
"""Modifiers, and what Unicode named after version 14: every Python names the others, so that all get the same pairs."""


def list_emoji(font) -> list:
    """Return (code point, name, block) of every emoji that the font file can draw, in Unicode's order."""
    drawn = ImageFont.truetype(font, SIZE)
    return [
        (code, unicodedata.name(chr(code)).lower(), block)
        for block, (first, last) in BLOCKS.items()
        for code in range(first, last + 1)
        if code not in LEFT_OUT and drawn.getmask(chr(code)).getbbox()
    ]


def draw_emoji(font, folder):
    """Draw every emoji of the font file on white, as ``CODE.png`` in a new folder."""
    folder.mkdir()
    drawn = ImageFont.truetype(font, SIZE)
    for code, _, _ in list_emoji(font):
        picture = Image.new("RGB", CANVAS, "white")
        ImageDraw.Draw(picture).text((0, 0), chr(code), font=drawn, embedded_color=True)
        picture.save(folder / f"{code:x}.png")
