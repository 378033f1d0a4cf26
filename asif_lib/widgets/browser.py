"""Look through the anchors: search their captions, see their pictures, compare their neighbours."""

import html

import ipywidgets
import torch

from asif_lib.figures import shared_neighbours
from asif_lib.relative import unit_rows

from .parts import Answer, Pager, bare, image_tag, words_above

ALL_GROUPS = "all groups"
PER_PAGE = 12


def anchor_browser(bank, pictures=None, *, chosen=0) -> ipywidgets.VBox:
    """Return a search field, a choice of group, pages of anchors, and the neighbours of a chosen one.

    Parameters
    ----------
    bank : AnchorBank
    pictures : sequence of pictures, optional
        Row i belongs to anchor i; left out, the files that the bank names.
    chosen : int
        The anchor whose neighbours are shown first, as a row of the bank.
    """
    pictures = bank.pairs.picture if pictures is None else pictures
    groups = [ALL_GROUPS, *sorted(set(top_group(bank.pairs)) - {""})]
    search = ipywidgets.Text(
        description="Words in the caption", placeholder="red bird", continuous_update=False, **_wide()
    )
    group = ipywidgets.Dropdown(options=groups, description="Group", **_wide())
    number = ipywidgets.BoundedIntText(
        value=chosen, min=0, max=len(bank) - 1, description="Number of an anchor", **_wide()
    )
    pager, found, near = Pager(PER_PAGE), Answer(), Answer()

    def page(words, group, _):
        rows = find_anchors(bank.pairs, words, group)
        return anchor_page(bank.pairs, pictures, rows[pager.rows_of(len(rows))])

    def to_first_page(_):
        pager.value = 0

    search.observe(to_first_page, "value")
    group.observe(to_first_page, "value")
    found.follow(page, search, group, pager)
    near.follow(lambda row: words_above(nearest_by_both(bank, pictures, row)), number)
    return ipywidgets.VBox([search, group, pager, found, number, near])


def _wide():
    return {"style": {"description_width": "11em"}, "layout": {"width": "min(28em, 100%)"}}


def top_group(pairs) -> list:
    """Return the first level of each pair's group: "animals" of "animals/birds"."""
    return [group.split("/")[0] for group in pairs.group]


def find_anchors(pairs, words="", group=ALL_GROUPS) -> list:
    """Return the rows of a bank's table whose caption holds every one of `words` and that belong to `group`.

    Capital letters don't matter, and part of a word is enough.

    Examples
    --------
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
    """Return anchors as HTML: for each its picture, number, caption and id."""
    if not rows:
        return "<p>No anchor has all of these words in its caption. Try fewer, or another group.</p>"
    figures = "".join(
        f'<figure style="width: 9.5em; margin: 0">{image_tag(pictures[row], pairs.caption[row])}'
        f"<figcaption><b>{row}</b> · {html.escape(pairs.caption[row])}<br>"
        f'<code style="font-size: 0.85em; overflow-wrap: anywhere">{html.escape(pairs.id[row])}</code>'
        "</figcaption></figure>"
        for row in rows
    )
    return f'<div style="display: flex; flex-wrap: wrap; gap: 0.8em; line-height: 1.3">{figures}</div>'


def nearest_by_both(bank, pictures, row, *, top=6):
    """Find the nearest other anchors of one anchor: by its picture, and by its caption.

    Returns
    -------
    figure : Figure
    words : str
        What it shows, for the alternative text.
    """
    top = min(top, len(bank) - 1)
    near = [
        nearest_rows(bank.image, bank.image_mean, row, top),
        nearest_rows(bank.text, bank.text_mean, row, top),
    ]
    captions = bank.pairs.caption
    shared = [[i in near[1] for i in near[0]], [i in near[0] for i in near[1]]]
    by_picture, by_caption = [[(pictures[i], captions[i]) for i in rows] for rows in near]
    figure = shared_neighbours(pictures[row], captions[row], by_picture, by_caption, shared)
    names = [", ".join(bare(captions[i]) for i in rows) for rows in near]
    words = (
        f"Anchor {row}, “{bare(captions[row])}”. Nearest by picture: {names[0]}. Nearest by caption: {names[1]}. "
        f"In both rows, framed: {sum(shared[0])} of {top}."
    )
    return figure, words


def nearest_rows(z, mean, row, top) -> list:
    """Return the `top` rows of `z` with the largest cosine with `row`, itself left out; equal ones in their order."""
    cosines = unit_rows(z, mean) @ unit_rows(z[row : row + 1], mean)[0]
    cosines[row] = -torch.inf
    return cosines.argsort(descending=True, stable=True)[:top].tolist()
