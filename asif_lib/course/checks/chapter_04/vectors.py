"""Checks of exercises 04.1, 04.2 and 04.6: clamp and power, the four steps, and the cosine of sparse vectors."""

import torch
import torch.nn.functional as F

from ..catalogue import but, changed, columns, one_fewer, one_more, result, unsafe_rows, whole
from ..exercise import Exercise
from ..judging import TENSOR_KEYS, ask, random_tensor, refuse


def unchanged(x):
    return x


def clamp_and_power(relative, p, *, clamp=torch.relu):
    return clamp(relative) ** p


COSINES = random_tensor(4, 6, seed=40).tanh()

mistakes = {
    "You raised to the power before you set negative entries to 0; an even power has made them positive by then. Turn "
    "the two steps round.": lambda r, p: torch.relu(r**p),
    "Negative entries are still in it: they are to become 0, before the power.": but(clamp=unchanged),
    "You took the sign away: an anchor that is unlike the picture now counts like one that is similar. Set negative "
    "entries to 0 instead.": but(clamp=torch.abs),
    "You multiplied by p; raise to the power p, which is ** in Python.": lambda r, p: torch.relu(r) * p,
    "You raised p to the entries; raise the entries to p.": lambda r, p: p ** torch.relu(r),
    "The clamp is there, the power is missing.": lambda r, p: torch.relu(r),
    "You kept the negative entries and set the positive ones to 0.": but(clamp=lambda r: r.clamp_max(0)),
    "You rounded p to a whole number; p need not be whole.": changed(p=int),
    "You normalised as well; here only the clamp and the power are wanted.": result(lambda x: F.normalize(x, dim=-1)),
}
check_clamp_and_power = Exercise(
    "04.1", "Clamp, then power", clamp_and_power, [(COSINES, p) for p in (3, 2, 1, 2.5)] + [(COSINES[0], 8)], mistakes
)


def four_steps(relative, k, p, *, score=unchanged, clamp=torch.relu, dim=1, scale=F.normalize):
    """Keep the k largest entries of each row, clamp, raise to p, scale to length 1; the options are places to err."""
    top = score(relative).topk(min(k, relative.shape[dim]), dim=dim).indices
    kept = torch.zeros_like(relative).scatter(dim, top, relative.gather(dim, top))
    return scale(clamp(kept) ** p)


def refuse_more_than_k_of_equals(function):
    result = ask(function, (torch.tensor([[0.5, 0.2, 0.9, 0.5, 0.5]]), 2, 2), "On an input with ties")
    if (kept := int((result > 0).sum())) > 2:
        refuse(
            "Where entries tie at the k-th place you keep all of them: with k = 2 and the cosines 0.9, 0.5, 0.5, 0.5 "
            f"your function kept {kept}. Keep 2; which of the equal ones does not matter."
        )


ROWS = random_tensor(9, 12, seed=41).tanh()

