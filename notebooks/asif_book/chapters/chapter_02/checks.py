"""Checks of chapter 02, anchors."""

import torch

from asif_book.chapters.chapter_01.checks import ZERO_DIAGONAL, cosines
from asif_book.checks.catalogue import CENTRING, but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse, right
from asif_lib.relative import unit_rows


def similarities(n, d, seed) -> torch.Tensor:
    """Return the (n, n) cosines of n random vectors in d dimensions."""
    return cosines(random_tensor(n, d, seed=seed))


def share_by_chance(n, k):
    return k / (n - 1)


mistakes = {
    "A stamp is not its own neighbour: how many stamps can be?": but("n - 1", "n"),
    "That is the chance of one certain neighbour; the list has k places.": but("k /", "1 /"),
    "In your answer both lists are random. One list is given: ask only about the other.": lambda n, k: (
        (k / (n - 1)) ** 2
    ),
    "That is the chance of any common one; give their share.": lambda n, k: 1 - (1 - k / (n - 1)) ** k,
    "That is the chance of a list, or of k hits; give a share.": lambda n, k: (k / (n - 1)) ** k,
    "You leave the first list's k stamps out of the draw; leave out only the stamp itself.": but("n - 1", "n - k"),
}
cases = [(793, 10), (5, 4), (101, 1), (21, 5)]
check_share_by_chance = Exercise("02.1", "What chance would give", share_by_chance, cases, mistakes)


def neighbours_in_common(image_similarity, text_similarity, k):
    near = []
    for similarity in (image_similarity, text_similarity):
        others = similarity.clone().fill_diagonal_(-torch.inf)
        near.append(others.topk(k, dim=1).indices)
    # (n, k, k): neighbour a of one list is neighbour b of the other
    common = near[0][:, :, None] == near[1][:, None, :]
    return common.sum(dim=(1, 2)) / k


WITH_ITSELF = "similarity.clone().fill_diagonal_(-torch.inf)", "similarity"
OUT = "others = similarity.clone().fill_diagonal_(-torch.inf)"

cases = [  # a 0 on the diagonal is found by the fourth case, a dropped first place by the fifth only
    (similarities(30, 6, 0), similarities(30, 6, 1), 5),
    (similarities(30, 6, 0), similarities(30, 6, 1), 1),
    (similarities(12, 3, 2), similarities(12, 3, 2), 4),
    (similarities(12, 3, 3), similarities(12, 3, 2), 11),
    (-similarities(12, 3, 2), similarities(12, 3, 2), 11),
]
mistakes = {
    "You dropped the first place, which need not be the stamp. Set the diagonal to −inf.": but(
        *WITH_ITSELF, "topk(k, dim=1).indices", "topk(k + 1, dim=1).indices[:, 1:]"
    ),
    ZERO_DIAGONAL: but("-torch.inf", "0"),
    "You look at k + 1 places, one of them the stamp itself. Set the diagonal to −inf and take k.": (
        but(*WITH_ITSELF, "topk(k", "topk(k + 1"),
        but(*WITH_ITSELF, "topk(k", "topk(k + 1", "/ k", "/ (k + 1)"),
    ),
    "You look at k places and drop one of them; take k others.": but(*WITH_ITSELF, "indices", "indices[:, 1:]"),
    "Leave the stamp itself out on both sides.": (
        but(OUT, f"{OUT} if similarity is image_similarity else similarity"),
        but(OUT, f"{OUT} if similarity is text_similarity else similarity"),
    ),
    "You count each stamp as its own nearest neighbour; leave it out.": but(*WITH_ITSELF),
    "You took the k least similar; neighbours are the k most similar.": but("similarity.clone()", "similarity.neg()"),
    "You compare the two lists place by place; a neighbour counts wherever it stands in the other list.": but(
        "near[0][:, :, None] == near[1][:, None, :]", "(near[0] == near[1])[:, :, None]"
    ),
    "Divide by k, not by all different neighbours.": but("/ k", "/ (2 * k - common.sum(dim=(1, 2)))"),
}
check_mutual_neighbours = Exercise("02.2", "Neighbours in common", neighbours_in_common, cases, mistakes)


def correlation_after_shuffle(image_similarity, text_similarity, order):
    shuffled = text_similarity[order][:, order]
    rows, columns = torch.triu_indices(len(order), len(order), offset=1)
    both = torch.stack([image_similarity[rows, columns], shuffled[rows, columns]])
    return float(torch.corrcoef(both)[0, 1])


X, Y = similarities(20, 5, 4), similarities(20, 5, 5)

