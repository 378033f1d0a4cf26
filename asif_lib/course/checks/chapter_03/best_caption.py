"""Check of exercise 03.5: the caption that fits a picture, by descriptions through anchors."""

from dataclasses import replace

import torch

from asif_lib.relative import relative_representation

from ..catalogue import but, centred, reordered
from ..exercise import Exercise
from ..judging import random_tensor


def own_means(z, t, za, ta):
    return za.mean(0), ta.mean(0)


def best_caption(z, t, za, ta, *, means=own_means, cosines=relative_representation, dim=1):
    """Return for each picture of `z` the row of the caption in `t` with the description most like its own."""
    picture_mean, caption_mean = means(z, t, za, ta)
    pictures = relative_representation(z - picture_mean, za - picture_mean)
    captions = relative_representation(t - caption_mean, ta - caption_mean)
    return cosines(pictures, captions).argmax(dim=dim)


def pairs(seed, q, t, n, d_text=7):
    """Make pictures (q, 12), captions (t, d_text) and n anchors of both that share four hidden coordinates."""
    hidden = random_tensor(max(q, t) + n, 4, seed=seed)
    picture = hidden @ random_tensor(4, 12, seed=seed + 1) + random_tensor(len(hidden), 12, seed=seed + 2) + 2
    caption = hidden @ random_tensor(4, d_text, seed=seed + 3) + random_tensor(len(hidden), d_text, seed=seed + 4)
    return picture[n : n + q], caption[n : n + t] + 2, picture[:n], caption[:n] + 2


def name_the_notebooks_variables(function, verdict):
    used = {"anchors", "new", "bank"} & set(getattr(getattr(function, "__code__", None), "co_names", ()))
    if verdict.status == "wrong" and used:
        told = f"Use the arguments, not the `{min(used)}` of the notebook. {verdict.message}"
        return replace(verdict, message=told)


def by_distance(a, b):
    return -torch.cdist(a, b)


def directly(similarity, centred_too):
    return lambda z, t, za, ta: similarity(z - centred_too * za.mean(0), t - centred_too * ta.mean(0)).argmax(1)


cases = [  # In the first, pictures and captions have one width, so that comparing them directly does not fail.
    pairs(20, 40, 40, 25, 12),
    *(pairs(*size) for size in ((30, 40, 40, 25), (40, 30, 50, 15), (50, 50, 20, 30), (60, 1, 9, 10))),
]
mistakes = {
    "You compared pictures and captions directly, but they have no common coordinates, and only by chance the same "
    "number of them here. Describe the pictures by `image_anchors`, the captions by `text_anchors`, then compare the "
    "descriptions.": tuple(
        directly(similarity, centred_too)
        for similarity in (torch.inner, relative_representation, by_distance)
        for centred_too in (False, True)
    ),
    "You described the pictures by the anchors' captions, and the captions by their pictures; describe each by the "
    "anchors of its own kind.": reordered(0, 1, 3, 2),
    "You described both by the anchors' pictures; describe the captions by captions.": reordered(0, 1, 2, 2),
    "You described both by the anchors' captions; describe the pictures by pictures.": reordered(0, 1, 3, 3),
    "You left the common part in: subtract the mean of the anchors' pictures from the pictures, and the mean of the "
    "anchors' captions from the captions.": but(means=lambda *case: (0, 0)),
    "Subtract the anchors' means, not those of the new items.": but(means=lambda z, t, za, ta: (z.mean(0), t.mean(0))),
    "Subtract the means of both; the captions have a common part.": but(means=lambda z, t, za, ta: (za.mean(0), 0)),
    "Subtract the means of both; the pictures have a common part.": but(means=lambda z, t, za, ta: (0, ta.mean(0))),
    "These are dot products: long descriptions win. Take their cosines.": but(cosines=lambda a, b: a @ b.T),
    "You give the best picture for each caption; the best caption for each picture is asked for.": but(dim=0),
    "You give the caption that fits least.": but(cosines=lambda a, b: -relative_representation(a, b)),
    "That is the row of the nearest anchor; compare whole descriptions.": lambda z, t, za, _: centred(z, za).argmax(1),
    "You took the new caption nearest to the caption of the nearest anchor; compare whole descriptions.": (
        lambda z, t, za, ta: directly(relative_representation, True)(ta[centred(z, za).argmax(1)], t, ta, ta)
    ),
    "You took distances between the descriptions; take their cosines.": but(cosines=by_distance),
}
check_best_caption = Exercise(
    "03.5", "Find the caption", best_caption, cases, mistakes, after=name_the_notebooks_variables
)
