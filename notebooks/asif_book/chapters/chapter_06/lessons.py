"""Helpers of chapter 06: hide one region of a picture after another and encode again.

This is occlusion (Zeiler and Fergus, ECCV 2014). No gradient is needed, so it works with every encoder of PIL images.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import ParameterError
from asif_lib.machine import chunks_of, progress_bar
from asif_lib.relative import relative_representation

GRID, AT_A_TIME, MOST_PIXELS = 8, 16, 1_024
"""Regions along the longer side of a picture, copies in memory, and pixels along it: a larger one is scaled down."""
SAME = 0.999
"""The smallest cosine of an anchor's picture, encoded again, with the bank's embedding of it."""


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
