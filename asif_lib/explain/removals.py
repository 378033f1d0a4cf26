"""Scores without any of very many sets of anchors: the search engine behind `counterfactual` and `faithfulness`."""

import torch

from asif_lib.search.rows import BLOCK

TOLERANCE = 1e-6
"""Scores in float64 and in float32 differ by less; what is closer to a tie is settled by `without`."""
BATCH_ENTRIES = 2_000_000
"""Entries of the largest array in the search over sets of anchors: 16 MB."""


class Removals:
    """Scores of one picture and t prompts without any of many sets of candidate anchors, in float64.

    With rows centred by the mean of all n anchors, the mean of those that are left is d = (s - sum of the removed) /
    (n - r), where s, the sum of all, is zero but for rounding. So all that a set of r removed anchors changes
    follows from inner products with the candidates, which are computed once.

    Parameters
    ----------
    model : ASIF
    z_image : Tensor of shape (1, d_image)
    z_text : Tensor of shape (t, d_text)
    candidates : Tensor of shape (m,), int64
    most : int
        The largest number of anchors removed at once.
    """

    def __init__(self, model, z_image, z_text, candidates, most):
        self.candidates, self.k, self.p = candidates, model.k, model.p
        bank = model.bank
        means = (bank.image_mean, bank.text_mean) if model.center else (None, None)
        pairs = zip((z_image, z_text), (bank.image, bank.text), means, strict=True)
        sides = [_Side(z, anchors, mean, candidates, most, model.k) for z, anchors, mean in pairs]
        columns = (sides[0].reachable | sides[1].reachable).nonzero()[:, 0]
        for side in sides:
            side.restrict(columns)
        self.sides, self.where = sides, torch.searchsorted(columns, candidates)
        self.batch = max(1, BATCH_ENTRIES // (len(columns) * len(z_text)))

    def scores(self, sets):
        """Return the (b, t) scores without each of b sets of candidates, (b, m) bool, and by how much ties move them.

        Where several anchors share the k-th place (the same caption twice), which of them is kept is not defined, and
        a score may be off by the second result, (b,).
        """
        parts = [self._scores(part) for part in sets.split(self.batch)]
        return torch.cat([scores for scores, _ in parts]), torch.cat([ties for _, ties in parts])

    def _scores(self, sets):
        (image, image_tied), (text, text_tied) = (self._vectors(side.cosines(sets), sets) for side in self.sides)
        ties = (image_tied * text).sum(dim=2) + (text_tied * image).sum(dim=2)
        return (text @ image.transpose(1, 2))[:, :, 0], ties.amax(dim=1)

    def _vectors(self, cosines, sets):
        """The (b, q, columns) vectors, and the entries, also dense, of anchors that share the k-th place."""
        gone = torch.zeros((len(sets), cosines.shape[2]), dtype=torch.bool)
        gone[:, self.where] = sets
        cosines = cosines.masked_fill(gone[:, None], -torch.inf)
        values, indices = cosines.topk(self.k + 1, dim=2)
        last, beyond, values, indices = values[..., -2:-1], values[..., -1:], values[..., :-1], indices[..., :-1]
        values = values.clamp_min(0)
        values = (values / values[..., :1].clamp_min(torch.finfo(values.dtype).tiny)) ** self.p
        values = torch.nn.functional.normalize(values, dim=2)
        vectors = torch.zeros_like(cosines).scatter_(2, indices, values)
        is_tie = last - beyond < TOLERANCE
        if not is_tie.any():
            return vectors, torch.zeros(())
        return vectors, ((cosines - last).abs() < TOLERANCE) * is_tie * values[..., -1:]


class _Side:
    """The inner products of one modality from which every cosine after a removal follows."""

    def __init__(self, z, anchors, mean, candidates, most, k):
        self.anchors, self.mean, self.n = anchors, mean, len(anchors)
        self.z = self._centred(z)
        self.removable = self._centred(anchors[candidates])
        self.sum = torch.zeros(z.shape[1], dtype=torch.float64)
        squared, inner = [], []
        for start in range(0, self.n, BLOCK):
            block = self._centred(anchors[start : start + BLOCK])
            self.sum += block.sum(dim=0)
            squared.append(block.square().sum(dim=1))
            inner.append(self.z @ block.T)
        squared, inner = torch.cat(squared), torch.cat(inner, dim=1)
        lengths = squared.sqrt() * self.z.norm(dim=1)[:, None]
        self.reachable = self._reachable(inner / lengths.clamp_min(1e-300), squared.sqrt(), most, k)
        self.reachable[candidates] = True

    def _centred(self, x):
        return x.double() if self.mean is None else x.double() - self.mean.double()

    def _reachable(self, cosines, lengths, most, k):
        """Which anchors can be in a top k when up to `most` candidates are gone.

        Moving the mean by d turns a vector x by an angle of at most arcsin(|d| / |x|), and a cosine changes by no
        more than the angles do.
        """
        moved = 0.0
        if self.mean is not None:
            removed = self.removable.norm(dim=1).topk(most).values.sum()
            moved = (self.sum.norm() + removed) / (self.n - most)
        angle = torch.asin((moved / torch.cat([lengths, self.z.norm(dim=1)]).clamp_min(1e-300)).clamp_max(1))
        change = angle[: self.n] + angle[self.n :, None]
        change[:, angle[: self.n] >= torch.pi / 2] = 2.0
        lowest = (cosines - change).topk(min(k + most, self.n), dim=1).values[:, -1:]
        return (cosines + change >= lowest - TOLERANCE).any(dim=0)

    def restrict(self, columns):
        """Compute the inner products with the candidates, for those columns only."""
        kept = self._centred(self.anchors[columns])
        self.squared, self.inner = kept.square().sum(dim=1), self.z @ kept.T
        if self.mean is None:
            lengths = self.squared.sqrt() * self.z.norm(dim=1)[:, None]
            self.fixed = self.inner / lengths.clamp_min(1e-300)
        else:
            self.with_candidates = self.removable @ kept.T
            self.sum_with_kept, self.sum_with_z = kept @ self.sum, self.z @ self.sum
            self.sum_with_candidates = self.removable @ self.sum
            self.among_candidates = self.removable @ self.removable.T
            self.z_with_candidates = self.z @ self.removable.T

    def cosines(self, sets):
        """Return the (b, q, columns) cosines without each of b sets of candidates."""
        if self.mean is None:
            return self.fixed.expand(len(sets), *self.fixed.shape)
        sets = sets.double()
        left = self.n - sets.sum(dim=1, keepdim=True)
        d_kept = ((self.sum_with_kept - sets @ self.with_candidates) / left)[:, None]
        d_z = ((self.sum_with_z - sets @ self.z_with_candidates.T) / left)[:, :, None]
        d_d = self.sum @ self.sum - 2 * sets @ self.sum_with_candidates + ((sets @ self.among_candidates) * sets).sum(1)
        d_d = (d_d[:, None] / left.square())[:, :, None]
        inner = self.inner - d_z - d_kept + d_d
        squared = (self.squared - 2 * d_kept + d_d).clamp_min(0)
        squared_z = (self.z.square().sum(dim=1)[:, None] - 2 * d_z + d_d).clamp_min(0)
        return inner / (squared * squared_z).sqrt().clamp_min(1e-300)
