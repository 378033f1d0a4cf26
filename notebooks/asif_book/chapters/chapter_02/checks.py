"""Checks of chapter 02, anchors."""

import math

import torch

from asif_book.chapters.chapter_01.checks import ZERO_DIAGONAL, cosines
from asif_book.checks.catalogue import CENTRING, but, centred, changed, one_more, result
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse, right
from asif_lib.evaluation.neighbours import nearest_neighbours, neighbour_mask, pair_correlation
from asif_lib.relative import unit_rows


def similarities(n, d, seed) -> torch.Tensor:
    """Return the (n, n) cosines of n random vectors in d dimensions."""
    return cosines(random_tensor(n, d, seed=seed))


mistakes = {
    "A stamp is not its own neighbour: how many stamps can be?": one_more("n"),
    "One place too few: all k places of the list count.": lambda n, k: (k - 1) / (n - 1),
    "You count the stamp itself, and give the expected number; leave it out, and give a share.": lambda n, k: k * k / n,
    "That is the chance of one certain neighbour; the list has k places.": changed(k=1),
    "In your answer both lists are random. One list is given: ask only about the other.": result(lambda r: r * r),
    "That is the chance of at least one common neighbour; give the expected share of common ones.": lambda n, k: (
        1 - (1 - k / (n - 1)) ** k
    ),
    "That is the chance of a certain list, or of k hits; give the expected share of hits.": (
        lambda n, k: (k / (n - 1)) ** k,
        lambda n, k: 1 / math.comb(n - 1, k),
        lambda n, k: k / math.comb(n, k),
    ),
    "`//` throws the remainder away; a share is a fraction, so divide with `/`.": lambda n, k: k // (n - 1),
    "A stamp is not its own neighbour, so one stamp fewer can be drawn, not one more.": changed(n=lambda n: n + 2),
    "You divide by all different stamps of the two lists; divide by k.": lambda n, k: k / (2 * (n - 1) - k),
    "You leave the first list's k stamps out of the draw; leave out only the stamp itself.": lambda n, k: k / (n - k),
}
cases = [(793, 10), (5, 4), (101, 1), (21, 5)]
check_share_by_chance = Exercise("02.1", "What chance would give", lambda n, k: k / (n - 1), cases, mistakes)


def in_common(x, y, k, *, chosen=neighbour_mask, of=lambda a, b, k: k):
    a, b = chosen(x, k), chosen(y, k)  # (n, n) bool each
    return (a & b).sum(1) / of(a, b, k)  # (n,)


def with_itself(similarity, k):
    return torch.zeros(similarity.shape, dtype=torch.bool).scatter_(1, similarity.topk(k, dim=1).indices, True)


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
    "You dropped the first place, which need not be the stamp. Set the diagonal to −inf.": but(chosen=without_first),
    ZERO_DIAGONAL: but(chosen=lambda x, k: with_itself(x.clone().fill_diagonal_(0), k)),
    "You look at k + 1 places, and the stamp itself is among them and counts as common. Set the diagonal to −inf and "
    "take k.": (
        but(chosen=lambda x, k: with_itself(x, k + 1)),
        lambda x, y, k: in_common(x, y, k + 1, chosen=with_itself),
    ),
    "You look at k places and drop one of them, so that k - 1 are left; take k.": but(
        chosen=lambda x, k: without_first(x, k - 1)
    ),
    "You look at k + 1 neighbours; take k.": (but(chosen=lambda x, k: neighbour_mask(x, k + 1)), one_more("k")),
    "You left the stamp itself out on one side only; leave it out on both.": (
        lambda x, y, k: (neighbour_mask(x, k) & with_itself(y, k)).sum(1) / k,
        lambda x, y, k: (with_itself(x, k) & neighbour_mask(y, k)).sum(1) / k,
    ),
    "You count each stamp as its own nearest neighbour; leave it out.": but(chosen=with_itself),
    "You took the k least similar; neighbours are the k most similar.": changed(x=torch.neg, y=torch.neg),
    "You compare the two lists place by place; a neighbour counts wherever it stands in the other "
    "list.": lambda x, y, k: (nearest_neighbours(x, k) == nearest_neighbours(y, k)).sum(1) / k,
    "You divide by the different neighbours in both lists; divide by k.": but(of=lambda a, b, k: (a | b).sum(1)),
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
    "You moved only the rows (or only the columns): caption i lost its own similarities. Put rows and columns into the "
    "new order.": (lambda x, y, o: pair_correlation(x, y[o]), lambda x, y, o: pair_correlation(x, y[:, o])),
    "You used the whole matrices. Their diagonal compares each stamp with itself: take only the entries above "
    "it.": lambda x, y, o: torch.corrcoef(torch.stack([x.ravel(), y[o][:, o].ravel()]))[0, 1],
    "You took the diagonal in: it compares each stamp with itself. Start above it, with offset=1.": but(offset=0),
    "You return the whole 2 × 2 matrix; the correlation wanted is outside its diagonal.": but(measure=torch.corrcoef),
    "You gave caption i to picture order[i]; picture i gets caption order[i]. (Moving the pictures by `order`, and not "
    "the captions, does the same.)": changed(order=torch.argsort),
    "You correlated the ranks, as Spearman does; correlate the similarities themselves.": but(
        measure=lambda both: torch.corrcoef(both.argsort(1).argsort(1).float())[0, 1]
    ),
    "That is the covariance; divide it by both standard deviations.": (
        but(measure=lambda z: torch.cov(z)[0, 1]),
        but(measure=lambda z: torch.cov(z, correction=0)[0, 1]),
    ),
    "You took the mean of one correlation for each row; take one correlation over all pairs.": lambda x, y, o: (
        torch.stack([torch.corrcoef(torch.stack(rows))[0, 1] for rows in zip(x, y[o][:, o], strict=True)]).mean()
    ),
    "You left the two means in: that is a cosine. For Pearson's correlation, subtract its mean from each series "
    "first.": but(measure=lambda z: torch.cosine_similarity(*z, dim=0)),
}
hints = {"too many indices": "`matrix[order, order]` picks n single entries; take first the rows, then the columns."}
check_shuffled_correlation = Exercise("02.3", "A correlation without a cause", shuffled, cases, mistakes, hints=hints)


