"""Any picture becomes upright, opaque RGB; what cannot is refused in one sentence."""

import shutil

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngImageFile

from asif_lib.encoders.pictures import MAX_PIXELS, PictureFile, open_picture, picture_digest
from asif_lib.errors import PictureError

WHITE = (255, 255, 255)
AVIF = features.check("avif")


def palette_with_hole():
    image = Image.new("P", (4, 3), 0)
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putpixel((1, 1), 1)
    return image


def test_half_transparent_is_half_way_to_white():
    pixel = open_picture(Image.new("RGBA", (2, 2), (255, 0, 0, 128))).getpixel((0, 0))
    assert pixel[0] == 255
    assert all(abs(channel - 127) <= 1 for channel in pixel[1:])


@pytest.mark.parametrize("orientation, corner", [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3))])
def test_exif_orientation_is_applied(tmp_path, orientation, corner):
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    opened = open_picture(tmp_path / "a.png")
    assert opened.size == ((4, 2) if orientation in (1, 3) else (2, 4))
    assert opened.getpixel(corner) == (0, 0, 0)


@pytest.mark.parametrize(
    "image, options, pixel",
    [
        (Image.new("RGBA", (4, 3), (200, 0, 0, 0)), {}, WHITE),
        (Image.new("LA", (4, 3), (7, 0)), {}, WHITE),
        (palette_with_hole(), {"transparency": 0}, WHITE),
        (palette_with_hole(), {"transparency": bytes([0, 255])}, WHITE),
        (Image.new("RGB", (4, 3), (200, 0, 0)), {"transparency": (200, 0, 0)}, WHITE),
        (Image.new("L", (4, 3), 9), {"transparency": 9}, WHITE),
        (Image.new("L", (3, 3), 77), {}, (77, 77, 77)),
        (Image.new("1", (3, 3), 1), {}, WHITE),
        (palette_with_hole(), {}, (200, 0, 0)),
        (Image.new("CMYK", (3, 3), (0, 255, 255, 0)), {"format": "TIFF"}, (255, 0, 0)),
        (Image.new("YCbCr", (3, 3), (128, 128, 128)), {"format": "TIFF"}, (128, 128, 128)),
    ],
    ids=["RGBA", "LA", "P-index", "P-table", "RGB-tRNS", "L-tRNS", "grey", "bilevel", "palette", "CMYK", "YCbCr"],
)
def test_other_modes_become_rgb_and_transparent_pixels_white(tmp_path, image, options, pixel):
    image.save(tmp_path / "a.png", **options)
    opened = open_picture(tmp_path / "a.png")
    assert (opened.mode, opened.getpixel((0, 0))) == ("RGB", pixel)
    if image.mode == "P":
        assert opened.getpixel((1, 1)) == (0, 200, 0)


@pytest.mark.parametrize("value, expected", [(0, 0), (256, 0), (257, 1), (32_896, 128), (65_535, 255)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_of_16_bits_is_scaled_not_clipped(tmp_path, name, value, expected):
    Image.fromarray(np.full((3, 3), value, np.uint16)).save(tmp_path / name)
    assert open_picture(tmp_path / name).getpixel((1, 1)) == (expected,) * 3


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_picture(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size, side, black", [((6, 2), 6, (0, 2)), ((2, 6), 6, (2, 0)), ((4, 4), 4, (0, 0))])
def test_square_pads_with_white_and_keeps_the_picture_whole(tmp_path, size, side, black):
    Image.new("RGB", size, "black").save(tmp_path / "a.png")
    square = np.asarray(open_picture(PictureFile(tmp_path / "a.png", square=True)))
    assert square.shape == (side, side, 3)
    assert (square == 0).all(axis=2).sum() == size[0] * size[1]
    assert tuple(square[black[1], black[0]]) == (0, 0, 0)
    assert open_picture(PictureFile(tmp_path / "a.png")).size == size


def cut(path, keep, *options):
    """Save noise, and overwrite its file from the byte `keep` on with zeros, or cut it there."""
    Image.effect_noise((40, 40), 90).convert("RGB").save(path, *options)
    data = path.read_bytes()
    path.write_bytes(data[:keep] + bytes(30 if keep < 0 else 0))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: cut(path, 1200), "broken or truncated"),
        # its decoder raises RuntimeError where the others raise OSError
        pytest.param(lambda path: cut(path, -30, "AVIF"), "", marks=pytest.mark.skipif(not AVIF, reason="no AVIF")),
        (lambda path: path.write_text("I am no picture."), "not a picture that Pillow can read"),
        (lambda path: path.write_bytes(b""), "not a picture that Pillow can read"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "at least 2 × 2"),
        (lambda path: Image.new("RGB", (30, 1)).save(path), "30 × 1 pixels"),
        (lambda path: Image.fromarray(np.ones((3, 3), np.float32)).save(path, "TIFF"), r"32 bits.*save it as RGB"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path, make, message):
    path = tmp_path / "otter.png"
    make(path)
    with pytest.raises(PictureError, match=message) as caught:
        open_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", [None, 10**6, 2.5, b"bytes", np.zeros((4, 4, 3), np.uint8)])
@pytest.mark.parametrize("function", [open_picture, picture_digest])
def test_what_is_neither_path_nor_picture_is_refused(function, what):
    with pytest.raises(PictureError, match=f"not {type(what).__name__}"):
        function(what)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    path = tmp_path_factory.mktemp("bomb") / "bomb.png"
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    Image.new("1", (20_000, 20_000)).save(path)
    Image.MAX_IMAGE_PIXELS = before
    return path


@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(bomb, limit, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(PngImageFile, "load", lambda self: pytest.fail("was decoded"))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(PictureError, match="pixels.*scale it down"):
        open_picture(bomb)


def test_large_pictures_below_the_limit_open_without_a_warning(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").size == (4, 4)
    assert not recwarn
    assert MAX_PIXELS == 89_478_485


def test_digest_follows_the_bytes_and_the_canvas_and_not_the_name(tmp_path):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    digest = picture_digest(tmp_path / "a.png")
    assert digest == picture_digest(str(tmp_path / "b.png")) == picture_digest(PictureFile(tmp_path / "a.png"))
    assert digest != picture_digest(PictureFile(tmp_path / "a.png", square=True))
    Image.new("RGB", (4, 2), "blue").save(tmp_path / "a.png")
    assert picture_digest(tmp_path / "a.png") != digest


def test_digest_of_an_image_covers_all_that_changes_what_is_read():
    base = palette_with_hole()
    other_palette, transparent, turned, pixels, clear = (base.copy() for _ in range(5))
    other_palette.putpalette([0, 0, 200, 0, 200, 0])
    transparent.info["transparency"] = 0
    turned.getexif()[0x0112] = 6
    pixels.putpixel((0, 0), 1)
    clear.putpalette([200, 0, 0, 0, 0, 200, 0, 0], "RGBA")
    images = [base, other_palette, transparent, turned, pixels, clear, base.convert("RGB")]
    assert len({picture_digest(image) for image in images}) == len(images)
    assert picture_digest(base) == picture_digest(base.copy())
