"""Checks of exercises 02.1 to 02.3: do two spaces agree about the same items, and what would chance give?"""

import torch

from asif_lib.evaluation.neighbours import nearest_neighbours, neighbour_mask, pair_correlation

from ..catalogue import COMPLEMENT, INVERSE, MEAN, PERCENT, but, changed, one_more, result
from ..chapter_01 import ZERO_DIAGONAL, cosines
from ..exercise import Exercise
from ..judging import random_tensor


def similarities(n, d, seed) -> torch.Tensor:
    """Return the (n, n) cosines of n random vectors in d dimensions."""
    return cosines(random_tensor(n, d, seed=seed))


mistakes = {
    "A stamp is not its own neighbour: how many stamps can be?": one_more("n"),
    "That is the number of common neighbours to expect; divide it by k.": lambda n, k: k * k / (n - 1),
    "That is the number of common neighbours to expect, and you count the stamp itself; give the share, and leave it "
    "out.": lambda n, k: k * k / n,
    "That is the chance of one certain neighbour; the list has k places.": changed(k=1),
    "Both lists are by chance in your answer. One list is given: ask only about the other.": result(lambda r: r * r),
    "You give percent; give a share between 0 and 1.": PERCENT,
    "`//` throws the remainder away; a share is a fraction, so divide with `/`.": lambda n, k: k // (n - 1),
    "Upside down: a share is at most 1.": INVERSE,
    "You took the share that is not in common.": COMPLEMENT,
    "A stamp is not its own neighbour, so one stamp fewer can be drawn, not one more.": changed(n=lambda n: n + 2),
    "You divide by all different stamps of the two lists; divide by k.": lambda n, k: k / (2 * (n - 1) - k),
    "You leave the k stamps of the first list out of the draw; leave out only the stamp.": lambda n, k: k / (n - k),
}
check_share_by_chance = Exercise(
    "02.1", "What chance would give", lambda n, k: k / (n - 1), [(793, 10), (5, 4), (101, 1), (21, 5)], mistakes
)


def in_common(x, y, k, *, chosen=neighbour_mask, of=lambda a, b, k: k):
    a, b = chosen(x, k), chosen(y, k)
    return (a & b).sum(1) / of(a, b, k)


def with_itself(similarity, k):
    return neighbour_mask(similarity, k, True)


def without_first(similarity, k):
    others = similarity.topk(k + 1, dim=1).indices[:, 1:]
    return torch.zeros(similarity.shape, dtype=torch.bool).scatter_(1, others, True)


cases = [  # a 0 on the diagonal is found by the fourth case, a dropped first place by the fifth only
    (similarities(30, 6, 0), similarities(30, 6, 1), 5),
    (similarities(30, 6, 0), similarities(30, 6, 1), 1),
    (similarities(12, 3, 2), similarities(12, 3, 2), 4),
    (similarities(12, 3, 3), similarities(12, 3, 2), 11),
    (-similarities(12, 3, 2), similarities(12, 3, 2), 11),
]
mistakes = {
    "You dropped the first place as if it were always the stamp itself; it need not be. Set the diagonal to −inf "
    "instead.": but(chosen=without_first),
    ZERO_DIAGONAL: but(chosen=lambda x, k: with_itself(x.clone().fill_diagonal_(0), k)),
    "You look at k + 1 places, and the stamp itself is among them and counts as common; set the diagonal to −inf and "
    "take k.": (
        but(chosen=lambda x, k: with_itself(x, k + 1)),
        lambda x, y, k: in_common(x, y, k + 1, chosen=with_itself),
    ),
    "You look at k + 1 neighbours; take k.": (but(chosen=lambda x, k: neighbour_mask(x, k + 1)), one_more("k")),
    "You count each stamp as its own nearest neighbour; leave it out.": but(chosen=with_itself),
    "You took the k least similar; neighbours are the k most similar.": changed(x=torch.neg, y=torch.neg),
    "You compare the lists place by place; a neighbour counts wherever it stands in the other list.": (
        lambda x, y, k: (nearest_neighbours(x, k) == nearest_neighbours(y, k)).sum(1) / k
    ),
    "You give the number of common neighbours; divide it by k.": but(of=lambda a, b, k: 1),
    "You divide by k twice, as a mean over k × k comparisons does; divide once.": but(of=lambda a, b, k: k * k),
    "You divide by the different neighbours in both lists; divide by k.": but(of=lambda a, b, k: (a | b).sum(1)),
    "You give one mean; return one share for each stamp, n numbers.": MEAN,
}
check_mutual_neighbours = Exercise("02.2", "Neighbours in common", in_common, cases, mistakes)


def shuffled(x, y, order, *, offset=1, measure=lambda both: torch.corrcoef(both)[0, 1]):
    rows, columns = torch.triu_indices(*x.shape, offset=offset)  # the entries above the diagonal
    return measure(torch.stack([x[rows, columns], y[order][:, order][rows, columns]]))


X, Y = similarities(20, 5, 4), similarities(20, 5, 5)

cases = [
    (X, Y, torch.randperm(20, generator=torch.Generator().manual_seed(6))),
    (X, X, torch.arange(20).roll(7)),
    (X, Y, torch.arange(20)),
    (X, X, torch.arange(20).flip(0)),
]
mistakes = {
    "The order has no effect: you did not use it, or you moved pictures and captions alike, and then every picture "
    "keeps its caption.": lambda x, y, order: pair_correlation(x, y),
    "You moved only the rows (or only the columns): caption i then lost its own similarities. Put rows and columns of "
    "the caption matrix into the new order.": (
        lambda x, y, order: pair_correlation(x, y[order]),
        lambda x, y, order: pair_correlation(x, y[:, order]),
    ),
    "You used the whole matrices: the diagonal compares each stamp with itself, and has no place here.": (
        lambda x, y, order: torch.corrcoef(torch.stack([x.ravel(), y[order][:, order].ravel()]))[0, 1]
    ),
    "You took the diagonal in: it compares each stamp with itself. Start above it, with offset=1.": but(offset=0),
    "You return the whole 2 × 2 matrix; the one wanted is outside its diagonal.": but(measure=torch.corrcoef),
    "You gave caption i to picture order[i]; picture i gets caption order[i]. (Moving the pictures by `order`, and not "
    "the captions, does the same.)": changed(order=torch.argsort),
    "That is the covariance; divide it by both standard deviations.": but(measure=lambda z: torch.cov(z)[0, 1]),
    "You left the two means in, so that is a cosine. For Pearson's correlation, first subtract from each series its "
    "own mean.": but(measure=lambda z: torch.cosine_similarity(*z, dim=0)),
}
hints = {"too many indices": "`matrix[order, order]` picks n single entries; take first the rows, then the columns."}
check_shuffled_correlation = Exercise("02.3", "A correlation without a cause", shuffled, cases, mistakes, hints=hints)
