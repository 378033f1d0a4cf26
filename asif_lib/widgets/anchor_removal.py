"""A knob that takes away the most contributing anchors of a decision (chapter 06)."""

import ipywidgets

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import without
from asif_lib.figures import counterfactual
from asif_lib.zeroshot import Classification, make_prompts

from .parts import Answer, Knob, bare, words_above

COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)


def counterfactual_knob(model, queries, labels, *, row=0, truth=None, templates=(DEFAULT_TEMPLATE,)) -> ipywidgets.VBox:
    """Return a knob for how many anchors are taken away, and `counterfactual_step` below it.

    Parameters
    ----------
    model : ASIF
    queries : AnchorBank
        Captioned pictures that are no anchors.
    labels : sequence of str, two or more
    row : int
        The picture, as a row of `queries`.
    truth : str, optional
        The right label, where it is known.
    templates : sequence of str
        A label's score is the mean over them.

    Raises
    ------
    ParameterError
        If nothing decides this picture.
    """
    z_text = model.embeddings("text", make_prompts(labels, templates))  # encoded once
    most = min(len(_ranked(model, queries.image[[row]], z_text, labels)[1]), len(model.bank) - model.k)
    knob = Knob("Anchors taken away", sorted({c for c in COUNTS if c < most} | {most}), 0)
    answer = Answer()
    answer.follow(
        lambda count: words_above(counterfactual_step(model, queries, z_text, labels, row, count, truth=truth)), knob
    )
    return ipywidgets.VBox([knob, answer])


def counterfactual_step(model, queries, z_text, labels, row, count, *, truth=None):
    """Take the anchors away that contribute most to a picture's label, and decide again, exactly.

    Parameters
    ----------
    model, queries, labels, row, truth : as for `counterfactual_knob`
    z_text : Tensor of shape (c · templates, d_text)
        Embeddings of the prompts, label by label.
    count : int

    Returns
    -------
    figure : Figure
    words : str
        What it shows, for the alternative text.

    Raises
    ------
    ParameterError
        If nothing decides this picture, fewer than `count` anchors contribute, or fewer than k would be left.
    """
    z_image = queries.image[[row]]
    given, ranked = _ranked(model, z_image, z_text, labels)
    if not 0 <= count <= len(ranked):
        raise ParameterError(f"{count} anchors: {len(ranked)} contribute to {given!r}; take away from 0 to so many")
    gone = ranked[:count]
    result = without(model, z_image, z_text, gone)
    before, after = (_of_labels(scores, labels) for scores in (result.before, result.scores))
    entered = result.entered[result.entered.side == "image"].sort_values("entry", ascending=False).anchor.tolist()
    pairs = model.bank.pairs
    figure = counterfactual(
        queries.pairs.picture[row],
        f"{queries.pairs.caption[row]}\nwithout {count} of {len(pairs)} anchors:\n{after.best[0] or 'nothing decides'}",
        labels,
        before.scores[0].tolist(),
        after.scores[0].tolist(),
        *([(pairs.picture[a], pairs.caption[a]) for a in anchors] for anchors in (gone, entered)),
        truth=truth,
    )
    return figure, _words(
        bare(queries.pairs.caption[row]), given, after, [pairs.caption[a] for a in gone], entered, truth
    )


def _ranked(model, z_image, z_text, labels):
    """The label given, and its contributing anchors, the largest contribution first."""
    image, text = model.images(z_image), model.texts(z_text)
    given = int(_of_labels(image.similarity(text), labels).predicted[0])
    if given < 0:
        raise ParameterError("nothing decides this picture: no label has an anchor in common with it")
    each = len(z_text) // len(labels)
    prompts = text[list(range(given * each, (given + 1) * each))]
    return labels[given], contributions(image, prompts, reduce="mean").anchor.tolist()


def _of_labels(scores, labels):
    return Classification(list(labels), scores.unflatten(1, (len(labels), -1)).mean(dim=2))


def _words(caption, given, after, gone, entered, truth):
    order = after.scores[0].argsort(descending=True).tolist()[:3]
    best = ", ".join(f"{after.labels[i]} {float(after.scores[0, i]):.3f}" for i in order)
    now = after.best[0]
    change = "nothing decides any more" if now is None else f"the label stays “{now}”"
    if now not in (None, given):
        change = f"the label turns from “{given}” to “{now}”"
    right = "" if truth is None else f" The right label is “{truth}”."
    if not gone:
        return f"“{caption}” with all anchors: “{given}”. Best scores: {best}.{right}"
    names = ", ".join(bare(text) for text in gone[:3]) + (" and others" if len(gone) > 3 else "")
    return (
        f"“{caption}” without {len(gone)} anchor{'' if len(gone) == 1 else 's'} ({names}): {change}. Best scores: "
        f"{best}.{right} Entered the picture's top k: {len(entered)}."
    )
