"""Checks of chapter 06, interpretability: contributions, contrasts, an anchor taken away, and the rank-based AUC."""

import torch

from .core import Verdict, compare, exercise, random_tensor


def _dense(cosines, k, p):
    """The sparse vectors of rows of cosines, with their zeros."""
    from ..sparse import sparsify

    return sparsify(cosines, min(k, cosines.shape[1]), p).to_dense()


def _unit_rows(*shape, seed):
    """Rows of length 1 without negative entries, about half of them zero."""
    rows = random_tensor(*shape, seed=seed).clamp_min(0)
    return torch.nn.functional.normalize(rows, dim=-1)


@exercise("06.1", "Prove that it adds up")
def check_contributions(function) -> Verdict:
    """What each anchor gives to a label's score, the mean over its prompts."""

    def reference(image, prompts):
        return image * prompts.mean(dim=0)

    cases = [(_unit_rows(30, seed=61 + i), _unit_rows(m, 30, seed=71 + i)) for i, m in enumerate((3, 1, 5))]
    mistakes = [
        (
            "You returned the score, one number; what each anchor gives to it is wanted, before the sum over anchors.",
            lambda x, y: (y @ x).mean(),
        ),
        ("You returned a score for each prompt; sum over the prompts, not over the anchors.", lambda x, y: y @ x),
        (
            "You summed over the prompts, so your contributions add up to m times the score; the label's score is the "
            "mean over its prompts.",
            lambda x, y: (x * y).sum(dim=0),
        ),
        (
            "You took each anchor's largest contribution over the prompts. The sum of these is larger than any score: "
            "the mean over the prompts adds up.",
            lambda x, y: (x * y).amax(dim=0),
        ),
        (
            "You returned one row for each prompt; the label has one contribution from each anchor, the mean of the "
            "column.",
            lambda x, y: x * y,
        ),
        (
            "You left the picture out: an anchor contributes where picture and text both hold it.",
            lambda x, y: y.mean(0),
        ),
        (
            "You made the mean of the prompts a vector of length 1 again. The mean of the scores needs the mean as it "
            "is; yours add up to another number.",
            lambda x, y: x * torch.nn.functional.normalize(y.mean(dim=0), dim=0),
        ),
        (
            "You divided by the score, which gives shares that add up to 1; the contributions add up to the score.",
            lambda x, y: reference(x, y) / reference(x, y).sum(),
        ),
        (
            "You took the smaller of the two entries; a cosine of vectors of length 1 is a sum of products.",
            lambda x, y: torch.minimum(x, y.mean(dim=0)),
        ),
        ("You used the first prompt only.", lambda x, y: x * y[0]),
        (
            "You sorted them; keep the order of the anchors, entry i for anchor i.",
            lambda x, y: reference(x, y).sort(descending=True).values,
        ),
    ]
    return compare(function, reference, cases, mistakes)


@exercise("06.2", "Why this one and not the other?")
def check_contrast(function) -> Verdict:
    """The anchors that speak most for one label against another, and the other way round."""

    def order(values, top):
        return values.topk(top).indices

    def reference(image, one, other, top):
        return order(image * (one - other), top), order(image * (other - one), top)

    rows = [torch.rand(4, n, generator=torch.Generator().manual_seed(80 + n)) for n in (20, 40, 25)]
    cases = [(*r[:3], top) for r, top in zip(rows, (3, 5, 1), strict=True)]
    mistakes = [
        (
            "You ranked the contributions to each label by themselves. An anchor that gives the same to both decides "
            "nothing between them: rank the differences.",
            lambda x, a, b, top: (order(x * a, top), order(x * b, top)),
        ),
        ("The two results are the wrong way round: first for `one`, then for `other`.", lambda *c: reference(*c)[::-1]),
        (
            "You ranked the differences by their size, whatever their sign; the sign says for which label they speak.",
            lambda x, a, b, top: (order((x * (a - b)).abs(), top),) * 2,
        ),
        (
            "You left the picture out: an anchor of which the picture has little gives little to either label.",
            lambda x, a, b, top: (order(a - b, top), order(b - a, top)),
        ),
        (
            "Your second result begins with the weakest of the anchors for `other`; the strongest comes first.",
            lambda *c: (reference(*c)[0], reference(*c)[1].flip(0)),
        ),
        (
            "You took the quotient of the two contributions; two tiny ones may have a large quotient. Scores are sums: "
            "take the difference.",
            lambda x, a, b, top: (order(a / b, top), order(b / a, top)),
        ),
        (
            "You returned the differences themselves; the positions of the anchors are wanted.",
            lambda x, a, b, top: ((x * (a - b)).topk(top).values, (x * (b - a)).topk(top).values),
        ),
    ]
    return compare(function, reference, cases, mistakes)


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


