"""A browser for the anchors: search their captions, see their pictures, compare their neighbours."""

import ipywidgets
import torch
from markupsafe import Markup

from asif_book.figures import shared_neighbours
from asif_book.figures.style import image_tag
from asif_lib.relative import unit_rows

from .parts import PARTS, Answer, Pager, bare, wide, words_above

ALL_GROUPS = "all groups"
PER_PAGE = 12


def anchor_browser(bank, pictures=None, *, chosen=0) -> ipywidgets.VBox:
    """Return a search field, a choice of group, pages of anchors, and the neighbours of a chosen one.

    Parameters
    ----------
    bank : AnchorBank
    pictures : sequence of n pictures, optional
        Those of the anchors; by default the bank's picture files.
    chosen : int
        The row of the anchor that shows its neighbours first.
    """
    pictures = bank.pairs.picture if pictures is None else pictures
    groups = [ALL_GROUPS, *sorted(set(top_group(bank.pairs)) - {""})]
    words = {"description": "Words in the caption", "placeholder": "red bird", "continuous_update": False}
    search = ipywidgets.Text(**words, **wide())
    group = ipywidgets.Dropdown(options=groups, description="Group", **wide())
    number = ipywidgets.BoundedIntText(chosen, min=0, max=len(bank) - 1, description="Number of an anchor", **wide())
    pager, found, near = Pager(PER_PAGE), Answer(), Answer()

    def page(words, group, _):
        rows = find_anchors(bank.pairs, words, group)
        return anchor_page(bank.pairs, pictures, rows[pager.rows_of(len(rows))])

    for control in (search, group):
        control.observe(lambda _: pager.set_trait("value", 0), "value")
    found.follow(page, search, group, pager)
    near.follow(lambda row: words_above(nearest_by_both(bank, pictures, row)), number)
    return ipywidgets.VBox([search, group, pager, found, number, near])


def top_group(pairs) -> list:
    """Return the first level of each pair's group: "animals" of "animals/birds"."""
    return [group.split("/")[0] for group in pairs.group]


def find_anchors(pairs, words="", group=ALL_GROUPS) -> list:
    """Find the anchors of a group whose captions hold all of some words; return their rows in the bank's table.

    Capital letters do not matter, and part of a word is enough.

    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"caption": ["A red bird.", "A bird.", "Red."], "group": ["animals/birds"] * 2 + [""]})
    >>> find_anchors(pairs, "RED"), find_anchors(pairs, "bird red"), find_anchors(pairs, "", "animals")
    ([0, 2], [0], [0, 1])
    """
    wanted = words.casefold().split()
    return [
        row
        for row, (caption, top) in enumerate(zip(pairs.caption, top_group(pairs), strict=True))
        if group in (ALL_GROUPS, top) and all(word in caption.casefold() for word in wanted)
    ]


def anchor_page(pairs, pictures, rows) -> str:
    """Return anchors as HTML: each with its picture, number, caption and id."""
    if not rows:
        return "<p>No anchor has all of these words in its caption. Try fewer words, or another group.</p>"
    caption = Markup('<b>{}</b> · {}<br><code style="font-size: 0.85em; overflow-wrap: anywhere">{}</code>')
    figures = [
        (image_tag(pictures[row], pairs.caption[row]), caption.format(row, pairs.caption[row], pairs.id[row]))
        for row in rows
    ]
    return PARTS.figures_in_rows(figures, "9.5em")


def nearest_by_both(bank, pictures, row, *, top=6):
    """Find an anchor's nearest others by its picture and by its caption; return a figure and its alternative text.

    Parameters
    ----------
    bank : AnchorBank
    pictures : sequence of n pictures
    row, top : int
        The anchor, and the number of its neighbours.
    """
    top = min(top, len(bank) - 1)
    near = [nearest_rows(z, m, row, top) for z, m in ((bank.image, bank.image_mean), (bank.text, bank.text_mean))]
    captions = bank.pairs.caption
    shared = [[i in near[1] for i in near[0]], [i in near[0] for i in near[1]]]
    items = ([(pictures[i], captions[i]) for i in rows] for rows in near)
    figure = shared_neighbours(pictures[row], captions[row], *items, shared)
    names = [", ".join(bare(captions[i]) for i in rows) for rows in near]
    words = (
        f"Anchor {row}, “{bare(captions[row])}”. Nearest by picture: {names[0]}. Nearest by caption: {names[1]}. "
        f"In both rows, framed: {sum(shared[0])} of {top}."
    )
    return figure, words


def nearest_rows(z, mean, row, top) -> list:
    """Return the `top` other rows of `z` that have the largest cosines with `row`; of equal ones the earlier first."""
    cosines = unit_rows(z, mean) @ unit_rows(z[row : row + 1], mean)[0]
    cosines[row] = -torch.inf
    return cosines.argsort(descending=True, stable=True)[:top].tolist()
