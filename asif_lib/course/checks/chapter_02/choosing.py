"""Checks of exercises 02.4 and 02.5: what anchors cover, and anchors chosen so that they cover much."""

import torch

from asif_lib.relative import unit_rows

from ..catalogue import ASCENDING, but, centred, changed, result
from ..exercise import Exercise
from ..judging import random_tensor
from .agreement import similarities


def coverage(z, anchors, *, over=torch.amax, dim=1, **centring):
    return over(centred(z, anchors, **centring), dim=dim)


def scaled_first(mean):
    return lambda z, a: ((unit_rows(z) - mean(a)) @ (unit_rows(a) - mean(a)).T).amax(dim=1)


NINE = random_tensor(9, 4, seed=7) + 1

cases = [
    (random_tensor(6, 4, seed=8), NINE),
    (NINE[2:5] * 3, NINE),
    (random_tensor(1, 4, seed=9), NINE),
    (-NINE, 2 * NINE),
]
mistakes = {
    "You compared along the wrong axis: return a similarity for each row of `z`, not for each anchor.": but(dim=0),
    "You did not subtract the anchors' mean.": but(means=lambda z, a: (0, 0)),
    "You subtracted the mean of `z` from `z`; subtract the anchors' mean from both, so that a vector means the same "
    "whatever stands beside it.": but(means=lambda z, a: (z.mean(0), a.mean(0))),
    "You did not scale to length 1: these are dot products, not cosines.": but(cosines=lambda z, a: z @ a.T),
    "You took the mean over the anchors; coverage asks for the nearest one.": but(over=torch.mean),
    "You return which anchor is nearest; return how similar it is.": but(over=torch.argmax),
    "You took the least similar anchor; coverage asks for the nearest one.": but(over=torch.amin),
    "You subtracted the mean from `z` only; the anchors have it, too.": but(means=lambda z, a: (a.mean(0), 0)),
    "You subtracted the mean from the anchors only; `z` has it, too.": but(means=lambda z, a: (0, a.mean(0))),
    "You scaled to length 1 first and subtracted the mean afterwards: the rows no longer have length 1, and the "
    "results are no cosines.": (scaled_first(lambda a: unit_rows(a).mean(0)), scaled_first(lambda a: a.mean(0))),
}
check_coverage = Exercise("02.4", "Coverage", coverage, cases, mistakes)


def farthest_first(similarity, count, first) -> torch.Tensor:
    """Choose `count` of n items: `first`, then always the item least similar to all chosen ones.

    Gonzalez's greedy choice of centres (1985). `similarity` is (n, n), and 1 ≤ count ≤ n. The result has the positions
    in the order of choice, (count,) int64.
    """
    chosen, best = [first], similarity[first]  # best: similarity of each item to the chosen one nearest to it
    while len(chosen) < count:
        chosen.append(int(best.argmin()))
        best = torch.maximum(best, similarity[chosen[-1]])
    return torch.tensor(chosen, device=similarity.device)


def greedy(pick=torch.argmin, over=torch.amax, taken=torch.inf):
    """Farthest first with another pick, another cover, or another score for the items that are taken."""

    def choose(similarity, count, first):
        chosen = [first]
        while len(chosen) < count:
            score = over(similarity[chosen], dim=0).clone()
            if taken is not None:
                score[chosen] = taken
            chosen.append(int(pick(score)))
        return torch.tensor(chosen)

    return choose


def one_besides(similarity, count, first):
    return farthest_first(similarity, min(count + 1, len(similarity)), first)


cases = [
    (similarities(25, 5, 20), 6, 3),
    (similarities(12, 3, 21), 12, 7),
    (similarities(25, 5, 20), 1, 24),
    (similarities(12, 3, 21), 2, 0),
]
mistakes = {
    "You add the one that the chosen cover best; add the one covered worst.": greedy(torch.argmax, taken=-torch.inf),
    "You add the candidate that the chosen ones cover best, and that is a chosen one again; add the one that they "
    "cover worst.": greedy(torch.argmax, taken=None),
    "You keep the smallest similarity to the chosen; the largest one covers.": greedy(over=torch.amin, taken=None),
    "You go by the least similar chosen one; a candidate is covered by the most similar one, so take the largest of "
    "its similarities to the chosen ones.": (greedy(over=torch.amin), greedy(over=torch.amin, taken=1)),
    "You go by the mean similarity to the chosen; one near anchor covers: take the largest.": greedy(over=torch.mean),
    "You look at the candidate chosen last only; all chosen ones cover.": greedy(over=lambda s, dim: s[-1], taken=None),
    "You take those least similar to `first`, all at once; after each choice look again at what is covered.": (
        lambda s, count, first: torch.cat([torch.tensor([first]), s[first].argsort()[: count - 1]])
    ),
    "You choose `count` candidates besides `first`; `first` is one of them.": one_besides,
    "You left `first` out of the result; it is the first that is chosen.": (
        lambda *case: one_besides(*case)[1:],
        result(lambda chosen: chosen[1:]),
    ),
    "You always begin with candidate 0; begin with `first`.": changed(first=0),
    "You put the chosen ones into ascending order; keep the order in which they were chosen.": ASCENDING,
}
check_farthest_first = Exercise("02.5", "Farthest first", farthest_first, cases, mistakes)

FOR_NOTEBOOKS = [farthest_first]
