"""Score without each of very many sets of anchors: the engine of `counterfactual` and `attribution`, in float64.

Let S be the sum of the n anchors. Without r of them, their mean is m = (S - sum of the r) / (n - r), and

    (z - m) · (a - m) = z·a - z·m - m·a + m·m

Each product with m is a sum of products with S and with single anchors, which are computed once. All rows are centred
by the mean of all n anchors first, so that S is zero up to rounding. If the model does not centre, m stays 0.
Hubs and whitening depend on all anchors, so models with these have no such shortcut.
"""

import torch

from asif_lib.search.rows import BLOCK
from asif_lib.sparse import KeptCosines

TOLERANCE = 1e-6
"""Scores in float64 and in float32 differ by less. `without` decides scores that are closer to a tie."""
BATCH_ENTRIES = 2_000_000
"""Entries of the largest array in the search over sets of anchors: 16 MB."""


def cosines_about(inner, mean_z, mean_a, mean_m, squared_z, squared_a):
    """Return the cosines of z - m with a - m, from z·a, z·m, m·a, m·m, z·z and a·a, broadcast to (…, q, n)."""
    lengths_z = (squared_z - 2 * mean_z + mean_m).clamp_min(0).sqrt()  # |z - m|
    lengths_a = (squared_a - 2 * mean_a + mean_m).clamp_min(0).sqrt()  # |a - m|
    lengths = (lengths_z * lengths_a).clamp_min(torch.finfo(inner.dtype).tiny)
    return (inner - mean_z - mean_a + mean_m) / lengths


