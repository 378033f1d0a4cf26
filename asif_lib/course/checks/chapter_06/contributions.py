"""Checks of exercises 06.1, 06.2 and 06.5: contributions, contrasts, and an AUC from ranks."""

import torch
import torch.nn.functional as F

from ..catalogue import COMPLEMENT, DESCENDING, REVERSED_RESULTS, but, changed, part, result
from ..exercise import Exercise
from ..judging import random_tensor


def contribution(image, prompts, *, over=torch.mean):
    return over(image * prompts, dim=0)


def half_empty(*shape, seed):
    """Draw rows of length 1 without negative entries; about half of the entries are zero."""
    return F.normalize(random_tensor(*shape, seed=seed).relu(), dim=-1)


mistakes = {
    "You returned the score, one number; give what each anchor contributes to it.": (lambda x, y: (y @ x).mean()),
    "You returned a score for each prompt; sum over the prompts, not over the anchors.": lambda x, y: y @ x,
    "You summed over the prompts, so your contributions add up to m times the score; the label's score is the mean "
    "over its prompts.": but(over=torch.sum),
    "You took each anchor's largest contribution over the prompts. The sum of these is larger than any score: the mean "
    "over the prompts adds up.": but(over=torch.amax),
    "You returned one row for each prompt; take the mean of each column, the anchor's contribution.": torch.mul,
    "You left the picture out: both picture and text must hold the anchor.": changed(image=torch.ones_like),
    "You made the mean of the prompts a vector of length 1 again. The mean of the scores needs the mean as it is; "
    "yours add up to another number.": lambda x, y: x * F.normalize(y.mean(dim=0), dim=0),
    "You divided by the score, which gives shares; contributions add up to the score.": result(lambda c: c / c.sum()),
    "You spread the score evenly over the anchors. What did each one give?": result(lambda c: c.mean().expand(len(c))),
    "You spread the score evenly over the anchors that both sides hold. It adds up, and says nothing: what did each of "
    "them give?": result(lambda given: (given > 0) * given.sum() / (given > 0).sum()),
    "You took the smaller of the two entries; a cosine is a sum of products.": lambda x, y: torch.minimum(x, y.mean(0)),
    "You used the first prompt only.": changed(prompts=lambda y: y[:1]),
    "You sorted them; keep the order of the anchors, entry i for anchor i.": DESCENDING,
}
cases = [(half_empty(30, seed=61 + i), half_empty(m, 30, seed=71 + i)) for i, m in enumerate((3, 1, 5))]
check_contributions = Exercise("06.1", "Prove that it adds up", contribution, cases, mistakes)


def difference(image, one, other):
    return image * (one - other)


def contrast(image, one, other, top, *, gap=difference, told=lambda found: found.indices):
    return told(gap(image, one, other).topk(top)), told(gap(image, other, one).topk(top))


def both_ends(order):
    """Rank the differences by size and take the largest, then the smallest."""

    def by_size(image, one, other, top):
        sizes = difference(image, one, other).abs()
        return sizes.topk(top).indices, order(sizes.topk(top, largest=False).indices)

    return by_size


LABELS = [torch.rand(4, n, generator=torch.Generator().manual_seed(80 + n))[:3] for n in (20, 40, 25)]

mistakes = {
    "You ranked the contributions to each label by themselves. An anchor that gives the same to both decides nothing "
    "between them: rank the differences.": but(gap=lambda x, a, b: x * a),
    "The two results are the wrong way round: first for `one`, then for `other`.": REVERSED_RESULTS,
    "You ranked the differences by their size, whatever their sign; the sign says for which label they speak.": (
        but(gap=lambda x, a, b: difference(x, a, b).abs()),
        both_ends(torch.clone),
        both_ends(lambda smallest: smallest.flip(0)),
    ),
    "You left the picture out: an anchor that it lacks gives nothing to any label.": but(gap=lambda x, a, b: a - b),
    "The strongest comes first; your second result begins with the weakest.": part(
        1, lambda second, *_: second.flip(0)
    ),
    "You took the quotient of the two contributions; two tiny ones may have a large quotient. Scores are sums: take "
    "the difference.": but(gap=lambda x, a, b: a / b),
    "You returned the differences; the positions of the anchors are wanted.": but(told=lambda found: found.values),
}
cases = [(*rows, top) for rows, top in zip(LABELS, (3, 5, 1), strict=True)]
check_contrast = Exercise("06.2", "Why this one and not the other?", contrast, cases, mistakes)


