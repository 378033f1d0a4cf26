"""Checks of chapter 03, relative representations."""

import functools
import numbers
from dataclasses import replace
from typing import NamedTuple

import torch

from asif_book.checks.catalogue import CENTRING, but, columns, whole
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_lib.relative import relative_representation, unit_rows


def my_relative_representation(z, anchors):
    z = z / z.norm(dim=1, keepdim=True)
    anchors = anchors / anchors.norm(dim=1, keepdim=True)
    return z @ anchors.T


cases = [
    (random_tensor(5, 4, seed=10), random_tensor(7, 4, seed=11)),
    (100 * random_tensor(5, 4, seed=10)[:1], 0.01 * random_tensor(7, 4, seed=11)),
    (torch.eye(3), torch.tensor([[3.0, 4.0, 0.0], [-2.0, 0.0, 0.0]])),
    (random_tensor(6, 6, seed=12), random_tensor(6, 6, seed=13)),
    (random_tensor(9, 5, seed=8), random_tensor(2, 5, seed=9)),
]
mistakes = {
    "You took dot products: scale the rows of `z` and of `anchors` to length 1 first.": lambda z, a: z @ a.T,
    "You divided by one length for the whole matrix; every row has its own.": lambda z, a: whole(z) @ whole(a).T,
    "You normalised columns, not rows: each vector is a row.": lambda z, a: columns(z) @ columns(a).T,
    "You took distances; entry (i, j) is a cosine, 1 for the same direction.": (
        torch.cdist,
        lambda z, a: torch.cdist(unit_rows(z), unit_rows(a)),
    ),
    "You subtracted a mean; nothing is subtracted here.": lambda z, a: centred(z, a),
    "You scaled the products; scale the rows before you multiply.": lambda z, a: unit_rows(z @ a.T),
    "You scaled the cosines; return them as they are.": but("z @ anchors.T", "unit_rows(z @ anchors.T)"),
    "You divided by the squared lengths; a cosine divides by the lengths.": but("True)", "True) ** 2"),
}


def names_in(function):
    return getattr(getattr(function, "__code__", None), "co_names", ())


def refuse_the_librarys(function):
    if "relative_representation" in names_in(function):
        refuse("You call the library's function; write the definition with unit_rows, or scale the rows yourself.")


check_relative_representation = Exercise(
    "03.1", "Relative representation", my_relative_representation, cases, mistakes, before=refuse_the_librarys
)


def centred(z, anchors):
    mean = anchors.mean(dim=0)
    return relative_representation(z - mean, anchors - mean)


cases = [
    (random_tensor(5, 4, seed=17) + 2, random_tensor(7, 4, seed=18) + 2),
    (random_tensor(1, 4, seed=17) + 2, random_tensor(7, 4, seed=18) + 2),
    (random_tensor(5, 4, seed=17) + 102, random_tensor(7, 4, seed=18) + 102),
    (random_tensor(7, 4, seed=18) + 2, 5 * random_tensor(7, 4, seed=18) + 11),
    (random_tensor(9, 4, seed=16) + 2, random_tensor(3, 4, seed=15) + 2),
]
mistakes = {
    "You left the common part in: subtract the anchors' mean first.": but(" - mean", ""),
    "You subtracted a mean from the cosines; subtract the anchors' mean from the vectors.": lambda z, a: (
        (c := relative_representation(z, a)) - c.mean(dim=1, keepdim=True)
    ),
    **CENTRING,
    "You did not scale to length 1: these are dot products, not cosines.": but(
        "relative_representation(z - mean, anchors - mean)", "(z - mean) @ (anchors - mean).T"
    ),
    "You took distances; cosines are wanted.": but("relative_representation", "torch.cdist"),
    "You scaled to length 1 first and subtracted the mean afterwards: the results are no cosines.": lambda z, a: (
        (unit_rows(z) - unit_rows(a).mean(0)) @ (unit_rows(a) - unit_rows(a).mean(0)).T
    ),
    "You subtracted the mean of `z` from both; take the anchors' mean. The mean of a single new picture is the picture "
    "itself.": but("= anchors.mean", "= z.mean"),
    "`anchors.mean()` without dim=0 is one number; the mean is a vector.": but("dim=0", ""),
    "You subtracted each set's own mean; use the anchors' mean for both. The mean of a single new picture is the "
    "picture itself.": but("z - mean", "z - z.mean(0)"),
}
check_centred_representation = Exercise("03.2", "Centring", centred, cases, mistakes, atol=1e-4)


