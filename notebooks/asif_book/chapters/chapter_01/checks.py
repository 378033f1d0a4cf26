"""Checks of chapter 01, encoders."""

import functools

import numpy as np
import torch
from PIL import Image

from asif_book.checks.catalogue import but, changed, columns, result, unsafe_rows, whole
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_lib.encoders.pictures import open_picture
from asif_lib.relative import relative_representation, unit_rows


def channels(x):
    return x[:, None, None]


def standardise(pictures, mean, std):
    return (pictures - channels(mean)) / channels(std)  # (n, 3, h, w), the others (3, 1, 1)


AXES = [(2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3)]
SPREADS = [
    lambda x, s, axes: x.std(axes, keepdim=True),
    lambda x, s, axes: x.std(axes, correction=0, keepdim=True),
    lambda x, s, axes: channels(s),
]


MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

cases = [  # the first so that a wrong broadcast to any axis fits, and its result has a name
    (random_tensor(1, 3, 1, 3, seed=4).sigmoid(), MEAN, STD),
    (random_tensor(2, 3, 4, 3, seed=1).sigmoid(), MEAN, STD),
    (random_tensor(3, 3, 3, 3, seed=2).sigmoid(), MEAN, STD),
    (random_tensor(1, 3, 8, 1, seed=3).sigmoid(), torch.full((3,), 0.5), torch.tensor([0.5, 0.25, 1.0])),
]
mistakes = {
    "Shapes line up from the right: (3,) was lined up with the width; make it (3, 1, 1).": lambda x, m, s: (x - m) / s,
    "The mean is right. The standard deviation, of shape (3,), was lined up with the width; make it (3, 1, 1), "
    "too.": lambda x, m, s: (x - channels(m)) / s,
    "The standard deviation is right. The mean, of shape (3,), was lined up with the width; make it (3, 1, 1), "
    "too.": lambda x, m, s: (x - m) / channels(s),
    "(3, 1) was lined up with the height; make it (3, 1, 1).": lambda x, m, s: (x - m[:, None]) / s[:, None],
    "You gave each picture of the batch another mean; one belongs to each channel.": lambda x, m, s: (
        (x - m[:, None, None, None]) / s[:, None, None, None]
    ),
    "Only the mean was divided: the difference needs brackets.": lambda x, m, s: x - channels(m / s),
    "Only the mean was divided: the difference needs brackets. And (3,) was lined up with the width; make it (3, 1, "
    "1).": lambda x, m, s: x - m / s,
    "You multiplied by 255; values, mean and standard deviation all go from 0 to 1 here.": changed(
        pictures=lambda x: 255 * x
    ),
    "You used one mean and one standard deviation for all channels; each channel has its own.": changed(
        mean=lambda m: m.mean().expand(3), std=lambda s: s.mean().expand(3)
    ),
    "You used mean and standard deviation in the opposite order of the channels.": changed(
        mean=lambda m: m.flip(0), std=lambda s: s.flip(0)
    ),
    "You subtracted the mean and did not divide.": changed(std=torch.ones_like),
    "You divided and did not subtract the mean.": changed(mean=torch.zeros_like),
    "You divided first; subtract the mean before you divide.": lambda x, m, s: x / channels(s) - channels(m),
    "You used the pictures' own mean; use the mean and the standard deviation that you were given. They are the "
    "encoder's, and the same for every picture.": tuple(
        lambda x, m, s, axes=axes, spread=spread: (x - x.mean(axes, keepdim=True)) / spread(x, s, axes)
        for axes in AXES
        for spread in SPREADS
    ),
}
check_standardise = Exercise("01.1", "The last step before the encoder", standardise, cases, mistakes)

ROWS = random_tensor(3, 4, seed=1)

