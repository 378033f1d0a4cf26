"""ASIF: two frozen unimodal encoders become one image–text model, without training.

>>> from asif_lib import ASIF, AnchorBank
>>> model = ASIF(AnchorBank.load("stamps"))                          # doctest: +SKIP
>>> model.classify(["otter.jpg"], ["otter", "beaver"]).best          # doctest: +SKIP
['otter']
"""

import importlib

_MODULE_OF = {
    "ASIF": "zeroshot",
    "AnchorBank": "anchors",
    "AsifError": "errors",
    "Classification": "zeroshot",
    "EncoderIdentity": "encoders",
    "Labelled": "datasets",
    "Pairs": "datasets",
    "SparseVectors": "sparse",
    "contributions": "interpret",
    "embed": "embeddings",
    "load_image_encoder": "encoders",
    "load_labelled": "datasets",
    "load_pairs": "datasets",
    "load_text_encoder": "encoders",
    "record": "results",
    "relative_representation": "relative",
    "sparse_relative_representation": "sparse",
    "sparsify": "sparse",
}
__all__ = list(_MODULE_OF)


def __getattr__(name):
    """Import a public name when it is first used: PyTorch takes seconds, and ``asif --help`` needs none of it."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