def best_caption(z_image, z_text, image_anchors, text_anchors):
    picture_mean, text_mean = image_anchors.mean(dim=0), text_anchors.mean(dim=0)
    pictures = relative_representation(z_image, image_anchors, mean=picture_mean)
    captions = relative_representation(z_text, text_anchors, mean=text_mean)
    return relative_representation(pictures, captions).argmax(dim=1)


def pairs(seed, q, t, n, d_text=7):
    """Make pictures (q, 12), captions (t, d_text) and n anchors of both that share four hidden coordinates."""
    hidden = random_tensor(max(q, t) + n, 4, seed=seed)
    picture = hidden @ random_tensor(4, 12, seed=seed + 1) + random_tensor(len(hidden), 12, seed=seed + 2) + 2
    caption = hidden @ random_tensor(4, d_text, seed=seed + 3) + random_tensor(len(hidden), d_text, seed=seed + 4)
    return picture[n : n + q], caption[n : n + t] + 2, picture[:n], caption[:n] + 2


def name_variables(function, verdict):
    used = {"anchors", "new", "bank"} & set(names_in(function))
    if verdict.status == "wrong" and used:
        return replace(verdict, message=f"Use the arguments, not the `{min(used)}` of the notebook. {verdict.message}")


def refuse_the_method(function):
    if {"RelativeRepresentation", "scores_with"} & set(names_in(function)):
        refuse("You call the library's method; describe pictures and captions yourself, and compare the descriptions.")


cases = [  # In the first, pictures and captions have one width, so that comparing them directly does not fail.
    pairs(20, 40, 40, 25, 12),
    *(pairs(*size) for size in ((30, 40, 40, 25), (40, 30, 50, 15), (50, 50, 20, 30), (60, 1, 9, 10))),
]
mistakes = {
    "You compared pictures and captions directly, but they have no common coordinates, and only by chance the same "
    "number of them here. Describe the pictures by `image_anchors`, the captions by `text_anchors`, then compare the "
    "descriptions.": (
        lambda z, t, za, ta: (z @ t.T).argmax(1),
        lambda z, t, za, ta: relative_representation(z, t).argmax(1),
        lambda z, t, za, ta: relative_representation(z - za.mean(0), t - ta.mean(0)).argmax(1),
    ),
    "Describe each side by its own anchors, not by the other's.": lambda z, t, za, ta: best_caption(z, t, ta, za),
    "Describe each side by its own anchors; you took one kind for both.": (
        lambda z, t, za, ta: best_caption(z, t, za, za),
        lambda z, t, za, ta: best_caption(z, t, ta, ta),
    ),
    "You left the common part in. Subtract the mean of the anchors' pictures from the pictures, and the mean of the "
    "anchors' captions from the captions.": but(", mean=picture_mean", "", ", mean=text_mean", ""),
    "Subtract the anchors' means, not the new items'.": but(
        "image_anchors.m", "z_image.m", "text_anchors.m", "z_text.m"
    ),
    "You centred one side only; both have a common part.": (
        but(", mean=text_mean", ""),
        but(", mean=picture_mean", ""),
    ),
    "Take cosines of the descriptions.": but("relative_representation(pictures, captions)", "(pictures @ captions.T)"),
    "You give the best picture for each caption; turn it round.": but("dim=1", "dim=0"),
    "You give the row of the nearest anchor. Compare whole descriptions, and give the row of a new "
    "caption.": lambda z, t, za, _: centred(z, za).argmax(1),
    "You took the new caption nearest to the caption of the nearest anchor; compare whole descriptions.": (
        lambda z, t, za, ta: relative_representation(ta[centred(z, za).argmax(1)], t, mean=ta.mean(0)).argmax(1)
    ),
    "You centred the descriptions too. Means are subtracted from the embeddings only; compare the descriptions as they "
    "are.": (
        but("relative_representation(pictures, captions)", "centred(pictures, captions)"),
        but("relative_representation(pictures, captions)", "centred(captions, pictures).T"),
        but("return ", "pictures, captions = pictures - pictures.mean(0), captions - captions.mean(0); return "),
    ),
    "Take cosines of the descriptions, no distances.": but("relative_representation(pict", "-torch.cdist(pict"),
}
check_best_caption = Exercise(
    "03.3", "Find the caption", best_caption, cases, mistakes, before=refuse_the_method, after=name_variables
)