cases = [
    (ROWS, random_tensor(5, 4, seed=2)),
    (random_tensor(4, 4, seed=3), random_tensor(4, 4, seed=4)),
    (ROWS * torch.tensor([[1e-3], [1.0], [1e3]]), ROWS),
    (random_tensor(1, 384, seed=5), random_tensor(7, 384, seed=6)),
    (torch.cat([ROWS, torch.zeros(1, 4)]), ROWS),
    (ROWS, torch.cat([torch.zeros(1, 4), ROWS])),
    (torch.zeros(2, 4), torch.cat([ROWS, torch.zeros(1, 4)])),
]
mistakes = {
    "A zero row has no direction (0/0); we define its cosines as 0.": lambda a, b: unsafe_rows(a) @ unsafe_rows(b).T,
    "You normalised columns, not rows: the norm runs along dim=1.": lambda a, b: columns(a) @ columns(b).T,
    "These are distances; cosines are wanted.": torch.cdist,
    "These are dot products; scale the rows of both matrices to length 1 first.": lambda a, b: a @ b.T,
    "You divided by the squared lengths of the rows; a length is the square root.": lambda a, b: (
        (a @ b.T) / (a.square().sum(1)[:, None] * b.square().sum(1)).clamp_min(1e-24)
    ),
    "You normalised only the first matrix.": lambda a, b: unit_rows(a) @ b.T,
    "You divided by one norm for the whole matrix; every row has its own.": lambda a, b: whole(a) @ whole(b).T,
    "You normalised the columns of one matrix; its rows are the vectors, as in the other.": (
        lambda a, b: unit_rows(a) @ columns(b).T,
        lambda a, b: columns(a) @ unit_rows(b).T,
    ),
    "You subtracted a mean, which gives correlations; nothing is subtracted here.": (
        lambda a, b: relative_representation(a - a.mean(1, True), b - b.mean(1, True)),
        lambda a, b: relative_representation(a - a.mean(0), b - b.mean(0)),
    ),
    "You compared row i with row i only; compare every row of the first with every row of the second.": lambda a, b: (
        torch.cosine_similarity(a[: len(b)], b[: len(a)])
    ),
}
check_cosine_matrix = Exercise("01.2", "All cosines at once", relative_representation, cases, mistakes, no_loop=True)


def cosines(z):
    return unit_rows(z) @ unit_rows(z).T  # (n, n)


def nearest(z, m, *, similarity=cosines, itself=-torch.inf, part="indices"):
    return getattr(similarity(z).fill_diagonal_(itself).topk(m, dim=1), part)  # (n, m)


def their_cosines(positions, z, m):
    """Return the cosines at these positions, so that ties may stand in any order; 2 for the row itself."""
    try:
        positions = torch.as_tensor(positions)
    except (TypeError, ValueError, RuntimeError):
        return positions
    n = len(z)
    if positions.shape != (n, m):
        return positions
    if positions.is_floating_point() or positions.dtype == torch.bool:
        return positions.float() + 10  # no positions at all
    if ((positions < 0) | (positions >= n)).any():
        one = " Positions begin at 0: yours are one too large." if positions.min() == 1 and positions.max() == n else ""
        refuse(f"Your positions go from {positions.min()} to {positions.max()}; rows count from 0 to {n - 1}.{one}")
    if any(len(set(row)) < m for row in positions.tolist()):
        refuse("In one row of your result the same position stands twice; m different neighbours are wanted.")
    return cosines(z).fill_diagonal_(2).gather(1, positions.long())


ZERO_DIAGONAL = "You set the diagonal to 0; negative cosines are still smaller than that: use −inf."
NINE = random_tensor(9, 6, seed=1)

