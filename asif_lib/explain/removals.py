"""Score without each of very many sets of anchors: the engine of `counterfactual` and `faithfulness`."""

import torch

from asif_lib.search.rows import BLOCK

TOLERANCE = 1e-6
"""Scores in float64 and in float32 differ by less. `without` decides scores that are closer to a tie."""
BATCH_ENTRIES = 2_000_000
"""Entries of the largest array in the search over sets of anchors: 16 MB."""


class Removals:
    """Score one picture `z_image` (1, d_image) and t prompts `z_text` without each of many sets of anchors, in float64.

    Let the rows be centred by the mean of all n anchors, and let s be their sum, which is zero up to rounding. Without
    a set of r anchors the mean is d = (s - sum of the removed) / (n - r). So every change follows from inner products
    with the candidates, which are computed once.

    Each set holds at most `most` of the m `candidates` (int64).
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
        """Return the (b, t) scores without each of b sets of candidates, (b, m) bool, and their error by ties, (b,).

        If several anchors share the k-th place (equal captions), the choice among them is open.
        """
        parts = [self._scores(part) for part in sets.split(self.batch)]
        return torch.cat([scores for scores, _ in parts]), torch.cat([ties for _, ties in parts])

    def _scores(self, sets):
        (image, image_tied), (text, text_tied) = (self._vectors(side.cosines(sets), sets) for side in self.sides)
        ties = (image_tied * text).sum(dim=2) + (text_tied * image).sum(dim=2)
        return (text @ image.transpose(1, 2))[:, :, 0], ties.amax(dim=1)

    def _vectors(self, cosines, sets):
        """Return the (b, q, columns) vectors, and the entries of anchors that share the k-th place, also dense."""
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
    """Hold the inner products of one modality. Every cosine after a removal follows from them."""

    def __init__(self, z, anchors, mean, candidates, most, k):
        self.anchors, self.n = anchors, len(anchors)
        self.mean = 0.0 if mean is None else mean.double()
        self.z = z.double() - self.mean
        total, squared, inner = 0.0, [], []
        for start in range(0, self.n, BLOCK):
            block = anchors[start : start + BLOCK].double() - self.mean
            total += block.sum(dim=0)
            squared.append(block.square().sum(dim=1))
            inner.append(self.z @ block.T)
        moves = float(mean is not None)  # without centring, no removal moves the mean: d is 0
        self.sum, self.removable = moves * total, moves * (anchors[candidates].double() - self.mean)
        self.reachable = self._reachable(torch.cat(inner, dim=1), torch.cat(squared), most, k)
        self.reachable[candidates] = True

    def _reachable(self, inner, squared, most, k):
        """Return which anchors can be in a top k without up to `most` candidates.

        (1) Moving the mean by d turns a vector x by an angle of at most arcsin(|d| / |x|). (2) A cosine changes by at
        most the sum of both angles.
        """
        of_anchors, of_z = squared.sqrt(), self.z.norm(dim=1)
        cosines = inner / (of_anchors * of_z[:, None]).clamp_min(1e-300)
        moved = (self.sum.norm() + self.removable.norm(dim=1).topk(most).values.sum()) / (self.n - most)
        angles, angles_z = (torch.asin((moved / x.clamp_min(1e-300)).clamp_max(1)) for x in (of_anchors, of_z))
        change = angles + angles_z[:, None]
        change[:, angles >= torch.pi / 2] = 2.0
        lowest = (cosines - change).topk(min(k + most, self.n), dim=1).values[:, -1:]
        return (cosines + change >= lowest - TOLERANCE).any(dim=0)

    def restrict(self, columns):
        """Compute the inner products with the candidates, for these columns only."""
        kept = self.anchors[columns].double() - self.mean
        self.squared, self.inner = kept.square().sum(dim=1), self.z @ kept.T
        self.with_candidates = self.removable @ kept.T
        self.sum_with_kept, self.sum_with_z = kept @ self.sum, self.z @ self.sum
        self.sum_with_candidates = self.removable @ self.sum
        self.among_candidates = self.removable @ self.removable.T
        self.z_with_candidates = self.z @ self.removable.T

    def cosines(self, sets):
        """Return the (b, q, columns) cosines without each of b sets of candidates."""
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
