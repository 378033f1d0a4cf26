"""The explanation, the counterfactual and the history of the explorer, as HTML and as words."""

from functools import lru_cache

from markupsafe import Markup

from asif_book.figures.palette import ANCHOR, PICTURE, TEXT
from asif_book.figures.style import image_tag
from asif_book.widgets.parts import TEMPLATES, bare
from asif_book.widgets.upload import ranking
from asif_lib.errors import PictureError

MOST_ENTERED = 8
SIDE, TILE = 56, 64
COLOURS = {"picture": PICTURE, "text": TEXT, "product": ANCHOR}
thumbnail = lru_cache(1000)(image_tag)
"""`image_tag`, which need not open a picture of the page again."""
PAGE = TEMPLATES.get_template("explore/explorer.html.j2").module
"""The macros of the page, as functions that return HTML."""


def picture_tag(picture, alt="", side=SIDE) -> Markup:
    """Return a thumbnail as HTML, or words if the file is missing."""
    try:
        return thumbnail(picture, alt, side)
    except PictureError:
        return Markup(f'<span style="flex: none; width: {side}px">no picture file</span>')


def tile(copy, id) -> dict:
    """Return a pair's or an upload's tile of the `Gallery`; the caption stands in place of a missing picture."""
    file, name = copy.file_of(id), copy.name_of(id)
    name = f"uploaded: {name}" if id in copy.uploads else name
    try:
        picture = thumbnail(file, name, TILE) if file else None
    except PictureError:
        picture = None
    return {"id": id, "title": f"{name} · {id}", "picture": picture or Markup("<span>{}</span>").format(name)}


def near_words(explanation, coverage) -> str:
    """Return how similar the picture is to the anchors, in sentences, by the rule of chapter 06.

    Examples
    --------
    The most similar anchor is “An otter”, with a cosine of 0.71.
    """
    caption = bare(explanation.model.bank.pairs["caption"][explanation.nearest])
    nearest = f"The most similar anchor is “{caption}”, with a cosine of {explanation.familiarity:.2f}."
    if coverage is None:
        return f"{nearest} The bank has too few pictures to say what is unlike all of them."
    if not coverage.unfamiliar(explanation.familiarity):
        return nearest
    return (
        f"⚠ “I have never seen anything like it”: the picture is unlike anything in the bank. {nearest} "
        f"For only {coverage.false_alarm:.0%} of the bank's own pictures, the most similar other picture has a cosine "
        f"below {coverage.threshold:.2f}. Do not trust the ranking."
    )


def ranking_html(explanation, picture, name) -> str:
    """Return the picture, and the labels with their scores, as HTML."""
    answer = explanation.answer
    return PAGE.answer(name, picture_tag(picture, name, 128), ranking(answer.labels, answer.scores[0]))


def ranking_words(explanation) -> str:
    """Return the ranking in a sentence, for screen readers.

    Examples
    --------
    “an otter” is first with 0.512, “a beaver” is second with 0.301. Of 792 anchors, 34 contribute to the two.
    """
    (first, score), *others = explanation.ranking
    if score <= 0:
        return "Nothing decides: the picture shares no anchor with any label."
    words = f"“{first}” is first with {score:.3f}"
    words += f", “{others[0][0]}” is second with {others[0][1]:.3f}. " if others else ". "
    of = "the two" if others else "it"
    return words + f"Of {len(explanation.model.bank)} anchors, {len(explanation.anchors)} contribute to {of}."


def anchor_columns(explanation) -> list:
    """Return the heads of the table of anchors."""
    first, *others = [label for label, _ in explanation.ranking]
    return ["Anchor", f"to “{first}”", *([f"to “{others[0]}”", "difference"] if others else [])]


def anchor_rows(explanation, anchors) -> list:
    """Return rows of ``explanation.anchors`` as `AnchorTable` shows them."""
    whole, sides = explanation.anchors, ["first", "second"][: len(explanation.order)]
    entries = max(whole[column].max() for column in ("entry", "first_entry", "second_entry"))
    longest = entries, entries, max(whole["first"].max(), whole["second"].max())
    rows = []
    for anchor in anchors.to_dict("records"):
        numbers = [
            PAGE.product((anchor["entry"], anchor[f"{side}_entry"], anchor[side]), longest, COLOURS) for side in sides
        ]
        if len(sides) > 1:
            numbers.append(f"{anchor['difference']:.4f}")
        row = {key: anchor[key] for key in ("id", "caption")}
        rows.append(row | {"picture": picture_tag(anchor["picture"]), "numbers": numbers})
    return rows


def without_words(explanation, without) -> str:
    """Return the counterfactual in a sentence, for screen readers."""
    before, after = explanation.ranking[0], without.scores[0].max(dim=0)
    count = len(without.removed)
    start = f"Without the ticked anchor{'s' if count > 1 else ''} ({count})"
    if after.values <= 0:
        return f"{start} nothing decides."
    label = explanation.answer.labels[int(after.indices)]
    if label == before[0]:
        return f"{start} “{label}” stays first, with {after.values:.3f} instead of {before[1]:.3f}."
    return f"{start} “{label}” would be first, with {after.values:.3f}; “{before[0]}” no longer is."


def without_html(explanation, without) -> str:
    """Return the scores with and without the removed anchors, and the anchors that enter, as HTML."""
    labels, pairs, entered = explanation.answer.labels, explanation.model.bank.pairs, without.entered
    order = without.scores[0].argsort(descending=True, stable=True).tolist()
    scores = [(labels[i], without.before[0, i].item(), without.scores[0, i].item()) for i in order]
    keys = [("image", 0), *(("text", row) for row in range(len(labels)))]
    parts = [entered[(entered.side == side) & (entered.row == row)] for side, row in keys]
    names = ["the picture", *(f"“{label}”" for label in labels)]
    figures = [
        [
            (picture_tag(pairs.picture[one.anchor], pairs.caption[one.anchor]),
             f"{one.entry:.4f} · {bare(pairs.caption[one.anchor])}")
            for one in part[:MOST_ENTERED].itertuples()
        ]
        for part in parts
    ]  # fmt: skip
    return PAGE.without(scores, list(zip(names, map(len, parts), figures, strict=True)), MOST_ENTERED)
