"""timm's evaluation transform without timm, which takes seconds to import, and in little memory for any shape.

timm scales a picture until its shorter side fits, and then discards all but the centre. Scaled as a whole, a picture of
20,000 × 2 pixels would take 2.6 GB. So Pillow resamples only the centre of an elongated picture, given as a box in the
coordinates of the large picture. It holds the box in single precision, so a few last bits differ.
"""

import math

import numpy as np
import torch
from PIL import Image

MOST_ELONGATED = 16
"""The longest proportion of the sides up to which the pixels are timm's own, bit for bit."""
SUPPORT = 4
"""Pixels to each side that a filter reads when it enlarges: three for Lanczos, the widest, and one for rounding."""


class CentreCrop:
    """The pixels of timm's evaluation transform; up to the proportion `MOST_ELONGATED` they are the same bits.

    Parameters
    ----------
    side : int
        Pixels of the shorter side after scaling.
    size : (int, int)
        Height and width of the crop, at most `side`.
    resample : PIL.Image.Resampling
    mean, std : sequence of 3 floats
    """

    def __init__(self, side, size, resample, mean, std):
        self.side, (self.height, self.width), self.resample = side, size, resample
        self.mean, self.std = (torch.as_tensor(each, dtype=torch.float32).view(3, 1, 1) for each in (mean, std))

    def __call__(self, image) -> torch.Tensor:
        """Return the (3, height, width) float32 tensor of an RGB PIL image."""
        pixels = torch.from_numpy(np.array(self._crop(image))).permute(2, 0, 1).contiguous()
        return pixels.float().div_(255).sub_(self.mean).div_(self.std)

    def _crop(self, image):
        size, (shorter, longer) = (self.width, self.height), sorted(image.size)
        scaled = [self.side * edge // shorter for edge in image.size]  # as torchvision's Resize and CenterCrop round
        starts = [round((new - kept) / 2) for new, kept in zip(scaled, size, strict=True)]
        ends = [start + kept for start, kept in zip(starts, size, strict=True)]
        if longer <= MOST_ELONGATED * shorter:
            return image.resize(scaled, self.resample).crop((*starts, *ends))
        box = [edge * old / new for edge, old, new in zip((*starts, *ends), image.size * 2, scaled * 2, strict=True)]
        image, box = _cut(image, box, SUPPORT * max(1, shorter / self.side))
        return image.resize(size, self.resample, box=box)


def centre_crop(config) -> CentreCrop:
    """Return the transform of a timm data config that scales by ``crop_pct`` and crops the centre."""
    size, resample = config["input_size"][1:], Image.Resampling[config["interpolation"].upper()]
    return CentreCrop(math.floor(size[0] / config["crop_pct"]), size, resample, config["mean"], config["std"])


def only_the_crop(transform):
    """Return the `CentreCrop` of a transform, or the transform itself if it has other steps than timm's usual ones.

    It maps an RGB PIL image to a (3, h, w) float32 tensor, as what ``timm.data.create_transform`` makes.
    """
    from timm.data.transforms import MaybeToTensor  # seconds, which a packaged encoder does not need
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize
    from torchvision.transforms.functional import pil_modes_mapping

    steps = transform.transforms if isinstance(transform, Compose) else []
    if [type(step) for step in steps] != [Resize, CenterCrop, MaybeToTensor, Normalize]:
        return transform
    resize, crop, _, normalise = steps
    if not isinstance(resize.size, int) or max(crop.size) > resize.size:
        return transform
    resample = pil_modes_mapping[resize.interpolation]
    return CentreCrop(resize.size, crop.size, resample, normalise.mean, normalise.std)


def _cut(image, box, margin):
    """Cut a picture down to the box and a margin, since single precision is too coarse for a box far from the corner.

    Returns the smaller picture, and the box in its coordinates.
    """
    left, top = (max(0, math.floor(edge - margin)) for edge in box[:2])
    right, bottom = (min(old, math.ceil(edge + margin)) for edge, old in zip(box[2:], image.size, strict=True))
    return image.crop((left, top, right, bottom)), [box[0] - left, box[1] - top, box[2] - left, box[3] - top]