def times_nearest(similarity, k) -> torch.Tensor:
    """Return how many of q items have each of n anchors among their k nearest, (n,) int64.

    The k-occurrence of Radovanović, Nanopoulos and Ivanović ("Hubs in space", JMLR 2010); an anchor with a
    large one is a hub. `similarity` is (q, n); the counts add up to q · k.
    """
    near = similarity.topk(k, dim=1).indices
    return torch.bincount(near.ravel(), minlength=similarity.shape[1])


DOWN_THE_COLUMNS = "You took the k most similar items of each anchor (topk down the columns),"
EACH_ITEM = "Take the k nearest anchors of each item, and count then."

cases = [
    (random_tensor(30, 9, seed=20), 2),
    (random_tensor(6, 40, seed=21).sort(dim=1, descending=True).values, 3),  # the last are nobody's neighbours
    (random_tensor(20, 20, seed=22), 1),
    (-random_tensor(12, 5, seed=23).abs(), 5),
    (torch.ones(7, 4).fill_diagonal_(2) + 0.1 * random_tensor(7, 4, seed=24), 2),
]
mistakes = {
    "Anchors that are nobody's neighbour are missing. Return one count for each anchor; it is 0 where no item is "
    "near.": (but(", minlength=similarity.shape[1]", ""), lambda s, k: s.topk(k).indices.unique(return_counts=True)[1]),
    f"{DOWN_THE_COLUMNS} so every anchor gets k. {EACH_ITEM}": lambda s, k: torch.full((s.shape[1],), k),
    f"{DOWN_THE_COLUMNS} and counted items. {EACH_ITEM}": (
        but("dim=1", "dim=0"),
        but("dim=1", "dim=0", "similarity.shape[1]", "len(similarity)"),
        but("dim=1", "dim=0", ", minlength=similarity.shape[1]", ""),
        but("(k, dim=1)", "(min(k, len(similarity)), dim=0)", "[1])", "[1])[: similarity.shape[1]]"),
    ),
    "You took the largest similarities of the whole table; take the k nearest anchors of each item.": but(
        "similarity.topk(k, dim=1).indices",
        "similarity.ravel().topk(k * len(similarity)).indices % similarity.shape[1]",
    ),
    "Return one count for each anchor, not for each item.": but("similarity.shape[1]", "len(similarity)"),
    "You set the diagonal to −inf. Items and anchors are two sets here, so an entry on the diagonal is nothing "
    "special.": but("similarity.topk", "similarity.clone().fill_diagonal_(-torch.inf).topk"),
    "You took k + 1; take k. Items and anchors are two sets here: no item is its own neighbour.": but("(k,", "(k + 1,"),
    "You dropped the nearest anchor of each item. Items and anchors are two sets here: no item is its own neighbour; "
    "keep the first k.": but("(k, dim=1).indices", "(k + 1, dim=1).indices[:, 1:]"),
    "You counted only the nearest one; all of the k nearest count.": but("(k,", "(1,"),
    "You give shares; give how many, as whole numbers.": lambda s, k: times_nearest(s, k) / len(s),
}


def refuse_more_than_k(function):
    counts = ask(function, (torch.tensor([[0.5, 0.2, 0.9, 0.5, 0.5]]), 2), "On an item with ties")
    if (n := int(counts.sum())) != 2:
        refuse(
            f"Anchors that tie at the k-th place: with k = 2 you counted {n} for one item. Count k, any of the equal."
        )


