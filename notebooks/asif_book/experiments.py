"""Change pictures, captions and coordinates on purpose: the experiments of chapters 00 to 04."""

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy.stats import spearmanr

from asif_lib.encoders.pictures import open_picture
from asif_lib.evaluation.benchmark.control_encoders import colour_histogram  # noqa: F401, for chapter 01
from asif_lib.evaluation.neighbours import mutual_neighbours, pair_correlation, shuffled_correlation


def draw_rivals(captions, count, rng) -> torch.Tensor:
    """Draw for each of q pictures the rows of `count` others with another caption than its own, (q, count) int64."""
    rows = range(len(captions))
    shuffled = ((own, rng.permutation(len(captions)).tolist()) for own in rows)
    return torch.tensor([[j for j in order if captions[j] != captions[own]][:count] for own, order in shuffled])


# Chapter 01: pictures and texts as an encoder gets them


def encoder_views(encoder, picture):
    """Return four views of a `PictureFile`: the file, as read, as the encoder sees it, and that without padding."""
    return Image.open(picture.path), open_picture(picture), _input(encoder, picture), _input(encoder, picture.path)


def _input(encoder, picture):
    """The encoder's input with the last step undone, (h, w, 3) from 0 to 1."""
    normalise = encoder.transform.transforms[-1]  # (value - mean) / std, for each channel
    mean, std = (torch.as_tensor(v).view(3, 1, 1) for v in (normalise.mean, normalise.std))
    return (encoder.transform(open_picture(picture)) * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()


def word_pieces(encoder, text) -> list:
    """Cut a text into the tokens that the text encoder reads."""
    return encoder.model.tokenizer.tokenize(text)


def token_vectors(encoder, texts):
    """Return the tokens of each text, their vectors before pooling (n, t, d), and the mask of real tokens (n, t)."""
    model = encoder.model
    batch = model.tokenizer(
        texts, padding=True, truncation=True, max_length=model.max_seq_length, return_tensors="pt"
    ).to(model.device)
    with torch.inference_mode():
        vectors = model[0](dict(batch))["token_embeddings"].float().cpu()
    tokens = [model.tokenizer.convert_ids_to_tokens(ids) for ids in batch["input_ids"].tolist()]
    return tokens, vectors, batch["attention_mask"].cpu()


def on_grey(picture) -> Image.Image:
    """Paint what is white in a picture grey."""
    pixels = np.asarray(picture)
    white = (pixels > 250).all(axis=2, keepdims=True)
    return Image.fromarray(np.where(white, 128, pixels).astype(np.uint8))


PICTURE_CHANGES = {
    "upside down": ImageOps.flip,
    "without colours": lambda picture: ImageEnhance.Color(picture).enhance(0),
    "out of focus": lambda picture: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40)),
    "on grey": on_grey,
}


# Chapter 02: captions in the wrong place, and anchors chosen in several ways


def twins(pairs, similarity, threshold=0.95) -> pd.DataFrame:
    """List the pairs of pictures above a similarity (n, n), with their kind, and whether two splits share them."""
    split_of = {i: name for name, positions in pairs.splits.items() for i in positions}
    rows, columns = (similarity.triu(1) > threshold).nonzero(as_tuple=True)
    table = []
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        kind = "two files with one caption" if pairs.captions[i] == pairs.captions[j] else "two captions"
        if pairs.pictures[i].path.read_bytes() == pairs.pictures[j].path.read_bytes():
            kind = "one file, filed twice"
        table.append((kind, pairs.ids[i], pairs.ids[j], split_of[i] != split_of[j]))
    return pd.DataFrame(table, columns=["kind", "left", "right", "in two splits"])


def misplaced(n, share, generator) -> torch.Tensor:
    """Return an order of n captions in which a share of them, drawn at random, has changed places, (n,) int64."""
    order = torch.arange(n)
    moved = torch.randperm(n, generator=generator)[: round(share * n)]
    order[moved] = moved.roll(1)
    return order


def effect_left(a, b, share, k, generator) -> np.ndarray:
    """Measure the agreement of two (n, n) similarities that is left when a share of the captions changes places, (2,).

    It is the correlation over pairs, and the share of k common neighbours above chance; each over its value for the
    captions as they are, mean of five deals.
    """
    n, chance = len(a), k / (len(a) - 1)
    whole = pair_correlation(a, b), float(mutual_neighbours(a, b, k).mean()) - chance
    found = []
    for _ in range(5):
        order = misplaced(n, share, generator)
        common = float(mutual_neighbours(a, b[order][:, order], k).mean()) - chance
        found.append((shuffled_correlation(a, b, order), common))
    return np.mean(found, axis=0) / whole


def covered_by(cosines, order, counts) -> np.ndarray:
    """Measure how well the first anchors of an order cover new pictures: mean and 5th percentile, (counts, 2).

    `cosines` is (q, n), of the new pictures with all anchors; `counts` says how many anchors are taken.
    """
    best = [cosines[:, order[:count]].amax(dim=1) for count in counts]
    return np.array([[float(b.mean()), float(b.quantile(0.05))] for b in best])


# Chapter 03: other coordinates, other words


def random_rotation(d, generator) -> torch.Tensor:
    """Draw a (d, d) rotation or reflection, all equally likely."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))
    return q * r.diagonal().sign()


def change_of_entries(before, after) -> dict:
    """Compare a relative representation (q, n) before and after a shift, for a row of a table.

    The last number is the rank correlation of the entries.
    """
    largest = float((after - before).abs().max())
    return {
        "largest change": f"{largest:.3f}" if largest > 1e-3 else "below 0.001",
        "entries after the shift": f"{float(after.min()):.3f} to {float(after.max()):.3f}",
        "order kept (1 = all)": f"{spearmanr(before.ravel(), after.ravel()).statistic:.2f}",
    }


def without_article(caption) -> str:
    """Remove the article and the full stop of a caption.

    >>> without_article("A sleeping capybara.")
    'sleeping capybara'
    """
    for article in ("A ", "An ", "The "):
        caption = caption.removeprefix(article)
    return caption.rstrip(".")
