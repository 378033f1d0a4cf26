"""Knobs for k and p (chapter 04), the anchors that decided (06), and questions in any language (10)."""

from functools import partial

import ipywidgets

from asif_book.figures import image_tag, scores_without, sparse_and_ranking, words_of_scripts
from asif_lib.defaults import DEFAULT_P, DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import ranks, same_text
from asif_lib.explain.counterfactual import Decision, without
from asif_lib.relative import relative_representation
from asif_lib.settings import default_k
from asif_lib.sparse import sparsify
from asif_lib.zeroshot import ASIF, Classification, make_prompts

from .parts import Answer, Knob, bare, wide, words_above


def sparse_knobs(bank, queries, *, row=0, k=None) -> ipywidgets.VBox:
    """Return knobs for k and p, a choice of picture, and `sparse_step` below them.

    Parameters
    ----------
    bank : AnchorBank
        The anchors.
    queries : AnchorBank
        Captioned pictures that are not anchors; their captions are ranked for one picture.
    row, k : int
        The picture and k at the start; k is `default_k` by default.
    """
    k = default_k(len(bank)) if k is None else k
    choices = [(f"{i}: {caption}", i) for i, caption in enumerate(queries.pairs.caption)]
    picture = ipywidgets.Dropdown(options=choices, value=row, description="Picture")
    kept = Knob("Entries kept, k", log_steps(1, len(bank), k), k)
    power = Knob("Exponent, p", sorted({1, 2, 3, 4, 8, 16, DEFAULT_P}), DEFAULT_P)
    answer = Answer()
    answer.follow(lambda *values: words_above(sparse_step(bank, queries, *values)), picture, kept, power)
    return ipywidgets.VBox([picture, kept, power, answer])


def sparse_step(bank, queries, row, k, p):
    """Sparsify one picture, and rank captions for it; return a figure and its alternative text.

    The figure shows eight captions, and the picture's own if its rank is lower. Raises `ParameterError` if k or p is
    out of range.

    Parameters
    ----------
    bank, queries : AnchorBank
        See `sparse_knobs`.
    row : int
        Of the picture in `queries`.
    k, p : int, float
    """
    model = ASIF(bank, k, p, device="cpu")
    relative = relative_representation(queries.image[row : row + 1], bank.image, mean=bank.image_mean)
    vector = sparsify(relative, k, p)
    ranking = rank_captions(vector.similarity(model.texts(queries.text))[0], queries.pairs.caption.tolist(), row, 8)
    rank = next(rank for rank, *_, own in ranking if own)
    first = vector.indices[0, :6].tolist()
    picture, pictures, captions = queries.pairs.picture[row], bank.pairs.picture[first], bank.pairs.caption[first]
    vectors = {f"k = {k}, p = {p}": vector}
    figure = sparse_and_ranking(picture, relative[0], vectors, pictures.tolist(), captions.tolist(), ranking)
    used = int((vector.values > 0).sum())
    share = float((vector.values[0, :6] ** 2).sum())
    first_caption = f"First is “{bare(ranking[0][1])}”."
    words = (
        f"k = {k}, p = {p}: of {len(bank)} anchors {used} keep{'s' if used == 1 else ''} an entry above 0. "
        f"Share of the {len(first)} largest in the sum of squares: {share:.0%}. "
        f"The picture's own caption, “{bare(queries.pairs.caption[row])}”, has rank {rank} of {len(queries)}. "
        f"{first_caption if ranking[0][2] > 0 else 'No caption shares an anchor with the picture.'}"
    )
    return figure, words


def rank_captions(scores, captions, row, top) -> list:
    """Rank captions by their scores; return (rank, caption, score, own) of the `top` first ones and of the own one.

    Equal captions are one answer. Captions with equal scores share the worst rank, as in `evaluation.ranks`.
    """
    same = same_text(captions, captions)
    rank = ranks(scores.expand(len(scores), -1), same) + 1
    order = scores.argsort(descending=True, stable=True).tolist()
    own = same[row].tolist()
    shown = order[:top]
    if not any(own[i] for i in shown):
        shown.append(row)
    return [(int(rank[i]), captions[i], float(scores[i]), own[i]) for i in shown]


