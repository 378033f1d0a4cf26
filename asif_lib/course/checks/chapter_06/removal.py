"""Checks of exercises 06.3 and 06.4: the scores without one anchor, and the anchor that flips a label."""

from functools import cache, partial

import torch
import torch.nn.functional as F

from ..catalogue import but, changed, one_fewer
from ..chapter_04.vectors import four_steps, unchanged
from ..exercise import Exercise, investigation
from ..form import kind_of
from ..judging import ask, random_tensor
from ..verdict import Verdict, refuse, right


def scores(image, texts, k, p, vectors=four_steps):
    return vectors(texts, k, p) @ vectors(image[None], k, p)[0]


def without(image, texts, anchor, k, p, *, from_image=True, from_texts=True, vectors=four_steps):
    """Return the scores without one anchor; the options are the places where a step can go wrong.

    A cosine of -1 is the last to enter the top k, and the clamp makes it 0.
    """
    image, texts = image.clone(), texts.clone()
    if from_image:
        image[anchor] = -1
    if from_texts:
        texts[:, anchor] = -1
    return scores(image, texts, k, p, vectors)


def blanked(image, texts, anchor, k, p, scale=F.normalize):
    """Set the anchor's entries to 0 in the finished vectors: nothing enters in its place."""
    x, y = four_steps(image[None], k, p), four_steps(texts, k, p)
    x[:, anchor] = y[:, anchor] = 0
    return scale(y) @ scale(x)[0]


subtracted = partial(blanked, scale=unchanged)
raw_vectors = partial(four_steps, scale=unchanged)


def divided_by_old_lengths(image, texts, anchor, k, p):
    lengths = raw_vectors(texts, k, p).norm(dim=1) * raw_vectors(image[None], k, p).norm()
    return without(image, texts, anchor, k, p, vectors=raw_vectors) / lengths


def cosines(n, t, seed):
    """Make cosines with n anchors, of a picture and of t texts that partly agree with it."""
    rows = 0.8 * random_tensor(t + 1, n, seed=seed).tanh()
    return rows[0], 0.6 * rows[0] + 0.5 * rows[1:]


def of_the_strongest(seed, n, t, k, p):
    image, texts = cosines(n, t, seed)
    strongest = (four_steps(image[None], k, p) * four_steps(texts, k, p)).sum(dim=0).argmax()
    return image, texts, int(strongest), k, p


OUTSIDE = cosines(30, 4, 97)

check_without = Exercise(
    "06.3",
    "Take one anchor away",
    without,
    cases=[
        of_the_strongest(90, 30, 4, 5, 2),
        of_the_strongest(91, 30, 4, 5, 8),
        of_the_strongest(92, 40, 3, 8, 1),
        of_the_strongest(93, 12, 3, 10, 2),
        (*OUTSIDE, int(OUTSIDE[0].argmin()), 5, 2),
    ],
    mistakes={
        "You removed nothing: these are the scores with all anchors.": but(from_image=False, from_texts=False),
        "You only took the contribution off the score. Without the anchor both vectors change: the next one enters the "
        "top k, and both are normalised again.": subtracted,
        "You normalised again, but nothing entered in the anchor's place: each side has k entries, so take the anchor "
        "away *before* the top k.": blanked,
        "You kept k - 1 entries of every row. Where the anchor was in the top k the next one enters, and where it was "
        "not nothing changes: keep k of the other anchors.": one_fewer("k"),
        "You took the anchor away from the picture only; it is gone from the bank, so from the texts too.": but(
            from_texts=False
        ),
        "You took the anchor away from the texts only; it is gone from the bank, so from the picture too.": but(
            from_image=False
        ),
        "The right anchors are in the top k, but you divided by the old lengths; normalise the new vectors.": (
            divided_by_old_lengths
        ),
        "You kept only this anchor; all others stay.": lambda x, y, a, k, p: scores(x[[a]], y[:, [a]], k, p),
        "You forgot the power p.": changed(p=lambda p: 1),
        "You forgot the clamp: negative cosines became positive through the power.": but(
            vectors=partial(four_steps, clamp=unchanged)
        ),
    },
)


