"""Checks of chapter 06 in which an anchor is taken away: the scores without it, and the one that flips a label."""

from functools import partial

import torch

from .judging import Verdict, call, compare, exercise, form_problem, kind_of, random_tensor, right, wrong


def _dense(cosines, k, p):
    """The sparse vectors of rows of cosines, with their zeros."""
    from asif_lib.sparse import sparsify

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


FLIPS = [(seed, 24, 3, k, 2) for seed, k in [(1052, 5), (790, 5), (1326, 4), (1002, 5), (862, 4), (352, 5), (889, 4)]]
"""Seed, anchors, labels, k and p of the decisions of exercise 06.4. Each usual mistake goes wrong in two of them at
least, and no two mistakes answer alike; in the last two no single anchor flips the label."""


class _Decision:
    """A decision of exercise 06.4, and what there is to know of it without each of its anchors."""

    def __init__(self, image, texts, k, p):
        x, y = _dense(image[None], k, p)[0], _dense(texts, k, p)
        ranking = (y @ x).argsort(descending=True)
        self.winner, self.second = ranking[:2].tolist()
        self.given = x * y  # (c, n), what each anchor contributes to each label
        ways = _without, _blanked, partial(_blanked, again=False)
        self.without, self.blanked, self.subtracted = (  # each (n, c)
            torch.stack([way(image, texts, a, k, p) for a in range(len(image))]) for way in ways
        )
        self.leads = self.lead(self.without)
        self.flips = self.leads < 0

    def lead(self, scores):
        """By how much the winner is ahead of the best other label without each of the anchors, (n,)."""
        others = scores.clone()
        others[:, self.winner] = -torch.inf
        return scores[:, self.winner] - others.amax(dim=1)

    def tested(self, value):
        """The anchor with the largest value (n,) among those that flip the decision, or -1."""
        return int(value.masked_fill(~self.flips, -torch.inf).argmax()) if self.flips.any() else -1

    def if_it_flips(self, anchor):
        return int(anchor) if self.flips[anchor] else -1

    def answer(self):
        return self.tested(-self.leads)

    def new_winner(self, else_label):
        """The label without the right anchor; where none flips it, `else_label`."""
        return int(self.without[self.answer()].argmax()) if self.flips.any() else else_label

    def without_refill(self, scores):
        lead = self.lead(scores)
        return int(lead.argmin()) if lead.min() < 0 else -1


NEW_LABEL = "You returned the new label; the anchor whose removal brings it about is wanted."
NEVER = "You say -1 of every decision. Some are flipped by a single anchor: compare the labels with and without each."
SCORE = (
    "You looked for the anchor without which the old winner's score is lowest. Other labels' scores move as well: what "
    "counts is by how much it leads the best of them."
)
UNTESTED = (
    "You returned the anchor that contributes most to the winner, untested. It may give as much to the others: compute "
    "the scores without each anchor."
)
FLIP_MISTAKES = [
    (NEVER, lambda d: -1),
    (NEW_LABEL, lambda d: d.new_winner(-1)),
    (NEW_LABEL, lambda d: d.new_winner(d.winner)),
    ("You return an anchor although no single one flips this decision; say -1 there.", lambda d: int(d.leads.argmin())),
    (
        "Where several anchors flip the decision, you took the first; take the one that leaves the old winner furthest "
        "behind.",
        lambda d: d.tested(-torch.arange(len(d.leads)).float()),
    ),
    (
        "Of the anchors that flip it, you took the one with the largest contribution; take the one that leaves the old "
        "winner furthest behind.",
        lambda d: d.tested(d.given[d.winner]),
    ),
    (SCORE, lambda d: int(d.without[:, d.winner].argmin())),
    (SCORE, lambda d: d.if_it_flips(d.without[:, d.winner].argmin())),
    (SCORE, lambda d: d.tested(-d.without[:, d.winner])),
    (UNTESTED, lambda d: int(d.given[d.winner].argmax())),
    (
        "You tried the anchor that contributes most to the winner, and no other. Another may flip the decision.",
        lambda d: d.if_it_flips(d.given[d.winner].argmax()),
    ),
    (
        "You returned the anchor with the largest difference between winner and runner-up, untested. When it goes, "
        "others enter and a third label may win: compute the scores without each anchor.",
        lambda d: int((d.given[d.winner] - d.given[d.second]).argmax()),
    ),
    (
        "You took contributions off the scores; without an anchor others enter the top k and everything is normalised "
        "again, as in exercise 06.3.",
        lambda d: d.without_refill(d.subtracted),
    ),
    (
        "You blanked the anchor and normalised again, but nothing entered in its place, as in exercise 06.3.",
        lambda d: d.without_refill(d.blanked),
    ),
    (
        "Your lead is turned round: you return the anchor without which the winner leads most.",
        lambda d: int(d.leads.argmax()),
    ),
]


@exercise("06.4", "The one that flips it")
def check_flip(function) -> Verdict:
    """The anchor whose removal changes the label, and by most; -1 where none does."""
    cases = [(*_cosines(n, c, seed), k, p) for seed, n, c, k, p in FLIPS]
    answers = []
    for number, case in enumerate(cases, 1):
        answer, failed = call(function, case, f"On input {number}")
        if failed:
            return failed
        if problem := form_problem(answer, 0) or _no_position(answer, len(case[0])):
            return wrong(f"On input {number}: {problem[0].lower()}{problem[1:]}")
        answers.append(int(answer))
    decisions = [_Decision(*case) for case in cases]
    if answers == [d.answer() for d in decisions]:
        return right(f"Your function agrees with the library on {len(cases)} inputs.")
    for message, mistake in FLIP_MISTAKES:  # a single input may agree by chance, so all of them must
        if answers == [mistake(d) for d in decisions]:
            return wrong(message)
    number = next(i for i, (a, d) in enumerate(zip(answers, decisions, strict=True)) if a != d.answer())
    return wrong(f"On input {number + 1} {_what_is_true(answers[number], decisions[number])}")


def _no_position(answer, n):
    """What is wrong with the form of an answer, or an empty string."""
    try:
        whole = int(answer) == answer
    except (TypeError, ValueError, RuntimeError):
        whole = False
    if not whole:
        return f"Your function returned {kind_of(answer)}; the position of one anchor, a whole number, is wanted."
    return "" if -1 <= answer < n else f"Your function returned {int(answer)}; the anchors are 0 to {n - 1}."


def _what_is_true(answer, decision):
    """Why an answer is not the right one, without naming that."""
    if answer == -1:
        return "your function says -1, and there is an anchor without which another label wins."
    lead = float(decision.leads[answer])
    told = f"without your anchor {answer} the old winner's lead is {lead:+.3f}"
    if lead >= 0:
        return f"{told}: the label stays as it is."
    return f"{told}: the label changes, but without another anchor the old winner lies further behind."
