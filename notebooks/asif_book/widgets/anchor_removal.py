"""A knob that removes the anchors that contributed most to a decision (chapter 06)."""

from functools import partial

import ipywidgets

from asif_book.figures.interpret import scores_without
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.explain.counterfactual import Decision, without
from asif_lib.zeroshot import Classification, make_prompts

from .parts import Answer, Knob, bare, words_above

COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)


def counterfactual_knob(model, queries, labels, *, row=0, truth=None) -> ipywidgets.VBox:
    """Return a knob for the number of removed anchors, and `counterfactual_step` below it.

    `queries` is an AnchorBank of captioned pictures that are not anchors, and `row` the picture among them; `truth` is
    the right one of the labels, if it is known. Raises `ParameterError` if nothing decides this picture.
    """
    z_text = model.embeddings("text", make_prompts(labels, [DEFAULT_TEMPLATE]))  # encoded once
    ranked = Decision(model, queries.image[[row]], z_text, labels).anchors()
    most = min(len(ranked), len(model.bank) - model.k)
    knob = Knob("Anchors taken away", sorted({c for c in COUNTS if c < most} | {most}), 0)
    answer = Answer()
    step = partial(counterfactual_step, model, queries, z_text, labels, row, truth=truth)
    answer.follow(lambda count: words_above(step(count)), knob)
    return ipywidgets.VBox([knob, answer])


def counterfactual_step(model, queries, z_text, labels, row, count, *, truth=None):
    """Remove the anchors that contribute most to the label, and decide again; return the figure and its alt text.

    `z_text` has the embeddings of the prompts, label by label, (c · templates, d_text); for the others see
    `counterfactual_knob`. Raises `ParameterError` if nothing decides this picture, fewer than `count` anchors
    contribute, or fewer than k would be left.
    """
    z_image = queries.image[[row]]
    decision = Decision(model, z_image, z_text, labels)
    given, ranked = decision.label, decision.anchors().tolist()
    if not 0 <= count <= len(ranked):
        raise ParameterError(f"{count} anchors: {len(ranked)} contribute to {given!r}; take away 0 to {len(ranked)}")
    gone = ranked[:count]
    result = without(model, z_image, z_text, gone)
    after = Classification(decision.labels, decision.of_labels(result.scores))
    entered = result.entered[result.entered.side == "image"].sort_values("entry", ascending=False).anchor.tolist()
    pairs = model.bank.pairs
    figure = scores_without(
        queries.pairs.picture[row],
        f"{queries.pairs.caption[row]}\nwithout {count} of {len(pairs)} anchors:\n{after.best[0] or 'nothing decides'}",
        labels,
        decision.scores.tolist(),
        after.scores[0].tolist(),
        *([(pairs.picture[a], pairs.caption[a]) for a in anchors] for anchors in (gone, entered)),
        truth=truth,
    )
    names = [bare(pairs.caption[anchor]) for anchor in gone]
    return figure, _words(bare(queries.pairs.caption[row]), given, after, names, entered, truth)


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
    names = ", ".join(gone[:3]) + (" and others" if len(gone) > 3 else "")
    return (
        f"“{caption}” without {len(gone)} anchor{'' if len(gone) == 1 else 's'} ({names}): {change}. Best scores: "
        f"{best}.{right} Entered the picture's top k: {len(entered)}."
    )