check_times_nearest = Exercise(
    "03.4", "Who is everybody's neighbour?", times_nearest, cases, mistakes, also=refuse_more_than_k
)


def largest_change(z, anchors, matrix) -> float:
    """Return the largest absolute change of the relative representation when `matrix` acts on both."""
    before = relative_representation(z, anchors)
    after = relative_representation(z @ matrix, anchors @ matrix)
    return float((after - before).abs().max())


SIX, EIGHT = random_tensor(6, 5, seed=14), random_tensor(8, 5, seed=15)
ROTATION = torch.linalg.qr(random_tensor(5, 5, seed=16)).Q
STRETCH = torch.diag(torch.tensor([1.0, 1.0, 3.0, 1.0, 0.2]))
SHRINK = torch.diag(torch.tensor([1.0, 0.1, 1.0, 1.0, 1.0]))

cases = [
    (SIX, EIGHT, ROTATION),
    (SIX, EIGHT, STRETCH),
    (SIX, EIGHT, SHRINK @ ROTATION),
    (SIX[:1], EIGHT[:1], ROTATION @ STRETCH),
    (SIX, EIGHT, -torch.eye(5)),
]
mistakes = {
    "You moved `z` alone; the anchors live in the same space: move them, too.": but("anchors @ matrix", "anchors"),
    "You moved the anchors alone; `z` lives in the same space: move it, too.": but("z @ matrix", "z"),
    "Both take `@ matrix`, the anchors as `z`.": but("anchors @ matrix", "anchors @ matrix.T"),
    "You applied the transpose: each row v becomes v @ matrix.": but("@ matrix", "@ matrix.T"),
    "Your function always gives 0, but some matrices change the representation: measure it.": lambda z, a, m: 0.0,
    "Compare cosines, not dot products.": but("relative_representation", "(lambda z, a: z @ a.T)"),
    "You compare the largest entry before with the largest after. Take the difference of each entry first, then the "
    "largest.": but("(after - before).abs().max()", "(after.max() - before.max()).abs()"),
    "You give how far vectors move; give how far cosines do.": lambda z, a, m: (z @ m - z).abs().max(),
    "The absolute change is asked for.": but("(after - before)", "((after - before) / before)"),
    "You took the norm of all changes together; the largest single one is asked for.": but(".abs().max()", ".norm()"),
}
check_largest_change = Exercise("03.5", "Test the invariance", largest_change, cases, mistakes)

FOR_NOTEBOOKS = [centred, largest_change, times_nearest]


# 03.6, the open investigation: which changes of coordinates leave relative representations alone?

KEPT, BROKEN = 1e-4, 1e-2
"""A change of an entry below the first is rounding; one above the second is real."""


@investigation("03.6", "Survivors")
def check_investigation(function) -> Verdict:
    """Measure the student's changes of coordinates again on two data sets of its own."""
    for number, (d, seed) in enumerate(((6, 70), (9, 71)), 1):
        z, anchors = random_tensor(7, d, seed=seed) + 0.5, random_tensor(10, d, seed=seed + 10) + 0.5
        evidence = ask(function, (z, anchors), f"On data set {number}", like={}, form=form_of_evidence)
        found = [examined(name, change, float(claimed), z, anchors) for name, (change, claimed) in evidence.items()]
        refuse_what_is_missing(found)
    kept, broken = (", ".join(str(c.name) for c in found if c.keeps == keeps) for keeps in (True, False))
    return right(f"Your evidence holds on two new data sets. Unchanged by: {kept}. Changed by: {broken}.")


def form_of_evidence(evidence):
    if not isinstance(evidence, dict):
        return f"Your function returned {kind_of(evidence)}; a dict from name to (function, number) is wanted."
    for name, entry in evidence.items():
        if not isinstance(entry, tuple | list) or len(entry) != 2 or not callable(entry[0]):
            return f"“{name}”: give two things, the change (a function) and the largest change of an entry (a number)."
        if not isinstance(entry[1], numbers.Real) and getattr(torch.as_tensor(entry[1]), "numel", lambda: 0)() != 1:
            return f"“{name}”: the largest change is one number, float(…)."
    return ""


