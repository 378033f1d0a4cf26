"""Frozen encoders (chapter 01): pictures or sentences in, one float32 row vector each out.

An encoder is loaded by its name, its weights verified by SHA-256 and loaded without pickled code. Each has an
`EncoderIdentity`, so embeddings of two encoders are never compared by mistake. `embed` keeps them on disk under it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "embeddings": ["embed", "embed_readable"],
        "identity": ["REGISTRY_IMAGE_ENCODERS", "EncoderIdentity", "external_identity"],
        "image": ["load_image_encoder"],
        "pictures": ["open_picture", "white_square"],
        "text": ["load_text_encoder"],
    },
)