cases = [
    (ROWS, 5, 3),  # with p = 2, dividing by the sum after the power equals normalising before it
    (ROWS, 12, 2),  # k reaches into the negative entries
    (ROWS, 3, 1),
    (ROWS, 1, 8),
    (ROWS, 4, 2.5),
    (torch.cat([ROWS, -ROWS.abs()[:1]]), 4, 3),  # the last row has no positive entry
]
mistakes = {
    "Some of the entries that you kept are negative, and an even power turned them positive: set negative entries to 0 "
    "before the power.": but(clamp=unchanged),
    "You kept the smallest similarities; the k largest of each row are wanted.": but(score=torch.neg),
    "You kept the smallest similarities, negative ones too; keep the k largest.": but(score=torch.neg, clamp=unchanged),
    "You kept the entries that are largest in size, whatever their sign; keep the k largest.": but(score=torch.abs),
    "You took the sign away first, so that anchors unlike the picture count like similar ones; the k largest are "
    "wanted, and negative ones become 0.": but(score=torch.abs, clamp=torch.abs),
    "You kept k entries of each column; each row is one picture, and k of its entries stay.": but(dim=0),
    "You divided by the sum; the length is the root of the sum of squares.": but(scale=lambda x: F.normalize(x, p=1)),
    "You forgot the power: raise what is left to p before you normalise.": lambda r, k, p: four_steps(r, k, 1),
    "You kept k + 1 entries of each row; keep k.": one_more("k"),
    "You kept k - 1 entries of each row; keep k.": one_fewer("k"),
    "You divided by one length, that of the whole matrix; each row has a length of its own.": but(scale=whole),
    "You rounded p to a whole number; p need not be whole.": changed(p=int),
    "You normalised before the power only; the power changes the length.": lambda r, k, p: four_steps(r, k, 1) ** p,
    "Your rows do not have length 1: normalise after the power.": but(scale=unchanged),
    "You normalised columns, not rows: each row is one vector.": but(scale=columns),
    "You divided a row of zeros by its length 0, which gives NaN; such a row stays zero.": but(scale=unsafe_rows),
    "You kept all the similarities; only the k largest of each row stay.": lambda r, k, p: four_steps(r, r.shape[1], p),
}
check_sparsify = Exercise("04.2", "The four steps", four_steps, cases, mistakes, also=refuse_more_than_k_of_equals)


def shared(indices_a, indices_b):
    return indices_a[:, None] == indices_b


def sparse_cosine(indices_a, values_a, indices_b, values_b, *, of=torch.mul, where=shared):
    return float((of(values_a[:, None], values_b) * where(indices_a, indices_b)).sum())


def by_position(counts):
    """Compare the first values, the second values, and so on; `counts` says at which positions."""
    return lambda i, v, j, w: (v[: len(w)] * w[: len(v)] * counts(i[: len(w)], j[: len(v)])).sum()


def divided_again(i, v, j, w):
    return sparse_cosine(i, v, j, w) / (v[torch.isin(i, j)].norm() * w[torch.isin(j, i)].norm())


def sparse_vector(*indices, seed):
    values = F.normalize(random_tensor(len(indices), seed=seed).abs(), dim=0)
    return torch.tensor(indices, dtype=torch.int32), values.sort(descending=True).values


A = sparse_vector(9, 4, 16, 1, 7, 12, 0, 18, seed=42)
B = sparse_vector(7, 4, 2, 3, 5, 19, 8, 6, seed=43)  # shares two anchors with A, one of them at the same position
C = sparse_vector(4, 9, 13, 12, 11, 16, 2, 17, seed=44)

cases = [
    (*A, *B),
    (*A, *C),
    (*C, *C),
    (*A, A[0] + 1_600_000, A[1]),  # no anchor in common, and n over a million and a half
    (A[0][:1], torch.ones(1), *A),  # k differs: 1 and 8
]
mistakes = {
    "You divided by the lengths of what the two have in common; they have length 1 as they are, so nothing is left to "
    "divide by.": divided_again,
    f"Your function found no common anchor where there is one. {TENSOR_KEYS}": lambda *case: 0.0,
    "You multiplied the first value by the first, the second by the second, and so on; the same position in the lists "
    "is not the same anchor. Compare the indices.": by_position(lambda i, j: True),
    "You counted shared anchors only where both lists have them at the same position; the same anchor may stand at "
    "different positions.": by_position(torch.eq),
    "You counted the shared anchors; add up the products of their values.": but(of=lambda v, w: 1),
    "You added one vector's values; multiply by those of the other.": (but(of=lambda v, w: v), but(of=lambda v, w: w)),
    "You added the two values of each shared anchor; multiply them, then add the products.": but(of=torch.add),
    "You multiplied every value by every value; only pairs with the same anchor count.": but(where=lambda i, j: True),
}
check_sparse_cosine = Exercise("04.6", "Compare without the zeros", sparse_cosine, cases, mistakes)
