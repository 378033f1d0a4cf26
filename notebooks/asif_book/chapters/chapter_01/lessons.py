"""Helpers of chapter 01: pictures and texts as an encoder gets them."""

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from asif_lib.encoders.pictures import open_picture, white_square
from asif_lib.encoders.sentence import MeanOfTokens
from asif_lib.encoders.text import load_text_encoder
from asif_lib.relative import relative_representation, unit_rows


def encoder_views(encoder, picture):
    """Return four views of a picture file: as stored, on a white square, as the encoder sees it, and if not padded."""
    read = open_picture(picture)
    normalise = encoder.transform.transforms[-1]  # (value - mean) / std, for each channel
    mean, std = (torch.as_tensor(v).view(3, 1, 1) for v in (normalise.mean, normalise.std))
    inputs = encoder.prepare(read), encoder.transform(read)  # (3, h, w) each
    return Image.open(picture), white_square(read), *((x * std + mean).clamp(0, 1).permute(1, 2, 0) for x in inputs)


def word_pieces(encoder, text) -> list:
    """Cut a text into the tokens that the text encoder reads."""
    return encoder.model.tokenizer.tokenize(text)


def token_vectors(encoder, texts):
    """Return the tokens of each text, their vectors before pooling (n, t, d), and the mask of real tokens (n, t)."""
    model = load_text_encoder(encoder.identity.locator, device=encoder.device, backend="torch").model
    batch = model.tokenizer(
        texts, padding=True, truncation=True, max_length=model.max_seq_length, return_tensors="pt"
    ).to(encoder.device)
    with torch.inference_mode():
        layers = model.model if isinstance(model, MeanOfTokens) else model[0].auto_model
        vectors = layers(**batch)[0].float().cpu()  # (n, t, d)
    tokens = [model.tokenizer.convert_ids_to_tokens(ids) for ids in batch["input_ids"].tolist()]
    return tokens, vectors, batch["attention_mask"].cpu()


def pooled(encoder, texts):
    """Compare two means of the tokens' vectors with the encoder's output.

    Returns the tokens of each text, the mask of real tokens (n, t), and for each mean the largest difference, (n,).
    """
    tokens, vectors, mask = token_vectors(encoder, texts)  # (n, t, d), (n, t)
    output = encoder.encode(texts, progress=False)  # (n, d)
    means = {"real tokens": (vectors * mask[:, :, None]).sum(dim=1), "all tokens": vectors.sum(dim=1)}
    return tokens, mask, {name: (unit_rows(mean) - output).abs().amax(dim=1) for name, mean in means.items()}


def nearest_others(z, rows, count):
    """Find the nearest other rows of z (n, d) by cosine, for some of its rows: values and indices, (q, count) each."""
    cosines = relative_representation(z[rows], z)  # (q, n)
    cosines[torch.arange(len(rows)), rows] = -torch.inf  # a row is not its own neighbour
    return cosines.topk(count, dim=1)


def on_grey(picture) -> Image.Image:
    """Paint what is white in a picture grey."""
    pixels = np.asarray(picture)
    return Image.fromarray(np.where((pixels > 250).all(axis=2, keepdims=True), 128, pixels).astype(np.uint8))


PICTURE_CHANGES = {
    "upside down": ImageOps.flip,
    "without colours": lambda picture: ImageEnhance.Color(picture).enhance(0),
    "out of focus": lambda picture: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40)),
    "on grey": on_grey,
}
