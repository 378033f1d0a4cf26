"""Which region of a picture counts: hide one after another and encode again (occlusion; Zeiler and Fergus, ECCV 2014).

No gradient is needed, so this works with every encoder of PIL images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.pictures import PictureFile, open_picture
from asif_lib.errors import ParameterError
from asif_lib.machine import chunks_of, progress_bar
from asif_lib.relative import relative_representation

GRID, AT_A_TIME = 8, 16
"""Regions along the longer side of a picture, and copies of it in memory."""
MOST_PIXELS = 1_024
"""Pixels along the longer side; a larger picture is scaled down first."""
SAME = 0.999
"""The smallest cosine of an anchor's picture, encoded again, with the bank's embedding of it."""


def hidden(picture, regions) -> Image.Image:
    """Return an RGB copy of a picture, some regions of which have the colour of its edge: the median of its pixels.

    This is white for a cut-out that stands on white, or is padded with it. `regions` is a Tensor or array
    (rows, cols), bool: the picture is divided into a grid of this shape.

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

    A negative drop says that the value rises. The picture is encoded once for each region, through the cache: 64 copies
    take about a second with the default encoder on a core. A region that the encoder itself crops away has no drop.

    Raises as `hidden`, and `ParameterError` if `grid` is not positive.

    Parameters
    ----------
    encoder : as for `embed`
        It gets PIL images.
    picture : a picture
    value : function
        From embeddings (b, d) to values (b,), such as the contribution of an anchor, or the score of a label.
    grid : int
        Regions along the longer side; they are about square.
    progress : bool

    Examples
    --------
    >>> score = lambda z: model.images(z).similarity(model.texts(["a photo of a deer."]))[:, 0]
    >>> occlusion(model.encoder("image"), "doe.png", score).shape    # doctest: +SKIP
    torch.Size([8, 8])
    """
    if grid < 1:
        raise ParameterError(f"grid = {grid}: a picture has at least one region")
    picture = hidden(picture, np.zeros((1, 1), bool))  # scaled down once
    rows, cols = (max(1, round(grid * length / max(picture.size))) for length in picture.size[::-1])
    places, z = np.arange(rows * cols).reshape(rows, cols), []
    bar = progress_bar(total=rows * cols + 1, desc="hiding regions", unit="region", progress=progress)
    with bar:
        for part in chunks_of(range(-1, rows * cols), AT_A_TIME):  # region -1 is none
            z.append(embed(encoder, [hidden(picture, places == region) for region in part], progress=False))
            bar.update(len(part))
    values = value(torch.cat(z))
    return (values[0] - values[1:]).view(rows, cols)


@dataclass(frozen=True)
class SharedRegions:
    """The regions of a picture, and of an anchor's picture, that make the two similar."""

    cosine: float
    """Of the two pictures, centred if the model centres, and never whitened."""
    question: torch.Tensor
    """By how much it drops if a region of the picture is hidden, (rows, cols) float32."""
    anchor: torch.Tensor
    """By how much it drops if a region of the anchor's picture is hidden, likewise."""
    picture: PictureFile
    """The anchor's picture, as it was encoded."""


def shared_regions(model, picture, anchor, *, grid=GRID, progress=True) -> SharedRegions:
    """Hide the regions of a picture and of an anchor's picture, one at a time, while the other picture stays.

    The value is the cosine of the two, about the mean of the bank as it is. The picture's entry for this anchor is a
    power of it. A contribution would also move with all other entries, by the normalisation.

    Raises as `occlusion`, and `ParameterError` if the anchor's picture is not there, or not the one that was encoded.

    Parameters
    ----------
    model : ASIF
    picture : a picture
    anchor : int
        A position in the model's bank.
    grid, progress : as for `occlusion`
    """
    bank, side = model.bank, model.bank.sides[0]
    encoder, mean = model.encoder(side), bank.mean(side) if model.settings.center else None
    path = bank.pairs_at([anchor])["picture"].iloc[0]
    if not path or not Path(path).is_file():
        raise ParameterError(f"anchor {anchor}: its picture {path or 'has no file'} is not here, so it has no regions")
    files = [PictureFile(Path(path), square) for square in (False, True)]
    z = embed(encoder, [open_picture(item) for item in (picture, *files)], progress=False)  # (3, d)
    own = bank.rows(side).take([anchor]).float()  # (1, d)
    likeness = relative_representation(z[1:], own)[:, 0]  # (2,)
    if (likeness < SAME).all():
        raise ParameterError(f"{path}: is not the picture that was encoded as anchor {anchor}; build the bank again")
    file = files[int(likeness.argmax())]

    def drops(item, other):
        about = {"grid": grid, "progress": progress}
        return occlusion(encoder, item, lambda z: relative_representation(z, other, mean=mean)[:, 0], **about)

    cosine = float(relative_representation(z[:1], own, mean=mean))
    return SharedRegions(cosine, drops(picture, own), drops(file, z[:1]), file)