cases = [
    (NINE, 3),
    (random_tensor(12, 4, seed=2) * torch.linspace(0.1, 30, 12)[:, None], 4),
    (torch.cat([random_tensor(1, 6, seed=3).repeat(7, 1), NINE]), 5),
    (NINE, 8),
    (random_tensor(40, 384, seed=4), 1),
]
mistakes = {
    "Every row finds itself first; leave it out before you take the largest.": but(itself=torch.inf),
    "You dropped the first column as if it were always the row itself; an equal picture may stand there. Set the "
    "diagonal to a value that cannot win instead.": lambda z, m: cosines(z).topk(m + 1, dim=1).indices[:, 1:],
    ZERO_DIAGONAL: but(itself=0),
    "These are the right neighbours, the nearest last; the nearest comes first.": result(lambda near: near.flip(1)),
    "These are the farthest rows; sort by falling cosine.": but(similarity=lambda z: -cosines(z)),
    "These are dot products, so long vectors win; scale the rows to length 1.": but(similarity=lambda z: z @ z.T),
    "Euclidean distances depend on the lengths of the rows; use cosines.": but(similarity=lambda z: -torch.cdist(z, z)),
    "These are cosines; positions are wanted, which topk gives as indices.": but(part="values"),
}
check_nearest_neighbours = Exercise(
    "01.3", "Nearest neighbours", nearest, cases, mistakes, view=their_cosines, word="positions"
)


def total(tokens, mask):
    return (tokens * mask[:, :, None]).sum(dim=1)  # (n, t, d) → (n, d)


def mean_pooling(tokens, mask, *, summed=total, count=lambda mask: mask.sum(dim=1, keepdim=True).clamp_min(1)):
    return summed(tokens, mask) / count(mask)  # (n, d) / (n, 1)


cases = [
    (random_tensor(2, 4, 3, seed=1), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])),
    (random_tensor(3, 2, 5, seed=2), torch.ones(3, 2, dtype=torch.int64)),
    (random_tensor(1, 6, 8, seed=3), torch.tensor([[1, 0, 0, 0, 0, 0]])),
    (random_tensor(2, 3, 4, seed=4), torch.tensor([[1, 1, 0], [0, 0, 0]])),
    (random_tensor(2, 5, 3, seed=5), torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]])),
]
mistakes = {
    "A text without a token gave 0/0; we define its vector as 0.": but(count=lambda m: m.sum(dim=1, keepdim=True)),
    "Padding took part in the mean; weight the tokens by the mask.": lambda tokens, mask: tokens.mean(dim=1),
    "Padding took part in the sum, though not in the count; weight the tokens by the mask.": but(
        summed=lambda tokens, mask: tokens.sum(dim=1)
    ),
    "You left padding out of the sum but not of the count; divide by the real tokens.": but(count=lambda m: m.shape[1]),
    "You divided by the number of tokens of all texts together; each text has its own count.": but(count=torch.sum),
    "You took the first tokens of each text, as many as are real; the mask says where the real ones stand.": but(
        summed=lambda tokens, mask: total(tokens, mask.sort(dim=1, descending=True).values)
    ),
    "This is the sum; divide by the number of real tokens.": total,
    "You took the largest of the real tokens in each dimension; take their mean.": tuple(
        lambda t, m, low=low: t.masked_fill(m[:, :, None] == 0, low).amax(dim=1).nan_to_num(neginf=0)
        for low in (-torch.inf, -1e9, 0)
    ),
    "This is the last token's vector; take the mean over all real tokens.": lambda t, m: (
        t[torch.arange(len(t)), m.sum(1) - 1] * m.amax(1)[:, None]
    ),
    "This is the first token's vector; take the mean over all real tokens.": (
        lambda tokens, mask: tokens[:, 0],
        lambda tokens, mask: tokens[:, 0] * mask[:, :1],
    ),
    "You averaged over the dimensions of each token; average over the tokens, dim=1.": lambda t, mask: t.mean(2),
}
check_mean_pooling = Exercise("01.4", "From tokens to one vector", mean_pooling, cases, mistakes)


def alike(neighbours, group):
    """Return which neighbours (n, m) are of the group of their row."""
    return group[neighbours] == group[:, None]


def same_group_share(neighbours, group, *, same=alike, over=torch.mean):
    return over(same(neighbours, group).float()).tolist()


GROUP = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 3, 3])
DRAW = torch.Generator().manual_seed(5)