class Removals:
    """Score one item `z_image` (1, d) of the first side and t prompts `z_text` without each of many sets of anchors.

    Each set holds at most `most` of the m `candidates` (int64).
    """

    def __init__(self, model, z_image, z_text, candidates, most):
        self.candidates, self.settings, most = candidates, model.settings, min(most, len(candidates))
        self.sides = sides_of(model, z_image, z_text)
        columns = torch.cat([side.between(most)[2] for side in self.sides]).any(dim=0).nonzero()[:, 0]
        for side in self.sides:
            side.restrict(columns, candidates)
        self.inside = torch.isin(candidates, columns)  # (m,): the others can only move the mean
        self.where = torch.searchsorted(columns, candidates[self.inside])
        self.batch = max(1, BATCH_ENTRIES // (len(columns) * len(z_text)))

    def scores(self, sets):
        """Return the (b, t) scores without each of b sets of candidates, (b, m) bool, and their error by ties, (b,).

        If several anchors share the k-th place (equal captions), the choice among them is open.
        """
        parts = [self._scores(part) for part in sets.split(self.batch)]
        return torch.cat([scores for scores, _ in parts]), torch.cat([ties for _, ties in parts])

    def _scores(self, sets):
        (image, image_tied), (text, text_tied) = (self._vectors(side.cosines(sets), sets) for side in self.sides)
        ties = (image_tied * text).sum(dim=2) + (text_tied * image).sum(dim=2)  # (b, t)
        return (text @ image.transpose(1, 2))[:, :, 0], ties.amax(dim=1)

    def _vectors(self, cosines, sets):
        """Return the (b, q, columns) vectors, and the entries of anchors that share the k-th place, also dense."""
        gone = torch.zeros((len(sets), cosines.shape[2]), dtype=torch.bool)
        gone[:, self.where] = sets[:, self.inside]
        cosines = cosines.masked_fill(gone[:, None], -torch.inf)
        values, indices = cosines.flatten(0, 1).topk(self.settings.k + 1, dim=1)  # (b · q, k + 1)
        sparse = KeptCosines(values, indices, cosines.shape[2]).sparse(self.settings)
        vectors = sparse.to_dense().view_as(cosines)
        last, beyond, smallest = (x.view(*cosines.shape[:2], 1) for x in (*values.T[-2:], sparse.values[:, -1]))
        is_tie = last - beyond < TOLERANCE  # (b, q, 1)
        if not is_tie.any():
            return vectors, torch.zeros(())
        return vectors, ((cosines - last).abs() < TOLERANCE) * is_tie * smallest

    def foretold(self, gone):
        """Foretell the (m, t) scores without the candidates `gone`, (m,) bool, and one more each: `fall_without`."""
        vectors = (self._vectors(side.cosines(gone[None]), gone[None])[0][0] for side in self.sides)
        image, text = vectors  # (1, columns), (t, columns)
        scores = (image @ text.T).repeat(len(gone), 1)
        scores[self.inside] -= fall_without(image, text, torch.arange(text.shape[1])).T[self.where]
        return scores


def fall_without(x, y, groups) -> torch.Tensor:
    """Return by how much the score of vectors x and y (q, n) falls without each group of anchors, (q, g) float64.

    Let x and y have length 1, and let x · y be the score s. Take the entries of the group out of both, and scale both
    to length 1 again: the score is (s - Σ x y) / √((1 - Σ x²) (1 - Σ y²)), with sums over the group. Of one anchor,
    the score falls by s - (s - x y) / √((1 - x²) (1 - y²)). No other anchor enters, and the mean stays.

    `groups` (n,) int64 has the number of each anchor's group, from 0.

    >>> x, y = torch.tensor([[0.6, 0.8]]).double(), torch.tensor([[0.8, 0.6]]).double()
    >>> fall_without(x, y, torch.tensor([0, 1])).round(decimals=2)
    tensor([[-0.0400, -0.0400]], dtype=torch.float64)
    """
    rest = []  # the sums over the anchors that stay, (q, g) each
    for products in (x * y, x * x, y * y):
        zeros = torch.zeros(len(products), int(groups.max()) + 1, dtype=products.dtype, device=products.device)
        gone = zeros.scatter_add(1, groups.expand_as(products), products)  # (q, g)
        rest.append(products.sum(dim=1, keepdim=True) - gone)
    lengths = (rest[1] * rest[2]).clamp_min(0).sqrt()
    after = torch.where(lengths > TOLERANCE, rest[0] / lengths, 0.0)  # of nothing, no score
    return (x * y).sum(dim=1, keepdim=True) - after


def sides_of(model, z_image, z_text):
    return [Products(model, *side) for side in zip(model.bank.sides, (z_image, z_text), strict=True)]


class Products:
    """The inner products of one side, about the mean of all anchors: every cosine after a removal follows from them."""

    def __init__(self, model, side, z):
        self.rows, self.n, self.k = model.bank.rows(side), len(model.bank), model.k
        self.mean = model.bank.mean(side).double() if model.settings.center else 0.0
        self.z = z.double() - self.mean  # (q, d)
        self.moves = float(model.settings.center)  # without centring, no removal moves the mean: m is 0
        self.sum, squared, inner = 0.0, [], []
        for _, block in self.rows.blocks(BLOCK):
            block = block.double() - self.mean
            self.sum += self.moves * block.sum(dim=0)  # (d,)
            squared.append(block.square().sum(dim=1))
            inner.append(self.z @ block.T)
        self.lengths = torch.cat(squared).sqrt()  # (n,)
        self.all_cosines = torch.cat(inner, dim=1) / (self.lengths * self.z.norm(dim=1)[:, None]).clamp_min(1e-300)

    def between(self, most):
        """Bound the cosines of z without up to `most` anchors: the smallest, the largest, and which can be in a top k.

        All are (q, n).

        (1) Moving the mean by m turns a vector x by an angle of at most arcsin(|m| / |x|). (2) A cosine changes by at
        most the sum of both angles.
        """
        moved = (self.sum.norm() + self.moves * self.lengths.topk(most).values.sum()) / (self.n - most)
        angles, angles_z = (
            torch.asin((moved / x.clamp_min(1e-300)).clamp_max(1)) for x in (self.lengths, self.z.norm(dim=1))
        )
        change = angles + angles_z[:, None] + TOLERANCE  # (q, n)
        change[:, angles >= torch.pi / 2] = 2.0
        low, high = self.all_cosines - change, self.all_cosines + change
        return low, high, high >= low.topk(min(self.k + most, self.n), dim=1).values[:, -1:]

    def entries(self, most, p):
        """Bound the entries without any r ≤ `most` anchors before they get length 1: (q, n), (q, n), (q, 1), (q, 1).

        These are the smallest entries and the largest, and the largest length of a row and the smallest. Only an anchor
        that k others can beat has the smallest entry 0. Only one that k + r others surely beat has the largest entry 0.
        """
        low, high, possible = self.between(most)
        sure = low > high.topk(min(self.k + 1, self.n), dim=1).values[:, -1:]
        largest = high.amax(dim=1, keepdim=True).clamp_min(1e-300)  # scaling cancels
        low, high = ((x.clamp_min(0) / largest) ** p for x in (low, high))
        longest = high.topk(self.k, dim=1).values.norm(dim=1, keepdim=True)
        shortest = low.topk(min(self.k + most, self.n), dim=1).values[:, most:].norm(dim=1, keepdim=True)
        return sure * low, possible * high, longest, shortest

    def restrict(self, columns, candidates):
        """Compute the inner products that `cosines` needs, for these c columns only, and for m anchors that may go."""
        self.gone = self.moves * (self.rows.take(candidates).double() - self.mean)  # (m, d)
        a = self.rows.take(columns).double() - self.mean  # (c, d)
        self.inner, self.squared_z, self.squared_a = self.z @ a.T, self.z.square().sum(dim=1), a.square().sum(dim=1)
        self.sum_z, self.sum_a, self.sum_gone = self.z @ self.sum, a @ self.sum, self.gone @ self.sum  # (q,) (c,) (m,)
        self.gone_z, self.gone_a = self.gone @ self.z.T, self.gone @ a.T  # (m, q), (m, c)
        self.gone_gone = self.gone @ self.gone.T  # (m, m)

    def cosines(self, sets):
        """Return the (b, q, c) cosines of z with the columns without each of b sets of candidates, (b, m) bool."""
        sets = sets.double()
        left = self.n - sets.sum(dim=1, keepdim=True)  # (b, 1) anchors that stay
        mean_z = (self.sum_z - sets @ self.gone_z) / left  # (b, q)
        mean_a = (self.sum_a - sets @ self.gone_a) / left  # (b, c)
        squared_sum = self.sum @ self.sum - 2 * sets @ self.sum_gone + ((sets @ self.gone_gone) * sets).sum(dim=1)
        mean_m = squared_sum[:, None] / left.square()  # (b, 1)
        return cosines_about(
            self.inner, mean_z[:, :, None], mean_a[:, None], mean_m[:, None], self.squared_z[:, None], self.squared_a
        )
