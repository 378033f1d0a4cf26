"""Load an encoder of either kind."""


def load_encoder(kind, name, *, device="auto"):
    """Load the image or text encoder called `name`, as an `EncoderIdentity` names it."""
    # timm takes seconds to import, and a text encoder needs none of it
    if kind == "image":
        from .image import load_image_encoder as load
    else:
        from .text import load_text_encoder as load
    return load(name, device=device)
