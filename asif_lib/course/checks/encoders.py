"""Checks of chapter 01, encoders."""

import functools

import numpy as np
import torch
from PIL import Image

from asif_lib.relative import unit_rows

from .judging import Verdict, call, compare, exercise, form_problem, kind_of, random_tensor, right, wrong

ZERO_DIAGONAL = "You set the diagonal to 0; negative cosines are still smaller than that: use −inf."


@exercise("01.1", "The last step before the encoder")
def check_standardise(function) -> Verdict:
    """Pictures (b, 3, h, w) less a mean (3,), over a standard deviation (3,)."""

    def column(x):
        return x[:, None, None]

    def reference(pictures, mean, std):
        return (pictures - column(mean)) / column(std)

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    cases = [  # a wrong broadcast to the width fits, then one to any axis: then its numbers have a name
        (random_tensor(2, 3, 4, 3, seed=1).sigmoid(), mean, std),
        (random_tensor(3, 3, 3, 3, seed=2).sigmoid(), mean, std),
        (random_tensor(1, 3, 8, 1, seed=3).sigmoid(), torch.full((3,), 0.5), torch.tensor([0.5, 0.25, 1.0])),
    ]
    mistakes = [
        ("The shape (3,) was lined up with the width, since shapes line up from the right; make it (3, 1, 1).",
         lambda x, m, s: (x - m) / s),
        ("The mean is right, but the standard deviation, of shape (3,), was lined up with the width; make it "
         "(3, 1, 1), too.", lambda x, m, s: (x - column(m)) / s),
        ("The standard deviation is right, but the mean, of shape (3,), was lined up with the width; make it "
         "(3, 1, 1), too.", lambda x, m, s: (x - m) / column(s)),
        ("You took the mean along the height; give it the shape (3, 1, 1).",
         lambda x, m, s: (x - m[:, None]) / s[:, None]),
        ("You gave each picture of the batch another mean; one belongs to each channel.",
         lambda x, m, s: (x - m[:, None, None, None]) / s[:, None, None, None]),
        ("Only the mean was divided: the difference needs brackets.", lambda x, m, s: x - column(m) / column(s)),
        ("Only the mean was divided: the difference needs brackets. And (3,) was lined up with the width; make it "
         "(3, 1, 1).", lambda x, m, s: x - m / s),
        ("Mean and standard deviation are swapped.", lambda x, m, s: (x - column(s)) / column(m)),
        ("You multiplied by the standard deviation; divide by it.", lambda x, m, s: (x - column(m)) * column(s)),
        ("You divided by the variance, the square of the standard deviation.",
         lambda x, m, s: (x - column(m)) / column(s) ** 2),
        ("You took the mean off and did not divide.", lambda x, m, s: x - column(m)),
        ("You divided and did not take the mean off.", lambda x, m, s: x / column(s)),
        ("You divided first and took the mean off afterwards.", lambda x, m, s: x / column(s) - column(m)),
        ("You added the mean; take it off.", lambda x, m, s: (x + column(m)) / column(s)),
    ]  # fmt: skip
    for axes in ((2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3)):
        for spread in (
            lambda x, s, axes=axes: x.std(axes, keepdim=True),
            lambda x, s, axes=axes: x.std(axes, correction=0, keepdim=True),
            lambda x, s: column(s),
        ):
            mistakes.append(
                (
                    "You used the pictures' own mean; use the mean and the standard deviation that you were given: "
                    "they are the encoder's, and the same for every picture.",
                    lambda x, m, s, axes=axes, spread=spread: (x - x.mean(axes, keepdim=True)) / spread(x, s),
                )
            )
    return compare(function, reference, cases, mistakes)


@exercise("01.2", "All cosines at once")
def check_cosine_matrix(function) -> Verdict:
    """Cosines of q rows (q, d) and n rows (n, d), shape (q, n)."""
    from asif_lib.relative import relative_representation as reference

    x = random_tensor(3, 4, seed=1)
    cases = [
        (x, random_tensor(5, 4, seed=2)),
        (random_tensor(4, 4, seed=3), random_tensor(4, 4, seed=4)),
        (x * torch.tensor([[1e-3], [1.0], [1e3]]), x),
        (random_tensor(1, 384, seed=5), random_tensor(7, 384, seed=6)),
        (torch.cat([x, torch.zeros(1, 4)]), x),
    ]

    def columns(z):
        return z / z.norm(dim=0, keepdim=True)

    def rows(z):
        return z / z.norm(dim=1, keepdim=True)

    mistakes = [
        ("A row of zeros gave 0/0; by agreement its cosine with everything is 0.",
         lambda a, b: rows(a) @ rows(b).T),
        ("You normalised columns, not rows: the norm runs along dim=1.",
         lambda a, b: columns(a) @ columns(b).T),
        ("These are dot products; scale the rows of both matrices to length 1 first.", lambda a, b: a @ b.T),
        ("You normalised only the first matrix.", lambda a, b: unit_rows(a) @ b.T),
        ("You normalised only the second matrix.", lambda a, b: a @ unit_rows(b).T),
        ("You divided by one norm for the whole matrix; every row has its own.",
         lambda a, b: (a / a.norm()) @ (b / b.norm()).T),
        ("Rows and columns are swapped: row i belongs to row i of the first matrix.",
         lambda a, b: reference(b, a)),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)


