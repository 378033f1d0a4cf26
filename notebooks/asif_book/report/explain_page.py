"""The page of ``asif explain``: ledger, regions and a small removal, in one file that needs no network."""

from pathlib import Path

from markupsafe import Markup

from asif_book import figures as draw
from asif_book.figures.templates import filled
from asif_lib.errors import ParameterError
from asif_lib.explain.counterfactual import without
from asif_lib.explain.regions import shared_regions

from .page import stand_alone


def explain_page(row, model, asked, anchor, found) -> str:
    """Lay out the answer of ``asif explain``, `row`, as an HTML page.

    `asked` is the picture's embedding (1, d_image), the best two labels, and their prompts (2, d_text). The `anchor`
    speaks most for the best label, and `found` is of `smallest_removal`, or None.
    """
    draw.use_style()
    (z, two, prompts), pairs, picture = asked, model.bank.pairs, row["picture"]
    name, drawn, why_not = Path(picture).name, {}, ""
    try:
        regions = shared_regions(model, picture, anchor)
        views = [(picture, name, regions.question), (regions.picture, pairs.caption[anchor], regions.anchor)]
        drawn["regions"] = draw.important_regions(views)
    except ParameterError as error:
        regions, why_not = None, f"The regions are not shown: {error}."
    if found and found.anchors:
        result = without(model, z, prompts, found.anchors)
        came = result.entered[result.entered.side == "image"].anchor
        moved = [pairs.loc[list(rows), ["picture", "caption"]].values for rows in (found.anchors, came)]
        heading, scores = f"{name}\nwithout {len(found)} of {len(pairs)} anchors", (result.before, result.scores)
        drawn["removal"] = draw.scores_without(picture, heading, two, *(s[0].tolist() for s in scores), *moved)
    title = f"Why “{two[0]}” and not “{two[1]}”?"
    figures = {key: Markup(figure._repr_html_()) for key, figure in drawn.items()}
    ledger = Markup(draw.score_ledger(model, picture, name, z, two, prompts).data)
    about = {"title": title, "name": name, "row": row, "model": model, "found": found, "regions": regions}
    content = filled("report/templates/explain.html.j2", figures=figures, ledger=ledger, why_not=why_not, **about)
    return stand_alone(title, content)
