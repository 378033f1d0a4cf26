"""timm's evaluation transform, resampling only the pixels that it keeps, where that gives the same bits.

timm scales a picture until its shorter side fits, and then discards all but the centre. Pillow can resample the
centre alone, given as a box in the coordinates of the large picture. For most shapes the result differs, for two
reasons. Pillow holds the box in single precision: an edge between two such numbers shifts every weight a little.
From version 13 on, Pillow starts with rows or with columns, whichever is cheaper for this box, and rounds in between.
A square with an exact box is safe: the order and the weights are those of the whole picture.
"""

import math

from timm.data.transforms import MaybeToTensor
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize
from torchvision.transforms.functional import pil_modes_mapping as PIL_MODES


def only_the_crop(transform):
    """Return a function that gives the same bits as `transform`, and takes less time for square pictures.

    A transform with other steps than timm's usual ones is returned as it is.

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
    left, top = round((side - width) / 2), round((side - height) / 2)  # as CenterCrop rounds
    kept = left, top, left + width, top + height

    def quick(image):
        if image.width != image.height or not _box_is_exact(image.width, side):
            return transform(image)
        box = [edge * image.width / side for edge in kept]
        return normalise(to_tensor(image.resize((width, height), resample, box=box)))

    return quick


def _box_is_exact(old, new):
    """Whether multiples of old / new, up to `old`, are float32 numbers.

    This holds if the denominator of the reduced fraction is a power of two and old · denominator fits into 24 bits.
    The distance between two centres is then exact too.
    """
    denominator = new // math.gcd(old, new)
    return denominator & (denominator - 1) == 0 and old * denominator < 2**24
