"""What the explorer shows, as HTML: functions of an explanation, a counterfactual, a history."""

import html

from asif_lib.errors import PictureError
from asif_lib.widgets.parts import bare, image_tag
from asif_lib.widgets.upload import ranking

MOST_ENTERED = 8
SIDE = 56
TABLE = "border-collapse: collapse; line-height: 1.4"


def picture_tag(picture, alt="", side=SIDE) -> str:
    """A thumbnail, or words in its place where the file is no longer there."""
    try:
        return image_tag(picture, alt, side)
    except PictureError:
        return f'<span style="flex: none; width: {side}px">no picture file</span>'


def ranking_html(explanation, picture, name) -> str:
    """The picture, and the labels with their scores."""
    return (
        f'<div style="display: flex; flex-wrap: wrap; gap: 1.2em">{picture_tag(picture, name, 128)}'
        f"<div><h3 style='margin: 0 0 0.3em'>{html.escape(name)}</h3>"
        f"{ranking(explanation.answer.labels, explanation.answer.scores[0])}</div></div>"
    )


def ranking_words(explanation) -> str:
    """The outcome in a sentence, to be announced.

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
    """The heads of the table of anchors."""
    first, *others = [label for label, _ in explanation.ranking]
    return ["Anchor", f"to “{first}”", *([f"to “{others[0]}”", "difference"] if others else [])]


def anchor_rows(explanation, anchors) -> list:
    """Rows of ``explanation.anchors`` as `AnchorTable` shows them."""
    columns = ["first", "second", "difference"] if len(explanation.order) > 1 else ["first"]
    return [
        {
            "id": anchor["id"],
            "caption": anchor["caption"],
            "picture": picture_tag(anchor["picture"]),
            "numbers": [f"{anchor[column]:.4f}" if anchor[column] else "0" for column in columns],
        }
        for anchor in anchors.to_dict("records")
    ]


def without_words(explanation, without) -> str:
    """The counterfactual in a sentence, to be announced."""
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
    """The scores with and without the removed anchors, and what enters in their place."""
    labels = explanation.answer.labels
    rows = "".join(
        f"<tr><th scope='row' style='text-align: left; font-weight: normal'>{html.escape(labels[i])}</th>"
        f"<td style='padding: 0 1em'>{without.before[0, i]:.4f}</td><td>{without.scores[0, i]:.4f}</td></tr>"
        for i in without.scores[0].argsort(descending=True, stable=True).tolist()
    )
    head = "<tr><th scope='col' style='text-align: left'>label</th><th scope='col' style='padding: 0 1em'>now</th>"
    table = (
        f"<table style='{TABLE}'><thead>{head}<th scope='col'>without</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    pairs, entered = explanation.model.bank.pairs, without.entered
    parts = [_entered("the picture", entered[entered.side == "image"], pairs)]
    for row, label in enumerate(labels):
        parts.append(_entered(f"“{label}”", entered[(entered.side == "text") & (entered.row == row)], pairs))
    return table + "".join(parts)


def _entered(side, entered, pairs):
    start = f"<p style='margin: 0.6em 0 0.2em'>New in the top k of {html.escape(side)}: "
    if not len(entered):
        return f"{start}none.</p>"
    figures = ""
    for anchor, entry in zip(entered.anchor[:MOST_ENTERED], entered.entry[:MOST_ENTERED], strict=True):
        caption = pairs.caption[anchor]
        figures += (
            f'<figure style="width: 7em; margin: 0; line-height: 1.3">{picture_tag(pairs.picture[anchor], caption)}'
            f"<figcaption>{entry:.4f} · {html.escape(bare(caption))}</figcaption></figure>"
        )
    more = f", the first {MOST_ENTERED} of which are shown" if len(entered) > MOST_ENTERED else ""
    return f'{start}{len(entered)}{more}.</p><div style="display: flex; flex-wrap: wrap; gap: 0.8em">{figures}</div>'


def history_html(table) -> str:
    """The versions of the working copy, the newest first."""
    rows = "".join(
        f"<tr style='vertical-align: top'><td>{row['version']}</td>"
        f"<td style='white-space: nowrap'>{row['time'][11:19]}</td>"
        f"<td style='overflow-wrap: anywhere; padding-right: 1em'>{html.escape(row['change'])}</td>"
        f"<td>{row['count']}</td></tr>"
        for row in table[::-1].to_dict("records")
    )
    heads = "".join(
        f"<th scope='col' style='text-align: left; padding-right: 1em'>{head}</th>"
        for head in ("Version", "Time (UTC)", "Change", "Anchors")
    )
    return f"<table style='{TABLE}'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def changes_html(changes, name) -> str:
    """What saving would do to the stored bank."""
    lines = [f"<li>{row.change}: {html.escape(bare(row.caption))} <code>{html.escape(row.id)}</code></li>"
             for row in changes.itertuples()]  # fmt: skip
    return (
        f"<p>This changes the stored bank {html.escape(name)} on disk, for every program that uses it. "
        f"<code>asif bank undo {html.escape(name)}</code> takes it back, one step for the removals, one for the "
        f"additions.</p><ul style='overflow-wrap: anywhere'>{''.join(lines)}</ul>"
    )
