"""ASIF: two frozen unimodal encoders become one image–text model, without training.

>>> from asif_lib import ASIF, AnchorBank
>>> model = ASIF(AnchorBank.load("stamps"))                          # doctest: +SKIP
>>> model.classify(["otter.jpg"], ["otter", "beaver"]).best          # doctest: +SKIP
['otter']
"""

import lazy_loader

# a public name is imported when it is first used: PyTorch takes seconds, and ``asif --help`` needs none of it
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bank": ["AnchorBank"],
        "datasets": ["Labelled", "Pairs", "load_labelled", "load_pairs"],
        "encoders": ["EncoderIdentity", "embed", "load_image_encoder", "load_text_encoder"],
        "errors": ["AsifError"],
        "explain": ["contributions"],
        "relative": ["relative_representation"],
        "settings": ["Settings"],
        "sparse": ["SparseVectors", "represent", "sparsify"],
        "zeroshot": ["ASIF", "Classification"],
    },
)
