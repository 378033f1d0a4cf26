"""Captioned pictures, or embeddings that a person brings, become the content of a bank: matrices and a table."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from asif_lib.encoders.encoder import Encoder
from asif_lib.encoders.identity import checked_identity
from asif_lib.errors import BankError, BrokenPicturesError, first_names


def encode(pairs, image_encoder, text_encoder, skip_broken, progress) -> tuple:
    """Encode `Pairs`; return the matrices (n, d_image) and (n, d_text) and the table.

    With `skip_broken`, pairs with broken pictures are left out.
    """
    from asif_lib.encoders.embeddings import embed, embed_readable  # a bank that is only read needs no encoder

    checked_identity("image", image_encoder)
    checked_identity("text", text_encoder)
    image, kept, errors = embed_readable(image_encoder, pairs.pictures, progress=progress)
    if errors and not skip_broken:
        raise BrokenPicturesError(errors, can_skip=True)
    if not kept:
        raise BankError(f"{pairs.name}: has no pair to build a bank of")
    pairs = pairs.subset(kept)
    if long := [pairs.ids[i] for i in cut_positions(pairs.captions, text_encoder)]:
        reads = f"{text_encoder.identity.name} reads only the first {text_encoder.model.max_seq_length} tokens"
        fault = f"captions of which {reads}: {first_names(long)}; the rest of them does not count"
        warnings.warn(fault, stacklevel=3)
    table = pairs_table(pairs.captions, pairs.ids, list(map(path_of, pairs.pictures)), pairs.groups)
    return image, embed(text_encoder, pairs.captions, progress=progress), table


def path_of(picture) -> str:
    """Return the absolute path of a picture's file, valid from any folder; ``""`` for a picture without a file."""
    return str(Path(picture).absolute()) if isinstance(picture, str | Path) and str(picture) else ""


def cut_positions(captions, text_encoder) -> list:
    """Return the positions of the captions that the text encoder cuts off.

    Of encoders that are not from `load_text_encoder`, nothing is known.
    """
    limit = text_encoder.model.max_seq_length if isinstance(text_encoder, Encoder) else None
    if limit is None:
        return []
    captions = [text_encoder.prompt + caption for caption in captions]
    # A token is at least one byte of the text (a Hangul syllable has at most as many letters as bytes), or one of
    # the two marks around the text, or the space that some tokenizers put before it.
    candidates = [i for i, caption in enumerate(captions) if len(caption.encode(errors="replace")) + 3 > limit]
    if not candidates:  # a tokenizer takes a second to load
        return []
    tokens = text_encoder.model.tokenizer([captions[i] for i in candidates], truncation=False, verbose=False)
    return [i for i, found in zip(candidates, tokens["input_ids"], strict=True) if len(found) > limit]


def pairs_table(captions, ids=None, pictures=None, groups=None) -> pd.DataFrame:
    """Return the columns that `AnchorBank.from_embeddings` takes as a table of n rows."""
    captions = _texts("caption", captions)
    none = [""] * len(captions)
    columns = {
        "id": list(map(str, range(len(captions)))) if ids is None else _texts("id", ids),
        "caption": captions,
        "picture": list(map(path_of, none if pictures is None else _texts("picture", pictures))),
        "group": none if groups is None else _texts("group", groups),
    }
    for name, column in columns.items():
        if len(column) != len(captions):
            raise BankError(f"there are {len(column)} values of {name!r} and {len(captions)} captions: one each a pair")
    try:
        return pd.DataFrame(columns)
    except UnicodeError as error:
        raise BankError(f"a text of the table cannot be stored ({error})") from None


def _texts(name, values) -> list:
    """Return a column of texts, or of paths, as a list of texts."""
    listed = isinstance(values, Iterable) and not isinstance(values, str | bytes | set | dict)
    if not listed or getattr(values, "ndim", 1) != 1:
        raise BankError(f"{name!r}: give a list of texts, one for each pair, not a {type(values).__name__}")
    column = [str(value) if isinstance(value, Path) else value for value in values]
    for row, value in enumerate(column):
        if not isinstance(value, str):
            raise BankError(f"{name!r} holds {value!r} in row {row}, which is no text (no picture or group is '')")
    return column