FLIPS = [(102, 24, 3, 4, 2), (114, 24, 3, 4, 2), (109, 24, 3, 4, 2)]
"""Seed, anchors, labels, k and p of the decisions of exercise 06.4: in the first two each usual mistake names another
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


@exercise("06.5", "An AUC without thresholds")
def check_rank_auc(function) -> Verdict:
    """The probability that a wrong pair scores below a right one; ties count half."""

    def gaps(scores, wrong):
        return scores[~wrong][None, :] - scores[wrong][:, None]

    def reference(scores, wrong):
        gap = gaps(scores, wrong)
        return float((gap > 0).double().mean() + (gap == 0).double().mean() / 2)

    def on_a_grid(scores, wrong, thresholds):
        flagged = scores[None, :] < thresholds[:, None]
        rates = [flagged[:, part].double().mean(dim=1) for part in (~wrong, wrong)]
        (x, y) = (torch.cat([torch.zeros(1), r.float(), torch.ones(1)]) for r in rates)
        return float(torch.trapezoid(y, x))

    def by_argsort(scores, wrong, **how):
        places = torch.empty(len(scores), dtype=torch.float64)
        places[scores.argsort(descending=True, stable=True, **how)] = torch.arange(len(scores), dtype=torch.float64)
        m = int(wrong.sum())
        return float((places[wrong].sum() - m * (m - 1) / 2) / (m * (len(scores) - m)))

    generator = torch.Generator().manual_seed(65)
    wrong = torch.rand(60, generator=generator) < 0.2
    fine = torch.rand(60, generator=generator) - 0.25 * wrong
    fine = (fine + 0.25) / 1.25
    coarse = (5 * fine).round() / 5
    cases = [
        (fine, wrong),
        (fine / 100, wrong),  # a grid from 0 to 1 has nothing between these
        (coarse, wrong),
        (torch.zeros(60), wrong),  # says nothing
        (fine[:20], torch.arange(20) == 7),
    ]
    mistakes = [
        (
            "You gave a tie nothing, and a method that says the same of all pairs gets 0; a tie counts half.",
            lambda s, w: float((gaps(s, w) > 0).double().mean()),
        ),
        (
            "You gave a tie a full point, and a method that says the same of all pairs is perfect; a tie counts half.",
            lambda s, w: float((gaps(s, w) >= 0).double().mean()),
        ),
        (
            "The wrong way round: a *low* score is suspicious, so count the pairs in which the wrong one scores lower.",
            lambda s, w: 1 - reference(s, w),
        ),
        (
            "You ranked with argsort, which gives tied scores different places by the order in which they stand; a tie "
            "counts half.",
            by_argsort,
        ),
        (
            "0.5 on this input, whatever the scores are: no threshold lies between any two of them. Do without "
            "thresholds: compare every wrong pair with every right one.",
            lambda s, w: 0.5,
        ),
        (
            "You counted the pairs of pairs; divide by how many there are.",
            lambda s, w: reference(s, w) * int(w.sum()) * int((~w).sum()),
        ),
        (
            "You divided by all n² pairs of scores; only a wrong one beside a right one can be in the right order.",
            lambda s, w: float((gaps(s, w) > 0).double().sum() + (gaps(s, w) == 0).double().sum() / 2) / len(s) ** 2,
        ),
        (
            "That is the difference of the two means; how often the one lies below the other is wanted.",
            lambda s, w: float(s[~w].mean() - s[w].mean()),
        ),
        (
            "That is an accuracy at one threshold, the median; the area needs none.",
            lambda s, w: float(((s < s.median()) == w).double().mean()),
        ),
    ]
    for steps in (10, 11, 20, 21, 50, 51, 100, 101, 1000, 1001):
        mistakes.append(
            (
                "You went through a grid of thresholds; scores that fall between two of them are not told apart. "
                "Compare every wrong pair with every right one instead.",
                lambda s, w, steps=steps: on_a_grid(s, w, torch.linspace(0, 1, steps)),
            )
        )
    return compare(function, reference, cases, mistakes)
