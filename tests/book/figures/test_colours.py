"""Four colours have one meaning each: a picture, a text, an anchor or a product, a control."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from small import SMALL, small

import asif_book
from asif_book import figures
from asif_book.figures import palette

BOOK = Path(asif_book.__file__).parent
FOUR = {palette.PICTURE, palette.TEXT, palette.ANCHOR, palette.CONTROL}
RAW = {"ORANGE", "PURPLE", "SKY", "COLOURS", "BLUE", "VERMILION", "GREEN", "BLACK"}
GETTERS = ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor", "get_markeredgecolor")


def colours_of(figure):
    """The colours of all artists that are drawn, as in the palette."""
    found = set()
    for artist in figure.findobj():
        for getter in GETTERS:
            value = getattr(artist, getter, lambda: "none")()
            rows = value if hasattr(value, "ndim") and value.ndim == 2 else [value]
            found |= {to_hex(row).upper() for row in rows if not isinstance(row, str) or row not in ("none", "auto")}
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_figure_shows_the_four_colours_by_their_meaning(name):
    assert colours_of(small(name)) & FOUR == set(SMALL[name][1])


def test_every_figure_function_is_among_them():
    functions = {name: getattr(figures, name) for name in figures.__all__}
    assert {name for name, made in functions.items() if inspect.signature(made).return_annotation is Figure} == set(
        SMALL
    )


def test_the_colours_of_the_four_meanings_are_written_once():
    hexes = re.compile("|".join(FOUR - {palette.CONTROL}), re.IGNORECASE)
    files = [file for file in BOOK.rglob("*") if file.suffix in (".py", ".j2", ".css", ".js")]
    assert [file.name for file in files if hexes.search(file.read_text(encoding="utf-8"))] == ["palette.py"]


def names_and_texts(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


DRAWINGS = {"method.py"}  # their simple animals have coats
MODULES = [file for file in (BOOK / "figures").glob("*.py") if file.name not in {"palette.py", *DRAWINGS}]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_figure_module_uses_meanings_and_no_raw_colours(module):
    used = set(names_and_texts(module))
    assert used & (RAW | {"black", "white", "blue", "red", "green"}) == set()
    assert [text for text in used if re.fullmatch(r"#[0-9a-fA-F]{3,8}|0\.\d+", text)] == []


def contrast(one, other):
    """The contrast of two colours, WCAG 2.1."""

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_lines_and_words_stand_out_on_a_light_and_a_dark_page():
    pages = palette.PAPER, palette.DARK[palette.PAPER]
    for page, ink in zip(pages, (palette.INK, palette.DARK[palette.INK]), strict=True):
        lines = FOUR | {palette.MARK, *palette.SERIES} - {palette.INK}
        assert min(contrast(colour, page) for colour in lines) >= 3
        assert contrast(ink, page) >= 4.5
    assert min(contrast(bright, pages[1]) for bright in palette.BRIGHT.values()) >= 4.5