def coverage(z, anchors, *, over=torch.amax, dim=1, **centring):
    return over(centred(z, anchors, **centring), dim=dim)  # (q, n) → (q,)


def scaled_first(mean):
    return lambda z, a: ((unit_rows(z) - mean(a)) @ (unit_rows(a) - mean(a)).T).amax(dim=1)


NINE = random_tensor(9, 4, seed=7) + 1

cases = [
    (random_tensor(6, 4, seed=8), NINE),
    (NINE[2:5] * 3, NINE),
    (random_tensor(1, 4, seed=9), NINE),
    (random_tensor(12, 4, seed=6), NINE[:3]),
    (-NINE, 2 * NINE),
]
mistakes = {
    "You did not subtract the anchors' mean.": but(means=lambda z, a: (0, 0)),
    "You subtracted the mean of `z` from `z`; subtract the anchors' mean from both, so that a vector means the same "
    "whatever stands beside it.": but(means=lambda z, a: (z.mean(0), a.mean(0))),
    **CENTRING,
    "You return which anchor is nearest; return how similar it is.": but(over=torch.argmax),
    "You scaled to length 1 first and subtracted the mean afterwards: the rows no longer have length 1, and the "
    "results are no cosines.": (scaled_first(lambda a: unit_rows(a).mean(0)), scaled_first(lambda a: a.mean(0))),
}
check_coverage = Exercise("02.4", "Coverage", coverage, cases, mistakes)


def farthest_first(similarity, count, first, *, pick=torch.argmin, over=torch.amax, taken=torch.inf) -> torch.Tensor:
    """Choose `count` of n items: `first`, then always the item least similar to all chosen ones.

    Gonzalez's greedy choice of centres (1985). `similarity` is (n, n), and 1 ≤ count ≤ n. The result has the positions
    in the order of choice, (count,) int64.
    """
    chosen = [first]
    while len(chosen) < count:
        score = over(similarity[chosen], dim=0).clone()  # (n,) to the chosen one nearest to each item
        if taken is not None:
            score[chosen] = taken
        chosen.append(int(pick(score)))
    return torch.tensor(chosen, device=similarity.device)


def one_besides(similarity, count, first):
    return farthest_first(similarity, min(count + 1, len(similarity)), first)


cases = [
    (similarities(25, 5, 20), 6, 3),
    (similarities(12, 3, 21), 12, 7),
    (similarities(25, 5, 20), 1, 24),
    (similarities(12, 3, 21), 2, 0),
]
mistakes = {
    "You add the candidate that the chosen cover best; add the worst covered.": but(
        pick=torch.argmax, taken=-torch.inf
    ),
    "You add the candidate that the chosen ones cover best, and that is a chosen one again; add the one that they "
    "cover worst.": but(pick=torch.argmax, taken=None),
    "You keep the smallest similarity to the chosen ones. One near anchor is enough to cover a candidate: keep the "
    "largest.": but(over=torch.amin, taken=None),
    "You go by the least similar chosen one. A candidate is covered by the most similar one: take the largest of its "
    "similarities to the chosen ones.": (but(over=torch.amin), but(over=torch.amin, taken=1)),
    "You look only at the candidate chosen last; all chosen ones cover.": (
        but(over=lambda s, dim: s[-1], taken=None),
        but(over=lambda s, dim: s[-1]),
    ),
    "You take those least similar to `first`, all at once; after each choice look again at what is "
    "covered.": lambda s, count, first: torch.cat([torch.tensor([first]), s[first].argsort()[: count - 1]]),
    "You choose `count` candidates besides `first`; `first` is one of them.": one_besides,
    "You left `first` out of the result; it is the first that is chosen.": (
        lambda *case: one_besides(*case)[1:],
        result(lambda chosen: chosen[1:]),
    ),
    "You always begin with candidate 0; begin with `first`.": changed(first=0),
}
check_farthest_first = Exercise("02.5", "Farthest first", farthest_first, cases, mistakes)

FOR_NOTEBOOKS = [coverage, farthest_first]


