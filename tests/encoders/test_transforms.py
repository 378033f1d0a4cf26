"""The transform without timm gives timm's own pixels, bit for bit, whatever the shape of the picture."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from asif_lib.encoders.transforms import only_the_crop


def evaluation_transform(**changes):
    settings = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 0.875, **changes}
    return timm.data.create_transform(**settings, is_training=False)


def noise(width, height):
    pixels = np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


SQUARES = [2, 28, 127, 224, 225, 256, 300, 1001]
OTHERS = [(2, 300), (300, 2), (224, 225), (375, 500), (500, 375), (461, 244), (355, 771), (512, 256), (1600, 1200)]


@pytest.mark.parametrize("size", [(side, side) for side in SQUARES] + OTHERS, ids=str)
def test_the_pixels_are_timms_own(size):
    transform = evaluation_transform()
    assert torch.equal(only_the_crop(transform)(noise(*size)), transform(noise(*size)))


@pytest.mark.parametrize(
    "changes",
    [
        {"interpolation": "bilinear"},
        {"input_size": (3, 240, 240), "crop_pct": 0.882},
        {"crop_pct": 0.9},
        {"crop_pct": 1.0},
        {"input_size": (3, 225, 225), "crop_pct": 225 / 256},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    ],
    ids=str,
)
@pytest.mark.parametrize("side", [31, 400])
def test_so_are_they_with_other_settings(changes, side):
    transform = evaluation_transform(**changes)
    assert torch.equal(only_the_crop(transform)(noise(side, side)), transform(noise(side, side)))


@pytest.mark.parametrize(
    "transform",
    [
        evaluation_transform(crop_mode="squash"),
        evaluation_transform(crop_mode="border"),
        evaluation_transform(input_size=(3, 224, 192)),
        evaluation_transform(normalize=False),
        lambda image: torch.zeros(3, 4, 4),
    ],
    ids=["squash", "border", "not square", "no mean", "a function"],
)
def test_a_transform_with_other_steps_is_left_alone(transform):
    assert only_the_crop(transform) is transform