def log_steps(low, high, *others) -> list:
    """Return the steps 1, 2, 5, 10, 20, 50 … between `low` and `high`, with both ends and the `others`."""
    steps = {step * 10**power for power in range(len(str(high))) for step in (1, 2, 5)}
    return sorted({step for step in steps if low < step < high} | {low, high, *others})


# Chapter 06: without the anchors that contributed most to a decision

COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)


def counterfactual_knob(model, queries, labels, *, row=0, truth=None) -> ipywidgets.VBox:
    """Return a knob for the number of removed anchors, and `counterfactual_step` below it.

    Raises `ParameterError` if nothing decides this picture.

    Parameters
    ----------
    model : ASIF
    queries : AnchorBank
        Captioned pictures that are not anchors.
    labels : sequence of c str
    row : int
        The picture among the queries.
    truth : str, optional
        The right label, if it is known.
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

    Raises `ParameterError` if nothing decides this picture, fewer than `count` anchors contribute, or fewer than k
    would be left.

    Parameters
    ----------
    model, queries, labels, row, truth
        See `counterfactual_knob`.
    z_text : Tensor of shape (c · templates, d_text)
        Embeddings of the prompts, label by label.
    count : int
        Anchors to remove.
    """
    z_image = queries.image[[row]]
    decision = Decision(model, z_image, z_text, labels)
    before, ranked = decision.label, decision.anchors().tolist()
    if not 0 <= count <= len(ranked):
        raise ParameterError(f"{count} anchors: {len(ranked)} contribute to {before!r}; take away 0 to {len(ranked)}")
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
    caption, names = bare(queries.pairs.caption[row]), [bare(pairs.caption[anchor]) for anchor in gone]
    order = after.scores[0].argsort(descending=True).tolist()[:3]
    best = ", ".join(f"{after.labels[i]} {float(after.scores[0, i]):.3f}" for i in order)
    now = after.best[0]
    change = "nothing decides any more" if now is None else f"the label stays “{now}”"
    if now not in (None, before):
        change = f"the label turns from “{before}” to “{now}”"
    right = "" if truth is None else f" The right label is “{truth}”."
    if not gone:
        return figure, f"“{caption}” with all anchors: “{before}”. Best scores: {best}.{right}"
    names = ", ".join(names[:3]) + (" and others" if len(gone) > 3 else "")
    words = (
        f"“{caption}” without {len(gone)} anchor{'' if len(gone) == 1 else 's'} ({names}): {change}. Best scores: "
        f"{best}.{right} Entered the picture's top k: {len(entered)}."
    )
    return figure, words


# Chapter 10: the same pictures asked in any language


def language_knob(models, stamps, rows, z, *, language, text) -> ipywidgets.VBox:
    """Return a choice of language and a field for words, and `asked_in_language` below them."""
    choice = ipywidgets.Dropdown(options=[*models], value=language, description="Language", **wide())
    words = ipywidgets.Text(value=text, description="Words", continuous_update=False, **wide())
    answer = Answer()
    answer.follow(lambda *asked: asked_in_language(models, stamps, rows, z, [asked]).data, choice, words)
    return ipywidgets.VBox([choice, words, answer])


def asked_in_language(models, stamps, rows, z, questions, top=4):
    """Search pictures for questions (language, text); return a table as HTML, the `top` pictures in each row.

    `models` holds a model for each language; `rows` are the pictures' positions in `stamps`, `z` their embeddings.
    Raises `ParameterError` for a question without words.
    """
    table = []
    for language, text in questions:
        if not text.strip():
            raise ParameterError("the field holds no words; write some, such as the name of an animal")
        found, _ = models[language].search_pictures(text, z, top=top)
        tags = (image_tag(stamps.pictures[rows[i]], stamps.captions[rows[i]], 64) for i in found)
        table.append([language, (text, language), *tags])
    return words_of_scripts(["asked in", "words", "best picture", *(f"{n}." for n in range(2, top + 1))], table)