@exercise("01.3", "Nearest neighbours")
def check_nearest_neighbours(function) -> Verdict:
    """Positions (n, m) of the m rows of (n, d) with the largest cosine, without the row itself."""

    def cosines(z):
        z = unit_rows(z)
        return z @ z.T

    def reference(z, m):
        return cosines(z).fill_diagonal_(-2).topk(m, dim=1).indices

    row = random_tensor(1, 6, seed=3)
    x = random_tensor(9, 6, seed=1)
    cases = [
        (x, 3),
        (random_tensor(12, 4, seed=2) * torch.linspace(0.1, 30, 12)[:, None], 4),
        (torch.cat([row.repeat(7, 1), x]), 5),
        (x, 8),
        (random_tensor(40, 384, seed=4), 1),
    ]
    mistakes = [
        ("Every row finds itself first; leave it out before you take the largest.",
         lambda z, m: cosines(z).topk(m, dim=1).indices),
        ("You dropped the first column as if it were always the row itself; where pictures are there twice, "
         "it is not. Set the diagonal to a value that cannot win instead.",
         lambda z, m: cosines(z).topk(m + 1, dim=1).indices[:, 1:]),
        (ZERO_DIAGONAL, lambda z, m: cosines(z).fill_diagonal_(0).topk(m, dim=1).indices),
        ("These are the farthest rows; sort by falling cosine.",
         lambda z, m: cosines(z).fill_diagonal_(2).topk(m, dim=1, largest=False).indices),
        ("You compared dot products, so long vectors win; scale the rows to length 1 first.",
         lambda z, m: (z @ z.T).fill_diagonal_(-torch.inf).topk(m, dim=1).indices),
        ("You compared Euclidean distances of vectors of different lengths; use the cosine.",
         lambda z, m: torch.cdist(z, z).fill_diagonal_(torch.inf).topk(m, dim=1, largest=False).indices),
        ("These are cosines; positions are wanted, which topk gives as indices.",
         lambda z, m: cosines(z).fill_diagonal_(-2).topk(m, dim=1).values),
    ]  # fmt: skip

    def found(answer):
        """The cosines at the answer's positions, so that ties may stand in any order; 2 for the row itself."""

        @functools.wraps(answer)
        def run(z, m):
            similarity = cosines(z).fill_diagonal_(2)
            positions = answer(z, m)
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
                raise IndexError(f"positions run from 0 to {n - 1}")
            if any(len(set(row)) < m for row in positions.tolist()):
                raise ValueError("a position stands twice in one row")
            return similarity.gather(1, positions.long())

        return run

    return compare(found(function), found(reference), cases, [(t, found(w)) for t, w in mistakes])


@exercise("01.4", "From tokens to one vector")
def check_mean_pooling(function) -> Verdict:
    """Token vectors (n, t, d) and a mask (n, t) of 1 for tokens, 0 for padding; means (n, d)."""

    def reference(tokens, mask):
        mask = mask.float()[:, :, None]
        return (tokens * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)

    cases = [
        (random_tensor(2, 4, 3, seed=1), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])),
        (random_tensor(3, 2, 5, seed=2), torch.ones(3, 2, dtype=torch.int64)),
        (random_tensor(1, 6, 8, seed=3), torch.tensor([[1, 0, 0, 0, 0, 0]])),
        (random_tensor(2, 3, 4, seed=4), torch.tensor([[1, 1, 0], [0, 0, 0]])),
    ]
    mistakes = [
        ("A text without a single token gave 0/0; by agreement its vector is 0.",
         lambda tokens, mask: (tokens * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)),
        ("Padding took part in the mean; weight the tokens by the mask.",
         lambda tokens, mask: tokens.mean(dim=1)),
        ("You left padding out of the sum but not out of the count; divide by the number of real tokens.",
         lambda tokens, mask: (tokens * mask[:, :, None]).mean(dim=1)),
        ("You divided by the number of real tokens of all texts together; each text has its own count.",
         lambda tokens, mask: (tokens * mask[:, :, None]).sum(dim=1) / mask.sum()),
        ("This is the sum; divide by the number of real tokens.",
         lambda tokens, mask: (tokens * mask[:, :, None]).sum(dim=1)),
        ("This is the first token's vector; take the mean over all real tokens.",
         lambda tokens, mask: tokens[:, 0]),
        ("You averaged over the dimensions of each token; average over the tokens (dim=1).",
         lambda tokens, mask: tokens.mean(dim=2)),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)


