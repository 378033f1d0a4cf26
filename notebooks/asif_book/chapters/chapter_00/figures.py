"""Figures of chapter 00, start here."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from asif_book.figures.palette import INK, MARK, ON_DARK, ON_LIGHT, PICTURE, TEXT
from asif_book.figures.style import alt, draw_bare, listed, narrow, picture_beside, subplots, wrapped


def two_profiles(image, text, pairs, titles) -> Figure:
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
    sides = [side[:7] for side in sides]
    count, longest = max(map(len, sides)), max(entry for side in sides for _, entry in side) or 1
    figure, axes = subplots(1, 2, figsize=(10, 0.62 * count + 1.4))
    for axis, side, title, colour in zip(axes, sides, titles, (PICTURE, TEXT), strict=True):
        for place, (anchor, entry) in enumerate(side):
            style = {"color": colour} if anchor in kept[0] & kept[1] else {"fill": False, "edgecolor": colour}
            axis.barh(place, entry, height=0.62, **style)
            picture_beside(axis, pairs.picture[anchor], (entry, place), 64, 4)
        names = [wrapped(pairs.caption[anchor], 24, 2) for anchor, _ in side]
        axis.set_yticks(range(len(side)), names, fontsize=10)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, 1.25 * longest)  # the same on both sides: bars of equal length are equal entries
        axis.set(xlabel="entry in the sparse vector (no unit)", title=title)
    words = [f"{title}: {listed(pairs.caption[a] for a, _ in side)}" for title, side in zip(titles, sides, strict=True)]
    both = dict.fromkeys(pairs.caption[a] for side in sides for a, _ in side if a in kept[0] & kept[1])
    return alt(figure, f"Bars of the largest entries. {'. '.join(words)}. Filled, kept by both: {listed(both)}")


def score_table(pictures, labels, scores, right) -> Figure:
    """Draw the scores of pictures (rows) and labels (columns); the best of a row is bold, the right one framed.

    Parameters
    ----------
    pictures : sequence of q pictures
    labels : sequence of t str
    scores : array of shape (q, t)
    right : array of shape (q,)
        The column of each picture's own label.
    """
    scores = np.asarray(scores)
    q, t = scores.shape
    figure, axis = subplots(figsize=(0.95 * t + 1.6, max(0.55 * q + 1.4, 2.5)))
    drawn = axis.imshow(scores, cmap="Greys", vmin=0, vmax=max(scores.max() * 1.25, 1e-9), aspect="auto")
    for i, j in np.ndindex(q, t):
        colour = ON_DARK if scores[i, j] > 0.5 * drawn.get_clim()[1] else ON_LIGHT
        style = {"color": colour, "fontweight": "bold" if j == scores[i].argmax() else "normal"}
        axis.text(j, i, f"{scores[i, j]:.2f}", ha="center", va="center", fontsize=8 if narrow() else 10.5, **style)
    for i, (picture, j) in enumerate(zip(pictures, right, strict=True)):
        axis.add_patch(Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor=MARK, lw=3))
        picture_beside(axis, picture, (-0.5, i), 80, -6)
    axis.set_xticks(range(t), [wrapped(label, 9) for label in labels], fontsize=10)
    axis.set_yticks(range(q), [""] * q)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("label")
    axis.set_ylabel("held-out picture", labelpad=46)
    axis.spines[:].set_visible(False)
    label = "score\n(0 = no anchor in common,\n1 = the same)"
    figure.colorbar(drawn, ax=axis, label=label, shrink=0.85, use_gridspec=False)
    answers = zip(right, scores.argmax(axis=1), scores.max(axis=1), strict=True)
    words = [f"the picture of the {labels[i]} gets {labels[j]}, {score:.2f}" for i, j, score in answers]
    return alt(figure, f"A table of scores, a row for each picture, a column for each label: {listed(words)}")


def deciding_anchors(rows) -> Figure:
    """Draw one row for each decision: the picture and label, and the three anchors with the largest share of the score.

    `rows` is a sequence of (picture, heading, table); the table as from `contributions` with the bank's pairs.
    """
    columns = 1 + max(min(3, len(table)) for *_, table in rows)
    size, widths = (2.3 * columns, 1.85 * len(rows) + 0.3), [1.15] + [1] * (columns - 1)
    figure, axes = subplots(len(rows), columns, figsize=size, squeeze=False, width_ratios=widths)
    words = []
    for (first, *others), (picture, heading, table) in zip(axes, rows, strict=True):
        for axis in others:
            axis.set_axis_off()
        draw_bare(first, picture, wrapped(heading, 26), fontsize=10, fontweight="bold")
        shares = table.contribution / table.contribution.sum()
        anchors = list(zip(table.picture, table.caption, shares, strict=True))[:3]
        for axis, (anchor, caption, share) in zip(others, anchors, strict=False):
            draw_bare(axis, anchor, f"{share:.0%} · {wrapped(caption, 24, 2)}", fontsize=10)
        reasons = ", ".join(f"{caption} {share:.0%}" for _, caption, share in anchors) or "no anchor at all"
        words.append(f"{heading}: {reasons}")
    if not narrow():
        figure.add_artist(Line2D([1.15 / (columns + 0.15)] * 2, [0.01, 0.99], color=INK, lw=1))
    return alt(figure, f"Decisions, each with the anchors of the largest share of the score. {listed(words)}")
