"""Solutions of chapter 03, relative representations, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from asif_book.chapters.chapter_03.checks import best_caption
from asif_lab import RelativeRepresentation
from asif_lib.relative import relative_representation

relative = relative_representation


def change_by_numpy(z, anchors, matrix):
    def cosines(x, y):
        x, y = x.numpy().astype(float), y.numpy().astype(float)
        return x @ y.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1)

    return np.max(np.abs(cosines(z @ matrix, anchors @ matrix) - cosines(z, anchors)))


def centred(z, a):
    return relative(z - a.mean(0), a - a.mean(0))


def centred_by_hand(z, anchors):
    mean = sum(anchors) / len(anchors)
    z, anchors = z - mean, anchors - mean
    return (z / z.norm(dim=1, keepdim=True)) @ (anchors / anchors.norm(dim=1, keepdim=True)).T


def count_in_a_loop(similarity, k):
    counts = [0] * similarity.shape[1]
    for row in similarity.tolist():
        for anchor in sorted(range(len(row)), key=lambda j: -row[j])[:k]:
            counts[anchor] += 1
    return torch.tensor(counts)


def best_caption_in_a_loop(z_image, z_text, image_anchors, text_anchors):
    pictures, captions = centred_by_hand(z_image, image_anchors), centred_by_hand(z_text, text_anchors)
    best = []
    for picture in pictures:
        best.append(F.cosine_similarity(picture[None], captions, dim=1).argmax())
    return torch.stack(best)


def evidence(transformations, measure=None):
    """An investigation of these transformations, {name: function of (d,) that gives a function of rows}."""

    def largest(f, z, a):
        return float((relative(f(z), f(a)) - relative(z, a)).abs().max())

    def investigate(z, anchors):
        made = {name: make(z.shape[1]) for name, make in transformations.items()}
        return {name: (f, (measure or largest)(f, z, anchors)) for name, f in made.items()}

    return investigate


def turn(d):
    q = torch.linalg.qr(torch.randn(d, d)).Q
    return lambda x: x @ q


def stretch(d):
    sizes = torch.linspace(0.1, 3, d)
    return lambda x: x * sizes


def own_length(d):
    return lambda x: x / x.norm(dim=1, keepdim=True)


def shift(d):
    return lambda x: x + 2


def redraws(d):
    return lambda x: x @ torch.linalg.qr(torch.randn(d, d)).Q


def batch_mean(d):
    return lambda x: x - x.mean(dim=0)


def nearly_nothing(d):
    sizes = torch.ones(d)
    sizes[0] = 1.002
    return lambda x: x * sizes


GOOD = {"a turn": turn, "own length": own_length, "stretch": stretch, "shift": shift}
OTHERS = {
    "mirror": lambda d: lambda x: -x,
    "longer vectors longer still": lambda d: lambda x: x * x.square().sum(dim=1, keepdim=True),
    "zeros added": lambda d: lambda x: F.pad(x, (0, 3)),
    "one coordinate lost": lambda d: lambda x: x[:, 1:],
    "no negative numbers": lambda d: lambda x: x.clamp_min(0),
}


def without(*names, **more):
    return evidence({name: f for name, f in (GOOD | more).items() if name not in names})


def mean_change(f, z, a):
    return float((relative(f(z), f(a)) - relative(z, a)).abs().mean())


def one_side(f, z, a):
    return float((relative(f(z), a[:, : f(z).shape[1]]) - relative(z, a)).abs().max())


def dot_products(f, z, a):
    return float((f(z) @ f(a).T - z @ a.T).abs().max())


class anchors:  # what the notebook calls so
    image, text = torch.ones(20, 1280), torch.ones(20, 384)


RIGHT = {
    "03.1": [lambda z, a: F.cosine_similarity(z[:, None], a[None], dim=2)], "03.2": [centred_by_hand],
    "03.3": [best_caption_in_a_loop], "03.4": [count_in_a_loop], "03.5": [change_by_numpy],
    "03.6": [evidence(GOOD), evidence(OTHERS)],
}  # fmt: skip
WRONG = {
    "03.1": [
        (relative_representation, "library's own"),
        (lambda z, a: z @ F.normalize(a, dim=1).T / z.norm(), "one `norm` over everything (in one of 2 places)"),
        (lambda z, a: z @ a.T / z.norm(dim=1) / a.norm(dim=1), "One number for each column is (n,), without keepdim"),
    ],
    "03.3": [
        (lambda z, t, za, ta: relative(centred(z, za), centred(t, ta)), "take the position of the largest value"),
        (lambda z, t, za, ta: best_caption(z, t, anchors.image, anchors.text), "not the `anchors` of the notebook"),
        (lambda z, t, za, ta: RelativeRepresentation().fit(za, ta).similarity(z, t).argmax(1), "library's method"),
    ],
    "03.4": [(lambda s, k: (s >= s.topk(k, dim=1).values[:, -1:]).sum(dim=0), "with k = 2 you counted 4 for one item")],
    "03.6": [
        (without("a turn"), "at least two of each"),
        (without("stretch", clamp=OTHERS["no negative numbers"]), "Find a matrix"),
        (without(again=stretch), "the same change. If a loop"),
        (without("a turn", **{"always another turn": redraws}), "draws new random numbers"),
        (without(centring=batch_mean), "stand beside it"),
        (without(little=nearly_nothing), "hardly at all"),
        (evidence(GOOD, mean_change), "that is the mean"),
        (evidence(GOOD, one_side), "one side only"),
        (evidence({"cut": OTHERS["one coordinate lost"]}, one_side), "one side only"),
        (evidence(GOOD, dot_products), "dot products"),
        (evidence(GOOD, lambda f, z, a: 0.3), "your evidence says 0.3"),
        (without(root=lambda d: torch.sqrt), "NaN or infinity"),
        (evidence({"turn": turn, "length": lambda d: lambda x: x.norm(dim=1)}, lambda f, z, a: 0), "must turn rows"),
        (without(twice=lambda d: lambda x: x.mul_(2)), "changed its input"),
        (lambda z, a: {"a turn": 0.0}, "give two things"),
    ],
}
