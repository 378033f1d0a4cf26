"""Right and wrong solutions of chapter 01."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def unit(z):
    return F.normalize(z, dim=1)


def diagonal_out(similarity, value=-torch.inf):
    return similarity.fill_diagonal_(value)


def standardise_by_loop(pictures, mean, std):
    return torch.stack([(pictures[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)


def cosine_matrix_by_loop(a, b):
    return torch.stack([torch.stack([F.cosine_similarity(x, y, dim=0, eps=1e-12) for y in b]) for x in a])


def nearest(z, m):
    order = (unit(z) @ unit(z).T).argsort(dim=1, descending=True)
    return [[j for j in row if j != i][:m] for i, row in enumerate(order.tolist())]  # other ties, a list


def pooled_by_loop(tokens, mask):
    return torch.stack([t[m.bool()].mean(dim=0) if m.any() else t[0] * 0 for t, m in zip(tokens, mask, strict=True)])


def share_by_loop(neighbours, group):
    same = [int(group[j] == group[i]) for i, row in enumerate(neighbours.tolist()) for j in row]
    return sum(same) / len(same)


def painted(picture):
    picture.paste("red", (0, 0, 9, 9))
    return picture


def on_a_canvas(picture):
    return Image.new("RGB", (300, 301), "white")


RIGHT = {
    "01.1": [standardise_by_loop],
    "01.2": [cosine_matrix_by_loop],
    "01.3": [nearest],
    "01.4": [pooled_by_loop],
    "01.5": [share_by_loop],
    "01.6": [ImageOps.mirror, lambda picture: ImageEnhance.Brightness(picture).enhance(0.75)],
}

WRONG = {
    "01.3": [
        (lambda z, m: diagonal_out(unit(z) @ unit(z).T).topk(m), ".indices"),
        (lambda z, m: torch.tensor(nearest(z, m)) + 1, "0 to 8"),
        (lambda z, m: torch.tensor(nearest(z, m))[:, [0] * m], "twice")
    ],
    "01.6": [
        (lambda picture: picture.copy(), "keep what they return"),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.95), "so dare more"),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(2)), "and a cosine of 0.95: change something else"),
        (ImageOps.flip, "the encoder minds"),
        (lambda picture: np.asarray(picture)[:, ::-1], "returned an ndarray; a PIL picture is wanted"),
        (lambda picture: picture.show, "forget the brackets"),
        (lambda picture: picture.convert("L"), "mode L"),
        (on_a_canvas, "size (300, 301)"),
        (painted, "changed its input; work on a copy")
    ],
}  # fmt: skip
