"""Check of chapter 03's model: the caption that fits a picture, by descriptions through anchors."""

from dataclasses import replace

import torch

from asif_lib.relative import relative_representation

from .judging import Verdict, compare, exercise, random_tensor


@exercise("03.5", "Find the caption")
def check_best_caption(function) -> Verdict:
    """For each picture the caption whose description by anchors is most like its own."""

    def best(z, t, za, ta, *, means=None, dim=1, compare_by=relative_representation):
        means = (za.mean(0), ta.mean(0)) if means is None else means
        pictures = relative_representation(z, za, mean=means[0])
        captions = relative_representation(t, ta, mean=means[1])
        return compare_by(pictures, captions).argmax(dim=dim)

    def pairs(seed, q, t, n, d_text=7):
        hidden = random_tensor(max(q, t) + n, 4, seed=seed)
        picture = hidden @ random_tensor(4, 12, seed=seed + 1) + random_tensor(len(hidden), 12, seed=seed + 2) + 2
        caption = hidden @ random_tensor(4, d_text, seed=seed + 3) + random_tensor(len(hidden), d_text, seed=seed + 4)
        return picture[n : n + q], caption[n : n + t] + 2, picture[:n], caption[:n] + 2

    # In the first case pictures and captions have one width, so that comparing them directly does not fail by itself.
    sizes = [(20, 40, 40, 25, 12), (30, 40, 40, 25), (40, 30, 50, 15), (50, 50, 20, 30), (60, 1, 9, 10)]
    cases = [pairs(*size) for size in sizes]
    negative = (lambda a, b: a @ b.T), (lambda a, b: -relative_representation(a, b))
    mistakes = [
        *((NO_COMMON_COORDINATES, mistake) for mistake in _compared_directly()),
        (
            "You described the pictures by the anchors' captions, and the captions by their pictures; describe each by "
            "the anchors of its own kind.",
            lambda z, t, za, ta: best(z, t, ta, za),
        ),
        (
            "You described both by the anchors' pictures; describe the captions by the anchors' captions.",
            lambda z, t, za, ta: best(z, t, za, za),
        ),
        (
            "You described both by the anchors' captions; describe the pictures by the anchors' pictures.",
            lambda z, t, za, ta: best(z, t, ta, ta),
        ),
        (
            "You left the common part in: take the mean of the anchors' pictures off the pictures, that of the "
            "anchors' captions off the captions.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(None, None)),
        ),
        (
            "You took the means of the new pictures and captions off; take the anchors' means.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(z.mean(0), t.mean(0))),
        ),
        (
            "You took the mean off on one side only; the captions have a common part as well.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(za.mean(0), None)),
        ),
        (
            "You took the mean off on one side only; the pictures have a common part as well.",
            lambda z, t, za, ta: best(z, t, za, ta, means=(None, ta.mean(0))),
        ),
        (
            "You compared the two descriptions by dot products: captions with long descriptions win. Take their "
            "cosines.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=negative[0]),
        ),
        (
            "You give the best picture for each caption; the best caption for each picture is asked for.",
            lambda z, t, za, ta: best(z, t, za, ta, dim=0),
        ),
        (
            "You give the caption that fits least.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=negative[1]),
        ),
        (
            "You give the row of the nearest anchor; compare whole descriptions, and give the row of a new caption.",
            lambda z, t, za, ta: relative_representation(z, za, mean=za.mean(0)).argmax(1),
        ),
        (
            "You took the new caption nearest to the caption of the nearest anchor; compare whole descriptions.",
            lambda z, t, za, ta: relative_representation(
                ta[relative_representation(z, za, mean=za.mean(0)).argmax(1)], t, mean=ta.mean(0)
            ).argmax(1),
        ),
        (
            "You took distances between the descriptions; take their cosines.",
            lambda z, t, za, ta: best(z, t, za, ta, compare_by=lambda a, b: -torch.cdist(a, b)),
        ),
    ]
    verdict = compare(function, best, cases, mistakes)
    used = {"anchors", "new", "bank"} & set(getattr(getattr(function, "__code__", None), "co_names", ()))
    if verdict.status == "wrong" and used:
        name = sorted(used)[0]
        return replace(verdict, message=f"Use the arguments, not the `{name}` of the notebook. {verdict.message}")
    return verdict


NO_COMMON_COORDINATES = (
    "You compared pictures and captions directly, but they have no common coordinates, and only by chance the "
    "same number of them here. Describe the pictures by `image_anchors`, the captions by `text_anchors`, then compare "
    "the descriptions."
)


def _compared_directly():
    """Ways to compare pictures with captions without describing either: each gives (q,) rows of captions."""
    return [
        lambda z, t, za, ta: (z @ t.T).argmax(1),
        lambda z, t, za, ta: relative_representation(z, t).argmax(1),
        lambda z, t, za, ta: ((z - za.mean(0)) @ (t - ta.mean(0)).T).argmax(1),
        lambda z, t, za, ta: relative_representation(z - za.mean(0), t - ta.mean(0)).argmax(1),
        lambda z, t, za, ta: torch.cdist(z, t).argmin(1),
    ]
