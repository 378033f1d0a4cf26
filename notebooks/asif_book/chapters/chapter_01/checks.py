"""Checks of chapter 01, encoders."""

import functools

import numpy as np
import torch
from PIL import Image

from asif_book.checks.catalogue import but, unsafe_rows, whole
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_lib.encoders.pictures import open_picture
from asif_lib.relative import unit_rows


def standardise(pictures, mean, std):
    return (pictures - mean[:, None, None]) / std[:, None, None]


MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

cases = [  # the first so that a wrong broadcast to any axis fits, and its result has a name
    (random_tensor(1, 3, 1, 3, seed=4).sigmoid(), MEAN, STD),
    (random_tensor(2, 3, 4, 3, seed=1).sigmoid(), MEAN, STD),
    (random_tensor(3, 3, 3, 3, seed=2).sigmoid(), MEAN, STD),
    (random_tensor(1, 3, 8, 1, seed=3).sigmoid(), torch.full((3,), 0.5), torch.tensor([0.5, 0.25, 1.0])),
]
mistakes = {
    "Shapes line up from the right: (3,) was lined up with the width; make it (3, 1, 1).": but("[:, None, None]", ""),
    "One of the two, of shape (3,), was lined up with the width; make it (3, 1, 1), too.": (
        but("std[:, None, None]", "std"),
        but("mean[:, None, None]", "mean"),
    ),
    "(3, 1) was lined up with the height; make it (3, 1, 1).": but("[:, None, None]", "[:, None]"),
    "Each picture got another mean; one belongs to each channel.": but("[:, None, None]", "[:, None, None, None]"),
    "Only the mean was divided: the difference needs brackets.": but("(pictures", "pictures", "])", "]"),
    "You multiplied by 255; all values go from 0 to 1 here.": but("(pictures", "(255 * pictures"),
    "Each channel has its own mean and standard deviation.": but("[:, None, None]", ".mean()"),
    "Your channels stand in the opposite order.": but("[:, None, None]", ".flip(0)[:, None, None]"),
    "A reshape moves no axis, so channels and pixels are mixed; use permute, or make the mean (3, 1, 1).": (
        lambda x, m, s: ((x.reshape(len(x), -1, 3) - m) / s).reshape(x.shape),
    ),
    "You exchanged the mean and the standard deviation.": but("mean[", "old[", "std[", "mean[", "old[", "std["),
    "You divided first; subtract the mean before you divide.": lambda x, m, s: x / s[:, None, None] - m[:, None, None],
}
check_standardise = Exercise("01.1", "The last step before the encoder", standardise, cases, mistakes)


def cosine_matrix(a, b):
    a = torch.nn.functional.normalize(a, dim=1)
    b = torch.nn.functional.normalize(b, dim=1)
    return a @ b.T


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
    "You normalised columns, not rows: the norm runs along dim=1.": but("dim=1", "dim=0"),
    "These are distances; cosines are wanted.": torch.cdist,
    "These are dot products; scale the rows of both matrices to length 1 first.": lambda a, b: a @ b.T,
    "You divided by one norm for the whole matrix; every row has its own.": lambda a, b: whole(a) @ whole(b).T,
    "Rows shorter than 1 stayed short; a guard against zero rows clamps at a tiny number, not at 1.": lambda a, b: (
        (a / a.norm(dim=1, keepdim=True).clamp_min(1)) @ (b / b.norm(dim=1, keepdim=True).clamp_min(1)).T
    ),
    "You divided by squared lengths.": lambda a, b: a @ b.T / (a.square().sum(1)[:, None] * b.square().sum(1)),
    "You subtracted means; keep the rows as they are.": (
        but("a, dim", "a - a.mean(1, True), dim", "b, dim", "b - b.mean(1, True), dim"),
        but("a, dim", "a - a.mean(0), dim", "b, dim", "b - b.mean(0), dim"),
    ),
    "Compare every row with every row.": lambda a, b: torch.cosine_similarity(a[: len(b)], b[: len(a)]),
}
check_cosine_matrix = Exercise("01.2", "All cosines at once", cosine_matrix, cases, mistakes, no_loop=True)


def nearest_neighbours(z, m):
    z = torch.nn.functional.normalize(z, dim=1)
    cosines = z @ z.T
    cosines.fill_diagonal_(-2)
    return cosines.topk(m, dim=1).indices


def cosines(z):
    return unit_rows(z) @ unit_rows(z).T  # (n, n)


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
    "Every row finds itself first; leave it out before you take the largest.": but("-2", "2"),
    "You dropped the first column as if it were always the row itself; an equal picture may stand there. Set the "
    "diagonal to a value that cannot win instead.": lambda z, m: cosines(z).topk(m + 1, dim=1).indices[:, 1:],
    ZERO_DIAGONAL: but("-2", "0"),
    "These are the right neighbours, the nearest last; the nearest comes first.": but(".indices", ".indices.flip(1)"),
    "These are the farthest rows; sort by falling cosine.": (
        but("z @ z.T", "-z @ z.T"),
        but("dim=1).indices", "dim=1, largest=False).indices"),
    ),
    "These are dot products, so long vectors win; scale the rows to length 1.": lambda z, m: (
        (z @ z.T).fill_diagonal_(-torch.inf).topk(m, dim=1).indices
    ),
    "Euclidean distances depend on the lengths of the rows; use cosines.": lambda z, m: (
        torch.cdist(z, z).fill_diagonal_(torch.inf).topk(m, dim=1, largest=False).indices
    ),
    "These are cosines; positions are wanted, which topk gives as indices.": but("indices", "values"),
}
check_nearest_neighbours = Exercise(
    "01.3", "Nearest neighbours", nearest_neighbours, cases, mistakes, view=their_cosines, word="positions"
)


