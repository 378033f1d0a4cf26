"""Checks of chapter 04, sparsification: the four steps, and the cosine of sparse vectors."""

import torch

from .judging import TENSOR_KEYS, Verdict, call, compare, exercise, random_tensor, wrong


@exercise("04.1", "Clamp, then power")
def check_clamp_and_power(function) -> Verdict:
    """Clamp at 0, then raise to the power p, in one line."""

    def reference(relative, p):
        return relative.clamp_min(0) ** p

    cosines = torch.tanh(random_tensor(4, 6, seed=40))
    # The odd p first: there, power before clamp is right, and what is left negative shows.
    cases = [(cosines, 3), (cosines, 2), (cosines, 1), (cosines[0], 8), (cosines, 2.5)]
    mistakes = [
        (
            "You raised to the power before you set negative entries to 0; an even power has made them positive by "
            "then. Turn the two steps round.",
            lambda r, p: (r**p).clamp_min(0),
        ),
        (
            "Negative entries are still in it: they are to become 0, before the power.",
            lambda r, p: r**p,
        ),
        (
            "You took the sign away: an anchor that is unlike the picture now counts like one that is similar. Set "
            "negative entries to 0 instead.",
            lambda r, p: r.abs() ** p,
        ),
        ("You multiplied by p; raise to the power p, which is ** in Python.", lambda r, p: r.clamp_min(0) * p),
        ("You raised p to the entries; raise the entries to p.", lambda r, p: p ** r.clamp_min(0)),
        ("The clamp is there, the power is missing.", lambda r, p: r.clamp_min(0)),
        ("You kept the negative entries and set the positive ones to 0.", lambda r, p: r.clamp_max(0) ** p),
        ("You rounded p to a whole number; p need not be whole.", lambda r, p: r.clamp_min(0) ** int(p)),
        (
            "You normalised as well; here only the clamp and the power are wanted.",
            lambda r, p: torch.nn.functional.normalize(reference(r, p), dim=-1),
        ),
    ]
    return compare(function, reference, cases, mistakes)


@exercise("04.2", "The four steps")
def check_sparsify(function) -> Verdict:
    """The four steps: top k, clamp, power, normalise."""
    from asif_lib.sparse import sparsify

    def steps(relative, k, p, *, score=lambda x: x, clamp=True, dim=1):
        k = min(max(k, 0), relative.shape[dim])
        kept = torch.zeros_like(relative).scatter_(dim, score(relative).topk(k, dim=dim).indices, 1.0) * relative
        return (kept.clamp_min(0) if clamp else kept) ** p

    def normalised(x, dim=1):
        return torch.nn.functional.normalize(x, dim=dim)

    cosines = torch.tanh(random_tensor(5, 12, seed=41))
    cases = [
        (cosines, 5, 3),  # with p = 2, dividing by the sum after the power equals normalising before it
        (cosines, 12, 2),  # k reaches into the negative entries
        (cosines, 3, 1),
        (cosines, 1, 8),
        (cosines, 4, 2.5),
        (torch.cat([cosines, -cosines.abs()[:1]]), 4, 3),  # the last row has no positive entry
    ]
    mistakes = [
        (
            "Some of the entries that you kept are negative, and an even power turned them positive: set "
            "negative entries to 0 before the power.",
            lambda r, k, p: normalised(steps(r, k, p, clamp=False)),
        ),
        (
            "You kept the smallest similarities; the k largest of each row are wanted.",
            lambda r, k, p: normalised(steps(r, k, p, score=torch.neg)),
        ),
        (
            "You kept the smallest similarities and did not set negative ones to 0; the k largest are wanted.",
            lambda r, k, p: normalised(steps(r, k, p, score=torch.neg, clamp=False)),
        ),
        (
            "You kept the entries that are largest in size, whatever their sign; the k largest are wanted.",
            lambda r, k, p: normalised(steps(r, k, p, score=torch.abs)),
        ),
        (
            "You took the sign away first, so that anchors unlike the picture count like similar ones; the k largest "
            "are wanted, and negative ones become 0.",
            lambda r, k, p: normalised(steps(r.abs(), k, p)),
        ),
        (
            "You kept k entries of each column; each row is one picture, and k of its entries stay.",
            lambda r, k, p: normalised(steps(r, k, p, dim=0)),
        ),
        (
            "You divided by the sum; the length is the root of the sum of squares.",
            lambda r, k, p: torch.nn.functional.normalize(steps(r, k, p), p=1, dim=1),
        ),
        (
            "You forgot the power: raise what is left to p before you normalise.",
            lambda r, k, p: normalised(steps(r, k, 1)),
        ),
        ("You kept k + 1 entries of each row; keep k.", lambda r, k, p: normalised(steps(r, k + 1, p))),
        ("You kept k - 1 entries of each row; keep k.", lambda r, k, p: normalised(steps(r, k - 1, p))),
        (
            "You divided by one length, that of the whole matrix; each row has a length of its own.",
            lambda r, k, p: steps(r, k, p) / steps(r, k, p).norm(),
        ),
        (
            "You rounded p to a whole number; p need not be whole.",
            lambda r, k, p: normalised(steps(r, k, int(p))),
        ),
        (
            "You normalised before the power only; the power changes the length, so normalise after it.",
            lambda r, k, p: normalised(steps(r, k, 1)) ** p,
        ),
        ("Your rows do not have length 1: normalise after the power.", steps),
        (
            "You normalised columns, not rows: each row is one vector.",
            lambda r, k, p: normalised(steps(r, k, p), dim=0),
        ),
        (
            "You divided a row of zeros by its length 0, which gives NaN; such a row stays zero.",
            lambda r, k, p: steps(r, k, p) / steps(r, k, p).norm(dim=1, keepdim=True),
        ),
        (
            "You raised and normalised all the similarities; only the k largest of each row are wanted.",
            lambda r, k, p: normalised(r.clamp_min(0) ** p),
        ),
    ]
    verdict = compare(function, lambda r, k, p: sparsify(r, k, p).to_dense(), cases, mistakes)
    if verdict.status == "right":
        return _tie_problem(function) or verdict
    return verdict