cases = [
    (X, Y, torch.randperm(20, generator=torch.Generator().manual_seed(6))),
    (X, X, torch.arange(20).roll(7)),
    (X, Y, torch.arange(20)),
    (X, X, torch.arange(20).flip(0)),
]
mistakes = {
    "The order has no effect: you did not use it, or you moved pictures and captions alike, and then every picture "
    "keeps its caption.": but("[order][:, order]", ""),
    "You moved only the rows (or only the columns): caption i lost its own similarities. Put rows and columns into the "
    "new order.": (but("[order][:, order]", "[order]"), but("[order][:, order]", "[:, order]")),
    "The diagonal compares each stamp with itself; take the entries above it.": but("[rows, columns]", ".ravel()"),
    "You took the diagonal in: it compares each stamp with itself. Start above it, with offset=1.": but("=1", "=0"),
    "You gave caption i to picture order[i]; picture i gets caption order[i]. (Moving the pictures by `order`, and not "
    "the captions, does the same.)": but("order]", "order.argsort()]"),
    "Correlate the similarities, not their ranks.": but(
        "corrcoef(both)", "corrcoef(both.argsort(1).argsort(1).float())"
    ),
    "That is the covariance; divide by both deviations.": but("corrcoef", "cov"),
    "You left the two means in: that is a cosine. For Pearson's correlation, subtract its mean from each series "
    "first.": but("torch.corrcoef(both)[0, 1]", "torch.cosine_similarity(*both, dim=0)"),
}
hints = {"too many indices": "`matrix[order, order]` picks n single entries; take first the rows, then the columns."}
check_shuffled_correlation = Exercise(
    "02.3", "A correlation without a cause", correlation_after_shuffle, cases, mistakes, hints=hints
)


def coverage(z, anchors):
    mean = anchors.mean(dim=0)
    return (unit_rows(z - mean) @ unit_rows(anchors - mean).T).amax(dim=1)


NINE = random_tensor(9, 4, seed=7) + 1

cases = [
    (random_tensor(6, 4, seed=8), NINE),
    (NINE[2:5] * 3, NINE),
    (random_tensor(1, 4, seed=9), NINE),
    (random_tensor(12, 4, seed=6), NINE[:3]),
    (-NINE, 2 * NINE),
]
mistakes = {
    "You did not subtract the anchors' mean.": but(" - mean", ""),
    "You subtracted the mean of `z` from `z`; subtract the anchors' mean from both, so that a vector means the same "
    "whatever stands beside it.": but("z - mean", "z - z.mean(0)"),
    **CENTRING,
    "Subtract the mean first, then scale: your results are no cosines.": but(
        "mean = anchors", "z, anchors = unit_rows(z), unit_rows(anchors); mean = anchors",
        "unit_rows(z - mean) @ unit_rows(anchors - mean)", "(z - mean) @ (anchors - mean)",
    ),
}  # fmt: skip
check_coverage = Exercise("02.4", "Coverage", coverage, cases, mistakes)


def farthest_first(similarity, count, first) -> torch.Tensor:
    """Choose `count` of n items: `first`, then always the item least similar to all chosen ones.

    Gonzalez's greedy choice of centres (1985). `similarity` is (n, n), and 1 ≤ count ≤ n. The result has the positions
    in the order of choice, (count,) int64.
    """
    chosen = [first]
    covered = similarity[first]  # (n,): each candidate's cosine with the nearest chosen
    while len(chosen) < count:
        worst = int(covered.argmin())
        chosen.append(worst)
        covered = torch.maximum(covered, similarity[worst])
    return torch.tensor(chosen)


cases = [
    (similarities(25, 5, 20), 6, 3),
    (similarities(12, 3, 21), 12, 7),
    (similarities(25, 5, 20), 1, 24),
    (similarities(12, 3, 21), 2, 0),
]
COVERED, ALONE = "torch.maximum(covered, similarity[worst])", "similarity[worst]"
NOT_AGAIN = "(0, torch.tensor(chosen), torch.inf)"
mistakes = {
    "You add the candidate that the chosen ones cover best; add the one that they cover worst.": (
        but("argmin", "argmax"),
        but("covered.argmin()", "covered.index_fill(0, torch.tensor(chosen), -torch.inf).argmax()"),
    ),
    "You keep the smallest similarity to the chosen ones. One near anchor is enough to cover a candidate: keep the "
    "largest.": but("maximum", "minimum"),
    "You go by the least similar chosen one. One near anchor is enough: take the most similar.": but(
        "maximum", "minimum", "covered.argmin()", f"covered.index_fill{NOT_AGAIN}.argmin()"
    ),
    "You took the mean similarity to the chosen ones; the most similar one alone covers a candidate.": but(
        COVERED, "similarity[chosen].mean(dim=0)", "covered.argmin()", f"covered.index_fill{NOT_AGAIN}.argmin()"
    ),
    "All chosen ones cover, not the last alone.": (but(COVERED, ALONE), but(COVERED, f"{ALONE}.index_fill{NOT_AGAIN}")),
    "You take those least similar to `first`, all at once; after each choice look again at what is "
    "covered.": lambda s, count, first: torch.cat([torch.tensor([first]), s[first].argsort()[: count - 1]]),
    "You left out `first`, which is chosen first.": (
        but("tensor(chosen)", "tensor(chosen[1:])"),
        but("< count", "<= count", "tensor(chosen)", "tensor(chosen[1:])"),
    ),
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
        if torch.equal(scores.sort().values, torch.arange(len(scores)).double()):
            hint = "Your scores are 0, 1, 2, and so on: positions, as of a sort? Entry i is how suspicious pair i is."
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
