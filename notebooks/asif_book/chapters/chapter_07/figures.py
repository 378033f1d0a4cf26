"""Figures of chapter 07, editing a model."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import INK, SERIES, series_style
from asif_book.figures.style import alt, image_tag, legend_above, listed, per_cent, subplots
from asif_book.figures.templates import self_contained

BEST = 5
"""Anchors that each row of `best_anchors` shows; the others share one number."""


def learning_curve(series, *, chance) -> Figure:
    """Draw the accuracy of a model for growing lessons: a line through the means, a dot for every lesson.

    `series` has for each series a dict by the number of pairs: the mean with its interval (Measure), and the values of
    the lessons. `chance` is the accuracy of guessing; a dotted line.
    """
    sizes = sorted({size for curve in series.values() for size in curve})
    figure, axis = subplots(figsize=(7, 4.4))
    for i, (name, curve) in enumerate(series.items()):
        x = np.array([sizes.index(size) for size in curve]) + 0.1 * (i - (len(series) - 1) / 2)
        values, low, high = np.array([(m.value, m.low, m.high) for m, _ in curve.values()]).T
        axis.errorbar(x, values, yerr=[values - low, high - values], label=name, **series_style(i))
        for at, (_, lessons) in zip(x, curve.values(), strict=True):
            axis.scatter([at] * len(lessons), lessons, s=14, color=SERIES[i], alpha=0.5, edgecolors="none")
    axis.axhline(chance, color=INK, linestyle=":", label=f"chance, {chance:.0%}")
    axis.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axis.yaxis.set_major_formatter(per_cent)
    axis.set(xlabel="pairs added for each class", ylabel="accuracy, 95 % interval", ylim=(0, 1))
    axis.grid(axis="y", alpha=0.3)
    legend_above(figure, axis)
    words = listed(f"{name} {s}: {m.value:.0%}" for name, curve in series.items() for s, (m, _) in curve.items())
    about = "accuracy, 95 % interval against pairs added for each class, with a dot for each lesson"
    return alt(figure, f"{about}. {words}; chance {chance:.0%}")


def versions(labels, scores) -> HTML:
    """Draw the scores of labels for versions of a model, as bars that move when the reader chooses a version.

    Parameters
    ----------
    labels : sequence of t str
    scores : dict of str to sequence of t float
        Of each version; the first one is chosen.
    """
    of_each = {label: [float(of[at]) for of in scores.values()] for at, label in enumerate(labels)}
    largest = max(1e-9, *(score for row in of_each.values() for score in row))
    return self_contained("chapters/chapter_07/versions", versions=list(scores), rows=of_each.items(), largest=largest)


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
        anchors = [
            {
                "picture": image_tag(reason.picture, "the anchor's picture", 96), "caption": reason.caption,
                "product": reason.contribution, "arrived": bool(reason.arrived),
            }
            for reason in reasons.head(BEST).itertuples()
        ]  # fmt: skip
        rest = reasons.contribution[BEST:]
        rows.append({
            "added": added, "answer": answer, "turned": last not in (None, answer), "right": answer == label,
            "anchors": anchors, "others": len(rest), "rest": float(rest.sum()),
            "score": float(reasons.contribution.sum()),
        })  # fmt: skip
        last = answer
    tag = image_tag(picture, f"the picture that is asked about: {label}", 128)
    return self_contained("chapters/chapter_07/arriving", picture=tag, label=label, rows=rows, largest=largest)
