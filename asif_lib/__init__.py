"""ASIF: two frozen unimodal encoders become one image–text model, without training.

>>> from asif_lib import ASIF, AnchorBank
>>> model = ASIF(AnchorBank.load("stamps"))                          # doctest: +SKIP
>>> model.classify(["otter.jpg"], ["otter", "beaver"]).best          # doctest: +SKIP
['otter']
"""

from .anchors import AnchorBank
from .datasets import Labelled, Pairs, load_labelled, load_pairs
from .embeddings import embed
from .encoders import EncoderIdentity, load_image_encoder, load_text_encoder
from .errors import AsifError
from .interpret import contributions
from .relative import relative_representation
from .results import record
from .sparse import SparseVectors, sparse_relative_representation, sparsify
from .zeroshot import ASIF, Classification

__all__ = [
    "ASIF", "AnchorBank", "AsifError", "Classification", "EncoderIdentity", "Labelled", "Pairs", "SparseVectors",
    "contributions", "embed", "load_image_encoder", "load_labelled", "load_pairs", "load_text_encoder", "record",
    "relative_representation", "sparse_relative_representation", "sparsify",
]  # fmt: skip
