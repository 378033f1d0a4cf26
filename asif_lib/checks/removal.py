"""Checks of chapter 06 in which an anchor is taken away: the scores without it, and the one that flips a label."""

import torch

from .core import Verdict, compare, exercise, random_tensor


def _dense(cosines, k, p):
    """The sparse vectors of rows of cosines, with their zeros."""
    from ..sparse import sparsify

    return sparsify(cosines, min(k, cosines.shape[1]), p).to_dense()


def _without(image, texts, anchor, k, p):
    """The scores of a picture and texts, both given as cosines with all anchors, without one of these."""
    rest = torch.arange(len(image)) != anchor
    return _dense(texts[:, rest], k, p) @ _dense(image[None, rest], k, p)[0]


def _blanked(image, texts, anchor, k, p, again=True):
    """The same with the anchor's entries set to 0 in the finished vectors: nothing enters in its place."""
    x, y = _dense(image[None], k, p), _dense(texts, k, p)
    x[:, anchor] = y[:, anchor] = 0
    if again:
        x, y = (torch.nn.functional.normalize(v, dim=1) for v in (x, y))
    return y @ x[0]


def _cosines(n, t, seed):
    """Cosines of a picture and of t texts that partly agree with it, with n anchors."""
    rows = torch.tanh(random_tensor(t + 1, n, seed=seed)) * 0.8
    return rows[0], 0.6 * rows[0] + 0.5 * rows[1:]


@exercise("06.3", "Take one anchor away")
def check_without(function) -> Verdict:
    """The scores without one anchor: both sides refilled and normalised again."""

    cases = []
    for seed, (n, t, k, p) in enumerate([(30, 4, 5, 2), (30, 4, 5, 8), (40, 3, 8, 1), (12, 3, 10, 2)]):
        image, texts = _cosines(n, t, 90 + seed)
        strongest = int((_dense(image[None], k, p) * _dense(texts, k, p)).sum(dim=0).argmax())
        cases.append((image, texts, strongest, k, p))
    image, texts = _cosines(30, 4, 97)
    cases.append((image, texts, int(image.argmin()), 5, 2))

    def one_side(image, texts, anchor, k, p, side):
        cut = image.clone() if side == "image" else texts.clone()
        cut[..., anchor] = -1
        parts = (cut[None], texts) if side == "image" else (image[None], cut)
        return _dense(parts[1], k, p) @ _dense(parts[0], k, p)[0]

    def not_normalised(image, texts, anchor, k, p):
        def powered(rows, length_of):
            kept = [r.clamp_min(0) * (_dense(r, k, 1) > 0) for r in (rows, length_of)]
            return kept[0] ** p / (kept[1] ** p).norm(dim=1, keepdim=True)

        rows = image[None], texts
        cut = [r.clone() for r in rows]
        for r in cut:
            r[:, anchor] = -1
        x, y = (powered(c, r) for c, r in zip(cut, rows, strict=True))
        return y @ x[0]

    def no_clamp(image, texts, anchor, k, p):
        rest = torch.arange(len(image)) != anchor
        x, y = (
            torch.zeros_like(r).scatter(1, top.indices, top.values**p)
            for r in (image[None, rest], texts[:, rest])
            for top in [r.topk(min(k, r.shape[1]), dim=1)]
        )
        return torch.nn.functional.normalize(y, dim=1) @ torch.nn.functional.normalize(x, dim=1)[0]

    mistakes = [
        (
            "You removed nothing: these are the scores with all anchors.",
            lambda x, y, a, k, p: _dense(y, k, p) @ _dense(x[None], k, p)[0],
        ),
        (
            "You only took the contribution off the score. Without the anchor both vectors change: the next one enters "
            "the top k, and both are normalised again.",
            lambda x, y, a, k, p: _blanked(x, y, a, k, p, again=False),
        ),
        (
            "You normalised again, but nothing entered in the anchor's place: each side has k entries, so take the "
            "anchor away *before* the top k.",
            _blanked,
        ),
        (
            "You kept k - 1 entries of every row. Where the anchor was in the top k the next one enters, and where it "
            "was not nothing changes: keep k of the other anchors.",
            lambda x, y, a, k, p: _without(x, y, a, k - 1, p),
        ),
        (
            "You took the anchor away from the picture only; it is gone from the bank, so from the texts too.",
            lambda *c: one_side(*c, side="image"),
        ),
        (
            "You took the anchor away from the texts only; it is gone from the bank, so from the picture too.",
            lambda *c: one_side(*c, side="text"),
        ),
        (
            "The right anchors are in the top k, but you divided by the old lengths; normalise the new vectors.",
            not_normalised,
        ),
        ("You kept only this anchor; all others stay.", lambda x, y, a, k, p: _without(x[[a]], y[:, [a]], -1, k, p)),
        ("You forgot the power p.", lambda x, y, a, k, p: _without(x, y, a, k, 1)),
        ("You forgot the clamp: negative cosines became positive through the power.", no_clamp),
    ]
    return compare(function, _without, cases, mistakes)


