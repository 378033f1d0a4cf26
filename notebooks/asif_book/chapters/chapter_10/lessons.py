"""Helpers of chapter 10: the stamps' captions in other languages, and questions in any of them."""

import functools
import warnings
from typing import NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
import torch
from markupsafe import Markup

from asif_book.chapters.measuring import stored_table
from asif_book.figures import image_tag, words_of_scripts
from asif_book.widgets.parts import Answer, wide
from asif_lib.datasets.pairs import Pairs, load_pairs
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.text import TextEncoder, load_text_encoder
from asif_lib.errors import EncoderError, MissingExtraError, ParameterError, first_line
from asif_lib.evaluation.measures import ranks, same_text
from asif_lib.machine import for_small_matrices
from asif_lib.settings import Settings
from asif_lib.sparse import SideAnchors


def load_multilingual(profile="offline", device="auto") -> TextEncoder | None:
    """Load E5, for many languages. Where it does not work, a sentence says what to do; the cells below do nothing."""
    name = "intfloat/multilingual-e5-small" if profile == "hub" else "multilingual-e5-small"
    try:
        return load_text_encoder(name, device=device)
    except (EncoderError, MissingExtraError) as error:
        from IPython import display, get_ipython

        if (notebook := get_ipython()) is None:
            raise
        notebook.input_transformers_cleanup.append(lambda lines: [])
        words = Markup(
            '<p class="asif-left-out"><b>This chapter is left out here.</b> {}. Then restart the kernel.</p>'
        )
        display.display(display.HTML(words.format(first_line(error))))


@functools.cache
def translations(code) -> Pairs:
    """Load the stamps with their captions in a language (``"de"``); those without a translation are left out."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # it names them; the chapter counts them
        return load_pairs(DEFAULT_BANK, language=code)


class Spoken(NamedTuple):
    """The stamps' captions in one language, m of them."""

    captions: list
    stamps: list  # the position of each caption's stamp among all stamps
    z: torch.Tensor  # their embeddings, (m, d)
    anchors: list  # positions of the captions of train and validation
    splits: dict


def spoken(code, encoder, stamps) -> Spoken:
    """Load and embed the captions of one language; `stamps` are all stamps, in English."""
    found, positions = translations(code), {name: i for i, name in enumerate(stamps.ids)}
    anchors = found.splits["train"] + found.splits["validation"]
    z = embed(encoder, found.captions, progress=False)
    return Spoken(found.captions, [positions[name] for name in found.ids], z, anchors, found.splits)


def scores_between(anchors, asked, share, p) -> torch.Tensor:
    """Return the (q, t) scores of q items of one side and t of another.

    `anchors` and `asked` have an embedding matrix for each side; a `share` of the anchors is kept.
    """
    return scores_of(kept_between(anchors, asked, share), share, p)


def kept_between(anchors, asked, share) -> list:
    """Return the `KeptCosines` of both sides, enough for the scores of this share of the anchors or a smaller one."""
    with for_small_matrices():
        sides = [SideAnchors(a, a.double().mean(dim=0).float()) for a in anchors]
        return [side.cosines(z, kept_of(share, len(side))) for side, z in zip(sides, asked, strict=True)]


def scores_of(kept, share, p) -> torch.Tensor:
    """Return the (q, t) scores from what `kept_between` returned."""
    with for_small_matrices():
        one, other = (side.sparse(Settings(kept_of(share, side.n), p)) for side in kept)
        return one.similarity(other)


def kept_of(share, n) -> int:
    """Return how many of n anchors are kept."""
    return max(1, round(share * n))


def first_is_right(scores, captions) -> np.ndarray:
    """Return for each of q rows whether its own caption, or an equal one, is first, (q,) bool."""
    return ranks(scores, same_text(captions, captions)) < 1


def of_test(one, first, second, share, p) -> tuple[np.ndarray, torch.Tensor]:
    """Return for each of the t test captions of a `Spoken` whether it comes first, and the scores (t, t).

    Its anchors connect two sides; `first` and `second` hold their embeddings, row by row of `one`.
    """
    a, t = one.anchors, one.splits["test"]
    scores = scores_between((first[a], second[a]), (first[t], second[t]), share, p)
    return first_is_right(scores, [one.captions[i] for i in t]), scores


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


def differences(encoders, methods, fewest=0) -> pd.DataFrame:
    """Return the stored differences of ``languages.csv`` in points of R@1, English → language, with their intervals.

    A row is a language and a number of pairs, at least `fewest`; a column is one of the methods.
    """
    stored = stored_table("languages").query("measure == 'R@1, English → language'")
    rows = stored[(stored.encoders == encoders) & (stored["size"] >= fewest)]
    ends = "{difference:+.1f} [{difference_low:+.1f}, {difference_high:+.1f}]"
    points = rows.filter(like="difference") * 100
    said = [ends.format(**row) for row in points.to_dict("records")]
    asked = rows.language + ", " + rows["size"].astype(str) + " pairs"
    table = rows.assign(said=said, asked=asked).pivot(index="asked", columns="method", values="said")
    return table.loc[asked.unique(), methods].rename_axis(index=None, columns="points of R@1, 95 %")