# 02.6, the open investigation: a score of the student that finds wrong captions

GOOD_AUC = 0.85
"""What a score must reach, on average over the banks: most ways that look at near stamps do."""
SEEDS = 300, 400, 500
"""Of the banks; the numbers from a seed on draw one bank."""
WHICH_END = "Which of a stamp's similarities say most about it? Remember which end of the cloud was flat."
ALL_ALIKE = f"You let all differences count alike. Unrelated stamps drown the few near ones. {WHICH_END}"
HOW_NEAR = (
    "It stays the same if each row of the captions is sorted: it compares how near the neighbours are, and not which "
    "stamps they are. Compare the entries of the same stamp."
)
TOO_COARSE = "Your score takes only a few different values. Look at more neighbours, or at how similar they are."


@investigation("02.6", "Your own detective")
def check_suspicion(function) -> Verdict:
    """Judge a score that should find planted wrong captions by the area under its ROC curve."""
    from sklearn.metrics import roc_auc_score  # takes half a second

    areas, weak = [], set()
    for number, seed in enumerate(SEEDS, 1):
        image, text, planted = with_planted_captions(seed)
        where = f"On bank {number}"
        scores = scores_of(function, image, text, where)
        if scores.max() - scores.min() <= 1e-6 * scores.abs().max().clamp_min(1):  # cosines are exact to about 1e-7
            refuse("Your score is the same for every pair. Entry (i, i) compares stamp i with itself; use the others.")
        refuse_if_blind_to_one_side(function, image, text, scores, where)
        areas.append(roc_auc_score(planted.numpy(), scores.numpy()))
        weak.add(weakness(function, image, text, scores, where))
    found, mean = ", ".join(f"{area:.2f}" for area in areas), sum(areas) / len(areas)
    if mean < 1 - GOOD_AUC:
        refuse(f"AUC {found}: your score is the other way round. Give suspicious pairs the larger scores.")
    if mean < GOOD_AUC:
        hint = (weak.pop() if len(weak) == 1 else "") or WHICH_END
        reached = f"AUC {found} on three banks with planted wrong captions, {mean:.2f} on average"
        refuse(f"{reached}; 0.5 is guessing, and {GOOD_AUC} is wanted. {hint}")
    return right(f"Your score finds the planted wrong captions in three banks with AUC {found} (0.5 is guessing).")


def weakness(function, image, text, scores, where):
    """Name a usual weakness of a score, or return an empty string."""
    difference = (image - text).double().abs()
    ranks = scores.argsort().argsort().double()
    for idea in (difference.sum(dim=1), difference.square().sum(dim=1)):
        if torch.corrcoef(torch.stack([ranks, idea.argsort().argsort().double()]))[0, 1] > 0.999:
            return ALL_ALIKE
    if len(scores.unique()) <= 7:
        return TOO_COARSE
    same = torch.allclose(scores_of(function, image, text.sort(dim=1).values, where), scores, atol=1e-6)
    return HOW_NEAR if same else ""


def refuse_if_blind_to_one_side(function, image, text, scores, where):
    other = torch.randperm(len(scores), generator=torch.Generator().manual_seed(len(scores)))
    image_moved, text_moved = (side[other][:, other] for side in (image, text))
    for side, arguments in {"captions": (image, text_moved), "pictures": (image_moved, text)}.items():
        if torch.equal(scores_of(function, *arguments, where), scores):
            refuse(f"With other {side} your score stays the same. Compare both: a caption is wrong for a picture.")


def scores_of(function, image, text, where):
    """Ask for the scores of n pairs, (n,) float64."""
    scores = ask(function, (image, text), where, like=torch.zeros(len(image)))
    if scores.shape != (len(image),):
        refuse(f"Your result has shape {tuple(scores.shape)}; one score for each pair, ({len(image)},), is wanted.")
    if not torch.isfinite(scores).all():
        refuse("Some of your scores are NaN or infinite; what became of the −inf on the diagonal?")
    return scores.double()


def with_planted_captions(seed, n=300, kinds=40, d=60, wrong_ones=30):
    """Make similarities of n pairs like the stamps, (n, n) each, and tell which have a wrong caption, (n,) bool.

    Pairs of one kind are near on both sides. A side adds noise, more to some items than to others, and a style of four
    dimensions that the other side lacks. So only near pairs agree, as in the cloud of the stamps.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = random_tensor(kinds, d, seed=seed + 1)[torch.randint(kinds, (n,), generator=generator)]
    sides = []
    for start in (seed + 10, seed + 20):
        style = random_tensor(n, 4, seed=start) @ random_tensor(4, d, seed=start + 1)
        amount = (0.5 * random_tensor(n, 1, seed=start + 2)).exp()
        sides.append(hidden + amount * random_tensor(n, d, seed=start + 3) + 0.37 * style)
    order = torch.arange(n)
    places = torch.randperm(n, generator=generator)[:wrong_ones]
    order[places] = places.roll(1)
    u, v = (unit_rows(side, side.mean(0)) for side in sides)
    return u @ u.T, (v @ v.T)[order][:, order], order != torch.arange(n)
