"""The transform without timm gives timm's own pixels, bit for bit, whatever the shape of the picture."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from asif_lib.encoders.image import centre_crop


def transforms(**changes):
    """The library's transform and timm's own, of the same settings."""
    means = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    settings = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 0.875, **means, **changes}
    return centre_crop(settings), timm.data.create_transform(**settings, is_training=False)


def noise(width, height):
    pixels = np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


SQUARES = [2, 28, 127, 224, 225, 256, 300, 1001]
OTHERS = [(2, 300), (300, 2), (224, 225), (375, 500), (500, 375), (461, 244), (355, 771), (512, 256), (1600, 1200)]


@pytest.mark.parametrize("size", [(side, side) for side in SQUARES] + OTHERS, ids=str)
def test_the_pixels_are_timms_own(size):
    ours, timms = transforms()
    assert torch.equal(ours(noise(*size)), timms(noise(*size)))


@pytest.mark.parametrize(
    "changes",
    [
        {"interpolation": "bilinear"}, {"input_size": (3, 240, 240), "crop_pct": 0.882}, {"crop_pct": 0.9},
        {"crop_pct": 1.0}, {"input_size": (3, 225, 225), "crop_pct": 225 / 256},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("side", [31, 400])
def test_so_are_they_with_other_settings(changes, side):
    ours, timms = transforms(**changes)
    assert torch.equal(ours(noise(side, side)), timms(noise(side, side)))
