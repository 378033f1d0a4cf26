"""Read the file that the page of a bank exports: the pairs that a reader taught it, with their embeddings."""

import hashlib

from pydantic import BaseModel
from safetensors import safe_open

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, first_line
from asif_lib.files import parse_json, size_of_file

from .anchors import AnchorBank


class _Taught(BaseModel):
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    ids: list[str]
    captions: list[str]


def read_taught(file, name) -> AnchorBank:
    """Return the bank, called `name` and in memory, of a safetensors file with two matrices and two texts.

    The texts are ``taught``, JSON of a bank's texts, and ``sha256``, the checksum of ``taught`` and of the matrices.
    Raises `BankError` if there is no such file, it is damaged or another, or no bank can hold its content.
    """
    try:
        size_of_file(file)
        with safe_open(file, framework="np") as tensors:
            texts, matrices = tensors.metadata() or {}, [tensors.get_tensor(side) for side in ("image", "text")]
        content = texts["taught"].encode()
        if hashlib.sha256(b"".join([content, *(z.tobytes() for z in matrices)])).hexdigest() != texts["sha256"]:
            raise ValueError("it is not as it was written: its checksum differs")
        taught = parse_json(content, _Taught)
    except Exception as error:  # safetensors raises errors of many kinds
        fault = f"{file}: cannot be read as what a page exported ({first_line(error)})"
        raise BankError(f"{fault}; export it again from the page") from None
    return AnchorBank.from_embeddings(*matrices, **vars(taught), name=name)
