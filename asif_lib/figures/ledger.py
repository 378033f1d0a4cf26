"""One decision as a ledger of its anchors, whose rows the reader strikes out in the browser without a kernel."""

from IPython.display import HTML

from .style import image_tag, self_contained

SHOWN = 12
"""Anchors with a row of their own; the others share the last row."""


def score_ledger(picture, caption, label, reasons, *, rival=None) -> HTML:
    """Draw the score of a picture and a label as a sum over anchors, a row for each.

    A row has the anchor's picture and caption, both entries, their product, and the sum so far, which reaches the
    score. Without scripts it is a table; a script adds a box to each row that strikes it out, without normalising
    again.

    Parameters
    ----------
    picture : picture
    caption, label : str
    reasons : DataFrame
        Of `asif_lib.explain.contributions`, with the columns of the bank's pairs.
    rival : tuple of str and float, optional
        Another label and its score, drawn as a line.
    """
    rows, total = [], 0.0
    for reason in reasons.head(SHOWN).itertuples():
        tag = image_tag(reason.picture, "the anchor's picture", 72)
        rows.append(_row(tag, reason.caption, reason.image, reason.text, reason.contribution, total))
        total += reason.contribution
    if len(reasons) > SHOWN:
        rest = float(reasons.contribution[SHOWN:].sum())
        rows.append(_row("", f"{len(reasons) - SHOWN} more anchors", None, None, rest, total))
        total += rest
    words = f"The products add up to {total:.3f}, the score of “{label}”."
    if rival:
        words += f" The score of “{rival[0]}” is {'larger' if total < rival[1] else 'smaller'}: {rival[1]:.3f}."
    return self_contained(
        "ledger", picture=image_tag(picture, caption, 128), caption=caption.rstrip("."), label=label, rows=rows,
        score=total, rival=rival, words=words, scale=1.02 * max(total, rival[1] if rival else 0) or 1,
    )  # fmt: skip


def _row(picture, caption, image, text, product, before):
    return {"picture": picture, "caption": caption, "image": image, "text": text, "product": product, "before": before}