def _tie_problem(function):
    """A verdict where more than k entries stay because some are equal, or None."""
    k = 2
    result, failed = call(function, (torch.tensor([[0.5, 0.2, 0.9, 0.5, 0.5]]), k, 2), "On an input with ties")
    if failed:
        return failed
    kept = int((result > 0).sum())
    if kept <= k:
        return None
    return wrong(
        f"Where entries tie at the k-th place you keep all of them: with k = {k} and the cosines 0.9, 0.5, 0.5, 0.5 "
        f"your function kept {kept}. Keep {k}; which of the equal ones does not matter."
    )


@exercise("04.6", "Compare without the zeros")
def check_sparse_cosine(function) -> Verdict:
    """The cosine of two sparse vectors, without their zeros."""
    from asif_lib.sparse import SparseVectors, sparsify

    def reference(indices_a, values_a, indices_b, values_b):
        n = int(max(indices_a.max(), indices_b.max())) + 1
        a, b = (SparseVectors(i[None], v[None], n) for i, v in ((indices_a, values_a), (indices_b, values_b)))
        return float(a.similarity(b))

    def shared(indices_a, indices_b):
        return indices_a[:, None] == indices_b[None, :]

    vectors = sparsify(torch.tanh(random_tensor(3, 20, seed=42)), 8, 2)
    parts = [(vectors.indices[i], vectors.values[i]) for i in range(3)]
    # Whatever the seed, the first two vectors share anchors, and at other positions.
    parts[1] = (torch.roll(parts[1][0], 3), torch.roll(parts[1][1], 3))
    parts[1][0][:2] = parts[0][0][[4, 1]]
    rest = [i for i in range(20) if i not in parts[0][0].tolist()][:6]
    parts[1][0][2:] = torch.tensor(rest, dtype=torch.int32)
    apart = (parts[0][0] + 1_600_000, parts[0][1])
    cases = [
        (*parts[0], *parts[1]),
        (*parts[0], *parts[2]),
        (*parts[2], *parts[2]),
        (*parts[0], *apart),  # no anchor in common, and n over a million and a half
        (parts[0][0][:1], torch.ones(1), *parts[0]),  # k differs: 1 and 8
    ]

    def by_position(indices_a, values_a, indices_b, values_b):
        k = min(len(values_a), len(values_b))
        return (values_a[:k] * values_b[:k]).sum()

    def same_position(indices_a, values_a, indices_b, values_b):
        k = min(len(values_a), len(values_b))
        return (values_a[:k] * values_b[:k])[indices_a[:k] == indices_b[:k]].sum()

    def only_shared(indices_a, values_a, indices_b, values_b):
        a, b = values_a[torch.isin(indices_a, indices_b)], values_b[torch.isin(indices_b, indices_a)]
        return reference(indices_a, values_a, indices_b, values_b) / (a.norm() * b.norm())

    mistakes = [
        (
            "You divided by the lengths of what the two have in common; they have length 1 as they are, so nothing "
            "is left to divide by.",
            only_shared,
        ),
        (
            f"Your function found no common anchor where there is one. {TENSOR_KEYS}",
            lambda i, v, j, w: 0.0,
        ),
        (
            "You multiplied the first value by the first, the second by the second, and so on; the same "
            "position in the lists is not the same anchor. Compare the indices.",
            by_position,
        ),
        (
            "You counted shared anchors only where both lists have them at the same position; the same anchor "
            "may stand at different positions.",
            same_position,
        ),
        (
            "You counted the shared anchors; add up the products of their values.",
            lambda i, v, j, w: shared(i, j).sum(),
        ),
        (
            "You added the values of one vector over the shared anchors; multiply by those of the other.",
            lambda i, v, j, w: v[shared(i, j).any(dim=1)].sum(),
        ),
        (
            "You added the two values of each shared anchor; multiply them, then add the products.",
            lambda i, v, j, w: ((v[:, None] + w[None, :]) * shared(i, j)).sum(),
        ),
        (
            "You multiplied every value of one vector by every value of the other; only pairs with the same "
            "anchor count.",
            lambda i, v, j, w: v.sum() * w.sum(),
        ),
    ]
    return compare(function, reference, cases, mistakes)
