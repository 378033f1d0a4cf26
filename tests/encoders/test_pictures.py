"""Any picture becomes upright, opaque RGB; what cannot is refused in one sentence."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from PIL import Image, features
from PIL.PngImagePlugin import PngImageFile

from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.embeddings import embed_readable
from asif_lib.encoders.identity import PADDED, is_outdated, is_padded, load_encoder_of
from asif_lib.encoders.image import load_image_encoder, middle
from asif_lib.encoders.pictures import MAX_PIXELS, PictureBytes, open_picture, picture_digest, white_square
from asif_lib.errors import IdentityError, PictureError

WHITE = (255, 255, 255)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"
NEEDS_AVIF = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def with_one_opaque(mode, colour, opaque):
    image = Image.new(mode, (4, 3), colour)
    image.putpixel((3, 2), opaque)
    return image


def palette_with_hole():
    image = Image.new("P", (4, 3), 0)
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putpixel((1, 1), 1)
    return image


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
        (with_one_opaque("RGBA", (200, 0, 0, 0), (0, 0, 9, 1)), {}, WHITE),
        (with_one_opaque("LA", (7, 0), (7, 255)), {}, WHITE),
        (palette_with_hole(), {"transparency": 0}, WHITE),
        (palette_with_hole(), {"transparency": bytes([0, 255])}, WHITE),
        (with_one_opaque("RGB", (200, 0, 0), (0, 0, 9)), {"transparency": (200, 0, 0)}, WHITE),
        (with_one_opaque("L", 9, 10), {"transparency": 9}, WHITE),
        (with_one_opaque("I;16", 777, 778), {"transparency": 777}, WHITE),
        (Image.new("L", (3, 3), 77), {}, (77, 77, 77)),
        (Image.new("1", (3, 3), 1), {}, WHITE),
        (palette_with_hole(), {}, (200, 0, 0)),
        (Image.new("CMYK", (3, 3), (0, 255, 255, 0)), {"format": "TIFF"}, (255, 0, 0)),
        (Image.new("YCbCr", (3, 3), (128, 128, 128)), {"format": "TIFF"}, (128, 128, 128)),
    ],
    ids=["RGBA", "LA", "P-index", "P-table", "RGB-tRNS", "L-tRNS", "I-tRNS", "L", "bilevel", "P", "CMYK", "YCbCr"],
)
def test_other_modes_become_rgb_and_transparent_pixels_white(tmp_path, image, options, pixel):
    image.save(tmp_path / "a.png", **options)
    opened = open_picture(tmp_path / "a.png")
    assert (opened.mode, opened.getpixel((0, 0))) == ("RGB", pixel)
    assert abs(open_picture(Image.new("RGBA", (2, 2), (255, 0, 0, 128))).getpixel((0, 0))[1] - 127) <= 1  # half way
    if image.mode == "P":
        assert opened.getpixel((1, 1)) == (0, 200, 0)


@pytest.mark.parametrize(
    "image, options",
    [
        (Image.new("RGBA", (4, 3), (200, 0, 0, 0)), {}),
        (Image.new("LA", (4, 3), (7, 0)), {}),
        (palette_with_hole(), {"transparency": bytes(2)}),
        (palette_with_hole().crop((2, 0, 4, 3)), {"transparency": 0}),
        (Image.new("RGB", (4, 3), (200, 0, 0)), {"transparency": (200, 0, 0)}),
    ],
    ids=["RGBA", "LA", "P-table", "P-index", "RGB-tRNS"],
)
def test_a_wholly_transparent_picture_is_refused(tmp_path, image, options):
    image.save(tmp_path / "a.png", **options)
    with Image.open(tmp_path / "a.png") as opened:
        for picture, name in ((tmp_path / "a.png", tmp_path / "a.png"), (opened, "the picture")):
            with pytest.raises(PictureError, match=f"^{name}: is wholly transparent; choose a picture that shows some"):
                open_picture(picture)


@pytest.mark.parametrize("value, expected", [(256, 0), (257, 1), (65_535, 255)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_of_16_bits_is_scaled_not_clipped(tmp_path, name, value, expected):
    Image.fromarray(np.full((3, 3), value, np.uint16)).save(tmp_path / name)
    assert open_picture(tmp_path / name).getpixel((1, 1)) == (expected,) * 3


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_picture(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size, side, black", [((6, 2), 6, (0, 2)), ((2, 6), 6, (2, 0)), ((4, 4), 4, (0, 0))])
def test_a_white_square_keeps_the_picture_whole(size, side, black):
    square = np.asarray(white_square(Image.new("RGB", size, "black")))
    assert square.shape == (side, side, 3)
    assert (square == 0).all(axis=2).sum() == size[0] * size[1]
    assert tuple(square[black[1], black[0]]) == (0, 0, 0)


def damage(path, picture, keep, *options):
    """Save a picture, and cut its file at the byte `keep`; if that counts from the end, put zeros there."""
    picture.save(path, *options)
    data = path.read_bytes()
    path.write_bytes(data[:keep] + bytes(max(0, -keep)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: damage(path, Image.effect_noise((40, 40), 90), 1200), "broken or truncated"),
        # its decoder raises RuntimeError where the others raise OSError
        pytest.param(lambda path: damage(path, Image.new("RGB", (20, 20), "red"), -30, "AVIF"), None, marks=NEEDS_AVIF),
        (lambda path: path.write_text("I am no picture."), "not a picture that Pillow can read"),
        (lambda path: path.write_bytes(b""), "not a picture that Pillow can read as PNG, JPEG"),
        (lambda path: path.write_bytes(EPS), "not a picture that Pillow can read"),  # its reader starts a program
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


NO_PATHS = [
    (what, f"not {type(what).__name__}") for what in (None, 10**6, 2.5, b"bytes", np.zeros((4, 4, 3), np.uint8))
]
NO_PATHS += [(name, "is not a path in valid Unicode; rename") for name in ("a\0b.png", "a\udcffb.png", "a\ud800b.png")]


@pytest.mark.parametrize(("what", "words"), NO_PATHS)
@pytest.mark.parametrize("read", [open_picture, picture_digest])
def test_what_is_neither_path_nor_picture_is_refused(read, what, words):
    with pytest.raises(PictureError, match=words) as refused:
        read(what)
    str(refused.value).encode()  # so that every terminal can print it


@pytest.fixture
def bomb(tmp_path):
    """A small file whose header promises 20,000 × 20,000 pixels."""
    Image.new("1", (2, 2)).save(tmp_path / "bomb.png")
    content = (tmp_path / "bomb.png").read_bytes()
    header = content[12:16] + struct.pack(">II", 20_000, 20_000) + content[24:29]
    (tmp_path / "bomb.png").write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    return tmp_path / "bomb.png"


@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(bomb, limit, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(PngImageFile, "load", lambda self: pytest.fail("was decoded"))
    with pytest.raises(PictureError, match="pixels.*scale it down"):
        open_picture(bomb)


def test_large_pictures_below_the_limit_open_without_a_warning(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").size == (4, 4)
    assert not recwarn
    assert MAX_PIXELS == 89_478_485


def test_digest_follows_the_bytes_and_not_the_name(tmp_path):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    digest = picture_digest(tmp_path / "a.png")
    assert digest == picture_digest(str(tmp_path / "b.png"))
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
    images += [base.convert("PA"), other_palette.convert("PA")]
    assert len({picture_digest(image) for image in images}) == len(images)
    assert picture_digest(base) == picture_digest(base.copy())


# -- odd pictures ----------------------------------------------------------------------------------------

SMOOTH = [(2, 20_000), (7, 3_000), (9_000, 300), (257, 20_001)]


@pytest.mark.parametrize("size", SMOOTH, ids=str)
def test_an_elongated_picture_gives_timms_pixels_up_to_rounding(size):
    transform = timm.data.create_transform((3, 56, 56), interpolation="bicubic", crop_pct=0.875, is_training=False)
    columns, rows = (np.sin(np.arange(edge) / 9) for edge in size)
    picture = Image.fromarray((128 + 60 * columns + 60 * rows[:, None]).astype(np.uint8)).convert("RGB")
    quick, whole = transform(middle(picture)), transform(picture)
    assert (quick - whole).abs().max() * 255 * 0.26 < 2.5  # two levels, one for each pass


def test_ten_elongated_and_odd_pictures_take_little_memory(tmp_path, timm_folder):
    """Scaled as a whole, each of the first kind would take 2.6 GB; the files have a few hundred bytes."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    sizes = [(20_000, 2), (2, 20_000), (100_000, 2), (3, 60_000), (1_000, 20_000)]
    modes = ["1", "L", "P", "RGB", "RGBA", "LA"]
    for number in range(10):
        mode, size = modes[number % len(modes)], sizes[number % len(sizes)]
        Image.new(mode, size, {"RGBA": (1, 1, 1, 9), "LA": (1, 9)}.get(mode, 1)).save(pictures / f"{number}.png")
    code = f"""
import resource
from asif_lib.encoders.image import load_image_encoder
from asif_lib.files import picture_files
files = picture_files({str(pictures)!r})
encoder = load_image_encoder({str(timm_folder)!r}, device="cpu")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encoder.encode([], progress=False)
start = peak()
assert len(encoder.encode(files, progress=False)) == 10
print((peak() - start) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) <= 500, done.stderr


def test_a_picture_that_does_not_fit_into_the_memory_is_an_error_of_its_own(drawings, tmp_cache, timm_folder):
    encoder, files = load_image_encoder(timm_folder, device="cpu"), sorted(drawings.iterdir())
    (drawings / "equal.png").write_bytes(files[2].read_bytes())
    prepare, large = encoder.prepare, open_picture(files[2]).tobytes()

    def prepare_or_fail(image):
        if image.tobytes() == large:
            raise MemoryError
        return prepare(image)

    encoder.prepare = prepare_or_fail
    vectors, kept, errors = embed_readable(encoder, [*files, drawings / "equal.png"], progress=False)
    assert (len(vectors), kept) == (5, [0, 1, 3, 4, 5])
    for error, file in zip(errors, [files[2], drawings / "equal.png"], strict=True):
        assert str(error) == f"{file}: does not fit into the memory; scale it down first"


def test_a_decoder_without_memory_says_so(drawings, monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(PictureError, match=r"red_circle\.png: does not fit into the memory"):
        open_picture(drawings / "red_circle.png")


@pytest.mark.parametrize("size", [(9_459, 3), (9_460, 3), (2, 100_000)])
def test_a_white_square_has_the_limit_of_a_picture_and_still_shows_it_whole(size):
    square = white_square(Image.new("RGB", size, "black"))
    assert max(square.size) == min(square.size) > 4_700 and square.width * square.height <= MAX_PIXELS
    across = np.asarray(square.reduce((square.width // 100, 1)) if size[0] > size[1] else square)
    assert (across < 255).any(axis=(0 if size[0] > size[1] else 1, 2)).all()  # black from end to end


@pytest.mark.parametrize("read", [open_picture, picture_digest])
def test_a_path_that_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for path in (tmp_path / "pipe.png", tmp_path / "socket.png", "/dev/zero"):
            with pytest.raises(PictureError, match=f"{path}: is a pipe, a socket or a device, not a picture"):
                read(path)


# -- one way from a picture to the encoder ---------------------------------------------------------------


def drawn(number, folder):
    """A drawn picture of one of many shapes and modes, as a file: long, tall, transparent, turned, two pixels wide."""
    rng = np.random.default_rng(number)
    mode = ("RGB", "RGBA", "L", "P", "LA", "CMYK")[number % 6]
    sides = rng.integers(2, 400, 2) if number % 5 else rng.permutation([2, int(rng.integers(100, 900))])
    noise = Image.fromarray(rng.integers(0, 256, (7, 9, 4), np.uint8), "RGBA").resize(tuple(map(int, sides)))
    file = folder / f"{number:03}.{'jpg' if mode in ('L', 'CMYK') else 'png'}"
    (exif := Image.Exif())[0x0112] = 1 + number % 8
    (noise.convert(mode) if mode != "CMYK" else noise.convert("RGB").convert(mode)).save(file, exif=exif)
    return file


def test_by_path_bytes_pixels_and_data_set_the_encoder_gets_the_same(image_encoder, tmp_path):
    files = [drawn(number, tmp_path) for number in range(200)]  # each mode turned each way, also long ones
    rows = [f"{file.name},picture {number}\n" for number, file in enumerate(files)]
    (tmp_path / "metadata.csv").write_text("file_name,caption\n" + "".join(rows))
    items = load_pairs(tmp_path).pictures
    wanted = [image_encoder.prepare(open_picture(file)) for file in files]  # (3, 224, 224) each
    assert all((wanted[i] > 0.99).all(dim=0).any() for i in range(0, 200, 5))  # long ones have white beside them
    for i, file in enumerate(files):
        with Image.open(file) as opened:
            roads = [str(file), PictureBytes(file.read_bytes(), file.name), opened, items[i]]
            assert all(torch.equal(image_encoder.prepare(open_picture(road)), wanted[i]) for road in roads), file
    assert torch.equal(image_encoder.encode(items[:20]), image_encoder.encode([open_picture(f) for f in files[:20]]))


@pytest.mark.parametrize("square", [True, False])
def test_the_canvas_belongs_to_the_identity_of_an_encoder(image_encoder, square):
    other = load_image_encoder(image_encoder.identity.name, device="cpu", square=square)
    assert (other.identity == image_encoder.identity) == square
    assert load_encoder_of(other.identity, device="cpu").identity == other.identity
    long = Image.new("RGB", (400, 40), "red")
    assert (image_encoder.prepare(long) == other.prepare(long)).all() == square


def test_an_identity_without_a_canvas_is_refused_with_what_to_do(image_encoder):
    words = f", {PADDED[True]}"
    old = replace(image_encoder.identity, preprocessing=image_encoder.identity.preprocessing.replace(words, ""))
    with pytest.raises(
        IdentityError, match=f"prepares by “RGB, .*{words}”, and for the bank by “RGB, .*asif bank build"
    ):
        load_encoder_of(old, device="cpu")
    assert is_outdated(old) and not is_outdated(image_encoder.identity)


def test_a_folders_encoder_crops_as_timm_does_unless_it_is_told(timm_folder):
    cropping, padding = (load_image_encoder(timm_folder, device="cpu", square=square) for square in (None, True))
    assert [is_padded(each.identity) for each in (cropping, padding)] == [False, True]
    assert load_encoder_of(padding.identity, device="cpu").identity == padding.identity
