"""Knobs for k and p (chapter 04), and questions in any language (10)."""

import ipywidgets
from IPython.display import HTML
from markupsafe import Markup

from asif_book.figures import caption_search, image_tag, show_pictures, sparse_vector, words_of_scripts
from asif_book.figures.style import image_html
from asif_lib.defaults import DEFAULT_P
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import ranks, same_text
from asif_lib.relative import relative_representation
from asif_lib.settings import default_k
from asif_lib.sparse import sparsify
from asif_lib.zeroshot import ASIF

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
    answer.follow(lambda *values: words_above(sparse_step(bank, queries, *values, live=True)), picture, kept, power)
    return ipywidgets.VBox([picture, kept, power, answer])


def sparse_step(bank, queries, row, k, p, *, live=False):
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
    live : bool
        See `image_html`.
    """
    model = ASIF(bank, k, p, device="cpu")
    relative = relative_representation(queries.image[row : row + 1], bank.image, mean=bank.image_mean)
    vector = sparsify(relative, k, p)
    ranking = rank_captions(vector.similarity(model.texts(queries.text))[0], queries.pairs.caption.tolist(), row, 8)
    rank = next(rank for rank, *_, own in ranking if own)
    first = vector.indices[0, :6].tolist()
    picture, pictures, captions = queries.pairs.picture[row], bank.pairs.picture[first], bank.pairs.caption[first]
    figure = sparse_vector(relative[0], {f"k = {k}, p = {p}": vector})
    used = int((vector.values > 0).sum())
    share = float((vector.values[0, :6] ** 2).sum())
    first_caption = f"First is “{bare(ranking[0][1])}”."
    words = (
        f"k = {k}, p = {p}: of {len(bank)} anchors {used} keep{'s' if used == 1 else ''} an entry above 0. "
        f"Share of the {len(first)} largest in the sum of squares: {share:.0%}. "
        f"The picture's own caption, “{bare(queries.pairs.caption[row])}”, has rank {rank} of {len(queries)}. "
        f"{first_caption if ranking[0][2] > 0 else 'No caption shares an anchor with the picture.'}"
    )
    below = caption_search([picture], [ranking]).data + show_pictures(pictures, captions, title="its anchors").data
    return HTML(image_html(figure, words, live=live) + Markup(below)), words


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
