"""Odd pictures cost little memory, and one that does not fit is an error of its own."""

import os
import socket

import numpy as np
import pytest
import timm
from forks import run_forked
from PIL import Image

from asif_lib.encoders.embeddings import embed_readable
from asif_lib.encoders.image import load_image_encoder
from asif_lib.encoders.pictures import PictureFile, open_picture, picture_digest
from asif_lib.encoders.transforms import only_the_crop
from asif_lib.errors import PictureError

SMOOTH = [(2, 20_000), (7, 3_000), (9_000, 300), (257, 20_001)]


@pytest.mark.parametrize("size", SMOOTH, ids=str)
def test_an_elongated_picture_gives_timms_pixels_up_to_rounding(size):
    transform = timm.data.create_transform((3, 56, 56), interpolation="bicubic", crop_pct=0.875, is_training=False)
    columns, rows = (np.sin(np.arange(edge) / 9) for edge in size)
    picture = Image.fromarray((128 + 60 * columns + 60 * rows[:, None]).astype(np.uint8)).convert("RGB")
    quick, whole = only_the_crop(transform)(picture), transform(picture)
    assert (quick - whole).abs().max() * 255 * 0.26 < 2.5  # two levels, one for each pass


def test_ten_elongated_and_odd_pictures_take_little_memory(tmp_path, timm_folder):
    """Scaled as a whole, each of the first kind would take 2.6 GB; the files have a few hundred bytes."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    sizes = [(20_000, 2), (2, 20_000), (100_000, 2), (3, 60_000), (1_000, 20_000)]
    modes = ["1", "L", "P", "RGB", "RGBA", "LA"]
    for number in range(10):
        mode, size = modes[number % len(modes)], sizes[number % len(sizes)]
        Image.new(mode, size, 1).save(pictures / f"{number}.png")
    code = f"""
import resource
from asif_lib.encoders.image import load_image_encoder
from asif_lib.datasets.folders import picture_files
files = picture_files({str(pictures)!r})
encoder = load_image_encoder({str(timm_folder)!r}, device="cpu")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encoder.encode([], progress=False)
start = peak()
assert len(encoder.encode(files, progress=False)) == 10
print((peak() - start) // 1024)
"""
    done = run_forked(code, tmp_path)
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


def test_a_square_canvas_has_the_limit_of_a_picture(tmp_path):
    Image.new("1", (100_000, 2)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match=r"a\.png: padded to a square it has over 89,478,485 pixels; scale it down"):
        open_picture(PictureFile(tmp_path / "a.png", square=True))


def test_a_format_whose_reader_starts_a_program_is_not_opened(tmp_path):
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(PictureError, match="is not a picture that Pillow can read as PNG, JPEG"):
        open_picture(tmp_path / "a.eps")


@pytest.mark.parametrize("read", [open_picture, picture_digest])
def test_a_path_that_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for path in (tmp_path / "pipe.png", tmp_path / "socket.png", "/dev/zero"):
            with pytest.raises(PictureError, match=f"{path}: is a pipe, a socket or a device, not a picture"):
                read(path)


@pytest.mark.parametrize("name", ["a\0b.png", "a\udcffb.png", "a\ud800b.png"])
@pytest.mark.parametrize("read", [open_picture, picture_digest])
def test_a_path_that_is_not_unicode_is_refused(name, read):
    with pytest.raises(PictureError, match="is not a path in valid Unicode; rename the file") as refused:
        read(name)
    str(refused.value).encode()  # so that every terminal can print it
