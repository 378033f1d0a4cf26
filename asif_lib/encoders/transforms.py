"""timm's evaluation transform, resampling only the pixels that it keeps, where that gives the same bits.

timm scales a picture until its shorter side fits, and then discards all but the centre. Pillow can resample the
centre alone, given as a box in the coordinates of the large picture. For most shapes the result differs, for two
reasons. Pillow holds the box in single precision: an edge between two such numbers shifts every weight a little.
From version 13 on, Pillow starts with rows or with columns, whichever is cheaper for this box, and rounds in between.
A square with an exact box is safe: the order and the weights are those of the whole picture.

An elongated picture is resampled in the box too, at the price of a few last bits. Scaled as a whole, 20,000 × 2
pixels would take 2.6 GB.
"""

import math

from timm.data.transforms import MaybeToTensor
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize
from torchvision.transforms.functional import pil_modes_mapping as PIL_MODES

MOST_ELONGATED = 16
"""The longest proportion of the sides up to which the pixels are timm's own, bit for bit."""
SUPPORT = 4
"""Pixels to each side that a filter reads when it enlarges: three for Lanczos, the widest, and one for rounding."""


def only_the_crop(transform):
    """Return a function that gives the pixels of `transform`, in less time for squares and little memory for any shape.

    Up to the proportion `MOST_ELONGATED` they are the same bits. A transform with other steps than timm's usual ones
    is returned as it is.

    Parameters
    ----------
    transform : callable
        From an RGB PIL image to a (3, h, w) float32 tensor, such as ``timm.data.create_transform`` makes.
    """
    steps = transform.transforms if isinstance(transform, Compose) else []
    if [type(step) for step in steps] != [Resize, CenterCrop, MaybeToTensor, Normalize]:
        return transform
    resize, crop, to_tensor, normalise = steps
    side, (height, width) = resize.size, crop.size
    if not isinstance(side, int) or max(height, width) > side:
        return transform
    resample = PIL_MODES[resize.interpolation]

    def quick(image):
        shorter, longer = sorted(image.size)
        scaled = [side * edge // shorter for edge in image.size]  # as Resize and then CenterCrop round
        starts = [round((new - kept) / 2) for new, kept in zip(scaled, (width, height), strict=True)]
        ends = starts[0] + width, starts[1] + height
        box = [edge * old / new for edge, old, new in zip((*starts, *ends), image.size * 2, scaled * 2, strict=True)]
        if longer > MOST_ELONGATED * shorter:
            image, box = _cut(image, box, SUPPORT * max(1, shorter / side))
        elif longer > shorter or not _box_is_exact(longer, side):
            return transform(image)
        return normalise(to_tensor(image.resize((width, height), resample, box=box)))

    return quick


def _cut(image, box, margin):
    """Cut a picture down to the box and a margin, since single precision is too coarse for a box far from the corner.

    Returns the smaller picture, and the box in its coordinates.
    """
    left, top = (max(0, math.floor(edge - margin)) for edge in box[:2])
    right, bottom = (min(old, math.ceil(edge + margin)) for edge, old in zip(box[2:], image.size, strict=True))
    return image.crop((left, top, right, bottom)), [box[0] - left, box[1] - top, box[2] - left, box[3] - top]


def _box_is_exact(old, new):
    """Whether multiples of old / new, up to `old`, are float32 numbers.

    This holds if the denominator of the reduced fraction is a power of two and old · denominator fits into 24 bits.
    The distance between two centres is then exact too.
    """
    denominator = new // math.gcd(old, new)
    return denominator & (denominator - 1) == 0 and old * denominator < 2**24
