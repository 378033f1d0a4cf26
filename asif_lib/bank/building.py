"""Captioned pictures become the content of a bank: two matrices of embeddings and a table."""

import warnings
from pathlib import Path

import pandas as pd

from asif_lib.datasets.folders import first_names
from asif_lib.encoders.embeddings import embed, embed_readable
from asif_lib.encoders.identity import checked_identity
from asif_lib.encoders.pictures import PictureFile
from asif_lib.encoders.text import TextEncoder
from asif_lib.errors import BankError, BrokenPicturesError

from .layout import MODALITIES


def encode(pairs, image_encoder, text_encoder, skip_broken, progress) -> tuple:
    """Encode `Pairs`; return the two matrices and the table, without broken pairs if `skip_broken`."""
    for kind, encoder in zip(MODALITIES, (image_encoder, text_encoder), strict=True):
        checked_identity(kind, encoder)
    image, kept, errors = embed_readable(image_encoder, pairs.pictures, progress=progress)
    if errors and not skip_broken:
        raise BrokenPicturesError(errors)
    if not kept:
        raise BankError(f"{pairs.name}: has no pair to build a bank of")
    pairs = pairs.subset(kept)
    for said in cut_captions(pairs.captions, pairs.ids, text_encoder):
        warnings.warn(said, stacklevel=3)
    text = embed(text_encoder, pairs.captions, progress=progress)
    columns = {
        "id": pairs.ids,
        "caption": pairs.captions,
        "picture": [path_of(picture) for picture in pairs.pictures],
        "group": pairs.groups,
    }
    return image, text, pd.DataFrame(columns)


def path_of(picture) -> str:
    """Return the absolute path of a picture's file, valid from any folder; ``""`` for a picture without a file."""
    has_file = isinstance(picture, str | Path | PictureFile) and str(picture)
    return str(Path(str(picture)).absolute()) if has_file else ""


def cut_captions(captions, ids, text_encoder) -> list:
    """Return one sentence about the captions that the text encoder cuts off, in a list; else an empty list."""
    long = [ids[i] for i in cut_positions(captions, text_encoder)]
    if not long:
        return []
    return [
        f"captions of which {text_encoder.identity.name} reads only the first {text_encoder.model.max_seq_length} "
        f"tokens: {first_names(long)}; the rest of them does not count"
    ]


def cut_positions(captions, text_encoder) -> list:
    """Return the positions of the captions that the text encoder cuts off."""
    limit = text_encoder.model.max_seq_length if isinstance(text_encoder, TextEncoder) else None
    if limit is None:
        return []
    # A token is at least one byte of the text (a Hangul syllable has at most as many letters as bytes), or one of
    # the two marks around the text, or the space that some tokenizers put before it.
    sizes = [len(caption.encode(errors="replace")) for caption in captions]
    candidates = [i for i, size in enumerate(sizes) if size + 3 > limit]
    if not candidates:
        return []
    tokens = text_encoder.model.tokenizer([captions[i] for i in candidates], truncation=False, verbose=False)
    return [i for i, found in zip(candidates, tokens["input_ids"], strict=True) if len(found) > limit]
