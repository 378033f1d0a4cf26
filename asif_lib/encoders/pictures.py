"""Read any picture as RGB, as encoders need it: upright, opaque, eight bits a channel."""

import contextlib
import hashlib
import io
import math
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from asif_lib.errors import PictureError
from asif_lib.files import sha256_of

MAX_PIXELS = 89_478_485
"""Pillow's own limit (``Image.MAX_IMAGE_PIXELS``), also for the canvas of `white_square`; 4 bytes a pixel in memory."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM", "ICO")
"""The formats that are read. Pillow knows others whose readers start programs, or hardly anybody tests."""

ORIENTATION = 0x0112
"""The EXIF tag that tells how to turn a picture upright."""


@dataclass(frozen=True)
class PictureBytes:
    """A picture file in memory, and the name that errors give it; `fault` says why a file could not be read."""

    content: bytes
    name: str
    fault: str = ""

    def __str__(self):
        return self.name

    def read(self) -> bytes:
        """Return the bytes. Raises `PictureError` if there is a fault."""
        if self.fault:
            raise PictureError(f"{self.name}: {self.fault}")
        return self.content


def open_picture(picture) -> Image.Image:
    """Return `picture` as an upright RGB image.

    EXIF orientation is applied; transparency is composited over white; grey, palette and CMYK pictures are
    converted; 16-bit grey is scaled to 8 bits; of an animation the first frame is taken.

    Raises `PictureError` if the path names no regular file, or the file is not a picture in one of `FORMATS`, is
    truncated, is less than 2 pixels wide or high, has more than `MAX_PIXELS` pixels, or is wholly transparent.

    Parameters
    ----------
    picture : str, Path, PictureBytes or PIL.Image.Image

    Examples
    --------
    >>> grey = Image.new("RGBA", (4, 2), (0, 0, 0, 51))   # a fifth of black over white
    >>> open_picture(grey).getpixel((0, 0))
    (204, 204, 204)
    """
    with _errors_named(picture):
        if isinstance(picture, Image.Image):
            return _to_rgb(picture, "the picture")
        if isinstance(picture, PictureBytes):
            file = io.BytesIO(picture.read())
        else:
            _check_path(picture)
            file = picture
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check_size` makes it an error
            opened = Image.open(file, formats=FORMATS)
        with opened as image:
            _check_size(image, picture)
            image.load()
            return _to_rgb(image, picture)


@contextlib.contextmanager
def _errors_named(picture):
    """Turn every error into a `PictureError` that names the picture."""
    try:
        yield
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{picture}: there is no such file") from None
    except MemoryError:
        raise too_large(picture) from None
    except Image.DecompressionBombError:
        raise PictureError(f"{picture}: has over {MAX_PIXELS:,} pixels; scale it down first") from None
    except UnidentifiedImageError:
        raise PictureError(f"{picture}: is not a picture that Pillow can read as {', '.join(FORMATS)}") from None
    except Exception as error:  # for broken files Pillow's readers raise errors of many kinds
        system = getattr(error, "strerror", None)
        fault = f"cannot be read ({system})" if system else f"is broken or truncated ({error})"
        raise PictureError(f"{picture}: {fault}") from None


def too_large(picture) -> PictureError:
    """Return the error of a picture that does not fit into the memory."""
    return PictureError(f"{picture}: does not fit into the memory; scale it down first")


def _check_path(path):
    """Refuse a path that names no regular file: reading a pipe or a device could last forever."""
    if not isinstance(path, str | Path):
        raise PictureError(f"a picture is a path or a PIL image, not {type(path).__name__}")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in str(path)):
        raise PictureError(f"{str(path)!r}: is not a path in valid Unicode; rename the file")
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise PictureError(f"{path}: is a folder, not a picture")
    if not stat.S_ISREG(mode):
        raise PictureError(f"{path}: is a pipe, a socket or a device, not a picture")


def _check_size(image, name):
    width, height = image.size
    if width < 2 or height < 2:
        raise PictureError(f"{name}: is {width} × {height} pixels; an encoder needs at least 2 × 2")
    if width * height > MAX_PIXELS:
        raise PictureError(f"{name}: is {width} × {height} pixels, over the limit of {MAX_PIXELS:,}; scale it down")


def _to_rgb(image, name):
    _check_size(image, name)
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        import numpy as np  # not for ``asif --help``

        grey, clear = np.asarray(image), image.info.get("transparency")  # one value of 16 bits, or None
        opaque = np.full(grey.shape, 255, np.uint8) if clear is None else np.uint8(255) * (grey != clear)
        image = Image.merge("LA", [Image.fromarray((grey // 257).astype(np.uint8)), Image.fromarray(opaque)])
    if image.mode in ("I", "F"):
        raise PictureError(f"{name}: has {image.mode!r} pixels of 32 bits, whose white is unknown; save it as RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getbbox(alpha_only=True) is None:
            raise PictureError(f"{name}: is wholly transparent; choose a picture that shows something")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        return white.convert("RGB")
    return image.convert("RGB")


def white_square(image) -> Image.Image:
    """Return an RGB image in the middle of a white square, so that a centre crop does not cut off its ends.

    An image whose square would have more than `MAX_PIXELS` is first reduced by a whole number.

    >>> white_square(Image.new("RGB", (6, 2), "black")).getcolors()
    [(24, (255, 255, 255)), (12, (0, 0, 0))]
    """
    if (times := math.ceil(max(image.size) / math.isqrt(MAX_PIXELS))) > 1:
        image = image.reduce(times)
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def picture_digest(picture) -> str:
    """Return the SHA-256 of a picture: of the bytes of its file, or of the pixels of an image.

    Raises `PictureError` if the file cannot be read.
    """
    if isinstance(picture, PictureBytes):
        return hashlib.sha256(picture.read()).hexdigest()
    if isinstance(picture, Image.Image):
        orientation = picture.getexif().get(ORIENTATION, 1)
        palette = picture.getpalette("RGBA") if picture.mode in ("P", "PA") else None
        head = repr((picture.mode, picture.size, picture.info.get("transparency"), orientation, palette))
        return hashlib.sha256(head.encode() + picture.tobytes()).hexdigest()
    with _errors_named(picture):
        _check_path(picture)
        return sha256_of(picture)