class Decision:
    """A decision of exercise 06.4, and what there is to know of it without each of its anchors."""

    def __init__(self, image, texts, k, p):
        x, y = four_steps(image[None], k, p)[0], four_steps(texts, k, p)
        self.winner, self.second = (y @ x).topk(2).indices.tolist()
        self.given = x * y  # (c, n), what each anchor contributes to each label
        self.without, self.blanked, self.subtracted = (  # each (n, c)
            torch.stack([way(image, texts, a, k, p) for a in range(len(image))])
            for way in (without, blanked, subtracted)
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


# Seeds and k. Each usual mistake goes wrong in two decisions at least, and no two mistakes answer alike; in the last
# two no single anchor flips the label.
FLIPS = [
    (*cosines(24, 3, seed), k, 2)
    for seed, k in [(1052, 5), (790, 5), (1326, 4), (1002, 5), (862, 4), (352, 5), (889, 4)]
]
FLIP_MISTAKES = {
    "You say -1 of every decision. Some are flipped by a single anchor: compare the labels with and without each.": (
        lambda d: -1,
    ),
    "You returned the new label; the anchor whose removal brings it about is wanted.": (
        lambda d: d.new_winner(-1),
        lambda d: d.new_winner(d.winner),
    ),
    "You return an anchor although no single one flips this decision; say -1 there.": (
        lambda d: int(d.leads.argmin()),
    ),
    "Where several anchors flip the decision, you took the first; take the one that leaves the old winner furthest "
    "behind.": (lambda d: d.tested(-torch.arange(len(d.leads)).float()),),
    "Of the anchors that flip it, you took the one with the largest contribution; take the one that leaves the old "
    "winner furthest behind.": (lambda d: d.tested(d.given[d.winner]),),
    "You looked for the anchor without which the old winner's score is lowest. Other labels' scores move as well: what "
    "counts is by how much it leads the best of them.": (
        lambda d: int(d.without[:, d.winner].argmin()),
        lambda d: d.if_it_flips(d.without[:, d.winner].argmin()),
        lambda d: d.tested(-d.without[:, d.winner]),
    ),
    "You returned the anchor that contributes most to the winner, untested. It may give as much to the others: compute "
    "the scores without each anchor.": (lambda d: int(d.given[d.winner].argmax()),),
    "You tried the anchor that contributes most to the winner, and no other. Another may flip the decision.": (
        lambda d: d.if_it_flips(d.given[d.winner].argmax()),
    ),
    "You returned the anchor with the largest difference between winner and runner-up, untested. When it goes, others "
    "enter and a third label may win: compute the scores without each anchor.": (
        lambda d: int((d.given[d.winner] - d.given[d.second]).argmax()),
    ),
    "You took contributions off the scores; without an anchor others enter the top k and everything is normalised "
    "again, as in exercise 06.3.": (lambda d: d.without_refill(d.subtracted),),
    "You blanked the anchor and normalised again, but nothing entered in its place, as in exercise 06.3.": (
        lambda d: d.without_refill(d.blanked),
    ),
    "Your lead is turned round: you return the anchor without which the winner leads most.": (
        lambda d: int(d.leads.argmax()),
    ),
}


@cache
def decisions():
    return [Decision(*case) for case in FLIPS]


@investigation("06.4", "The one that flips it")
def check_flip(function) -> Verdict:
    """Compare the anchors whose removal changes the label by most; -1 stands where none does.

    A single input may agree with a mistake by chance, so all of them must.
    """
    answers = [
        int(ask(function, case, f"On input {number}", like=0, form=partial(no_position, n=len(case[0]))))
        for number, case in enumerate(FLIPS, 1)
    ]
    if answers == [decision.answer() for decision in decisions()]:
        return right(f"Your function agrees with the library on {len(FLIPS)} inputs.")
    for message, ways in FLIP_MISTAKES.items():
        if any(answers == [way(decision) for decision in decisions()] for way in ways):
            refuse(message)
    for number, (answer, decision) in enumerate(zip(answers, decisions(), strict=True), 1):
        if answer != decision.answer():
            refuse(f"On input {number} {what_is_true(answer, decision)}")


def no_position(answer, n):
    """What is wrong with the form of an answer, or an empty string."""
    try:
        whole = int(answer) == answer
    except (TypeError, ValueError, RuntimeError):
        whole = False
    if not whole:
        return f"Your function returned {kind_of(answer)}; the position of one anchor, a whole number, is wanted."
    return "" if -1 <= answer < n else f"Your function returned {int(answer)}; the anchors are 0 to {n - 1}."


def what_is_true(answer, decision):
    """Why an answer is not the right one, without naming that."""
    if answer == -1:
        return "your function says -1, and there is an anchor without which another label wins."
    lead = float(decision.leads[answer])
    told = f"without your anchor {answer} the old winner's lead is {lead:+.3f}"
    if lead >= 0:
        return f"{told}: the label stays as it is."
    return f"{told}: the label changes, but without another anchor the old winner lies further behind."
