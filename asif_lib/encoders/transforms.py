"""timm's evaluation transform without timm, which takes seconds to import, and in little memory for any shape."""

import math

import numpy as np
import torch
from PIL import Image

MOST_ELONGATED = 16
"""The longest proportion of the sides up to which a picture is scaled as a whole."""


def middle(image):
    """Return the middle of a more elongated picture, as long as `MOST_ELONGATED` allows, or else the picture itself.

    timm scales a picture until its shorter side fits, and then discards all but the centre. Scaled as a whole, a
    picture of 20,000 × 2 pixels would take 2.6 GB.
    """
    left, top = (max(0, edge - MOST_ELONGATED * min(image.size)) // 2 for edge in image.size)
    return image.crop((left, top, image.width - left, image.height - top)) if left or top else image


def centre_crop(config):
    """Return the transform of a timm data config that scales by ``crop_pct`` and crops the centre, the same bits.

    It maps an RGB PIL image to a (3, height, width) float32 tensor, as what ``timm.data.create_transform`` makes.
    """
    (height, width), resample = config["input_size"][1:], Image.Resampling[config["interpolation"].upper()]
    side = math.floor(height / config["crop_pct"])
    mean, std = (torch.tensor(config[name], dtype=torch.float32).view(3, 1, 1) for name in ("mean", "std"))

    def transform(image):
        scaled = [side * edge // min(image.size) for edge in image.size]  # as torchvision's Resize and CenterCrop round
        left, top = (round((new - kept) / 2) for new, kept in zip(scaled, (width, height), strict=True))
        image = image.resize(scaled, resample).crop((left, top, left + width, top + height))
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div_(255).sub_(mean).div_(std)

    return transform