FLIPS = [(136, 24, 3, 4, 2), (790, 24, 3, 5, 2), (109, 24, 3, 4, 2)]
"""Seed, anchors, labels, k and p of the decisions of exercise 06.4: in the first two every usual mistake names another
anchor, and in the third no anchor flips the label."""


@exercise("06.4", "The one that flips it")
def check_flip(function) -> Verdict:
    """The anchor whose removal changes the label, and by most; -1 where none does."""

    def scores(image, texts, k, p):
        return _dense(texts, k, p) @ _dense(image[None], k, p)[0]

    def leads(image, texts, k, p, without=_without):
        """By how much the winner still leads without each of the anchors, (n,)."""
        winner = int(scores(image, texts, k, p).argmax())
        each = torch.stack([without(image, texts, a, k, p) for a in range(len(image))])
        others = each.clone()
        others[:, winner] = -torch.inf
        return each[:, winner] - others.amax(dim=1)

    def reference(image, texts, k, p):
        lead = leads(image, texts, k, p)
        return int(lead.argmin()) if lead.min() < 0 else -1

    def given(image, texts, k, p):
        """What each anchor gives to each label, (c, n), and the labels by their scores."""
        return _dense(image[None], k, p) * _dense(texts, k, p), scores(image, texts, k, p).argsort(descending=True)

    def largest(*c):
        each, ranking = given(*c)
        return int(each[ranking[0]].argmax())

    def difference(*c):
        each, ranking = given(*c)
        return int((each[ranking[0]] - each[ranking[1]]).argmax())

    def largest_that_flips(*c):
        each, ranking = given(*c)
        flips = leads(*c) < 0
        return int(each[ranking[0]].masked_fill(~flips, -1).argmax()) if flips.any() else -1

    def first_that_flips(*c):
        flips = (leads(*c) < 0).nonzero()
        return int(flips[0]) if len(flips) else -1

    def new_winner(image, texts, k, p):
        anchor = reference(image, texts, k, p)
        return int(_without(image, texts, anchor, k, p).argmax()) if anchor >= 0 else -1

    def subtracted(*c):
        lead = leads(*c, without=lambda *a: _blanked(*a, again=False))
        return int(lead.argmin()) if lead.min() < 0 else -1

    def not_refilled(*c):
        lead = leads(*c, without=_blanked)
        return int(lead.argmin()) if lead.min() < 0 else -1

    cases = [(*_cosines(n, c, seed), k, p) for seed, n, c, k, p in FLIPS]
    mistakes = [
        (
            "You returned the new label; the anchor whose removal brings it about is wanted.",
            new_winner,
        ),
        (
            "You return an anchor although no single one flips this decision; say -1 there.",
            lambda *c: int(leads(*c).argmin()),
        ),
        (
            "Where several anchors flip the decision, you took the first; take the one that leaves the old winner "
            "furthest behind.",
            first_that_flips,
        ),
        (
            "Of the anchors that flip it, you took the one with the largest contribution; take the one that leaves the "
            "old winner furthest behind.",
            largest_that_flips,
        ),
        (
            "You returned the anchor that contributes most to the winner, untested. It may give as much to the others: "
            "compute the scores without each anchor.",
            largest,
        ),
        (
            "You returned the anchor with the largest difference between winner and runner-up, untested. When it goes, "
            "others enter and a third label may win: compute the scores without each anchor.",
            difference,
        ),
        (
            "You took contributions off the scores; without an anchor others enter the top k and everything is "
            "normalised again, as in exercise 06.3.",
            subtracted,
        ),
        (
            "You blanked the anchor and normalised again, but nothing entered in its place, as in exercise 06.3.",
            not_refilled,
        ),
        (
            "Your lead is turned round: you return the anchor without which the winner leads most.",
            lambda *c: int(leads(*c).argmax()),
        ),
    ]
    return compare(function, reference, cases, mistakes)
