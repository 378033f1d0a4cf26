"""The page of ``asif explain``: ledger, regions, contrast and smallest removal, in one file that needs no network."""

from pathlib import Path

from bs4 import BeautifulSoup
from markupsafe import Markup

from asif_book import figures as draw
from asif_book.figures.style import image_html
from asif_book.figures.templates import filled
from asif_lib.explain.contribution import contrast
from asif_lib.explain.counterfactual import without

from . import page as pages


def explain_page(row, model, asked, anchor, found, regions) -> str:
    """Lay out an explanation as an HTML page.

    Parameters
    ----------
    row : dict
        The answer of ``asif explain``, as in JSON.
    model : ASIF
    asked : (Tensor of shape (1, d_image), list of two str, Tensor of shape (2, d_text))
        The picture, the best label and the next one, and their prompts.
    anchor : int
        The anchor that speaks most for the best label.
    found : SmallestRemoval, optional
    regions : SharedRegions, optional
        Of the picture and this anchor.
    """
    draw.use_style()
    (z, two, prompts), pairs, picture = asked, model.bank.pairs, row["picture"]
    name, texts = Path(picture).name, model.texts(prompts)
    title = f"Why “{two[0]}” and not “{two[1]}”?"
    figures = {"regions": None, "removal": None}
    if regions:
        views = [(picture, name, regions.question), (regions.picture, pairs.caption[anchor], regions.anchor)]
        figures["regions"] = draw.important_regions(views)
    sides = draw.strongest(contrast(model.images(z), texts[[0]], texts[[1]], pairs), len(row["for"]))
    about = {"xlabel": "difference of the products (no unit)", "sides": two[::-1]}
    figures["contrast"] = draw.anchor_bars(picture, name, sides.itertuples(index=False), **about)
    if found and found.anchors:
        result = without(model, z, prompts, found.anchors)
        came = result.entered[result.entered.side == "image"].anchor
        moved = [pairs.loc[list(rows), ["picture", "caption"]].values for rows in (found.anchors, came)]
        heading, scores = f"{name}\nwithout {len(found)} of {len(pairs)} anchors", (result.before, result.scores)
        figures["removal"] = draw.scores_without(picture, heading, two, *(s[0].tolist() for s in scores), *moved)
    content = filled(
        "report/templates/explain.html.j2", title=title, name=name, row=row, found=found, regions=regions,
        figures={key: image_html(figure, figure.alt) for key, figure in figures.items() if figure},
        ledger=Markup(draw.score_ledger(model, picture, name, z, two, prompts).data), model=model,
    )  # fmt: skip
    body = BeautifulSoup(content, "html.parser")
    around = {"sections": pages.sections(body), "chapters": (), "more": (), "current": "index"}
    pages.make_accessible(body)
    html = Markup(body.decode(formatter="minimal"))
    return pages.layout("chapter.html.j2", title=title, body=html, repeated=False, previous=None, next=None, **around)
