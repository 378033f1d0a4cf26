"""Check of chapter 02's choice of anchors: farthest first."""

import torch

from .anchors import similarities
from .judging import Verdict, compare, exercise


def farthest_first(similarity, count, first) -> torch.Tensor:
    """Choose `count` of n items, from `first` on always the one least similar to all that are chosen.

    Gonzalez's greedy choice of centres (1985).

    Parameters
    ----------
    similarity : Tensor of shape (n, n)
    count : int
        1 ≤ count ≤ n.
    first : int

    Returns
    -------
    Tensor of shape (count,), int64
        Positions in the order of choice.
    """
    chosen, best = [first], similarity[first]  # best: similarity of each item to the chosen one nearest to it
    while len(chosen) < count:
        chosen.append(int(best.argmin()))
        best = torch.maximum(best, similarity[chosen[-1]])
    return torch.tensor(chosen, device=similarity.device)


@exercise("02.5", "Farthest first")
def check_farthest_first(function) -> Verdict:
    """Anchors chosen one after the other, always where coverage is worst."""
    a, b = similarities(25, 5, 20), similarities(12, 3, 21)
    cases = [(a, 6, 3), (b, 12, 7), (a, 1, 24), (b, 2, 0)]

    def greedy(s, count, first, pick=torch.argmin, over=torch.amax, taken=torch.inf):
        chosen = [first]
        while len(chosen) < count:
            score = over(s[chosen], dim=0).clone()
            if taken is not None:
                score[chosen] = taken
            chosen.append(int(pick(score)))
        return torch.tensor(chosen)

    mistakes = [
        (
            "You add the candidate that the chosen ones cover best; add the one that they cover worst.",
            lambda s, count, first: greedy(s, count, first, torch.argmax, torch.amax, -torch.inf),
        ),
        (
            "You add the candidate that the chosen ones cover best, and that is a chosen one again; add the one that "
            "they cover worst.",
            lambda s, count, first: greedy(s, count, first, torch.argmax, torch.amax, None),
        ),
        (
            "You keep the smallest similarity to the chosen; one near anchor is enough to be covered, so keep the "
            "largest.",
            lambda s, count, first: greedy(s, count, first, over=torch.amin, taken=None),
        ),
        (
            "You go by the least similar chosen one; a candidate is covered by the most similar one, so take the "
            "largest of its similarities to the chosen ones.",
            lambda s, count, first: greedy(s, count, first, over=torch.amin),
        ),
        (
            "You go by the least similar chosen one, and a candidate can be chosen twice; take the largest of its "
            "similarities to the chosen ones.",
            lambda s, count, first: greedy(s, count, first, over=torch.amin, taken=1),
        ),
        (
            "You go by the mean similarity to the chosen ones; one near anchor is enough to be covered, so take "
            "the largest.",
            lambda s, count, first: greedy(s, count, first, over=torch.mean),
        ),
        (
            "You look only at the candidate that was chosen last; all that are chosen so far cover.",
            _least_similar_to_the_last,
        ),
        (
            "You take those least similar to `first`, all at once; after each choice look again at what is covered.",
            lambda s, count, first: torch.cat([torch.tensor([first]), s[first].argsort()[: count - 1]]),
        ),
        (
            "You choose `count` candidates besides `first`; `first` is one of them.",
            lambda s, count, first: greedy(s, min(count + 1, len(s)), first),
        ),
        (
            "You left `first` out of the result; it is the first that is chosen.",
            lambda s, count, first: greedy(s, min(count + 1, len(s)), first)[1:],
        ),
        (
            "You left `first` out of the result; it is the first that is chosen.",
            lambda s, count, first: greedy(s, count, first)[1:],
        ),
        (
            "You always begin with candidate 0; begin with `first`.",
            lambda s, count, first: greedy(s, count, 0),
        ),
        (
            "You put the chosen ones into ascending order; keep the order in which they were chosen.",
            lambda s, count, first: greedy(s, count, first).sort().values,
        ),
    ]
    return compare(function, farthest_first, cases, mistakes)


def _least_similar_to_the_last(similarity, count, first):
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(similarity[chosen[-1]].argmin()))
    return torch.tensor(chosen)