def mean_pooling(tokens, mask):
    weights = mask.float()[:, :, None]
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


cases = [
    (random_tensor(2, 4, 3, seed=1), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])),
    (random_tensor(3, 2, 5, seed=2), torch.ones(3, 2, dtype=torch.int64)),
    (random_tensor(1, 6, 8, seed=3), torch.tensor([[1, 0, 0, 0, 0, 0]])),
    (random_tensor(2, 3, 4, seed=4), torch.tensor([[1, 1, 0], [0, 0, 0]])),
    (random_tensor(2, 5, 3, seed=5), torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]])),
]
mistakes = {
    "A text without a token gave 0/0; we define its vector as 0.": but(".clamp_min(1)", ""),
    "Padding took part in the mean; weight the tokens by the mask.": lambda tokens, mask: tokens.mean(dim=1),
    "Padding took part in the sum, though not in the count; weight the tokens by the mask.": but(" * weights", ""),
    "You counted padding; divide by the real tokens.": but("weights.sum(dim=1).clamp_min(1)", "tokens.shape[1]"),
    "Real tokens need not come first: see the mask.": but("mask.float()", "mask.sort(1, True).values.float()"),
    "You took the largest; take the mean.": lambda t, m: t.masked_fill(m[:, :, None] == 0, -1e9).amax(1),
    "This is the last token; take the mean of all real ones.": lambda t, m: t[torch.arange(len(t)), m.sum(1) - 1],
    "This is the first token; take the mean of all real ones.": lambda tokens, mask: tokens[:, 0],
    "You averaged over the dimensions of each token; average over the tokens, dim=1.": lambda t, mask: t.mean(2),
}
check_mean_pooling = Exercise("01.4", "From tokens to one vector", mean_pooling, cases, mistakes)


def same_group_share(neighbours, group):
    return float((group[neighbours] == group[:, None]).float().mean())


GROUP = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 3, 3])
DRAW = torch.Generator().manual_seed(5)

cases = [  # the first with m = n, so that a wrong axis fits, and its result has a name
    (torch.randint(9, (9, 9), generator=DRAW), GROUP[:9]),
    (torch.randint(10, (10, 4), generator=DRAW), GROUP),
    (torch.arange(10)[:, None].roll(1, 0), GROUP),
    (torch.arange(10)[:, None], torch.arange(10)),
]
mistakes = {
    "You compared positions with groups; look the neighbours' groups up first.": but("group[neighbours]", "neighbours"),
    "Compare groups, not positions.": but("group[neighbours] == group", "neighbours == torch.arange(len(group))"),
    "You compared along the wrong axis: compare row i with the group of row i.": but("group[:, None]", "group"),
    "You looked at the first neighbour only; all m count.": but("[neighbours]", "[neighbours[:, :1]]"),
    "You counted rows of which any, most or all neighbours are of their group; count neighbours.": (
        but(".mean()", ".amax(1).mean()"),
        but(".mean()", ".mean(1).gt(0.5).float().mean()"),
        but(".mean()", ".amin(1).mean()"),
    ),
    "You took the mean of the groups' shares; take one mean over all neighbours.": lambda near, g: torch.stack(
        [(g[near] == g[:, None])[g == one].float().mean() for one in g.unique()]
    ).mean(),
}
check_same_group_share = Exercise("01.5", "From neighbours to a number", same_group_share, cases, mistakes)

ENOUGH_PIXELS, ENOUGH_COSINE = 25, 0.95


@investigation("01.6", "A change that the encoder does not mind")
def check_disturbance(function) -> Verdict:
    """Measure a change of a picture on twelve stamps: it moves the pixels by 25 levels and keeps the cosine at 0.95."""
    originals = twelve_stamps()
    changed_ones = [
        ask(function, (picture,), f"On stamp {i}", like=picture, form=functools.partial(no_picture, original=picture))
        for i, picture in enumerate(originals, 1)
    ]
    pixels = float(np.mean([levels(a, b) for a, b in zip(originals, changed_ones, strict=True)]))
    before, after = (unit_rows(encoder().encode(list(z), progress=False)) for z in (originals, changed_ones))
    cosine = float((before * after).sum(dim=1).mean())
    measured = f"On twelve stamps the pixels move by {pixels:.1f} of 255 levels, and the cosine is {cosine:.3f}"
    if not pixels:
        refuse("You return the picture as it was. PIL's functions return a changed picture: keep what they return.")
    if pixels < ENOUGH_PIXELS:
        more = "so dare more" if cosine >= ENOUGH_COSINE else f"and a cosine of {ENOUGH_COSINE}: change something else"
        refuse(f"{measured}: a change of at least {ENOUGH_PIXELS} levels is wanted, {more}.")
    if cosine < ENOUGH_COSINE:
        refuse(f"{measured}: the encoder minds this change; it should stay at {ENOUGH_COSINE} or more.")
    return right(f"{measured}.")


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
