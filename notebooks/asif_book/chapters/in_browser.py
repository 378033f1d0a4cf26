"""A chapter in a browser: the stamps, and encoders that know the embeddings of these pictures and sentences."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.identity import LOADERS, EncoderIdentity
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import EncoderError, ParameterError

NAME = "asif_stamps"
"""The package with the stamps that `asif_book.browser.building` makes."""


SAME = 2.0
"""Mean difference of two small pictures, of 255, below which they show the same."""


def is_here() -> bool:
    """Whether this Python runs in a browser, or a test says so by ``ASIF_BROWSER=1``."""
    return sys.platform == "emscripten" or "ASIF_BROWSER" in os.environ


class KnownEmbeddings:
    """An encoder that looks up its embeddings, by the name of a picture's file or by the sentence.

    `mirrored` are files whose mirror images are known too, as ``"mirrored FILE"``: a chapter teaches with one.
    """

    def __init__(self, identity, rows, more, mirrored=()):
        """Take embeddings by name, and a function that returns further ones, for the first name that is not there."""
        self.identity, self._rows, self._more, self._mirrored = identity, rows, more, mirrored

    def _name(self, item) -> str:
        if not isinstance(item, Image.Image):
            return str(item)
        seen = _small(item)
        far = {file: np.abs(_small(ImageOps.mirror(open_picture(file))) - seen).mean() for file in self._mirrored}
        nearest = min(far, key=far.get)
        return f"mirrored {nearest}" if far[nearest] < SAME else "this picture"

    def encode(self, items) -> torch.Tensor:
        """Return the (n, d) embeddings of n items. Raises `EncoderError` for one that is not known here."""
        names = list(map(self._name, items))
        if not self._rows.keys() >= {*names}:
            self._rows |= self._more()
        for name in names:
            if name not in self._rows:
                known = "the stamps' pictures" if self.identity.kind == "image" else "the chapters' sentences"
                raise EncoderError(
                    f"the browser's edition knows the {known}, not {name!r}; the full workbook takes any"
                )
        rows = [self._rows[name] for name in names]
        return torch.from_numpy(np.array(rows, np.float32).reshape(len(rows), self.identity.dim))


def _small(picture):
    return np.asarray(picture.convert("RGB").resize((8, 8), Image.Resampling.BOX), float)


def opened(pairs="stamps") -> tuple:
    """Return what `asif_book.chapters.opening.open_chapter` returns. Raises `ParameterError` for other pairs."""
    if str(pairs) != "stamps":
        raise ParameterError(
            f"pairs = {str(pairs)!r}: the browser's edition has the stamps; the full workbook takes any"
        )
    folder = Path(importlib.import_module(NAME).__file__).parent
    about = json.loads((folder / "stamps.json").read_text(encoding="utf-8"))
    arrays = np.load(folder / "embeddings.npz")
    pictures = [folder / f"{number}.webp" for number in range(len(about["ids"]))]
    fields = {name: about[name] for name in ("name", "captions", "ids", "groups", "splits", "licence")}
    image, text = (EncoderIdentity(**about["encoders"][side]) for side in ("image", "text"))
    by_text = dict(zip(about["captions"], arrays["text"], strict=True))
    by_picture = dict(zip(map(str, pictures), arrays["image"], strict=True))
    test = [pictures[i] for i in about["splits"]["test"]]
    mirrored = [f"mirrored {file}" for file in test]
    bank = AnchorBank.from_embeddings(
        arrays["image"], arrays["text"], about["captions"], ids=about["ids"], pictures=pictures, groups=about["groups"],
        image_encoder=image, text_encoder=text, name=about["name"], licence=about["licence"],
    )  # fmt: skip
    _known["image"] = KnownEmbeddings(image, by_picture, lambda: _more("mirrored", mirrored), test)
    _known["text"] = KnownEmbeddings(text, by_text, lambda: _more("sentences", about["sentences"]))
    LOADERS.update({kind: f"{__name__}:load_{kind}" for kind in _known})
    return *_known.values(), Pairs(pictures=pictures, **fields), bank


_known: dict = {}


def _more(what, names) -> dict:
    """Return embeddings that the first cell of a chapter does not need, which stand in a package of their own."""
    folder = Path(importlib.import_module(f"{NAME}_more").__file__).parent
    return dict(zip(names, np.load(folder / "embeddings.npz")[what], strict=True))


def _loaded(kind):
    return lambda name, **_: _known[kind]


load_image, load_text = _loaded("image"), _loaded("text")
"""How the library loads the encoders of a bank by their names here."""