@exercise("01.5", "From neighbours to a number")
def check_same_group_share(function) -> Verdict:
    """The share of all m neighbours (n, m) that are of the group (n,) of their row."""

    def reference(neighbours, group):
        return float((group[neighbours] == group[:, None]).float().mean())

    def group_of_position(neighbours, group):
        return float((neighbours == group[:, None]).float().mean())

    generator = torch.Generator().manual_seed(5)
    group = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 3, 3])
    cases = [
        (torch.randint(10, (10, 4), generator=generator), group),
        (torch.randint(10, (10, 10), generator=generator), group),  # m = n, where a wrong axis fits
        (torch.arange(10)[:, None].roll(1, 0), group),
        (torch.arange(10)[:, None], torch.arange(10)),
    ]
    mistakes = [
        ("You compared positions with group numbers; look the neighbours' groups up first.", group_of_position),
        ("You compared the neighbours' positions with the row's own position; compare their groups.",
         lambda near, g: float((near == torch.arange(len(near))[:, None]).float().mean())),
        ("You compared along the wrong axis: the group of row i belongs to row i of the neighbours.",
         lambda near, g: float((g[near] == g[None, :]).float().mean())),
        ("You looked at the first neighbour only; all m count.",
         lambda near, g: float((g[near[:, 0]] == g).float().mean())),
        ("You counted rows with any neighbour of their group; the share of all neighbours is wanted.",
         lambda near, g: float((g[near] == g[:, None]).any(dim=1).float().mean())),
        ("You counted rows whose neighbours are all of their group; the share of all neighbours is wanted.",
         lambda near, g: float((g[near] == g[:, None]).all(dim=1).float().mean())),
        ("That is per cent; a share from 0 to 1 is wanted.", lambda near, g: 100 * reference(near, g)),
        ("That is how many there are; divide by the number of neighbours, n times m.",
         lambda near, g: float((g[near] == g[:, None]).sum())),
        ("You divided by the number of rows; divide by the number of neighbours, n times m.",
         lambda near, g: float((g[near] == g[:, None]).float().sum() / len(g))),
        ("That is the share of neighbours of *other* groups.", lambda near, g: 1 - reference(near, g)),
        ("You give one share for each row; return their mean, one number.",
         lambda near, g: (g[near] == g[:, None]).float().mean(dim=1)),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)


ENOUGH_PIXELS, ENOUGH_COSINE = 25, 0.95


@exercise("01.6", "A change that the encoder does not mind")
def check_disturbance(function) -> Verdict:
    """A change of a picture that moves twelve stamps' pixels by 25 levels and keeps the cosine at 0.95."""
    originals, changed = _twelve_stamps(), []
    for number, original in enumerate(originals, 1):
        copy = original.copy()
        result, failed = call(function, (copy,), f"On stamp {number}")
        if failed:
            return failed
        if copy.tobytes() != original.tobytes():
            return wrong("Your function painted on the picture that it was given; change a copy: picture.copy().")
        if problem := _no_picture(result, original):
            return wrong(f"On stamp {number}: {problem[0].lower()}{problem[1:]}")
        changed.append(result)
    pixels = float(np.mean([_levels(a, b) for a, b in zip(originals, changed, strict=True)]))
    encoder = _encoder()
    before, after = (unit_rows(encoder.encode(list(z), progress=False)) for z in (originals, changed))
    cosine = float((before * after).sum(dim=1).mean())
    measured = f"On twelve stamps the pixels move by {pixels:.1f} of 255 levels, and the cosine is {cosine:.3f}"
    if pixels < ENOUGH_PIXELS:
        return wrong(f"{measured}: a change of at least {ENOUGH_PIXELS} levels is wanted, so dare more.")
    if cosine < ENOUGH_COSINE:
        return wrong(f"{measured}: the encoder minds this change; it should stay at {ENOUGH_COSINE} or more.")
    return right(f"{measured}.")


def _no_picture(result, original):
    """What is wrong with the result as a picture; empty where nothing is."""
    if problem := form_problem(result, original):
        return problem
    if not isinstance(result, Image.Image):
        return f"Your function returned {kind_of(result)}; a PIL picture is wanted: Image.fromarray(…)."
    if result.mode != "RGB":
        return f"The picture has mode {result.mode}; .convert('RGB') makes it three channels again."
    if result.size != original.size:
        return f"The picture has size {result.size}; expected {original.size}."
    return ""


def _levels(a, b, side=64):
    a, b = (np.asarray(picture.resize((side, side)), dtype=float) for picture in (a, b))
    return np.abs(a - b).mean()


@functools.cache
def _encoder():
    from asif_lib import load_image_encoder

    return load_image_encoder(device="cpu")


@functools.cache
def _twelve_stamps():
    from asif_lib import load_pairs
    from asif_lib.encoders.pictures import open_picture

    pictures = load_pairs("stamps", progress=False).split("train").pictures
    return [open_picture(picture) for picture in pictures[:: len(pictures) // 12][:12]]
