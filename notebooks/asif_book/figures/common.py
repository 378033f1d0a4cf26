"""Figures that several chapters draw: charts, and scores as sums over anchors."""

import base64

import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures.palette import INK, LINES, SERIES, series_style
from asif_book.figures.style import alt, image_tag, legend_above, listed, per_cent, subplots
from asif_book.figures.templates import self_contained


def cosine_histograms(series, xlabel="cosine (no unit)") -> Figure:
    """Draw the distributions of several sets of cosines, given by name, as outlines of equal area."""
    figure, axis = subplots(figsize=(6.8, 3.4))
    series = {name: np.ravel(values) for name, values in series.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(series.values())), bins=41)
    for (name, values), colour, line in zip(series.items(), SERIES, LINES, strict=False):
        density, _ = np.histogram(values, edges, density=True)
        axis.stairs(density, edges, color=colour, linestyle=line, linewidth=1.5, label=name)
    axis.set(xlabel=xlabel, ylabel="density (area of each: 1)")
    legend_above(figure, axis)
    words = listed(f"{name}, mean {v.mean():.3f}, standard deviation {v.std():.2f}" for name, v in series.items())
    return alt(figure, f"Outlines of distributions, {xlabel}: {words}")


SHOWN = 10
"""Anchors that have a row of their own in `score_ledger`; the others share a row."""


def score_ledger(model, picture, caption, z, labels, prompts) -> HTML:
    """Draw the scores of a picture and two labels as sums over anchors, a row for each of the largest products.

    Without scripts it is a table. A script adds a box to each row that takes the anchor out of the model: others enter
    the top k, and all entries are normalised again, as by `asif_lib.explain.without`. If the model corrects for hubs or
    whitens, there are no boxes, because these depend on all anchors.

    Parameters
    ----------
    model : ASIF
    picture : picture
    caption : str
    z : Tensor of shape (1, d_image)
        The embedding of the picture.
    labels : list of two str
    prompts : Tensor of shape (2, d_text)
        The embeddings of one prompt for each label.
    """
    image, texts = model.images(z).to_dense()[0], model.texts(prompts).to_dense()
    products = texts * image  # (2, n)
    scores, order = products.sum(dim=1).tolist(), products.amax(dim=0).argsort(descending=True, stable=True)
    shown = [a for a in order[:SHOWN].tolist() if products[:, a].any()]
    captions, pictures = (model.bank.pairs[column].tolist() for column in ("caption", "picture"))
    more = int(products.any(dim=0).sum()) - len(shown)
    rows = [
        {
            "anchor": a, "caption": captions[a], "entry": float(image[a]),
            "factors": list(zip(texts[:, a].tolist(), products[:, a].tolist(), strict=True)),
            "picture": image_tag(pictures[a], "the anchor's picture", 72),
        }
        for a in shown
    ]  # fmt: skip
    numbers = not (model.settings.hubs or model.settings.whiten) and {
        "labels": labels, "k": model.k, "p": model.p, "center": model.settings.center,
        "anchors": [(a, captions[a]) for a in shown],
        "sides": [_products(model, *side, shown) for side in zip(model.bank.sides, (z, prompts), strict=True)],
    }  # fmt: skip
    rests = (products.sum(dim=1) - products[:, shown].sum(dim=1)).clamp_min(0).tolist()
    return self_contained(
        "figures/ledger", scripts=("page/model.js", "page/ledger.js"), picture=image_tag(picture, caption, 128),
        caption=caption.rstrip("."), rows=rows, labels=labels, scores=scores, rests=rests, numbers=numbers,
        more=f"{more} more anchor{'s' * (more != 1)}", words=f"The answer is “{labels[scores.index(max(scores))]}”.",
        largest=float(products.max()) or 1,
    )  # fmt: skip


def _products(model, side, z, shown) -> list:
    """Inner products of the anchors as base64 of float32 (m, n): with questions, themselves, their sum, the shown.

    All are centred by the mean of all anchors first, which saves digits. The last item has the questions' squares.
    """
    center = model.settings.center
    rows, z = (each.double() - center * model.bank.mean(side).double() for each in (model.bank.matrix(side), z))
    moved = rows * center  # without centring, no removal moves the mean
    lines = torch.cat([z @ rows.T, rows.square().sum(1)[None], moved.sum(0)[None] @ rows.T, moved[shown] @ rows.T])
    return [base64.b64encode(lines.numpy().astype("<f4")).decode(), z.square().sum(dim=1).tolist()]


def in_thousands(v, _=None) -> str:
    """Write a number for an axis: 640, 10k or 1.6M."""
    return f"{v / 1e6:g}M" if v >= 1e6 else f"{v / 1e3:g}k" if v >= 1e3 else f"{v:g}"


def line_chart(
    series, *, xlabel, ylabel, logx=None, logy=False, percent=False, marks=None, theory=None, title=None
) -> Figure:
    """Draw curves by name, each with a marker and a line style of its own.

    Parameters
    ----------
    series : dict of str to (x, y)
    xlabel, ylabel : str
    logx : float, optional
        The base of a logarithmic x axis.
    logy, percent : bool
        Whether the y axis is logarithmic, and whether the y are fractions.
    marks : dict of str to float, optional
        The x of vertical dotted lines.
    theory : dict of str to (x, y), optional
        Lines without markers. The series are then markers on them, the first ones rings.
    title : str, optional
    """
    theory = theory or {}
    figure, axis = subplots(figsize=(7, 4))
    axis.set_title(title)
    for (name, (x, y)), line in zip(theory.items(), LINES, strict=False):
        axis.plot(x, y, color=INK, linestyle=line, linewidth=1.2, label=name)
    for i, (name, (x, y)) in enumerate(series.items()):
        look = series_style(i, 1 if theory else len(x)) | {"linestyle": ["-", "--", "-.", ":"][i % 4]}
        if theory:
            look |= {"linestyle": "none", "markersize": 6 if i else 12, "fillstyle": "full" if i else "none"}
        axis.plot(x, y, label=name, **look)
    if logx:
        axis.set_xscale("log", base=logx)
        axis.xaxis.set_major_formatter(in_thousands)
    if logy:
        axis.set_yscale("log")
    if percent:
        axis.yaxis.set_major_formatter(per_cent)
    for name, x in (marks or {}).items():
        axis.axvline(x, color=INK, linestyle=":", linewidth=1)
        axis.text(x, 1, f" {name}", transform=axis.get_xaxis_transform(), va="bottom", ha="center", fontsize=9)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(alpha=0.3)
    legend_above(figure, axis)
    points = {name: list(zip(x, y, strict=True))[:: 1 + len(x) // 12] for name, (x, y) in (series | theory).items()}
    words = listed(f"{name}: " + ", ".join(f"{v:.3g} at {at:g}" for at, v in xy) for name, xy in points.items())
    return alt(figure, f"Curves, {' '.join(ylabel.split())} against {xlabel}. {words}")
