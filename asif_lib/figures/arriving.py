"""One picture's best anchors as pairs arrive in the bank, and the answer that turns (chapter 07)."""

from IPython.display import HTML

from .style import image_tag, self_contained

BEST = 5
"""Anchors that each row shows; the others share one number."""


def best_anchors(picture, label, stages) -> HTML:
    """Draw the best anchors of one picture for growing banks, a row for each bank: thumbnails and contributions.

    A row has the anchors that contribute most to the answer, the answer, and its score. An arrived pair has a frame.

    Parameters
    ----------
    picture : picture
    label : str
        The right answer.
    stages : dict
        By the number of pairs added, rising: the answer, and its contributions, a DataFrame with the columns
        ``picture``, ``caption``, ``contribution`` (the largest first) and ``arrived`` (bool).
    """
    largest = max(float(reasons.contribution.max()) for _, reasons in stages.values())
    rows, last = [], None
    for added, (answer, reasons) in stages.items():
        rows.append(_row(added, answer, reasons, turned=last not in (None, answer), right=answer == label))
        last = answer
    tag = image_tag(picture, f"the picture that is asked about: {label}", 128)
    return self_contained("arriving", picture=tag, label=label, rows=rows, largest=largest)


def _row(added, answer, reasons, turned, right):
    anchors = [
        {
            "picture": image_tag(reason.picture, "the anchor's picture", 96),
            "caption": reason.caption,
            "product": reason.contribution,
            "arrived": bool(reason.arrived),
        }
        for reason in reasons.head(BEST).itertuples()
    ]
    rest = reasons.contribution[BEST:]
    return {
        "added": added, "answer": answer, "turned": turned, "right": right, "anchors": anchors, "others": len(rest),
        "rest": float(rest.sum()), "score": float(reasons.contribution.sum()),
    }  # fmt: skip
