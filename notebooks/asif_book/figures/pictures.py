"""Pictures in rows and bars with pictures, drawn in HTML: the same on paper, on a desk and on a phone."""

from IPython.display import HTML

from asif_book.figures.style import image_tag
from asif_book.figures.templates import self_contained


def show_pictures(pictures, titles=None, *, columns=6) -> HTML:
    """Draw pictures in rows, each with its title below it.

    Parameters
    ----------
    pictures : sequence of n pictures
    titles : sequence of n str, optional
        Such as captions or scores.
    columns : int
        At most; a phone shows fewer.
    """
    titles = [""] * len(pictures) if titles is None else titles
    return rows_of_pictures([map(cell, pictures, titles)], columns=columns)


def labelled_pictures(pictures, labels, true, *, columns=6, bet=False) -> HTML:
    """Draw pictures with their labels: a check mark and a frame, or a cross and the true label.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels, true : sequences of q str
    columns : int
        At most; a phone shows fewer.
    bet : bool
        Whether the labels are hidden until the reader has clicked how many are right.
    """
    cells = [
        cell(picture, f"✔ {label}", kind="right") if label == truth else cell(picture, f"✘ {label}\n({truth})")
        for picture, label, truth in zip(pictures, labels, true, strict=True)
    ]
    says = {"✔": "✔ the label is right", "✘": "✘ it is wrong (the right label)"}
    key = " · ".join(sorted({says[one["below"][0]] for one in cells}))
    right = sum(one["kind"] == "right" for one in cells)
    return rows_of_pictures([cells], columns=columns, key=key, bet=(right, len(cells)) if bet else ())


def cell(picture, below="", head="", kind="") -> dict:
    """Describe a picture, or None, for `rows_of_pictures`: its words, the bold ones first, and the kind of its frame.

    A kind is "right", "query" or "shared"; without one, there is no frame.
    """
    tags = [] if picture is None else [image_tag(picture, " ".join(f"{head} {below}".split()) or "a picture", 160)]
    return {"tags": tags, "head": head, "below": below, "kind": kind}


def rows_of_pictures(rows, *, columns, names=(), key="", bet=()) -> HTML:
    """Draw rows of cells, `columns` beside each other at most; a row that is longer goes on below.

    Parameters
    ----------
    rows : sequence of sequences of `cell`
    columns : int
    names : sequence of str
        Of the rows.
    key : str
        What the marks say.
    bet : tuple of two int, optional
        How many labels are right, of how many; the reader bets before words and frames are shown.
    """
    rows = [list(cells) for cells in rows]
    wide = max(len(one["tags"]) for cells in rows for one in cells)
    return self_contained("figures/pictures", rows=rows, columns=columns, names=names, key=key, wide=wide, bet=bet)


def bar(value, name, picture=None, *, kind="anchors", before=None, first=False) -> dict:
    """Describe a bar for `named_bars`: its name (bold if `first`), its picture, and the value `before`, a tick.

    The kind is "picture", "text" or "anchors", and with " hollow" behind it, the bar is an outline.
    """
    tag = "" if picture is None else image_tag(picture, name, 72)
    return {"value": value, "name": name, "tag": tag, "kind": kind, "before": before, "first": first}


def label_scores(labels, scores, picture=None, head="") -> HTML:
    """Draw the scores of labels as bars, the best one first and in bold.

    Parameters
    ----------
    labels : sequence of t str
    scores : sequence of t float
    picture : picture, optional
        What was asked; it stands above the bars, with `head`.
    head : str
    """
    best = sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])
    bars = [bar(float(score), label, first=at == 0) for at, (label, score) in enumerate(best)]
    return named_bars([(cell(picture, head=head), bars)], xlabel="score (no unit)")


def named_bars(groups, *, xlabel, more="") -> HTML:
    """Draw groups of bars on one scale.

    Parameters
    ----------
    groups : sequence of (dict, sequence of `bar`)
        Above each group stands a `cell`: its picture, or none, and its head.
    xlabel : str
    more : Markup
        What stands below.
    """
    ends = [end for _, group in groups for one in group for end in (one["value"], one["before"] or 0)]
    low, high = min(0, *ends), max(0, *ends)
    about = {"xlabel": xlabel, "more": more, "low": low, "high": high + (low == high)}
    return self_contained("figures/bars", groups=groups, **about)