cases = [  # the first with m = n, so that a wrong axis fits, and its result has a name
    (torch.randint(9, (9, 9), generator=DRAW), GROUP[:9]),
    (torch.randint(10, (10, 4), generator=DRAW), GROUP),
    (torch.arange(10)[:, None].roll(1, 0), GROUP),
    (torch.arange(10)[:, None], torch.arange(10)),
]
mistakes = {
    "You compared positions with groups; look the neighbours' groups up first.": but(same=lambda p, g: p == g[:, None]),
    "You compared two positions; compare their two groups.": but(same=lambda p, g: p == torch.arange(len(p))[:, None]),
    "You compared along the wrong axis: compare row i with the group of row i.": but(same=lambda p, g: g[p] == g),
    "You looked at the first neighbour only; all m count.": changed(neighbours=lambda near: near[:, :1]),
    "You counted rows of which most neighbours are of their group; count neighbours.": but(
        over=lambda x: (x.mean(1) > 0.5).float().mean()
    ),
    "You counted rows with any neighbour of their group; count all neighbours.": but(over=lambda x: x.amax(1).mean()),
    "You counted rows whose neighbours are all of their group; count neighbours.": but(over=lambda x: x.amin(1).mean()),
    "You divided by the number of rows; divide by n times m, all neighbours.": but(over=lambda x: x.sum(1).mean()),
    "You took the mean of the groups' shares; each neighbour counts alike, so take one mean over all.": (
        lambda near, g: torch.stack([alike(near, g)[g == one].float().mean() for one in g.unique()]).mean()
    ),
}
check_same_group_share = Exercise("01.5", "From neighbours to a number", same_group_share, cases, mistakes)

ENOUGH_PIXELS, ENOUGH_COSINE = 25, 0.95


@investigation("01.6", "A change that the encoder does not mind")
def check_disturbance(function) -> Verdict:
    """Measure a change of a picture on twelve stamps: it moves the pixels by 25 levels and keeps the cosine at 0.95."""
    originals = twelve_stamps()
    changed_ones = [changed_picture(function, picture, f"On stamp {i}") for i, picture in enumerate(originals, 1)]
    pixels = float(np.mean([levels(a, b) for a, b in zip(originals, changed_ones, strict=True)]))
    before, after = (unit_rows(encoder().encode(list(z), progress=False)) for z in (originals, changed_ones))
    cosine = float((before * after).sum(dim=1).mean())
    measured = f"On twelve stamps the pixels move by {pixels:.1f} of 255 levels, and the cosine is {cosine:.3f}"
    if not pixels:
        refuse("You return the picture as it was. PIL's functions return a changed picture: keep what they return.")
    if pixels < ENOUGH_PIXELS:
        refuse(f"{measured}: a change of at least {ENOUGH_PIXELS} levels is wanted, so dare more.")
    if cosine < ENOUGH_COSINE:
        refuse(f"{measured}: the encoder minds this change; it should stay at {ENOUGH_COSINE} or more.")
    return right(f"{measured}.")


def changed_picture(function, original, where):
    return ask(function, (original,), where, like=original, form=lambda picture: no_picture(picture, original))


def no_picture(picture, original):
    if not isinstance(picture, Image.Image):
        return f"Your function returned {kind_of(picture)}; a PIL picture is wanted: Image.fromarray(…)."
    if picture.mode != "RGB":
        return f"The picture has mode {picture.mode}; .convert('RGB') makes it three channels again."
    return "" if picture.size == original.size else f"The picture has size {picture.size}; expected {original.size}."


def levels(a, b, side=64):
    a, b = (np.asarray(picture.resize((side, side)), dtype=float) for picture in (a, b))
    return np.abs(a - b).mean()


@functools.cache
def encoder():
    from asif_lib import load_image_encoder  # timm takes seconds

    return load_image_encoder(device="cpu")


@functools.cache
def twelve_stamps():
    from asif_lib import load_pairs

    pictures = load_pairs("stamps", progress=False).split("train").pictures
    first, *others = (open_picture(picture) for picture in pictures[:: len(pictures) // 12][:12])
    return [first.crop((0, 0, first.width, 3 * first.height // 4)), *others]  # one is not square
