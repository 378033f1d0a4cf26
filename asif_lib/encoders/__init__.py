"""Frozen encoders (chapter 01): pictures or sentences in, one float32 row vector each out.

An encoder is loaded by its name. Its weights are verified against a SHA-256 and loaded without pickled code. Each
encoder carries an `EncoderIdentity`, so embeddings of two encoders are never compared by mistake. `embed` keeps
embeddings on disk under that identity.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "identity": ["BFLOAT16", "EncoderIdentity", "external_identity"],
        "registry": ["MINILM_PACKAGE", "MINILM_SHA256", "MPNET_PACKAGES", "MPNET_SHA256", "REGISTRY_IMAGE_ENCODERS"],
        "image": ["ImageEncoder", "load_image_encoder"],
        "text": ["TextEncoder", "check_strings", "has_bfloat16", "load_text_encoder"],
        "graphs": ["frozen_graph"],
        "loading": ["load_encoder", "load_encoder_of"],
        "contrastive": ["load_contrastive"],
        "embeddings": ["embed", "embed_readable"],
        "known": ["KnownTexts"],
        "pictures": ["PictureFile", "open_picture", "picture_digest"],
    },
)
