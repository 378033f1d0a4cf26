"""Solutions of chapter 03, relative representations, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from asif_lib.relative import relative_representation

relative = relative_representation


def scaled(z, dim=1):
    return F.normalize(z, dim=dim)


def one_by_one(z, anchors):
    rows = [[torch.dot(v, a) / (v.norm() * a.norm()) for a in anchors] for v in z]
    return torch.tensor(rows)


def changed(z, a, m):
    return relative(z @ m, a @ m) - relative(z, a)


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


def count_with_mask(similarity, k):
    near = similarity.topk(k, dim=1).indices
    return F.one_hot(near, similarity.shape[1]).sum(dim=(0, 1))


def nearest_items(similarity, k):
    """topk down the columns."""
    near = similarity.topk(min(k, len(similarity)), dim=0).indices
    return torch.tensor([len(column) for column in near.T])


def mask(similarity, k):
    return F.one_hot(similarity.topk(k, dim=1).indices, similarity.shape[1]).sum(dim=1)


def counted(indices, n):
    return torch.bincount(indices.flatten(), minlength=n)


def best_caption(z, t, za, ta):
    return relative(centred(z, za), centred(t, ta)).argmax(dim=1)


def best_caption_in_a_loop(z_image, z_text, image_anchors, text_anchors):
    pictures, captions = centred_by_hand(z_image, image_anchors), centred_by_hand(z_text, text_anchors)
    best = []
    for picture in pictures:
        best.append(F.cosine_similarity(picture[None], captions, dim=1).argmax())
    return torch.stack(best)


def nearest_anchor(z, t, za, ta):
    return centred(z, za).argmax(dim=1)


def caption_of_nearest_anchor(z, t, za, ta):
    borrowed = ta[centred(z, za).argmax(dim=1)]
    return centred(borrowed - ta.mean(0), t - ta.mean(0)).argmax(dim=1)


def nearest_anchor_caption(z, t, za, ta):
    borrowed = ta[centred(z, za).argmax(dim=1)] - ta.mean(0)
    return (scaled(borrowed) @ scaled(t - ta.mean(0)).T).argmax(dim=1)


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
    return float((relative(f(z), a) - relative(z, a)).abs().max())


def dot_products(f, z, a):
    return float((f(z) @ f(a).T - z @ a.T).abs().max())


class anchors:  # what the notebook calls so
    image, text = torch.ones(20, 1280), torch.ones(20, 384)


RIGHT = {
    "03.1": [lambda z, a: F.cosine_similarity(z[:, None], a[None], dim=2), one_by_one],
    "03.2": [lambda z, a, m: changed(z, a, m).abs().max().item(), change_by_numpy],
    "03.3": [centred, centred_by_hand],
    "03.4": [count_in_a_loop, count_with_mask],
    "03.5": [best_caption, best_caption_in_a_loop],
    "03.6": [evidence(GOOD), evidence(OTHERS)],
}
WRONG = {
    "03.1": [
        (lambda z, a: relative_representation(z, a), "call the library's function"),
        (lambda z, a: z @ a.T, "dot products"),
        (lambda z, a: scaled(z) @ a.T, "not those of the anchors"),
        (lambda z, a: z @ scaled(a).T, "not those of `z`"),
        (lambda z, a: scaled(z, 0) @ scaled(a, 0).T, "columns, not rows"),
        (lambda z, a: relative(z, a).T, "transposed"),
        (torch.cdist, "distances"),
        (lambda z, a: z @ a.T / z.norm(dim=1, keepdim=True) ** 2 / a.norm(dim=1) ** 2, "squared lengths"),
        (lambda z, a: F.cosine_similarity(z, a[: len(z)]), "shape"),
    ],
    "03.2": [
        (lambda z, a, m: (relative(z @ m, a) - relative(z, a)).abs().max(), "`z` alone"),
        (lambda z, a, m: (relative(z, a @ m) - relative(z, a)).abs().max(), "anchors alone"),
        (lambda z, a, m: (relative(z @ m, a @ m.T) - relative(z, a)).abs().max(), "other way round"),
        (lambda z, a, m: (relative((m @ z.T).T, (m @ a.T).T) - relative(z, a)).abs().max(), "transpose"),
        (lambda z, a, m: 0.0, "always gives 0"),
        (lambda z, a, m: changed(z, a, m).abs().mean(), "took the mean"),
        (lambda z, a, m: changed(z, a, m).max(), "absolute value"),
        (lambda z, a, m: ((z @ m) @ (a @ m).T - z @ a.T).abs().max(), "dot products"),
        (lambda z, a, m: (relative(z @ m, a @ m).max() - relative(z, a).max()).abs(), "difference of each entry"),
        (lambda z, a, m: abs(relative(z, a).max() - relative(z @ m, a @ m).max()).item(), "difference of each entry"),
        (lambda z, a, m: (z @ m - z).abs().max(), "how far the vectors"),
        (lambda z, a, m: torch.linalg.norm(changed(z, a, m)), "the norm of all"),
    ],
    "03.3": [
        (lambda z, a: relative(z, a), "common part in"),
        (lambda z, a: (z - a.mean(0)) @ (a - a.mean(0)).T, "did not scale"),
        (lambda z, a: centred(scaled(z), scaled(a)), "before you subtracted the mean, and again"),
        (lambda z, a: relative(z - a.mean(), a - a.mean()), "without dim=0"),
        (lambda z, a: relative(z - z.mean(0), a - z.mean(0)), "mean of `z` from both"),
        (lambda z, a: relative(z - a.mean(0), a), "from `z` only"),
        (lambda z, a: relative(z, a - a.mean(0)), "anchors only"),
        (lambda z, a: relative(z - z.mean(0), a - a.mean(0)), "each set's own mean"),
        (lambda z, a: (scaled(z) - scaled(a).mean(0)) @ (scaled(a) - scaled(a).mean(0)).T, "no cosines"),
        (
            lambda z, a: relative(z - z.mean(1, keepdim=True), a - a.mean(1, keepdim=True)),
            "coordinates of each row",
        ),
        (lambda z, a: centred(z.sub_(a.mean(0)), a), "changed its input"),
    ],
    "03.4": [
        (lambda s, k: s.topk(k, dim=1).indices.flatten().bincount(), "nobody's neighbour"),
        (lambda s, k: s.topk(k, dim=1).indices.unique(return_counts=True)[1], "nobody's neighbour"),
        (nearest_items, "of each anchor"),
        (lambda s, k: counted(s.topk(k, dim=0).indices, s.shape[1]), "topk down the columns"),
        (lambda s, k: counted(s.topk(k, dim=0).indices, len(s)), "topk down the columns"),
        (lambda s, k: counted(s.topk(k, dim=0).indices, 0), "topk down the columns"),
        (lambda s, k: counted(s.topk(k, dim=1).indices, len(s)), "one count for each anchor"),
        (lambda s, k: count_in_a_loop(s.clone().fill_diagonal_(-torch.inf), k), "nothing special"),
        (lambda s, k: counted(s.topk(k + 1, dim=1).indices, s.shape[1]), "two sets here"),
        (lambda s, k: counted(s.topk(k + 1, dim=1).indices[:, 1:], s.shape[1]), "two sets here"),
        (lambda s, k: mask(s, k).sum(dim=1), "along the rows"),
        (lambda s, k: mask(-s, k).sum(dim=0), "least similar"),
        (lambda s, k: mask(s, 1).sum(dim=0), "only the nearest one"),
        (lambda s, k: mask(s, k).float().mean(dim=0), "shares"),
        (lambda s, k: mask(s, k).sum(dim=0) / (len(s) * k), "of all places"),
        (lambda s, k: (mask(s, k) * s).sum(dim=0), "added up the similarities"),
        (lambda s, k: count_in_a_loop(s, k).sort(descending=True).values, "sorted"),
        (lambda s, k: count_in_a_loop(s, k).float(), "dtype"),
        (lambda s, k: s.topk(k, dim=1), ".indices"),
    ],
    "03.5": [
        (lambda z, t, za, ta: relative(relative(z, za), relative(t, ta)).argmax(1), "common part in"),
        (
            lambda z, t, za, ta: relative(
                relative(z - z.mean(0), za - z.mean(0)), relative(t - t.mean(0), ta - t.mean(0))
            ).argmax(1),
            "the anchors' means",
        ),
        (lambda z, t, za, ta: relative(centred(z, za), relative(t, ta)).argmax(1), "captions have a common part"),
        (lambda z, t, za, ta: relative(relative(z, za), centred(t, ta)).argmax(1), "pictures have a common part"),
        (lambda z, t, za, ta: (centred(z, za) @ centred(t, ta).T).argmax(1), "dot products"),
        (lambda z, t, za, ta: relative(centred(z, za), centred(t, ta)).argmax(0), "for each caption"),
        (lambda z, t, za, ta: relative(centred(z, za), centred(t, ta)).argmin(1), "fits least"),
        (nearest_anchor, "row of the nearest anchor"),
        (nearest_anchor_caption, "caption of the nearest anchor"),
        (lambda z, t, za, ta: torch.cdist(centred(z, za), centred(t, ta)).argmin(1), "distances"),
        (lambda z, t, za, ta: relative(centred(z, za), centred(t, ta)).max(1), ".values or .indices"),
        (lambda z, t, za, ta: relative(centred(z, za), centred(t, ta)), "shape"),
        (lambda z, t, za, ta: (z @ t.T).argmax(1), "no common coordinates"),
        (lambda z, t, za, ta: (scaled(z) @ scaled(t).T).argmax(1), "no common coordinates"),
        (
            lambda z, t, za, ta: (scaled(z - za.mean(0)) @ scaled(t - ta.mean(0)).T).argmax(1),
            "no common coordinates",
        ),
        (lambda z, t, za, ta: best_caption(z, t, ta, za), "of its own kind"),
        (lambda z, t, za, ta: best_caption(z, t, za, za), "by the anchors' pictures"),
        (lambda z, t, za, ta: best_caption(z, t, ta, ta), "by the anchors' captions"),
        (lambda z, t, za, ta: best_caption(z, t, anchors.image, anchors.text), "not the `anchors` of the notebook"),
    ],
    "03.6": [
        (without("a turn"), "at least two of each"),
        (without("stretch"), "at least two of each"),
        (without("own length", mirror=OTHERS["mirror"]), "Find one that is not"),
        (without("stretch", clamp=OTHERS["no negative numbers"]), "Find a matrix"),
        (without(again=stretch), "the same change"),
        (without("a turn", **{"always another turn": redraws}), "draws new random numbers"),
        (without(centring=batch_mean), "stand beside it"),
        (without(little=nearly_nothing), "hardly at all"),
        (evidence(GOOD, mean_change), "that is the mean"),
        (evidence(GOOD, one_side), "one side only"),
        (evidence(GOOD, dot_products), "dot products"),
        (evidence(GOOD, lambda f, z, a: 0.3), "your evidence says 0.3"),
        (without(root=lambda d: torch.sqrt), "NaN or infinity"),
        (evidence({"turn": turn, "length": lambda d: lambda x: x.norm(dim=1)}, lambda f, z, a: 0), "must turn rows"),
        (without(twice=lambda d: lambda x: x.mul_(2)), "changed its input"),
        (lambda z, a: {"a turn": 0.0}, "give two things"),
        (lambda z, a: {}, "at least two of each"),
        (lambda z, a: [0.0], "returned a list"),
    ],
}
