"""Figures of chapter 00, start here."""

import io

import numpy as np
from IPython.display import HTML
from PIL import Image, ImageColor

from asif_book.figures.palette import PICTURE, TEXT
from asif_book.figures.pictures import bar, cell, named_bars, rows_of_pictures
from asif_book.figures.style import data_address, image_tag, thumbnail
from asif_book.figures.templates import self_contained


def bank_strips(bank) -> HTML:
    """Draw the n anchors of a bank: each picture with its embedding and that of its caption, as strips.

    A strip has a cell for each number, and a larger number has a fuller colour.
    """
    sides = {"picture": (bank.image, PICTURE), "text": (bank.text, TEXT)}
    longest = max(z.shape[1] for z, _ in sides.values())
    strips = []
    for z, colour in sides.values():
        ranks = z.argsort(dim=1).argsort(dim=1).numpy() * 255 // (z.shape[1] - 1)  # (n, d)
        cells = np.concatenate([np.broadcast_to(ImageColor.getrgb(colour), (*z.shape, 3)), ranks[..., None]], axis=2)
        files = [io.BytesIO() for _ in z]
        for row, file in zip(cells.astype(np.uint8), files, strict=True):
            Image.fromarray(row[None]).save(file, "PNG")
        strips.append([(data_address("png", file), 100 * z.shape[1] / longest) for file in files])
    tags = map(image_tag, bank.pairs.picture, bank.pairs.caption)
    rows = zip(tags, bank.pairs.caption, *strips, strict=True)
    return self_contained("chapters/chapter_00/strips", rows=rows, counts=[z.shape[1] for z, _ in sides.values()])


def two_profiles(image, text, pairs, titles) -> HTML:
    """Draw the largest entries of a picture's and of a text's sparse vector, as bars over the same anchors.

    Each side has seven bars. A bar is filled where the other side keeps the anchor too, be it drawn there or not.

    Parameters
    ----------
    image, text : SparseVectors of one row
    pairs : DataFrame
        The bank's table, with the columns ``picture`` and ``caption`` of each anchor.
    titles : (str, str)
    """
    sides = [list(zip(v.indices[0].tolist(), v.values[0].tolist(), strict=True)) for v in (image, text)]
    kept = [{anchor for anchor, entry in side if entry > 0} for side in sides]
    groups = []
    for side, title, kind in zip(sides, titles, ("picture", "text"), strict=True):
        hollow = {anchor: "" if anchor in kept[0] & kept[1] else " hollow" for anchor, _ in side}
        shown = [bar(v, pairs.caption[a], pairs.picture[a], kind=kind + hollow[a]) for a, v in side[:7]]
        groups.append((cell(None, head=title), shown))
    return named_bars(groups, xlabel="entry in the sparse vector (no unit); filled: both sides keep the anchor")


def score_table(pictures, labels, scores, right) -> HTML:
    """Draw the scores of pictures (columns) and labels (rows); the best of a picture is bold, the right one ticked.

    A phone shows two labels for each picture: the answer and the right one, or the answer and the next best.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels : sequence of t str
    scores : array of shape (q, t)
    right : array of shape (q,)
        The column of each picture's own label.
    """
    columns = []
    for picture, row, own in zip(pictures, np.asarray(scores).tolist(), np.asarray(right).tolist(), strict=True):
        first, *others = np.argsort(row, kind="stable")[::-1].tolist()
        two = [first, *([own] if own != first else others[:1])]
        tag = image_tag(picture, f"a picture of the {labels[own]}", 72)
        columns.append({"tag": tag, "scores": row, "answer": first, "right": own, "two": two})
    largest = max(float(np.max(scores)), 1e-9)
    return self_contained("chapters/chapter_00/scores", columns=columns, labels=labels, largest=largest)


def deciding_anchors(rows) -> HTML:
    """Draw one row for each decision: the picture and label, and the three anchors with the largest share of the score.

    `rows` is a sequence of (picture, heading, table); the table as from `contributions` with the bank's pairs.
    """
    decisions = []
    for picture, heading, table in rows:
        shares = 100 * table.contribution / table.contribution.sum()
        anchors = zip(table.picture[:3], table.caption, shares, strict=False)
        anchors = [cell(anchor, caption, f"{share:.0f} %") for anchor, caption, share in anchors]
        decisions.append([cell(picture, head=heading, kind="query"), *anchors])
    return rows_of_pictures(decisions, columns=4)


def lit_pictures(pictures, rows) -> HTML:
    """Draw the same small pictures in several rows, lit where a flag holds; each row says how many are.

    Parameters
    ----------
    pictures : sequence of q pictures
    rows : dict of str to sequence of q bool
    """
    sheet = io.BytesIO()
    Image.fromarray(np.hstack([thumbnail(picture, 32) for picture in pictures])).save(sheet, "JPEG", quality=80)
    flags = {name: [bool(flag) for flag in held] for name, held in rows.items()}
    return self_contained("chapters/chapter_00/lit", sheet=data_address("jpeg", sheet), rows=flags)