class Change(NamedTuple):
    """A change of coordinates: all vectors after it, the largest change of an entry, and why the claim is another."""

    name: str
    after: torch.Tensor
    largest: float
    linear: bool
    keeps: bool
    other: str


def examined(name, transformation, claimed, z, anchors) -> Change:
    rows = torch.cat([z, anchors])
    several = rows, rows, rows[:1], rows + rows.flip(0)

    @functools.wraps(transformation)
    def run(*sets):
        return [transformation(x) for x in sets]

    outputs = ask(run, several, f"“{name}”:")
    for vectors, output in zip(several, outputs, strict=True):
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != len(vectors):
            refuse(f"“{name}” must turn rows (m, d) into a Tensor with as many rows.")
        if not torch.isfinite(output).all():
            refuse(f"“{name}” makes NaN or infinity of some vectors.")
    after, again, alone, of_sum = (output.float() for output in outputs)
    if not torch.allclose(after, again):
        refuse(f"“{name}” draws new random numbers at every call; draw them once, outside it.")
    if not torch.allclose(after[:1], alone, atol=1e-4):
        refuse(f"“{name}” of a vector depends on the vectors that stand beside it; change each vector by itself.")
    sides = after.split([len(z), len(anchors)])
    gaps = (relative_representation(*sides) - relative_representation(z, anchors)).abs()
    largest, other = float(gaps.max()), ""
    if not abs(largest - claimed) <= KEPT + 0.01 * largest:  # NaN is no evidence either
        other = f"“{name}” {other_change(claimed, gaps, z, anchors, *sides)}"
    linear = torch.allclose(of_sum, after + after.flip(0), atol=1e-3 * float(after.abs().max()))
    return Change(name, after, largest, linear, largest < KEPT, other)


def other_change(claimed, gaps, z, anchors, after_z, after_anchors):
    def equals(value):
        return abs(float(value) - claimed) < 1e-3

    change = f"changes an entry by up to {gaps.max():.2g}" if gaps.max() > KEPT else "changes no entry"
    evidence = f"{change}, and your evidence says {claimed:.2g}"
    if equals(gaps.mean()):
        return f"{evidence}: that is the mean; the largest change is asked for."
    if (d := after_z.shape[1]) <= z.shape[1]:
        before = relative_representation(z, anchors)
        for sides in ((after_z, anchors[:, :d]), (z[:, :d], after_anchors)):
            if equals((relative_representation(*sides) - before).abs().max()):
                return f"{evidence}: you changed one side only, `z` or the anchors."
    if equals((after_z @ after_anchors.T - z @ anchors.T).abs().max()):
        return f"{evidence}: you compared dot products, not relative representations."
    return f"{evidence}. Measure it on the `z` and anchors that your function is given."


def refuse_what_is_missing(found):
    """Two changes of each kind are wanted, all different, and a surprise in each kind."""
    for i, one in enumerate(found):
        for other in found[:i]:
            if one.after.shape == other.after.shape and torch.allclose(one.after, other.after, atol=1e-5):
                same = f"“{other.name}” and “{one.name}” are the same change."
                refuse(f"{same} If a loop made them, keep its variable: lambda x, matrix=matrix: x @ matrix.")
    for change in found:
        if change.other:
            refuse(change.other)
        if KEPT <= change.largest <= BROKEN:
            refuse(f"“{change.name}” changes the entries by {change.largest:.1g}, hardly at all; take a stronger one.")
    kept, broken = ([change.linear for change in found if change.keeps == keeps] for keeps in (True, False))
    if len(kept) < 2 or len(broken) < 2:
        refuse(f"Of your changes, {len(kept)} keep the entries and {len(broken)} do not. Find at least two of each.")
    if all(kept):
        linear = "All your changes that leave the entries alone are linear: f(x + y) = f(x) + f(y)."
        refuse(f"{linear} Find one that is not. What in a vector does a cosine not see?")
    if not any(broken):
        refuse("No change of yours that moves the entries is linear, as a matrix is. Find a matrix that breaks them.")