def half_for_ties(gaps):
    return (gaps > 0).double() + (gaps == 0).double() / 2


def rank_auc(scores, wrong, *, points=half_for_ties, over=torch.mean):
    """Return how often a wrong pair scores below a right one; the options are the places where a step can go wrong."""
    return float(over(points(scores[~wrong] - scores[wrong][:, None])))


def by_argsort(order):
    def auc(scores, wrong):
        places, m = order(scores).argsort().double(), int(wrong.sum())
        return float((places[wrong].sum() - m * (m - 1) / 2) / (m * (len(scores) - m)))

    return auc


def on_a_grid(steps):
    def auc(scores, wrong):
        flagged = scores < torch.linspace(0, 1, steps)[:, None]
        x, y = (F.pad(flagged[:, group].float().mean(dim=1), (1, 1)) for group in (~wrong, wrong))
        x[-1] = y[-1] = 1
        return float(torch.trapezoid(y, x))

    return auc


DRAW = torch.Generator().manual_seed(65)
PLANTED = torch.rand(60, generator=DRAW) < 0.2
FINE = (torch.rand(60, generator=DRAW) - 0.25 * PLANTED + 0.25) / 1.25

cases = [
    (FINE, PLANTED),
    (FINE / 100, PLANTED),  # a grid from 0 to 1 has nothing between these
    ((5 * FINE).round() / 5, PLANTED),
    (torch.zeros(60), PLANTED),
    (FINE[:20], torch.arange(20) == 7),
]
mistakes = {
    "You gave a tie nothing, so that equal scores get 0; it counts half.": but(points=lambda g: (g > 0).double()),
    "You gave a tie a full point, so that equal scores get 1; it counts half.": but(points=lambda g: (g >= 0).double()),
    "The wrong way round: a *low* score is suspicious; count where the wrong pair scores lower.": COMPLEMENT,
    "You ranked the scores, and tied ones got different places, by the order in which they stand or by chance; a tie "
    "counts half.": (
        by_argsort(lambda s: s.argsort(descending=True, stable=True)),
        by_argsort(lambda s: s.argsort(stable=True).flip(0)),
        by_argsort(lambda s: s.argsort().flip(0)),
    ),
    "You counted the pairs of pairs; divide by how many there are.": but(over=torch.sum),
    "Divide by the wrong-right pairs, not by all n² pairs.": (
        lambda s, w: rank_auc(s, w, over=torch.sum) / len(s) ** 2
    ),
    "That is the difference of the two means; how often is the wrong one below the right one?": but(points=torch.clone),
    "That is an accuracy at one threshold; the area needs none.": lambda s, w: ((s < s.median()) == w).double().mean(),
    "You went through a grid of thresholds; scores between two of them are not told apart. Compare every wrong pair "
    "with every right one.": tuple(map(on_a_grid, (10, 11, 20, 21, 50, 51, 100, 101, 1000, 1001))),
    "0.5 on this input, whatever the scores are: no threshold lies between any two of them. Do without thresholds: "
    "compare every wrong pair with every right one.": lambda s, w: 0.5,
}
notes = {3: "some scores are tied", 4: "all scores are tied"}
check_rank_auc = Exercise("06.5", "An AUC without thresholds", rank_auc, cases, mistakes, notes=notes)
