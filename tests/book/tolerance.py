"""Compare the page of results with the numbers of a run, row by row."""

import math
import re

MOVES = 1.5
"""Points, or per cent of a number in another unit, by which processors may differ: an item or two out of 150."""
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def moved(page: str, table: str) -> list:
    """Return what does not agree of two tables: names of one only, or rows with numbers beyond `MOVES`."""
    old, new = map(cells_of, (page, table))
    if old.keys() != new.keys():  # their order is that in which the chapters of a run ended
        return [*(old.keys() ^ new.keys())]
    return [f"{name}: {cells} → {new[name]}" for name, cells in old.items() if not close(cells, new[name])]


def cells_of(table) -> dict:
    """Return the other cells of each row by its name, which may hold an escaped bar."""
    return dict(re.split(r"(?<!\\) \| ", row, maxsplit=1) for row in table.splitlines()[2:])


def close(cells, others) -> bool:
    """Say whether two rows have the same units, and numbers that two processors may give."""
    if NUMBER.sub("#", cells) != NUMBER.sub("#", others):
        return False
    slack = MOVES if re.match(r"\S+ (%|points) ", cells) else 0
    numbers = ([float(number.replace(",", "")) for number in NUMBER.findall(row)] for row in (cells, others))
    return all(math.isclose(a, b, rel_tol=MOVES / 100, abs_tol=slack + 1e-9) for a, b in zip(*numbers, strict=True))
