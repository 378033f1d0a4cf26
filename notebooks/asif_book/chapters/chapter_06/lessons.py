"""Helpers of chapter 06: test the order of an explanation by deletion and insertion, and hide regions of a picture.

The second is occlusion (Zeiler and Fergus, ECCV 2014). No gradient is needed, so it works with every encoder of PIL
images.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_with_interval
from asif_lib.explain.counterfactual import Decision, without
from asif_lib.explain.removals import TOLERANCE
from asif_lib.machine import WORTH_A_LINE, chunks_of, progress_bar
from asif_lib.relative import relative_representation

GRID, AT_A_TIME, MOST_PIXELS = 8, 16, 1_024
"""Regions along the longer side of a picture, copies in memory, and pixels along it: a larger one is scaled down."""
SAME = 0.999
"""The smallest cosine of an anchor's picture, encoded again, with the bank's embedding of it."""


def faithfulness_curves(
    model, pictures, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, steps=10, orders=5, seed=0
) -> pd.DataFrame:
    """Remove the anchors of an explanation step by step, or bring them back (Petsiuk et al., RISE, 2018).

    For each picture the anchors that contribute to its predicted label are removed in the order of their
    contributions, and in random orders, as by `without`. Insertion starts without all of these anchors and brings them
    back in the same orders. All curves of a picture use the same anchors; only the order differs.

    Columns: ``picture``, ``curve`` ("deletion" or "insertion"), ``order`` ("contribution" or "random"), ``repeat`` (the
    number of the random order), ``fraction`` (of the anchors, removed or brought back), ``anchors`` (their number),
    ``score`` (of the label, as a share of its score with all anchors), ``stays`` (whether it is highest). Raises
    `ParameterError` if nothing decides a picture, or as `smallest_removal`.

    Parameters
    ----------
    model, pictures, labels, templates, prompts : ASIF, and as for its `classify`
    steps, orders, seed : int
        Points of a curve after the first; random orders for each picture, and their seed.
    """
    if steps < 1 or orders < 1:
        raise ParameterError(f"steps = {steps}, orders = {orders}: a curve needs at least one of each")
    z_image = model.embeddings(model.bank.sides[0], pictures)
    if not len(z_image):
        raise ParameterError("there are no pictures to draw curves of")
    z_text = model.prompts(labels, templates, prompts)
    random = np.random.default_rng(seed)
    bar = progress_bar(range(len(z_image)), desc="curves", unit="picture", delay=WORTH_A_LINE)
    tables = [_of_picture(Decision(model, z_image[[i]], z_text, labels), steps, orders, random) for i in bar]
    return pd.concat(tables, keys=range(len(tables)), names=["picture"]).reset_index("picture").reset_index(drop=True)


def area_between(table) -> dict:
    """Return the area between the curve in the order of the contributions and the mean random one.

    The `table` is from `faithfulness_curves`. The area is summed by trapezoids over the fraction. It is positive if the
    order of the contributions is better: lower in deletion, higher in insertion. The result has a `Measure` for
    "deletion" and for "insertion": the mean over pictures with its 95 % interval.
    """
    areas = table.groupby(["curve", "picture", "order", "repeat"]).apply(
        lambda curve: np.trapezoid(curve.score, curve.fraction), include_groups=False
    )
    areas = areas.groupby(["curve", "picture", "order"]).mean().unstack("order")
    gain = areas.contribution - areas.random
    return {"deletion": mean_with_interval(-gain["deletion"]), "insertion": mean_with_interval(gain["insertion"])}


def _of_picture(decision, steps, orders, random):
    anchors = decision.anchors()
    m, n, k = len(anchors), len(decision.model.bank), decision.model.k
    if n - m < k:
        fault = f"without the {m} anchors that contribute, {n - m} of {n} are left, fewer than the k = {k} of the model"
        raise ParameterError(f"{fault}; take a model with a smaller k")
    counts = np.unique(np.linspace(0, m, steps + 1).round().astype(int))
    plans = [("contribution", 0, np.arange(m))]
    plans += [("random", repeat, random.permutation(m)) for repeat in range(orders)]
    rows, sets = [], []
    for order, repeat, positions in plans:
        places = positions.argsort()
        for count in counts:
            rows += [(curve, order, repeat, count / m, count) for curve in ("deletion", "insertion")]
            sets += [places < count, places >= count]
    scores = _scores(decision, torch.from_numpy(anchors).long(), torch.from_numpy(np.stack(sets)))
    table = pd.DataFrame(rows, columns=["curve", "order", "repeat", "fraction", "anchors"])
    table["score"] = (scores[:, decision.position] / float(decision.scores[decision.position])).numpy()
    table["stays"] = (decision.leads(scores) > 0).numpy()
    return table


def _scores(decision, anchors, sets):
    """Return the (b, c) scores of the labels without each of b sets of the anchors, (b, m) bool."""
    sets, place = sets.unique(dim=0, return_inverse=True)  # all curves share their ends
    scores, ties = decision.removals(anchors, len(anchors)).scores(sets)
    for row in (ties > TOLERANCE).nonzero()[:, 0].tolist():
        gone = anchors[sets[row]].tolist()
        scores[row] = without(decision.model, decision.z_image, decision.z_text, gone).scores[0]
    return decision.of_labels(scores)[place]


def hidden(picture, regions) -> Image.Image:
    """Return an RGB copy of a picture, some regions of which have the colour of its edge: the median of its pixels.

    This is white for a cut-out on white. `regions` is a Tensor or array (rows, cols), bool: a grid over the picture.

    Raises `PictureError` as `open_picture`, and `ParameterError` if the grid is finer than the pixels.
    """
    image, regions = open_picture(picture), np.asarray(regions)
    image.thumbnail((MOST_PIXELS, MOST_PIXELS))
    rows, cols = regions.shape
    if rows > image.height or cols > image.width:
        size = f"a picture of {image.width} × {image.height} pixels is too small for {cols} × {rows} regions"
        raise ParameterError(f"{size}; take a smaller grid, or a larger picture")
    pixels = np.array(image)  # (height, width, 3)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    down, across = (np.arange(length) * n // length for length, n in zip(pixels.shape, (rows, cols), strict=False))
    pixels[regions[down][:, across]] = np.median(edge, axis=0).round()
    return Image.fromarray(pixels)


def occlusion(encoder, picture, value, *, grid=GRID, progress=True) -> torch.Tensor:
    """Return by how much a value of the picture drops if one region is hidden, (rows, cols) float32.

    The picture is encoded once for each region, through the cache: 64 copies take about a second with the default
    encoder on a core. A region that the encoder crops away has no drop; below 0, the value rises. Raises as `hidden`.

    Parameters
    ----------
    encoder, picture, progress : as for `embed`
        The encoder gets PIL images.
    value : function
        From embeddings (b, d) to a Tensor (b,), such as the contribution of an anchor, or the score of a label.
    grid : int
        Regions along the longer side; they are about square.
    """
    picture = hidden(picture, np.zeros((1, 1), bool))  # scaled down once
    rows, cols = (max(1, round(grid * length / max(picture.size))) for length in picture.size[::-1])
    places, z = np.arange(rows * cols).reshape(rows, cols), []
    with progress_bar(total=rows * cols + 1, desc="hiding regions", unit="region", progress=progress) as bar:
        for part in chunks_of(range(-1, rows * cols), AT_A_TIME):  # with -1, no region is hidden
            z.append(embed(encoder, [hidden(picture, places == region) for region in part], progress=False))
            bar.update(len(part))
    values = value(torch.cat(z))
    return (values[0] - values[1:]).view(rows, cols)


def without_a_quarter(encoder, picture, value, random) -> dict:
    """Return by how much the value of `occlusion` drops without a quarter of the regions, by how they were chosen.

    They are the most important ones; random ones, and random ones of those that are not blank, as means of three draws.
    """
    drops = occlusion(encoder, picture, value, grid=6, progress=False).numpy()  # (rows, cols)
    counts, places = abs(drops) > 1e-4, np.arange(drops.size)
    most, full = counts & (drops >= np.quantile(drops, 0.75)), np.flatnonzero(counts)  # a blank region is no top one
    drawn = [random.permutation(regions)[: most.sum()] for regions in (places, full) for _ in range(3)]
    sets = [most & False, most, *(np.isin(places, some).reshape(most.shape) for some in drawn)]
    values = value(embed(encoder, [hidden(picture, regions) for regions in sets], progress=False))  # (8,)
    falls = (values[0] - values[1:]).tolist()
    return {
        "most important": falls[0],
        "random": np.mean(falls[1:4]),
        "random, not blank": np.mean(falls[4:]),
    }


class SharedRegions(NamedTuple):
    """The `cosine` of a picture with the `picture` of an anchor, and its drops if a region of either is hidden."""

    cosine: float
    question: torch.Tensor  # (rows, cols) float32, the drops for regions of the picture
    anchor: torch.Tensor  # the same for regions of the anchor's picture
    picture: Path


def shared_regions(model, picture, anchor, *, grid=GRID, progress=True) -> SharedRegions:
    """Hide the regions of a picture and of an anchor's picture, one at a time, while the other picture stays.

    The value is their cosine, centred if the model centres and never whitened; a contribution would also move with all
    other entries. `anchor` is a position in the bank. Raises as `occlusion`, and `ParameterError` if the anchor's
    picture is not there or was changed.
    """
    bank, side = model.bank, model.bank.sides[0]
    encoder, mean = model.encoder(side), bank.mean(side) if model.settings.center else None
    path = bank.pairs_at([anchor])["picture"].iloc[0]
    if not path or not Path(path).is_file():
        raise ParameterError(f"anchor {anchor}: its picture is not here ({path or 'no file'}), so it has no regions")
    z = embed(encoder, [open_picture(item) for item in (picture, path)], progress=False)  # (2, d)
    own = bank.rows(side).take([anchor]).float()  # (1, d)
    if relative_representation(z[1:], own) < SAME:
        raise ParameterError(f"{path}: is not the picture that was encoded as anchor {anchor}; build the bank again")
    drops = [
        occlusion(encoder, item, partial(_cosines, other, mean), grid=grid, progress=progress)
        for item, other in ((picture, own), (path, z[:1]))
    ]
    return SharedRegions(float(_cosines(own, mean, z[:1])), *drops, Path(path))


def _cosines(other, mean, z):
    return relative_representation(z, other, mean=mean)[:, 0]  # (b,)
